//! Chi-squared: its quantiles for even degrees of freedom, by which means of exponential times are bounded.
//!
//! With `2n` degrees of freedom, the chance to be above `x` is the chance that a Poisson count of mean `x/2` is below
//! `n` (Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.4.21): a finite sum. From 300 on, the cube root
//! is normal enough (Wilson and Hilferty 1931; 26.4.17 there): four digits at least.

use crate::normal;

const SUMMED_MAX: u64 = 300;

/// Below which value a chi-squared variable of `2 · half` degrees of freedom is with `probability`. `None` without
/// degrees of freedom, and for probabilities that are not between 0 and 1.
pub fn quantile(half: u64, probability: f64) -> Option<f64> {
    if half == 0 || !(probability > 0.0 && probability < 1.0) {
        return None;
    }
    if half > SUMMED_MAX {
        let spread = 2.0 / (9.0 * 2.0 * half as f64);
        let root = 1.0 - spread + normal::quantile(probability) * spread.sqrt();
        return Some(2.0 * half as f64 * root.powi(3));
    }
    let (mut low, mut high) = (0.0, 2.0 * half as f64 + 100.0 * (half as f64).sqrt() + 100.0);
    // Each turn halves what is left; after 100 there is nothing left of it.
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        match below(half, middle) < probability {
            true => low = middle,
            false => high = middle,
        }
    }
    Some(f64::midpoint(low, high))
}

/// The chance to be below `x`.
fn below(half: u64, x: f64) -> f64 {
    let mean = x / 2.0;
    let mut term = (-mean).exp();
    let mut sum = 0.0;
    for count in 0..half {
        sum += term;
        term *= mean / (count + 1) as f64;
    }
    1.0 - sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 26.8 of Abramowitz and Stegun.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (half, probability, expected) in [
            (1, 0.95, 5.991_46),
            (1, 0.05, 0.102_587),
            (5, 0.975, 20.483_2),
            (5, 0.025, 3.246_97),
            (15, 0.95, 43.773_0),
            (50, 0.05, 77.929_5),
        ] {
            let value = quantile(half, probability).unwrap();
            assert!((value / expected - 1.0).abs() < 1e-5, "{half} {probability}: {value}");
        }
    }

    #[test]
    fn the_sum_and_the_cube_root_meet() {
        for probability in [0.025, 0.5, 0.975] {
            let (last, first) = (quantile(300, probability), quantile(301, probability));
            let step = first.unwrap() / last.unwrap() - 1.0;
            assert!(step > 0.0 && step < 0.005, "{probability}: {step}");
        }
    }

    #[test]
    fn what_has_no_quantile_has_none() {
        assert_eq!((quantile(0, 0.5), quantile(1, 0.0), quantile(1, 1.0)), (None, None, None));
        assert_eq!(quantile(1, f64::NAN), None);
    }
}
