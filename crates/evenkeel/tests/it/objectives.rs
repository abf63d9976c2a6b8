//! `slo` and `gate` on a store in a directory and on Debian's Prometheus with the same samples.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use evenkeel_series::Labels;
use evenkeel_tsdb::{Batch, Options, Store};
use rustix::process::Signal;
use serde_json::Value;

use crate::metrics::Server;
use crate::world::{World, said, wait_until};

/// 2026-03-02T12:00:00Z, the moment that everything is judged at.
const AT: &str = "2026-03-02T12:00:00Z";
const AT_SECONDS: i64 = 1_772_452_800;

const DOCUMENTS: &str = r"
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: available}
spec:
  service: shop
  sli: {availability: {bad: errors_total, total: requests_total}}
  objective: 98%
  window: 1d
  exclusions: [{reason: move, from: '2026-03-01T20:00Z', duration: 1h}]
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: free}
spec:
  service: shop
  sli: {gauge: {query: free_ratio, value: '>= 0.1'}}
  objective: 90%
  window: 12h
  timeSlices: {length: 5m}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: unknown}
spec:
  sli: {availability: {bad: no_errors_total, total: no_requests_total}}
  objective: 99%
---
apiVersion: evenkeel.dev/v1
kind: ErrorBudgetPolicy
metadata: {name: shop}
spec:
  service: shop
  thresholds: [{remaining: 0%, actions: [freeze]}]
  gate: {exceptions: [security_patches]}
";

/// How far back the samples go: beyond every window that is asked of, because the first sample of a counter is extrapolated
/// otherwise by Prometheus 2 than by 3.
const HOURS: i64 = 74;

/// Each minute: 100 requests of which one fails, and 80 in the last half an hour; a disk that is full at the end.
fn samples() -> Vec<(i64, &'static str, f64)> {
    let mut all = Vec::new();
    let (mut requests, mut errors) = (0.0, 0.0);
    for minute in 0..HOURS * 60 {
        // Not on the moments that ranges begin and end at, which Prometheus 2 counts to both.
        let at = AT_SECONDS - HOURS * 3600 + minute * 60 + 7;
        let is_last = minute >= HOURS * 60 - 30;
        requests += 100.0;
        errors += if is_last { 80.0 } else { 1.0 };
        let free = if is_last { 0.05 } else { 0.5 };
        all.extend([(at, "requests_total", requests), (at, "errors_total", errors)]);
        all.push((at, "free_ratio", free));
    }
    all
}

/// A store in the folder of the world.
fn store(world: &World) {
    let store = Store::open(world.folder().join("data"), Options::default()).unwrap();
    let mut batch = Batch::default();
    for (at, name, value) in samples() {
        let series = store.intern(&Labels::of([("__name__", name), ("job", "shop")])).unwrap();
        batch.float(series, at * 1000, value);
    }
    assert_eq!(store.backfill(&batch).unwrap().rejected, []);
    store.close().unwrap();
}

fn world() -> World {
    let world = World::new();
    world.write("slos.yaml", DOCUMENTS);
    store(&world);
    world
}

/// The verb on the store, and with which code it ended.
fn on(world: &World, source: &str, verb: &[&str], more: &[&str]) -> (Value, Option<i32>) {
    let rest = ["slos.yaml", "--source", source, "--at", AT, "--output", "json"];
    let output = world.run(&[verb, &rest, more].concat());
    (json(&output), output.status.code())
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(output)))
}

fn near(value: &Value, expected: f64) -> bool {
    value.as_f64().is_some_and(|it| (it - expected).abs() < 0.01)
}

