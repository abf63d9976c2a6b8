//! Latency: how many of the answers of a histogram were within a threshold, and which quantile to show.
//!
//! A histogram knows its bounds exactly and nothing between them. A threshold that is a bound has an exact answer; for one
//! that is not, the answer is interpolated, and how far off it may be is told.
//!
//! Within a bucket, classic ones and custom bounds are taken as even (linear), those of native histograms as even in the
//! logarithm, as `histogram_quantile` and `histogram_fraction` of Prometheus 3 do.

use std::time::Duration;

use evenkeel_series::Histogram;
use evenkeel_series::histogram::CUSTOM;

use super::{Side, events};
use crate::Counts;

/// Answers between two times.
#[derive(Copy, Clone, Debug, PartialEq)]
struct Cell {
    /// The lower bound, excluded.
    above: f64,
    /// The upper bound, included.
    up_to: f64,
    /// How many.
    count: f64,
    /// Whether they are even in the logarithm.
    logarithmic: bool,
}

/// Answers of a stretch of time by how long they took, from the fastest to the slowest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times {
    cells: Vec<Cell>,
}

/// How many answers were within a threshold.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Within {
    /// So many; interpolated unless `low` and `high` are the same.
    pub within: f64,
    /// At least so many.
    pub low: f64,
    /// At most so many.
    pub high: f64,
    /// Of so many.
    pub total: f64,
}

impl Within {
    /// Whether the threshold is a bound of a bucket, so that the answer is exact.
    pub fn is_exact(self) -> bool {
        self.high <= self.low
    }
}

/// Buckets that one histogram may have.
pub const BUCKETS_MAX: usize = 20_000;

impl Times {
    /// Of the buckets of a classic histogram: the bound `le` and how much its counter grew, in any order. Counters that
    /// were read at different moments may shrink from one bound to the next; that is taken for no growth.
    pub fn classic(buckets: &[(f64, f64)]) -> Self {
        let mut sorted: Vec<_> =
            buckets.iter().copied().filter(|(le, count)| !le.is_nan() && *count >= 0.0).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        sorted.truncate(BUCKETS_MAX);
        let first = sorted.first().map_or(0.0, |it| it.0);
        let (mut above, mut before) = (if first > 0.0 { 0.0 } else { f64::NEG_INFINITY }, 0.0);
        let cells = sorted.into_iter().map(|(up_to, cumulated)| {
            let count = (cumulated - before).max(0.0);
            let cell = Cell { above, up_to, count, logarithmic: false };
            before = cumulated.max(before);
            above = up_to;
            cell
        });
        Self { cells: cells.collect() }
    }

    /// Of a native histogram of what was observed in the stretch.
    pub fn native(of: &Histogram) -> Self {
        let mut cells = Vec::new();
        if of.schema == CUSTOM {
            let bound =
                |it: i64| usize::try_from(it).ok().and_then(|it| of.bounds.get(it).copied());
            for (index, count) in buckets(&of.positive_runs, &of.positive) {
                let lowest =
                    if bound(0).is_some_and(|it| it > 0.0) { 0.0 } else { f64::NEG_INFINITY };
                let above =
                    if index == 0 { lowest } else { bound(index - 1).unwrap_or(f64::INFINITY) };
                let up_to = bound(index).unwrap_or(f64::INFINITY);
                cells.push(Cell { above, up_to, count, logarithmic: false });
            }
            return Self { cells };
        }
        let bound = |index: i64| (index as f64 * (-f64::from(of.schema)).exp2()).exp2();
        let cell = |above, up_to, count| Cell { above, up_to, count, logarithmic: true };
        for (index, count) in buckets(&of.negative_runs, &of.negative) {
            cells.push(cell(-bound(index), -bound(index - 1), count));
        }
        cells.reverse();
        if of.zero_count > 0.0 {
            // Where nothing negative was seen, what is next to nothing is not negative either.
            let above = if cells.is_empty() { 0.0 } else { -of.zero_threshold };
            let (up_to, count) = (of.zero_threshold, of.zero_count);
            cells.push(Cell { above, up_to, count, logarithmic: false });
        }
        for (index, count) in buckets(&of.positive_runs, &of.positive) {
            cells.push(cell(bound(index - 1), bound(index), count));
        }
        Self { cells }
    }

    /// How many answers there are.
    pub fn total(&self) -> f64 {
        self.cells.iter().map(|it| it.count).sum()
    }

