//! Reading a histogram: its buckets in order, quantiles, shares, spread.
//!
//! Within a bucket observations are taken to be spread evenly: on a logarithmic scale in a bucket that grows by a factor,
//! on a linear one in custom buckets and in the zero bucket, as Prometheus does.

use super::Histogram;
use super::cell::bound;
use crate::compensated::Compensated;

/// Observations between two bounds.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Bucket {
    /// From where, …
    pub lower: f64,
    /// … to where, …
    pub upper: f64,
    /// … how many there are.
    pub count: f64,
}

impl Bucket {
    /// Whether zero lies in it.
    pub(super) fn holds_zero(&self) -> bool {
        self.lower <= 0.0 && self.upper >= 0.0
    }

    /// Which share of it lies below a value between its bounds.
    pub(super) fn share_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let [lower, upper, value_log] =
            [self.lower, self.upper, value].map(|value| value.abs().log2());
        if value > 0.0 {
            (value_log - lower) / (upper - lower)
        } else {
            1.0 - (value_log - upper) / (lower - upper)
        }
    }

    /// The value below which a share of it lies.
    fn value_at(&self, share: f64, linear: bool) -> f64 {
        if linear {
            return self.lower + (self.upper - self.lower) * share;
        }
        let (lower, upper) = (self.lower.abs().log2(), self.upper.abs().log2());
        if self.lower > 0.0 {
            (lower + (upper - lower) * share).exp2()
        } else {
            -(upper + (lower - upper) * (1.0 - share)).exp2()
        }
    }
}

/// What the sum of a histogram gives away about observations that are no numbers: they are counted, and in no bucket.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Reading {
    /// What was asked for.
    pub value: f64,
    /// Whether such observations had a say in it.
    pub has_nan: bool,
}

impl Reading {
    const fn of(value: f64) -> Self {
        Self { value, has_nan: false }
    }
}

impl Histogram {
    /// Its buckets from the lowest to the highest, the zero bucket among them if it holds something.
    pub fn buckets(&self) -> Vec<Bucket> {
        let threshold = if self.is_custom() { 0.0 } else { self.zero_threshold };
        let of = |index: i32| {
            let lower = bound(self.schema, &self.bounds, index.saturating_sub(1));
            (
                if lower > 0.0 { lower.max(threshold) } else { lower },
                bound(self.schema, &self.bounds, index),
            )
        };
        let mut buckets: Vec<Bucket> = self
            .negative_cells()
            .map(|(index, count)| {
                let (near, far) = of(index);
                Bucket { lower: -far, upper: -near, count }
            })
            .collect();
        buckets.reverse();
        if !self.is_custom() && self.zero_count > 0.0 {
            buckets.push(self.zero_bucket());
        }
        buckets.extend(self.positive_cells().map(|(index, count)| {
            let (lower, upper) = of(index);
            Bucket { lower, upper, count }
        }));
        buckets
    }

    pub(super) const fn zero_bucket(&self) -> Bucket {
        Bucket { lower: -self.zero_threshold, upper: self.zero_threshold, count: self.zero_count }
    }

    /// A bucket around zero ends there if there is nothing on the other side.
    fn narrowed(&self, mut bucket: Bucket) -> Bucket {
        match (self.negative.is_empty(), self.positive.is_empty()) {
            (true, false) => bucket.lower = 0.0,
            (false, true) => bucket.upper = 0.0,
            _ => {}
        }
        bucket
    }

    /// The value below which a share `q` of the observations lies: infinite outside of 0 to 1, NaN without observations.
    pub fn quantile(&self, q: f64) -> Reading {
        if q < 0.0 {
            return Reading::of(f64::NEG_INFINITY);
        }
        if q > 1.0 {
            return Reading::of(f64::INFINITY);
        }
        if self.count.abs() <= 0.0 || q.is_nan() {
            return Reading::of(f64::NAN);
        }
        // From the nearer end, but from below when some observations are in no bucket: they count as the highest.
        let from_below = self.sum.is_nan() || q < 0.5;
        let mut buckets = self.buckets();
        if !from_below {
            buckets.reverse();
        }
        let rank = (if from_below { q } else { 1.0 - q }) * self.count;
        let all: f64 = buckets.iter().map(|bucket| bucket.count).sum();
        let has_nan = self.sum.is_nan() && all < self.count;
        let (mut found, mut passed) = (Bucket { lower: 0.0, upper: 0.0, count: 0.0 }, 0.0);
        for bucket in buckets.into_iter().filter(|bucket| bucket.count.abs() > 0.0) {
            found = bucket;
            passed += bucket.count;
            if passed >= rank {
                break;
            }
        }
        if self.is_custom() {
            if found.lower.is_infinite() && found.lower < 0.0 {
                if found.upper <= 0.0 {
                    return Reading::of(found.upper);
                }
                found.lower = 0.0;
            } else if found.upper.is_infinite() {
                return Reading::of(found.lower);
            }
        } else if found.lower < 0.0 && found.upper > 0.0 {
            found = self.narrowed(found);
        }
        passed = passed.min(self.count);
        if passed < rank {
            return match self.sum.is_nan() {
                true => Reading { value: f64::NAN, has_nan: true },
                false => Reading::of(found.upper),
            };
        }
        let within = if from_below { rank - (passed - found.count) } else { passed - rank };
        let linear = self.is_custom() || found.holds_zero();
        Reading { value: found.value_at(within / found.count, linear), has_nan }
    }

