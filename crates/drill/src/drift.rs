//! Drift: does an endurance test show that latency creeps up, or that something leaks?
//!
//! Only soaks are asked: any other shape changes the load itself. The steady part, after the ramp, is cut into blocks
//! whose medians are tested for a trend (Mann–Kendall, with the slope of Theil and Sen; see `evenkeel_stats::trend`).
//! It fails when a trend is beyond chance (p < 1 %) *and* comes to more than a tenth of the level over the test: a
//! clear trend of nothing matters to nobody, and a large one by chance is none.

use std::time::Duration;

use evenkeel_model::Plan;
use evenkeel_model::document::{Metric, Role, Shape};
use evenkeel_model::outcome::{Check, CheckKind, CheckResult, SecondFigures, WatchFigures};
use evenkeel_stats::{blocks, trend};
use evenkeel_units::Moment;

/// Probability of a trend where there is none, from which it counts as one.
const SIGNIFICANT: f64 = 0.01;
/// Growth over the test, as a share of the level, that is too much.
const TOO_MUCH: f64 = 0.1;
/// As many blocks as there may be, and as long as they must be: neighbours within ten seconds resemble each other.
const BLOCKS: usize = 60;
const LEAST_LONG: usize = 10;
/// Latency that grows by less over the whole test is not felt.
const LEAST_SECONDS: f64 = 0.001;

/// The steady part of the soaks of a plan; they are one after the other, or there is one.
fn steady(plan: &Plan) -> Option<(Moment, Moment)> {
    let soaks = |it: &Shape| matches!(it, Shape::Soak { .. });
    let whole = plan.load.as_ref().and_then(|it| it.shape.as_ref()).is_some_and(soaks);
    let steady = plan.phases.iter().filter(|it| it.role != Role::Warmup).filter_map(|phase| {
        match &phase.shape {
            Some(Shape::Soak { ramp_up, .. }) => Some((phase.from + *ramp_up, phase.to)),
            // The parts of a soak, as phases: the longest is the one that is held.
            _ if whole => Some((phase.from, phase.to)),
            _ => None,
        }
    });
    steady.max_by_key(|(from, to)| to.elapsed().saturating_sub(from.elapsed()))
}

/// A check for each figure that must not drift.
pub(crate) fn checks(
    plan: &Plan,
    seconds: &[SecondFigures],
    watches: &[WatchFigures],
) -> Vec<Check> {
    let Some((from, to)) = steady(plan) else { return Vec::new() };
    let within = |at: Moment| from <= at && at < to;
    let middle =
        |it: &&SecondFigures| within(Moment::at(Duration::from_millis(it.second * 1000 + 500)));
    let held: Vec<_> = seconds.iter().filter(middle).collect();
    let of = |name: &str, figure: fn(&SecondFigures) -> Option<f64>| {
        let values: Vec<_> = held.iter().filter_map(|it| figure(it)).collect();
        check(name, &values, LEAST_LONG, LEAST_SECONDS, |it| Metric::MaxResponseTime.show(it))
    };
    let mut all = vec![of("p50", |it| it.p50_seconds), of("p95", |it| it.p95_seconds)];
    for it in watches.iter().filter(|it| leaks(&it.figure)) {
        let points = it.points.iter().filter(|it| within(it.at));
        let values: Vec<_> = points.map(|it| it.value).collect();
        // Readings are already apart.
        all.push(check(&format!("{} of {}", it.figure, it.watch), &values, 1, 0.0, |value| {
            it.show(value)
        }));
    }
    all
}

/// Figures that grow when something is not given back.
fn leaks(figure: &str) -> bool {
    figure.starts_with("memory") || matches!(figure, "open_files" | "threads")
}

