//! Regression: is this run worse than the stored baseline, by more than is allowed, by more than chance, and by more
//! than the same build differs from itself?
//!
//! All three must hold for each figure:
//!
//! - it is worse by more than its limit (mean 15 %, p95 20 %, p99 25 %, error rate 50 %, throughput −10 % by default);
//! - the interval of the ratio of both runs (block bootstrap over their stretches; all five hold 99 times in 100) leaves
//!   *no change* out;
//! - when three runs or more have been accepted as baselines, it is further away than the next run of the same build
//!   is expected to be.
//!
//! So the same build twice is no regression. Times that differ by less than a millisecond are none either: nobody waits
//! for them, and hosts drift by that. Runs that are too short to tell, or of a drill that has changed since, are shown
//! and not judged.

use evenkeel_model::document::{LoadTest, Metric, Quantile, RegressionLimits, Unit};
use evenkeel_model::outcome::{
    Change, Changed, Check, CheckKind, CheckResult, Comparison, Figures, Sample, Severity,
};
use evenkeel_model::{Outcome, Plan};
use evenkeel_stats::{Interval, next, ratio};
use evenkeel_units::{Ratio, Seed};

use crate::check::value_text;

/// Times that differ by less are the same.
const LEAST_SECONDS: f64 = 0.001;
/// The interval does not depend on the run: two people who compare the same runs read the same.
const SEED: Seed = Seed(1);

/// One figure that is compared.
struct Compared {
    name: &'static str,
    metric: Metric,
    allowed: fn(&RegressionLimits) -> Ratio,
    /// Whether growth is the bad direction.
    growth_is_bad: bool,
    of_run: fn(&Figures) -> Option<f64>,
    of_draw: fn(&Draw) -> Option<f64>,
}

fn compared() -> [Compared; 5] {
    let percentile = |percent| {
        Quantile::new(Ratio::percent(percent)).map_or(Metric::MaxResponseTime, Metric::Percentile)
    };
    [
        Compared {
            name: "mean response time",
            metric: Metric::MeanResponseTime,
            allowed: |it| it.mean,
            growth_is_bad: true,
            of_run: |it| it.mean_seconds,
            of_draw: |it| it.mean(),
        },
        Compared {
            name: "p95",
            metric: percentile(95),
            allowed: |it| it.p95,
            growth_is_bad: true,
            of_run: |it| it.p95_seconds,
            of_draw: |it| it.quantile(0.95),
        },
        Compared {
            name: "p99",
            metric: percentile(99),
            allowed: |it| it.p99,
            growth_is_bad: true,
            of_run: |it| it.p99_seconds,
            of_draw: |it| it.quantile(0.99),
        },
        Compared {
            name: "error rate",
            metric: Metric::ErrorRate,
            allowed: |it| it.error_rate,
            growth_is_bad: true,
            of_run: |it| it.availability_ratio.map(|it| 1.0 - it),
            of_draw: |it| (it.good + it.bad > 0).then(|| it.bad as f64 / (it.good + it.bad) as f64),
        },
        Compared {
            name: "throughput",
            metric: Metric::Throughput,
            allowed: |it| it.throughput,
            growth_is_bad: false,
            of_run: |it| Some(it.throughput_per_second),
            of_draw: |it| (it.seconds > 0).then(|| it.good as f64 / it.seconds as f64),
        },
    ]
}

/// What a run is compared by.
#[derive(Copy, Clone)]
struct Side<'a> {
    totals: &'a Figures,
    samples: &'a [Sample],
    /// Runs of the same build, when it is a stored baseline.
    accepted: &'a [Figures],
}

impl<'a> Side<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        Self { totals: &outcome.totals, samples: &outcome.samples, accepted: &outcome.accepted }
    }
}

/// Compares `outcome` with the `stored` one, figure by figure.
pub(crate) fn regressions(outcome: &Outcome, stored: &Outcome) -> Vec<Check> {
    if !is_same_drill(&outcome.plan, &stored.plan) {
        return vec![not_compared(stored)];
    }
    let limits = &outcome.plan.regression;
    let check = |it: Compared| {
        let change = change(&it, limits, Side::of(stored), Side::of(outcome), false);
        as_check(&it, limits, &change)
    };
    compared().into_iter().map(check).collect()
}

