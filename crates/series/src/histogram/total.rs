//! Total: histograms that are added up.
//!
//! Histograms of unlike make can be added when both grow by factors, or both have custom bounds. The result is as coarse
//! as the coarser: of two schemas the lower, of two zero buckets the wider (widened further until it cuts no bucket), of
//! two sets of custom bounds those that both have. Every count is a compensated sum.

use super::cell::{self, Cell, Cells, among, bound, coarser, shared};
use super::{CUSTOM, Histogram, Reset};
use crate::compensated::Compensated;

/// One histogram grows by factors, the other has custom bounds: they have no buckets in common.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("histograms with exponential and with custom buckets cannot be put together")]
pub struct Incompatible;

/// What is worth knowing about an addition that went well.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// One side said that it began again, the other that it counts on.
    pub resets_collide: bool,
    /// The custom bounds differed, and only those that both have remain.
    pub bounds_reconciled: bool,
}

impl Noted {
    /// Either.
    pub const fn and(self, other: Self) -> Self {
        Self {
            resets_collide: self.resets_collide || other.resets_collide,
            bounds_reconciled: self.bounds_reconciled || other.bounds_reconciled,
        }
    }
}

/// What histograms add up to.
#[derive(Clone, Debug)]
pub struct Total {
    schema: i32,
    zero_threshold: f64,
    zero: Compensated,
    count: Compensated,
    sum: Compensated,
    positive: Cells,
    negative: Cells,
    bounds: Vec<f64>,
    reset: Reset,
}

impl Total {
    /// Of one.
    pub fn of(histogram: &Histogram) -> Self {
        let cells = |cells: &mut dyn Iterator<Item = (i32, f64)>| {
            cells.map(|(index, count)| Cell { index, count: Compensated::of(count) }).collect()
        };
        Self {
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero: Compensated::of(histogram.zero_count),
            count: Compensated::of(histogram.count),
            sum: Compensated::of(histogram.sum),
            positive: cells(&mut histogram.positive_cells()),
            negative: cells(&mut histogram.negative_cells()),
            bounds: histogram.bounds.clone(),
            reset: histogram.reset,
        }
    }

    /// With another.
    pub fn add(&mut self, other: &Histogram) -> Result<Noted, Incompatible> {
        self.put(other, 1.0)
    }

    /// Without another.
    pub fn subtract(&mut self, other: &Histogram) -> Result<Noted, Incompatible> {
        self.put(other, -1.0)
    }

    /// Every count multiplied. What is negative then is no counter.
    pub fn scale(&mut self, factor: f64) {
        for part in [&mut self.zero, &mut self.count, &mut self.sum] {
            part.scale(factor);
        }
        for cell in self.positive.iter_mut().chain(&mut self.negative) {
            cell.count.scale(factor);
        }
        if factor < 0.0 {
            self.reset = Reset::Gauge;
        }
    }

    /// Whether a count or the sum has left the range of numbers.
    pub fn overflows(&self) -> bool {
        let cells = self.positive.iter().chain(&self.negative).map(|cell| cell.count);
        cells.chain([self.zero, self.count, self.sum]).any(|part| part.sum.is_infinite())
    }

