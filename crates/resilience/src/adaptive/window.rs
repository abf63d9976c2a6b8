//! Window: what calls told since the last look, without a lock.

use std::time::Duration;

use evenkeel_units::{Moment, nanos};

use super::estimate::Seen;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

const LATENCY_MAX: Duration = Duration::from_hours(1);

/// Sums over the calls of a window. Whoever looks takes each of them for itself; a call that ends between two of them is counted
/// half in the one window and half in the next, which moves a mean by less than a call.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// In nanoseconds.
    began: AtomicU64,
    latencies: AtomicU64,
    samples: AtomicU32,
    in_flight_max: AtomicU32,
    overloads: AtomicU32,
}

impl Window {
    /// A call took so long.
    pub(super) fn add(&self, latency: Duration, in_flight: u32) {
        // An hour is as bad as a day, and sums do not overflow.
        self.latencies.fetch_add(nanos(latency.min(LATENCY_MAX)), Relaxed);
        self.in_flight_max.fetch_max(in_flight, Relaxed);
        self.samples.fetch_add(1, Relaxed);
    }

    /// A call was turned away, or given up.
    pub(super) fn overload(&self, in_flight: u32) {
        self.in_flight_max.fetch_max(in_flight, Relaxed);
        self.overloads.fetch_add(1, Relaxed);
    }

    /// Whether there is enough in it.
    pub(super) fn is_over(&self, now: Moment, length: Duration, samples_min: u32) -> bool {
        let began = Moment::at(Duration::from_nanos(self.began.load(Relaxed)));
        let samples = self.samples.load(Relaxed).saturating_add(self.overloads.load(Relaxed));
        samples >= samples_min && now - began >= length
    }

    /// Ends it, and begins the next.
    pub(super) fn turn(&self, now: Moment) -> Seen {
        self.began.store(nanos(now.elapsed()), Relaxed);
        let samples = self.samples.swap(0, Relaxed);
        let latencies = self.latencies.swap(0, Relaxed);
        Seen {
            latency: latencies.checked_div(samples.into()).map(Duration::from_nanos),
            in_flight_max: self.in_flight_max.swap(0, Relaxed),
            is_overloaded: self.overloads.swap(0, Relaxed) > 0,
        }
    }
}