    /// How many were within a threshold.
    pub fn within(&self, threshold: f64) -> Within {
        let mut found = Within { within: 0.0, low: 0.0, high: 0.0, total: self.total() };
        for cell in &self.cells {
            if cell.up_to <= threshold {
                found.low += cell.count;
                found.high += cell.count;
                found.within += cell.count;
            } else if cell.above < threshold {
                found.high += cell.count;
                found.within += cell.count * cell.share_up_to(threshold);
            }
        }
        found
    }

    /// The time within which a share of the answers were; the last finite bound when it was longer. `None` without answers.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let total = self.total();
        if !(total > 0.0 && (0.0..=1.0).contains(&share)) {
            return None;
        }
        let rank = share * total;
        let mut before = 0.0;
        let filled = || self.cells.iter().filter(|it| it.count > 0.0);
        for cell in filled() {
            if before + cell.count >= rank {
                return Some(cell.at((rank - before) / cell.count));
            }
            before += cell.count;
        }
        filled().next_back().map(|it| it.at(1.0))
    }
}

/// Counts of slices: answers within a threshold, of all. `total` is all requests of each slice, failed ones among them, and
/// what the histogram counts where that is all there is.
pub fn slices(
    threshold: Duration,
    times: &[Option<Times>],
    total: Option<&[Option<f64>]>,
) -> Vec<Option<Counts>> {
    let threshold = threshold.as_secs_f64();
    let of = |figure: &dyn Fn(&Times) -> f64| -> Vec<_> {
        times.iter().map(|it| it.as_ref().map(figure)).collect()
    };
    let within = of(&|it| it.within(threshold).within);
    let counted = of(&Times::total);
    events::slices(Side::Good, &within, total.unwrap_or(&counted))
}

