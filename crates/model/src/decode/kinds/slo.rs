//! What an `SLO` is made of.

use serde_json::json;

use self::indicator::{CARRY_LIMIT, Sli, WANT_OBJECTIVE, indicator};
use crate::decode::codec::{Any, Forms, List, Mapped, Named, Object};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::series::{label, moment, recurrence};
use crate::decode::values::{length, name, promise, prose, quantile, share, some_share, title};
use crate::document::{
    Calendar, CalendarPeriod, Exclusion, ExclusionEnd, Figure, Indicator, Labels, Measure, NoData,
    Quantile, Slo, TimeSlices, Window,
};

mod alerting;
mod indicator;

pub(super) const SPEC: Object<Slo> = Object { title: "SLO", fields: slo };

fn slo(f: &mut Fields<'_>) -> Option<Slo> {
    let description = f.optional("description", "For people.", prose());
    let service = f.optional("service", "The service it is about.", name());
    let sentence = "Only requests of this route count. Default: all.";
    let route = f.optional("route", sentence, title());
    let sli = f.required("sli", "What is measured.", indicator());
    let sentence = "The share of good events promised, below 100%. `percentile` and `errorRate` carry their own limit; \
                    `throughput` has it on series alone, as the share of time.";
    let objective = f.optional("objective", sentence, promise());
    let sentence =
        "The time over which the promise holds: the last so long, or a period of the calendar.";
    let window = f.default("window", sentence, window(), "30d");
    let sentence = "Slices of time are counted instead of events. What is no event is counted by slices anyway, of a minute.";
    let slices = Object { title: "TimeSlices", fields: time_slices };
    let time_slices = f.optional("timeSlices", sentence, slices);
    let sentence =
        "What time without data means: nothing, that all is as it was, or that all was bad.";
    let no_data = super::words("`hold`, `ignore` or `bad`", &NoData::NAMES);
    let no_data = f.default("noData", sentence, no_data, "ignore");
    let sentence = "Percentiles that are shown beside it, and judge nothing.";
    let quantiles = f.or_empty("quantiles", sentence, List { of: quantile(), min: 0 });
    let sentence = "Who is told that the budget burns: `none`, the name of an AlertPolicy, or more. Default: pages and \
                    tickets, by windows that fit its own.";
    let alerting = f.default("alerting", sentence, alerting::alerting(), "default");
    let owner = f.optional("owner", "Who answers for it.", prose());
    let sentence = "What is written on everything that comes of it.";
    let labels = labels(f, "labels", sentence);
    let exclusions = f.or_empty("exclusions", EXCLUSIONS, exclusions());
    rules(f);
    let it = Slo {
        name: String::new(),
        description,
        service,
        route,
        indicator: Indicator::OfSeries,
        objective,
        window: window?,
        series: None,
        time_slices,
        no_data: no_data?,
        quantiles: quantiles?,
        alerting: alerting?,
        owner,
        labels: labels?,
        exclusions: exclusions?,
    };
    fit(f, it, sli?)
}

/// What the schema says about objectives.
fn rules(f: &mut Fields<'_>) {
    let of = |kinds: &[&str]| -> Vec<_> {
        kinds.iter().map(|it| json!({"type": "object", "required": [it]})).collect()
    };
    let throughput = |with: bool| {
        let total = json!({"required": ["total"]});
        let body = if with { total } else { json!({"not": total}) };
        json!({"type": "object", "required": ["throughput"], "properties": {"throughput": body}})
    };
    f.rule(|| {
        let mut wants = of(&WANT_OBJECTIVE);
        wants.extend([json!({"const": "availability"}), throughput(true)]);
        json!({
            "if": {"required": ["sli"], "properties": {"sli": {"anyOf": wants}}},
            "then": {"required": ["objective"]},
        })
    });
    f.rule(|| {
        let mut others = of(&CARRY_LIMIT);
        others.push(throughput(false));
        json!({
            "if": {"required": ["sli"], "properties": {"sli": {"anyOf": others}}},
            "then": {"not": {"required": ["objective"]}},
        })
    });
}

/// What is measured, put beside what is promised of it.
fn fit(f: &mut Fields<'_>, it: Slo, sli: Sli) -> Option<Slo> {
    let Sli { indicator, series } = sli;
    let carries = match indicator {
        Indicator::Percentile { .. } | Indicator::ErrorRate { .. } => true,
        Indicator::Throughput { .. } => series.is_none(),
        Indicator::Availability | Indicator::Latency { .. } | Indicator::OfSeries => false,
    };
    match (carries, f.has("objective")) {
        (false, false) => {
            let help = "Give the share of requests that must be good, such as `objective: 99.9%`.";
            f.refuse("", codes::MISSING_FIELD, "the field `objective` is missing", help);
        }
        (true, true) => {
            let help = "This indicator carries its own limit; leave `objective` away.";
            f.refuse("objective", codes::EXCLUSIVE, "`objective` beside a limit", help);
        }
        _ => {}
    }
    let counts_time = matches!(series, Some(Measure::Figure(_)));
    let target = it.time_slices.and_then(|it| it.target);
    if counts_time && target.is_some() {
        let help = "The figure keeps its limit in a slice, or does not; leave `target` away.";
        f.refuse("timeSlices/target", codes::RANGE, "slices of a figure have no share", help);
    }
    if matches!(series, Some(Measure::Composite(_))) && it.time_slices.is_some() {
        let help = "Give slices to the objectives that it is made of.";
        f.refuse("timeSlices", codes::RANGE, "slices of other objectives together", help);
    }
    let has_histogram = matches!(series, Some(Measure::Histogram(_)));
    if !it.quantiles.is_empty() && !has_histogram {
        let help =
            "Percentiles are read off a histogram: give `latency` or `percentile` its `histogram`.";
        f.refuse("quantiles", codes::RANGE, "percentiles of no histogram", help);
    }
    let slices = TimeSlices { length: TimeSlices::LENGTH, target: None };
    let time_slices = it.time_slices.or(counts_time.then_some(slices));
    let longest = match &series {
        Some(Measure::Figure(Figure::Freshness { .. })) | None => None,
        Some(_) => time_slices.map(|it| it.length),
    };
    if longest.is_some_and(|length| length > it.window.length()) {
        let help = "A window has many slices; give shorter ones, or a longer window.";
        f.refuse("timeSlices/length", codes::RANGE, "slices longer than the window", help);
    }
    Some(Slo { indicator, series, time_slices, ..it })
}

