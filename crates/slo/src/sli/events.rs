//! Events: counts of slices from what counters grew by.

use std::time::Duration;

use super::Side;
use crate::counts::{Counts, Rounding};
use crate::interval::millis;

/// Counts of slices from the increases of the selected events and of all, slice by slice; `None` where a source has
/// nothing.
///
/// A slice in which no total is known is a gap. One with a total and no selected events has none: a counter of errors is
/// not there until the first error. More selected events than there are in all, as two scrapes at different moments may
/// say, are all of them.
pub fn slices(side: Side, selected: &[Option<f64>], total: &[Option<f64>]) -> Vec<Option<Counts>> {
    let mut rounding = Rounding::default();
    let selected = selected.iter().copied().chain(std::iter::repeat(None));
    let slice = |(total, selected): (&Option<f64>, Option<f64>)| {
        let total = total.filter(|it| *it >= 0.0 && it.is_finite())?;
        let selected = selected.filter(|it| *it >= 0.0).unwrap_or(0.0).min(total);
        Some(match side {
            Side::Good => rounding.next(selected, total - selected),
            Side::Bad => rounding.next(total - selected, selected),
        })
    };
    total.iter().zip(selected).map(slice).collect()
}

/// Counts of time from the share that a query says of each slice. A share outside of 0 to 1 is the nearer of the two; what
/// is no number, such as nothing of nothing, is a gap.
pub fn shares(side: Side, slice: Duration, shares: &[Option<f64>]) -> Vec<Option<Counts>> {
    let mut rounding = Rounding::default();
    let length = millis(slice) as f64;
    let counts = |share: &Option<f64>| {
        let share = share.filter(|it| !it.is_nan())?.clamp(0.0, 1.0);
        let good = if side == Side::Good { share } else { 1.0 - share };
        Some(rounding.next(good * length, (1.0 - good) * length))
    };
    shares.iter().map(counts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(good: u64, total: u64) -> Option<Counts> {
        Some(Counts { good, total })
    }

    #[test]
    fn good_events_and_bad_events_say_the_same() {
        let total = [Some(10.0), Some(20.0)];
        let good = slices(Side::Good, &[Some(9.0), Some(20.0)], &total);
        assert_eq!(good, slices(Side::Bad, &[Some(1.0), Some(0.0)], &total));
        assert_eq!(good, [counts(9, 10), counts(20, 20)]);
    }

    #[test]
    fn errors_that_never_happened_are_none_and_a_total_that_is_missing_is_a_gap() {
        let it = slices(Side::Bad, &[None], &[Some(5.0), None, Some(f64::NAN), Some(0.0)]);
        assert_eq!(it, [counts(5, 5), None, None, counts(0, 0)]);
    }

    #[test]
    fn more_errors_than_requests_are_all_of_them() {
        assert_eq!(slices(Side::Bad, &[Some(7.0)], &[Some(5.0)]), [counts(0, 5)]);
        assert_eq!(slices(Side::Bad, &[Some(f64::INFINITY)], &[Some(5.0)]), [counts(0, 5)]);
    }

    #[test]
    fn extrapolated_increases_add_up_to_whole_events() {
        let total: Vec<_> = vec![Some(1.0 / 3.0); 9];
        let sum: Counts = slices(Side::Bad, &[], &total).into_iter().flatten().sum();
        assert_eq!(sum, Counts { good: 3, total: 3 });
    }

    #[test]
    fn a_share_is_a_share_of_the_slice() {
        let minute = Duration::from_mins(1);
        let it = shares(Side::Bad, minute, &[Some(0.25), None, Some(f64::NAN), Some(7.0)]);
        assert_eq!(it, [counts(45_000, 60_000), None, None, counts(0, 60_000)]);
    }
}
