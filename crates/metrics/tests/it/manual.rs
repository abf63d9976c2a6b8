//! The page of the manual lists the metrics that there are.

use std::fs;
use std::path::Path;

use evenkeel_metrics::catalogue::{ALL, Kind, Metric};

fn row(it: &Metric) -> String {
    let kind = match it.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Times => "histogram",
    };
    let labels: Vec<_> = it.labels.iter().map(|it| format!("`{it}`")).collect();
    format!(
        "| `{}` | `{}` | {kind} | {} | {} |",
        it.prometheus_name(),
        it.name,
        if labels.is_empty() { "–".to_owned() } else { labels.join(", ") },
        it.help
    )
}

#[test]
fn the_table_of_metrics_is_the_catalogue() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/load-outputs.md");
    let page = fs::read_to_string(file).unwrap();
    let found: Vec<_> = page.lines().filter(|it| it.starts_with("| `evenkeel_load_")).collect();
    let expected: Vec<_> = ALL.iter().map(row).collect();
    assert_eq!(found, expected, "the rows should be:\n{}\n", expected.join("\n"));
}
