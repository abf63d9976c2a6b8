//! Entry: what is said of a chunk without reading it, of a fixed length, so that a scan is a walk.

use evenkeel_series::{Digest, Point};

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

    /// Of an entry in a file: the moments of its first and last sample. A walk asks for these alone.
    pub(crate) fn ends(bytes: &[u8; ENTRY_BYTES]) -> (i64, i64) {
        let [from, to] = [0, 8].map(|at| i64::from_le_bytes(field(bytes, at)));
        (from, to)
    }

    /// Of an entry in a file: how long the bytes of its chunk are.
    pub(crate) fn length(bytes: &[u8; ENTRY_BYTES]) -> u32 {
        u32::from_le_bytes(field(bytes, 76))
    }

    /// Of an entry in a file: what its points add up to.
    pub(crate) fn digest(bytes: &[u8; ENTRY_BYTES]) -> Option<Digest> {
        if bytes[84] & DIGESTED == 0 {
            return None;
        }
        let (from, to) = Self::ends(bytes);
        let value = |at: usize| f64::from_le_bytes(field(bytes, 16 + 8 * at));
        let [samples, stale] = [72, 74].map(|at| u16::from_le_bytes(field(bytes, at)));
        Some(Digest {
            count: u64::from(samples.saturating_sub(stale)),
            first: Point { at: from, value: value(0) },
            last: Point { at: to, value: value(1) },
            increase: value(2),
            sum: value(3),
            lost: value(4),
            min: value(5),
            max: value(6),
        })
    }

    /// What [`put`](Self::put) wrote.
    pub(crate) fn get(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let (from, to) = Self::ends(bytes);
        let kind = if bytes[84] & HISTOGRAMS == 0 { Kind::Floats } else { Kind::Histograms };
        Self {
            kind,
            from,
            to,
            samples: u16::from_le_bytes(field(bytes, 72)).into(),
            length: Self::length(bytes),
            check: u32::from_le_bytes(field(bytes, 80)),
            digest: Self::digest(bytes),
        }
    }
}

/// So many bytes from a place on, which is a constant where this is called.
fn field<const N: usize>(bytes: &[u8; ENTRY_BYTES], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
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
            let read = Entry::get(bytes.first_chunk().unwrap());
            assert_eq!((bytes.len(), format!("{read:?}")), (ENTRY_BYTES, format!("{entry:?}")));
        }
    }
}