/// Compares two runs: what differs, how sure that is, and how bad. Limits are those of the run that came `after`.
pub fn compare(before: &Outcome, after: &Outcome) -> Comparison {
    let limits = &after.plan.regression;
    let of = |it: &Compared| change(it, limits, Side::of(before), Side::of(after), true);
    let changes: Vec<Change> = compared().iter().map(of).collect();
    let count = |wanted| changes.iter().filter(|it| it.changed == wanted).count();
    let severity = changes.iter().filter_map(|it| it.severity).max();
    let headline = match (severity, count(Changed::Better), count(Changed::Unclear)) {
        (Some(severity), _, _) => {
            let worse = count(Changed::Worse);
            format!(
                "{} regression: {worse} of {} figures are worse",
                capital(severity.word()),
                changes.len()
            )
        }
        (None, 0, unclear) if unclear == changes.len() => {
            "Too little was seen to compare".to_owned()
        }
        (None, 0, _) => "No difference beyond chance and what is allowed".to_owned(),
        (None, better, _) => {
            format!("No regression; {better} of {} figures are better", changes.len())
        }
    };
    Comparison {
        before: before.run.id.clone(),
        after: after.run.id.clone(),
        same_load: is_same_drill(&before.plan, &after.plan),
        headline,
        severity,
        changes,
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |it| it.to_uppercase().chain(letters).collect())
}

/// Whether two plans load and break alike.
pub(crate) fn is_same_drill(a: &Plan, b: &Plan) -> bool {
    let sends = |it: &Plan| {
        let load = it.load.as_ref()?;
        let LoadTest { routes, scenarios, sending, timeout, connections, .. } = load.clone();
        Some((routes, scenarios, sending, timeout, connections))
    };
    a.phases == b.phases && a.faults == b.faults && sends(a) == sends(b)
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

/// Stretches of a run put together.
#[derive(Default)]
struct Draw<'a> {
    seconds: u64,
    good: u64,
    bad: u64,
    /// Sum of the times, in microseconds.
    sum: f64,
    /// The times that occur, ascending, and how often each does.
    times: &'a [u64],
    counts: Vec<u64>,
}

impl Draw<'_> {
    fn mean(&self) -> Option<f64> {
        (self.good > 0).then(|| self.sum / self.good as f64 / 1e6)
    }

    /// By nearest rank, from the upper end, which is near.
    fn quantile(&self, q: f64) -> Option<f64> {
        let above = self.good.saturating_sub(((self.good as f64) * q).ceil() as u64);
        let mut seen = 0;
        let found = self.counts.iter().rposition(|it| {
            seen += it;
            seen > above
        });
        found.map(|at| self.times[at] as f64 / 1e6)
    }
}

/// A stretch whose times are numbers in a list that both runs share.
struct Piece {
    seconds: u64,
    good: u64,
    bad: u64,
    sum: f64,
    counts: Vec<(usize, u64)>,
}

fn piece(of: &Sample, times: &[u64]) -> Piece {
    let micros = &of.response_micros.micros;
    let place = |(time, count): &(u64, u64)| Some((times.binary_search(time).ok()?, *count));
    Piece {
        seconds: of.seconds,
        good: of.good,
        bad: of.bad,
        sum: micros.iter().map(|(time, count)| *time as f64 * *count as f64).sum(),
        counts: micros.iter().filter_map(place).collect(),
    }
}

/// Between which values the ratio of a figure of two runs lies.
fn interval(of: &Compared, then: &[Sample], now: &[Sample]) -> Option<Interval> {
    let all = then.iter().chain(now).flat_map(|it| &it.response_micros.micros);
    let mut times: Vec<u64> = all.map(|it| it.0).collect();
    times.sort_unstable();
    times.dedup();
    let [then, now] =
        [then, now].map(|it| it.iter().map(|it| piece(it, &times)).collect::<Vec<_>>());
    let is_quantile = matches!(of.metric, Metric::Percentile(_));
    let figure = |pieces: &[&Piece]| {
        let mut draw = Draw { times: &times, ..Draw::default() };
        if is_quantile {
            draw.counts = vec![0; times.len()];
        }
        for it in pieces {
            draw.seconds += it.seconds;
            draw.good += it.good;
            draw.bad += it.bad;
            draw.sum += it.sum;
            for (at, count) in it.counts.iter().filter(|_| is_quantile) {
                draw.counts[*at] += count;
            }
        }
        (of.of_draw)(&draw)
    };
    ratio(&then, &now, figure, SEED)
}