fn check(
    name: &str,
    values: &[f64],
    least_long: usize,
    least: f64,
    show: impl Fn(f64) -> String,
) -> Check {
    let found = trend(&blocks(values, BLOCKS, least_long));
    let relative = found.map(|it| if it.level > 0.0 { it.growth / it.level } else { 0.0 });
    let fails = found
        .zip(relative)
        .map(|(it, share)| it.p_value < SIGNIFICANT && share > TOO_MUCH && it.growth > least);
    let chance = |p: f64| if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") };
    Check {
        name: format!("no drift: {name}"),
        kind: CheckKind::Trend,
        phase: None,
        result: match fails {
            Some(true) => CheckResult::Fail,
            Some(false) => CheckResult::Pass,
            None => CheckResult::Info,
        },
        limit: "growth ≤ 10%".to_owned(),
        measured: match (found, relative) {
            (Some(it), Some(share)) => {
                format!(
                    "{} → {} ({:+.0}%)",
                    show(it.level),
                    show(it.level + it.growth),
                    share * 100.0
                )
            }
            _ => "too short to tell".to_owned(),
        },
        baseline: String::new(),
        margin: found.map(|it| chance(it.p_value)).unwrap_or_default(),
        measured_value: relative,
        limit_value: Some(TOO_MUCH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{at, frame_at, judged, load_plan, play, watching};
    use evenkeel_model::{Event, Outcome};
    use evenkeel_units::Rate;
    use std::collections::BTreeMap;

    fn soak(seconds: u64) -> Plan {
        load_plan(Shape::Soak {
            rate: Rate::per_second(100.0).unwrap(),
            ramp_up: Duration::from_secs(10),
            duration: Duration::from_secs(seconds),
        })
    }

    /// Median by second, in milliseconds; the service takes so much memory.
    fn outcome(seconds: u64, millis: impl Fn(u64) -> u64, memory: impl Fn(u64) -> f64) -> Outcome {
        let mut plan = soak(seconds);
        plan.load.as_mut().unwrap().watch = vec![watching("shop", &[])];
        let world = |second, _: &[bool]| frame_at(second, millis(second), 100, 0);
        let read = |second: u64| {
            let values = BTreeMap::from([("memory_bytes".to_owned(), memory(second))]);
            (second < 10_000).then_some(Event::Watched { watch: 0, values, error: None })
        };
        judged(&play(plan, &world, read))
    }

    fn results(of: &Outcome) -> Vec<(&str, CheckResult)> {
        let drift = of.checks.iter().filter(|it| it.kind == CheckKind::Trend);
        drift.map(|it| (it.name.as_str(), it.result)).collect()
    }

    const P50: &str = "no drift: p50";
    const P95: &str = "no drift: p95";
    const MEMORY: &str = "no drift: memory_bytes of shop";

    #[test]
    fn a_service_that_stays_as_it_is_does_not_drift() {
        let outcome = outcome(300, |it| 20 + it % 3, |it| 1e8 + (it % 5) as f64 * 1e6);
        let pass = CheckResult::Pass;
        assert_eq!(results(&outcome), [(P50, pass), (P95, pass), (MEMORY, pass)]);
    }

    #[test]
    fn latency_that_creeps_up_is_a_drift_and_memory_that_does_is_a_leak() {
        let outcome = outcome(300, |it| 20 + it / 30 + it % 3, |it| 1e8 + it as f64 * 1e5);
        let fail = CheckResult::Fail;
        assert_eq!(results(&outcome), [(P50, fail), (P95, fail), (MEMORY, fail)]);
        assert!(
            outcome.checks[2].measured.starts_with("96.")
                && outcome.checks[2].measured.ends_with("(+28%)"),
            "{}",
            outcome.checks[2].measured
        );
    }

    #[test]
    fn a_clear_trend_of_little_is_none() {
        let outcome = outcome(300, |it| 200 + it / 30 + it % 3, |it| 1e8 + it as f64 * 1e4);
        assert!(
            results(&outcome).iter().all(|it| it.1 == CheckResult::Pass),
            "{:?}",
            results(&outcome)
        );
    }

    #[test]
    fn two_minutes_are_too_short_for_latency() {
        let outcome = outcome(120, |it| 20 + it, |_| 1e8);
        assert!(results(&outcome).contains(&(P50, CheckResult::Info)));
    }

    #[test]
    fn only_soaks_are_asked() {
        let plan = crate::sample::plan();
        let second =
            |second| SecondFigures { second, p50_seconds: Some(1.0), ..SecondFigures::default() };
        let seconds: Vec<_> = (0..40).map(second).collect();
        assert_eq!(checks(&plan, &seconds, &[]), []);
        assert_eq!(steady(&soak(300)), Some((at(10), at(300))));
    }
}
