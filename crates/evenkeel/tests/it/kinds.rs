//! Kinds of objectives, each judged on series whose true counts are known by arithmetic: a store, and a VictoriaMetrics.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_series::histogram::Run;
use evenkeel_series::{Histogram, Labels};
use evenkeel_tsdb::{Batch, Options, Store};
use serde_json::Value;

use crate::world::{World, said, wait_until};

/// The moment that everything is judged at.
const AT: &str = "2026-03-02T12:00:00Z";
const AT_SECONDS: i64 = 1_772_452_800;
/// The window of everything, in minutes.
const WINDOW: i64 = 12 * 60;
/// The minutes of the samples: twice the window, so that it begins amid them.
const MINUTES: i64 = 2 * WINDOW;
/// The last minutes are bad.
const OUTAGE: i64 = 30;

const DOCUMENTS: &str = r"
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: events}
spec:
  sli: {availability: {bad: errors_total, total: requests_total}}
  objective: 90%
  window: 12h
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: slices}
spec:
  sli: {availability: {bad: errors_total, total: requests_total}}
  objective: 90%
  window: 12h
  timeSlices: {length: 5m, target: 95%}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: shares}
spec:
  sli: {ratio: {bad: errors_total, total: uneven_total}}
  objective: 90%
  window: 12h
  timeSlices: {length: 5m}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: raw}
spec:
  sli: {raw: {errorRatio: 'sum(increase(errors_total[$window])) / sum(increase(requests_total[$window]))'}}
  objective: 90%
  window: 12h
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: classic}
spec:
  sli: {latency: {threshold: 300ms, histogram: answer_seconds}}
  objective: 90%
  window: 12h
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: native}
spec:
  sli: {latency: {threshold: 500ms, nativeHistogram: native_seconds}}
  objective: 90%
  window: 12h
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: fresh}
spec:
  sli: {freshness: {timestamp: last_record_timestamp_seconds, by: [partition], maxAge: 10m}}
  objective: 80%
  window: 12h
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: busy}
spec:
  sli: {throughput: {min: 1/s, total: orders_total}}
  objective: 80%
  window: 12h
  timeSlices: {length: 5m}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: cool}
spec:
  sli: {gauge: {query: temperature_celsius, value: '<= 80'}}
  objective: 80%
  window: 12h
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: gap-ignored}
spec:
  sli: {gauge: {query: probe_success, value: '>= 1'}}
  objective: 80%
  window: 12h
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: gap-bad}
spec:
  sli: {gauge: {query: probe_success, value: '>= 1'}}
  objective: 80%
  window: 12h
  noData: bad
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: gap-held}
spec:
  sli: {gauge: {query: probe_success, value: '>= 1'}}
  objective: 80%
  window: 12h
  noData: hold
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: of-events}
spec:
  sli: {composite: [{slo: events, weight: 3}, {slo: classic}]}
  objective: 90%
  window: 12h
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: of-time}
spec:
  sli: {composite: [{slo: busy}, {slo: fresh, weight: 2}]}
  objective: 80%
  window: 12h
";

/// Minutes before the end between which something else happens.
fn is_between(minute: i64, from: i64, to: i64) -> bool {
    (MINUTES - from..MINUTES - to).contains(&minute)
}

fn is_outage(minute: i64) -> bool {
    is_between(minute, OUTAGE, 0)
}

/// Each minute, in milliseconds, away from the ends of slices: what was added until then, and what is.
fn samples() -> Vec<(i64, String, f64)> {
    let mut all = Vec::new();
    let [mut requests, mut uneven, mut errors, mut orders, mut fast, mut answers] = [0.0; 6];
    let mut stuck = 0;
    for minute in 0..MINUTES {
        let at = AT_SECONDS - (MINUTES - minute) * 60 + 7;
        requests += 100.0;
        errors += if is_outage(minute) { 80.0 } else { 1.0 };
        // A tenth of the errors' share by day, all of it at night.
        uneven += if is_between(minute, 360, 0) { 1000.0 } else { 100.0 };
        orders += if is_between(minute, 180, 120) { 30.0 } else { 120.0 };
        answers += 100.0;
        fast += if is_outage(minute) { 40.0 } else { 98.0 };
        if !is_between(minute, 359, 240) {
            stuck = at;
        }
        let hot = |from, to| if is_between(minute, from, to) { 90.0 } else { 60.0 };
        let bucket = |le| format!("answer_seconds_bucket{{le=\"{le}\"}}");
        let mut is = |series: &str, value: f64| all.push((at * 1000, series.to_owned(), value));
        is("requests_total", requests);
        is("errors_total", errors);
        is("uneven_total", uneven);
        is("orders_total", orders);
        is(&bucket("0.3"), fast);
        is(&bucket("+Inf"), answers);
        is("answer_seconds_count", answers);
        is("last_record_timestamp_seconds{partition=\"a\"}", at as f64);
        is("last_record_timestamp_seconds{partition=\"b\"}", stuck as f64);
        is("temperature_celsius{room=\"a\"}", hot(300, 280));
        is("temperature_celsius{room=\"b\"}", hot(200, 180));
        if !is_between(minute, 100, 40) {
            is("probe_success", 1.0);
        }
    }
    all
}

