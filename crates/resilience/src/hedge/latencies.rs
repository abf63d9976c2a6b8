//! Latencies: how long calls took of late, in bounded memory and without a lock.
//!
//! Counts by size: sixteen steps to each doubling, from a microsecond to 71 minutes, so that a percentile is never below the true
//! one, and above it by at most 1/16 (6.25 %) or a microsecond. There are two such counts. One is written to; after half a
//! window it is kept as the older one, and the other begins anew. What is read is both together, so the last half to a whole
//! window. To write is one addition to one of 464 words.

use std::time::Duration;

use evenkeel_units::{Moment, Ratio, nanos};

use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Steps to a doubling.
const STEPS: u64 = 16;
/// Of less than sixteen microseconds each is a step; then come 28 doublings.
const BUCKETS: usize = 29 * STEPS as usize;

/// Latencies of the last half to a whole window.
#[derive(Debug)]
pub(super) struct Latencies {
    halves: [Box<[AtomicU32]>; 2],
    /// The lowest bit says which half is written to.
    turns: AtomicU32,
    /// When that began, in nanoseconds.
    turned_at: AtomicU64,
}

impl Latencies {
    pub(super) fn new() -> Self {
        let half = || (0..BUCKETS).map(|_| AtomicU32::new(0)).collect();
        Self { halves: [half(), half()], turns: AtomicU32::new(0), turned_at: AtomicU64::new(0) }
    }

    /// Counts one.
    #[inline]
    pub(super) fn record(&self, latency: Duration) {
        // Somebody who turns meanwhile may clear this one: then one is missing, out of the oldest.
        self.halves[self.turns.load(Relaxed) as usize % 2][bucket(latency)].fetch_add(1, Relaxed);
    }

    /// Forgets what is too old. Not for two at once.
    pub(super) fn turn(&self, now: Moment, half: Duration) {
        let turned_at = Moment::at(Duration::from_nanos(self.turned_at.load(Relaxed)));
        let since = now - turned_at;
        if since < half {
            return;
        }
        let turns = self.turns.load(Relaxed);
        let clear = |which: u32| {
            self.halves[which as usize % 2].iter().for_each(|it| it.store(0, Relaxed));
        };
        clear(turns.wrapping_add(1));
        if since >= half.saturating_mul(2) {
            // Nobody came for so long that both are old.
            clear(turns);
        }
        self.turned_at.store(nanos(now.elapsed()), Relaxed);
        self.turns.store(turns.wrapping_add(1), Relaxed);
    }

    /// How many are known, and what that share of them took at most; nothing, if none is known.
    pub(super) fn percentile(&self, share: Ratio) -> (usize, Duration) {
        let [one, other] = &self.halves;
        let mut counts = [0; BUCKETS];
        for (count, (one, other)) in counts.iter_mut().zip(one.iter().zip(other)) {
            *count = one.load(Relaxed) as usize + other.load(Relaxed) as usize;
        }
        let known = counts.iter().sum();
        let rank = known - share.rest().floor_of(known);
        let mut below = 0;
        let at = counts.iter().position(|it| {
            below += it;
            below >= rank.max(1)
        });
        (known, at.map_or(Duration::ZERO, edge))
    }
}

fn bucket(latency: Duration) -> usize {
    let micros = latency.as_micros().min(u128::from(u32::MAX)) as u64;
    match micros {
        0..STEPS => micros as usize,
        _ => {
            // The highest bit says which doubling it is, and the four below it which step.
            let shift = micros.ilog2() - STEPS.ilog2();
            (u64::from(shift + 1) * STEPS + ((micros >> shift) - STEPS)) as usize
        }
    }
}

/// Up to where a bucket counts.
const fn edge(bucket: usize) -> Duration {
    let (doubling, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    Duration::from_micros(match doubling {
        0 => step + 1,
        _ => (STEPS + step + 1) << (doubling - 1),
    })
}

#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    #[test]
    fn every_bucket_ends_where_the_next_begins() {
        for bucket in 0..BUCKETS {
            let edge = edge(bucket);
            assert_eq!(super::bucket(edge.checked_sub(Duration::from_nanos(1)).unwrap()), bucket);
            assert_eq!(super::bucket(edge), (bucket + 1).min(BUCKETS - 1));
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn what_is_older_than_a_window_is_forgotten() {
        let latencies = Latencies::new();
        let known = || latencies.percentile(Ratio::ONE).0;
        latencies.turn(at(100), SECOND);
        latencies.record(SECOND);
        latencies.turn(at(101), SECOND);
        latencies.record(SECOND);
        assert_eq!(known(), 2);
        latencies.turn(at(102), SECOND);
        assert_eq!(known(), 1);
        latencies.turn(at(104), SECOND);
        assert_eq!(known(), 0);
    }

    proptest! {
        #[test]
        fn a_percentile_is_that_of_a_sorted_list_and_at_most_a_sixteenth_more(
            nanos in prop::collection::vec(0u64..1 << 40, 1..300), percent in 0u32..=100,
        ) {
            let latencies = Latencies::new();
            nanos.iter().for_each(|it| latencies.record(Duration::from_nanos(*it)));
            let mut sorted = nanos;
            sorted.sort_unstable();
            let rank = (sorted.len() * percent as usize).div_ceil(100).max(1);
            let exact = Duration::from_nanos(sorted[rank - 1]);
            let (known, found) = latencies.percentile(Ratio::percent(percent));
            prop_assert_eq!(known, sorted.len());
            prop_assert!(found >= exact, "{found:?} of {exact:?}");
            let most = exact + (exact / 16).max(Duration::from_micros(1));
            prop_assert!(found <= most, "{found:?} of {exact:?}");
        }
    }
}
