//! A run as a source: objectives are judged alike on the requests of a load and on the metrics that it wrote to a store, and on
//! those of a drill and the metrics of the service that it broke.

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::drill::{Nginx, folder_of};
use crate::metrics::Server;
use crate::world::{World, said, wait_until};

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

/// Most of what a shop recommends is broken for two seconds, by errors of the service that it asks.
const BREAKING: &str = r#"
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: recommended}
spec:
  route: recommendations
  sli:
    availability:
      bad: 'http_requests_total{route="/recommendations/{user}",code=~"5.."}'
      total: 'http_request_duration_seconds_count{route="/recommendations/{user}"}'
  objective: 90%
  window: 1h
---
apiVersion: evenkeel.dev/v1
kind: Drill
metadata: {name: breaking}
spec:
  service:
    url: http://127.0.0.1:GATEWAY
    dependencies: {recommendations: {listen: "127.0.0.1:LINK", upstream: "127.0.0.1:UPSTREAM"}}
    allowFaults: [httpErrors]
  objectives: [recommended]
  load: {timeout: 20s, routes: [{name: recommendations, path: /recommendations/1}]}
  phases:
    - {name: baseline, role: baseline, shape: {constant: {rate: 4/s, duration: 1s}}}
    - name: faults
      shape: {constant: {rate: 4/s, duration: 2s}}
      chaos:
        - method:
            - httpErrors: {target: {dependency: recommendations}, share: 75%, status: 503, at: 0s, duration: 2s}
          safety: {abort: ["error_rate > 90% for 10s"]}
    - {name: recovery, role: recovery, shape: {constant: {rate: 4/s, duration: 1s}}}
"#;

/// Increases are extrapolated by half an interval: of some twenty requests in five seconds that is less than half of one.
const SCRAPED: &str = "\
global: {scrape_interval: 50ms, evaluation_interval: 200ms}
scrape_configs:
- job_name: gateway
  static_configs: [{targets: ['127.0.0.1:GATEWAY']}]
";

/// What counts every request of the drill.
const ALL: &str = r#"http_request_duration_seconds_count{route="/recommendations/{user}"}"#;

/// The answer to a path at a port of this machine; empty without one.
fn get(port: u16, path: &str) -> String {
    let mut answer = Vec::new();
    let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        let host = format!("host: 127.0.0.1:{port}\r\nconnection: close");
        stream.write_all(format!("GET {path} HTTP/1.1\r\n{host}\r\n\r\n").as_bytes())?;
        stream.read_to_end(&mut answer)
    });
    asked.map(|_| String::from_utf8_lossy(&answer).into_owned()).unwrap_or_default()
}

#[test]
fn a_drill_and_the_metrics_of_the_service_that_it_breaks_are_the_same_to_the_event() {
    let world = World::new();
    let (port, gateway, link) = (world.port(), world.port() + 1, world.port() + 12);
    let fill = |text: &str| {
        let words = [("GATEWAY", gateway), ("LINK", link), ("UPSTREAM", port + 6)];
        words.iter().fold(text.to_owned(), |it, (word, at)| it.replace(word, &at.to_string()))
    };
    let (via, at) = (format!("--via=recommendations=127.0.0.1:{link}"), format!("--port={port}"));
    let mut shop = world.evenkeel(&["shop", "--fragile", &at, &via]);
    let mut shop = shop.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The link is there while the drill is. What fails before begins each series, so that none begins amid the drill.
    let broken = || get(gateway, "/recommendations/1").starts_with("HTTP/1.1 502");
    assert!(wait_until(Duration::from_secs(20), broken), "the shop does not come up");
    world.write("prometheus.yml", &fill(SCRAPED));
    world.write("drill.yaml", &fill(BREAKING));
    let served = ["drill.yaml", "--config", "prometheus.yml", "--data", "store"];
    let server = Server::start(&world, &served);
    let ask = |query: &str| -> Option<f64> {
        let query: String = query.bytes().map(|it| format!("%{it:02X}")).collect();
        let said: Value =
            serde_json::from_str(&server.get(&format!("/api/v1/query?query={query}"))).ok()?;
        said["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    };
    // A busy host may not scrape in time: then a series is ended, and goes on with the next.
    let known = |query: &str, least: f64| {
        let said = Cell::new(f64::NAN);
        let is_there = wait_until(Duration::from_secs(20), || {
            said.set(ask(query).unwrap_or(f64::NAN));
            said.get() >= least
        });
        assert!(is_there, "{query} is {}, and {least} is expected", said.get());
        said.get()
    };
    let before = known(ALL, 1.0);
    let drill = ["drill", "run", "drill.yaml", "--yes", "--seed", "7", "--output", "json"];
    let drill = world.run(&drill);
    // The verdict may be that the host was too busy for one.
    assert!(matches!(drill.status.code(), Some(1 | 6)), "{}", said(&drill));
    let folder = folder_of(&drill).display().to_string();
    let status = ["slo", "status", "drill.yaml", "--output", "json", "--source"];
    let (of_run, code) = json(&world, &[&status[..], &[&folder]].concat());
    assert_eq!(code, Some(1), "{of_run:#}");
    let of_run = &of_run["objectives"][0];
    let total = of_run["total_events"].as_f64().unwrap();
    let bad = of_run["bad_events"].as_u64().unwrap();
    assert!((1..=8).contains(&bad), "most of eight: {of_run:#}");
    known(ALL, before + total);
    let last = known(&format!("timestamp({ALL})"), 0.0);
    let last = jiff::Timestamp::from_millisecond((last * 1000.0).round() as i64).unwrap();
    let url = format!("http://{}", server.address);
    let (of_store, code) =
        json(&world, &[&status[..], &[&url, "--at", &last.to_string()]].concat());
    assert_eq!(code, Some(1), "{of_store:#}");
    let of_store = &of_store["objectives"][0];
    for key in [
        "good_events",
        "bad_events",
        "total_events",
        "attainment_ratio",
        "objective_ratio",
        "status",
    ] {
        assert_eq!(of_run[key], of_store[key], "{key}: {of_run:#} {of_store:#}");
    }
    // Who burned it is known of the store as well: the drill.
    let explain = ["slo", "explain", "drill.yaml", "--output", "json", "--source", &url, "--at"];
    let (told, _) = json(&world, &[&explain[..], &[&last.to_string()]].concat());
    let burned = &told["objectives"][0]["burned_by"][0];
    let run = folder.rsplit('/').next().unwrap();
    assert_eq!(burned["parts"][0]["name"], format!("drill {run}"), "{told:#}");
    assert_eq!(burned["parts"][0]["bad_events"], bad, "{told:#}");
    assert_eq!(server.end(Signal::TERM), Some(0));
    kill_process(Pid::from_child(&shop), Signal::TERM).unwrap();
    shop.wait().unwrap();
    world.is_empty_within_a_second();
}
