//! Policies about error budgets: `error_budget_policy:`, and `policy/v1 ErrorBudgetPolicy`.

use std::time::Duration;

use evenkeel_model::document::{
    Action, AlertPolicy, BudgetThreshold, ErrorBudgetPolicy, Gate, Indicator, Slo, Window,
};
use evenkeel_model::yaml::{Entry, Node, Place};
use evenkeel_units::Ratio;

use super::draft::{Draft, alerts_by};
use super::values::burn_window;
use crate::fields::{Fields, at, items};
use crate::notes::cut;

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    match fields.map("error_budget_policy", draft) {
        Some(map) => flat(map, root.place, draft),
        None => resource(&mut fields, root.place, draft),
    }
    fields.finish(draft);
}

/// `policy/v1 ErrorBudgetPolicy`.
fn resource(fields: &mut Fields<'_>, place: Place, draft: &mut Draft) {
    fields.skip(&["apiVersion", "kind"]);
    let mut name = "";
    if let Some(mut metadata) = fields.map("metadata", draft) {
        name = metadata.text("name", draft).unwrap_or_default();
        metadata.finish(draft);
    }
    let Some(mut spec) = fields.map("spec", draft) else { return };
    let service = spec.text("service", draft).map(|it| draft.service(place, it));
    let mut thresholds = Vec::new();
    for item in spec.items("thresholds") {
        let mut threshold = Fields::of(item, item.place, draft);
        let remaining = threshold.take("remaining").and_then(|it| draft.percent(it));
        let actions = threshold.items("actions").iter();
        let actions: Vec<_> = actions.filter_map(|it| typed(it, draft)).collect();
        threshold.finish(draft);
        push(&mut thresholds, item.place, remaining, actions, draft);
    }
    spec.finish(draft);
    add(place, name, service, Vec::new(), thresholds, None, draft);
}

/// An action with a `type`.
fn typed(item: &Node, draft: &mut Draft) -> Option<Action> {
    let mut fields = Fields::of(item, item.place, draft);
    let kind = fields.take("type");
    let text = |fields: &mut Fields<'_>, key: &str, draft: &mut Draft| {
        fields.text(key, draft).map(str::to_owned)
    };
    let description = text(&mut fields, "description", draft);
    let action = match kind.and_then(|it| it.value.text()).unwrap_or_default() {
        "notification" | "notify" => {
            let target =
                text(&mut fields, "target", draft).unwrap_or_else(|| "somebody".to_owned());
            let message = text(&mut fields, "message", draft);
            Some(Action::Notify { target, description: message.or(description) })
        }
        "review" => Some(Action::Review { description }),
        "freeze" => Some(Action::Freeze {
            scope: text(&mut fields, "scope", draft),
            spares: Vec::new(),
            description,
        }),
        "ticket" => {
            Some(Action::Ticket { target: text(&mut fields, "target", draft), description })
        }
        "incident" => {
            Some(Action::Incident { priority: text(&mut fields, "priority", draft), description })
        }
        other => {
            let why = "actions are notify, review, freeze, ticket and incident";
            draft.leave_at(item.place, format!("the action `{}`", cut(other)), why);
            None
        }
    };
    fields.finish(draft);
    action
}

/// `error_budget_policy:`, with the objectives and the alerts in it.
fn flat(mut map: Fields<'_>, place: Place, draft: &mut Draft) {
    let alerts = alerts(&mut map, place, draft);
    let mut objectives = Vec::new();
    if let Some(slos) = map.map("slos", draft) {
        for entry in slos.rest() {
            objectives.extend(objective(entry, alerts.as_deref(), draft));
        }
    }
    let mut thresholds = Vec::new();
    if let Some(mut exhaustion) = map.map("error_budget_exhaustion", draft) {
        for item in exhaustion.items("thresholds") {
            let mut threshold = Fields::of(item, item.place, draft);
            let remaining = threshold.take("remaining").and_then(|it| draft.percent(it));
            let words = threshold.take("action").map(|it| items(&it.value)).unwrap_or_default();
            let words = words.iter().filter_map(Node::text);
            let actions: Vec<_> = words.filter_map(|it| worded(it, item.place, draft)).collect();
            threshold.finish(draft);
            push(&mut thresholds, item.place, remaining, actions, draft);
        }
        exhaustion.finish(draft);
    }
    let mut gate = None;
    if let Some(mut gates) = map.map("deployment_gates", draft) {
        if let Some(mut required) = gates.map("require_error_budget", draft) {
            let least = required.take("minimum_remaining").and_then(|it| draft.percent(it));
            let exceptions = required.items("exceptions").iter().filter_map(Node::text);
            let exceptions = exceptions.map(str::to_owned).collect();
            required.finish(draft);
            let min_remaining = least.unwrap_or(Gate::MIN_REMAINING);
            gate = Some(Gate { min_remaining, exceptions, ..Gate::default() });
        }
        gates.finish(draft);
    }
    map.finish(draft);
    add(place, "error-budget-policy", None, objectives, thresholds, gate, draft);
}

