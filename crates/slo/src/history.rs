//! History: counts by slices of time.
//!
//! An objective has a window, of weeks; what is counted comes in slices, of a minute. The slices are added up once, so
//! that the counts of any window are a difference of two sums: an alert with eight windows looks at two numbers of each.
//!
//! A slice without data is a gap, which is not a slice in which nothing happened. What gaps mean is for the objective to
//! say: see [`Gaps`].

use std::time::Duration;

use jiff::Timestamp;

use crate::account::Unit;
use crate::counts::Counts;
use crate::interval::{Interval, Intervals, after, between, millis};

/// A year of minutes, and then some.
pub const SLICES_MAX: usize = 1 << 20;

/// Why slices are no history.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A slice takes time.
    #[error("a slice must last a millisecond at least")]
    NoLength,
    /// There is a limit.
    #[error("{0} slices are more than {SLICES_MAX}: use longer slices")]
    TooMany(usize),
}

/// What a gap means.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gaps {
    /// Nothing: it is left out of the counts, and shows in the coverage.
    #[default]
    Ignore,
    /// That things are as they were in the last slice with data. Before the first such slice, nothing.
    Hold,
    /// That all is bad: as many events as slices with data have on average, or all the time.
    Bad,
}

/// How much of a time there was data of.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Time with data.
    pub present: Duration,
    /// The time that was asked about.
    pub of: Duration,
}

/// Counts by slices of equal length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    from: Timestamp,
    slice: Duration,
    /// What the slices before each add up to, and how many of them had data; one more than there are slices.
    sums: Box<[(Counts, u32)]>,
}

impl History {
    /// Slices of the length `slice`, the first from `from` on.
    pub fn new(
        from: Timestamp,
        slice: Duration,
        slices: Vec<Option<Counts>>,
    ) -> Result<Self, HistoryError> {
        if millis(slice) == 0 {
            return Err(HistoryError::NoLength);
        }
        if slices.len() > SLICES_MAX {
            return Err(HistoryError::TooMany(slices.len()));
        }
        let mut sum = (Counts::default(), 0);
        let mut sums = Vec::with_capacity(slices.len() + 1);
        sums.push(sum);
        for counts in slices {
            if let Some(it) = counts {
                sum.0 += it;
                sum.1 += 1;
            }
            sums.push(sum);
        }
        Ok(Self { from, slice, sums: sums.into() })
    }

    /// How many slices there are.
    fn len(&self) -> usize {
        self.sums.len() - 1
    }

    /// From the beginning of the first slice to the end of the last.
    pub fn bounds(&self) -> Interval {
        Interval::new(self.from, self.start(self.len()))
    }

    /// How long a slice is.
    pub const fn slice(&self) -> Duration {
        self.slice
    }

    /// Each slice and its counts; `None` is a gap.
    pub fn slices(&self) -> impl Iterator<Item = (Interval, Option<Counts>)> {
        let start = |number| Interval::lasting(self.start(number), self.slice);
        self.each().enumerate().map(move |(number, it)| (start(number), it))
    }

    fn each(&self) -> impl Iterator<Item = Option<Counts>> {
        self.sums.windows(2).map(|it| match it {
            [before, after] if after.1 > before.1 => Some(after.0.without(before.0)),
            _ => None,
        })
    }

    /// What the slices that begin in an interval add up to; `None` when all of them are gaps.
    pub fn counts(&self, of: Interval) -> Option<Counts> {
        let (first, last) =
            (self.sums.get(self.number(of.from))?, self.sums.get(self.number(of.to))?);
        (last.1 > first.1).then(|| last.0.without(first.0))
    }

    /// How much of an interval there is data of.
    pub fn coverage(&self, of: Interval) -> Coverage {
        let with_data = |at| self.sums.get(self.number(at)).map_or(0, |it| it.1);
        let slices = with_data(of.to).saturating_sub(with_data(of.from));
        let present = self.slice.saturating_mul(slices);
        Coverage { present: present.min(of.length()), of: of.length() }
    }

    /// The same without what was excluded. A slice that an exclusion touches is out as a whole, because nobody can say
    /// which of its events were when.
    #[must_use]
    pub fn without(&self, excluded: &Intervals) -> Self {
        let kept = self.slices().map(|(slice, it)| it.filter(|_| !excluded.meets(slice)));
        self.with(kept.collect())
    }

    /// The same with what gaps mean in their place.
    #[must_use]
    pub fn filled(&self, gaps: Gaps, unit: Unit) -> Self {
        let of_time = Counts { good: 0, total: millis(self.slice) };
        let all = self.sums.last().copied().unwrap_or_default();
        let bad = match unit {
            Unit::Time => Some(of_time),
            Unit::Events => {
                all.0.total.checked_div(all.1.into()).map(|total| Counts { good: 0, total })
            }
        };
        let mut last = None;
        let filled = self.each().map(|it| {
            last = it.or(last);
            match gaps {
                Gaps::Ignore => it,
                Gaps::Hold => last,
                Gaps::Bad => it.or(bad),
            }
        });
        self.with(filled.collect())
    }

