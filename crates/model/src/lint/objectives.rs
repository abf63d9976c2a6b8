//! Objectives that promise two things, are made of nothing, or have alerts that fit them badly.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_units::{Human, Ratio};

use super::Lint;
use super::references::must_exist;
use super::safety::time_zone;
use crate::decode::codes;
use crate::document::{
    AlertPolicy, Alerts, Document, ErrorBudgetPolicy, Exclusion, Measure, Sla, Slo, Window,
};
use crate::library::{Item, Library};

/// What is wrong with an objective by itself, and with what it refers to.
pub(super) fn of_slo(lint: &mut Lint<'_>, item: &Item, slo: &Slo) {
    of_window(lint, item, &slo.window);
    of_exclusions(lint, item, &slo.exclusions);
    two_promises(lint, item, slo);
    if let Some(Measure::Events(events)) = &slo.series
        && events.mixes_rates()
    {
        let message = "one side is a count of events, and the other is of events a second";
        let help = "Counters are counted by their increase: write `increase(…)` beside them, or name both by selectors.";
        lint.report(item, "sli", codes::MIXED_RATES, message, help);
    }
    if let Some(Measure::Composite(parts)) = &slo.series {
        for (n, it) in parts.iter().enumerate() {
            must_exist(lint, item, &format!("sli/composite/{n}/slo"), "SLO", &it.slo);
        }
        if is_part_of_itself(lint.library, &slo.name) {
            let message = format!("`{}` is a part of itself", slo.name);
            let help = "An objective may be made of others, but not of those that are made of it.";
            lint.report(item, "sli/composite", codes::OF_ITSELF, message, help);
        }
    }
    let Some(alerting) = &slo.alerting else { return };
    let window = slo.window.length();
    let (path, policy) = match &alerting.policy {
        Alerts::Standard => ("alerting", Some(AlertPolicy::standard(window))),
        Alerts::Own(own) => ("alerting/policy", Some((**own).clone())),
        Alerts::Named(name) => {
            let is_map = item.spec().at("alerting/policy").is_some();
            let path = if is_map { "alerting/policy" } else { "alerting" };
            must_exist(lint, item, path, "AlertPolicy", name);
            (path, lint.library.alert_policy(name).cloned())
        }
    };
    // Alerts are made of series.
    if let (Some(policy), Some(promise), Some(_)) = (policy, slo.promise(), &slo.series) {
        burn_windows(lint, item, path, (&policy, promise, window));
    }
}

/// Alerts that could never fire, or that fire while the budget lasts.
fn burn_windows(
    lint: &mut Lint<'_>,
    item: &Item,
    path: &str,
    (policy, promise, window): (&AlertPolicy, Ratio, Duration),
) {
    for it in &policy.windows {
        let factor = it.threshold.factor(window, it.long);
        let share = factor * promise.rest().get();
        let long = Human(it.long);
        let (message, help) = if share >= 1.0 {
            let percent = share * 100.0;
            (
                format!(
                    "the alert over {long} would need {percent:.0}% of bad events at {promise}"
                ),
                "No more than all can be bad. Watch it by a smaller `factor`, or by a `budget` over a longer window.",
            )
        } else if it.long >= window {
            (
                format!("the alert over {long} looks further back than the window"),
                "What it sees has left the window already; give a shorter window.",
            )
        } else if factor < 1.0 {
            (
                format!(
                    "the alert over {long} fires at {factor:.2} of the rate that the budget allows"
                ),
                "At a burn rate of 1 the budget lasts as long as its window; give a `factor` of 1 or more.",
            )
        } else {
            continue;
        };
        lint.report(item, path, codes::BURN_WINDOW, message, help);
    }
}

fn of_window(lint: &mut Lint<'_>, item: &Item, window: &Window) {
    if let Window::Calendar(calendar) = window {
        time_zone(lint, item, "window/timeZone", &calendar.time_zone);
    }
}

fn of_exclusions(lint: &mut Lint<'_>, item: &Item, exclusions: &[Exclusion]) {
    for (n, it) in exclusions.iter().enumerate() {
        time_zone(lint, item, &format!("exclusions/{n}/timeZone"), &it.time_zone);
    }
}

/// A description that promises another thing than the objective: "95% within 300ms" beside 99.9 %.
fn two_promises(lint: &mut Lint<'_>, item: &Item, slo: &Slo) {
    if let Some(other) = slo.other_promise() {
        let help = "These are two objectives: write one, or an SLO for each.";
        lint.report(item, "description", codes::TWO_PROMISES, other, help);
    }
}

/// Whether an objective is found among its parts, or theirs.
fn is_part_of_itself(library: &Library, name: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![name];
    while let Some(next) = open.pop() {
        let Some(Measure::Composite(parts)) = library.slo(next).and_then(|it| it.series.as_ref())
        else {
            continue;
        };
        for part in parts {
            if part.slo == name {
                return true;
            }
            if seen.insert(part.slo.as_str()) {
                open.push(&part.slo);
            }
        }
    }
    false
}

/// What a policy refers to.
pub(super) fn of_policy(lint: &mut Lint<'_>, item: &Item, policy: &ErrorBudgetPolicy) {
    for (n, name) in policy.objectives.iter().enumerate() {
        must_exist(lint, item, &format!("objectives/{n}"), "SLO", name);
    }
}

/// What an agreement refers to.
pub(super) fn of_sla(lint: &mut Lint<'_>, item: &Item, sla: &Sla) {
    must_exist(lint, item, "slo", "SLO", &sla.slo);
    sla.window.iter().for_each(|it| of_window(lint, item, it));
    of_exclusions(lint, item, &sla.exclusions);
    let promise = lint.library.slo(&sla.slo).and_then(Slo::promise);
    let first = sla.credits.first().map(|it| it.below);
    if let (Some(promise), Some(below)) = (promise, first)
        && below > promise
    {
        let message = format!("credit is owed below {below}, and the objective promises {promise}");
        let help = "An objective warns before money is owed: it promises as much, or more.";
        lint.report(item, "credits/0/below", codes::LOOSE_OBJECTIVE, message, help);
    }
}

/// Whether the document is of use without a drill.
pub(super) fn stands_alone(document: &Document) -> bool {
    match document {
        Document::Slo(it) => it.series.is_some(),
        Document::AlertPolicy(_)
        | Document::ErrorBudgetPolicy(_)
        | Document::Sla(_)
        | Document::Resilience(_)
        | Document::LoadBalancer(_)
        | Document::Patroni(_) => true,
        // A load test with a shape is run by itself.
        Document::LoadTest(it) => it.shape.is_some(),
        Document::Service(_)
        | Document::ChaosExperiment(_)
        | Document::Drill(_)
        | Document::GameDay(_) => false,
    }
}
