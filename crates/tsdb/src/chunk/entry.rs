//! Entry: what is said of a chunk without reading it, of a fixed length, so that a scan is a walk.

use evenkeel_series::{Digest, Point};

use crate::codec::wire::Reader;

/// What lies in a chunk.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Floats,
    Histograms,
}

/// What is said of a chunk.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// The moment of the first sample, …
    pub(crate) from: i64,
    /// … and of the last.
    pub(crate) to: i64,
    /// How many there are, stale markers among them; at least one.
    pub(crate) samples: u32,
    /// How long its bytes are.
    pub(crate) length: u32,
    /// Their CRC-32.
    pub(crate) check: u32,
    /// What its points add up to. A chunk of histograms has none, and one of floats whose first or last sample is a
    /// stale marker neither: it is rare, and its first point is not at `from`.
    pub(crate) digest: Option<Digest>,
}

/// How long an entry is in a file.
pub(crate) const ENTRY_BYTES: usize = 88;

const HISTOGRAMS: u8 = 1;
const DIGESTED: u8 = 2;

impl Entry {
    pub(crate) fn put(&self, into: &mut Vec<u8>) {
        let mut flags = if self.kind == Kind::Histograms { HISTOGRAMS } else { 0 };
        let none = Digest::of(Point { at: 0, value: 0.0 });
        let digest = self.digest.as_ref().map_or(&none, |digest| {
            flags |= DIGESTED;
            digest
        });
        let stale = self.samples.saturating_sub(digest.count as u32);
        into.extend_from_slice(&self.from.to_le_bytes());
        into.extend_from_slice(&self.to.to_le_bytes());
        for value in [
            digest.first.value,
            digest.last.value,
            digest.increase,
            digest.sum,
            digest.lost,
            digest.min,
            digest.max,
        ] {
            into.extend_from_slice(&value.to_le_bytes());
        }
        into.extend_from_slice(&(self.samples as u16).to_le_bytes());
        into.extend_from_slice(&(stale as u16).to_le_bytes());
        into.extend_from_slice(&self.length.to_le_bytes());
        into.extend_from_slice(&self.check.to_le_bytes());
        into.extend([flags, 0, 0, 0]);
    }

    /// What [`put`](Self::put) wrote.
    pub(crate) fn get(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (from, to) = (reader.i64()?, reader.i64()?);
        let mut values = [0.0; 7];
        for value in &mut values {
            *value = reader.f64()?;
        }
        let [first, last, increase, sum, lost, min, max] = values;
        let samples = u16::from_le_bytes(reader.array()?);
        let stale = u16::from_le_bytes(reader.array()?);
        let (length, check) = (reader.u32()?, reader.u32()?);
        let flags = reader.byte()?;
        let digest = (flags & DIGESTED != 0).then_some(Digest {
            count: u64::from(samples.saturating_sub(stale)),
            first: Point { at: from, value: first },
            last: Point { at: to, value: last },
            increase,
            sum,
            lost,
            min,
            max,
        });
        let kind = if flags & HISTOGRAMS == 0 { Kind::Floats } else { Kind::Histograms };
        Some(Self { kind, from, to, samples: samples.into(), length, check, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let points = [(5, 1.5), (6, f64::INFINITY), (9, -2.0)];
        let digest = Digest::of_all(points.map(|(at, value)| Point { at, value }));
        let floats = Entry {
            kind: Kind::Floats,
            from: 5,
            to: 9,
            samples: 4,
            length: 77,
            check: 0xdead_beef,
            digest,
        };
        for entry in [floats, Entry { kind: Kind::Histograms, digest: None, ..floats }] {
            let mut bytes = Vec::new();
            entry.put(&mut bytes);
            let read = Entry::get(bytes.first_chunk().unwrap()).unwrap();
            assert_eq!((bytes.len(), format!("{read:?}")), (ENTRY_BYTES, format!("{entry:?}")));
        }
    }
}
