//! Write: how a segment comes to be. Series after series, then what was learned of all of them, then its name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use evenkeel_series::Digest;

use super::layout::{Footer, MAGIC, Part, Row, VERSION};
use super::{Flushes, print_of};
use crate::chunk::{ENTRY_BYTES, Entry, Kind, Piece};
use crate::directory::{self, Scratch};

/// A segment that is being written.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    scratch: Scratch,
    path: PathBuf,
    file: BufWriter<File>,
    data: u64,
    check: Hasher,
    entries: Entries,
    rows: Vec<Row>,
    samples: u64,
    /// Texts, by the order in which they came.
    symbols: BTreeMap<Box<str>, u32>,
    labels: Vec<[u32; 2]>,
}

impl SegmentWriter {
    /// Begins a file, under a name that nobody reads.
    pub(crate) fn create(directory: &Path, flushes: Flushes) -> io::Result<Self> {
        let path = flushes.path(directory);
        let (scratch, file) = Scratch::create(path.with_extension(directory::NEW))?;
        let entries = Entries::create(path.with_extension(ENTRIES))?;
        let mut file = BufWriter::with_capacity(1 << 18, file);
        file.write_all(&MAGIC)?;
        file.write_all(&VERSION.to_le_bytes())?;
        Ok(Self {
            scratch,
            path,
            file,
            data: 0,
            check: Hasher::new(),
            entries,
            rows: Vec::new(),
            samples: 0,
            symbols: BTreeMap::new(),
            labels: Vec::new(),
        })
    }

    /// The next series: ids grow from one to the next, and so do the first moments of the chunks.
    pub(crate) fn add<'a>(
        &mut self,
        id: u64,
        pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
        pieces: &[Piece<'_>],
    ) -> io::Result<()> {
        let Some(first) = pieces.first().map(|it| it.entry) else { return Ok(()) };
        let mut row = Row {
            id,
            print: print_of(pairs.clone()),
            labels_first: self.labels.len() as u32,
            labels: 0,
            entries_first: self.entries.count() as u32,
            entries: pieces.len() as u32,
            data: self.data,
            from: first.from,
            to: first.to,
            tangled: false,
            histograms: false,
            total: None,
        };
        for (name, value) in pairs {
            let label = [self.symbol(name), self.symbol(value)];
            self.labels.push(label);
            row.labels += 1;
        }
        for (at, Piece { entry, bytes }) in pieces.iter().enumerate() {
            self.file.write_all(bytes)?;
            self.check.update(bytes);
            self.data += bytes.len() as u64;
            self.samples += u64::from(entry.samples);
            self.entries.add(entry)?;
            row.tangled |= at > 0 && entry.from <= row.to;
            row.to = row.to.max(entry.to);
            row.histograms |= entry.kind == Kind::Histograms;
        }
        if !row.tangled {
            row.total = total(pieces);
        }
        self.rows.push(row);
        Ok(())
    }

    /// How long the chunks are so far.
    pub(crate) const fn data(&self) -> u64 {
        self.data
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn symbol(&mut self, text: &str) -> u32 {
        if let Some(symbol) = self.symbols.get(text) {
            return *symbol;
        }
        let symbol = self.symbols.len() as u32;
        self.symbols.insert(text.into(), symbol);
        symbol
    }

    /// Writes the rest, brings it to disk and gives the file its name.
    pub(crate) fn finish(mut self) -> io::Result<PathBuf> {
        let mut footer = Footer {
            from: self.rows.iter().map(|row| row.from).min().unwrap_or(0),
            to: self.rows.iter().map(|row| row.to).max().unwrap_or(0),
            samples: self.samples,
            rows: self.rows.len() as u32,
            ..Footer::default()
        };
        footer.parts[Part::Data as usize] = (self.data, self.check.clone().finalize());
        footer.parts[Part::Entries as usize] = self.entries.move_to(&mut self.file)?;
        let mut part = |part: Part, bytes: &[u8]| {
            footer.parts[part as usize] = (bytes.len() as u64, crc32fast::hash(bytes));
            self.file.write_all(bytes)
        };
        let mut bytes = Vec::new();
        self.rows.iter().for_each(|row| row.put(&mut bytes));
        part(Part::Rows, &bytes)?;
        let order = sort(&self.symbols);
        let (offsets, texts) = texts(&self.symbols);
        // Places of texts, labels and entries are told in 32 bits.
        let most = texts.len().max(self.labels.len()).max(self.entries.count() as usize);
        if u32::try_from(most).is_err() {
            return Err(io::Error::other("there is more in it than a segment can hold"));
        }
        part(Part::Offsets, &offsets)?;
        part(Part::Texts, &texts)?;
        for label in &mut self.labels {
            *label = label.map(|symbol| order[symbol as usize]);
        }
        part(Part::Labels, &numbers(self.labels.iter().flatten().copied()))?;
        let mut prints: Vec<_> = self.rows.iter().map(|row| row.print).zip(0_u32..).collect();
        prints.sort_unstable();
        bytes.clear();
        for (print, row) in prints {
            bytes.extend_from_slice(&print.to_le_bytes());
            bytes.extend_from_slice(&row.to_le_bytes());
        }
        part(Part::Prints, &bytes)?;
        let [names, values, lists] = postings(&self.rows, &self.labels);
        part(Part::Names, &numbers(names.into_iter()))?;
        part(Part::Values, &numbers(values.into_iter()))?;
        part(Part::Lists, &numbers(lists.into_iter()))?;
        bytes.clear();
        footer.put(&mut bytes);
        self.file.write_all(&bytes)?;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        self.scratch.publish(&self.path)?;
        Ok(self.path)
    }
}

/// Entries, which stand behind all data: until then they wait in a file of their own, and not in memory.
#[derive(Debug)]
struct Entries {
    _scratch: Scratch,
    file: BufWriter<File>,
    length: u64,
    check: Hasher,
    room: Vec<u8>,
}

/// The ending of their file.
const ENTRIES: &str = "entries.new";

impl Entries {
    fn create(path: PathBuf) -> io::Result<Self> {
        let (scratch, file) = Scratch::create(path)?;
        let file = BufWriter::with_capacity(1 << 16, file);
        Ok(Self { _scratch: scratch, file, length: 0, check: Hasher::new(), room: Vec::new() })
    }

