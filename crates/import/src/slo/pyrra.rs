//! Pyrra: the resource `ServiceLevelObjective`.
//!
//! Its windows of alerts are made for 28 days and stretched to others; they are written as an `AlertPolicy`.

use std::time::Duration;

use evenkeel_model::document::{
    AlertPolicy, Alerting, Alerts, Bucketed, BurnThreshold, BurnWindow, Counted, Events,
    Expression, Figure, HistogramForm, Indicator, Labels, Limit, Measure, SeriesSelector, Severity,
    Slo, TimeSlices, Window,
};
use evenkeel_model::yaml::{Entry, Node, Place};

use super::draft::{Draft, on_series};
use super::values::label_name;
use crate::fields::Fields;

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    fields.skip(&["apiVersion", "kind"]);
    let (mut name, mut labels) = ("", Labels::new());
    if let Some(mut metadata) = fields.map("metadata", draft) {
        name = metadata.text("name", draft).unwrap_or_default();
        if let Some(map) = metadata.map("labels", draft) {
            for entry in map.rest() {
                let own = entry.key.strip_prefix("pyrra.dev/").and_then(label_name);
                match own.zip(entry.value.text()) {
                    Some((key, value)) => {
                        labels.insert(key, value.to_owned());
                    }
                    None => draft.leave(entry, "it belongs to the cluster"),
                }
            }
        }
        metadata.finish_as("it belongs to the cluster", draft);
    }
    if let Some(spec) = fields.map("spec", draft) {
        self::spec(spec, name, labels, root.place, draft);
    }
    fields.leave("status", "it belongs to the cluster", draft);
    fields.finish(draft);
}

fn spec(mut spec: Fields<'_>, name: &str, labels: Labels, place: Place, draft: &mut Draft) {
    let target = spec.take("target").and_then(|it| draft.objective(it));
    let window = spec.take("window").and_then(|it| draft.span(it));
    let description = spec.text("description", draft).map(str::to_owned);
    let measured = spec.map("indicator", draft).and_then(|it| indicator(it, name, draft));
    let window = window.unwrap_or(Slo::WINDOW);
    let alerting = spec.map("alerting", draft);
    let alerting = match alerting {
        Some(it) => self::alerting(it, draft),
        None => Some(Alerting::default()),
    };
    spec.leave("rulenamespace", "where rules are written is no part of a promise", draft);
    spec.leave(
        "performanceOverAccuracy",
        "increases are added up exactly, and cost no more for it",
        draft,
    );
    spec.finish(draft);
    let (Some(slo), Some(objective)) = (measured, target) else {
        draft.leave_at(
            place,
            format!("the SLO `{name}`"),
            "its indicator or its target is missing",
        );
        return;
    };
    let policy = alerting.is_some().then(|| windows(window, place, draft));
    let alerting = alerting.zip(policy).map(|(it, policy)| Alerting { policy, ..it });
    let window = Window::Rolling(window);
    draft.add_slo(
        place,
        Slo { description, objective: Some(objective), window, alerting, labels, ..slo },
    );
}

/// What is measured; `metric` of a part is a selector.
fn indicator(mut fields: Fields<'_>, name: &str, draft: &mut Draft) -> Option<Slo> {
    let mut found = None;
    if let Some(mut ratio) = fields.map("ratio", draft) {
        let bad = metric(&mut ratio, "errors", draft);
        let total = metric(&mut ratio, "total", draft);
        done(ratio, draft);
        found = bad
            .zip(total)
            .map(|((bad, _), (total, _))| events(name, Counted::Bad(bad.into()), total));
    }
    if let Some(mut latency) = fields.map("latency", draft) {
        let good = metric(&mut latency, "success", draft);
        let total = metric(&mut latency, "total", draft);
        done(latency, draft);
        found = good.zip(total).map(|((good, at), (total, _))| {
            bucketed(name, &good, &total).unwrap_or_else(|| {
                let why = "the good ones are no bucket of a histogram: a ratio is written";
                draft.leave_at(at, "the latency of it", why);
                events(name, Counted::Good(good.into()), total)
            })
        });
    }
    for key in ["latencyNative", "latency_native"] {
        let Some(mut native) = fields.map(key, draft) else { continue };
        let total = metric(&mut native, "total", draft);
        let threshold = native.take("latency").and_then(|it| draft.span(it));
        done(native, draft);
        found = total.zip(threshold).map(|((histogram, _), threshold)| {
            let bound = threshold.as_secs_f64();
            let form = HistogramForm::Native;
            let of = Bucketed { histogram, form, bound, total: None };
            let indicator = Indicator::Latency { threshold };
            Slo { series: Some(Measure::Histogram(of)), ..Slo::of(name, indicator, None) }
        });
    }
    for key in ["bool_gauge", "boolGauge"] {
        let Some(mut gauge) = fields.map(key, draft) else { continue };
        let metric = gauge.take("metric");
        done(gauge, draft);
        found = metric.and_then(|it| up(name, it, draft));
    }
    fields.finish(draft);
    found
}

