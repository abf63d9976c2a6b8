//! Segment: chunks of many series in a file that never changes, with an index of its own.
//!
//! ```text
//! header    magic, version
//! data      chunks, one series after the other
//! entries   what is said of each chunk, of a fixed length: a query walks through them
//! rows      one a series, by id: where its chunks are, and what all of them add up to
//! symbols   every text once, sorted; labels are pairs of them
//! prints    hashes of labels, sorted: to which row they belong
//! names, values, lists   the postings
//! footer    where each part lies, and its CRC-32
//! ```
//!
//! A file is mapped, and what is not asked for takes no memory. Every part but the data is checked when it is opened,
//! a chunk when it is read. Files are named by the flushes that they hold: `3-6` is made of `3-4` and `5-6`, which are
//! removed after it has its name, or else with the next start.

mod layout;
mod map;
pub(crate) mod write;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use evenkeel_series::{Label, Labels, Span};

use crate::chunk::{ENTRY_BYTES, Entry, Piece};
use crate::head::same_pairs;
use crate::index::Postings;
use layout::{FOOTER, Footer, HEADER, MAGIC, Part, VERSION};
pub(crate) use layout::{ROW_BYTES, Row};
use map::Map;
pub(crate) use write::SegmentWriter;

/// The newest format that is read.
pub(crate) const NEWEST: u32 = VERSION;

/// The ending of a segment's name.
pub(crate) const ENDING: &str = "segment";

/// The first and the last flush that a segment holds.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Flushes {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Flushes {
    /// One by itself.
    pub(crate) const fn alone(number: u64) -> Self {
        Self { first: number, last: number }
    }

    pub(crate) fn path(self, directory: &Path) -> PathBuf {
        directory.join(format!("{:08}-{:08}.{ENDING}", self.first, self.last))
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        let (first, last) = name.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some(Self { first, last })
    }

    /// Whether all of another's are among them.
    pub(crate) const fn hold(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

/// Why a file is no segment that can be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    Newer(u32),
    Damaged(&'static str),
    Io(io::Error),
}

/// A segment that is open.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) flushes: Flushes,
    map: Map,
    footer: Footer,
    /// Somebody found a chunk of it damaged.
    pub(crate) suspect: AtomicBool,
}

impl Segment {
    /// Opens a file, and checks everything but the chunks.
    pub(crate) fn open(path: &Path, flushes: Flushes) -> Result<Self, Unusable> {
        let map = File::open(path).and_then(|file| Map::of(&file)).map_err(Unusable::Io)?;
        let damaged = Unusable::Damaged;
        let bytes = map.bytes();
        let header = bytes.first_chunk::<HEADER>().ok_or(damaged("it is too short"))?;
        if !header.starts_with(&MAGIC) {
            return Err(damaged("it does not begin like a segment"));
        }
        let [.., a, b, c, d] = *header;
        match u32::from_le_bytes([a, b, c, d]) {
            VERSION => {}
            newer if newer > VERSION => return Err(Unusable::Newer(newer)),
            _ => return Err(damaged("its version is none")),
        }
        let end = bytes.last_chunk::<FOOTER>().ok_or(damaged("it is too short"))?;
        let footer = Footer::get(end).ok_or(damaged("its end is not what was written"))?;
        for part in Part::ALL {
            let bytes = footer.slice(part, bytes).ok_or(damaged("it is cut off"))?;
            if part != Part::Data && crc32fast::hash(bytes) != footer.check(part) {
                return Err(damaged("its index is not what was written"));
            }
        }
        let suspect = AtomicBool::new(false);
        Ok(Self { path: path.to_owned(), flushes, map, footer, suspect })
    }

    fn part(&self, part: Part) -> &[u8] {
        self.footer.slice(part, self.map.bytes()).unwrap_or_default()
    }

    pub(crate) fn length(&self) -> u64 {
        self.map.bytes().len() as u64
    }

    pub(crate) const fn from(&self) -> i64 {
        self.footer.from
    }