    fn add(&mut self, entry: &Entry) -> io::Result<()> {
        self.room.clear();
        entry.put(&mut self.room);
        self.check.update(&self.room);
        self.length += self.room.len() as u64;
        self.file.write_all(&self.room)
    }

    const fn count(&self) -> u64 {
        self.length / ENTRY_BYTES as u64
    }

    /// Appends all to a file. Says how long they are, and their CRC-32.
    fn move_to(&mut self, file: &mut impl io::Write) -> io::Result<(u64, u32)> {
        self.file.flush()?;
        let own = self.file.get_mut();
        own.rewind()?;
        io::copy(own, file)?;
        Ok((self.length, self.check.clone().finalize()))
    }
}

/// What all chunks add up to; none if one of them does not say.
fn total(pieces: &[Piece<'_>]) -> Option<Digest> {
    let (first, rest) = pieces.split_first()?;
    rest.iter().try_fold(first.entry.digest?, |mut total, next| {
        total.append(next.entry.digest.as_ref()?);
        Some(total)
    })
}

/// By the order in which a text came, its place among all, sorted.
fn sort(symbols: &BTreeMap<Box<str>, u32>) -> Vec<u32> {
    let mut order = vec![0; symbols.len()];
    for (place, came) in (0..).zip(symbols.values()) {
        order[*came as usize] = place;
    }
    order
}

fn texts(symbols: &BTreeMap<Box<str>, u32>) -> (Vec<u8>, Vec<u8>) {
    let (mut offsets, mut texts) = (vec![0, 0, 0, 0], Vec::new());
    for text in symbols.keys() {
        texts.extend_from_slice(text.as_bytes());
        offsets.extend_from_slice(&(texts.len() as u32).to_le_bytes());
    }
    (offsets, texts)
}

/// Names with the place of their values, values with the place of their lists, and the lists of rows.
fn postings(rows: &[Row], labels: &[[u32; 2]]) -> [Vec<u32>; 3] {
    let mut all: Vec<[u32; 3]> = Vec::with_capacity(labels.len());
    for (row, number) in rows.iter().zip(0..) {
        let first = row.labels_first as usize;
        let own = &labels[first..first + row.labels as usize];
        all.extend(own.iter().map(|[name, value]| [*name, *value, number]));
    }
    all.sort_unstable();
    let (mut names, mut values, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    for of_name in all.chunk_by(|one, other| one[0] == other[0]) {
        let first = values.len() as u32 / 3;
        for of_value in of_name.chunk_by(|one, other| one[1] == other[1]) {
            values.extend([of_value[0][1], lists.len() as u32, of_value.len() as u32]);
            lists.extend(of_value.iter().map(|it| it[2]));
        }
        names.extend([of_name[0][0], first, values.len() as u32 / 3 - first]);
    }
    [names, values, lists]
}

fn numbers(numbers: impl Iterator<Item = u32>) -> Vec<u8> {
    numbers.flat_map(u32::to_le_bytes).collect()
}
