//! Bootstrap: between which values does the ratio of a figure of two runs lie?
//!
//! Both runs are cut into stretches. Runs like them are put together by drawing stretches again and again, each
//! figure is read off the sum, and the middle of the ratios that come out is the interval. Stretches are
//! drawn in blocks of neighbours, around the end to the beginning, since what happens in one second resembles
//! what happens in the next (D. N. Politis, J. P. Romano, "A circular block-resampling procedure for stationary
//! data", in "Exploring the Limits of Bootstrap", 1992). Blocks are about 2·∛n stretches long, the order that
//! P. Hall, J. L. Horowitz and B.-Y. Jing find best ("On blocking rules for the bootstrap with dependent data",
//! Biometrika 82, 1995).
//!
//! A few blocks differ by less than what they were drawn from, so an interval of them is too narrow. It is widened
//! around its middle, by factors, as Student's t is wider than the normal distribution (T. Hesterberg, "What
//! teachers should know about the bootstrap", The American Statistician 69, 2015). And it is widened from 99 % to
//! 99.8 %: whoever compares five figures of two runs wants all five within theirs 99 times in 100 (O. J. Dunn,
//! "Multiple comparisons among means", Journal of the American Statistical Association 56, 1961).

use evenkeel_units::Seed;

/// Between which values something lies, 998 times in 1000.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The least number of stretches; fewer say nothing about how stretches differ.
pub const LEAST: usize = 8;
/// How often both runs are put together anew.
const DRAWS: u64 = 500;
/// Share of the draws beyond each end of the interval.
const TAIL: f64 = 0.005;
/// Where that share of a normal distribution begins.
const NORMAL: f64 = 2.576;
/// Where a thousandth does.
const WANTED: f64 = 3.090;

/// The interval of `figure(now) / figure(then)`. The same seed gives the same interval. `None` when a run has fewer
/// than [`LEAST`] stretches, or too many draws have no figure.
///
/// ```
/// use evenkeel_stats::ratio;
/// use evenkeel_units::Seed;
///
/// let then: Vec<f64> = (0..60).map(|second| 100.0 + f64::from(second % 7)).collect();
/// let now: Vec<f64> = then.iter().map(|it| it * 1.25).collect();
/// let mean = |of: &[&f64]| Some(of.iter().copied().sum::<f64>() / of.len() as f64);
/// let found = ratio(&then, &now, mean, Seed(7)).unwrap();
/// assert!(found.low > 1.2 && found.high < 1.3);
/// ```
pub fn ratio<T>(
    then: &[T],
    now: &[T],
    figure: impl Fn(&[&T]) -> Option<f64>,
    seed: Seed,
) -> Option<Interval> {
    if then.len() < LEAST || now.len() < LEAST {
        return None;
    }
    let chance = seed.choices("bootstrap");
    let mut ratios: Vec<f64> = (0..DRAWS)
        .filter_map(|draw| {
            let [of_then, of_now] = [(then, 0), (now, 1)].map(|(of, side)| {
                let chance = chance.of(draw * 2 + side);
                figure(&drawn(of, |block| chance.below(block, of.len() as u64) as usize))
            });
            let ratio = of_now? / of_then?;
            // From nothing to nothing nothing changed; from nothing to something is endless.
            Some(if ratio.is_nan() { 1.0 } else { ratio })
        })
        .collect();
    if ratios.len() < DRAWS as usize / 2 {
        return None;
    }
    ratios.sort_by(f64::total_cmp);
    let at = |share: f64| ratios[((ratios.len() - 1) as f64 * share).round() as usize];
    let [low, middle, high] = [TAIL, 0.5, 1.0 - TAIL].map(at);
    let by = widening(then.len()).max(widening(now.len()));
    // What begins at nothing or has no end cannot be widened by factors.
    let apart = |end: f64| match end > 0.0 && end.is_finite() && middle > 0.0 && middle.is_finite()
    {
        true => middle * (end / middle).powf(by),
        false => end,
    };
    Some(Interval { low: apart(low), high: apart(high) })
}

/// How much wider an interval must be than what so many stretches show: Student's t for as many degrees of freedom
/// as both runs have blocks, by the expansion 26.7.5 of Abramowitz and Stegun, "Handbook of Mathematical Functions",
/// and √(1/(1 − 1/blocks)) for the deviation that is drawn from the blocks themselves.
fn widening(stretches: usize) -> f64 {
    let blocks = stretches as f64 / block_length(stretches) as f64;
    let free = (2.0 * blocks - 2.0).max(1.0);
    let t = WANTED + 8.15 / free + 19.7 / (free * free);
    t / NORMAL * (1.0 / (1.0 - 1.0 / blocks)).sqrt()
}

/// As many stretches as there are, in blocks that begin where `start` says.
fn drawn<T>(of: &[T], start: impl Fn(u64) -> usize) -> Vec<&T> {
    let long = block_length(of.len());
    let starts = (0..of.len().div_ceil(long) as u64).map(start);
    let stretches = starts.flat_map(|at| (at..at + long).map(|it| &of[it % of.len()]));
    stretches.take(of.len()).collect()
}

fn block_length(stretches: usize) -> usize {
    ((stretches as f64).cbrt() * 2.0).round().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(of: &[&f64]) -> Option<f64> {
        Some(of.iter().copied().sum::<f64>() / of.len() as f64)
    }

    /// A run whose stretches resemble the one before.
    fn run(seed: u64, level: f64) -> Vec<f64> {
        let chance = Seed(seed).choices("run");
        let mut last = 0.0;
        (0..120u64)
            .map(|n| {
                let noise = (0..12).map(|k| chance.bits(n * 12 + k) as f64 / u64::MAX as f64);
                last = 0.5 * last + noise.sum::<f64>() - 6.0;
                level * (100.0 + 5.0 * last)
            })
            .collect()
    }

    #[test]
    fn too_short_a_run_has_no_interval() {
        assert_eq!(ratio(&[1.0; LEAST - 1], &[1.0; 60], mean, Seed(1)), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let found = |seed| ratio(&run(1, 1.0), &run(2, 1.0), mean, Seed(seed));
        assert_eq!(found(7), found(7));
        assert_ne!(found(7), found(8));
    }

    #[test]
    fn blocks_wrap_around_the_end_and_fill_the_run() {
        let of: Vec<usize> = (0..10).collect();
        let found: Vec<usize> = drawn(&of, |_| 8).into_iter().copied().collect();
        assert_eq!(found, [8, 9, 0, 1, 8, 9, 0, 1, 8, 9]);
    }

    #[test]
    fn one_bad_stretch_where_there_was_none_may_be_chance() {
        let none = [0.0; 60];
        let found = |bad: usize| {
            let now: Vec<f64> =
                (0..60).map(|it| f64::from(u8::from(it % (60 / bad) == 0))).collect();
            ratio(&none, &now, mean, Seed(3)).unwrap().low
        };
        assert!(found(1) <= 1.0 && found(20) > 1.0);
    }

    #[test]
    fn the_true_ratio_lies_within_nearly_always() {
        let within = (0..200u64).filter(|n| {
            let (then, now) = (run(2 * n, 1.0), run(2 * n + 1, 1.1));
            let found = ratio(&then, &now, mean, Seed(*n)).unwrap();
            found.low <= 1.1 && 1.1 <= found.high
        });
        let within = within.count();
        assert!(within >= 198, "{within} of 200");
    }
}
