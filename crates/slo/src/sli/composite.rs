//! Composite: several indicators as one.
//!
//! A journey of a user is as good as its steps. Steps have different numbers of events, so what is merged is their shares,
//! slice by slice: the mean by weights, or the worst. A part without events in a slice is left out of it, and the others
//! weigh as much more; a slice in which no part has any is a gap. What comes out is time.

use super::Merge;
use crate::interval::millis;
use crate::{Counts, History, Share};

/// The merged counts of the slices of the first part; the slices of the others may be shorter or longer, and those that
/// begin within are taken.
pub fn slices(merge: Merge, parts: &[(u32, &History)]) -> Vec<Option<Counts>> {
    let Some((_, first)) = parts.first() else { return Vec::new() };
    let length = millis(first.slice());
    let mut left = 0.0;
    let merged = first.slices().map(|(slice, _)| {
        let shares = parts.iter().filter_map(|(weight, history)| {
            let counts = history.counts(slice).filter(|it| it.total > 0 && *weight > 0)?;
            Some((*weight, Share::of(counts.good, counts.total)))
        });
        let good = share(merge, shares)?.get() * length as f64 + left;
        let whole = good.round().clamp(0.0, length as f64);
        // What rounding leaves goes to the next slice, as it does for events.
        left = good - whole;
        Some(Counts { good: whole as u64, total: length })
    });
    merged.collect()
}

/// The merged share; `None` of nothing.
pub fn share(merge: Merge, parts: impl IntoIterator<Item = (u32, Share)>) -> Option<Share> {
    let parts = parts.into_iter();
    match merge {
        Merge::Worst => parts.map(|(_, share)| share).min(),
        Merge::Weighted => {
            let (sum, weight) = parts.fold((Share::ZERO, 0u64), |(sum, all), (weight, share)| {
                (sum.plus(share.times(Share::of(weight.into(), 1))), all + u64::from(weight))
            });
            (weight > 0).then(|| sum.times(Share::of(1, weight)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use std::time::Duration;

    fn history(slices: &[Option<(u64, u64)>]) -> History {
        let counts = |it: &Option<(u64, u64)>| it.map(|(good, total)| Counts { good, total });
        let slices = slices.iter().map(counts).collect();
        History::new(Timestamp::UNIX_EPOCH, Duration::from_mins(1), slices).unwrap()
    }

    fn good(slices: &[Option<Counts>]) -> Vec<Option<u64>> {
        slices.iter().map(|it| it.map(|it| it.good)).collect()
    }

    #[test]
    fn shares_are_merged_and_not_events() {
        let (search, pay) = (history(&[Some((1_000, 1_000))]), history(&[Some((1, 2))]));
        let weighted = slices(Merge::Weighted, &[(3, &search), (1, &pay)]);
        assert_eq!(good(&weighted), [Some(52_500)]);
        assert_eq!(good(&slices(Merge::Worst, &[(3, &search), (1, &pay)])), [Some(30_000)]);
    }

    #[test]
    fn a_part_without_events_is_left_out_and_nothing_is_a_gap() {
        let a = history(&[Some((1, 2)), None, Some((0, 0))]);
        let b = history(&[None, Some((1, 1)), None]);
        assert_eq!(
            good(&slices(Merge::Weighted, &[(1, &a), (9, &b)])),
            [Some(30_000), Some(60_000), None]
        );
        assert_eq!(slices(Merge::Worst, &[]), []);
        assert_eq!(good(&slices(Merge::Worst, &[(0, &a)])), [None, None, None]);
    }

    proptest! {
        #[test]
        fn the_mean_lies_between_the_worst_and_the_best(
            parts in prop::collection::vec((1u32..10, 0u64..100), 1..6)
        ) {
            let shares: Vec<_> = parts.iter().map(|&(weight, good)| (weight, Share::of(good, 100))).collect();
            let mean = share(Merge::Weighted, shares.clone()).unwrap();
            prop_assert!(share(Merge::Worst, shares.clone()).unwrap() <= mean);
            prop_assert!(mean <= shares.iter().map(|it| it.1).max().unwrap());
        }
    }
}
