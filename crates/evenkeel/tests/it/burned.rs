//! `slo explain`: who burned a budget.

use evenkeel_series::Labels;
use evenkeel_tsdb::{Batch, Options, Store};
use serde_json::Value;

use crate::agreements::json;
use crate::world::{World, said};

const DOCUMENT: &str = r"
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: available}
spec:
  sli: {availability: {bad: errors_total, total: requests_total}}
  objective: 99%
  window: 6h
";

const OF_TIME: &str = r"
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: by-slices}
spec:
  sli: {availability: {bad: errors_total, total: requests_total}}
  objective: 90%
  window: 6h
  timeSlices: {length: 5m, target: 95%}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: disks}
spec: {sli: {gauge: {query: free_ratio, value: '>= 0.1'}}, objective: 90%, window: 6h}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: both}
spec: {sli: {composite: [{slo: by-slices, weight: 2}, {slo: disks}]}, objective: 90%, window: 6h}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: shares}
spec:
  sli: {raw: {errorRatio: 'sum(increase(errors_total[$window])) / sum(increase(requests_total[$window]))'}}
  objective: 99%
  window: 6h
";

const AT: &str = "2026-03-02T12:00:00Z";
const AT_SECONDS: i64 = 1_772_452_800;

/// Eight hours of two zones; one of them fails in the last hour, the other now and then. Of two disks, one is full in the last
/// half an hour.
fn world() -> World {
    let world = World::new();
    world.write("slo.yaml", DOCUMENT);
    let store = Store::open(world.folder().join("data"), Options::default()).unwrap();
    let mut batch = Batch::default();
    for zone in ["a", "b"] {
        let series = |name| {
            let labels = Labels::of([("__name__", name), ("job", "shop"), ("zone", zone)]);
            store.intern(&labels).unwrap()
        };
        let (requests, errors) = (series("requests_total"), series("errors_total"));
        let (mut all, mut bad) = (0.0, 0.0);
        for minute in 0..8 * 60 {
            let at = (AT_SECONDS - (8 * 60 - minute) * 60 + 30) * 1000;
            all += 100.0;
            bad += match zone {
                "b" if minute >= 7 * 60 => 30.0,
                "a" if minute % 60 == 2 => 10.0,
                _ => 0.0,
            };
            batch.float(requests, at, all);
            batch.float(errors, at, bad);
        }
    }
    for disk in ["sda", "sdb"] {
        let labels = Labels::of([("__name__", "free_ratio"), ("disk", disk)]);
        let series = store.intern(&labels).unwrap();
        for minute in 0..8 * 60 {
            let at = (AT_SECONDS - (8 * 60 - minute) * 60 + 30) * 1000;
            let is_full = disk == "sdb" && minute >= 7 * 60 + 30;
            batch.float(series, at, if is_full { 0.05 } else { 0.5 });
        }
    }
    assert_eq!(store.backfill(&batch).unwrap().rejected, []);
    store.close().unwrap();
    world
}

fn explain(world: &World, more: &[&str]) -> (String, Option<i32>) {
    let asked = ["slo", "explain", "slo.yaml", "--source", "data", "--at", AT];
    let output = world.run(&[&asked, more].concat());
    (said(&output), output.status.code())
}

fn part<'a>(of: &'a Value, by: &str) -> &'a Value {
    let all = of["objectives"][0]["burned_by"].as_array().unwrap();
    all.iter().find(|it| it["by"] == by).unwrap_or_else(|| panic!("{of:#}"))
}

#[test]
fn bad_events_are_told_apart_by_label_and_by_what_went_on() {
    let world = world();
    let line = r#"{"kind": "incident", "name": "db", "from": "2026-03-02T08:00:00Z", "to": "2026-03-02T08:10:00Z"}"#;
    world.write("events.jsonl", &format!("{line}\n"));
    let deploy = "deploy:v42=2026-03-02T11:00:00Z";
    let more = ["--event", deploy, "--events", "events.jsonl", "--output", "json"];
    let (text, code) = explain(&world, &more);
    assert_eq!(code, Some(0), "{text}");
    let value = json(&text);
    let label = part(&value, "label");
    assert_eq!((&label["label"], &label["parts"][0]["name"]), (&"zone".into(), &"b".into()));
    assert!(label["parts"][0]["share_ratio"].as_f64().unwrap() > 0.95, "{label}");
    let bad = label["parts"][0]["bad_events"].as_u64().unwrap();
    assert!((1790..=1810).contains(&bad), "{label}");
    let cause = part(&value, "cause");
    assert_eq!(cause["parts"][0]["name"], "deploy v42");
    assert_eq!(cause["parts"][1]["name"], "incident db");
    let shares: f64 = cause["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["share_ratio"].as_f64().unwrap())
        .sum();
    assert!((shares + cause["rest_ratio"].as_f64().unwrap() - 1.0).abs() < 1e-9, "{cause}");
    let (text, _) = explain(&world, &more[..4]);
    assert!(text.contains("(by zone)") && text.contains("(by what went on)"), "{text}");
}

#[test]
fn bad_time_is_told_apart_by_label_and_by_component_or_it_is_said_why_not() {
    let world = world();
    world.write("time.yaml", OF_TIME);
    let asked = ["slo", "explain", "time.yaml", "--source", "data", "--at", AT];
    let output = world.run(&[&asked[..], &["--output", "json"]].concat());
    let value = json(&said(&output));
    let worst = |name: &str| {
        let all = value["objectives"].as_array().unwrap();
        let it = all.iter().find(|it| it["name"] == name).unwrap();
        let part = &it["burned_by"][0]["parts"][0];
        let by = it["burned_by"][0]["label"].as_str().or(it["burned_by"][0]["by"].as_str());
        let minutes = part["bad_seconds"].as_f64().map(|it| it / 60.0);
        (by.map(str::to_owned), part["name"].clone(), minutes, it["not_told_by_label"].clone())
    };
    let (by, name, minutes, _) = worst("by-slices");
    assert_eq!((by.as_deref(), &name), (Some("zone"), &"b".into()), "{value:#}");
    assert!((55.0..=65.0).contains(&minutes.unwrap()), "{value:#}");
    let (by, name, minutes, _) = worst("disks");
    assert_eq!((by.as_deref(), &name), (Some("disk"), &"sdb".into()), "{value:#}");
    assert!((29.0..=31.0).contains(&minutes.unwrap()), "{value:#}");
    // An hour that counts twice, and half an hour.
    let (by, name, minutes, _) = worst("both");
    assert_eq!((by.as_deref(), &name), (Some("component"), &"by-slices".into()), "{value:#}");
    assert!((37.0..=43.0).contains(&minutes.unwrap()), "{value:#}");
    let (by, _, _, why) = worst("shares");
    assert_eq!((by, why.as_str()), (None, Some("its query says a share, and not whose it is")));
    let text = said(&world.run(&asked));
    let said =
        "(by no label is it told who burned it: its query says a share, and not whose it is)";
    assert!(text.contains(said) && text.contains("sdb: 30m (100 %)"), "{text}");
}

#[test]
fn an_event_that_is_none_is_told_with_its_place() {
    let world = world();
    world.write("events.jsonl", "\n{\"kind\": \"party\"}\n");
    let (text, code) = explain(&world, &["--events", "events.jsonl"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("events.jsonl:2:") && text.contains("unknown variant `party`"), "{text}");
}
