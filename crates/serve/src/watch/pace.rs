//! Pace: the moments at which something is evaluated, and how many of them were missed.
//!
//! What is evaluated for longer than its interval is not evaluated twice at one time, and what it missed meanwhile is not made up
//! for: it goes on with the latest moment that has come, and the others are counted.

use std::time::Duration;

use super::moment::{millis, next};

/// When something is due. Moments are in milliseconds since 1970.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    every: Duration,
    /// How long after multiples of the interval its moments are.
    offset: i64,
    next: i64,
    /// How many moments have come, …
    pub(super) iterations: u64,
    /// … and how many of them were missed.
    pub(super) missed: u64,
}

impl Pace {
    /// Due for the first time at the next of its moments.
    pub(super) fn new(every: Duration, offset: i64, now: i64) -> Self {
        Self { every, offset, next: next(now, every, offset), iterations: 0, missed: 0 }
    }

    pub(super) const fn every(&self) -> Duration {
        self.every
    }

    /// When it is due.
    pub(super) const fn next(&self) -> i64 {
        self.next
    }

    /// Has it due at a moment that is none of its own.
    pub(super) const fn set(&mut self, next: i64) {
        self.next = next;
    }

    /// Goes on where another was, which had the same moments unless its interval was another.
    pub(super) fn go_on(&mut self, old: Self) {
        let next = if self.every == old.every { old.next } else { self.next };
        *self = Self { next, iterations: old.iterations, missed: old.missed, ..*self };
    }

    /// It is evaluated now: says as of which moment.
    pub(super) fn begin(&mut self, now: i64) -> i64 {
        let every = millis(self.every).max(1);
        let missed = now.saturating_sub(self.next).max(0) / every;
        let at = self.next + missed * every;
        self.next = next(at, self.every, self.offset);
        self.iterations += 1 + missed.unsigned_abs();
        self.missed += missed.unsigned_abs();
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_its_own_and_what_was_missed_is_counted_and_not_made_up_for() {
        let mut pace = Pace::new(Duration::from_secs(10), 3_000, 0);
        let at = [3_000, 13_400, 44_000, 53_000].map(|now| pace.begin(now));
        assert_eq!(at, [3_000, 13_000, 43_000, 53_000]);
        assert_eq!((pace.next(), pace.iterations, pace.missed), (63_000, 6, 2));
        // A clock that was put back has it wait, and misses nothing.
        assert_eq!((pace.begin(5_000), pace.missed), (63_000, 2));
    }

    #[test]
    fn who_goes_on_keeps_the_moment_of_the_same_interval_only() {
        let old = Pace { iterations: 7, missed: 2, ..Pace::new(Duration::from_secs(10), 0, 0) };
        let mut same = Pace::new(Duration::from_secs(10), 0, 25_000);
        same.go_on(old);
        assert_eq!(same, old);
        let mut other = Pace::new(Duration::from_mins(1), 0, 25_000);
        other.go_on(old);
        assert_eq!((other.next(), other.iterations, other.missed), (60_000, 7, 2));
    }
}