#[test]
fn objectives_are_judged_by_the_samples_of_a_store() {
    let world = world();
    let (said, code) = on(&world, "data", &["slo", "status"], &[]);
    assert_eq!(code, Some(1));
    let [available, free, unknown] = said["objectives"].as_array().unwrap().as_slice() else {
        panic!("{said}")
    };
    assert_eq!(available["status"], "EXHAUSTED");
    // 23 hours count, half an hour of which was bad.
    let bad = 23.0 * 60.0 - 30.0 + 30.0 * 80.0;
    assert!(near(&available["attainment_ratio"], 1.0 - bad / 138_000.0), "{available}");
    assert_eq!(available["alerts"][0]["state"], "firing", "{available}");
    assert_eq!(free["status"], "HEALTHY");
    assert!(near(&free["bad_seconds"], 1800.0), "{free}");
    assert_eq!(unknown["status"], "NO_DATA");
    assert_eq!(unknown["attainment_ratio"], Value::Null);
    let (_, code) = on(&world, "data", &["slo", "status"], &["--slo", "unknown"]);
    assert_eq!(code, Some(6));
    let (_, code) = on(&world, "data", &["slo", "status"], &["--slo", "free"]);
    assert_eq!(code, Some(0));
    let (said, _) = on(&world, "data", &["slo", "explain"], &["--slo", "available"]);
    let tree = said["objectives"][0]["budget"].to_string();
    assert!(tree.contains("sum(increase(errors_total[1d]))"), "{tree}");
    assert!(tree.contains("took out 60 bad of 6000: move"), "{tree}");
}

#[test]
fn a_spent_budget_closes_the_gate_and_an_exception_is_kept() {
    let world = world();
    let gate =
        |more: &[&str]| on(&world, "data", &["gate"], &[&["--slo", "available"], more].concat());
    let (said, code) = gate(&[]);
    assert_eq!((said["verdict"].as_str(), code), (Some("closed"), Some(1)));
    assert_eq!(gate(&["--type", "security_patches"]).1, Some(1));
    let excepted = ["--type", "security_patches", "--reason", "a hole in TLS", "--as", "ada"];
    let (said, code) = gate(&excepted);
    assert_eq!((said["verdict"].as_str(), code), (Some("open"), Some(0)));
    let kept = std::fs::read_to_string(world.folder().join("gate-audit.jsonl")).unwrap();
    assert_eq!(kept.lines().count(), 1);
    let entry: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(entry, said["objectives"][0]["audit"]);
    assert_eq!((&entry["who"], &entry["overruled"]), (&"ada".into(), &"closed".into()));
    let of = |name| on(&world, "data", &["gate"], &["--slo", name]).1;
    assert_eq!((of("free"), of("unknown")), (Some(0), Some(6)));
}

#[test]
fn a_reason_is_not_kept_where_another_gate_stops_the_change() {
    let world = world();
    let reason = ["--type", "security_patches", "--reason", "a hole in TLS"];
    let (said, code) = on(&world, "data", &["gate"], &reason);
    assert_eq!((said["verdict"].as_str(), code), (Some("inconclusive"), Some(6)));
    assert_eq!(said["objectives"][0]["audit"], Value::Null, "{said}");
    assert!(!world.folder().join("gate-audit.jsonl").exists());
}