    pub(crate) const fn to(&self) -> i64 {
        self.footer.to
    }

    pub(crate) const fn samples(&self) -> u64 {
        self.footer.samples
    }

    pub(crate) const fn rows(&self) -> u32 {
        self.footer.rows
    }

    /// Lets go of what of the file is in memory: to be called by who has read much of it and will not again.
    pub(crate) fn release(&self) -> io::Result<()> {
        self.map.release()
    }

    /// Whether every chunk is what was written.
    pub(crate) fn is_whole(&self) -> bool {
        crc32fast::hash(self.part(Part::Data)) == self.footer.check(Part::Data)
    }

    pub(crate) fn row(&self, row: u32) -> Option<Row> {
        Row::get(self.row_bytes(row))
    }

    fn row_bytes(&self, row: u32) -> &[u8] {
        self.part(Part::Rows).get(row as usize * ROW_BYTES..).unwrap_or_default()
    }

    fn id_of(&self, row: u32) -> u64 {
        self.row_bytes(row).first_chunk().map_or(u64::MAX, |it| u64::from_le_bytes(*it))
    }

    /// The ids of those of some rows that have samples in a span.
    pub(crate) fn ids<'a>(
        &'a self,
        rows: &'a [u32],
        span: Span,
    ) -> impl Iterator<Item = (u64, u32)> + use<'a> {
        let all = span.covers(self.from(), self.to());
        let meets = move |row: &u32| {
            all || Row::ends(self.row_bytes(*row)).is_some_and(|(from, to)| span.meets(from, to))
        };
        rows.iter().copied().filter(meets).map(|row| (self.id_of(row), row))
    }

    /// The row of a series.
    pub(crate) fn row_of(&self, id: u64) -> Option<u32> {
        let row = search(self.rows(), |row| self.id_of(row).cmp(&id))?;
        (self.id_of(row) == id).then_some(row)
    }

    /// The id that a series had, if it is here.
    pub(crate) fn find<'a>(
        &self,
        print: u64,
        pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Option<Row> {
        let prints = self.part(Part::Prints);
        let at = |at: u32| {
            let mut it = crate::codec::wire::Reader::new(prints.get(at as usize * 12..)?);
            Some((it.u64()?, it.u32()?))
        };
        let first = search(self.rows(), |it| at(it).map_or(0, |it| it.0).cmp(&print))?;
        (first..self.rows())
            .map_while(|it| at(it).filter(|it| it.0 == print))
            .filter_map(|(_, row)| self.row(row))
            .find(|row| same_pairs(self.pairs(row), pairs.clone()))
    }

    /// The entries of a series, in order of their first moments.
    pub(crate) fn entries(&self, row: &Row) -> &[[u8; ENTRY_BYTES]] {
        let begin = row.entries_first as usize * ENTRY_BYTES;
        let end = begin + row.entries as usize * ENTRY_BYTES;
        self.part(Part::Entries).get(begin..end).unwrap_or_default().as_chunks().0
    }

    /// A chunk whose bytes begin at a place among the data.
    pub(crate) fn piece(&self, entry: &[u8; ENTRY_BYTES], at: usize) -> Option<Piece<'_>> {
        let entry = Entry::get(entry);
        let bytes = self.part(Part::Data).get(at..at.checked_add(entry.length as usize)?)?;
        Some(Piece { entry, bytes })
    }

    /// The chunks of a series, in order of their first moments.
    pub(crate) fn pieces(&self, row: &Row) -> impl Iterator<Item = Piece<'_>> + use<'_> {
        let mut at = row.data as usize;
        self.entries(row).iter().map_while(move |entry| {
            let piece = self.piece(entry, at);
            at = at.saturating_add(Entry::length(entry) as usize);
            piece
        })
    }

    /// The labels of a series, as texts in the file.
    pub(crate) fn pairs(&self, row: &Row) -> impl Iterator<Item = (&str, &str)> + Clone + use<'_> {
        let begin = row.labels_first as usize * 8;
        let end = begin + row.labels as usize * 8;
        let bytes = self.part(Part::Labels).get(begin..end).unwrap_or_default();
        bytes.as_chunks::<8>().0.iter().map(|[a, b, c, d, e, f, g, h]| {
            let symbols = [[*a, *b, *c, *d], [*e, *f, *g, *h]].map(u32::from_le_bytes);
            (self.text(symbols[0]), self.text(symbols[1]))
        })
    }

    pub(crate) fn labels(&self, row: &Row) -> Labels {
        let label = |(name, value): (&str, &str)| Label { name: name.into(), value: value.into() };
        Labels::new(self.pairs(row).map(label))
    }

    fn text(&self, symbol: u32) -> &str {
        let offset = |at: usize| number(self.part(Part::Offsets), at);
        let texts = self.part(Part::Texts);
        offset(symbol as usize)
            .zip(offset(symbol as usize + 1))
            .and_then(|(begin, end)| texts.get(begin as usize..end as usize))
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or("")
    }

    /// Where the values of a label lie among all values.
    fn values_of(&self, name: &str) -> std::ops::Range<u32> {
        let names = self.part(Part::Names);
        let text = |at: u32| self.text(number(names, at as usize * 3).unwrap_or(u32::MAX));
        let found = search((names.len() / 12) as u32, |at| text(at).cmp(name));
        let Some(at) = found.filter(|at| text(*at) == name) else { return 0..0 };
        let (first, count) =
            (number(names, at as usize * 3 + 1), number(names, at as usize * 3 + 2));
        let first = first.unwrap_or(0);
        first..first.saturating_add(count.unwrap_or(0))
    }

    /// A value of a label, and its series.
    fn value(&self, at: u32) -> Option<(&str, Cow<'_, [u32]>)> {
        let values = self.part(Part::Values);
        let at = at as usize * 3;
        let [symbol, first, count] =
            [number(values, at)?, number(values, at + 1)?, number(values, at + 2)?];
        let begin = first as usize * 4;
        let list = self.part(Part::Lists).get(begin..begin + count as usize * 4)?;
        let rows = list.as_chunks::<4>().0.iter().map(|it| u32::from_le_bytes(*it));
        Some((self.text(symbol), Cow::Owned(rows.collect())))
    }
}

