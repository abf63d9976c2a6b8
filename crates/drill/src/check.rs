//! Checks: everything that had to hold, each with limit, measurement, baseline and margin.

use std::collections::VecDeque;

use evenkeel_model::document::{
    Comparison, Criterion, Indicator, Metric, ProbeKind, Role, Slo, Threshold, Unit, When,
};
use evenkeel_model::outcome::{Breakdown, Check, CheckKind, CheckResult, SpikeFigures};
use evenkeel_units::Human;

use crate::conductor::{Early, Finish};
use crate::objective::{Measured, counts, measure};
use crate::recovery::Recovery;
use crate::run::Run;
use crate::tally::Tally;
use crate::{sending, spike, staircase, stop};

/// What success criteria are judged by beside the figures of the load.
pub(crate) struct Seen<'a> {
    /// By fault.
    pub(crate) recoveries: &'a [Recovery],
    /// By spike.
    pub(crate) spikes: &'a [SpikeFigures],
    /// Of the staircase.
    pub(crate) breakdown: Option<&'a Breakdown>,
}

/// Every check of a run, in the order of its sources.
pub(crate) fn checks(run: &Run, seen: &Seen<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(run.plan.objectives.iter().flat_map(|slo| objective(run, slo)));
    checks.extend((0..run.plan.success.len()).map(|it| success(run, it, seen)));
    checks.extend((0..run.plan.steady_state.len()).filter_map(|probe| steady(run, probe)));
    checks.extend(sending::checks(run));
    checks.extend((0..run.faults.len()).filter_map(|fault| evidence(run, fault)));
    checks.extend(undo(run));
    checks
}

/// A limit for people: `≤ 300ms`.
pub(crate) fn limit_text(criterion: &Criterion) -> String {
    let symbol = match criterion.comparison {
        Comparison::Below => "<",
        Comparison::AtMost => "≤",
        Comparison::Above => ">",
        Comparison::AtLeast => "≥",
    };
    let text = criterion.to_string();
    let limit =
        text.split_once(criterion.comparison.symbol()).map_or("", |(_, limit)| limit.trim());
    format!("{symbol} {limit}")
}

/// A measurement for people; what never came is no number.
pub(crate) fn value_text(metric: Metric, value: Option<f64>) -> String {
    match value {
        None => "no data".to_owned(),
        Some(value) if value.is_infinite() => match metric {
            Metric::RecoveryTime => "did not recover".to_owned(),
            _ => "no answer".to_owned(),
        },
        Some(value) => metric.show(value),
    }
}

fn margin(criterion: &Criterion, value: Option<f64>) -> String {
    let (Some(value), limit) = (value.filter(|it| it.is_finite()), criterion.limit) else {
        return String::new();
    };
    match criterion.metric.unit() {
        // Shares near one differ in what is missing to one: 99.8 % is twice 99.9 %.
        Unit::Ratio if criterion.metric == Metric::Availability && limit < 1.0 => {
            format!("{:.1} × budget", (1.0 - value) / (1.0 - limit))
        }
        Unit::Ratio | Unit::Seconds | Unit::PerSecond | Unit::Users if limit > 0.0 => {
            format!("{:+.0}%", (value / limit - 1.0) * 100.0)
        }
        _ => String::new(),
    }
}

/// A check of one figure.
pub(crate) fn figure(
    name: String,
    kind: CheckKind,
    measured: &Measured,
    baseline: Option<f64>,
) -> Check {
    let Measured { criterion, value, kept } = measured;
    Check {
        name,
        kind,
        phase: None,
        result: match kept {
            Some(true) => CheckResult::Pass,
            Some(false) => CheckResult::Fail,
            None => CheckResult::Inconclusive,
        },
        limit: limit_text(criterion),
        measured: value_text(criterion.metric, *value),
        baseline: baseline.map(|it| value_text(criterion.metric, Some(it))).unwrap_or_default(),
        margin: margin(criterion, *value),
        measured_value: value.filter(|it| it.is_finite()),
        limit_value: Some(criterion.limit),
    }
}