/// `name{label="value"}`.
fn labels(text: &str) -> Labels {
    let (name, label) = text.split_once('{').unwrap_or((text, ""));
    let pair = label.trim_end_matches("\"}").split_once("=\"");
    Labels::of([("__name__", name)].into_iter().chain(pair))
}

/// Counts of answers, in buckets that end at 500 ms and 1 s.
fn native(fast: f64, slow: f64) -> Arc<Histogram> {
    Arc::new(Histogram {
        schema: 0,
        zero_threshold: 1e-9,
        count: fast + slow,
        sum: fast * 0.4 + slow * 0.8,
        positive_runs: vec![Run { offset: -1, length: 2 }],
        positive: vec![fast, slow],
        ..Histogram::default()
    })
}

fn store(world: &World) {
    let store = Store::open(world.folder().join("data"), Options::default()).unwrap();
    let mut batch = Batch::default();
    for (at, series, value) in samples() {
        batch.float(store.intern(&labels(&series)).unwrap(), at, value);
    }
    let series = store.intern(&labels("native_seconds")).unwrap();
    let (mut fast, mut slow) = (0.0, 0.0);
    for minute in 0..MINUTES {
        let added = if is_outage(minute) { 50.0 } else { 95.0 };
        (fast, slow) = (fast + added, slow + 100.0 - added);
        let at = (AT_SECONDS - (MINUTES - minute) * 60 + 7) * 1000;
        batch.histogram(series, at, native(fast, slow));
    }
    assert_eq!(store.backfill(&batch).unwrap().rejected, []);
    store.close().unwrap();
}

/// How all of them stand.
fn judged(world: &World, source: &str, only: &[&str]) -> Vec<Value> {
    let mut arguments = vec!["slo", "status", "slos.yaml", "--source", source, "--at", AT];
    arguments.extend(["--output", "json"]);
    arguments.extend(only.iter().flat_map(|it| ["--slo", it]));
    let output = world.run(&arguments);
    let value: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    value["objectives"].as_array().unwrap().clone()
}

#[track_caller]
fn is_near(of: &Value, key: &str, expected: f64, tolerance: f64) {
    let value = of[key].as_f64().unwrap_or_else(|| panic!("{key}: {of}"));
    assert!((value - expected).abs() <= tolerance, "{key}: {value} for {expected}\n{of}");
}

/// The bad events of the window, by arithmetic.
const BAD: f64 = (WINDOW - OUTAGE) as f64 + 80.0 * OUTAGE as f64;

