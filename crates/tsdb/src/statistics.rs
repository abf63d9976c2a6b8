//! Statistics: what a store holds, and what it did since it was opened.

use std::collections::BTreeMap;

use crate::batch::Appended;
use crate::error::Rejection;
use crate::snapshot::Snapshot;

/// What was done since the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Samples that were taken in.
    pub accepted: u64,
    /// Samples that were there already, the very same.
    pub duplicates: u64,
    /// Samples that were not taken in, by the reason.
    pub rejected: BTreeMap<Rejection, u64>,
    /// Segments that were written from memory.
    pub flushes: u64,
    /// Segments that were made of others.
    pub merges: u64,
    /// Segments that the retention removed.
    pub expired: u64,
    /// Chunks that were damaged and left out when segments were made of others.
    pub lost_chunks: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, appended: &Appended) {
        self.accepted += appended.accepted;
        self.duplicates += appended.duplicates;
        for (_, why) in &appended.rejected {
            *self.rejected.entry(*why).or_default() += 1;
        }
    }
}

/// What a store holds, and what it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Series that live in memory.
    pub live_series: u64,
    /// Their samples that are in no segment yet.
    pub live_samples: u64,
    /// The first and the last moment of those.
    pub live_moments: Option<(i64, i64)>,
    /// Bytes of the log's file that is written.
    pub log_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Their samples.
    pub segment_samples: u64,
    /// Their bytes.
    pub segment_bytes: u64,
    /// The first and the last moment of those.
    pub segment_moments: Option<(i64, i64)>,
    /// What was done since it was opened.
    pub counts: Counts,
}

impl Statistics {
    pub(crate) fn of(snapshot: &Snapshot, counts: Counts, log_bytes: u64) -> Self {
        let mut it = Self { log_bytes, counts, ..Self::default() };
        for (_, live) in snapshot.pages.iter() {
            it.live_series += 1;
            it.live_samples += live.samples();
            let sealed = live.sealed.iter().map(|chunk| (chunk.entry.from, chunk.entry.to));
            let ends = live.tail.ends().into_iter().chain(live.late_ends()).chain(sealed);
            ends.for_each(|ends| widen(&mut it.live_moments, ends));
        }
        for segment in &*snapshot.segments {
            it.segments += 1;
            it.segment_samples += segment.samples();
            it.segment_bytes += segment.length();
            widen(&mut it.segment_moments, (segment.from(), segment.to()));
        }
        it
    }
}

fn widen(moments: &mut Option<(i64, i64)>, (from, to): (i64, i64)) {
    let (first, last) = moments.unwrap_or((from, to));
    *moments = Some((first.min(from), last.max(to)));
}