/// A gauge that is 1 when all is well.
fn up(name: &str, metric: &Entry, draft: &mut Draft) -> Option<Slo> {
    let (selector, place) = selector(metric, draft)?;
    let why = "each reading counts there; here each minute in which all of them are 1";
    draft.leave_at(place, "how often it is read", why);
    let limit = Limit::parse(">= 1")?;
    let figure = Figure::Gauge { query: selector.to_string(), limit };
    let time_slices = Some(TimeSlices { length: TimeSlices::LENGTH, target: None });
    Some(Slo { time_slices, ..on_series(name, Measure::Figure(figure)) })
}

/// Groups of an objective, of which each has a budget there.
fn done(mut fields: Fields<'_>, draft: &mut Draft) {
    fields.leave(
        "grouping",
        "one objective has one budget here: all groups are counted together; write an SLO for each that matters",
        draft,
    );
    fields.finish(draft);
}

fn metric(
    fields: &mut Fields<'_>,
    key: &str,
    draft: &mut Draft,
) -> Option<(SeriesSelector, Place)> {
    let mut part = fields.map(key, draft)?;
    let metric = part.take("metric");
    part.finish(draft);
    metric.and_then(|it| selector(it, draft))
}

fn selector(entry: &Entry, draft: &mut Draft) -> Option<(SeriesSelector, Place)> {
    let text = entry.value.text().unwrap_or_default();
    match SeriesSelector::parse(text) {
        Ok(it) => Some((it, entry.key_place)),
        Err(error) => {
            let message = format!("`metric` selects no series: {error}");
            draft.wrong(entry.key_place, message, "Write a metric, with labels or without.");
            None
        }
    }
}

fn events(name: &str, counted: Counted, total: SeriesSelector) -> Slo {
    let total = total.into();
    on_series(name, Measure::Events(Events { counted, total }))
}

/// A bucket of a histogram, and all of it; `None` when the good ones are none.
fn bucketed(name: &str, good: &SeriesSelector, total: &SeriesSelector) -> Option<Slo> {
    let base = good.metric.as_deref()?.strip_suffix("_bucket")?;
    let bound = good.matchers.iter().find(|it| it.name == "le")?.value.parse::<f64>().ok()?;
    let threshold = Duration::try_from_secs_f64(bound).ok().filter(|it| !it.is_zero())?;
    let mut histogram = good.renamed(base.to_owned());
    histogram.matchers.retain(|it| it.name != "le");
    let own = histogram.renamed(format!("{base}_count"));
    let total = (*total != own).then(|| Expression::Selector(total.clone()));
    let of = Bucketed { histogram, form: HistogramForm::Classic, bound, total };
    let indicator = Indicator::Latency { threshold };
    Some(Slo { series: Some(Measure::Histogram(of)), ..Slo::of(name, indicator, None) })
}

fn alerting(mut fields: Fields<'_>, draft: &mut Draft) -> Option<Alerting> {
    let name = fields.text("name", draft).map(str::to_owned);
    let mut silent = fields.text("disabled", draft) == Some("true");
    silent |= fields.text("burnrates", draft) == Some("false");
    fields.leave_all(
        &["absent", "absentName"],
        "there is no alert of its own for series that are gone: `noData` says what that means",
        draft,
    );
    fields.leave("burnRateType", "factors are those of the windows, whatever the traffic", draft);
    fields.finish(draft);
    (!silent).then(|| Alerting { name, ..Alerting::default() })
}

/// Pyrra's windows, stretched from 28 days to those of the objective.
fn windows(window: Duration, place: Place, draft: &mut Draft) -> Alerts {
    // A part of the window, to the minute.
    let part = |parts: u64| {
        let minutes = (window.as_secs() / parts.max(1) + 30) / 60;
        Duration::from_mins(minutes.max(1))
    };
    let day = 28;
    let made = |severity: Severity, word: &str, factor, long, short, sustained| BurnWindow {
        severity,
        threshold: BurnThreshold::Factor(factor),
        long,
        short: Some(short),
        sustained,
        keep_firing: Duration::ZERO,
        labels: Labels::from([("severity".to_owned(), word.to_owned())]),
    };
    let (hour, page, ticket) = (day * 24, Severity::Page, Severity::Ticket);
    let all = vec![
        made(page, "critical", 14.0, part(hour), part(hour * 12), part(hour * 30)),
        made(page, "critical", 7.0, part(day * 4), part(hour * 2), part(hour * 4)),
        made(ticket, "warning", 2.0, part(day), part(day * 12), part(hour)),
        made(ticket, "warning", 1.0, part(7), part(day * 4), part(day * 8)),
    ];
    // In a window of hours the short ones would be no shorter.
    let fits = |it: &BurnWindow| it.short < Some(it.long);
    let all: Vec<_> = all.into_iter().filter(fits).collect();
    if all.is_empty() {
        return Alerts::Standard;
    }
    let days = window.as_secs().div_ceil(86_400);
    let policy = AlertPolicy { name: format!("pyrra-{days}d"), ..AlertPolicy::of(all) };
    Alerts::Named(draft.add_alerts(place, policy))
}
