//! Resets: whether a counter began again between two histograms.

use std::collections::BTreeMap;

use super::cell::{among, bound, coarser, shared};
use super::{Histogram, Reset};

impl Histogram {
    /// Whether it began again since the one before: some count fell, or the buckets became finer, which no counter does
    /// that goes on. What it says of itself goes first.
    pub fn is_reset_after(&self, before: &Self) -> bool {
        match self.reset {
            Reset::Yes => return true,
            Reset::No => return false,
            Reset::Unknown | Reset::Gauge => {}
        }
        if self.count < before.count {
            return true;
        }
        if self.is_custom() {
            return !before.is_custom() || self.custom_fell(before);
        }
        if before.is_custom()
            || self.schema > before.schema
            || self.zero_threshold < before.zero_threshold
        {
            return true;
        }
        let (zero, threshold) = before.zero_up_to(self.zero_threshold);
        if threshold > self.zero_threshold || self.zero_count < zero {
            return true;
        }
        let place = |index| coarser(index, before.schema, self.schema);
        let outside =
            |(index, _): &(i32, f64)| bound(self.schema, &[], place(*index)) > self.zero_threshold;
        let earlier = |cells: &mut dyn Iterator<Item = (i32, f64)>| {
            gathered(cells.filter(outside).map(|(index, count)| (place(index), count)))
        };
        fell(&gathered(self.positive_cells()), &earlier(&mut before.positive_cells()))
            || fell(&gathered(self.negative_cells()), &earlier(&mut before.negative_cells()))
    }

    fn custom_fell(&self, before: &Self) -> bool {
        let remaining = shared(&self.bounds, &before.bounds);
        let at_most = |histogram: &Self| {
            gathered(
                histogram
                    .positive_cells()
                    .map(|(index, count)| (among(index, &histogram.bounds, &remaining), count)),
            )
        };
        fell(&at_most(self), &at_most(before))
    }
}

fn gathered(cells: impl Iterator<Item = (i32, f64)>) -> BTreeMap<i32, f64> {
    let mut all = BTreeMap::new();
    for (index, count) in cells {
        *all.entry(index).or_default() += count;
    }
    all
}

/// Whether a count fell.
fn fell(now: &BTreeMap<i32, f64>, before: &BTreeMap<i32, f64>) -> bool {
    before.iter().any(|(index, count)| now.get(index).copied().unwrap_or(0.0) < *count)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{custom, of};
    use super::*;

    #[test]
    fn a_count_that_fell_is_a_reset() {
        let before = of(1, &[(1, 2.0), (4, 1.0)]);
        assert!(!of(1, &[(1, 2.0), (4, 1.0), (9, 1.0)]).is_reset_after(&before));
        assert!(of(1, &[(1, 9.0)]).is_reset_after(&before));
        assert!(!of(1, &[(1, 9.0)]).with_reset(Reset::No).is_reset_after(&before));
    }

    #[test]
    fn finer_buckets_are_a_reset_and_coarser_ones_are_none() {
        let before = of(1, &[(1, 2.0), (2, 1.0)]);
        assert!(of(2, &[(1, 9.0)]).is_reset_after(&before));
        assert!(!of(0, &[(1, 3.0)]).is_reset_after(&before));
    }

    #[test]
    fn custom_buckets_are_compared_at_the_bounds_both_have() {
        let before = custom(&[1.0, 2.0], &[1.0, 1.0]);
        assert!(!custom(&[2.0], &[2.0, 0.0]).is_reset_after(&before));
        assert!(custom(&[2.0], &[1.0, 3.0]).is_reset_after(&before));
    }
}
