//! What `slo rules` and `slo dashboard` write for others: files that their own tools accept, and panels that show what the
//! rules record.

use std::process::Command;

use evenkeel_model::decode::Findings;
use evenkeel_model::yaml::{self, Node, Value as Yaml};
use evenkeel_promql::{Element, Options as Asked, Query, Sample, Value as Answer};
use evenkeel_series::Labels;
use evenkeel_tsdb::{Batch, Options, Store};
use serde_json::Value;

use crate::world::{World, said};

const DOCUMENTS: &str = r"
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: available}
spec:
  service: shop
  sli: {availability: {bad: errors_total, total: requests_total}}
  objective: 99%
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: searches}
spec:
  service: shop
  sli: {availability: {bad: misses_total, total: searches_total}}
  objective: 99.9%
  alerting: {policy: loud}
---
apiVersion: evenkeel.dev/v1
kind: AlertPolicy
metadata: {name: loud}
spec:
  windows: [{severity: page, budget: 2%, long: 1h}]
  inhibit: false
";

const MODES: [&str; 2] = ["exact", "compat"];

/// Rules of a mode and what goes with them, in a folder of its name.
fn written(world: &World, mode: &str) {
    world.write("slos.yaml", DOCUMENTS);
    let rules = ["slo", "rules", "slos.yaml", "--mode", mode, "--with-tests", mode];
    let output = world.run(&rules);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn the_files_beside_the_rules_are_those_of_prometheus_and_of_an_alertmanager() {
    let world = World::new();
    for mode in MODES {
        written(&world, mode);
        let folder = world.folder().join(mode);
        let tools: [(&str, &[&str]); 2] = [
            ("promtool", &["check", "config", "prometheus.yml"]),
            ("amtool", &["check-config", "alertmanager.yml"]),
        ];
        for (program, arguments) in tools {
            let output = Command::new(program).args(arguments).current_dir(&folder).output();
            let output = output.expect("it is installed by `cargo xtask test`");
            assert!(output.status.success(), "{mode}: {program}: {}", said(&output));
        }
        let text = std::fs::read_to_string(folder.join("alertmanager.yml")).unwrap();
        assert!(text.contains("inhibit_rules:") && text.contains("shop-available"), "{text}");
        assert!(!text.contains("shop-searches"), "it wants to hear of everything: {text}");
        let output =
            world.run(&["check", &format!("{mode}/prometheus.yml"), &format!("{mode}/rules.yaml")]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
}

fn items(of: Option<&Node>) -> &[Node] {
    match of.map(|it| &it.value) {
        Some(Yaml::List(items)) => items,
        _ => &[],
    }
}

fn text<'a>(of: &'a Node, path: &str) -> Option<&'a str> {
    of.at(path).and_then(Node::text)
}

fn asked(store: &Store, query: &str, at: i64) -> Vec<(Labels, f64)> {
    let query = Query::parse(query).unwrap_or_else(|it| panic!("{query}: {it:?}"));
    let answer = query.instant(&store.snapshot(), at, &Asked::default()).unwrap();
    let row = |it: Element| match it.sample {
        Sample::Float(value) => (it.labels, value),
        Sample::Histogram(_) => panic!("a histogram"),
    };
    match answer.value {
        Answer::Vector(all) => all.into_iter().map(row).collect(),
        Answer::Scalar(it) => vec![(Labels::default(), it)],
        other => panic!("{other:?}"),
    }
}

/// Evaluates the rules of a file one after the other, as a Prometheus does.
fn evaluate(store: &Store, rules: &[Node], at: i64) {
    for rule in rules.iter().flat_map(|it| items(it.at("rules"))) {
        let mut batch = Batch::default();
        for (labels, value) in asked(store, text(rule, "expr").unwrap(), at) {
            let mut labels = labels.filter(|it| it != "__name__");
            for it in rule.at("labels").map(Node::entries).unwrap_or_default() {
                labels = labels.with(&it.key, it.value.text().unwrap());
            }
            let (labels, value) = match text(rule, "record") {
                Some(name) => (labels.with("__name__", name), value),
                None => {
                    let labels = labels.with("alertname", text(rule, "alert").unwrap());
                    (labels.with("__name__", "ALERTS").with("alertstate", "firing"), 1.0)
                }
            };
            batch.float(store.intern(&labels).unwrap(), at, value);
        }
        assert_eq!(store.backfill(&batch).unwrap().rejected, []);
    }
}

#[test]
fn every_panel_of_a_dashboard_shows_what_the_rules_record() {
    const NOW: i64 = 1_772_452_800_000;
    let world = World::new();
    for mode in MODES {
        written(&world, mode);
        let store =
            Store::open(world.folder().join(mode).join("data"), Options::default()).unwrap();
        let mut batch = Batch::default();
        for (name, each) in [("requests_total", 100.0), ("errors_total", 30.0)] {
            let series = store.intern(&Labels::of([("__name__", name), ("job", "shop")])).unwrap();
            for minute in 0..=120 {
                batch.float(series, NOW - (120 - minute) * 60_000 - 7_000, each * minute as f64);
            }
        }
        assert_eq!(store.backfill(&batch).unwrap().rejected, []);
        let rules = std::fs::read(world.folder().join(mode).join("rules.yaml")).unwrap();
        let rules = yaml::read("rules.yaml", rules, &mut Findings::default());
        // In exact mode long windows are sums of short ones, five minutes apart.
        for minutes in [10, 5, 0] {
            evaluate(&store, items(rules.roots[0].at("groups")), NOW - minutes * 60_000);
        }
        let output =
            world.run(&["slo", "dashboard", "slos.yaml", "--title", "Shop", "--output", "json"]);
        let dashboard: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(dashboard["title"], "Shop");
        let names = &dashboard["templating"]["list"][1]["query"];
        assert_eq!(names, "shop-available,shop-searches");
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            for target in panel["targets"].as_array().unwrap() {
                let query = target["expr"].as_str().unwrap().replace("$slo", "shop-available");
                let rows = asked(&store, &query, NOW);
                assert!(!rows.is_empty(), "{mode}: {title}: {query}");
                let first = rows[0].1;
                match title {
                    "Attainment" => assert!((first - 0.7).abs() < 0.01, "{mode}: {first}"),
                    "Objective" => assert!((first - 0.99).abs() < 1e-9, "{mode}: {first}"),
                    "Budget left" => assert!((first + 29.0).abs() < 0.5, "{mode}: {first}"),
                    "Burn rate by window" => assert!(rows.len() >= 6, "{mode}: {rows:?}"),
                    "Alerts" => assert!(rows.iter().all(|it| it.1 > 1.5), "{mode}: {rows:?}"),
                    _ => {}
                }
            }
        }
        store.close().unwrap();
    }
}
