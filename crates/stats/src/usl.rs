//! USL: how throughput grows with load, and where it stops to.
//!
//! The Universal Scalability Law (N. J. Gunther, "Guerrilla Capacity Planning", Springer 2007, chapter 4):
//!
//! ```text
//! X(N) = λN / (1 + σ(N−1) + κN(N−1))
//! ```
//!
//! λ is the throughput of one, σ what users wait for one another (contention), κ what they cost one another
//! (coherency). With κ above nothing throughput has a peak, at N* = √((1−σ)/κ); beyond it every further user
//! takes more than it gives.
//!
//! The fit begins at the polynomial that the law becomes when it is turned over, N/X = a + bN + cN² (Gunther,
//! 4.5), and goes on by the method of Levenberg and Marquardt (D. W. Marquardt, "An algorithm for least-squares
//! estimation of nonlinear parameters", SIAM Journal 11, 1963) on the throughputs themselves, which the turned
//! form weighs wrongly. σ and κ stay at or above nothing, and σ at or below one.

/// A law through some points.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Law {
    /// λ
    pub lambda: f64,
    /// σ
    pub sigma: f64,
    /// κ
    pub kappa: f64,
    /// Share of the variance of the throughputs that it explains.
    pub r_squared: f64,
}

/// The least number of different loads: three parameters, and one more to contradict them.
pub const LEAST: usize = 4;
const STEPS: usize = 200;
/// Below this κ, the peak lies so far beyond what was seen that nothing is known about it.
const NO_PEAK: f64 = 1e-9;

impl Law {
    /// Throughput at a load.
    pub fn at(&self, n: f64) -> f64 {
        law([self.lambda, self.sigma, self.kappa], n)
    }

    /// The load from which more of it makes less throughput, and the throughput there; `None` when there is none.
    pub fn knee(&self) -> Option<(f64, f64)> {
        let knee =
            (self.kappa > NO_PEAK).then(|| ((1.0 - self.sigma) / self.kappa).max(0.0).sqrt())?;
        (knee >= 1.0).then(|| (knee, self.at(knee)))
    }
}

fn law([lambda, sigma, kappa]: [f64; 3], n: f64) -> f64 {
    lambda * n / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0))
}

/// The law that fits pairs of load (at least 1) and throughput best. `None` when there are fewer than [`LEAST`]
/// different loads, or no throughput.
///
/// ```
/// let truth = |n: f64| 40.0 * n / (1.0 + 0.05 * (n - 1.0) + 0.001 * n * (n - 1.0));
/// let points: Vec<_> = [1.0, 4.0, 8.0, 16.0, 32.0, 64.0].map(|n| (n, truth(n))).to_vec();
/// let law = evenkeel_stats::fit(&points).unwrap();
/// let (knee, _) = law.knee().unwrap();
/// assert!((knee - (0.95f64 / 0.001).sqrt()).abs() < 0.1);
/// ```
pub fn fit(points: &[(f64, f64)]) -> Option<Law> {
    let points: Vec<(f64, f64)> = points
        .iter()
        .copied()
        .filter(|(n, x)| n.is_finite() && x.is_finite() && *n >= 1.0 && *x >= 0.0)
        .collect();
    let mut loads: Vec<f64> = points.iter().map(|it| it.0).collect();
    loads.sort_by(f64::total_cmp);
    loads.dedup();
    if loads.len() < LEAST || points.iter().all(|it| it.1 <= 0.0) {
        return None;
    }
    let starts = [turned(&points), Some(plain(&points))];
    let fits = starts.into_iter().flatten().map(|it| refined(&points, it));
    let best = fits.min_by(|a, b| squares(&points, *a).total_cmp(&squares(&points, *b)))?;
    let mean = points.iter().map(|it| it.1).sum::<f64>() / points.len() as f64;
    let all: f64 = points.iter().map(|it| (it.1 - mean).powi(2)).sum();
    let left = squares(&points, best);
    let [lambda, sigma, kappa] = best;
    let r_squared = if all > 0.0 { (1.0 - left / all).max(0.0) } else { 1.0 };
    best.iter().all(|it| it.is_finite()).then_some(Law { lambda, sigma, kappa, r_squared })
}

fn squares(points: &[(f64, f64)], of: [f64; 3]) -> f64 {
    points.iter().map(|(n, x)| (x - law(of, *n)).powi(2)).sum()
}

/// What the parameters may be.
fn bounded([lambda, sigma, kappa]: [f64; 3]) -> [f64; 3] {
    [lambda.max(1e-12), sigma.clamp(0.0, 1.0), kappa.max(0.0)]
}

/// The throughput of the smallest load for each of it, and no contention.
fn plain(points: &[(f64, f64)]) -> [f64; 3] {
    let each = points.iter().map(|(n, x)| x / n).fold(0.0, f64::max);
    bounded([each, 0.01, 1e-4])
}

/// By least squares on N/X = a + bN + cN²: X = N / (a + bN + cN²), so that 1/λ = a + b + c, κ = cλ, and
/// σ = (b + c)λ.
fn turned(points: &[(f64, f64)]) -> Option<[f64; 3]> {
    let (mut matrix, mut right) = ([[0.0; 3]; 3], [0.0; 3]);
    for (n, x) in points.iter().filter(|it| it.1 > 0.0) {
        let powers = [1.0, *n, n * n];
        for row in 0..3 {
            for column in 0..3 {
                matrix[row][column] += powers[row] * powers[column];
            }
            right[row] += powers[row] * n / x;
        }
    }
    let [a, b, c] = solved(matrix, right)?;
    let lambda = 1.0 / (a + b + c);
    (lambda > 0.0).then(|| bounded([lambda, (b + c) * lambda, c * lambda]))
}

