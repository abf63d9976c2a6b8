//! Objectives and policies as YAML: what is not the default, in the words people write it in.

use std::time::Duration;

use evenkeel_model::document::{
    Action, AlertPolicy, Alerting, Alerts, Bucketed, BudgetThreshold, BurnThreshold, BurnWindow,
    CalendarPeriod, Counted, Document, ErrorBudgetPolicy, Events, Exclusion, ExclusionEnd,
    ExclusionTime, Figure, Gate, HistogramForm, Indicator, Labels, LowTraffic, Measure, NoData,
    Notice, RatioQuery, Severity, Sla, Slo, TimeSlices, Window,
};
use evenkeel_units::Ratio;

use crate::figures::{duration, rate};
use crate::map::{Map, document as whole, one};
use crate::tree::Tree;

/// One document, which is read back as the same; `None` when it is none about objectives.
pub(super) fn document(document: &Document) -> Option<String> {
    let (kind, name) = (document.kind(), document.name());
    let spec = match document {
        Document::Slo(it) => slo(it),
        Document::AlertPolicy(it) => alert_policy(it),
        Document::ErrorBudgetPolicy(it) => error_budget_policy(it),
        Document::Sla(it) => sla(it),
        Document::Service(_)
        | Document::LoadTest(_)
        | Document::ChaosExperiment(_)
        | Document::Drill(_)
        | Document::GameDay(_)
        | Document::Resilience(_)
        | Document::LoadBalancer(_)
        | Document::Patroni(_) => return None,
    };
    Some(whole(kind, name, spec).document())
}

fn slo(slo: &Slo) -> Tree {
    let mut spec = Map::default();
    spec.put_text("description", slo.description.as_ref());
    spec.put_text("service", slo.service.as_ref());
    spec.put_text("route", slo.route.as_ref());
    spec.put("sli", sli(slo));
    spec.put_text("objective", slo.objective.as_ref());
    spec.put_unless("window", &slo.window, &Window::Rolling(Slo::WINDOW), window);
    if let Some(it) = slo.time_slices {
        let is_usual = it.length == TimeSlices::LENGTH && it.target.is_none();
        // What is no event is counted by the minute anyway.
        if !(is_usual && matches!(slo.series, Some(Measure::Figure(_)))) {
            let mut slices = Map::default().with("length", duration(it.length));
            slices.put_text("target", it.target.as_ref());
            spec.put("timeSlices", slices.done());
        }
    }
    spec.put_unless("noData", &slo.no_data, &NoData::default(), |it| {
        let name = NoData::NAMES.iter().find(|(_, of)| of == it);
        Tree::text(name.map_or("", |(name, _)| name))
    });
    spec.put_list("quantiles", &slo.quantiles, Tree::text);
    spec.put_text("owner", slo.owner.as_ref());
    put_labels(&mut spec, "labels", &slo.labels);
    spec.put_list("exclusions", &slo.exclusions, exclusion);
    match &slo.alerting {
        None => spec.put("alerting", Tree::text("none")),
        Some(it) => spec.put_unless("alerting", it, &Alerting::default(), alerting),
    }
    spec.done()
}

fn sli(slo: &Slo) -> Tree {
    let mut map = Map::default();
    let kind = match (&slo.indicator, &slo.series) {
        (Indicator::Availability, series) => {
            put_events(&mut map, series.as_ref());
            if map.is_empty() {
                return Tree::text("availability");
            }
            "availability"
        }
        (Indicator::Latency { threshold }, series) => {
            map.put("threshold", duration(*threshold));
            put_histogram(&mut map, *threshold, series.as_ref());
            "latency"
        }
        (Indicator::Percentile { quantile, threshold }, series) => {
            map.put("quantile", Tree::text(quantile));
            map.put("threshold", duration(*threshold));
            put_histogram(&mut map, *threshold, series.as_ref());
            "percentile"
        }
        (Indicator::ErrorRate { max }, series) => {
            map.put("max", Tree::text(max));
            put_events(&mut map, series.as_ref());
            "errorRate"
        }
        (Indicator::Throughput { min }, series) => {
            map.put("min", rate(*min));
            if let Some(Measure::Figure(Figure::Throughput { total, .. })) = series {
                map.put("total", Tree::text(total));
            }
            "throughput"
        }
        (Indicator::OfSeries, Some(measure)) => return of_series(measure),
        (Indicator::OfSeries, None) => return Tree::text("availability"),
    };
    one(kind, map.done())
}

