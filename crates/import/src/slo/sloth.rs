//! Sloth: files of `prometheus/v1`, the resource `PrometheusServiceLevel`, and `AlertWindows`.
//!
//! Its windows of alerts are four where ours are three, so that they are written as an `AlertPolicy` of their own.

use std::time::Duration;

use evenkeel_model::document::{
    AlertPolicy, Alerting, Alerts, BurnThreshold, BurnWindow, Counted, Events, Labels, Measure,
    Notice, Query, RatioQuery, Severity, Slo,
};
use evenkeel_model::yaml::{Node, Place};
use evenkeel_units::Ratio;

use super::draft::{Draft, NAME_MAX, on_series};
use super::values::{labels, span};
use crate::fields::Fields;
use crate::notes::cut;

/// How a file spells its keys.
#[derive(Copy, Clone)]
struct Spelling {
    error_query: &'static str,
    total_query: &'static str,
    error_ratio_query: &'static str,
    page_alert: &'static str,
    ticket_alert: &'static str,
    slo_plugins: &'static str,
}

const FILE: Spelling = Spelling {
    error_query: "error_query",
    total_query: "total_query",
    error_ratio_query: "error_ratio_query",
    page_alert: "page_alert",
    ticket_alert: "ticket_alert",
    slo_plugins: "slo_plugins",
};

const RESOURCE: Spelling = Spelling {
    error_query: "errorQuery",
    total_query: "totalQuery",
    error_ratio_query: "errorRatioQuery",
    page_alert: "pageAlert",
    ticket_alert: "ticketAlert",
    slo_plugins: "sloPlugins",
};

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    fields.skip(&["version", "apiVersion"]);
    let kind = fields.text("kind", draft);
    match kind {
        None => file(fields, FILE, draft),
        Some("PrometheusServiceLevel") => {
            fields.leave("metadata", "it belongs to the cluster", draft);
            if let Some(spec) = fields.map("spec", draft) {
                file(spec, RESOURCE, draft);
            }
            fields.leave("status", "it belongs to the cluster", draft);
            fields.finish(draft);
        }
        Some("AlertWindows") => {
            fields.skip(&["metadata"]);
            if let Some(spec) = fields.map("spec", draft) {
                windows(spec, root.place, draft);
            }
            fields.finish(draft);
        }
        Some(other) => {
            draft.leave_at(root.place, format!("a {}", cut(other)), "Sloth has no such kind");
        }
    }
}

/// What every objective of a file has.
struct Common {
    service: Option<String>,
    labels: Labels,
    spelling: Spelling,
}

fn file(mut fields: Fields<'_>, spelling: Spelling, draft: &mut Draft) {
    let service = fields.text("service", draft);
    let labels = labels(&mut fields, "labels", draft);
    plugins(&mut fields, spelling.slo_plugins, draft);
    let common = Common { service: service.map(str::to_owned), labels, spelling };
    for item in fields.items("slos") {
        slo(item, &common, draft);
    }
    fields.finish(draft);
}

fn slo(item: &Node, common: &Common, draft: &mut Draft) {
    let mut fields = Fields::of(item, item.place, draft);
    let name = fields.text("name", draft).unwrap_or_default();
    let objective = fields.take("objective").and_then(|it| draft.objective(it));
    let description = fields.text("description", draft).map(str::to_owned);
    let mut all = common.labels.clone();
    all.extend(labels(&mut fields, "labels", draft));
    plugins(&mut fields, "plugins", draft);
    let sli = fields.map("sli", draft).and_then(|it| sli(it, item.place, common, draft));
    let alerting = fields.map("alerting", draft);
    let alerting = match alerting {
        Some(it) => alerting_of(it, common.spelling, draft),
        None => Some(Alerting::default()),
    };
    fields.finish(draft);
    let (Some(measure), Some(objective)) = (sli, objective) else {
        draft.leave_at(
            item.place,
            format!("the SLO `{}`", cut(name)),
            "its indicator or its objective is missing",
        );
        return;
    };
    // Names of Sloth are told apart by their services, as long as there is room for both.
    let full =
        common.service.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("-");
    let full = if full.len() <= NAME_MAX { full } else { name.to_owned() };
    let service = common.service.as_deref().map(|it| draft.service(item.place, it));
    let policy = alerting.is_some().then(|| usual_windows(item.place, draft));
    let alerting = alerting.zip(policy).map(|(it, policy)| Alerting { policy, ..it });
    let made = Slo {
        description,
        service,
        objective: Some(objective),
        alerting,
        labels: all,
        ..on_series(&full, measure)
    };
    draft.add_slo(item.place, made);
}