/// An objective over the whole run, and, for information, in each phase.
fn objective(run: &Run, slo: &Slo) -> Vec<Check> {
    let baseline = measure(&run.plan, slo, run.undisturbed()).value;
    let name = format!("{}: {}", slo.name, promise(slo));
    let whole = measure(&run.plan, slo, run.judged());
    let mut first = figure(name.clone(), CheckKind::Objective, &whole, baseline);
    // One bad request in the size of the budget: with fewer requests than that, a pass says nothing.
    // A promise of everything has no budget, and is kept or broken by any number of requests.
    let rest = slo.promise().map(|it| it.rest().get()).filter(|it| *it > 0.0);
    let least = rest.map_or(0.0, |it| 1.0 / it);
    let seen = counts(&run.plan, slo, run.judged()).total as f64;
    if first.result == CheckResult::Pass && seen < least {
        first.result = CheckResult::Inconclusive;
        first.measured = format!("{} (too few requests)", first.measured);
    }
    let mut all = vec![first];
    for (index, phase) in
        run.plan.phases.iter().enumerate().filter(|(_, it)| it.role != Role::Warmup)
    {
        let measured = measure(&run.plan, slo, run.frames_of(index));
        if measured.value.is_some() {
            let check = figure(name.clone(), CheckKind::Objective, &measured, baseline);
            all.push(Check { phase: Some(phase.name.clone()), result: CheckResult::Info, ..check });
        }
    }
    all
}

/// What an objective is about, for people.
pub(crate) fn promise(slo: &Slo) -> String {
    let what = match slo.indicator {
        Indicator::Availability => "availability".to_owned(),
        Indicator::Latency { threshold } => format!("answered within {}", Human(threshold)),
        Indicator::Percentile { quantile, .. } => quantile.to_string(),
        Indicator::ErrorRate { .. } => "error rate".to_owned(),
        Indicator::Throughput { .. } => "throughput".to_owned(),
        Indicator::OfSeries => "of series".to_owned(),
    };
    match &slo.route {
        Some(route) => format!("{what} of {route}"),
        None => what,
    }
}

/// A threshold in words: the figure alone when it is about the whole run, or `p99 < 300ms · checkout · spike`.
pub(crate) fn threshold_name(of: &Threshold) -> String {
    match (&of.route, &of.phase) {
        (None, None) => of.criterion.metric.to_string(),
        (route, phase) => {
            let scope: String = route.iter().chain(phase).map(|it| format!(" · {it}")).collect();
            format!("{}{scope}", plain(&of.criterion))
        }
    }
}

/// Without its time: that is how long it may be broken before the load ends.
pub(crate) fn plain(criterion: &Criterion) -> Criterion {
    Criterion { sustained: None, ..*criterion }
}

fn success(run: &Run, index: usize, seen: &Seen<'_>) -> Check {
    let threshold = &run.plan.success[index];
    let criterion = plain(&threshold.criterion);
    let began: Vec<_> = seen
        .recoveries
        .iter()
        .zip(&run.faults)
        .filter(|(_, it)| it.from.is_some())
        .map(|(it, _)| *it)
        .collect();
    let longest = |times: Vec<f64>| times.into_iter().max_by(f64::total_cmp);
    let value = match criterion.metric {
        Metric::RecoveryTime => longest(
            began
                .iter()
                .map(|it| it.recovered_after.map_or(f64::INFINITY, |it| it.as_secs_f64()))
                .chain(spike::slowest(seen.spikes))
                .collect(),
        ),
        Metric::DetectionTime => longest(
            began.iter().filter_map(|it| it.detected_after).map(|it| it.as_secs_f64()).collect(),
        ),
        metric @ (Metric::BreakdownUsers | Metric::BreakdownRate) => {
            seen.breakdown.and_then(|it| staircase::borne(it, metric))
        }
        metric => scoped(run, threshold).and_then(|it| it.figure(metric)),
    };
    let whole = threshold.route.is_none() && threshold.phase.is_none();
    let baseline = match whole {
        true => Tally::of(run.undisturbed()).figure(criterion.metric),
        false => None,
    };
    let kept = value.map(|it| criterion.holds(it));
    let measured = Measured { criterion, value, kept };
    let mut check = figure(threshold_name(threshold), CheckKind::Success, &measured, baseline);
    let is_bound = matches!(criterion.metric, Metric::BreakdownUsers | Metric::BreakdownRate)
        && seen.breakdown.is_some_and(|it| it.broke.is_none());
    if is_bound && value.is_some() {
        // It never broke: how much more it would have borne nobody knows.
        check.measured = format!("≥ {}", check.measured);
        if check.result == CheckResult::Fail && !criterion.comparison.wants_less() {
            check.result = CheckResult::Inconclusive;
        }
    }
    if run.ended_early == Some(Early::Threshold(index)) {
        check.result = CheckResult::Fail;
        let patience = Human(stop::patience(threshold));
        check.measured = format!("{}, not kept for {patience}", check.measured);
    }
    check
}

