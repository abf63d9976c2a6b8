//! A run as a source: objectives are judged alike on the requests of a load and on the metrics that it wrote to a store.

use rustix::process::Signal;
use serde_json::Value;

use crate::drill::Nginx;
use crate::metrics::Server;
use crate::world::{World, said};

const DOCUMENTS: &str = r"
apiVersion: evenkeel.dev/v1
kind: LoadTest
metadata: {name: browse}
spec:
  url: http://127.0.0.1:PORT
  shape: {constant: {rate: 100/s, duration: 4s}}
  routes:
    # Half of all fail, so that no verdict hangs on a few requests more or less.
    - {name: page, path: /index.html}
    - {name: missing, path: /missing}
";

const SLOS: &str = r#"
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: available}
spec:
  sli:
    availability: {bad: evenkeel_load_failed_total, total: evenkeel_load_requests_total}
  objective: 99%
  window: 1d
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: page-fast}
spec:
  route: page
  sli:
    latency:
      threshold: 10s
      nativeHistogram: 'evenkeel_load_response_seconds{route="page",answer="ok"}'
      total: 'evenkeel_load_requests_total{route="page"}'
  objective: 99%
  window: 1h
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: disks}
spec:
  sli: {gauge: {query: free_ratio, value: '>= 0.1'}}
  objective: 90%
"#;

fn json(world: &World, arguments: &[&str]) -> (Value, Option<i32>) {
    let output = world.run(arguments);
    let value = serde_json::from_slice(&output.stdout);
    (value.unwrap_or_else(|it| panic!("{it}: {}", said(&output))), output.status.code())
}

#[test]
fn a_run_and_the_metrics_that_it_wrote_are_judged_alike() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let server = Server::start(&world, &["--data", "store"]);
    world.write("load.yaml", &DOCUMENTS.replace("PORT", &world.port().to_string()));
    world.write("slos.yaml", SLOS);
    let url = format!("http://{}", server.address);
    let out = format!("prometheus={url}");
    let load = ["load", "run", "load.yaml", "--out", &out];
    let (ran, _) = json(&world, &[&load[..], &["--output", "json", "--quiet"]].concat());
    let folder = format!("evenkeel-runs/{}", ran["run"].as_str().unwrap());
    let status = ["slo", "status", "slos.yaml", "--output", "json", "--source"];
    let (ended, code) = json(&world, &[&status[..], &[&folder]].concat());
    assert_eq!(code, Some(1), "{ended:#}");
    // A run says to the second when it began, and its metrics say it more exactly.
    let ended: jiff::Timestamp = ended["at"].as_str().unwrap().parse().unwrap();
    let at = ended.checked_add(jiff::SignedDuration::from_secs(2)).unwrap().to_string();
    let (of_run, _) = json(&world, &[&status[..], &[&folder, "--at", &at]].concat());
    let named = ["--slo", "available", "--slo", "page-fast", "--at", &at];
    let (of_store, code) = json(&world, &[&status[..], &[&url], &named].concat());
    assert_eq!(code, Some(1), "{of_store:#}");
    let names = |it: &Value| it["objectives"].as_array().unwrap().len();
    assert_eq!((names(&of_run), names(&of_store)), (2, 2), "a gauge is nothing of a run");
    for (run, store) in [0, 1].map(|it| (&of_run["objectives"][it], &of_store["objectives"][it])) {
        for key in ["name", "status", "objective_ratio"] {
            assert_eq!(run[key], store[key], "{key}: {run:#} {store:#}");
        }
        let ratio = |it: &Value| it["attainment_ratio"].as_f64().unwrap();
        assert!((ratio(run) - ratio(store)).abs() < 0.005, "{run:#} {store:#}");
        let states = |it: &Value| -> Vec<_> {
            it["alerts"].as_array().unwrap().iter().map(|it| it["state"].clone()).collect()
        };
        assert_eq!(states(run), states(store), "{run:#} {store:#}");
    }
    assert_eq!(of_run["objectives"][0]["total_events"], 400);
    assert_eq!(server.end(Signal::TERM), Some(0));
    plays(&world, &folder);
}

/// The run is explained, and played through alerts.
fn plays(world: &World, folder: &str) {
    let of = ["slos.yaml", "--slo", "available", "--source", folder, "--output", "json"];
    let (explained, code) = json(world, &[&["slo", "explain"], &of[..]].concat());
    assert_eq!(code, Some(0), "{explained:#}");
    let burned = &explained["objectives"][0]["burned_by"][0];
    assert_eq!(
        (&burned["label"], &burned["parts"][0]["name"]),
        (&"route".into(), &"missing".into())
    );
    let (told, code) = json(world, &[&["slo", "backtest"], &of[..]].concat());
    assert_eq!(code, Some(0), "{told:#}");
    let sets = told["objectives"][0]["sets"].as_array().unwrap();
    let own = sets.iter().find(|it| it["name"] == "own").unwrap();
    assert!(own["pages"].as_u64().unwrap() >= 1, "{told:#}");
    assert!(own["windows"][0]["factor"].as_f64().unwrap() > 0.0, "{own:#}");
    let sla = world.run(&["slo", "sla", "slos.yaml", "--source", folder]);
    assert_eq!(sla.status.code(), Some(2), "{}", said(&sla));
}
