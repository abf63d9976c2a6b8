//! Figures: what a round says of each objective, as series.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_metrics::exposition::{Kind, Writer};
use evenkeel_promql::Sample;
use evenkeel_series::{Labels, METRIC_NAME};
use evenkeel_slo::rules::duration;
use evenkeel_slo::{Objective, Share, Standing, Status};

use super::Round;

/// What is said of each objective: name and meaning.
const FAMILIES: [(&str, &str); 6] = [
    (
        "error_budget_remaining_percentage",
        "What is left of the error budget, in percent; below 0 when overspent.",
    ),
    (
        "slo_burn_rate",
        "How fast the error budget burns, by window; 1 spends it by the end of the objective's.",
    ),
    (
        "slo_error_budget_remaining_ratio",
        "What is left of the error budget, as a share; below 0 when overspent.",
    ),
    ("slo_objective_ratio", "The share of good events, or of good time, that is promised."),
    (
        "slo_sli_ratio",
        "The share of good events, or of good time, over the window of the objective.",
    ),
    ("slo_status", "1 for the status that the error budget has, 0 for the others."),
];

const STATUSES: [Status; 5] =
    [Status::NoData, Status::Healthy, Status::Warning, Status::Critical, Status::Exhausted];

/// The figures of a round: of an objective that cannot be judged only what it promises.
pub(crate) fn of(round: &Round) -> Vec<(Labels, f64)> {
    let mut all = Vec::new();
    for stood in &round.all {
        let own = labels(&stood.objective);
        let mut add = |name: &str, value: f64| all.push((own.with(METRIC_NAME, name), value));
        add("slo_objective_ratio", stood.objective.promise.get());
        let Ok(judged) = &stood.judged else { continue };
        let standing = &judged.standing;
        if let Some(left) = standing.account.left().map(Share::get) {
            add("error_budget_remaining_percentage", left * 100.0);
            add("slo_error_budget_remaining_ratio", left);
        }
        if let Some(reached) = standing.account.budget.counts.ratio() {
            add("slo_sli_ratio", reached);
        }
        for (window, rate) in burn_rates(&stood.objective, standing) {
            let own = own.with(METRIC_NAME, "slo_burn_rate");
            all.push((own.with("window", &duration(window)), rate.get()));
        }
        for status in STATUSES {
            let is_it = if status == standing.status { 1.0 } else { 0.0 };
            let own = own.with(METRIC_NAME, "slo_status");
            all.push((own.with("status", &status_name(status)), is_it));
        }
    }
    all
}

/// A status as programs read it.
pub(crate) fn status_name(of: Status) -> String {
    of.name().replace(' ', "_")
}

/// The labels of everything that is said of an objective.
pub(super) fn labels(of: &Objective) -> Labels {
    let own = of.labels.iter().map(|(name, value)| (&**name, &**value));
    let service = of.service.as_deref().unwrap_or_default();
    Labels::of(own.chain([("service", service), ("slo", &of.name)]))
}

/// How fast the budget burns over each window that there is data of.
fn burn_rates(of: &Objective, standing: &Standing) -> BTreeMap<Duration, Share> {
    let mut all = BTreeMap::new();
    all.extend(standing.account.mean_burn().map(|it| (of.length, it)));
    for it in &standing.burning {
        all.extend(it.long.map(|rate| (it.rule.long, rate)));
        all.extend(it.rule.short.zip(it.short));
    }
    all
}

/// As the store takes them.
pub(super) fn samples(all: &[(Labels, f64)]) -> Vec<(Labels, Sample)> {
    all.iter().map(|(labels, value)| (labels.clone(), Sample::Float(*value))).collect()
}

/// Writes the figures of a round in the text of metrics.
pub(crate) fn write(round: &Round, to: &mut Writer) {
    let all = of(round);
    for (name, help) in FAMILIES {
        to.family(name, Kind::Gauge, help);
        for (labels, value) in all.iter().filter(|it| it.0.metric() == name) {
            let pairs = labels.iter().filter(|it| &*it.name != METRIC_NAME);
            to.sample(name, pairs.map(|it| (&*it.name, &*it.value)), *value, None);
        }
    }
}