fn sli(
    mut fields: Fields<'_>,
    place: Place,
    common: &Common,
    draft: &mut Draft,
) -> Option<Measure> {
    let Spelling { error_query, total_query, error_ratio_query, .. } = common.spelling;
    let mut found = None;
    if let Some(mut events) = fields.map("events", draft) {
        let bad = events.take(error_query).and_then(|it| draft.expression(it));
        let total = events.take(total_query).and_then(|it| draft.expression(it));
        events.finish(draft);
        let both = bad.zip(total);
        found =
            both.map(|(bad, total)| Measure::Events(Events { counted: Counted::Bad(bad), total }));
    }
    if let Some(mut raw) = fields.map("raw", draft) {
        let query = raw.take(error_ratio_query).and_then(|it| draft.ratio_query(it));
        raw.finish(draft);
        found = found.or(query.map(RatioQuery::Bad).map(Measure::Ratio));
    }
    if let Some(mut plugin) = fields.map("plugin", draft) {
        let id = plugin.text("id", draft).unwrap_or_default();
        let options = plugin.map("options", draft);
        let query = match (id, options) {
            ("getting_started_availability", Some(options)) => getting_started(options, draft),
            (id, _) => {
                let why = "it is a program in Go: write the queries that it makes under `events`";
                draft.leave_at(place, format!("the plugin `{}`", cut(id)), why);
                None
            }
        };
        plugin.finish(draft);
        found = found.or(query.map(RatioQuery::Bad).map(Measure::Ratio));
    }
    fields.finish(draft);
    found
}

/// What the plugin of Sloth's examples asks: requests of a job that failed or were refused, of all of its requests.
fn getting_started(mut options: Fields<'_>, draft: &mut Draft) -> Option<Query> {
    let job = options.text("job", draft).unwrap_or_default();
    let filter =
        options.text("filter", draft).unwrap_or_default().trim_matches(['{', '}', ',', ' ']);
    options.finish(draft);
    let filter = if filter.is_empty() { String::new() } else { format!("{filter},") };
    let series = |more: &str| {
        format!(
            "sum(rate(http_request_duration_seconds_count{{{filter}job=\"{job}\"{more}}}[$window]))"
        )
    };
    Query::new(&format!("{} / {}", series(",code=~\"(5..|429)\""), series(""))).ok()
}

/// What plugins of rules do, which make no other promise.
fn plugins(fields: &mut Fields<'_>, key: &str, draft: &mut Draft) {
    let Some(mut map) = fields.map(key, draft) else { return };
    map.skip(&["overridePrevious", "override_previous"]);
    for item in map.items("chain") {
        let mut plugin = Fields::of(item, item.place, draft);
        let id = plugin.text("id", draft).unwrap_or_default();
        plugin.skip(&["priority", "config"]);
        plugin.finish(draft);
        let why = match id {
            it if it.starts_with("sloth.dev/core/debug/") => {
                "it writes to the log of Sloth, and changes nothing"
            }
            it if it.starts_with("sloth.dev/core/") => "it makes the rules that are made anyway",
            it if it.starts_with("sloth.dev/contrib/denominator_corrected_rules/") => {
                "budgets are counted by events here, so that traffic weighs as it should"
            }
            it if it.starts_with("sloth.dev/contrib/validate_victoria_metrics/") => {
                "queries are sent as they are; what only VictoriaMetrics knows, a Prometheus refuses"
            }
            it if it.starts_with("sloth.dev/contrib/rule_intervals/") => {
                "how often rules are evaluated is no part of a promise: it is said where rules are written"
            }
            it if it.starts_with("sloth.dev/contrib/info_labels/") => {
                "it labels a series of Sloth's own: write what it says under `labels`"
            }
            _ => "it is a program in Go that changes the rules of Sloth",
        };
        draft.leave_at(item.place, format!("the plugin `{}`", cut(id)), why);
    }
    map.finish(draft);
}