/// How much a figure of runs of the same build differs, as a share of it.
fn noise(of: &Compared, stored: Side<'_>) -> Option<f64> {
    let runs = stored.accepted.iter().chain([stored.totals]);
    let values: Vec<f64> = runs.filter_map(of.of_run).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    next(&values).filter(|_| mean > 0.0).map(|it| it / mean)
}

/// What became of a figure. The interval is found only where it decides, unless it is `wanted` for people.
fn change(
    of: &Compared,
    limits: &RegressionLimits,
    then: Side<'_>,
    now: Side<'_>,
    wanted: bool,
) -> Change {
    let [before, after] = [then, now].map(|it| (of.of_run)(it.totals).filter(|it| it.is_finite()));
    let allowed = (of.allowed)(limits).get();
    let both = before.zip(after);
    let change =
        both.filter(|(before, _)| *before > 0.0).map(|(before, after)| after / before - 1.0);
    let small = |(before, after): (f64, f64)| {
        of.metric.unit() == Unit::Seconds && (after - before).abs() < LEAST_SECONDS
    };
    let least = noise(of, then).map_or(allowed, |it| it.max(allowed));
    // From nothing to something has no percentage; the interval alone decides.
    let beyond = both.is_some_and(|it| !small(it) && it.0.total_cmp(&it.1).is_ne())
        && change.is_none_or(|it| it.abs() > least);
    let interval = (wanted || beyond).then(|| interval(of, then.samples, now.samples)).flatten();
    let grew = both.is_some_and(|(before, after)| after > before);
    let changed = match (both, interval) {
        (None, _) => Changed::Unclear,
        _ if !beyond => Changed::Same,
        (_, None) => Changed::Unclear,
        (_, Some(it)) if (grew && it.low <= 1.0) || (!grew && it.high >= 1.0) => Changed::Same,
        _ if grew == of.growth_is_bad => Changed::Worse,
        _ => Changed::Better,
    };
    Change {
        figure: of.name.to_owned(),
        before: value_text(of.metric, before),
        after: value_text(of.metric, after),
        before_value: before,
        after_value: after,
        change_ratio: change,
        interval_ratio: interval
            .map(|it| (it.low - 1.0, it.high - 1.0))
            .filter(|it| it.0.is_finite() && it.1.is_finite()),
        allowed_ratio: allowed,
        changed,
        severity: (changed == Changed::Worse).then(|| severity(change, allowed)),
    }
}

fn severity(change: Option<f64>, allowed: f64) -> Severity {
    match change.map(|it| it.abs() / allowed) {
        Some(times) if times < 2.0 => Severity::Minor,
        Some(times) if times < 4.0 => Severity::Major,
        // From nothing to something as well.
        _ => Severity::Critical,
    }
}

fn as_check(of: &Compared, limits: &RegressionLimits, change: &Change) -> Check {
    let allowed = (of.allowed)(limits);
    let sign = if of.growth_is_bad { 1.0 } else { -1.0 };
    let beyond = change.change_ratio.is_some_and(|it| it * sign > allowed.get());
    let word = match (change.severity, change.changed) {
        (Some(it), _) => Some(it.word()),
        (None, Changed::Same) if beyond => Some("chance"),
        _ => None,
    };
    let percent = change.change_ratio.map(|it| format!("{:+.0}%", it * 100.0));
    let margin: Vec<String> = percent.into_iter().chain(word.map(str::to_owned)).collect();
    Check {
        name: format!("no regression: {}", of.name),
        kind: CheckKind::Regression,
        phase: None,
        result: change.changed.check(),
        limit: format!("{} {allowed}", if of.growth_is_bad { "growth ≤" } else { "loss ≤" }),
        measured: change.after.clone(),
        baseline: change.before.clone(),
        margin: margin.join(", "),
        measured_value: change.after_value,
        limit_value: change.before_value.map(|it| it * (1.0 + sign * allowed.get())),
    }
}

#[cfg(test)]
mod tests;
