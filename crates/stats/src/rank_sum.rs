//! Rank sum: is one sample larger than another, without assuming a distribution?
//!
//! The Mann–Whitney U test (H. B. Mann, D. R. Whitney, "On a test of whether one of two random
//! variables is stochastically larger than the other", Annals of Mathematical Statistics 18, 1947), by
//! the normal approximation with correction for ties and for continuity. Response times have no normal
//! distribution, and a mean of them follows its few largest values; ranks do neither harm.
//!
//! Feed it one value a second, not one a request: requests of the same second are not independent, and
//! a test that believes they are finds significance everywhere.

use crate::normal::two_sided;

/// The answer of the test.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct RankSum {
    /// Share of pairs in which the second sample's value is the larger one; ties count half. 0.5 means
    /// that neither sample is larger.
    pub superiority: f64,
    /// Probability of ranks at least this far apart, in either direction, when nothing differs.
    pub p_value: f64,
}

/// The least number of values in each sample; below it the normal approximation says nothing.
pub const LEAST: usize = 8;

/// Compares two samples. `None` when one has fewer than [`LEAST`] values, or a value is not a number.
pub fn rank_sum(first: &[f64], second: &[f64]) -> Option<RankSum> {
    let (m, n) = (first.len(), second.len());
    if m < LEAST || n < LEAST || first.iter().chain(second).any(|it| it.is_nan()) {
        return None;
    }
    let mut all: Vec<(f64, bool)> =
        first.iter().map(|it| (*it, false)).chain(second.iter().map(|it| (*it, true))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));

    // Equal values share the mean of the ranks they take up.
    let (mut ranks_of_second, mut ties) = (0.0, 0.0);
    let mut rank = 0.0;
    for group in all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let size = group.len() as f64;
        let shared = rank + f64::midpoint(1.0, size);
        ranks_of_second += shared * group.iter().filter(|(_, of_second)| *of_second).count() as f64;
        ties += size * size * size - size;
        rank += size;
    }
    let (m, n) = (m as f64, n as f64);
    let u = ranks_of_second - n * (n + 1.0) / 2.0;
    let superiority = u / (m * n);
    let total = m + n;
    let variance = m * n / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return Some(RankSum { superiority, p_value: 1.0 }); // Every value is the same.
    }
    let distance = ((u - m * n / 2.0).abs() - 0.5).max(0.0);
    Some(RankSum { superiority, p_value: two_sided(distance / variance.sqrt()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec((0u32..50).prop_map(f64::from), LEAST..40)
    }

    #[test]
    fn agrees_with_a_worked_example() {
        // Ranks 1..8 and 9..16: U = 64, z = (32 - 0.5) / sqrt(8 * 8 * 17 / 12) = 3.3082, p = 0.000939.
        let first: Vec<f64> = (1..=8).map(f64::from).collect();
        let second: Vec<f64> = (9..=16).map(f64::from).collect();
        let answer = rank_sum(&first, &second).unwrap();
        assert!((answer.superiority - 1.0).abs() < 1e-12);
        assert!((answer.p_value - 0.000_939).abs() < 1e-6, "{}", answer.p_value);
    }

    #[test]
    fn too_few_values_say_nothing() {
        assert_eq!(rank_sum(&[1.0; 7], &[2.0; 20]), None);
    }

    #[test]
    fn equal_values_are_no_difference() {
        assert_eq!(
            rank_sum(&[3.0; 9], &[3.0; 9]),
            Some(RankSum { superiority: 0.5, p_value: 1.0 })
        );
    }

    proptest! {
        #[test]
        fn both_directions_agree(a in values(), b in values()) {
            let (there, back) = (rank_sum(&a, &b).unwrap(), rank_sum(&b, &a).unwrap());
            prop_assert!((there.p_value - back.p_value).abs() < 1e-9);
            prop_assert!((there.superiority + back.superiority - 1.0).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&there.p_value));
        }

        #[test]
        fn a_sample_never_differs_from_itself(a in values()) {
            prop_assert!(rank_sum(&a, &a).unwrap().p_value > 0.9);
        }
    }
}
