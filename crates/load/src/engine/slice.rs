//! Slice: which arrivals and which users are one worker's, of all workers of all machines.

use evenkeel_units::Moment;

/// Which of several workers.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    /// From 0.
    pub(crate) worker: u64,
    /// How many there are.
    pub(crate) workers: u64,
}

impl Slice {
    /// Number of its arrival after arrival `n`.
    pub(crate) fn after(self, n: u64) -> u64 {
        n.saturating_add(self.workers)
    }

    /// Number of its first arrival that is `n` or later.
    pub(crate) fn not_before(self, n: u64) -> u64 {
        let rounds = n.saturating_sub(self.worker).div_ceil(self.workers);
        rounds.saturating_mul(self.workers).saturating_add(self.worker)
    }

    /// How many of `all` are its.
    pub(crate) fn of(self, all: u64) -> u64 {
        all.saturating_sub(self.worker).div_ceil(self.workers)
    }
}

/// What a worker sends beside what it began with.
#[derive(Copy, Clone, Debug)]
pub(crate) struct More {
    pub(crate) slice: Slice,
    /// Nothing of it that is due before.
    pub(crate) from: Moment,
    /// So many connections more to send it on.
    pub(crate) connections: usize,
}
