//! What `sli` of an `SLO` is made of: one kind, with where it is counted on series.

use std::time::Duration;

use serde_json::json;

use crate::decode::codec::{Any, Integer, List, Mapped, Object, OneKey};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::call::some_text;
use crate::decode::values::condition::plain;
use crate::decode::values::series::{bound, expression, label, selector, window_query};
use crate::decode::values::{busy_rate, length, name};
use crate::document::{
    Bucketed, Component, Counted, Events, Figure, HistogramForm, Indicator, Measure, RatioQuery,
};

/// What is measured of requests, and on series.
pub(super) struct Sli {
    pub(super) indicator: Indicator,
    pub(super) series: Option<Measure>,
}

impl Sli {
    /// Nothing that a load could count.
    const fn of_series(measure: Measure) -> Self {
        Self { indicator: Indicator::OfSeries, series: Some(measure) }
    }
}

/// The kinds that want an objective, beside `availability` written as a word.
pub(super) const WANT_OBJECTIVE: [&str; 7] =
    ["availability", "latency", "ratio", "gauge", "freshness", "raw", "composite"];

/// The kinds that carry a limit of their own.
pub(super) const CARRY_LIMIT: [&str; 2] = ["percentile", "errorRate"];

pub(super) fn indicator() -> OneKey<Sli> {
    let body = |title, fields| -> Any<Sli> { Box::new(Object { title, fields }) };
    let components = List { of: Object { title: "Component", fields: component }, min: 1 };
    let composite = Mapped { of: components, into: |it| Sli::of_series(Measure::Composite(it)) };
    OneKey {
        expected: "an indicator",
        kinds: vec![
            (
                "availability",
                "Share of requests that were answered right.",
                body("Availability", availability),
            ),
            (
                "latency",
                "Share of requests that were answered right and in time.",
                body("LatencyIndicator", latency),
            ),
            (
                "percentile",
                "The time within which a share of the requests is answered.",
                body("PercentileIndicator", percentile),
            ),
            ("errorRate", "Share of requests that failed.", body("ErrorRateIndicator", error_rate)),
            (
                "throughput",
                "Requests answered right, each second.",
                body("ThroughputIndicator", throughput),
            ),
            (
                "ratio",
                "Share of good events of any sort, by counters; on series alone.",
                body("RatioIndicator", ratio),
            ),
            (
                "gauge",
                "Share of the time in which a figure keeps a limit; on series alone.",
                body("GaugeIndicator", gauge),
            ),
            (
                "freshness",
                "Share of the time in which everything happened lately enough; on series alone.",
                body("FreshnessIndicator", freshness),
            ),
            ("raw", "A share that a query says; on series alone.", body("RawIndicator", raw)),
            ("composite", "Other objectives together, by weight.", Box::new(composite)),
        ],
    }
}

const GOOD: &str =
    "On series: events that kept the promise, as counters or as a query with `$window`.";
const BAD: &str =
    "On series: events that broke the promise, as counters or as a query with `$window`.";
const TOTAL: &str = "On series: all events, as counters or as a query with `$window`.";

/// Where requests are counted, when somebody says so.
fn some_events(f: &mut Fields<'_>) -> Option<Measure> {
    let good = f.optional("good", GOOD, expression());
    let bad = f.optional("bad", BAD, expression());
    let total = f.optional("total", TOTAL, expression());
    f.never_beside("bad", &["good"], "Count those that were good, or those that were bad.");
    f.rule(|| json!({"dependentRequired": {"good": ["total"], "bad": ["total"]}}));
    f.rule(|| {
        let others = json!({"anyOf": [{"required": ["good"]}, {"required": ["bad"]}]});
        json!({"not": {"allOf": [{"required": ["total"]}, {"not": others}]}})
    });
    let counts = f.has("good") || f.has("bad");
    if counts && !f.has("total") {
        f.refuse("", codes::MISSING_FIELD, "the field `total` is missing", TOTAL);
    }
    if !counts && f.has("total") {
        let message = "one of `good`, `bad` is missing";
        f.refuse("", codes::MISSING_FIELD, message, "Say which of all events are counted.");
    }
    let counted = good.map(Counted::Good).or(bad.map(Counted::Bad));
    let events = counted.zip(total).map(|(counted, total)| Events { counted, total });
    events.map(Measure::Events)
}

fn availability(f: &mut Fields<'_>) -> Option<Sli> {
    let series = some_events(f);
    Some(Sli { indicator: Indicator::Availability, series })
}

/// What is read of a histogram, before its bound is known.
struct Buckets {
    histogram: Option<crate::document::SeriesSelector>,
    native: Option<crate::document::SeriesSelector>,
    bound: Option<f64>,
    total: Option<crate::document::Expression>,
}

