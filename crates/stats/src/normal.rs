//! The normal distribution, as far as tests and bounds need it.

/// Probability that a standard normal value lies at least `z` from 0: erfc(z / √2), by the approximation
/// 7.1.26 of Abramowitz and Stegun, "Handbook of Mathematical Functions" (error below 1.5e-7).
pub(crate) fn two_sided(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let coefficients =
        [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let sum = coefficients.iter().fold(0.0, |sum, it| (sum + it) * t);
    (sum * (-x * x).exp()).clamp(0.0, 1.0)
}

/// Below which value a standard normal one is with `probability`, between 0 and 1; by halving, as exact as the above.
pub fn quantile(probability: f64) -> f64 {
    let tail = 2.0 * probability.min(1.0 - probability);
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        match two_sided(middle) > tail {
            true => low = middle,
            false => high = middle,
        }
    }
    if probability < 0.5 { -high } else { high }
}
