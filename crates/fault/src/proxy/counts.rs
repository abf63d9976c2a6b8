//! What a toxic did, as counted on the way: evidence of faults.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The name of the delay in the middle, in seconds.
const MEDIAN_DELAY: &str = "median_delay_seconds";

/// What a toxic did, as counted on the way.
#[derive(Debug, Default)]
pub struct Counts {
    /// Segments that left late.
    pub segments: AtomicU64,
    delays: Mutex<Samples>,
    /// Bytes that passed under a bandwidth.
    pub bytes: AtomicU64,
    /// Times that bytes had to wait for it.
    pub waits: AtomicU64,
    /// Connections that were reset.
    pub reset: AtomicU64,
    /// Connections that lost something in the black hole.
    pub swallowed: AtomicU64,
    /// Bytes that they lost.
    pub swallowed_bytes: AtomicU64,
    /// Requests seen.
    pub requests: AtomicU64,
    /// Requests among them that could be hit.
    pub matched: AtomicU64,
    /// Requests that were hit: answered, broken off, or changed.
    pub hit: AtomicU64,
    /// Answers that were changed.
    pub changed: AtomicU64,
    /// Answers into which nothing could be merged.
    pub unfit: AtomicU64,
    /// Connections that passed untouched, since they speak something else.
    pub foreign: AtomicU64,
    /// Handshakes of TLS that were answered with a flawed certificate.
    pub handshakes: AtomicU64,
    /// Clients among them that did not take it.
    pub rejected: AtomicU64,
    /// Clients that took it all the same.
    pub accepted: AtomicU64,
}

impl Counts {
    /// One of them, as it stands.
    pub fn read(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }

    /// Each with its name.
    const fn all(&self) -> [(&'static str, &AtomicU64); 15] {
        [
            ("segments", &self.segments),
            ("bytes", &self.bytes),
            ("waits", &self.waits),
            ("reset", &self.reset),
            ("swallowed", &self.swallowed),
            ("swallowed_bytes", &self.swallowed_bytes),
            ("requests", &self.requests),
            ("matched", &self.matched),
            ("hit", &self.hit),
            ("changed", &self.changed),
            ("unfit", &self.unfit),
            ("foreign", &self.foreign),
            ("handshakes", &self.handshakes),
            ("rejected", &self.rejected),
            ("accepted", &self.accepted),
        ]
    }

    /// As a child of ours says it.
    pub(crate) fn counters(&self) -> BTreeMap<String, f64> {
        let counts = self.all().map(|(name, it)| (name.to_owned(), Self::read(it) as f64));
        let delay = (MEDIAN_DELAY.to_owned(), self.median_delay().as_secs_f64());
        counts.into_iter().chain([delay]).collect()
    }

    /// As it was said.
    pub(crate) fn said(counters: &BTreeMap<String, f64>) -> Self {
        let counts = Self::default();
        let delay = counters.get(MEDIAN_DELAY).copied().unwrap_or_default();
        let delay = Duration::try_from_secs_f64(delay).unwrap_or_default();
        counts.delays.lock().unwrap_or_else(PoisonError::into_inner).add(delay);
        for (name, count) in counts.all() {
            let said = counters.get(name).copied().unwrap_or_default();
            count.store(said as u64, Ordering::Relaxed);
        }
        counts
    }

    /// The delay in the middle of those that were really added.
    pub fn median_delay(&self) -> Duration {
        self.delays.lock().unwrap_or_else(PoisonError::into_inner).median()
    }

    /// Notes how late a segment really left.
    pub(crate) fn delayed(&self, by: Duration) {
        self.segments.fetch_add(1, Ordering::Relaxed);
        self.delays.lock().unwrap_or_else(PoisonError::into_inner).add(by);
    }
}

/// A bounded, evenly spaced sample of durations: when it is full, every second one goes, and from then
/// on only every second one comes.
#[derive(Debug)]
struct Samples {
    micros: Vec<u32>,
    stride: u64,
    seen: u64,
}

impl Default for Samples {
    fn default() -> Self {
        Self { micros: Vec::new(), stride: 1, seen: 0 }
    }
}

impl Samples {
    const MOST: usize = 16_384;

    fn add(&mut self, by: Duration) {
        if self.seen.is_multiple_of(self.stride) {
            if self.micros.len() == Self::MOST {
                let mut keep = false;
                self.micros.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.stride *= 2;
            }
            self.micros.push(u32::try_from(by.as_micros()).unwrap_or(u32::MAX));
        }
        self.seen += 1;
    }

    fn median(&self) -> Duration {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let middle = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        Duration::from_micros(middle.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_says_is_what_it_counted() {
        let counts = Counts::default();
        counts.requests.store(7, Ordering::Relaxed);
        counts.hit.store(3, Ordering::Relaxed);
        let heard = Counts::said(&counts.counters());
        assert_eq!((Counts::read(&heard.requests), Counts::read(&heard.hit)), (7, 3));
    }

    #[test]
    fn the_median_survives_more_samples_than_are_kept() {
        let mut samples = Samples::default();
        for micros in 0..100_000 {
            samples.add(Duration::from_micros(micros));
        }
        assert!(samples.micros.len() <= Samples::MOST);
        assert!(samples.median().abs_diff(Duration::from_millis(50)) < Duration::from_millis(1));
    }
}
