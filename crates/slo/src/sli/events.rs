//! Events: counts of slices from what counters grew by.

use std::time::Duration;

use evenkeel_series::{Point, is_stale};

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

/// What a counter grew by in each of `slices` slices from `from` on, of which its samples are given in order.
///
/// Growth from one sample to the next belongs to the slice of the later one, so that the slices add up to what the counter
/// says, and nothing is extrapolated. A counter that is less than before began again, at nothing. The first sample only says
/// where it stands; a slice without a sample is a gap, and so is all before the first.
pub fn increases(points: &[Point], from: i64, slice: Duration, slices: usize) -> Vec<Option<f64>> {
    let mut grown = vec![None; slices];
    let length = i64::try_from(millis(slice)).unwrap_or(i64::MAX).max(1);
    let mut before: Option<f64> = None;
    for point in points.iter().filter(|it| !it.value.is_nan()) {
        let growth = before.map(|it| if point.value < it { point.value } else { point.value - it });
        before = Some(point.value);
        let place = point.at.checked_sub(from).filter(|it| *it >= 0).map(|it| it / length);
        let place = place.and_then(|it| usize::try_from(it).ok());
        if let (Some(growth), Some(sum)) = (growth, place.and_then(|it| grown.get_mut(it))) {
            *sum.get_or_insert(0.0) += growth;
        }
    }
    grown
}

/// The samples of each of `slices` slices from `from` on.
pub fn samples(points: &[Point], from: i64, slice: Duration, slices: usize) -> Vec<Vec<f64>> {
    let mut sorted = vec![Vec::new(); slices];
    let length = i64::try_from(millis(slice)).unwrap_or(i64::MAX).max(1);
    for point in points.iter().filter(|it| !is_stale(it.value)) {
        let place = point.at.checked_sub(from).filter(|it| *it >= 0).map(|it| it / length);
        if let Some(all) = place.and_then(|it| sorted.get_mut(usize::try_from(it).ok()?)) {
            all.push(point.value);
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_series::STALE;
    use proptest::prelude::*;

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

    fn points(all: &[(i64, f64)]) -> Vec<Point> {
        all.iter().map(|&(at, value)| Point { at, value }).collect()
    }

    #[test]
    fn growth_belongs_to_the_slice_of_the_later_sample_and_a_reset_begins_at_nothing() {
        let all = points(&[(0, 5.0), (500, 7.0), (1500, 10.0), (3200, STALE), (3500, 4.0)]);
        let it = increases(&all, 0, Duration::from_secs(1), 5);
        assert_eq!(it, [Some(2.0), Some(3.0), None, Some(4.0), None]);
        assert_eq!(increases(&all, 1000, Duration::from_secs(1), 1), [Some(3.0)]);
        assert_eq!(increases(&all[..1], 0, Duration::from_secs(1), 1), [None]);
    }

    #[test]
    fn samples_are_sorted_into_their_slices() {
        let all = points(&[(-1, 1.0), (0, 2.0), (999, 3.0), (1000, STALE), (2000, 4.0)]);
        assert_eq!(samples(&all, 0, Duration::from_secs(1), 2), [vec![2.0, 3.0], vec![]]);
    }

    proptest! {
        #[test]
        fn slices_add_up_to_what_the_counter_says(
            steps in prop::collection::vec((1i64..3_000, 0u32..50), 1..50), slice in 1u64..5_000
        ) {
            let (mut at, mut value) = (0, 0.0);
            let all: Vec<_> = [Point { at, value }].into_iter().chain(steps.iter().map(|&(later, more)| {
                at += later;
                value += f64::from(more);
                Point { at, value }
            })).collect();
            let last = all.last().unwrap();
            let slices = usize::try_from(last.at).unwrap() / usize::try_from(slice).unwrap() + 1;
            let sum: f64 = increases(&all, 0, Duration::from_millis(slice), slices).into_iter().flatten().sum();
            prop_assert!((sum - last.value).abs() < 1e-6);
        }
    }
}