/// The method of Levenberg and Marquardt from a start.
fn refined(points: &[(f64, f64)], start: [f64; 3]) -> [f64; 3] {
    let (mut at, mut damping) = (start, 1e-3);
    for _ in 0..STEPS {
        let (mut matrix, mut right) = ([[0.0; 3]; 3], [0.0; 3]);
        for (n, x) in points {
            let under = 1.0 + at[1] * (n - 1.0) + at[2] * n * (n - 1.0);
            let by_sigma = -at[0] * n * (n - 1.0) / (under * under);
            let slopes = [n / under, by_sigma, by_sigma * n];
            for row in 0..3 {
                for column in 0..3 {
                    matrix[row][column] += slopes[row] * slopes[column];
                }
                right[row] += slopes[row] * (x - law(at, *n));
            }
        }
        for (index, row) in matrix.iter_mut().enumerate() {
            row[index] = row[index].mul_add(damping, row[index]).max(1e-30);
        }
        let Some(step) = solved(matrix, right) else { break };
        let next = bounded([at[0] + step[0], at[1] + step[1], at[2] + step[2]]);
        let (now, then) = (squares(points, next), squares(points, at));
        if now < then {
            at = next;
            damping = f64::max(damping / 10.0, 1e-12);
            if then - now <= then * 1e-12 {
                break;
            }
        } else {
            damping *= 10.0;
            if damping > 1e12 {
                break;
            }
        }
    }
    at
}

/// Three equations by elimination with pivots; `None` when they say too little.
fn solved(mut matrix: [[f64; 3]; 3], mut right: [f64; 3]) -> Option<[f64; 3]> {
    for pivot in 0..3 {
        let largest = (pivot..3)
            .max_by(|a, b| matrix[*a][pivot].abs().total_cmp(&matrix[*b][pivot].abs()))?;
        matrix.swap(pivot, largest);
        right.swap(pivot, largest);
        let chosen = matrix[pivot];
        if chosen[pivot].abs() < 1e-300 {
            return None;
        }
        for row in pivot + 1..3 {
            let factor = matrix[row][pivot] / chosen[pivot];
            for (cell, above) in matrix[row].iter_mut().zip(chosen) {
                *cell -= factor * above;
            }
            right[row] -= factor * right[pivot];
        }
    }
    let mut found = [0.0; 3];
    for row in (0..3).rev() {
        let known: f64 = (row + 1..3).map(|it| matrix[row][it] * found[it]).sum();
        found[row] = (right[row] - known) / matrix[row][row];
    }
    found.iter().all(|it| it.is_finite()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOADS: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

    #[test]
    fn a_line_has_no_peak() {
        let law = fit(&LOADS.map(|n| (n, 25.0 * n))).unwrap();
        assert!((law.lambda - 25.0).abs() < 1e-3 && law.sigma < 1e-3, "{law:?}");
        assert_eq!(law.knee(), None);
    }

    #[test]
    fn three_points_are_too_few() {
        assert_eq!(fit(&[(1.0, 1.0), (2.0, 2.0), (3.0, 2.5), (3.0, 2.4)]), None);
        assert_eq!(fit(&LOADS.map(|n| (n, 0.0))), None);
    }

    #[test]
    fn noise_of_a_few_percent_moves_the_knee_by_little() {
        let truth = |n: f64| law([50.0, 0.03, 0.002], n);
        let noise = [1.02, 0.97, 1.01, 0.98, 1.03, 0.99, 1.0];
        let points: Vec<_> = LOADS.iter().zip(noise).map(|(n, it)| (*n, truth(*n) * it)).collect();
        let law = fit(&points).unwrap();
        let (knee, peak) = law.knee().unwrap();
        assert!((knee / (0.97f64 / 0.002).sqrt() - 1.0).abs() < 0.1, "{knee}");
        assert!((peak / truth(22.0) - 1.0).abs() < 0.05 && law.r_squared > 0.99, "{peak} {law:?}");
    }

    proptest! {
        #[test]
        fn a_law_is_found_again_from_its_points(lambda in 1.0..1e4f64, sigma in 0.0..0.6f64, kappa in 1e-5..0.05f64) {
            let law = fit(&LOADS.map(|n| (n, law([lambda, sigma, kappa], n)))).unwrap();
            prop_assert!((law.lambda / lambda - 1.0).abs() < 0.01, "{law:?}");
            prop_assert!((law.sigma - sigma).abs() < 0.01 && (law.kappa / kappa - 1.0).abs() < 0.05, "{law:?}");
        }

        #[test]
        fn whatever_the_points_the_law_is_one_of_numbers(points in prop::collection::vec((0.0..1e4f64, 0.0..1e6f64), 0..12)) {
            if let Some(law) = fit(&points) {
                prop_assert!(law.sigma >= 0.0 && law.kappa >= 0.0 && law.at(10.0).is_finite(), "{law:?}");
            }
        }
    }
}