impl Buckets {
    fn ask(f: &mut Fields<'_>) -> Self {
        let sentence =
            "On series: a histogram with a series for each bucket, named without `_bucket`.";
        let histogram = f.optional("histogram", sentence, selector());
        let sentence = "On series: a native histogram.";
        let native = f.optional("nativeHistogram", sentence, selector());
        let sentence = "The bucket of the threshold, in the unit of the histogram. Default: the threshold in seconds.";
        let bound = f.optional("le", sentence, bound());
        let sentence =
            "On series: all requests, where the histogram has those answered right alone.";
        let total = f.optional("total", sentence, expression());
        let help =
            "Name the histogram as it is kept: in one sample, or in a series for each bucket.";
        f.never_beside("nativeHistogram", &["histogram"], help);
        for (field, message) in
            [("le", "`le` of no histogram"), ("total", "`total` of no histogram")]
        {
            if f.has(field) && !f.has("histogram") && !f.has("nativeHistogram") {
                let help = "Give `histogram` or `nativeHistogram`, or leave it away.";
                f.refuse(field, codes::RANGE, message, help);
            }
        }
        Self { histogram, native, bound, total }
    }

    fn within(self, threshold: Duration) -> Option<Measure> {
        let classic = self.histogram.map(|it| (it, HistogramForm::Classic));
        let (histogram, form) = classic.or(self.native.map(|it| (it, HistogramForm::Native)))?;
        let bound = self.bound.unwrap_or(threshold.as_secs_f64());
        Some(Measure::Histogram(Bucketed { histogram, form, bound, total: self.total }))
    }
}

fn latency(f: &mut Fields<'_>) -> Option<Sli> {
    let sentence = "The slowest answer that still counts as good.";
    let threshold = f.required("threshold", sentence, length());
    let buckets = Buckets::ask(f);
    let threshold = threshold?;
    Some(Sli { indicator: Indicator::Latency { threshold }, series: buckets.within(threshold) })
}

fn percentile(f: &mut Fields<'_>) -> Option<Sli> {
    let quantile = super::limit_of(f);
    let threshold = f.required("threshold", "The limit on it.", length());
    let buckets = Buckets::ask(f);
    let (quantile, threshold) = quantile.zip(threshold)?;
    let indicator = Indicator::Percentile { quantile, threshold };
    Some(Sli { indicator, series: buckets.within(threshold) })
}

fn error_rate(f: &mut Fields<'_>) -> Option<Sli> {
    let max = super::most(f);
    let series = some_events(f);
    Some(Sli { indicator: Indicator::ErrorRate { max: max? }, series })
}

fn throughput(f: &mut Fields<'_>) -> Option<Sli> {
    let min = f.required("min", "The limit on it.", busy_rate());
    let total = f.optional("total", TOTAL, expression());
    let min = min?;
    let series = total.map(|total| Measure::Figure(Figure::Throughput { total, min }));
    Some(Sli { indicator: Indicator::Throughput { min }, series })
}

fn ratio(f: &mut Fields<'_>) -> Option<Sli> {
    let good = f.optional("good", GOOD, expression());
    let bad = f.optional("bad", BAD, expression());
    let total = f.required("total", TOTAL, expression());
    f.exactly_one(&["good", "bad"]);
    let counted = good.map(Counted::Good).or(bad.map(Counted::Bad));
    Some(Sli::of_series(Measure::Events(Events { counted: counted?, total: total? })))
}

fn gauge(f: &mut Fields<'_>) -> Option<Sli> {
    let sentence = "PromQL; every series of the answer has to keep the limit.";
    let query = f.required("query", sentence, some_text());
    let value = f.required("value", "What each value must be.", plain());
    let figure = Figure::Gauge { query: query?, limit: value? };
    Some(Sli::of_series(Measure::Figure(figure)))
}

fn freshness(f: &mut Fields<'_>) -> Option<Sli> {
    let sentence = "Series whose values are the Unix times at which it happened last.";
    let timestamp = f.required("timestamp", sentence, selector());
    let sentence = "The longest it may be ago, for the worst key.";
    let max_age = f.required("maxAge", sentence, length());
    let sentence = "Labels that tell keys apart; of the series of one key the latest counts. Default: each series is a key.";
    let by = f.or_empty("by", sentence, List { of: label(), min: 0 });
    let figure = Figure::Freshness { timestamp: timestamp?, by: by?, max_age: max_age? };
    Some(Sli::of_series(Measure::Figure(figure)))
}

fn raw(f: &mut Fields<'_>) -> Option<Sli> {
    let sentence = "A query with `$window` that says the share of bad events.";
    let bad = f.optional("errorRatio", sentence, window_query());
    let sentence = "A query with `$window` that says the share of good events.";
    let good = f.optional("successRatio", sentence, window_query());
    f.exactly_one(&["errorRatio", "successRatio"]);
    let query = bad.map(RatioQuery::Bad).or(good.map(RatioQuery::Good));
    Some(Sli::of_series(Measure::Ratio(query?)))
}

fn component(f: &mut Fields<'_>) -> Option<Component> {
    let slo = f.required("slo", "Name of an SLO.", name());
    let sentence = "How much it counts, beside the others.";
    let reason = "Give a whole number, or leave the objective away.";
    let weight = f.default("weight", sentence, Integer { min: 1, max: 1_000_000, reason }, "1");
    Some(Component { slo: slo?, weight: weight? as u32 })
}