/// An objective that says how much, and not of what.
fn objective(entry: &Entry, alerts: Option<&str>, draft: &mut Draft) -> Option<String> {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let target = fields.take("target").and_then(|it| draft.objective(it));
    let window = fields.take("window").and_then(|it| draft.span(it));
    let budget = fields.take("error_budget");
    fields.finish(draft);
    let objective = target?;
    if let Some(budget) = budget
        && let Some(share) = draft.percent(budget)
        && share != objective.rest()
    {
        let message = format!("`error_budget: {share}` beside the objective {objective}");
        let help = "The budget is what the objective leaves: leave it away, or mend one of them.";
        draft.wrong(at(budget.value.place, budget.key_place), message, help);
    }
    let why = "it does not say: `availability` is written";
    draft.leave_at(entry.key_place, format!("what `{}` measures", cut(&entry.key)), why);
    let window = Window::Rolling(window.unwrap_or(Slo::WINDOW));
    let alerting = Some(alerts.map(alerts_by).unwrap_or_default());
    let slo = Slo::of(&entry.key, Indicator::Availability, Some(objective));
    Some(draft.add_slo(entry.key_place, Slo { window, alerting, ..slo }))
}

/// The alerts of a policy, as a document of their own; returns its name.
fn alerts(map: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<String> {
    let mut windows = Vec::new();
    for item in map.items("burn_rate_alerts") {
        let mut alert = Fields::of(item, item.place, draft);
        let long = alert.take("window").and_then(|it| draft.span(it));
        let factor = alert.take("threshold").and_then(|it| draft.number(it)).filter(|it| *it > 0.0);
        let severity = alert.text("severity", draft).unwrap_or("ticket");
        let action = alert.text("action", draft).unwrap_or_default();
        alert.finish(draft);
        if let Some((long, factor)) = long.zip(factor) {
            let mut window = burn_window(severity, factor, long, Duration::ZERO);
            // What is done says more than a word for how bad it is.
            if action.starts_with("page") {
                window.severity = evenkeel_model::document::Severity::Page;
            } else if action.contains("ticket") {
                window.severity = evenkeel_model::document::Severity::Ticket;
            } else if !action.is_empty() {
                let why =
                    "who is told is said by labels: `page` or `ticket` is written by its severity";
                draft.leave_at(item.place, format!("the action `{}`", cut(action)), why);
            }
            windows.push(window);
        }
    }
    let name = "error-budget-policy".to_owned();
    (!windows.is_empty())
        .then(|| draft.add_alerts(place, AlertPolicy { name, ..AlertPolicy::of(windows) }))
}

/// An action in one word.
fn worded(word: &str, place: Place, draft: &mut Draft) -> Option<Action> {
    let description = None;
    let plain = |it: &str| it.replace('_', "-");
    let action = match word {
        "incident_response" | "incident" => Some(Action::Incident { priority: None, description }),
        "review" => Some(Action::Review { description }),
        "create_ticket" => Some(Action::Ticket { target: None, description }),
        "freeze_all_deployments" | "freeze" => {
            Some(Action::Freeze { scope: None, spares: Vec::new(), description })
        }
        it => match (it.strip_prefix("freeze_"), it.strip_prefix("notify_")) {
            (Some(scope), _) => {
                Some(Action::Freeze { scope: Some(plain(scope)), spares: Vec::new(), description })
            }
            (None, Some(target)) => Some(Action::Notify { target: plain(target), description }),
            (None, None) => None,
        },
    };
    if action.is_none() {
        let why = "actions are notify, review, freeze, ticket and incident";
        draft.leave_at(place, format!("the action `{}`", cut(word)), why);
    }
    action
}

fn push(
    to: &mut Vec<BudgetThreshold>,
    place: Place,
    remaining: Option<Ratio>,
    actions: Vec<Action>,
    draft: &mut Draft,
) {
    let Some(remaining) = remaining else {
        draft.leave_at(place, "a threshold", "it does not say of how much");
        return;
    };
    if to.iter().any(|it| it.remaining == remaining) {
        let message = format!("a second threshold at {remaining}");
        draft.wrong(place, message, "Put the actions of both into one list.");
    } else if actions.is_empty() {
        draft.leave_at(place, format!("the threshold at {remaining}"), "nothing is done there");
    } else {
        to.push(BudgetThreshold { remaining, actions });
    }
}

fn add(
    place: Place,
    name: &str,
    service: Option<String>,
    objectives: Vec<String>,
    mut thresholds: Vec<BudgetThreshold>,
    gate: Option<Gate>,
    draft: &mut Draft,
) {
    if thresholds.is_empty() && gate.is_none() {
        draft.leave_at(place, format!("the policy `{}`", cut(name)), "nothing is done by it");
        return;
    }
    thresholds.sort_by_key(|it| std::cmp::Reverse(it.remaining));
    draft.add_policy(
        place,
        ErrorBudgetPolicy {
            name: name.to_owned(),
            description: None,
            service,
            objectives,
            thresholds,
            hysteresis: Ratio::ZERO,
            gate,
        },
    );
}
