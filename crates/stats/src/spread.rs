//! Spread: how far figures of the same thing lie apart, and where the next one may lie.
//!
//! The prediction interval of a normal sample (G. J. Hahn, "Factors for calculating two-sided prediction
//! intervals", Journal of the American Statistical Association 64, 1969): the next value lies within
//! `t · s · √(1 + 1/n)` of the mean.

/// 99.5 % points of Student's t by degrees of freedom, from 1.
const T: [f64; 10] = [63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169];

/// How far from the mean of `values` the next value of the kind lies at most, 99 times in 100. `None` for fewer
/// than three values: of two nobody can tell.
pub fn next(values: &[f64]) -> Option<f64> {
    let n = values.len();
    if n < 3 || values.iter().any(|it| !it.is_finite()) {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|it| (it - mean).powi(2)).sum();
    let deviation = (squares / (n - 1) as f64).sqrt();
    let t = T.get(n - 2).copied().unwrap_or(3.169);
    Some(t * deviation * (1.0 + 1.0 / n as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_worked_example() {
        // Mean 10, deviation 1, five values: 4.604 · √1.2 · deviation 0.7906.
        let found = next(&[9.0, 9.5, 10.0, 10.5, 11.0]).unwrap();
        assert!((found - 4.604 * 1.2f64.sqrt() * 0.625f64.sqrt()).abs() < 1e-9, "{found}");
    }

    #[test]
    fn of_two_values_nobody_can_tell() {
        assert_eq!(next(&[1.0, 2.0]), None);
        assert_eq!(next(&[7.0; 4]), Some(0.0));
    }
}