    /// Which share of the observations lies between two values. Those that are no numbers are in the whole only.
    pub fn fraction(&self, lower: f64, upper: f64) -> Reading {
        if self.count.abs() <= 0.0 || lower.is_nan() || upper.is_nan() {
            return Reading::of(f64::NAN);
        }
        if lower >= upper {
            return Reading::of(0.0);
        }
        let buckets = self.buckets();
        let filled = buckets.iter().map(|bucket| bucket.count).sum::<f64>();
        let total = if self.sum.is_nan() { filled } else { self.count };
        let has_nan = self.sum.is_nan() && filled < self.count;
        let below = |value: f64| self.below(&buckets, value).map_or(total, |rank| rank.min(total));
        Reading { value: (below(upper) - below(lower)) / self.count, has_nan }
    }

    /// How many observations lie below a value; nothing if all do.
    fn below(&self, buckets: &[Bucket], value: f64) -> Option<f64> {
        let mut rank = 0.0;
        for bucket in buckets {
            let around_zero = bucket.holds_zero();
            let bucket = if around_zero { self.narrowed(*bucket) } else { *bucket };
            if bucket.lower >= value {
                return Some(rank);
            }
            if bucket.upper > value {
                if bucket.lower.is_infinite() {
                    // Where in an endless bucket it lies nobody knows.
                    return Some(bucket.count);
                }
                let linear = self.is_custom() || around_zero;
                return Some(rank + bucket.count * bucket.share_below(value, linear));
            }
            rank += bucket.count;
        }
        None
    }

    /// The variance, as if every observation were in the middle of its bucket: the geometric middle of one that grows by
    /// a factor, zero in the zero bucket.
    pub fn variance(&self) -> f64 {
        let mean = self.sum / self.count;
        let mut squares = Compensated::default();
        for bucket in self.buckets().into_iter().filter(|bucket| bucket.count.abs() > 0.0) {
            let middle = if self.is_custom() {
                f64::midpoint(bucket.lower, bucket.upper)
            } else if bucket.holds_zero() {
                0.0
            } else {
                (bucket.lower * bucket.upper).sqrt().copysign(bucket.upper)
            };
            squares.add(bucket.count * (middle - mean) * (middle - mean));
        }
        squares.total() / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{custom, of};
    use super::*;

    #[test]
    fn a_quantile_is_interpolated_on_the_scale_of_its_bucket() {
        let doubling = of(0, &[(0, 1.0), (1, 2.0), (2, 1.0)]);
        assert!((doubling.quantile(0.5).value - 2.0_f64.sqrt()).abs() < 1e-12);
        let linear = custom(&[1.0, 3.0], &[1.0, 2.0]);
        assert!((linear.quantile(2.0 / 3.0).value - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_fraction_is_the_reverse_of_a_quantile() {
        let histogram = of(1, &[(-3, 4.0), (0, 1.0), (5, 7.0)]);
        for q in [0.1, 0.3, 0.5, 0.9] {
            let value = histogram.quantile(q).value;
            assert!((histogram.fraction(f64::NEG_INFINITY, value).value - q).abs() < 1e-9, "{q}");
        }
    }

    #[test]
    fn without_observations_there_is_no_quantile() {
        assert!(Histogram::default().quantile(0.5).value.is_nan());
        assert!(Histogram::default().fraction(0.0, 1.0).value.is_nan());
    }

    #[test]
    fn observations_that_are_no_numbers_are_the_highest() {
        let mut histogram = of(0, &[(1, 2.0)]);
        (histogram.count, histogram.sum) = (4.0, f64::NAN);
        let (low, high) = (histogram.quantile(0.25), histogram.quantile(0.9));
        assert!(low.has_nan && !low.value.is_nan() && high.value.is_nan());
    }
}