fn alerting_of(mut fields: Fields<'_>, spelling: Spelling, draft: &mut Draft) -> Option<Alerting> {
    let name = fields.text("name", draft).map(str::to_owned);
    let all = labels(&mut fields, "labels", draft);
    let annotations = labels(&mut fields, "annotations", draft);
    let page = notice(&mut fields, spelling.page_alert, draft);
    let ticket = notice(&mut fields, spelling.ticket_alert, draft);
    fields.finish(draft);
    if page.is_none() && ticket.is_none() {
        return None;
    }
    let policy = Alerts::Standard;
    Some(Alerting { name, policy, labels: all, annotations, page, ticket })
}

/// Labels of alerts of one severity; `None` when they are disabled.
fn notice(fields: &mut Fields<'_>, key: &str, draft: &mut Draft) -> Option<Notice> {
    let Some(mut map) = fields.map(key, draft) else { return Some(Notice::default()) };
    let disabled = map.text("disable", draft) == Some("true");
    let (all, annotations) =
        (labels(&mut map, "labels", draft), labels(&mut map, "annotations", draft));
    map.finish(draft);
    (!disabled).then_some(Notice { labels: all, annotations })
}

/// Sloth's own windows.
fn usual_windows(place: Place, draft: &mut Draft) -> Alerts {
    let hours = |it: u64| Duration::from_hours(it);
    let window = |severity, percent, long: u64, short| BurnWindow {
        severity,
        threshold: BurnThreshold::Budget(Ratio::percent(percent)),
        long: hours(long),
        short: Some(short),
        sustained: Duration::ZERO,
        keep_firing: Duration::ZERO,
        labels: Labels::new(),
    };
    let windows = vec![
        window(Severity::Page, 2, 1, Duration::from_mins(5)),
        window(Severity::Page, 5, 6, Duration::from_mins(30)),
        window(Severity::Ticket, 10, 24, hours(2)),
        window(Severity::Ticket, 10, 72, hours(6)),
    ];
    let policy = AlertPolicy { name: "sloth-30d".to_owned(), ..AlertPolicy::of(windows) };
    Alerts::Named(draft.add_alerts(place, policy))
}

/// Windows of alerts, for objectives over a period.
fn windows(mut fields: Fields<'_>, place: Place, draft: &mut Draft) {
    let period = fields.take("sloPeriod");
    let name = period.and_then(|it| it.value.text()).unwrap_or_default();
    if let Some(entry) = period.filter(|it| it.value.text().and_then(span).is_none()) {
        draft.wrong(entry.key_place, "`sloPeriod` is no time", "Write one such as `30d`.");
    }
    let mut all = Vec::new();
    for (key, severity) in [("page", Severity::Page), ("ticket", Severity::Ticket)] {
        let Some(mut pair) = fields.map(key, draft) else { continue };
        for speed in ["quick", "slow"] {
            let Some(mut window) = pair.map(speed, draft) else { continue };
            let share = window.take("errorBudgetPercent").and_then(|it| draft.percent(it));
            let short = window.take("shortWindow").and_then(|it| draft.span(it));
            let long = window.take("longWindow").and_then(|it| draft.span(it));
            window.finish(draft);
            if let (Some(share), Some(short), Some(long)) = (share, short, long) {
                all.push(BurnWindow {
                    severity,
                    threshold: BurnThreshold::Budget(share),
                    long,
                    short: Some(short),
                    sustained: Duration::ZERO,
                    keep_firing: Duration::ZERO,
                    labels: Labels::new(),
                });
            }
        }
        pair.finish(draft);
    }
    fields.finish(draft);
    if !all.is_empty() {
        let name = format!("sloth-windows-{name}");
        draft.add_alerts(place, AlertPolicy { name, ..AlertPolicy::of(all) });
        let why = "the policy is used by objectives that name it: write `alerting: …` there";
        draft.leave_at(place, "which objectives these windows are for", why);
    }
}
