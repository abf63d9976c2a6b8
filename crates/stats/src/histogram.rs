//! Histogram: how long things took, counted so that counts of many seconds, routes and machines add up.
//!
//! Percentiles cannot be added or averaged; counts can. A [`Histogram`] holds counts in buckets whose
//! width is at most a thousandth of their value (High Dynamic Range histogram, three significant
//! digits, 1 µs to 1 h), so its size does not grow with the number of requests, and merging parts gives
//! exactly what one histogram of the whole would have held.
//!
//! ```
//! use std::time::Duration;
//! use evenkeel_stats::Histogram;
//!
//! let mut times = Histogram::new();
//! for millis in 1..=100 {
//!     times.record(Duration::from_millis(millis));
//! }
//! let median = times.quantile(0.5).unwrap();
//! assert!((median.as_secs_f64() - 0.050).abs() < 0.000_05);
//! assert_eq!(times.count_at_most(Duration::from_millis(90)), 90);
//! ```
//!
//! Every figure is read from the middle of a bucket, which is off by at most 0.05 %; up to 2 ms it is
//! exact to the microsecond. Source: G. Tene, HdrHistogram, <https://hdrhistogram.org>.

use std::fmt;
use std::time::Duration;

use evenkeel_model::Distribution;

/// Longer times are counted as this long: one hour.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// Counts of times.
#[derive(Clone)]
pub struct Histogram {
    counts: hdrhistogram::Histogram<u64>,
}

impl Histogram {
    /// A histogram that has counted nothing.
    pub fn new() -> Self {
        let counts = hdrhistogram::Histogram::new(3)
            .expect("three significant digits are within what the histogram allows");
        Self { counts }
    }

    /// A histogram of what `distribution` counted.
    pub fn of(distribution: &Distribution) -> Self {
        let mut histogram = Self::new();
        histogram.add(distribution);
        histogram
    }

    /// Counts one time. Times beyond 1 µs and 1 h are counted as these.
    pub fn record(&mut self, time: Duration) {
        self.count_in(micros(time), 1);
    }

    /// Adds every count of `distribution`.
    ///
    /// Nothing is lost when the distribution came from a histogram.
    pub fn add(&mut self, distribution: &Distribution) {
        for &(micros, count) in &distribution.micros {
            if count > 0 {
                self.count_in(micros.clamp(1, LONGEST_MICROS), count);
            }
        }
    }

    /// Adds every count of `other`: the same as if its times had been recorded here.
    pub fn merge(&mut self, other: &Self) {
        self.counts.add(&other.counts).expect("both grow as they must and share their precision");
    }

    /// Forgets everything, and keeps the memory for the next use.
    pub fn clear(&mut self) {
        self.counts.reset();
    }

    /// What was counted, as pairs of microseconds and count, ascending.
    pub fn to_distribution(&self) -> Distribution {
        Distribution { micros: self.buckets().collect() }
    }

    /// The time that a share of `q` of all times does not exceed, by nearest rank: of `n` times in
    /// order, the one at rank ⌈q·n⌉, at least the first. Never interpolated: it is a time that was
    /// measured. `None` when nothing was counted.
    ///
    /// ```
    /// use std::time::Duration;
    /// use evenkeel_stats::Histogram;
    ///
    /// let mut times = Histogram::new();
    /// for micros in [10, 20, 30, 40] {
    ///     times.record(Duration::from_micros(micros));
    /// }
    /// assert_eq!(times.quantile(0.50), Some(Duration::from_micros(20)));
    /// assert_eq!(times.quantile(0.51), Some(Duration::from_micros(30)));
    /// assert_eq!(times.quantile(1.00), Some(Duration::from_micros(40)));
    /// ```
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let n = self.count();
        // 0.07 × 100 is 7.000000000000001 in floating point; it must not become rank 8.
        let rank = (q.clamp(0.0, 1.0) * n as f64 * (1.0 - 1e-12)).ceil() as u64;
        let rank = rank.clamp(1, n.max(1));
        let mut passed = 0;
        self.buckets().find_map(|(micros, count)| {
            passed += count;
            (passed >= rank).then_some(Duration::from_micros(micros))
        })
    }

    /// The mean; `None` when nothing was counted.
    pub fn mean(&self) -> Option<Duration> {
        let n = self.count();
        let sum: f64 = self.buckets().map(|(micros, count)| micros as f64 * count as f64).sum();
        (n > 0).then(|| Duration::from_secs_f64(sum / n as f64 / 1e6))
    }

    /// The longest; `None` when nothing was counted.
    pub fn max(&self) -> Option<Duration> {
        (!self.counts.is_empty()).then(|| self.middle(self.counts.max()))
    }

    /// The shortest; `None` when nothing was counted.
    pub fn min(&self) -> Option<Duration> {
        (!self.counts.is_empty()).then(|| self.middle(self.counts.min()))
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.counts.len()
    }

    /// How many times were at most `limit`. Times that the histogram cannot tell from `limit` are.
    pub fn count_at_most(&self, limit: Duration) -> u64 {
        let limit = self.counts.median_equivalent(micros(limit));
        self.buckets().take_while(|&(micros, _)| micros <= limit).map(|(_, count)| count).sum()
    }

    /// The middle of each bucket that holds something, with its count.
    fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts
            .iter_recorded()
            .map(|it| (self.counts.median_equivalent(it.value_iterated_to()), it.count_at_value()))
    }

    fn middle(&self, micros: u64) -> Duration {
        Duration::from_micros(self.counts.median_equivalent(micros))
    }

    fn count_in(&mut self, micros: u64, count: u64) {
        self.counts.record_n(micros, count).expect("the histogram grows up to an hour");
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("min", &self.min())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.max())
            .finish()
    }
}

