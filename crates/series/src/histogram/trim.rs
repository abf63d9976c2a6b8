//! Trimming: a histogram without what lies beyond a value.
//!
//! Of a bucket that holds the value a part remains, by the same interpolation as for quantiles. In an endless custom
//! bucket nobody knows where the observations lie: they go whole, or stay whole when they lie beyond anyway. The sum is
//! estimated anew from the middles of what remains.

use super::cell::{self, Cell, bound};
use super::read::Bucket;
use super::{Histogram, Total};
use crate::compensated::Compensated;

/// On which side of a value something lies.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// Up to it.
    Below,
    /// From it on.
    Above,
}

impl Histogram {
    /// What remains on one side of a value.
    pub fn trimmed(&self, keep: Side, value: f64) -> Self {
        let mut kept =
            Kept { keep, value, custom: self.is_custom(), count: 0.0, sum: 0.0, cut: false };
        let mut side = |cells: &mut dyn Iterator<Item = (i32, f64)>, sign: f64| -> Vec<Cell> {
            let cells = cells.filter(|(_, count)| count.abs() > 0.0).map(|(index, count)| {
                let near = bound(self.schema, &self.bounds, index.saturating_sub(1));
                let far = bound(self.schema, &self.bounds, index);
                let (lower, upper) = if sign > 0.0 { (near, far) } else { (-far, -near) };
                let count = kept.of(Bucket { lower, upper, count }, sign);
                Cell { index, count: Compensated::of(count) }
            });
            cells.collect()
        };
        let positive = side(&mut self.positive_cells(), 1.0);
        let negative = side(&mut self.negative_cells(), -1.0);
        let zero_count = match !self.is_custom() && self.zero_count > 0.0 {
            true => kept.of_zero(self.zero_bucket(), !negative.is_empty(), !positive.is_empty()),
            false => self.zero_count,
        };
        if !kept.cut {
            return Total::of(self).finish();
        }
        let (count, sum) = (kept.count, kept.sum);
        let (positive_runs, positive) = cell::runs(&positive);
        let (negative_runs, negative) = cell::runs(&negative);
        Self {
            zero_count,
            count,
            sum,
            positive_runs,
            positive,
            negative_runs,
            negative,
            ..self.clone()
        }
    }
}

/// What was kept so far.
struct Kept {
    keep: Side,
    value: f64,
    custom: bool,
    count: f64,
    sum: f64,
    cut: bool,
}

impl Kept {
    /// How much of a bucket is kept.
    fn of(&mut self, bucket: Bucket, sign: f64) -> f64 {
        let Bucket { lower, upper, count } = bucket;
        let (whole, part) = match self.keep {
            Side::Below => (upper <= self.value, lower < self.value),
            Side::Above => (lower >= self.value, upper > self.value),
        };
        let (kept, middle) = if whole {
            (count, self.middle(lower, upper, sign))
        } else if !part {
            (0.0, 0.0)
        } else if lower.is_infinite() || upper.is_infinite() {
            self.of_endless(bucket)
        } else {
            let below = count * bucket.share_below(self.value, self.custom);
            match self.keep {
                Side::Below => (below, self.middle(lower, self.value, sign)),
                Side::Above => (count - below, self.middle(self.value, upper, sign)),
            }
        };
        self.note(kept, middle, count);
        kept
    }

    /// Of one that has no end on one side.
    fn of_endless(&self, Bucket { lower, upper, count }: Bucket) -> (f64, f64) {
        let value = self.value;
        if lower.is_finite() {
            // Without an upper end.
            return match self.keep {
                Side::Below => (0.0, 0.0),
                Side::Above => (count, value),
            };
        }
        // Without a lower end: taken to begin at zero if it ends above.
        match self.keep {
            Side::Below if value > 0.0 && upper > 0.0 && upper.is_finite() => {
                (count * value / upper, value / 2.0)
            }
            Side::Below if upper <= 0.0 => (count, value),
            Side::Above if value >= 0.0 && upper > value && upper.is_finite() => {
                (count * (1.0 - value / upper), f64::midpoint(value, upper))
            }
            Side::Above if value.is_infinite() && value < 0.0 => (count, 0.0),
            _ => (0.0, 0.0),
        }
    }

    /// How much of the zero bucket is kept, which ends at zero if there is nothing on the other side.
    fn of_zero(&mut self, mut bucket: Bucket, has_negative: bool, has_positive: bool) -> f64 {
        match (has_negative, has_positive) {
            (true, false) => bucket.upper = 0.0,
            (false, true) => bucket.lower = 0.0,
            _ => {}
        }
        let Bucket { lower, upper, count } = bucket;
        let value = self.value.clamp(lower, upper);
        let (from, to) = match self.keep {
            Side::Below => (lower, value),
            Side::Above => (value, upper),
        };
        let whole = upper - lower;
        let share = if whole > 0.0 {
            (to - from) / whole
        } else {
            f64::from(u8::from(self.holds_point(lower)))
        };
        self.note(count * share, f64::midpoint(from, to), count);
        count * share
    }

    /// Whether a bucket of no width lies on the side that is kept.
    fn holds_point(&self, at: f64) -> bool {
        match self.keep {
            Side::Below => self.value > at,
            Side::Above => self.value <= at,
        }
    }

    fn note(&mut self, kept: f64, middle: f64, count: f64) {
        self.count += kept;
        self.sum += kept * middle;
        self.cut |= (kept - count).abs() > 0.0;
    }

    fn middle(&self, lower: f64, upper: f64, sign: f64) -> f64 {
        match (lower.is_infinite(), upper.is_infinite()) {
            (true, true) => 0.0,
            (true, false) => {
                if upper > 0.0 {
                    upper / 2.0
                } else {
                    upper
                }
            }
            (false, true) => lower,
            (false, false) if self.custom => f64::midpoint(lower, upper),
            (false, false) => sign * (lower * upper).abs().sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{custom, of};
    use super::*;

    #[test]
    fn what_is_below_and_what_is_above_make_the_whole() {
        let histogram = of(1, &[(-2, 3.0), (0, 5.0), (3, 7.0)]);
        for value in [0.1, 0.6, 1.0, 2.5, 9.0] {
            let below = histogram.trimmed(Side::Below, value);
            let above = histogram.trimmed(Side::Above, value);
            assert!((below.count + above.count - 15.0).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn what_holds_all_is_left_as_it_is() {
        let histogram = custom(&[1.0, 2.0], &[1.0, 2.0]);
        assert_eq!(histogram.trimmed(Side::Below, 2.0), histogram);
        assert_eq!(histogram.trimmed(Side::Below, 1.5).positive, [1.0, 1.0]);
    }
}
