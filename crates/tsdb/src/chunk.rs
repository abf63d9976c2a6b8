//! Chunk: some samples of one series, sealed, with what they add up to.
//!
//! ```text
//! entry      Entry: what is said of a chunk without reading it, of a fixed length, so that a scan is a walk
//! floats     chunks of floats
//! histogram  chunks of native histograms
//! tail       Tail: the chunk that still grows
//! ```

pub(crate) mod entry;
pub(crate) mod floats;
pub(crate) mod histogram;
pub(crate) mod tail;

use evenkeel_series::{Samples, Span, Summed};

pub(crate) use entry::{ENTRY_BYTES, Entry, Kind};

/// After so many samples a chunk of floats is sealed. More cost less on disk and more to read where a span begins or
/// ends within one.
pub(crate) const SAMPLES: usize = 240;

/// A chunk that lies in memory.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) entry: Entry,
    pub(crate) bytes: Box<[u8]>,
}

impl Chunk {
    pub(crate) fn piece(&self) -> Piece<'_> {
        Piece { entry: self.entry, bytes: &self.bytes }
    }
}

/// A chunk, wherever it lies.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) entry: Entry,
    pub(crate) bytes: &'a [u8],
}

/// A chunk whose bytes are not those that were written.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

impl Piece<'_> {
    fn check(&self) -> Result<(), Damaged> {
        if crc32fast::hash(self.bytes) == self.entry.check { Ok(()) } else { Err(Damaged) }
    }

    /// What its points of a span add up to. Unknown if that is not said without reading them.
    pub(crate) fn sum(&self, span: Span) -> Summed {
        match self.entry.kind {
            Kind::Floats if self.check().is_ok() => floats::sum(&self.entry, self.bytes, span),
            _ => Summed::Unknown,
        }
    }

    /// Appends its samples of a span, in order of time.
    pub(crate) fn read(&self, span: Span, into: &mut Samples) -> Result<(), Damaged> {
        self.check()?;
        let read = match self.entry.kind {
            Kind::Floats => floats::decode(&self.entry, self.bytes, span, &mut into.points),
            Kind::Histograms => {
                histogram::decode(&self.entry, self.bytes, span, &mut into.histograms)
            }
        };
        read.ok_or(Damaged)
    }
}