#[test]
fn every_kind_of_objective_counts_what_is_there() {
    let world = World::new();
    world.write("slos.yaml", DOCUMENTS);
    store(&world);
    let all = judged(&world, "data", &[]);
    let of = |name: &str| all.iter().find(|it| it["name"] == name).unwrap().clone();
    let (seconds, minutes) = (WINDOW as f64 * 60.0, WINDOW as f64);
    // Events: within what one scrape adds, which is guessed at the ends of the window.
    is_near(&of("events"), "total_events", minutes * 100.0, 1.0);
    is_near(&of("events"), "bad_events", BAD, 5.0);
    is_near(&of("classic"), "bad_events", (minutes - 30.0) * 2.0 + 30.0 * 60.0, 5.0);
    is_near(&of("native"), "bad_events", (minutes - 30.0) * 5.0 + 30.0 * 50.0, 10.0);
    is_near(&of("native"), "total_events", minutes * 100.0, 1.0);
    is_near(&of("raw"), "attainment_ratio", 1.0 - BAD / (minutes * 100.0), 1e-4);
    // Slices: six of five minutes fail.
    is_near(&of("slices"), "bad_seconds", 1800.0, 0.0);
    is_near(&of("slices"), "total_seconds", seconds, 0.0);
    is_near(&of("slices"), "budget_consumed_ratio", 1800.0 / seconds / 0.1, 1e-9);
    // Half of the window at 1 of 100, and half at 1 of 1000 but for the outage at 80 of 1000.
    let shares = (360.0 * 0.01 + 330.0 * 0.001 + 30.0 * 0.08) / minutes;
    is_near(&of("shares"), "attainment_ratio", 1.0 - shares, 1e-6);
    // Stuck from minute 360 before the end until 240 before it, of which ten minutes are old enough.
    is_near(&of("fresh"), "bad_seconds", 110.0 * 60.0, 0.0);
    is_near(&of("fresh"), "total_seconds", seconds, 0.0);
    is_near(&of("busy"), "bad_seconds", 3600.0, 0.0);
    is_near(&of("cool"), "bad_seconds", 40.0 * 60.0, 0.0);
    // An hour without samples, the first four minutes of which the last one is looked back for.
    let gap = 56.0 * 60.0;
    is_near(&of("gap-ignored"), "total_seconds", seconds - gap, 0.0);
    is_near(&of("gap-ignored"), "bad_seconds", 0.0, 0.0);
    is_near(&of("gap-bad"), "bad_seconds", gap, 0.0);
    is_near(&of("gap-held"), "total_seconds", seconds, 0.0);
    is_near(&of("gap-held"), "bad_seconds", 0.0, 0.0);
    // The mean of shares by weight.
    let (events, classic) = (BAD / 72_000.0, (690.0 * 2.0 + 1800.0) / 72_000.0);
    is_near(&of("of-events"), "attainment_ratio", 1.0 - (3.0 * events + classic) / 4.0, 1e-4);
    let (busy, fresh) = (3600.0 / seconds, 6600.0 / seconds);
    is_near(&of("of-time"), "attainment_ratio", 1.0 - (busy + 2.0 * fresh) / 3.0, 1e-9);
    for it in &all {
        assert_eq!(it["note"], Value::Null, "{it}");
    }
}

/// A VictoriaMetrics of the test's own.
struct Victoria(Child);

impl Drop for Victoria {
    fn drop(&mut self) {
        self.0.kill().expect("it runs until it is killed");
        self.0.wait().expect("it is our child");
    }
}

fn victoria(world: &World) -> (Victoria, String) {
    let address = format!("127.0.0.1:{}", world.port());
    let child = world
        .command("victoria-metrics")
        .args(["-storageDataPath=victoria", "-retentionPeriod=100y", "-search.latencyOffset=0"])
        .arg(format!("-httpListenAddr={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("victoria-metrics is installed by `cargo xtask test`");
    let server = Victoria(child);
    let ask = |head: &str, body: &str| {
        let Ok(mut stream) = TcpStream::connect(&address) else { return String::new() };
        let length = body.len();
        write!(stream, "{head} HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let is_up = || ask("GET /health", "").contains(" 200 ");
    assert!(wait_until(Duration::from_secs(30), is_up), "victoria-metrics does not come up");
    let mut text = String::new();
    for (at, series, value) in samples() {
        writeln!(text, "{series} {value} {at}").unwrap();
    }
    let answer = ask("POST /api/v1/import/prometheus", &text);
    assert!(answer.contains(" 204 "), "{answer}");
    ask("GET /internal/force_flush", "");
    (server, format!("http://{address}"))
}

#[test]
fn a_victoria_metrics_is_judged_within_what_one_scrape_adds() {
    let world = World::new();
    world.write("slos.yaml", DOCUMENTS);
    let (_server, url) = victoria(&world);
    let all = judged(&world, &url, &["events", "slices", "raw", "classic", "cool", "of-events"]);
    let [events, slices, raw, classic, cool, composite] = all.as_slice() else { panic!("{all:?}") };
    // It counts what samples of the window added to the one before, and extrapolates nothing.
    is_near(events, "total_events", 72_000.0, 100.0);
    is_near(events, "bad_events", BAD, 80.0);
    is_near(classic, "bad_events", 690.0 * 2.0 + 1800.0, 60.0);
    is_near(raw, "attainment_ratio", 1.0 - BAD / 72_000.0, 1.0 / 720.0);
    is_near(slices, "bad_seconds", 1800.0, 300.0);
    is_near(cool, "bad_seconds", 40.0 * 60.0, 60.0);
    let expected = 1.0 - (3.0 * BAD + 690.0 * 2.0 + 1800.0) / 4.0 / 72_000.0;
    is_near(composite, "attainment_ratio", expected, 1.0 / 720.0);
}