    /// As a histogram without empty buckets.
    pub fn finish(self) -> Histogram {
        let (positive_runs, positive) = cell::runs(&self.positive);
        let (negative_runs, negative) = cell::runs(&self.negative);
        Histogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero.total(),
            count: self.count.total(),
            sum: self.sum.total(),
            positive_runs,
            positive,
            negative_runs,
            negative,
            bounds: self.bounds,
            reset: self.reset,
        }
    }

    /// As coarse as this schema at least. Nothing changes when it is so already or has custom bounds.
    pub fn coarsen(&mut self, schema: i32) {
        if self.schema == CUSTOM || schema == CUSTOM || self.schema <= schema {
            return;
        }
        for cells in [&mut self.positive, &mut self.negative] {
            cell::merge(cells, |index| coarser(index, self.schema, schema));
        }
        self.schema = schema;
    }

    fn put(&mut self, other: &Histogram, factor: f64) -> Result<Noted, Incompatible> {
        if (self.schema == CUSTOM) != other.is_custom() {
            return Err(Incompatible);
        }
        let mut noted =
            Noted { resets_collide: self.settle_reset(other.reset), ..Noted::default() };
        if self.schema == CUSTOM {
            noted.bounds_reconciled = self.put_custom(other, factor);
        } else {
            let zero = self.widen_zero(other);
            self.zero.add(factor * zero);
            self.coarsen(other.schema);
            let place = |index| coarser(index, other.schema, self.schema);
            let outside =
                |(index, _): &(i32, f64)| bound(other.schema, &[], *index) > self.zero_threshold;
            cell::add(&mut self.positive, other.positive_cells().filter(outside), place, factor);
            cell::add(&mut self.negative, other.negative_cells().filter(outside), place, factor);
        }
        self.count.add(factor * other.count);
        self.sum.add(factor * other.sum);
        Ok(noted)
    }

    /// Whether bounds had to be reconciled.
    fn put_custom(&mut self, other: &Histogram, factor: f64) -> bool {
        let differ = self.bounds.iter().ne(&other.bounds);
        if differ {
            let remaining = shared(&self.bounds, &other.bounds);
            cell::merge(&mut self.positive, |index| among(index, &self.bounds, &remaining));
            self.bounds = remaining;
        }
        let place = |index| if differ { among(index, &other.bounds, &self.bounds) } else { index };
        cell::add(&mut self.positive, other.positive_cells(), place, factor);
        differ
    }

    /// Makes the zero buckets equally wide; what the other's holds then.
    fn widen_zero(&mut self, other: &Histogram) -> f64 {
        let (mut zero, mut threshold) = (other.zero_count, other.zero_threshold);
        loop {
            if self.zero_threshold > threshold {
                (zero, threshold) = other.zero_up_to(self.zero_threshold);
            }
            if threshold > self.zero_threshold {
                self.zero_up_to(threshold);
            } else {
                return zero;
            }
        }
    }

    fn zero_up_to(&mut self, threshold: f64) {
        let mut threshold = threshold;
        loop {
            let cut = self.positive.iter().chain(&self.negative).find_map(|cell| {
                let (lower, upper) = (
                    bound(self.schema, &[], cell.index.saturating_sub(1)),
                    bound(self.schema, &[], cell.index),
                );
                let holds = cell.count.total().abs() > 0.0;
                (lower < threshold && upper > threshold && holds).then_some(upper)
            });
            match cut {
                Some(upper) => threshold = upper,
                None => break,
            }
        }
        let (schema, zero) = (self.schema, &mut self.zero);
        for cells in [&mut self.positive, &mut self.negative] {
            cells.retain(|cell| {
                let inside = bound(schema, &[], cell.index.saturating_sub(1)) < threshold;
                if inside {
                    zero.add(cell.count.sum);
                    zero.add(cell.count.lost);
                }
                !inside
            });
        }
        self.zero_threshold = threshold;
    }

    /// Whether the two contradict each other.
    fn settle_reset(&mut self, other: Reset) -> bool {
        let (settled, collide) = match (self.reset, other) {
            (one, other) if one == other => (one, false),
            (Reset::Gauge, _) | (_, Reset::Gauge) => (Reset::Gauge, false),
            (Reset::Unknown, _) | (_, Reset::Unknown) => (Reset::Unknown, false),
            _ => (Reset::Unknown, true),
        };
        self.reset = settled;
        collide
    }
}

impl Histogram {
    /// What the zero bucket would hold if it went up to a threshold, and up to where it would have to go to cut no
    /// bucket that holds something.
    pub(super) fn zero_up_to(&self, threshold: f64) -> (f64, f64) {
        let mut total = Total::of(self);
        if threshold > self.zero_threshold {
            total.zero_up_to(threshold);
        }
        (total.zero.total(), total.zero_threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{custom, of};
    use super::*;

    #[test]
    fn the_coarser_schema_wins() {
        let (fine, coarse) = (of(1, &[(1, 2.0), (2, 3.0), (3, 1.0)]), of(0, &[(1, 4.0)]));
        let mut total = Total::of(&fine);
        total.add(&coarse).unwrap();
        let sum = total.finish();
        assert_eq!((sum.schema, &*sum.positive), (0, &[9.0, 1.0][..]));
        let mut total = Total::of(&coarse);
        total.add(&fine).unwrap();
        assert_eq!(total.finish().positive, sum.positive);
    }

    #[test]
    fn the_wider_zero_bucket_swallows_what_it_covers_and_cuts_nothing() {
        let mut wide = of(0, &[(3, 1.0)]);
        (wide.zero_threshold, wide.zero_count) = (1.5, 1.0);
        let mut total = Total::of(&wide);
        total.add(&of(0, &[(0, 1.0), (1, 2.0), (2, 4.0)])).unwrap();
        let sum = total.finish();
        assert_eq!((sum.zero_threshold, sum.zero_count), (2.0, 4.0));
        assert_eq!((&*sum.positive, sum.positive_runs[0].offset), (&[4.0, 1.0][..], 2));
    }

    #[test]
    fn of_custom_bounds_those_remain_that_both_have() {
        let mut total = Total::of(&custom(&[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0, 1.0]));
        let noted = total.add(&custom(&[2.0, 5.0], &[1.0, 1.0, 1.0])).unwrap();
        let sum = total.finish();
        assert!(noted.bounds_reconciled);
        assert_eq!((&*sum.bounds, &*sum.positive), (&[2.0][..], &[3.0, 4.0][..]));
        assert_eq!(Total::of(&sum).add(&of(0, &[])), Err(Incompatible));
    }

    #[test]
    fn what_is_taken_away_again_leaves_no_bucket() {
        let histogram = of(2, &[(-7, 1.0), (3, 2.0)]);
        let mut total = Total::of(&histogram);
        total.subtract(&histogram).unwrap();
        assert!(total.finish().positive_runs.is_empty());
    }
}
