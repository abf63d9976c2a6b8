//! Regression: is this run worse than the stored baseline, by more than is allowed and more than by chance?
//!
//! Both must hold: the figure of the whole run is worse by more than its limit, and its values second by
//! second are worse by a rank-sum test at 1 %. The same build twice differs by chance, not by ranks. Times
//! that differ by less than a millisecond are no regression: nobody waits for them, and hosts drift by that.
//!
//! Runs that are too short for the test, or of a drill that has changed since, are shown and not judged.

use std::time::Duration;

use evenkeel_model::document::{Metric, Quantile, Role, Unit};
use evenkeel_model::outcome::{Check, CheckKind, CheckResult, SecondFigures};
use evenkeel_model::{Outcome, Plan};
use evenkeel_stats::rank_sum;
use evenkeel_units::{Moment, Ratio};

use crate::check::value_text;

/// Probability of seeing a difference where there is none, from which it counts as one.
const SIGNIFICANT: f64 = 0.01;

/// Times that differ by less are the same.
const LEAST_SECONDS: f64 = 0.001;

/// One figure that is compared.
struct Compared {
    name: &'static str,
    metric: Metric,
    allowed: Ratio,
    /// Whether growth is the bad direction.
    growth_is_bad: bool,
    of_run: fn(&Outcome) -> Option<f64>,
    of_second: fn(&SecondFigures) -> Option<f64>,
}

impl Compared {
    fn is_time(&self) -> bool {
        self.metric.unit() == Unit::Seconds
    }
}

/// Compares `outcome` with the `stored` one, figure by figure.
pub(crate) fn regressions(outcome: &Outcome, stored: &Outcome) -> Vec<Check> {
    let limits = &outcome.plan.regression;
    let percentile = |percent| {
        Quantile::new(Ratio::percent(percent)).map_or(Metric::MaxResponseTime, Metric::Percentile)
    };
    let figures = [
        Compared {
            name: "mean response time",
            metric: Metric::MeanResponseTime,
            allowed: limits.mean,
            growth_is_bad: true,
            of_run: |it| it.totals.mean_seconds,
            of_second: |it| it.mean_seconds,
        },
        Compared {
            name: "p95",
            metric: percentile(95),
            allowed: limits.p95,
            growth_is_bad: true,
            of_run: |it| it.totals.p95_seconds,
            of_second: |it| it.p95_seconds,
        },
        Compared {
            name: "p99",
            metric: percentile(99),
            allowed: limits.p99,
            growth_is_bad: true,
            of_run: |it| it.totals.p99_seconds,
            of_second: |it| it.p99_seconds,
        },
        Compared {
            name: "error rate",
            metric: Metric::ErrorRate,
            allowed: limits.error_rate,
            growth_is_bad: true,
            of_run: |it| it.totals.availability_ratio.map(|it| 1.0 - it),
            of_second: |it| share(it.good, it.failed + it.missed),
        },
        Compared {
            name: "throughput",
            metric: Metric::Throughput,
            allowed: limits.throughput,
            growth_is_bad: false,
            of_run: |it| Some(it.totals.throughput_per_second),
            of_second: |it| (it.planned > 0).then_some(it.good as f64),
        },
    ];
    if !is_same_drill(&outcome.plan, &stored.plan) {
        return vec![not_compared(stored)];
    }
    figures.iter().map(|figure| compare(figure, outcome, stored)).collect()
}

/// Whether two plans load and break alike.
fn is_same_drill(a: &Plan, b: &Plan) -> bool {
    a.phases == b.phases
        && a.faults == b.faults
        && a.load.routes == b.load.routes
        && (a.load.timeout, a.load.connections) == (b.load.timeout, b.load.connections)
}

fn not_compared(stored: &Outcome) -> Check {
    Check {
        name: "no regression".to_owned(),
        kind: CheckKind::Regression,
        phase: None,
        result: CheckResult::Info,
        limit: String::new(),
        measured: "not compared: the drill has changed".to_owned(),
        baseline: stored.run.id.clone(),
        margin: String::new(),
        measured_value: None,
        limit_value: None,
    }
}

/// Seconds outside of warm-ups, as the figures of the whole run are.
fn judged(of: &Outcome) -> impl Iterator<Item = &SecondFigures> {
    let middle = |it: &SecondFigures| Moment::at(Duration::from_millis(it.second * 1000 + 500));
    let phase_of = move |it: &SecondFigures| of.plan.phase_at(middle(it));
    of.seconds
        .iter()
        .filter(move |it| phase_of(it).is_none_or(|at| of.plan.phases[at].role != Role::Warmup))
}

fn share(good: u64, bad: u64) -> Option<f64> {
    (good + bad > 0).then(|| bad as f64 / (good + bad) as f64)
}

fn compare(figure: &Compared, outcome: &Outcome, stored: &Outcome) -> Check {
    let [now, then] = [outcome, stored].map(figure.of_run);
    let [now_seconds, then_seconds] =
        [outcome, stored].map(|it| judged(it).filter_map(figure.of_second).collect::<Vec<_>>());
    let sign = if figure.growth_is_bad { 1.0 } else { -1.0 };
    let change =
        now.zip(then).filter(|(_, then)| *then > 0.0).map(|(now, then)| (now - then) / then);
    let test = rank_sum(&then_seconds, &now_seconds);
    let worse_by_rank =
        test.map(|it| it.p_value < SIGNIFICANT && (it.superiority - 0.5) * sign > 0.0);
    // From nothing to something has no percentage; ranks alone decide.
    let beyond = match (now, then, change) {
        (Some(now), Some(then), Some(_))
            if figure.is_time() && (now - then).abs() < LEAST_SECONDS =>
        {
            Some(false)
        }
        (_, _, Some(change)) => Some(change * sign > figure.allowed.get()),
        (Some(now), Some(_), None) => Some(now * sign > 0.0),
        _ => None,
    };
    let result = match (beyond, worse_by_rank) {
        // Beyond the limit by chance is not beyond it.
        (Some(false), _) | (Some(true), Some(false)) => CheckResult::Pass,
        (Some(true), Some(true)) => CheckResult::Fail,
        // Too short to tell.
        (Some(true), None) | (None, _) => CheckResult::Info,
    };
    let chance = test.filter(|_| beyond == Some(true)).map(|it| match it.p_value < 0.001 {
        true => ", p < 0.001".to_owned(),
        false => format!(", p = {:.3}", it.p_value),
    });
    Check {
        name: format!("no regression: {}", figure.name),
        kind: CheckKind::Regression,
        phase: None,
        result,
        limit: format!(
            "{} {}",
            if figure.growth_is_bad { "growth ≤" } else { "loss ≤" },
            figure.allowed
        ),
        measured: value_text(figure.metric, now),
        baseline: value_text(figure.metric, then),
        margin: change.map_or(String::new(), |it| {
            format!("{:+.0}%{}", it * 100.0, chance.unwrap_or_default())
        }),
        measured_value: now,
        limit_value: then.map(|it| it * (1.0 + sign * figure.allowed.get())),
    }
}