    fn with(&self, slices: Vec<Option<Counts>>) -> Self {
        Self::new(self.from, self.slice, slices).unwrap_or_else(|_| self.clone())
    }

    /// How many slices begin before a moment.
    fn number(&self, at: Timestamp) -> usize {
        let slices = between(self.from, at).as_millis().div_ceil(self.slice.as_millis());
        usize::try_from(slices).unwrap_or(usize::MAX).min(self.len())
    }

    fn start(&self, number: usize) -> Timestamp {
        let slices = u32::try_from(number).unwrap_or(u32::MAX);
        after(self.from, self.slice.saturating_mul(slices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn of(slices: &[Option<(u64, u64)>]) -> History {
        let counts = |it: &Option<(u64, u64)>| it.map(|(good, total)| Counts { good, total });
        History::new(at(0), MINUTE, slices.iter().map(counts).collect()).unwrap()
    }

    fn span(from: i64, to: i64) -> Interval {
        Interval::new(at(from), at(to))
    }

    #[test]
    fn a_window_adds_up_its_slices_and_gaps_are_no_data() {
        let it = of(&[Some((1, 2)), None, Some((3, 3)), None, None]);
        assert_eq!(it.counts(span(0, 3)), Some(Counts { good: 4, total: 5 }));
        assert_eq!(it.counts(span(3, 5)), None);
        assert_eq!(it.counts(span(-9, 99)), Some(Counts { good: 4, total: 5 }));
        assert_eq!(it.coverage(span(0, 5)), Coverage { present: 2 * MINUTE, of: 5 * MINUTE });
    }

    #[test]
    fn a_slice_in_which_nothing_happened_is_data() {
        assert_eq!(of(&[Some((0, 0))]).counts(span(0, 1)), Some(Counts::default()));
    }

    #[test]
    fn each_policy_gives_gaps_its_meaning() {
        let it = of(&[None, Some((9, 10)), None, Some((10, 10))]);
        let sum = |gaps, unit| it.filled(gaps, unit).counts(span(0, 4)).unwrap();
        assert_eq!(sum(Gaps::Ignore, Unit::Events), Counts { good: 19, total: 20 });
        assert_eq!(sum(Gaps::Hold, Unit::Events), Counts { good: 28, total: 30 });
        assert_eq!(sum(Gaps::Bad, Unit::Events), Counts { good: 19, total: 40 });
        assert_eq!(sum(Gaps::Bad, Unit::Time), Counts { good: 19, total: 120_020 });
        let empty = of(&[None, None]);
        assert_eq!(empty.filled(Gaps::Bad, Unit::Events).counts(span(0, 2)), None);
        assert_eq!(empty.filled(Gaps::Bad, Unit::Time).counts(span(0, 2)).unwrap().bad(), 120_000);
    }

    #[test]
    fn a_slice_that_an_exclusion_touches_is_out() {
        let it = of(&[Some((1, 1)), Some((0, 5)), Some((0, 5)), Some((1, 1))]);
        let moment = Timestamp::from_second(119).unwrap();
        let excluded = [Interval::new(moment, at(3))].into_iter().collect();
        let kept = it.without(&excluded);
        assert_eq!(kept.counts(span(0, 4)), Some(Counts { good: 2, total: 2 }));
        assert_eq!(kept.coverage(span(0, 4)).present, 2 * MINUTE);
    }

    #[test]
    fn what_is_no_history_is_refused() {
        assert_eq!(History::new(at(0), Duration::ZERO, vec![]), Err(HistoryError::NoLength));
        let many = vec![None; SLICES_MAX + 1];
        assert!(matches!(History::new(at(0), MINUTE, many), Err(HistoryError::TooMany(_))));
    }

    proptest! {
        #[test]
        fn differences_of_sums_are_sums_of_slices(
            slices in prop::collection::vec(prop::option::of((0u64..100, 0u64..100)), 0..60),
            from in -10i64..70, length in 0i64..70
        ) {
            let slices: Vec<_> =
                slices.iter().map(|it| it.map(|(good, bad)| (good, good + bad))).collect();
            let it = of(&slices);
            let asked = span(from, from + length);
            let among: Vec<_> = it.slices().filter(|(slice, _)| asked.holds(slice.from)).collect();
            let sum: Counts = among.iter().filter_map(|(_, counts)| *counts).sum();
            let some = among.iter().any(|(_, counts)| counts.is_some());
            prop_assert_eq!(it.counts(asked), some.then_some(sum));
        }
    }
}
