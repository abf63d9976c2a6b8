//! `slo sla`: what is owed for a month, by the bands of the seeds.

use evenkeel_series::Labels;
use evenkeel_tsdb::{Batch, Options, Store};
use serde_json::Value;

use crate::world::{World, said};

const DOCUMENTS: &str = r"
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: available}
spec:
  sli: {availability: {bad: errors_total, total: requests_total}}
  objective: 99.95%
---
apiVersion: evenkeel.dev/v1
kind: SLA
metadata: {name: contract}
spec:
  customer: Example Ltd
  slo: available
  window: {calendar: month}
  credits:
    - {below: 99.9%, credit: 10%}
    - {below: 99%, credit: 25%}
    - {below: 95%, credit: 100%}
  exclusions: [{reason: announced, from: '2026-02-03T00:00Z', duration: 1d}]
";

/// 2026-01-31T00:30:00Z.
const BEGAN: i64 = 1_769_819_400;

/// From the last of January on, six weeks of a thousand requests an hour, of which five fail in February, and all on a day of
/// maintenance.
fn world() -> World {
    let world = World::new();
    world.write("slos.yaml", DOCUMENTS);
    let store = Store::open(world.folder().join("data"), Options::default()).unwrap();
    let name = |name| store.intern(&Labels::of([("__name__", name)])).unwrap();
    let [requests, errors] = ["requests_total", "errors_total"].map(name);
    let mut batch = Batch::default();
    let (mut all, mut bad) = (0.0, 0.0);
    for hour in 0..6 * 7 * 24 {
        let day = hour / 24;
        all += 1000.0;
        bad += match day {
            1..=28 if day == 3 => 1000.0,
            1..=28 => 5.0,
            _ => 0.0,
        };
        let at = (BEGAN + hour * 3600) * 1000;
        batch.float(requests, at, all);
        batch.float(errors, at, bad);
    }
    assert_eq!(store.backfill(&batch).unwrap().rejected, []);
    store.close().unwrap();
    world
}

/// What programs read of what was said.
pub(crate) fn json(text: &str) -> Value {
    let (_, rest) = text.split_once("--- stdout\n").unwrap();
    let (value, _) = rest.split_once("--- stderr").unwrap();
    serde_json::from_str(value).unwrap_or_else(|it| panic!("{it}: {text}"))
}

fn sla(world: &World, at: &str, more: &[&str]) -> (String, Option<i32>) {
    let asked = ["slo", "sla", "slos.yaml", "--source", "data", "--at", at];
    let output = world.run(&[&asked, more].concat());
    (said(&output), output.status.code())
}

#[test]
fn a_month_is_credited_by_its_band_without_what_is_excluded() {
    let world = world();
    let (text, code) = sla(&world, "2026-03-10T00:00:00Z", &["--output", "json"]);
    assert_eq!(code, Some(1), "{text}");
    let value = json(&text);
    let of = &value["agreements"][0];
    assert_eq!((&of["name"], &of["customer"]), (&"contract".into(), &"Example Ltd".into()));
    let [february, march] = of["periods"].as_array().unwrap().as_slice() else { panic!("{of}") };
    assert_eq!(february["from"], "2026-02-01T00:00:00Z");
    assert_eq!((&february["is_over"], &march["is_over"]), (&true.into(), &false.into()));
    let near = |it: &Value, to: f64| (it.as_f64().unwrap() - to).abs() < 1e-4;
    assert!(near(&february["attainment_ratio"], 0.995), "{february}");
    assert!(near(&february["credit_ratio"], 0.1) && near(&march["credit_ratio"], 0.0), "{of}");
    let tier = &february["tier"];
    assert!(near(&tier["from_ratio"], 0.99) && near(&tier["below_ratio"], 0.999), "{tier}");
    assert!(near(&february["excluded_seconds"], 86_400.0), "{february}");
    let (text, _) = sla(&world, "2026-03-10T00:00:00Z", &[]);
    assert!(text.contains("10% is owed, for 99% to below 99.9%"), "{text}");
    assert!(text.contains("nothing is owed so far"), "{text}");
}

#[test]
fn a_month_without_data_owes_nobody_anything_and_keeps_no_promise() {
    let world = world();
    let (text, code) = sla(&world, "2025-03-10T00:00:00Z", &[]);
    assert_eq!(code, Some(6), "{text}");
    assert!(text.contains("no data"), "{text}");
    let (text, code) = sla(&world, "2026-03-10T00:00:00Z", &["--slo", "other"]);
    assert_eq!(code, Some(2), "{text}");
}
