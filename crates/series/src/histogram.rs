//! Native histograms: buckets whose bounds grow by a constant factor, or custom ones.
//!
//! The bounds of schema `s` (−4 to 8) are the powers of `2^(2^-s)`; bucket `i` goes from bound `i − 1`, excluded, to
//! bound `i`, included. Schema −53 takes its bounds from [`Histogram::bounds`], and has no negative buckets and no
//! zero bucket. Counts are floats, as in Prometheus' queries, whatever was on the wire.
//!
//! What can be done with them stands in the files beside: [`Total`] adds them up, the others read them.

mod cell;
mod read;
mod reset;
mod total;
mod trim;

pub use read::{Bucket, Reading};
pub use total::{Incompatible, Noted, Total};
pub use trim::Side;

/// Buckets that follow one another without a gap.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Empty buckets before the first: from index 0 at the first run, else from the end of the run before.
    pub offset: i32,
    /// How many buckets there are.
    pub length: u32,
}

/// Whether a histogram counts on from the one before.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// Nothing is known: whoever needs it looks at the counts.
    #[default]
    Unknown,
    /// It began again.
    Yes,
    /// It counts on.
    No,
    /// It is no counter.
    Gauge,
}

/// A native histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// How fine the buckets are: −4 to 8, or [`CUSTOM`].
    pub schema: i32,
    /// Up to where an observation, of either sign, is in the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// Which buckets of positive observations there are, …
    pub positive_runs: Vec<Run>,
    /// … and what is in each.
    pub positive: Vec<f64>,
    /// Which buckets of negative observations there are, …
    pub negative_runs: Vec<Run>,
    /// … and what is in each.
    pub negative: Vec<f64>,
    /// The upper bounds of custom buckets, but for the last, which is infinite.
    pub bounds: Vec<f64>,
    /// Whether it counts on.
    pub reset: Reset,
}

/// The schema of custom buckets.
pub const CUSTOM: i32 = -53;

impl Histogram {
    /// Whether the bounds are custom.
    pub const fn is_custom(&self) -> bool {
        self.schema == CUSTOM
    }

    /// Index and count of each bucket of positive observations.
    pub fn positive_cells(&self) -> impl Iterator<Item = (i32, f64)> + '_ {
        cell::cells(&self.positive_runs, &self.positive)
    }

    /// Index and count of each bucket of negative observations: the further from zero, the higher.
    pub fn negative_cells(&self) -> impl Iterator<Item = (i32, f64)> + '_ {
        cell::cells(&self.negative_runs, &self.negative)
    }

    /// Without empty buckets.
    pub fn compact(&self) -> Self {
        Total::of(self).finish()
    }

    /// Every count multiplied. What is negative then is no counter.
    pub fn scaled(&self, factor: f64) -> Self {
        let mut total = Total::of(self);
        total.scale(factor);
        total.finish()
    }

    /// Every count divided. By zero no bucket remains, and the rest is infinite or no number.
    pub fn divided(&self, divisor: f64) -> Self {
        let mut divided = self.clone();
        for part in [&mut divided.zero_count, &mut divided.count, &mut divided.sum] {
            *part /= divisor;
        }
        if divisor.abs() <= 0.0 {
            divided.positive_runs.clear();
            divided.positive.clear();
            divided.negative_runs.clear();
            divided.negative.clear();
            return divided;
        }
        for count in divided.positive.iter_mut().chain(&mut divided.negative) {
            *count /= divisor;
        }
        if divisor < 0.0 {
            divided.reset = Reset::Gauge;
        }
        divided.compact()
    }

    /// Both together, and what is worth knowing about it.
    pub fn plus(&self, other: &Self) -> Result<(Self, Noted), Incompatible> {
        let mut total = Total::of(self);
        let noted = total.add(other)?;
        Ok((total.finish(), noted))
    }

    /// This without the other, and what is worth knowing about it.
    pub fn minus(&self, other: &Self) -> Result<(Self, Noted), Incompatible> {
        let mut total = Total::of(self);
        let noted = total.subtract(other)?;
        Ok((total.finish(), noted))
    }

    /// With another word on whether it counts on.
    pub fn with_reset(mut self, reset: Reset) -> Self {
        self.reset = reset;
        self
    }

    /// Whether two say the same, empty buckets and resets aside. Counts are compared bit by bit.
    pub fn is_alike(&self, other: &Self) -> bool {
        let numbers =
            |it: &Self| [it.count, it.sum, it.zero_threshold, it.zero_count].map(f64::to_bits);
        let filled = |cells: &mut dyn Iterator<Item = (i32, f64)>| -> Vec<(i32, u64)> {
            cells
                .filter(|(_, count)| count.abs() > 0.0 || count.is_nan())
                .map(|(index, count)| (index, count.to_bits()))
                .collect()
        };
        self.schema == other.schema
            && numbers(self) == numbers(other)
            && self
                .bounds
                .iter()
                .map(|it| it.to_bits())
                .eq(other.bounds.iter().map(|it| it.to_bits()))
            && filled(&mut self.positive_cells()) == filled(&mut other.positive_cells())
            && filled(&mut self.negative_cells()) == filled(&mut other.negative_cells())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exponential, with these positive buckets; each observation is 1.
    pub(super) fn of(schema: i32, cells: &[(i32, f64)]) -> Histogram {
        let count = cells.iter().map(|(_, count)| count).sum();
        let mut next = 0;
        let mut positive_runs = Vec::new();
        for (index, _) in cells {
            positive_runs.push(Run { offset: index - next, length: 1 });
            next = index + 1;
        }
        let positive = cells.iter().map(|(_, count)| *count).collect();
        Histogram { schema, count, sum: count, positive_runs, positive, ..Histogram::default() }
    }

    /// With custom bounds, and as many buckets from the first on.
    pub(super) fn custom(bounds: &[f64], counts: &[f64]) -> Histogram {
        let length = u32::try_from(counts.len()).unwrap();
        Histogram {
            schema: CUSTOM,
            count: counts.iter().sum(),
            sum: counts.iter().sum(),
            positive_runs: vec![Run { offset: 0, length }],
            positive: counts.to_vec(),
            bounds: bounds.to_vec(),
            ..Histogram::default()
        }
    }

    #[test]
    fn empty_buckets_make_no_difference() {
        let gap = of(0, &[(1, 1.0), (2, 0.0), (5, 3.0)]);
        assert!(gap.is_alike(&of(0, &[(1, 1.0), (5, 3.0)])));
        assert_eq!(gap.compact().positive, [1.0, 3.0]);
        assert!(!gap.is_alike(&of(0, &[(1, 1.0), (4, 3.0)])));
    }

    #[test]
    fn divided_by_zero_no_bucket_remains() {
        let divided = of(0, &[(1, 2.0)]).divided(0.0);
        assert!(divided.count.is_infinite() && divided.positive.is_empty());
    }

    #[test]
    fn runs_that_lie_about_their_length_do_no_harm() {
        let long = Run { offset: i32::MAX, length: u32::MAX };
        let histogram = Histogram {
            positive_runs: vec![long, long],
            positive: vec![1.0; 3],
            ..Histogram::default()
        };
        assert!(histogram.compact().positive.len() <= 3);
    }
}
