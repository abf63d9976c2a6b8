//! Intervals: stretches of time, and sets of them.
//!
//! An interval holds its first moment and not its last, so that one that follows another shares nothing with it.
//! Sets are kept merged and in order: two incidents that overlap are one, and time is never counted twice.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// From a moment, included, to another, excluded. Empty when they are the same.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Interval {
    /// The first moment.
    pub from: Timestamp,
    /// The moment after the last.
    pub to: Timestamp,
}

impl Interval {
    /// From `from` to `to`; empty at `from` when `to` is earlier.
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to: to.max(from) }
    }

    /// What lasts `length` from `from` on.
    pub fn lasting(from: Timestamp, length: Duration) -> Self {
        Self { from, to: after(from, length) }
    }

    /// How long it is.
    pub fn length(self) -> Duration {
        between(self.from, self.to)
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.from >= self.to
    }

    /// Whether a moment is in it.
    pub fn holds(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// Whether it and another have a moment in common.
    pub fn meets(self, other: Self) -> bool {
        self.from.max(other.from) < self.to.min(other.to)
    }

    /// What both hold.
    pub fn common(self, other: Self) -> Self {
        Self::new(self.from.max(other.from), self.to.min(other.to))
    }
}

/// A moment and a time; the end of time at most.
pub(crate) fn after(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// A moment less a time; the beginning of time at most.
pub(crate) fn before(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// Time from one moment to a later one; nothing when it is earlier.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.max(from).duration_since(from).unsigned_abs()
}

/// Whole milliseconds of a time.
pub(crate) fn millis(it: Duration) -> u64 {
    u64::try_from(it.as_millis()).unwrap_or(u64::MAX)
}

/// A set of moments, as intervals in order that neither meet nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Intervals(Vec<Interval>);

impl Intervals {
    /// None.
    pub const EMPTY: Self = Self(Vec::new());

    /// The intervals, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Interval> {
        self.0.iter()
    }

    /// How many pieces it has.
    pub fn pieces(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How long the pieces are together.
    pub fn length(&self) -> Duration {
        self.0.iter().fold(Duration::ZERO, |sum, it| sum.saturating_add(it.length()))
    }

    /// Whether a moment is in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.ending_after(at).first().is_some_and(|it| it.from <= at)
    }

    /// Whether it and an interval have a moment in common.
    pub fn meets(&self, other: Interval) -> bool {
        self.ending_after(other.from).first().is_some_and(|it| it.meets(other))
    }

    /// What lies in an interval of it.
    pub fn within(&self, bounds: Interval) -> Self {
        let meeting = self.ending_after(bounds.from).iter().take_while(|it| it.from < bounds.to);
        Self(meeting.map(|it| it.common(bounds)).filter(|it| !it.is_empty()).collect())
    }

    /// What an interval holds beside it.
    pub fn outside(&self, bounds: Interval) -> Self {
        let mut free = Vec::new();
        let mut from = bounds.from;
        for taken in self.within(bounds) {
            free.push(Interval::new(from, taken.from));
            from = taken.to;
        }
        free.push(Interval::new(from, bounds.to));
        Self(free.into_iter().filter(|it| !it.is_empty()).collect())
    }

    /// What either holds.
    pub fn with(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).copied().collect()
    }

    fn ending_after(&self, at: Timestamp) -> &[Interval] {
        self.0.get(self.0.partition_point(|it| it.to <= at)..).unwrap_or_default()
    }
}

/// Merges what meets or touches; empty intervals are left out.
impl FromIterator<Interval> for Intervals {
    fn from_iter<I: IntoIterator<Item = Interval>>(all: I) -> Self {
        let mut sorted: Vec<_> = all.into_iter().filter(|it| !it.is_empty()).collect();
        sorted.sort_unstable();
        let mut merged: Vec<Interval> = Vec::with_capacity(sorted.len());
        for it in sorted {
            match merged.last_mut() {
                Some(last) if it.from <= last.to => last.to = last.to.max(it.to),
                _ => merged.push(it),
            }
        }
        Self(merged)
    }
}

impl IntoIterator for Intervals {
    type Item = Interval;
    type IntoIter = std::vec::IntoIter<Interval>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Intervals {
    type Item = &'a Interval;
    type IntoIter = std::slice::Iter<'a, Interval>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn set(pairs: &[(i64, i64)]) -> Intervals {
        pairs.iter().map(|&(from, to)| Interval::new(at(from), at(to))).collect()
    }

    #[test]
    fn what_overlaps_or_touches_is_one() {
        assert_eq!(set(&[(5, 8), (1, 3), (2, 4), (4, 5), (10, 10)]), set(&[(1, 8)]));
    }

    #[test]
    fn the_last_moment_is_not_in_it() {
        let it = set(&[(1, 3)]);
        assert_eq!([0, 1, 2, 3].map(|second| it.holds(at(second))), [false, true, true, false]);
    }

    #[test]
    fn times_beyond_the_end_of_time_end_there() {
        assert_eq!(Interval::lasting(at(0), Duration::MAX).to, Timestamp::MAX);
        assert_eq!(before(at(0), Duration::MAX), Timestamp::MIN);
    }

    proptest! {
        #[test]
        fn inside_and_outside_are_the_whole_and_share_nothing(
            pairs in prop::collection::vec((0i64..100, 0i64..30), 0..10), from in 0i64..100, length in 0i64..100
        ) {
            let set: Intervals =
                pairs.iter().map(|&(from, length)| Interval::new(at(from), at(from + length))).collect();
            let bounds = Interval::new(at(from), at(from + length));
            let (inside, outside) = (set.within(bounds), set.outside(bounds));
            prop_assert_eq!(inside.length() + outside.length(), bounds.length());
            prop_assert_eq!(inside.with(&outside).length(), bounds.length());
            for second in from..from + length {
                let covered = pairs.iter().any(|&(from, length)| (from..from + length).contains(&second));
                prop_assert_eq!(set.holds(at(second)), covered);
                prop_assert_eq!(inside.holds(at(second)), covered);
                prop_assert_eq!(outside.holds(at(second)), !covered);
            }
        }
    }
}
