//! `slo/v1 ServiceLevelObjective`.
//!
//! ```yaml
//! apiVersion: slo/v1
//! kind: ServiceLevelObjective
//! metadata: {name: api-latency-slo, service: user-api}
//! spec:
//!   objective: 99.9
//!   window: 30d
//!   sli: {type: latency, threshold: 300ms}
//!   alerting:
//!     - {type: burn_rate, severity: page, burn_rate: 14.4, window: 1h}
//! ```
//!
//! A `percentile` beside the objective is a second promise, and refused: 95% within 300 ms is the objective 95.

use std::time::Duration;

use evenkeel_model::document::{AlertPolicy, Alerting, Alerts, Indicator, Slo, Window};
use evenkeel_model::yaml::{Entry, Node};
use evenkeel_units::{Rate, Ratio};

use super::draft::Draft;
use super::values::burn_window;
use crate::fields::{Fields, at};
use crate::notes::cut;

/// What is said of indicators without a query.
pub(super) const NO_SERIES: &str = "it does not say: a drill counts requests by itself; for series write them beside the indicator";

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    fields.skip(&["apiVersion", "kind"]);
    let (mut name, mut service) = ("", None);
    if let Some(mut metadata) = fields.map("metadata", draft) {
        name = metadata.text("name", draft).unwrap_or_default();
        service = metadata.text("service", draft);
        metadata.finish(draft);
    }
    let Some(mut spec) = fields.map("spec", draft) else {
        draft.leave_at(root.place, format!("the SLO `{}`", cut(name)), "it has no `spec`");
        return;
    };
    let description = spec.text("description", draft).map(str::to_owned);
    let entry = spec.take("objective");
    let objective = entry.and_then(|it| draft.objective(it));
    let window = spec.take("window").and_then(|it| draft.span(it)).unwrap_or(Slo::WINDOW);
    let indicator = spec.map("sli", draft).and_then(|it| sli(it, objective, draft));
    let mut windows = Vec::new();
    for item in spec.items("alerting") {
        let mut alert = Fields::of(item, item.place, draft);
        let kind = alert.text("type", draft).unwrap_or("burn_rate");
        let severity = alert.text("severity", draft).unwrap_or("ticket");
        let factor = alert.take("burn_rate").and_then(|it| draft.number(it)).filter(|it| *it > 0.0);
        let long = alert.take("window").and_then(|it| draft.span(it));
        alert.finish(draft);
        match (kind, factor.zip(long)) {
            ("burn_rate", Some((factor, long))) => {
                windows.push(burn_window(severity, factor, long, Duration::ZERO));
            }
            _ => draft.leave_at(
                item.place,
                format!("an alert of type `{}`", cut(kind)),
                "only burn rates carry over",
            ),
        }
    }
    spec.finish(draft);
    fields.finish(draft);
    let Some(indicator) = indicator else {
        draft.leave_at(root.place, format!("the SLO `{}`", cut(name)), "its indicator is missing");
        return;
    };
    let carries = matches!(indicator, Indicator::ErrorRate { .. } | Indicator::Throughput { .. });
    if let Some(entry) = entry.filter(|_| carries) {
        draft.leave(entry, "the indicator carries its own limit");
    }
    let objective = objective.filter(|_| !carries);
    if objective.is_none() && !carries {
        draft.leave_at(root.place, format!("the SLO `{}`", cut(name)), "its objective is missing");
        return;
    }
    draft.leave_at(root.place, "which series its requests are counted by", NO_SERIES);
    let policy = match windows.is_empty() {
        true => Alerts::Standard,
        false => Alerts::Own(Box::new(AlertPolicy::of(windows))),
    };
    let alerting = Some(Alerting { policy, ..Alerting::default() });
    let service = service.map(|it| draft.service(root.place, it));
    let window = Window::Rolling(window);
    draft.add_slo(
        root.place,
        Slo { description, service, window, alerting, ..Slo::of(name, indicator, objective) },
    );
}

fn sli(mut fields: Fields<'_>, objective: Option<Ratio>, draft: &mut Draft) -> Option<Indicator> {
    let kind = fields.take("type");
    let threshold = fields.take("threshold");
    let percentile = fields.take("percentile");
    fields.finish(draft);
    if let Some(entry) = percentile {
        let share = draft.percent(entry);
        if share.is_some() && share != objective {
            two_promises(entry, draft);
        }
    }
    let kind = kind?;
    match kind.value.text().unwrap_or_default() {
        "availability" => Some(Indicator::Availability),
        "latency" => {
            let threshold = threshold.and_then(|it| draft.seconds(it));
            Some(Indicator::Latency { threshold: threshold.filter(|it| !it.is_zero())? })
        }
        "error_rate" => Some(Indicator::ErrorRate { max: draft.percent(threshold?)? }),
        "throughput" => {
            let rate = draft.number(threshold?).and_then(Rate::per_second);
            Some(Indicator::Throughput { min: rate.filter(|it| it.get() > 0.0)? })
        }
        other => {
            draft.leave(kind, format!("`{}` is no indicator of ours", cut(other)));
            None
        }
    }
}

/// A percentile that is not the objective.
fn two_promises(entry: &Entry, draft: &mut Draft) {
    let percentile = entry.value.text().unwrap_or_default();
    let message =
        format!("`percentile: {}` beside another objective promises two things", cut(percentile));
    let help = "A share within a time is the objective itself: write the percentile as the objective, or leave it away.";
    draft.wrong(at(entry.value.place, entry.key_place), message, help);
}