fn of_series(measure: &Measure) -> Tree {
    let mut map = Map::default();
    let kind = match measure {
        Measure::Events(_) => {
            put_events(&mut map, Some(measure));
            "ratio"
        }
        Measure::Histogram(it) => {
            let threshold = Duration::try_from_secs_f64(it.bound).unwrap_or_default();
            map.put("threshold", duration(threshold));
            put_histogram(&mut map, threshold, Some(measure));
            "latency"
        }
        Measure::Ratio(RatioQuery::Bad(query)) => {
            map.put("errorRatio", Tree::text(query));
            "raw"
        }
        Measure::Ratio(RatioQuery::Good(query)) => {
            map.put("successRatio", Tree::text(query));
            "raw"
        }
        Measure::Figure(Figure::Gauge { query, limit }) => {
            map.put("query", Tree::text(query));
            map.put("value", Tree::text(limit));
            "gauge"
        }
        Measure::Figure(Figure::Freshness { timestamp, by, max_age }) => {
            map.put("timestamp", Tree::text(timestamp));
            map.put_list("by", by, Tree::text);
            map.put("maxAge", duration(*max_age));
            "freshness"
        }
        Measure::Figure(Figure::Throughput { total, min }) => {
            map.put("min", rate(*min));
            map.put("total", Tree::text(total));
            "throughput"
        }
        Measure::Composite(parts) => {
            let part = |it: &evenkeel_model::document::Component| {
                let map = Map::default().with("slo", Tree::text(&it.slo));
                map.with("weight", Tree::word(&it.weight)).done()
            };
            return one("composite", Tree::List(parts.iter().map(part).collect()));
        }
    };
    one(kind, map.done())
}

fn put_events(map: &mut Map, measure: Option<&Measure>) {
    let Some(Measure::Events(Events { counted, total })) = measure else { return };
    match counted {
        Counted::Good(it) => map.put("good", Tree::text(it)),
        Counted::Bad(it) => map.put("bad", Tree::text(it)),
    }
    map.put("total", Tree::text(total));
}

fn put_histogram(map: &mut Map, threshold: Duration, measure: Option<&Measure>) {
    let Some(Measure::Histogram(Bucketed { histogram, form, bound, total })) = measure else {
        return;
    };
    let field = match form {
        HistogramForm::Classic => "histogram",
        HistogramForm::Native => "nativeHistogram",
    };
    map.put(field, Tree::text(histogram));
    if bound.to_bits() != threshold.as_secs_f64().to_bits() {
        map.put("le", Tree::word(bound));
    }
    map.put_text("total", total.as_ref());
}

fn window(window: &Window) -> Tree {
    match window {
        Window::Rolling(length) => duration(*length),
        Window::Calendar(it) => {
            let word = CalendarPeriod::NAMES.iter().find(|(_, of)| *of == it.period);
            let mut map = Map::default();
            map.put("calendar", Tree::text(word.map_or("", |(word, _)| word)));
            map.put_unless("timeZone", &it.time_zone, &"UTC".to_owned(), Tree::text);
            map.put_text("from", it.from.as_ref());
            map.done()
        }
    }
}

fn put_labels(map: &mut Map, field: &str, labels: &Labels) {
    if !labels.is_empty() {
        let labels = labels.iter().map(|(key, value)| (key.clone(), Tree::text(value)));
        map.put(field, Tree::Map(labels.collect()));
    }
}

fn exclusion(exclusion: &Exclusion) -> Tree {
    let time = |it: &ExclusionTime| match it {
        ExclusionTime::Local(it) => Tree::text(it),
        ExclusionTime::Instant(it) => Tree::text(it),
    };
    let mut map = Map::default();
    map.put_text("reason", exclusion.reason.as_ref());
    map.put_text("by", exclusion.by.as_ref());
    exclusion.entered.iter().for_each(|it| map.put("entered", time(it)));
    map.put("from", time(&exclusion.from));
    match &exclusion.end {
        ExclusionEnd::Until(it) => map.put("until", time(it)),
        ExclusionEnd::After(it) => map.put("duration", duration(*it)),
    }
    map.put_text("rrule", exclusion.rule.as_ref());
    map.put_unless("timeZone", &exclusion.time_zone, &"UTC".to_owned(), Tree::text);
    map.done()
}

fn alerting(alerting: &Alerting) -> Tree {
    let usual = Alerting::default();
    let mut map = Map::default();
    map.put_text("name", alerting.name.as_ref());
    match &alerting.policy {
        Alerts::Standard => {}
        Alerts::Named(name) => map.put("policy", Tree::text(name)),
        Alerts::Own(own) => map.put("policy", alert_policy(own)),
    }
    put_labels(&mut map, "labels", &alerting.labels);
    put_labels(&mut map, "annotations", &alerting.annotations);
    map.put_unless("page", &alerting.page, &usual.page, |it| notice(it.as_ref()));
    map.put_unless("ticket", &alerting.ticket, &usual.ticket, |it| notice(it.as_ref()));
    map.done()
}

