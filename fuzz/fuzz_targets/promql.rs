//! Queries, evaluated over a few series of floats and histograms at a moment and over a range.
#![no_main]

use std::sync::{Arc, LazyLock};

use evenkeel_promql::{Limits, Options, Query};
use evenkeel_series::histogram::{CUSTOM, Run};
use evenkeel_series::{Histogram, Labels, Memory, Point, STALE};

static MEMORY: LazyLock<Memory> = LazyLock::new(|| {
    let mut memory = Memory::new();
    let values = [0.0, 1.0, 5.0, 2.0, f64::NAN, STALE, f64::INFINITY, -3.0, 1e308, 7.0];
    for (metric, le) in [("x", ""), ("y", ""), ("h_bucket", "1"), ("h_bucket", "+Inf")] {
        let labels = Labels::of([("__name__", metric), ("a", "1"), ("le", le)]);
        for (at, value) in (0..).zip(values) {
            memory.push(&labels, Point { at: at * 60_000, value });
        }
    }
    for (at, schema) in [(0, 0), (1, 2), (2, -4), (3, 8), (4, CUSTOM), (5, CUSTOM), (12, 1)] {
        let bounds = if schema == CUSTOM { vec![1.0, f64::from(at)] } else { Vec::new() };
        let histogram = Histogram {
            schema,
            zero_threshold: if schema == CUSTOM { 0.0 } else { 0.01 * f64::from(at) },
            zero_count: 1.0,
            count: 6.0,
            sum: 9.0,
            positive_runs: vec![Run { offset: 0, length: 2 }],
            positive: vec![2.0, 3.0],
            negative_runs: vec![Run { offset: -3, length: 1 }],
            negative: vec![if schema == CUSTOM { 0.0 } else { 1.0 }],
            bounds,
            ..Histogram::default()
        };
        let labels = Labels::of([("__name__", "y"), ("a", "1")]);
        memory.push_histogram(&labels, i64::from(at) * 60_000 + 30_000, Arc::new(histogram));
    }
    memory
});

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(query) = Query::parse(text) else { return };
    let limits = Limits { series: 10_000, samples: 200_000, steps: 2_000, answer: 100_000 };
    let options = Options { limits, ..Options::default() };
    drop(query.instant(&*MEMORY, 300_000, &options));
    drop(query.range(&*MEMORY, (0, 600_000), 45_000, &options));
});
