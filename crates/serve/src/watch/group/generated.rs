//! Generated: the rules that `slo rules` writes come to the same here and in Debian's Prometheus.

use std::fmt::Write as _;
use std::process::Command;

use evenkeel_model::Library;
use evenkeel_series::{Samples, Span};
use evenkeel_slo::Objective;
use evenkeel_slo::rules::{Group, compat, exact, file};
use evenkeel_tsdb::Batch;
use jiff::tz::TimeZone;

use super::tests::Stage;
use super::*;

const SLO: &str = "\
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: pay}
spec:
  service: shop
  objective: 99%
  sli: {availability: {bad: 'bad_total{job=\"shop\"}', total: 'all_total{job=\"shop\"}'}}
";

/// Samples are so many seconds apart: then none lies at an edge of a window, which Prometheus 2 counts in and 3 does not.
const STEP: i64 = 61;
const MINUTES: i64 = 60;
/// Counters were there long before: how near to zero they can have begun is reckoned otherwise in Prometheus 2, too.
const BEGIN: i64 = 1_000_000;

/// What a counter is worth at each of its samples. The first is missing, since it lies at an edge.
fn counters() -> [(&'static str, Vec<i64>); 2] {
    let steps = 1..=MINUTES * 60 / STEP;
    let bad = |step: i64| if (20..35).contains(&step) { 130 } else { step % 3 };
    let sum = |each: &dyn Fn(i64) -> i64| {
        let mut sum = BEGIN;
        steps
            .clone()
            .map(|step| {
                sum += each(step);
                sum
            })
            .collect()
    };
    [("bad_total", sum(&bad)), ("all_total", sum(&|step| 600 + step))]
}

fn recorded(groups: &[Group]) -> Vec<(Labels, f64)> {
    let stage = Stage::new();
    let groups = rules::read_bytes("rules.yaml", file(groups).into_bytes()).unwrap();
    let mut groups: Vec<_> =
        groups.into_iter().map(|it| Running::new(it, &stage.setting())).collect();
    let mut batch = Batch::default();
    for (name, values) in counters() {
        let labels = Labels::of([("__name__", name), ("job", "shop")]);
        let series = stage.store.intern(&labels).unwrap();
        for (step, value) in (1..).zip(values) {
            batch.float(series, step * STEP * 1000, value as f64);
        }
    }
    stage.store.append(&batch).unwrap();
    for minute in 0..=MINUTES {
        groups.iter_mut().for_each(|it| drop(stage.evaluate(it, minute)));
    }
    let failing =
        groups.iter().flat_map(|it| it.shown().rules).find(|it| it.health != Health::Fine);
    assert!(failing.is_none(), "{failing:?}");
    let at = MINUTES * 60_000;
    let (snapshot, span) = (stage.store.snapshot(), Span { after: at - 1, until: at });
    let found = snapshot.select(&[], span).unwrap();
    let last = |it: &dyn evenkeel_series::Series| {
        let mut samples = Samples::default();
        it.read(span, &mut samples).unwrap();
        samples.points.last().map(|point| (it.labels().clone(), point.value))
    };
    found
        .iter()
        .filter_map(|it| last(&**it))
        .filter(|it| !evenkeel_series::is_stale(it.1))
        .collect()
}

/// A test for promtool that says what we recorded.
fn test(groups: &[Group], recorded: &[(Labels, f64)]) -> String {
    let names: Vec<_> = groups.iter().map(|it| format!("'{}'", it.name)).collect();
    let mut text = format!(
        "rule_files: [rules.yaml]\nevaluation_interval: 1m\ngroup_eval_order: [{}]\ntests:\n- interval: {STEP}s\n  input_series:\n",
        names.join(", ")
    );
    for (name, values) in counters() {
        let values: Vec<_> = values.iter().map(ToString::to_string).collect();
        writeln!(
            text,
            "  - series: '{name}{{job=\"shop\"}}'\n    values: '_ {}'",
            values.join(" ")
        )
        .unwrap();
    }
    let mut expect = |query: String, samples: &str| {
        let query = serde_json::to_string(&query).unwrap();
        writeln!(
            text,
            "  - expr: {query}\n    eval_time: {MINUTES}m\n    exp_samples: [{samples}]"
        )
        .unwrap();
    };
    let many = recorded.len();
    expect(
        "count({__name__=~\"slo:.+|sloth_.+|ALERTS.*\"})".to_owned(),
        &format!("{{labels: '{{}}', value: {many}}}"),
    );
    for (labels, value) in recorded {
        expect(format!("abs({labels} - {value}) > 1e-9 * {}", value.abs()), "");
        expect(format!("count({labels})"), "{labels: '{}', value: 1}");
    }
    text.replacen("  - expr", "  promql_expr_test:\n  - expr", 1)
}

#[test]
fn generated_rules_come_to_the_same_as_in_prometheus() {
    let (library, wrong) = Library::read([("slos.yaml".to_owned(), SLO.into())]);
    assert!(wrong.is_empty(), "{wrong:?}");
    let zones = |name: &str| TimeZone::get(name).ok();
    let objective = Objective::of(library.slo("pay").unwrap(), &library, zones).unwrap();
    let subject = objective.subject().unwrap();
    for (mode, groups) in [("exact", exact::rules(&subject)), ("compat", compat::rules(&subject))] {
        let recorded = recorded(&groups);
        let alerts = recorded.iter().filter(|it| it.0.metric() == "ALERTS").count();
        assert!(alerts > 0 && recorded.len() > 10, "{mode}: {recorded:#?}");
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("rules.yaml", &file(&groups));
        write("test.yaml", &test(&groups, &recorded));
        let output = Command::new("promtool")
            .args(["test", "rules", "test.yaml"])
            .current_dir(folder.path())
            .output()
            .expect("promtool is installed by `cargo xtask test`");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "{mode}: {}\n{said}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
