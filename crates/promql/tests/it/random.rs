//! Random queries: none ends badly, and a range says at each step what the moment says.

use std::sync::Arc;

use evenkeel_promql::{Options, Query, Sample, Value};
use evenkeel_series::{Histogram, Labels, Memory, Point, STALE};
use proptest::prelude::*;

use crate::digests::Plain;

/// Metrics `x_total`, `y` and `h_bucket`, and whatever is given to them.
pub(crate) fn query() -> impl Strategy<Value = String> {
    let selector = prop_oneof![
        Just("x_total".to_owned()),
        Just("y".to_owned()),
        Just(r#"x_total{job="a"}"#.to_owned()),
        Just(r#"y{job!="b"}"#.to_owned()),
        Just("h_bucket".to_owned()),
        Just(r#"x_total{job=~"a|b"} offset 1m"#.to_owned()),
        Just("y @ 300".to_owned()),
    ];
    let range = ("x_total|y|h_bucket|x_total\\{i=\"1\"\\}", "[1-9]m|[1-9]0s|1h");
    let over = prop::sample::select(vec![
        "rate",
        "increase",
        "delta",
        "irate",
        "idelta",
        "changes",
        "resets",
        "avg_over_time",
        "sum_over_time",
        "min_over_time",
        "max_over_time",
        "count_over_time",
        "last_over_time",
        "stddev_over_time",
        "deriv",
        "present_over_time",
    ]);
    let windowed =
        (over, range).prop_map(|(over, (metric, range))| format!("{over}({metric}[{range}])"));
    let leaf = prop_oneof![selector, windowed];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let map = prop::sample::select(vec![
            "abs",
            "ceil",
            "sqrt",
            "sgn",
            "sort",
            "timestamp",
            "exp",
            "day_of_week",
        ]);
        let aggregate =
            prop::sample::select(vec!["sum", "avg", "min", "max", "count", "stddev", "group"]);
        let by = prop::sample::select(vec!["", "by (job) ", "by (job, le) ", "without (i) "]);
        let operator =
            prop::sample::select(vec!["+", "-", "*", "/", "%", "^", ">", "<= bool", "=="]);
        let set = prop::sample::select(vec!["and", "or", "unless"]);
        let scalar = prop::sample::select(vec!["0", "1", "2.5", "-3", "NaN", "Inf", "1e300"]);
        let over = prop::sample::select(vec![
            "max_over_time",
            "sum_over_time",
            "avg_over_time",
            "last_over_time",
            "rate",
        ]);
        prop_oneof![
            (map, inner.clone()).prop_map(|(map, it)| format!("{map}({it})")),
            (aggregate, by, inner.clone())
                .prop_map(|(aggregate, by, it)| format!("{aggregate} {by}({it})")),
            (operator.clone(), scalar, inner.clone())
                .prop_map(|(operator, scalar, it)| format!("({it}) {operator} {scalar}")),
            (operator, inner.clone(), inner.clone()).prop_map(|(operator, one, other)| format!(
                "sum by (job) ({one}) {operator} sum by (job) ({other})"
            )),
            (set, inner.clone(), inner.clone())
                .prop_map(|(set, one, other)| format!("({one}) {set} on (job, i, le) ({other})")),
            (over, inner.clone(), "[2-9]m", "[1-3]0s")
                .prop_map(|(over, it, range, step)| format!("{over}(({it})[{range}:{step}])")),
            ("0\\.[0-9]", inner.clone())
                .prop_map(|(q, it)| format!("histogram_quantile({q}, {it})")),
            ("0\\.[0-9]", inner.clone())
                .prop_map(|(q, it)| format!("quantile by (job) ({q}, {it})")),
            ("[1-3]", inner.clone()).prop_map(|(k, it)| format!("topk({k}, {it})")),
            inner.prop_map(|it| format!("-({it})")),
        ]
    })
}

/// What is in the metrics: a sample every 15 seconds, for ten minutes.
pub(crate) fn samples() -> impl Strategy<Value = Vec<(Labels, Vec<Point>)>> {
    let value = prop_oneof![
        8 => (0u32..1000).prop_map(f64::from),
        2 => -1e3..1e3,
        1 => Just(STALE),
    ];
    let series = prop::collection::vec(value, 40);
    prop::collection::vec(series, 10).prop_map(|all| {
        let names = ["x_total", "y", "h_bucket"].into_iter().flat_map(|metric| {
            let labels = move |job: &'static str, i: &'static str| {
                let le =
                    if metric == "h_bucket" { if i == "1" { "1" } else { "+Inf" } } else { "" };
                Labels::of([
                    ("__name__", metric),
                    ("job", job),
                    ("i", if le.is_empty() { i } else { "" }),
                    ("le", le),
                ])
            };
            [labels("a", "1"), labels("a", "2"), labels("b", "1")]
        });
        let counted = |labels: &Labels, values: Vec<f64>| {
            let mut total = 0.0;
            let is_counter = labels.metric() != "y";
            (0..)
                .zip(values)
                .map(|(at, value)| {
                    if is_counter && value.is_finite() && value > 0.0 {
                        // A restart now and then.
                        total = if value > 980.0 { 0.0 } else { total + value };
                    }
                    let value =
                        if is_counter && !evenkeel_series::is_stale(value) { total } else { value };
                    Point { at: at * 15_000, value }
                })
                .collect()
        };
        names
            .zip(all)
            .map(|(labels, values)| {
                let points = counted(&labels, values);
                (labels, points)
            })
            .collect()
    })
}

pub(crate) fn memory(samples: &[(Labels, Vec<Point>)]) -> Memory {
    let mut memory = Memory::new();
    for (labels, points) in samples {
        points.iter().for_each(|point| memory.push(labels, *point));
    }
    memory
}

fn alike(one: &Sample, other: &Sample) -> bool {
    match (one, other) {
        (Sample::Float(one), Sample::Float(other)) => {
            (one - other).abs() <= 1e-12 * one.abs()
                || one.to_bits() == other.to_bits()
                || (one.is_nan() && other.is_nan())
        }
        (Sample::Histogram(one), Sample::Histogram(other)) => one.compact() == other.compact(),
        _ => false,
    }
}

/// Whether the answer depends on what else is asked: `topk` of equals, `sort`, and the time.
fn is_of_the_moment(text: &str) -> bool {
    text.contains("topk")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_range_says_at_each_step_what_the_moment_says(text in query(), samples in samples()) {
        let mut memory = memory(&samples);
        // Native histograms beside the floats of the same series.
        let mixed = Labels::of([("__name__", "y"), ("job", "a"), ("i", "1")]);
        let histogram = Histogram { count: 3.0, sum: 5.0, zero_count: 3.0, ..Histogram::default() };
        memory.push_histogram(&mixed, 307_000, Arc::new(histogram));
        let Ok(query) = Query::parse(&text) else { return Ok(()) };
        let options = Options::default();
        // Digests round otherwise than samples do, and `==` would tell.
        let ranged = query.range(&Plain(&memory), (180_000, 480_000), 60_000, &options);
        for at in (180_000..=480_000).step_by(60_000) {
            let alone = query.instant(&Plain(&memory), at, &options);
            let (Ok(ranged), Ok(alone)) = (&ranged, alone) else { continue };
            let (Value::Matrix(lines), Value::Vector(elements)) = (&ranged.value, alone.value) else { continue };
            if is_of_the_moment(&text) {
                continue;
            }
            let mut there = 0;
            for line in lines {
                let point = line.samples.points.iter().find(|it| it.at == at).map(|it| Sample::Float(it.value));
                let histogram = line.samples.histograms.iter().find(|it| it.0 == at);
                let Some(sample) = point.or_else(|| histogram.map(|it| Sample::Histogram(it.1.clone()))) else { continue };
                there += 1;
                let element = elements.iter().find(|it| it.labels == line.labels);
                prop_assert!(
                    element.is_some_and(|it| alike(&it.sample, &sample)),
                    "{} at {}: {:?} {:?} {:?}", text, at, line.labels, sample, element
                );
            }
            prop_assert_eq!(there, elements.len(), "{} at {}", text, at);
        }
    }

    #[test]
    fn no_text_ends_badly(text in ".{0,60}") {
        drop(Query::parse(&text));
    }

    #[test]
    fn no_text_of_pieces_of_the_language_ends_badly(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "x", "{", "}", "(", ")", "[", "]", "5m", ":", "1", "-", "+", "*", "^", "sum", "by", "rate", "offset", "@",
            "start", "and", "==", "bool", "on", "group_left", "\"a\"", ",", "=", "=~", "topk", "1h", "smoothed", "</", "step",
        ]), 0..20)
    ) {
        if let Ok(query) = Query::parse(&pieces.join(" ")) {
            drop(query.range(&Memory::new(), (0, 60_000), 30_000, &Options::default()));
        }
    }
}
