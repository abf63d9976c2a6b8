//! slo-generator: its files of version 2 (`sre.google.com/v2`) and 1, as far as they ask Prometheus, and the steps of its
//! error budget policies, which are windows of alerts.

use std::time::Duration;

use evenkeel_model::document::{
    AlertPolicy, Bucketed, BurnThreshold, BurnWindow, Counted, Events, Expression, HistogramForm,
    Indicator, Labels, Measure, Query, RatioQuery, SeriesSelector, Severity, Slo,
};
use evenkeel_model::yaml::{Entry, Node, Place};
use evenkeel_units::Ratio;

use super::draft::{Draft, on_series};
use crate::fields::Fields;
use crate::notes::cut;

/// What is said of exporters, backends and the like.
const ELSEWHERE: &str = "where series are read from and written to is said on the command line";

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    fields.skip(&["apiVersion", "kind"]);
    if let Some(entry) = fields.take("error_budget_policies") {
        for each in Fields::of(&entry.value, entry.key_place, draft).rest() {
            steps(each, draft);
        }
        fields.leave_all(&["backends", "exporters", "default_exporters"], ELSEWHERE, draft);
        fields.finish(draft);
        return;
    }
    match fields.take("spec") {
        Some(spec) => second(fields, spec, root.place, draft),
        None => first(fields, root.place, draft),
    }
}

/// What both versions say.
struct Said<'a> {
    name: String,
    service: Option<&'a str>,
    description: Option<String>,
    goal: Option<Ratio>,
    place: Place,
}

/// Version 2.
fn second<'a>(mut fields: Fields<'a>, spec: &'a Entry, place: Place, draft: &mut Draft) {
    let (mut name, mut service) = ("", None);
    if let Some(mut metadata) = fields.map("metadata", draft) {
        name = metadata.text("name", draft).unwrap_or_default();
        if let Some(mut labels) = metadata.map("labels", draft) {
            service = labels.text("service", draft);
            // The name is made of these.
            labels.skip(&["feature", "feature_name", "service_name", "slo_name"]);
            labels.finish(draft);
        }
        metadata.finish(draft);
    }
    fields.finish(draft);
    let mut spec = Fields::of(&spec.value, spec.key_place, draft);
    let description = spec.text("description", draft).map(str::to_owned);
    let goal = spec.take("goal").and_then(|it| draft.target(it));
    let backend = spec.text("backend", draft).unwrap_or_default();
    let method = spec.text("method", draft).unwrap_or_default();
    let policy = spec.text("error_budget_policy", draft);
    let said = Said { name: name.to_owned(), service, description, goal, place };
    let indicator = spec.map("service_level_indicator", draft);
    if let Some(policy) = policy {
        let why = "its steps stand in another file: import that one, and write `alerting: NAME`";
        draft.leave_at(place, format!("the error budget policy `{}`", cut(policy)), why);
    }
    spec.leave("exporters", ELSEWHERE, draft);
    spec.leave("frequency", "how often it is looked at is no part of a promise", draft);
    spec.finish(draft);
    add(said, backend, method, indicator, draft);
}

/// Version 1.
fn first(mut fields: Fields<'_>, place: Place, draft: &mut Draft) {
    let service = fields.text("service_name", draft);
    let feature = fields.text("feature_name", draft);
    let own = fields.text("slo_name", draft);
    let description = fields.text("slo_description", draft).map(str::to_owned);
    let goal = fields.take("slo_target").and_then(|it| draft.target(it));
    let name = [service, feature, own].into_iter().flatten().collect::<Vec<_>>().join("-");
    let said = Said { name, service, description, goal, place };
    fields.leave_all(&["exporters"], ELSEWHERE, draft);
    if let Some(mut backend) = fields.map("backend", draft) {
        let class = backend.text("class", draft).unwrap_or_default();
        let method = backend.text("method", draft).unwrap_or_default();
        let measurement = backend.map("measurement", draft);
        backend.leave_all(&["url", "headers", "project_id"], ELSEWHERE, draft);
        backend.finish(draft);
        add(said, class, method, measurement, draft);
    }
    fields.finish(draft);
}

fn add(
    said: Said<'_>,
    backend: &str,
    method: &str,
    indicator: Option<Fields<'_>>,
    draft: &mut Draft,
) {
    let Said { name, service, description, goal, place } = said;
    let what = format!("the SLO `{}`", cut(&name));
    if !backend.to_ascii_lowercase().starts_with("prometheus") {
        draft.leave_at(place, what, "only what is asked of Prometheus carries over");
        return;
    }
    let Some(fields) = indicator else {
        draft.leave_at(place, what, "it has no indicator");
        return;
    };
    let slo = match method {
        "good_bad_ratio" => good_bad(fields, &name, draft),
        "query_sli" => query_sli(fields, &name, draft),
        "distribution_cut" => distribution_cut(fields, &name, place, draft),
        other => {
            draft.leave_at(
                place,
                format!("the method `{}`", cut(other)),
                "there is no such method of Prometheus",
            );
            None
        }
    };
    let (Some(slo), Some(goal)) = (slo, goal) else {
        draft.leave_at(place, what, "its indicator or its goal is missing");
        return;
    };
    let service = service.map(|it| draft.service(place, it));
    draft.leave_at(
        place,
        "the windows over which it is looked at",
        "they are steps of a policy there: 30d is written, and the usual alerts",
    );
    let alerting = Some(evenkeel_model::document::Alerting::default());
    draft.add_slo(place, Slo { service, description, objective: Some(goal), alerting, ..slo });
}