impl Cell {
    /// The share of it that is within a threshold inside of it.
    fn share_up_to(&self, threshold: f64) -> f64 {
        if self.up_to.is_infinite() || self.above.is_infinite() {
            // Without an end, nothing can be said: what is beyond the last bound is too slow.
            return 0.0;
        }
        let place = |it: f64| if self.logarithmic { it.abs().ln() } else { it };
        let share =
            (place(threshold) - place(self.above)) / (place(self.up_to) - place(self.above));
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The time that a share of it is within.
    fn at(&self, share: f64) -> f64 {
        match (self.above.is_finite(), self.up_to.is_finite()) {
            (true, false) => self.above,
            (false, _) => self.up_to,
            _ if self.logarithmic => {
                let (low, high) = (self.above.abs().ln(), self.up_to.abs().ln());
                (low + (high - low) * share).exp().copysign(self.up_to + self.above)
            }
            _ => self.above + (self.up_to - self.above) * share,
        }
    }
}

/// The index of each bucket, and what is in it.
fn buckets<'a>(
    runs: &'a [evenkeel_series::histogram::Run],
    counts: &'a [f64],
) -> impl Iterator<Item = (i64, f64)> + 'a {
    let mut next = 0;
    let indices = runs.iter().flat_map(move |run| {
        let first = next + i64::from(run.offset);
        next = first + i64::from(run.length);
        first..next
    });
    indices.zip(counts.iter().copied()).filter(|(_, count)| *count > 0.0).take(BUCKETS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_series::histogram::Run;
    use proptest::prelude::*;

    fn classic() -> Times {
        Times::classic(&[(f64::INFINITY, 100.0), (0.1, 50.0), (0.5, 90.0), (1.0, 98.0)])
    }

    fn native() -> Times {
        // Schema 0: bounds 1, 2, 4, 8.
        let histogram = Histogram {
            schema: 0,
            zero_threshold: 0.001,
            zero_count: 10.0,
            positive_runs: vec![Run { offset: 1, length: 1 }, Run { offset: 1, length: 1 }],
            positive: vec![20.0, 30.0],
            ..Histogram::default()
        };
        Times::native(&histogram)
    }

    #[test]
    fn a_threshold_that_is_a_bound_has_an_exact_answer() {
        let it = classic().within(0.5);
        assert!(
            it.is_exact() && (it.within - 90.0).abs() < 1e-9 && (it.total - 100.0).abs() < 1e-9
        );
        let it = native().within(2.0);
        assert!(it.is_exact() && (it.within - 30.0).abs() < 1e-9, "{it:?}");
    }

    #[test]
    fn a_threshold_between_bounds_is_interpolated_and_says_how_far_off_it_may_be() {
        let it = classic().within(0.3);
        assert_eq!((it.low, it.high), (50.0, 90.0));
        assert!((it.within - 70.0).abs() < 1e-9 && !it.is_exact());
        // Half of the way from 4 to 8 in the logarithm.
        let it = native().within(32.0_f64.sqrt());
        assert!((it.within - 45.0).abs() < 1e-9, "{it:?}");
    }

    #[test]
    fn what_is_beyond_the_last_bound_is_too_slow() {
        let it = classic().within(60.0);
        assert!((it.within - 98.0).abs() < 1e-9 && (it.high - 100.0).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_those_of_prometheus() {
        let it = classic();
        assert!((it.quantile(0.5).unwrap() - 0.1).abs() < 1e-9);
        assert!((it.quantile(0.7).unwrap() - 0.3).abs() < 1e-9);
        // Longer than the last bound is the last bound.
        assert!((it.quantile(0.999).unwrap() - 1.0).abs() < 1e-9);
        assert!((native().quantile(0.75).unwrap() - 32.0_f64.sqrt()).abs() < 1e-9);
        assert_eq!(Times::default().quantile(0.5), None);
    }

    #[test]
    fn failures_are_not_fast_however_fast_they_were() {
        let second = Duration::from_secs(1);
        let times = [Some(classic()), None];
        let alone = slices(second / 2, &times, None);
        assert_eq!(alone, [Some(Counts { good: 90, total: 100 }), None]);
        let failed = slices(second / 2, &times, Some(&[Some(120.0), Some(7.0)]));
        assert_eq!(
            failed,
            [Some(Counts { good: 90, total: 120 }), Some(Counts { good: 0, total: 7 })]
        );
    }

    #[test]
    fn custom_bounds_are_classic_ones() {
        let histogram = Histogram {
            schema: CUSTOM,
            bounds: vec![0.1, 0.5, 1.0],
            positive_runs: vec![Run { offset: 0, length: 4 }],
            positive: vec![50.0, 40.0, 8.0, 2.0],
            ..Histogram::default()
        };
        assert_eq!(Times::native(&histogram), classic());
    }

    #[test]
    fn negative_observations_are_below_every_time() {
        let histogram = Histogram {
            negative_runs: vec![Run { offset: 0, length: 2 }],
            negative: vec![1.0, 2.0],
            zero_count: 3.0,
            zero_threshold: 0.5,
            ..Histogram::default()
        };
        let it = Times::native(&histogram);
        assert!(
            (it.within(-1.0).within - 2.0).abs() < 1e-9
                && (it.within(0.5).within - 6.0).abs() < 1e-9
        );
    }

    #[test]
    fn odd_histograms_do_not_panic() {
        let odd = Histogram {
            schema: -4,
            positive_runs: vec![
                Run { offset: i32::MAX, length: u32::MAX },
                Run { offset: i32::MAX, length: 9 },
            ],
            positive: vec![1.0, f64::NAN, -1.0, f64::INFINITY],
            zero_threshold: f64::NAN,
            zero_count: 1.0,
            ..Histogram::default()
        };
        let it = Times::native(&odd);
        assert!(it.within(0.3).low <= it.within(0.3).high && it.within(f64::NAN).within >= 0.0);
        let classic = Times::classic(&[(f64::NAN, 1.0), (1.0, f64::NAN), (-1.0, 5.0)]);
        assert_eq!(classic.quantile(0.5), Some(-1.0));
    }

    proptest! {
        #[test]
        fn a_longer_threshold_never_has_fewer_within(
            counts in prop::collection::vec(0.0f64..100.0, 1..8), a in 0.0f64..20.0, b in 0.0f64..20.0
        ) {
            let mut sum = 0.0;
            let buckets: Vec<_> = counts.iter().enumerate().map(|(place, count)| {
                sum += count;
                (place as f64 * 2.0 + 1.0, sum)
            }).collect();
            let it = Times::classic(&buckets);
            let (short, long) = (it.within(a.min(b)), it.within(a.max(b)));
            prop_assert!(short.within <= long.within + 1e-9);
            for found in [short, long] {
                prop_assert!(found.low <= found.within + 1e-9 && found.within <= found.high + 1e-9);
            }
        }
    }
}