/// The requests that a threshold is about; `None` when it names a route or a phase that is not there.
fn scoped(run: &Run, of: &Threshold) -> Option<Tally> {
    let phase = match &of.phase {
        Some(name) => Some(run.plan.phases.iter().position(|it| it.name == *name)?),
        None => None,
    };
    let route = match &of.route {
        Some(name) => Some(run.plan.route(name)?),
        None => None,
    };
    let tally = Tally::within(run.length());
    Some(match (phase, route) {
        (Some(phase), Some(route)) => tally.plus_route(run.frames_of(phase), route),
        (Some(phase), None) => tally.plus(run.frames_of(phase)),
        (None, Some(route)) => tally.plus_route(run.judged(), route),
        (None, None) => tally.plus(run.judged()),
    })
}

/// Whether the steady state came back.
fn steady(run: &Run, probe: usize) -> Option<Check> {
    let asked = &run.plan.steady_state[probe];
    let question = &asked.kind;
    let check = |held: Option<bool>, measured: String| Check {
        name: format!("steady state again: {question}"),
        kind: CheckKind::SteadyState,
        phase: None,
        result: match held {
            Some(true) => CheckResult::Pass,
            Some(false) => CheckResult::Fail,
            None => CheckResult::Inconclusive,
        },
        limit: "holds".to_owned(),
        measured,
        baseline: String::new(),
        margin: String::new(),
        measured_value: None,
        limit_value: None,
    };
    if run.finish != Some(Finish::Completed) || !asked.is_due(When::After) {
        return None;
    }
    if let ProbeKind::Load { criterion } = question {
        let value = after(run).figure(criterion.metric);
        return Some(check(
            value.map(|it| criterion.holds(it)),
            value_text(criterion.metric, value),
        ));
    }
    let last = run.probes.iter().rfind(|it| it.probe == probe && it.when == When::After);
    let measured =
        last.map_or("not asked", |it| if it.held { "holds" } else { it.detail.as_str() });
    Some(check(last.map(|it| it.held), measured.to_owned()))
}

/// The load after everything was mended: the recovery phase's last seconds, or those of the run.
pub(crate) fn after(run: &Run) -> Tally {
    const SECONDS: usize = 5;
    let mut last = VecDeque::with_capacity(SECONDS);
    for frame in run.frames.iter().filter(|it| it.planned > 0) {
        if last.len() == SECONDS {
            last.pop_front();
        }
        last.push_back(frame);
    }
    Tally::of(last)
}

fn evidence(run: &Run, fault: usize) -> Option<Check> {
    let (planned, track) = (&run.plan.faults[fault], &run.faults[fault]);
    if track.from.is_none() && track.error.is_none() && run.finish != Some(Finish::Completed) {
        return None; // The run ended before its time came.
    }
    let acted = track.evidence.acted;
    Some(Check {
        name: format!("fault acted: {}", planned.label),
        kind: CheckKind::Evidence,
        phase: None,
        result: if acted { CheckResult::Pass } else { CheckResult::Inconclusive },
        limit: "evidence".to_owned(),
        measured: match (&track.error, track.evidence.summary.is_empty()) {
            (Some(error), _) => error.clone(),
            (None, true) => "no evidence".to_owned(),
            (None, false) => track.evidence.summary.clone(),
        },
        baseline: String::new(),
        margin: String::new(),
        measured_value: None,
        limit_value: None,
    })
}

fn undo(run: &Run) -> Option<Check> {
    let began = run.faults.iter().filter(|it| it.from.is_some()).count();
    let planned = run.plan.faults.iter().zip(&run.faults);
    let to_undo = planned
        .clone()
        .filter(|(it, track)| track.from.is_some() && !it.fault.is_one_shot())
        .count();
    let left = planned.filter(|(_, it)| it.left_behind).map(|(it, _)| it.label.as_str());
    let left: Vec<_> = left.chain(run.not_mended.as_deref()).collect();
    (began > 0 || !left.is_empty()).then(|| Check {
        name: "everything mended".to_owned(),
        kind: CheckKind::Undo,
        phase: None,
        result: if left.is_empty() { CheckResult::Pass } else { CheckResult::Fail },
        limit: "all undone".to_owned(),
        measured: match left.is_empty() {
            true if to_undo == 0 => "nothing to undo".to_owned(),
            true => format!("{to_undo} of {to_undo} undone"),
            false => format!("left behind: {}", left.join(", ")),
        },
        baseline: String::new(),
        margin: String::new(),
        measured_value: None,
        limit_value: None,
    })
}