fn good_bad(mut fields: Fields<'_>, name: &str, draft: &mut Draft) -> Option<Slo> {
    let good = fields.take("filter_good").and_then(|it| draft.expression(it));
    let bad = fields.take("filter_bad").and_then(|it| draft.expression(it));
    let valid = fields.take("filter_valid").and_then(|it| draft.expression(it));
    fields.finish(draft);
    let events = match (good, bad, valid) {
        (Some(good), None, Some(total)) => Events { counted: Counted::Good(good), total },
        (None, Some(bad), Some(total)) => Events { counted: Counted::Bad(bad), total },
        (Some(good), Some(bad), _) => {
            let total = format!("{} + {}", increase(&good), increase(&bad));
            let total = Expression::Query(Query::new(&total).ok()?);
            Events { counted: Counted::Bad(bad), total }
        }
        _ => return None,
    };
    Some(on_series(name, Measure::Events(events)))
}

/// The query for how many events there were.
fn increase(events: &Expression) -> String {
    match events {
        Expression::Selector(it) => format!("sum(increase({it}[$window]))"),
        Expression::Query(it) => format!("({it})"),
    }
}

fn query_sli(mut fields: Fields<'_>, name: &str, draft: &mut Draft) -> Option<Slo> {
    let query = fields.take("expression").and_then(|it| draft.ratio_query(it));
    fields.finish(draft);
    Some(on_series(name, Measure::Ratio(RatioQuery::Good(query?))))
}

fn distribution_cut(
    mut fields: Fields<'_>,
    name: &str,
    place: Place,
    draft: &mut Draft,
) -> Option<Slo> {
    let expression = fields.text("expression", draft).map(SeriesSelector::parse);
    let bound = fields.take("threshold_bucket").and_then(|it| draft.number(it));
    fields.finish(draft);
    let (Some(Ok(buckets)), Some(bound)) = (expression, bound) else {
        draft.wrong(
            place,
            "`distribution_cut` of no buckets",
            "Write `expression` and `threshold_bucket`.",
        );
        return None;
    };
    let base = buckets.metric.as_deref().map(|it| it.strip_suffix("_bucket").unwrap_or(it));
    let histogram = buckets.renamed(base.unwrap_or_default().to_owned());
    let threshold = Duration::try_from_secs_f64(bound).ok().filter(|it| !it.is_zero())?;
    let of = Bucketed { histogram, form: HistogramForm::Classic, bound, total: None };
    let indicator = Indicator::Latency { threshold };
    Some(Slo { series: Some(Measure::Histogram(of)), ..Slo::of(name, indicator, None) })
}

/// The steps of a policy, as windows of alerts.
fn steps(entry: &Entry, draft: &mut Draft) {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let mut windows = Vec::new();
    for item in fields.items("steps") {
        let mut step = Fields::of(item, item.place, draft);
        let factor =
            step.take("burn_rate_threshold").or_else(|| step.take("alerting_burn_rate_threshold"));
        let factor = factor.and_then(|it| draft.number(it)).filter(|it| *it > 0.0);
        let window = step.take("window").or_else(|| step.take("measurement_window_seconds"));
        let window = window.and_then(|it| draft.number(it));
        let long = window.and_then(|it| Duration::try_from_secs_f64(it).ok());
        let alert = step.text("alert", draft).or_else(|| step.text("urgent_notification", draft));
        let severity = if alert == Some("true") { Severity::Page } else { Severity::Ticket };
        step.skip(&["name", "error_budget_policy_step_name"]);
        step.leave_all(
            &[
                "message_alert",
                "message_ok",
                "overburned_consequence_message",
                "achieved_consequence_message",
            ],
            "what is done is said by the `actions` of an ErrorBudgetPolicy",
            draft,
        );
        step.finish(draft);
        if let Some((factor, long)) = factor.zip(long.filter(|it| it.as_secs() >= 60)) {
            windows.push(BurnWindow {
                severity,
                threshold: BurnThreshold::Factor(factor),
                long,
                short: None,
                sustained: Duration::ZERO,
                keep_firing: Duration::ZERO,
                labels: Labels::new(),
            });
        }
    }
    fields.finish(draft);
    if !windows.is_empty() {
        draft.add_alerts(
            entry.key_place,
            AlertPolicy { name: entry.key.clone(), ..AlertPolicy::of(windows) },
        );
    }
}
