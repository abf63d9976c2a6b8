//! Recorder: counts events as they happen, in the process that sees them.
//!
//! It keeps the slices of a window and forgets older ones. What comes late goes where it belongs. A slice in which nothing
//! happened is data: somebody was there to see it.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::history::{HistoryError, SLICES_MAX};
use crate::interval::{after, between, millis};
use crate::{Counts, History};

/// Counts events of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorder {
    /// When the first slice begins.
    from: Timestamp,
    slice: Duration,
    slices: VecDeque<Counts>,
    slices_max: usize,
}

impl Recorder {
    /// Keeps `window` in slices of the length `slice`, from `from` on.
    pub fn new(from: Timestamp, slice: Duration, window: Duration) -> Result<Self, HistoryError> {
        let length = u128::from(millis(slice));
        if length == 0 {
            return Err(HistoryError::NoLength);
        }
        let slices_max = usize::try_from(window.as_millis().div_ceil(length)).unwrap_or(usize::MAX);
        match slices_max <= SLICES_MAX {
            true => {
                Ok(Self { from, slice, slices: VecDeque::new(), slices_max: slices_max.max(1) })
            }
            false => Err(HistoryError::TooMany(slices_max)),
        }
    }

    /// Counts events of a moment. `false`: it is before all that is kept, or so far ahead that a clock must be wrong.
    #[must_use]
    pub fn record(&mut self, at: Timestamp, counts: Counts) -> bool {
        let place = self.slices_until(at);
        if at < self.from || place >= self.slices.len() + self.slices_max {
            return false;
        }
        self.reach(place + 1);
        // What was let go has moved the places of all others.
        let place = self.slices_until(at);
        match self.slices.get_mut(place) {
            Some(slice) => *slice += counts,
            None => return false,
        }
        true
    }

    /// What was counted until a moment, in the window that ends there.
    pub fn history(&self, until: Timestamp) -> Result<History, HistoryError> {
        let mut all = self.clone();
        all.reach(self.slices_until(until).min(SLICES_MAX));
        History::new(all.from, all.slice, all.slices.into_iter().map(Some).collect())
    }

    /// How many slices are over at a moment.
    fn slices_until(&self, at: Timestamp) -> usize {
        let slices = between(self.from, at).as_millis() / self.slice.as_millis().max(1);
        usize::try_from(slices).unwrap_or(usize::MAX)
    }

    /// Begins slices until there are so many, and lets go of those that are older than the window.
    fn reach(&mut self, slices: usize) {
        for _ in self.slices.len()..slices {
            self.slices.push_back(Counts::default());
            if self.slices.len() > self.slices_max {
                self.slices.pop_front();
                self.from = after(self.from, self.slice);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interval;

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn all(recorder: &Recorder, until: i64) -> Option<Counts> {
        recorder.history(at(until)).unwrap().counts(Interval::new(at(-1), at(10_000)))
    }

    fn three_minutes() -> Recorder {
        Recorder::new(at(0), MINUTE, 3 * MINUTE).unwrap()
    }

    #[test]
    fn events_are_counted_where_they_belong_late_ones_too() {
        let mut it = three_minutes();
        assert!(it.record(at(0), Counts::with_bad(0, 1)));
        assert!(it.record(at(2), Counts::with_bad(1, 1)));
        assert!(it.record(at(0), Counts::with_bad(0, 1)));
        assert_eq!(all(&it, 3), Some(Counts::with_bad(1, 3)));
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut it = three_minutes();
        for minute in 0..100 {
            assert!(it.record(at(minute), Counts::with_bad(0, 1)));
        }
        assert_eq!(all(&it, 100), Some(Counts::with_bad(0, 3)));
        assert_eq!(it.history(at(100)).unwrap().bounds(), Interval::new(at(97), at(100)));
        assert_eq!(all(&it, 102), Some(Counts::with_bad(0, 1)));
        assert!(!it.record(at(1), Counts::default()));
    }

    #[test]
    fn minutes_without_events_are_data() {
        let mut it = three_minutes();
        assert_eq!(all(&it, 0), None);
        assert_eq!(all(&it, 2), Some(Counts::default()));
        assert!(it.record(at(2), Counts::with_bad(1, 1)));
        assert_eq!(
            it.history(at(3)).unwrap().coverage(Interval::new(at(0), at(3))).present,
            3 * MINUTE
        );
    }

    #[test]
    fn a_clock_far_ahead_is_not_believed() {
        let mut it = three_minutes();
        assert!(!it.record(at(9_999), Counts::with_bad(1, 1)));
        assert!(!it.record(Timestamp::MAX, Counts::with_bad(1, 1)));
        assert!(it.record(at(1), Counts::with_bad(1, 1)));
    }

    #[test]
    fn windows_have_a_limit() {
        assert_eq!(Recorder::new(at(0), Duration::ZERO, MINUTE), Err(HistoryError::NoLength));
        let long = Recorder::new(at(0), Duration::from_millis(1), Duration::MAX);
        assert!(matches!(long, Err(HistoryError::TooMany(_))));
    }
}
