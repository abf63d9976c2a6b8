//! Trend: does a figure grow as time passes, by more than chance?
//!
//! The Mann–Kendall test (H. B. Mann, "Nonparametric tests against trend", Econometrica 13, 1945; M. G. Kendall,
//! "Rank Correlation Methods", 1955) by the normal approximation with correction for ties and for continuity,
//! and the slope of Theil and Sen (P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau",
//! Journal of the American Statistical Association 63, 1968): the median of the slopes of all pairs. One wild
//! value moves neither.
//!
//! Figures of neighbouring seconds resemble each other, and a test that takes them for independent finds trends
//! everywhere. So the test is fed with [`blocks`]: medians of stretches that are long enough to forget.

use crate::normal::two_sided;

/// The answer of the test.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Trend {
    /// Median growth from one value to the next.
    pub slope: f64,
    /// Probability of a trend at least as clear, in either direction, when there is none.
    pub p_value: f64,
    /// The level at the beginning, read off the line.
    pub level: f64,
    /// Growth from the first value to the last, read off the line.
    pub growth: f64,
}

/// The least number of values; below it the normal approximation says little.
pub const LEAST: usize = 12;

/// Looks for a trend. `None` when there are fewer than [`LEAST`] values, or one is not a number.
///
/// The work grows with the square of the number of values.
///
/// ```
/// use evenkeel_stats::trend;
///
/// let leak: Vec<f64> = (0..20).map(|minute| 100.0 + 2.0 * f64::from(minute)).collect();
/// let found = trend(&leak).unwrap();
/// assert!(found.p_value < 0.001);
/// assert!((found.slope - 2.0).abs() < 1e-9 && (found.growth - 38.0).abs() < 1e-9);
/// ```
pub fn trend(values: &[f64]) -> Option<Trend> {
    let n = values.len();
    if n < LEAST || values.iter().any(|it| !it.is_finite()) {
        return None;
    }
    let (mut score, mut slopes) = (0.0, Vec::with_capacity(n * (n - 1) / 2));
    for (later, b) in values.iter().enumerate() {
        for (earlier, a) in values.iter().enumerate().take(later) {
            let rise = b - a;
            score += f64::from(i8::from(rise > 0.0) - i8::from(rise < 0.0));
            slopes.push(rise / (later - earlier) as f64);
        }
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let weight = |it: f64| it * (it - 1.0) * (2.0 * it + 5.0);
    let ties: f64 =
        sorted.chunk_by(|a, b| a.total_cmp(b).is_eq()).map(|it| weight(it.len() as f64)).sum();
    let variance = (weight(n as f64) - ties) / 18.0;
    let p_value = match variance > 0.0 {
        true => two_sided((f64::abs(score) - 1.0).max(0.0) / variance.sqrt()),
        false => 1.0, // Every value is the same.
    };
    let slope = median(&mut slopes)?;
    // The line through the medians of both coordinates.
    let middle = (n - 1) as f64 / 2.0;
    let level = median(&mut sorted)? - slope * middle;
    Some(Trend { slope, p_value, level, growth: slope * (n - 1) as f64 })
}

/// Medians of `most` stretches of equal length, or of fewer that are at least `least_long` values long; what does
/// not fill a stretch at the beginning is left out.
pub fn blocks(values: &[f64], most: usize, least_long: usize) -> Vec<f64> {
    let long = values.len().div_ceil(most.max(1)).max(least_long).max(1);
    let (_, whole) = values.split_at(values.len() % long);
    whole.chunks_exact(long).filter_map(|it| median(&mut it.to_vec())).collect()
}

/// The median; the mean of the middle two of an even number. `None` of nothing.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    match values.len() % 2 {
        1 => Some(upper),
        _ => values.get(values.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_units::Seed;
    use proptest::prelude::*;

    /// Seconds that resemble the one before, as those of a service do.
    fn resembling(run: u64, seconds: u64) -> Vec<f64> {
        let chance = Seed(run).choices("trend");
        let mut level = 0.0;
        let noise = |n| {
            (0..12).map(|k| chance.bits(n * 12 + k) as f64 / u64::MAX as f64).sum::<f64>() - 6.0
        };
        (0..seconds)
            .map(|n| {
                level = 0.7 * level + noise(n);
                100.0 + 10.0 * level
            })
            .collect()
    }

    #[test]
    fn agrees_with_a_worked_example() {
        // Twelve values in order but for one swap: S = 64, variance 12·11·29/18 = 212.67, z = 63/14.583 = 4.32.
        let values = [1.0, 2.0, 3.0, 5.0, 4.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0];
        let found = trend(&values).unwrap();
        assert!((found.p_value - 1.56e-5).abs() < 1e-6, "{}", found.p_value);
        assert!((found.slope - 1.0).abs() < 1e-9);
    }

    #[test]
    fn one_wild_value_is_no_trend_and_hides_none() {
        let mut values: Vec<f64> = (0..20).map(|it| 50.0 + f64::from(it)).collect();
        values[3] = 10_000.0;
        let found = trend(&values).unwrap();
        assert!(found.p_value < 0.01 && (found.slope - 1.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn too_few_values_and_equal_values_have_no_trend() {
        assert_eq!(trend(&[1.0; LEAST - 1]), None);
        let flat = trend(&[3.0; 30]).unwrap();
        assert_eq!((flat.p_value, flat.growth), (1.0, 0.0));
    }

    #[test]
    fn blocks_forget_and_raw_seconds_do_not() {
        let false_alarms = |runs: u64, of: &dyn Fn(&[f64]) -> Vec<f64>| {
            let found = (0..runs).filter(|run| {
                trend(&of(&resembling(*run, 300))).is_some_and(|it| it.p_value < 0.01)
            });
            found.count()
        };
        let in_blocks = false_alarms(400, &|it| blocks(it, 15, 5));
        let raw = false_alarms(40, &|it| it.to_vec());
        assert!(in_blocks <= 10, "{in_blocks} of 400");
        assert!(raw > 4, "the seconds were to resemble each other: {raw} of 40");
    }

    proptest! {
        #[test]
        fn reversing_time_turns_the_trend_around(values in prop::collection::vec(-1e3..1e3f64, LEAST..40)) {
            let there = trend(&values).unwrap();
            let back = trend(&values.iter().rev().copied().collect::<Vec<_>>()).unwrap();
            prop_assert!((there.slope + back.slope).abs() < 1e-9);
            prop_assert!((there.p_value - back.p_value).abs() < 1e-9);
        }

        #[test]
        fn there_are_never_more_blocks_than_asked_for(len in 0usize..500, most in 1usize..60, long in 1usize..9) {
            let found = blocks(&vec![1.0; len], most, long);
            prop_assert!(found.len() <= most && found.len() * long <= len);
        }
    }
}
