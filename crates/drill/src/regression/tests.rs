//! What regressions promise: the same build twice is none, and a slower one is found.

use super::*;
use crate::sample::{fragile, judged, plan, play};
use crate::stretch::coarse;
use crate::tally::tests::frame;
use evenkeel_model::Distribution;
use std::collections::BTreeMap;

/// A run of a minute at 40/s whose seconds resemble the one before: a level that wanders by `spread`, and times around
/// it with a long tail.
struct Simulated {
    totals: Figures,
    samples: Vec<Sample>,
}

impl Simulated {
    fn new(run: u64, slower: f64, spread: f64) -> Self {
        let chance = Seed(run).choices("run");
        let even = |n: u64| (chance.bits(n) >> 11) as f64 / (1u64 << 53) as f64;
        // G. E. P. Box, M. E. Muller, 1958.
        let normal = |n: u64| {
            let (a, b) = (even(2 * n).max(1e-12), even(2 * n + 1));
            (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
        };
        let mut level = 0.0;
        let samples: Vec<Sample> = (0..60u64)
            .map(|second| {
                level = 0.6 * level + 0.8 * normal(second * 50);
                let mut times = BTreeMap::new();
                for request in 0..40 {
                    let time = 20_000.0
                        * slower
                        * (spread * level + 0.3 * normal(second * 50 + 1 + request)).exp();
                    *times.entry(time as u64).or_default() += 1;
                }
                let times = Distribution { micros: times.into_iter().collect() };
                Sample { seconds: 1, good: 40, bad: 0, response_micros: coarse(&times) }
            })
            .collect();
        let mut all = Distribution::default();
        samples.iter().for_each(|it| all.add(&it.response_micros));
        let all = crate::tally::times(&evenkeel_stats::Histogram::of(&all));
        let totals = Figures {
            mean_seconds: all.mean_seconds,
            p95_seconds: all.p95_seconds,
            p99_seconds: all.p99_seconds,
            availability_ratio: Some(1.0),
            throughput_per_second: 40.0,
            ..Figures::default()
        };
        Self { totals, samples }
    }

    fn side(&self) -> Side<'_> {
        Side { totals: &self.totals, samples: &self.samples, accepted: &[] }
    }
}

/// In how many of `pairs` a regression is found, and in how many the limits alone would have found one.
fn found(pairs: u64, slower: f64, spread: f64) -> (u64, u64) {
    let limits = RegressionLimits::default();
    let mut sum = (0, 0);
    for pair in 0..pairs {
        let then = Simulated::new(2 * pair, 1.0, spread);
        let now = Simulated::new(2 * pair + 1, slower, spread);
        let of = |it: &Compared| change(it, &limits, then.side(), now.side(), false);
        let changes = compared().iter().map(of).collect::<Vec<_>>();
        sum.0 += u64::from(changes.iter().any(|it| it.changed == Changed::Worse));
        let beyond = |it: &Change| it.change_ratio.is_some_and(|change| change > it.allowed_ratio);
        sum.1 += u64::from(changes.iter().any(beyond));
    }
    sum
}

#[test]
fn the_same_build_twice_is_a_regression_at_most_once_in_a_hundred() {
    let (regressions, by_limits_alone) = found(1_000, 1.0, 0.2);
    assert!(by_limits_alone > 20, "the noise was to be large enough to matter: {by_limits_alone}");
    assert!(regressions <= 10, "{regressions} of 1000; by limits alone {by_limits_alone}");
}

#[test]
fn a_build_that_is_a_quarter_slower_is_found() {
    let (regressions, _) = found(100, 1.25, 0.05);
    assert!(regressions >= 95, "{regressions} of 100");
}

#[test]
fn the_spread_of_accepted_runs_widens_what_is_noise() {
    let limits = RegressionLimits::default();
    let then = Simulated::new(1, 1.0, 0.05);
    let now = Simulated::new(2, 1.3, 0.05);
    let mean = &compared()[0];
    let of = |accepted: &[Figures]| {
        change(mean, &limits, Side { accepted, ..then.side() }, now.side(), false).changed
    };
    let like = |by: f64| Figures {
        mean_seconds: then.totals.mean_seconds.map(|it| it * by),
        ..then.totals.clone()
    };
    assert_eq!(of(&[]), Changed::Worse);
    assert_eq!(of(&[like(1.01), like(0.99)]), Changed::Worse);
    assert_eq!(of(&[like(0.8), like(1.2), like(0.9), like(1.1)]), Changed::Same);
}

#[test]
fn severity_grows_with_how_far_beyond_the_limit_it_is() {
    let of = |change| severity(change, 0.2);
    let found = [Some(0.3), Some(0.5), Some(0.9), None].map(of);
    assert_eq!(found, [Severity::Minor, Severity::Major, Severity::Critical, Severity::Critical]);
}

#[test]
fn two_runs_are_compared_figure_by_figure() {
    let fast = |second, _: &[bool]| frame(second, &[20 + second % 3; 100], 0);
    let slow = |second, _: &[bool]| frame(second, &[26 + second % 3; 100], 0);
    let [fast, slow] =
        [&fast as crate::sample::World<'_>, &slow].map(|it| judged(&play(plan(), it, |_| None)));
    let worse = compare(&fast, &slow);
    assert_eq!(worse.headline, "Minor regression: 3 of 5 figures are worse");
    assert!(worse.same_load);
    let p95 = &worse.changes[1];
    let (low, high) = p95.interval_ratio.unwrap();
    assert!(
        low <= p95.change_ratio.unwrap() && p95.change_ratio.unwrap() <= high + 0.02,
        "{p95:?}"
    );
    let better = compare(&slow, &fast);
    assert_eq!(better.headline, "No regression; 2 of 5 figures are better");
    assert_eq!(compare(&fast, &fast).headline, "No difference beyond chance and what is allowed");
}

#[test]
fn errors_where_there_were_none_are_a_regression_when_they_go_on() {
    let errors = |from: u64, to: u64| {
        let world = move |second, _: &[bool]| {
            let failed = if (from..to).contains(&second) { 3 } else { 0 };
            frame(second, &[12; 97], failed)
        };
        judged(&play(plan(), &world, |_| None))
    };
    let rate = |after: &Outcome| compare(&errors(0, 0), after).changes[3].changed;
    assert_eq!(rate(&errors(7, 8)), Changed::Same, "one bad second is chance");
    assert_eq!(rate(&errors(0, 40)), Changed::Worse);
}

#[test]
fn a_run_without_stretches_is_unclear() {
    let whole = judged(&play(plan(), &fragile, |_| None));
    let mut before = whole.clone();
    before.samples.clear();
    before.totals.mean_seconds = before.totals.mean_seconds.map(|it| it / 3.0);
    assert_eq!(compare(&before, &whole).changes[0].changed, Changed::Unclear);
}