fn time_slices(f: &mut Fields<'_>) -> Option<TimeSlices> {
    let sentence = "How long each slice is.";
    let length = f.default("length", sentence, length(), "1m");
    let sentence = "A slice is good when this share of its events is. Default: each slice counts by its share of good \
                    events, however many they are.";
    let target = f.optional("target", sentence, some_share());
    Some(TimeSlices { length: length?, target })
}

/// A time over which a promise holds.
pub(super) fn window() -> Forms<Window> {
    let rolling: Any<Window> = Box::new(Mapped { of: length(), into: Window::Rolling });
    Forms {
        expected: "a duration such as `30d`, or `{calendar: month}`",
        scalar: Some(rolling),
        list: None,
        map: Some(Box::new(Object { title: "CalendarWindow", fields: calendar })),
    }
}

fn calendar(f: &mut Fields<'_>) -> Option<Window> {
    let words = super::words("a period of the calendar", &CalendarPeriod::NAMES);
    let period =
        f.required("calendar", "The period at whose end the budget is whole again.", words);
    let sentence = "IANA name of the zone whose clocks say when it ends.";
    let time_zone = f.default("timeZone", sentence, prose(), "UTC");
    let sentence = "When one of the periods began, on those clocks. Default: Mondays, the first of a month, January.";
    let from = f.optional("from", sentence, local());
    Some(Window::Calendar(Calendar { period: period?, time_zone: time_zone?, from }))
}

/// A moment on the clocks of a zone that stands beside it.
fn local() -> crate::decode::codec::Word<jiff::civil::DateTime> {
    use crate::decode::codec::{Problem, Takes, Word, cut};
    let parse = |text: &str| {
        text.trim().parse().map_err(|_| {
            let message = format!("`{}` is no date", cut(text));
            let help = "Write date and time such as `2026-01-31T06:00`.";
            Problem::new(codes::MOMENT, message, help)
        })
    };
    let schema = || json!({"examples": ["2026-01-31T06:00"]});
    Word { expected: "a date such as `2026-01-31`", takes: Takes::Text, parse, schema }
}

/// Labels, as series and alerts have them.
pub(super) fn labels(
    f: &mut Fields<'_>,
    field: &'static str,
    sentence: &'static str,
) -> Option<Labels> {
    let labels = f.or_empty(field, sentence, Named { key: label(), of: prose() })?;
    Some(labels.into_iter().collect())
}

/// What `exclusions` are.
pub(super) const EXCLUSIONS: &str = "Times that do not count.";

/// Times that do not count.
pub(super) fn exclusions() -> List<Object<Exclusion>> {
    List { of: Object { title: "Exclusion", fields: exclusion }, min: 0 }
}

fn exclusion(f: &mut Fields<'_>) -> Option<Exclusion> {
    let reason = f.optional("reason", "Why, for the ledger.", prose());
    let by = f.optional("by", "Who entered it.", prose());
    let sentence =
        "When they did; what was announced is told from what was entered after the fact.";
    let entered = f.optional("entered", sentence, moment());
    let from = f.required("from", "When it begins; for the first time, when it recurs.", moment());
    let until = f.optional("until", "When it ends.", moment());
    let duration = f.optional("duration", "How long it lasts.", length());
    let sentence = "When it begins again, as RFC 5545 writes it.";
    let rule = f.optional("rrule", sentence, recurrence());
    let sentence = "IANA name of the zone of times without an offset.";
    let time_zone = f.default("timeZone", sentence, prose(), "UTC");
    f.exactly_one(&["until", "duration"]);
    f.never_beside("rrule", &["until"], "Say with `duration` how long each time lasts.");
    let end = until.map(ExclusionEnd::Until).or(duration.map(ExclusionEnd::After));
    let (from, end, time_zone) = (from?, end?, time_zone?);
    Some(Exclusion { reason, by, entered, from, end, rule, time_zone })
}

/// A percentile and the share it stands for are one promise.
pub(super) fn limit_of(f: &mut Fields<'_>) -> Option<Quantile> {
    f.required("quantile", "Which percentile, such as `p99`.", quantile())
}

/// A share that must not be exceeded.
pub(super) fn most(f: &mut Fields<'_>) -> Option<evenkeel_units::Ratio> {
    f.required("max", "The limit on it.", share())
}