fn notice(notice: Option<&Notice>) -> Tree {
    let Some(notice) = notice else { return none() };
    let mut map = Map::default();
    put_labels(&mut map, "labels", &notice.labels);
    put_labels(&mut map, "annotations", &notice.annotations);
    map.done()
}

fn alert_policy(policy: &AlertPolicy) -> Tree {
    let mut map = Map::default();
    map.put_text("description", policy.description.as_ref());
    map.put_list("windows", &policy.windows, burn_window);
    map.put_unless("lowTraffic", &policy.low_traffic, &Some(LowTraffic::default()), |it| {
        low_traffic(it.as_ref())
    });
    map.put_unless("hysteresis", &policy.hysteresis, &Ratio::ZERO, Tree::text);
    map.put_unless("inhibit", &policy.inhibit, &true, Tree::word);
    map.done()
}

fn low_traffic(of: Option<&LowTraffic>) -> Tree {
    let Some(LowTraffic { below, confidence, min_bad, min_events }) = of else { return none() };
    let map = Map::default().with("below", Tree::word(below));
    let map = map.with("confidence", Tree::text(confidence));
    map.with("minBad", Tree::word(min_bad)).with("minEvents", Tree::word(min_events)).done()
}

fn none() -> Tree {
    Tree::text("none")
}

fn burn_window(window: &BurnWindow) -> Tree {
    let mut map = Map::default();
    map.put("severity", Tree::text(window.severity.name()));
    match window.threshold {
        BurnThreshold::Factor(it) => map.put("factor", Tree::word(&it)),
        BurnThreshold::Budget(it) => map.put("budget", Tree::text(&it)),
    }
    map.put("long", duration(window.long));
    let usual = Some(window.long / BurnWindow::SHORT);
    map.put_unless("short", &window.short, &usual, |it| it.map_or_else(none, duration));
    map.put_unless("for", &window.sustained, &Duration::ZERO, |it| duration(*it));
    map.put_unless("keepFiring", &window.keep_firing, &Duration::ZERO, |it| duration(*it));
    put_labels(&mut map, "labels", &window.labels);
    map.done()
}

fn error_budget_policy(policy: &ErrorBudgetPolicy) -> Tree {
    let mut map = Map::default();
    map.put_text("description", policy.description.as_ref());
    map.put_text("service", policy.service.as_ref());
    map.put_list("objectives", &policy.objectives, Tree::text);
    map.put_list("thresholds", &policy.thresholds, |it: &BudgetThreshold| {
        let mut map = Map::default().with("remaining", Tree::text(&it.remaining));
        map.put_list("actions", &it.actions, action);
        map.done()
    });
    map.put_unless("hysteresis", &policy.hysteresis, &Ratio::ZERO, Tree::text);
    if let Some(it) = &policy.gate {
        map.put("gate", gate(it));
    }
    map.done()
}

fn action(action: &Action) -> Tree {
    let mut map = Map::default();
    let (kind, field, value, description) = match action {
        Action::Notify { target, description } => ("notify", "target", Some(target), description),
        Action::Review { description } => ("review", "", None, description),
        Action::Freeze { scope, description, .. } => {
            ("freeze", "scope", scope.as_ref(), description)
        }
        Action::Ticket { target, description } => {
            ("ticket", "target", target.as_ref(), description)
        }
        Action::Incident { priority, description } => {
            ("incident", "priority", priority.as_ref(), description)
        }
    };
    map.put_text(field, value);
    if let Action::Freeze { spares, .. } = action {
        map.put_list("spares", spares, Tree::text);
    }
    map.put_text("description", description.as_ref());
    if map.is_empty() { Tree::text(kind) } else { one(kind, map.done()) }
}

fn gate(gate: &Gate) -> Tree {
    let mut map = Map::default();
    map.put("minRemaining", Tree::text(&gate.min_remaining));
    let usual = Gate::default().closed_by;
    let word = |it: &Option<Severity>| it.map_or_else(none, |it| Tree::text(it.name()));
    map.put_unless("closedBy", &gate.closed_by, &usual, word);
    map.put_list("exceptions", &gate.exceptions, Tree::text);
    map.done()
}

fn sla(sla: &Sla) -> Tree {
    let mut map = Map::default();
    map.put_text("description", sla.description.as_ref());
    map.put_text("customer", sla.customer.as_ref());
    map.put("slo", Tree::text(&sla.slo));
    sla.window.iter().for_each(|it| map.put("window", window(it)));
    map.put_list("credits", &sla.credits, |it| {
        let map = Map::default().with("below", Tree::text(&it.below));
        map.with("credit", Tree::text(&it.credit)).done()
    });
    map.put_list("exclusions", &sla.exclusions, exclusion);
    map.done()
}
