//! Meaning: what sets Prometheus 3 apart, one promise each.

use evenkeel_promql::{Options, Query, Sample, Value};
use evenkeel_series::{Labels, Memory, Point, STALE};

/// A sample a minute.
fn memory(series: &[(&str, &[f64])]) -> Memory {
    let mut memory = Memory::new();
    for (name, values) in series {
        for (at, value) in (0..).zip(*values) {
            let labels = Labels::of([("__name__", *name), ("job", "shop")]);
            memory.push(&labels, Point { at: at * 60_000, value: *value });
        }
    }
    memory
}

fn ask(memory: &Memory, query: &str, minute: i64) -> Vec<(String, f64)> {
    let query = Query::parse(query).unwrap_or_else(|it| panic!("{query}: {it:?}"));
    let answer = query.instant(memory, minute * 60_000, &Options::default()).unwrap();
    match answer.value {
        Value::Vector(elements) => elements
            .into_iter()
            .map(|it| match it.sample {
                Sample::Float(value) => (it.labels.to_string(), value),
                Sample::Histogram(_) => panic!("a histogram"),
            })
            .collect(),
        Value::Scalar(value) => vec![(String::new(), value)],
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_range_excludes_its_start() {
    let memory = memory(&[("x", &[1.0, 1.0, 1.0, 1.0])]);
    assert_eq!(ask(&memory, "count_over_time(x[2m])", 3)[0].1.to_bits(), 2.0_f64.to_bits());
    assert_eq!(ask(&memory, "count_over_time(x[2m:1m])", 3)[0].1.to_bits(), 2.0_f64.to_bits());
}

#[test]
fn a_sample_counts_for_five_minutes_the_last_moment_excluded() {
    let memory = memory(&[("x", &[1.0])]);
    assert_eq!(ask(&memory, "x", 4).len(), 1);
    assert_eq!(ask(&memory, "x", 5).len(), 0);
}

#[test]
fn a_series_that_has_ended_is_gone_at_once() {
    let memory = memory(&[("x", &[1.0, STALE])]);
    assert_eq!(ask(&memory, "x", 1).len(), 0);
    assert_eq!(ask(&memory, "sum_over_time(x[5m])", 1)[0].1.to_bits(), 1.0_f64.to_bits());
}

#[test]
fn names_go_at_the_end_so_that_labels_can_be_made_of_them() {
    let memory = memory(&[("x_total", &[0.0, 60.0]), ("y_total", &[0.0, 120.0])]);
    let query = r#"label_replace(rate({job="shop"}[2m]), "of", "$1", "__name__", "(.)_total")"#;
    let names: Vec<String> = ask(&memory, query, 1).into_iter().map(|it| it.0).collect();
    assert_eq!(names, [r#"{job="shop", of="x"}"#, r#"{job="shop", of="y"}"#]);
    let both = Query::parse(r#"rate({job="shop"}[2m])"#).unwrap();
    let error = both.instant(&memory, 60_000, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("same labelset"), "{error}");
}

#[test]
fn moments_can_be_fixed_and_moved() {
    let memory = memory(&[("x", &[0.0, 1.0, 2.0, 3.0])]);
    for (query, value) in
        [("x @ 60", 1.0), ("x offset 1m", 2.0), ("x @ 120 offset -1m", 3.0), ("x @ end()", 3.0)]
    {
        assert_eq!(ask(&memory, query, 3)[0].1.to_bits(), f64::to_bits(value), "{query}");
    }
}

#[test]
fn a_counter_without_its_ending_is_doubted() {
    let memory = memory(&[("x", &[0.0, 1.0])]);
    let query = Query::parse("sum(\n  rate(x[2m]))").unwrap();
    let answer = query.instant(&memory, 60_000, &Options::default()).unwrap();
    assert_eq!(
        answer.infos,
        [
            "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"x\" (2:8)"
        ]
    );
}

#[test]
fn many_to_one_must_be_said() {
    let mut memory = memory(&[("limit", &[10.0])]);
    for code in ["200", "500"] {
        let labels = Labels::of([("__name__", "requests"), ("job", "shop"), ("code", code)]);
        memory.push(&labels, Point { at: 0, value: 5.0 });
    }
    let query = Query::parse("requests / on (job) limit").unwrap();
    let error = query.instant(&memory, 0, &Options::default()).unwrap_err().to_string();
    assert!(
        error.starts_with("1:1: several series on the left side") && error.contains("group_left"),
        "{error}"
    );
    assert_eq!(ask(&memory, "requests / on (job) group_left limit", 0).len(), 2);
}