impl Postings for Segment {
    fn all(&self) -> Cow<'_, [u32]> {
        Cow::Owned((0..self.rows()).collect())
    }

    fn of(&self, name: &str, value: &str) -> Cow<'_, [u32]> {
        let range = self.values_of(name);
        let values = self.part(Part::Values);
        let text = |at: u32| self.text(number(values, at as usize * 3).unwrap_or(u32::MAX));
        search(range.end - range.start, |at| text(range.start + at).cmp(value))
            .and_then(|at| self.value(range.start + at))
            .filter(|(text, _)| *text == value)
            .map_or(Cow::Borrowed(&[]), |(_, list)| list)
    }

    fn each_value(&self, name: &str, visit: &mut dyn FnMut(&str, Cow<'_, [u32]>)) {
        for (text, list) in self.values_of(name).filter_map(|at| self.value(at)) {
            visit(text, list);
        }
    }

    fn each_name(&self, visit: &mut dyn FnMut(&str)) {
        for [a, b, c, d, ..] in self.part(Part::Names).as_chunks::<12>().0 {
            visit(self.text(u32::from_le_bytes([*a, *b, *c, *d])));
        }
    }
}

/// The number at a place of a table of numbers.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at * 4..)?.first_chunk().map(|it| u32::from_le_bytes(*it))
}

/// The first of `count` sorted things that is not less than what is sought.
fn search(count: u32, compare: impl Fn(u32) -> Ordering) -> Option<u32> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if compare(middle) == Ordering::Less {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (low < count).then_some(low)
}

/// A hash of labels that means the same in every file: FNV-1a, with a byte between texts that is in none.
pub(crate) fn print_of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    let texts = pairs.flat_map(|(name, value)| [name, value]);
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