#[test]
fn objectives_and_what_collects_for_them_are_two_files() {
    let world = World::new();
    let files = ["--file", "both.yaml", "--config", "both.yaml"];
    let output = world.run(&[&["slo", "init", "http://127.0.0.1:1/metrics"], &files[..]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("are two files"), "{}", said(&output));
}

#[test]
fn no_time_at_all_is_no_length_of_anything() {
    let world = world();
    for (verb, option) in [
        (&["slo", "watch"][..], "--every"),
        (&["slo", "backtest"], "--slice"),
        (&["slo", "backtest"], "--over"),
    ] {
        let more = ["slos.yaml", "--source", "data", option, "0s"];
        let output = world.run(&[verb, &more].concat());
        assert_eq!(output.status.code(), Some(2), "{option}: {}", said(&output));
        assert!(said(&output).contains("no time"), "{}", said(&output));
    }
}

#[test]
fn a_report_is_one_file_with_every_objective_and_what_went_on() {
    let world = world();
    let event = "deploy:v42=2026-03-02T11:25:00Z";
    let rest = ["--source", "data", "--at", AT, "--event", event, "-o", "slo.html"];
    let output = world.run(&[&["slo", "report", "slos.yaml"], &rest[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let page = std::fs::read_to_string(world.folder().join("slo.html")).unwrap();
    for wanted in ["deploy v42", "−35.98%", "available</a>", "free</a>", "unknown</a>", "no data"]
    {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert!(page.contains("<dt>Source</dt><dd>data</dd>"), "it says where it was counted");
    let mut again = world.evenkeel(&[&["slo", "report", "slos.yaml"], &rest[2..]].concat());
    let again = again.env("EVENKEEL_SOURCE", "data").output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert_eq!(page, std::fs::read_to_string(world.folder().join("slo.html")).unwrap());
    // A file is called by bytes, and not all of them are text.
    let mut odd = world.evenkeel(&[&["slo", "report", "slos.yaml"], &rest[..4], &["-o"]].concat());
    let odd = odd.arg(OsStr::from_bytes(b"\xff.html")).output().unwrap();
    assert_eq!(odd.status.code(), Some(0), "{}", said(&odd));
}

#[test]
fn history_is_played_through_alerts() {
    let world = world();
    let incident = "2026-03-02T11:30:00Z..2026-03-02T12:00:00Z";
    let more = ["--slo", "available", "--incident", incident];
    let (said, code) = on(&world, "data", &["slo", "backtest"], &more);
    assert_eq!(code, Some(0));
    let of = &said["objectives"][0];
    let own = of["sets"].as_array().unwrap().iter().find(|it| it["name"] == "own").unwrap();
    assert_eq!((&own["incidents_detected"], &own["pages"]), (&1.into(), &1.into()), "{of}");
}

#[test]
fn rules_are_right_and_pass_their_tests() {
    let world = world();
    for mode in ["compat", "exact"] {
        let more = ["slo", "rules", "slos.yaml", "--slo", "available", "--slo", "free"];
        let output = world.run(&[&more[..], &["--mode", mode, "--with-tests", mode]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let folder = world.folder().join(mode);
        promtool(&folder, &["check", "rules", "rules.yaml"]);
        promtool(&folder, &["test", "rules", "available.test.yaml"]);
    }
}

#[test]
fn rules_may_have_alerts_on_symptoms_and_say_how_often_they_are_evaluated() {
    let world = world();
    let more = ["--symptoms", "--interval", "2m", "--info", "tier=2", "--mode", "corrected"];
    let asked = ["slo", "rules", "slos.yaml", "--slo", "available", "--with-tests", "rules"];
    let output = world.run(&[&asked[..], &more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let folder = world.folder().join("rules");
    promtool(&folder, &["test", "rules", "available.test.yaml", "symptoms-shop.test.yaml"]);
    let text = std::fs::read_to_string(folder.join("rules.yaml")).unwrap();
    for expected in ["interval: 2m", "\"tier\": \"2\"", "HighErrorRate", "numerator_correction"] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    // What is recorded less often than Prometheus looks back is gone in between.
    for (interval, why) in
        [("6m", "Prometheus looks back 5m"), ("0s", "nothing can happen in no time")]
    {
        let output = world.run(&["slo", "rules", "slos.yaml", "--interval", interval]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(why), "{}", said(&output));
    }
}

#[test]
fn objectives_that_are_one_in_rules_are_refused() {
    let world = World::new();
    let slo = |name: &str| {
        format!(
            "apiVersion: evenkeel.dev/v1\nkind: SLO\nmetadata: {{name: {name}}}\nspec: {{service: shop, objective: 99%, sli: {{availability: {{bad: b, total: t}}}}}}\n"
        )
    };
    world.write("slos.yaml", &format!("{}---\n{}", slo("pay"), slo("shop-pay")));
    let output = world.run(&["slo", "rules", "slos.yaml"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        said(&output).contains("`pay` and `shop-pay` are both `shop-pay` in rules"),
        "{}",
        said(&output)
    );
}

fn promtool(folder: &Path, arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).current_dir(folder).output();
    let output = output.expect("promtool is installed by `cargo xtask test`");
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
}

/// A Prometheus of the test's own.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.0.kill().expect("it runs until it is killed");
        self.0.wait().expect("it is our child");
    }
}

fn prometheus(world: &World) -> (Prometheus, String) {
    let mut text = String::new();
    for name in ["requests_total", "errors_total", "free_ratio"] {
        let family = name.trim_end_matches("_total");
        let kind = if family == name { "gauge" } else { "counter" };
        writeln!(text, "# TYPE {family} {kind}").unwrap();
        for (at, _, value) in samples().iter().filter(|it| it.1 == name) {
            writeln!(text, "{name}{{job=\"shop\"}} {value} {at}").unwrap();
        }
    }
    world.write("samples.txt", &(text + "# EOF\n"));
    world.write("prometheus.yml", "");
    let make = ["tsdb", "create-blocks-from", "openmetrics", "samples.txt", "blocks"];
    promtool(world.folder(), &make);
    let address = format!("127.0.0.1:{}", world.port());
    let child = Command::new("prometheus")
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=blocks"])
        .args(["--storage.tsdb.retention.time=100y", "--log.level=error"])
        .arg(format!("--web.listen-address={address}"))
        .current_dir(world.folder())
        .stdout(Stdio::null())
        .spawn()
        .expect("prometheus is installed by `cargo xtask test`");
    let (server, url) = (Prometheus(child), format!("http://{address}"));
    let answers = || {
        let asked = Command::new("promtool").args(["query", "instant", &url, "1"]).output();
        asked.unwrap().status.success()
    };
    assert!(wait_until(Duration::from_mins(1), answers), "prometheus does not come up");
    (server, url)
}

#[test]
fn a_prometheus_with_the_same_samples_is_judged_alike() {
    let world = world();
    let (_server, url) = prometheus(&world);
    for verb in ["status", "explain", "backtest"] {
        let (of_store, code) = on(&world, "data", &["slo", verb], &[]);
        let (of_prometheus, other_code) = on(&world, &url, &["slo", verb], &[]);
        assert_eq!((&of_store, code), (&of_prometheus, other_code), "{verb}");
    }
    let missing = on(&world, "http://127.0.0.1:1", &["slo", "status"], &[]);
    assert_eq!(missing.1, Some(3), "{}", missing.0);
}

#[test]
fn a_store_is_judged_beside_the_server_that_has_it() {
    let world = world();
    let alone = on(&world, "data", &["slo", "status"], &[]);
    world.write("prometheus.yml", "storage: {tsdb: {retention: {time: 100y}}}\n");
    let server = Server::start(&world, &["--config", "prometheus.yml", "--data", "data"]);
    let url = format!("http://{}", server.address);
    assert_eq!(on(&world, "data", &["slo", "status"], &[]), alone);
    assert_eq!(on(&world, &url, &["slo", "status"], &[]), alone);
    assert_eq!(server.end(Signal::TERM), Some(0));
}

#[test]
fn a_gate_beside_a_running_server_follows_what_comes_in() {
    let world = World::new();
    world.write("slos.yaml", DOCUMENTS);
    let server = Server::start(&world, &["slos.yaml", "--data", "data"]);
    let url = format!("http://{}", server.address);
    let gate = |source: &str, more: &[&str]| {
        let all =
            ["gate", "slos.yaml", "--slo", "available", "--source", source, "--output", "json"];
        let output = world.run(&[&all, more].concat());
        (json(&output)["verdict"].as_str().map(str::to_owned), output.status.code())
    };
    let is = |verdict: &str, code: i32| (Some(verdict.to_owned()), Some(code));
    assert_eq!(gate(&url, &[]).1, Some(6), "nobody can tell yet");
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    let push = |requests: [i64; 2], errors: [i64; 2], at: [i64; 2]| {
        let points = |values: [i64; 2]| {
            let one = |(at, value): (i64, i64)| {
                format!(r#"{{"timeUnixNano": "{at}000000000", "asInt": "{value}"}}"#)
            };
            at.into_iter().zip(values).map(one).collect::<Vec<_>>().join(",")
        };
        let metric = |name: &str, values| {
            format!(
                r#"{{"name": "{name}", "sum": {{"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [{}]}}}}"#,
                points(values)
            )
        };
        let metrics =
            [metric("requests_total", requests), metric("errors_total", errors)].join(",");
        server.post(
            "/api/v1/otlp/v1/metrics",
            &format!(
                r#"{{"resourceMetrics": [{{"scopeMetrics": [{{"metrics": [{metrics}]}}]}}]}}"#
            ),
        );
    };
    push([0, 10_000], [0, 10], [now - 900, now - 600]);
    assert_eq!(gate(&url, &[]), is("open", 0));
    push([15_000, 20_000], [400, 800], [now - 300, now - 5]);
    assert_eq!(gate(&url, &[]), is("closed", 1));
    assert_eq!(gate("data", &[]), is("closed", 1), "the folder says the same");
    let excepted = ["--type", "security_patches", "--reason", "a hole in TLS"];
    assert_eq!(gate(&url, &excepted), is("open", 0));
    assert_eq!(server.end(Signal::TERM), Some(0));
    let all = ["gate", "slos.yaml", "--slo", "available", "--source", &url];
    let output = world.run(&all);
    assert_eq!(output.status.code(), Some(3), "who cannot ask says so: {}", said(&output));
}