impl PartialEq for Histogram {
    /// Equal when every bucket holds the same count.
    fn eq(&self, other: &Self) -> bool {
        self.buckets().eq(other.buckets())
    }
}

impl Eq for Histogram {}

impl From<&Distribution> for Histogram {
    fn from(distribution: &Distribution) -> Self {
        Self::of(distribution)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(LONGEST_MICROS).clamp(1, LONGEST_MICROS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(micros: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        micros.iter().for_each(|&it| histogram.record(Duration::from_micros(it)));
        histogram
    }

    /// Times as they are met: mostly short, some long, a few absurd.
    fn times() -> impl Strategy<Value = Vec<u64>> {
        let time = prop_oneof![0..2_000u64, 0..2_000_000u64, 0..8_000_000_000u64];
        proptest::collection::vec(time, 0..60)
    }

    #[test]
    fn a_quantile_is_the_time_at_the_nearest_rank() {
        let histogram = of(&(1..=100).collect::<Vec<_>>());
        for (q, micros) in
            [(0.0, 1), (0.01, 1), (0.011, 2), (0.07, 7), (0.5, 50), (0.99, 99), (1.0, 100)]
        {
            assert_eq!(histogram.quantile(q), Some(Duration::from_micros(micros)), "{q}");
        }
    }

    #[test]
    fn nothing_counted_has_no_figures() {
        let nothing = Histogram::default();
        assert_eq!((nothing.quantile(0.5), nothing.mean()), (None, None));
        assert_eq!((nothing.min(), nothing.max(), nothing.count()), (None, None, 0));
        assert_eq!(nothing.to_distribution(), Distribution::default());
    }

    #[test]
    fn times_beyond_the_range_are_counted_at_its_ends() {
        let mut histogram = of(&[0]);
        histogram.record(Duration::from_hours(24));
        assert_eq!(histogram.min(), Some(Duration::from_micros(1)));
        let longest = histogram.max().unwrap().as_secs_f64();
        assert!((longest / 3_600.0 - 1.0).abs() < 0.001, "{longest}");
    }

    #[test]
    fn a_time_at_the_limit_is_within_it() {
        let histogram = of(&[499_000, 500_000, 501_000]);
        assert_eq!(histogram.count_at_most(Duration::from_millis(500)), 2);
    }

    #[test]
    fn clearing_forgets_the_counts() {
        let mut histogram = of(&[5, 6]);
        histogram.clear();
        assert_eq!(histogram, Histogram::new());
        histogram.record(Duration::from_micros(9));
        assert_eq!((histogram.min(), histogram.max()), (histogram.max(), histogram.quantile(1.0)));
    }

    proptest! {
        #[test]
        fn the_merge_of_parts_is_the_whole(a in times(), b in times()) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let whole = of(&[a, b].concat());
            prop_assert_eq!(merged.to_distribution(), whole.to_distribution());
            prop_assert_eq!(merged, whole);
        }

        #[test]
        fn a_distribution_loses_nothing_however_often_it_is_read_back(a in times(), b in times()) {
            let (first, second) = (of(&a).to_distribution(), of(&b).to_distribution());
            prop_assert_eq!(Histogram::of(&first).to_distribution(), first.clone());
            let mut sum = Histogram::of(&first);
            sum.add(&second);
            prop_assert_eq!(sum, of(&[a, b].concat()));
        }

        #[test]
        fn quantiles_are_within_a_thousandth_of_the_true_time(mut a in times(), q in 0.0..=1.0f64) {
            a.push(1);
            a.iter_mut().for_each(|it| *it = (*it).clamp(1, LONGEST_MICROS));
            a.sort_unstable();
            let rank = ((q * a.len() as f64).ceil() as usize).max(1);
            let truth = a[rank - 1] as f64;
            let got = of(&a).quantile(q).unwrap().as_micros() as f64;
            prop_assert!((got / truth - 1.0).abs() <= 0.001, "{got} for {truth}");
        }

        #[test]
        fn counts_at_most_never_decrease_and_end_at_all(a in times(), x in 0..8_000_000_000u64) {
            let histogram = of(&a);
            let at = |it| histogram.count_at_most(Duration::from_micros(it));
            prop_assert!(at(x) <= at(x.saturating_mul(2)));
            prop_assert_eq!(at(LONGEST_MICROS), histogram.count());
        }
    }
}
