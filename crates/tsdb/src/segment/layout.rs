//! Layout: the rows of a segment and its footer, byte by byte.

use evenkeel_series::{Digest, Point};

use crate::codec::wire::Reader;

pub(crate) const MAGIC: [u8; 8] = *b"evk-seg\n";
pub(crate) const VERSION: u32 = 1;
pub(crate) const HEADER: usize = 12;

/// The parts of a file, in order.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Data,
    Entries,
    Rows,
    Offsets,
    Texts,
    Labels,
    Prints,
    Names,
    Values,
    Lists,
}

impl Part {
    pub(crate) const ALL: [Self; 10] = [
        Self::Data,
        Self::Entries,
        Self::Rows,
        Self::Offsets,
        Self::Texts,
        Self::Labels,
        Self::Prints,
        Self::Names,
        Self::Values,
        Self::Lists,
    ];
}

/// How long the end of a file is.
pub(crate) const FOOTER: usize = 28 + Part::ALL.len() * 12 + 4;

/// The end of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) samples: u64,
    pub(crate) rows: u32,
    /// The length and the CRC-32 of each part; they follow one another without a gap.
    pub(crate) parts: [(u64, u32); Part::ALL.len()],
}

impl Footer {
    pub(crate) fn put(&self, into: &mut Vec<u8>) {
        let begin = into.len();
        into.extend_from_slice(&self.from.to_le_bytes());
        into.extend_from_slice(&self.to.to_le_bytes());
        into.extend_from_slice(&self.samples.to_le_bytes());
        into.extend_from_slice(&self.rows.to_le_bytes());
        for (length, check) in self.parts {
            into.extend_from_slice(&length.to_le_bytes());
            into.extend_from_slice(&check.to_le_bytes());
        }
        let check = crc32fast::hash(&into[begin..]);
        into.extend_from_slice(&check.to_le_bytes());
    }

    pub(crate) fn get(bytes: &[u8; FOOTER]) -> Option<Self> {
        let (body, check) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*check) {
            return None;
        }
        let mut reader = Reader::new(body);
        let (from, to) = (reader.i64()?, reader.i64()?);
        let (samples, rows) = (reader.u64()?, reader.u32()?);
        let mut parts = [(0, 0); Part::ALL.len()];
        for part in &mut parts {
            *part = (reader.u64()?, reader.u32()?);
        }
        Some(Self { from, to, samples, rows, parts })
    }

    pub(crate) const fn check(&self, part: Part) -> u32 {
        self.parts[part as usize].1
    }

    /// The bytes of a part.
    pub(crate) fn slice<'a>(&self, part: Part, file: &'a [u8]) -> Option<&'a [u8]> {
        let mut before = self.parts[..part as usize].iter().map(|(length, _)| *length);
        let begin = before.try_fold(HEADER as u64, u64::checked_add)?;
        let begin = usize::try_from(begin).ok()?;
        let end = begin.checked_add(usize::try_from(self.parts[part as usize].0).ok()?)?;
        file.get(begin..end)
    }
}

/// One series of a segment.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) print: u64,
    pub(crate) labels_first: u32,
    pub(crate) labels: u32,
    pub(crate) entries_first: u32,
    pub(crate) entries: u32,
    /// Where its first chunk begins among the data.
    pub(crate) data: u64,
    /// The moment of its first sample, …
    pub(crate) from: i64,
    /// … and of its last.
    pub(crate) to: i64,
    /// Some chunks of it share a stretch of time.
    pub(crate) tangled: bool,
    /// Some chunks of it are of histograms.
    pub(crate) histograms: bool,
    /// What all its points add up to, if each chunk says so and none share a stretch of time.
    pub(crate) total: Option<Digest>,
}

/// How long a row is in a file.
pub(crate) const ROW_BYTES: usize = ENDS + 16 + 80;

/// Where the moments stand in a row.
const ENDS: usize = 44;

const TANGLED: u32 = 1;
const HISTOGRAMS: u32 = 2;
const TOTALLED: u32 = 4;

impl Row {
    pub(crate) fn put(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.id.to_le_bytes());
        into.extend_from_slice(&self.print.to_le_bytes());
        let flags = if self.tangled { TANGLED } else { 0 }
            | if self.histograms { HISTOGRAMS } else { 0 }
            | if self.total.is_some() { TOTALLED } else { 0 };
        for number in [self.labels_first, self.labels, self.entries_first, self.entries, flags] {
            into.extend_from_slice(&number.to_le_bytes());
        }
        into.extend_from_slice(&self.data.to_le_bytes());
        into.extend_from_slice(&self.from.to_le_bytes());
        into.extend_from_slice(&self.to.to_le_bytes());
        let digest = self.total.unwrap_or(Digest::of(Point { at: 0, value: 0.0 }));
        into.extend_from_slice(&digest.count.to_le_bytes());
        for Point { at, value } in [digest.first, digest.last] {
            into.extend_from_slice(&at.to_le_bytes());
            into.extend_from_slice(&value.to_le_bytes());
        }
        let Digest { increase, sum, lost, min, max, .. } = digest;
        for value in [increase, sum, lost, min, max] {
            into.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// The first and the last moment of the row that some bytes begin with.
    pub(crate) fn ends(bytes: &[u8]) -> Option<(i64, i64)> {
        let mut it = Reader::new(bytes.get(ENDS..)?);
        Some((it.i64()?, it.i64()?))
    }

    /// The row that some bytes begin with.
    pub(crate) fn get(bytes: &[u8]) -> Option<Self> {
        let mut it = Reader::new(bytes);
        let (id, print) = (it.u64()?, it.u64()?);
        let (labels_first, labels, entries_first, entries) =
            (it.u32()?, it.u32()?, it.u32()?, it.u32()?);
        let flags = it.u32()?;
        let (data, from, to) = (it.u64()?, it.i64()?, it.i64()?);
        let count = it.u64()?;
        let first = Point { at: it.i64()?, value: it.f64()? };
        let last = Point { at: it.i64()?, value: it.f64()? };
        let (increase, sum, lost, min, max) =
            (it.f64()?, it.f64()?, it.f64()?, it.f64()?, it.f64()?);
        let digest = Digest { count, first, last, increase, sum, lost, min, max };
        Some(Self {
            id,
            print,
            labels_first,
            labels,
            entries_first,
            entries,
            data,
            from,
            to,
            tangled: flags & TANGLED != 0,
            histograms: flags & HISTOGRAMS != 0,
            total: (flags & TOTALLED != 0).then_some(digest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_footers_are_read_as_they_were_written() {
        let row = Row {
            id: 1,
            print: 2,
            labels_first: 3,
            labels: 4,
            entries_first: 5,
            entries: 6,
            data: 7,
            from: -8,
            to: 9,
            tangled: true,
            histograms: true,
            total: Digest::of_all([(1, 2.0), (3, 7.5)].map(|(at, value)| Point { at, value })),
        };
        for row in [row, Row { total: None, tangled: false, ..row }] {
            let mut bytes = Vec::new();
            row.put(&mut bytes);
            assert_eq!(bytes.len(), ROW_BYTES);
            assert_eq!(Row::get(&bytes), Some(row));
            assert_eq!(Row::ends(&bytes), Some((row.from, row.to)));
        }
        let mut footer = Footer { from: -5, to: 6, samples: 7, rows: 8, ..Footer::default() };
        footer.parts[3] = (77, 88);
        let mut bytes = Vec::new();
        footer.put(&mut bytes);
        let mut bytes = *bytes.first_chunk::<FOOTER>().unwrap();
        assert_eq!(Footer::get(&bytes), Some(footer));
        bytes[40] ^= 1;
        assert_eq!(Footer::get(&bytes), None);
    }
}
