//! Ours: how `evenkeel load run` is asked for the load of a case, and what it prints.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::case::{Case, Model, Site};

/// Rows of the feeder.
const ROWS: u32 = 1000;

/// Percentiles that are held against the truth, and their names in JSON.
pub(super) const QUANTILES: [(f64, &str); 4] =
    [(0.5, "p50"), (0.95, "p95"), (0.99, "p99"), (0.999, "p999")];

/// What came of one load.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    pub(super) planned: f64,
    pub(super) sent: f64,
    pub(super) answered: f64,
    pub(super) failed: f64,
    pub(super) missed: f64,
    pub(super) in_flight: f64,
    pub(super) seconds: f64,
    /// 0 when the load was what it should have been.
    pub(super) exit_code: f64,
    pub(super) lag_p50: f64,
    pub(super) lag_p99: f64,
    /// Response times by [`QUANTILES`].
    pub(super) response: [f64; 4],
}

impl Told {
    /// Reads the one object that is printed.
    pub(super) fn read(printed: &str) -> Result<Self> {
        let said: Value = serde_json::from_str(printed).context("evenkeel did not print JSON")?;
        let number = |pointer: &str| {
            let value = said.pointer(pointer).and_then(Value::as_f64);
            value.with_context(|| format!("evenkeel did not print {pointer}"))
        };
        let mut response = [0.0; 4];
        for (place, (_, name)) in response.iter_mut().zip(QUANTILES) {
            *place = number(&format!("/response_time_seconds/{name}"))?;
        }
        Ok(Self {
            planned: number("/planned")?,
            sent: number("/sent")?,
            answered: number("/answered")?,
            failed: number("/failed")?,
            missed: number("/missed")?,
            in_flight: number("/in_flight_at_end")?,
            seconds: number("/duration_seconds")?,
            exit_code: number("/exit_code")?,
            lag_p50: number("/send_lag_seconds/p50")?,
            lag_p99: number("/send_lag_seconds/p99")?,
            response,
        })
    }

    /// A load with errors is no measure of anything.
    pub(super) fn is_sound(&self) -> Result<()> {
        ensure!(self.failed <= 0.0, "{} requests of ours failed", self.failed);
        ensure!(self.answered > 0.0, "no request of ours was answered");
        Ok(())
    }

    /// Requests of which nobody knows what became; there must be none.
    pub(super) fn unaccounted(&self) -> f64 {
        (self.sent - self.answered - self.failed - self.in_flight).abs()
    }
}

/// The load of a case on our command line. What no flag says is in a document in `folder`.
pub(super) fn arguments(
    case: &Case,
    url: &str,
    seconds: u32,
    folder: &Path,
) -> Result<Vec<String>> {
    let document = match case.site {
        Site::Scenario => Some(scenario(url, case.connections, seconds)),
        Site::Grpc => Some(calls(url, case, seconds)),
        _ => None,
    };
    let mut line: Vec<String> = ["load", "run"].map(str::to_owned).into();
    if let Some(document) = document {
        let write = |name: &str, text: String| {
            let file = folder.join(name);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            Ok::<_, anyhow::Error>(file)
        };
        write("rows.csv", rows())?;
        write("sink.proto", PROTO.to_owned())?;
        let file = write("load.yaml", document)?;
        line.push(file.to_string_lossy().into_owned());
        // Each round is the first of its kind: none is compared with the one before.
        let runs = folder.join("runs");
        if runs.exists() {
            fs::remove_dir_all(&runs)
                .with_context(|| format!("cannot remove {}", runs.display()))?;
        }
        line.push(format!("--dir={}", runs.display()));
    } else {
        line.extend([url.to_owned(), format!("--duration={seconds}s"), "--threads=1".to_owned()]);
        line.push(format!("--connections={}", case.connections));
        match case.model {
            Model::Users => line.push(format!("--users={}", case.connections * case.streams)),
            Model::Rate { rate, pace } => {
                line.push(format!("--rate={rate}/s"));
                line.extend(pace.map(|it| format!("--pace={it}")));
            }
        }
        if case.site.is_http2() {
            line.extend(["--http2".to_owned(), format!("--streams={}", case.streams)]);
        }
        if case.site.is_secure() {
            line.push("--insecure".to_owned());
        }
    }
    line.push("--output=json".to_owned());
    Ok(line)
}

fn scenario(url: &str, users: u32, seconds: u32) -> String {
    let url = url.trim_end_matches('/');
    format!(
        r#"apiVersion: evenkeel.dev/v1
kind: LoadTest
metadata: {{name: bench}}
spec:
  url: {url}
  threads: 1
  connections: {users}
  shape: {{users: {{users: {users}, duration: {seconds}s}}}}
  data:
    people: {{csv: rows.csv}}
  scenarios:
    - name: shopper
      steps:
        - name: sign in
          path: "/json/login?user=${{data:people.user}}&city=${{data:people.city}}"
          extract: {{token: {{json: "$.token"}}}}
          checks: {{status: 200, body: ["token"]}}
        - name: list
          path: "/json/items?token=${{var:token}}"
          extract: {{sku: {{json: "$.items[0].sku"}}}}
          checks: {{status: 200, body: ["items"]}}
        - name: item
          path: "/json/items/${{var:sku}}?token=${{var:token}}"
          checks: {{status: 200, body: ["cents"]}}
        - name: basket
          path: "/json/basket?sku=${{var:sku}}&token=${{var:token}}&user=${{data:people.user}}"
          checks: {{status: 200, body: ["note"]}}
        - name: sign out
          path: "/json/logout?token=${{var:token}}"
          checks: {{status: 200, body: ["token"]}}
"#
    )
}

fn rows() -> String {
    let row = |n: u32| format!("user{n:04},city{:03}\n", n * 7 % 1000);
    "user,city\n".to_owned() + &(0..ROWS).map(row).collect::<String>()
}

/// What the sink speaks.
const PROTO: &str = r#"syntax = "proto3";
package bench;
message Note { string text = 1; }
service Sink { rpc Call(Note) returns (Note); }
"#;

fn calls(url: &str, case: &Case, seconds: u32) -> String {
    let url = url.trim_end_matches('/').replace("http://", "grpc://");
    let (connections, streams) = (case.connections, case.streams);
    let text = "0123456789abcdef".repeat(4);
    format!(
        r#"apiVersion: evenkeel.dev/v1
kind: LoadTest
metadata: {{name: bench}}
spec:
  url: {url}
  threads: 1
  connections: {connections}
  streams: {streams}
  grpc: {{proto: [sink.proto]}}
  shape: {{users: {{users: {users}, duration: {seconds}s}}}}
  routes:
    - grpc: {{method: bench.Sink/Call, message: '{{"text": "{text}"}}'}}
"#,
        users = connections * streams
    )
}

#[cfg(test)]
mod tests {
    use super::super::case::CASES;
    use super::*;

    const PRINTED: &str = r#"{"planned": 100000, "sent": 99990, "missed": 10, "answered": 99970,
        "failed": 10, "in_flight_at_end": 10, "duration_seconds": 5, "exit_code": 1, "generator_cpu_seconds": 1.8,
        "send_lag_seconds": {"p50": 0.000012, "p99": 0.008078},
        "response_time_seconds": {"p50": 0.001, "p90": 0.002, "p95": 0.0025, "p99": 0.9, "p999": 0.99}}"#;

    fn line(name: &str) -> String {
        let case = CASES.iter().find(|it| it.name == name).unwrap();
        arguments(case, "http://a:1/", 5, Path::new("")).unwrap().join(" ")
    }

    #[test]
    fn what_our_generator_prints_is_read() {
        let expected = Told {
            planned: 100_000.0,
            sent: 99_990.0,
            answered: 99_970.0,
            failed: 10.0,
            missed: 10.0,
            in_flight: 10.0,
            seconds: 5.0,
            exit_code: 1.0,
            lag_p50: 0.000_012,
            lag_p99: 0.008_078,
            response: [0.001, 0.0025, 0.9, 0.99],
        };
        let told = Told::read(PRINTED).unwrap();
        assert_eq!(told, expected);
        assert!(told.is_sound().is_err());
        assert!(told.unaccounted() <= 0.0);
    }

    #[test]
    fn a_number_that_is_not_there_is_named() {
        let error = Told::read(&PRINTED.replace("p99\"", "p98\"")).unwrap_err();
        assert_eq!(error.to_string(), "evenkeel did not print /response_time_seconds/p99");
        assert!(Told::read("Error: nobody listens").is_err());
    }

    #[test]
    fn flags_say_what_they_can() {
        let start = "load run http://a:1/ --duration=5s --threads=1";
        let end = "--output=json";
        assert_eq!(line("h1-128"), format!("{start} --connections=64 --users=64 {end}"));
        let http2 = "--connections=8 --users=64 --http2 --streams=8";
        assert_eq!(line("h2c"), format!("{start} {http2} {end}"));
        let secure = "--connections=64 --users=64 --insecure";
        assert_eq!(line("https"), format!("{start} {secure} {end}"));
        let paced = "--connections=64 --rate=5000/s --pace=coarse";
        assert_eq!(line("pace-coarse-5k"), format!("{start} {paced} {end}"));
    }

    #[test]
    fn the_scenario_keeps_its_references() {
        let text = scenario("http://a:1/", 64, 5);
        assert!(text.contains("url: http://a:1\n"), "{text}");
        assert!(text.contains("login?user=${data:people.user}&city"), "{text}");
        assert_eq!(text.matches("- name: ").count(), 6);
    }
}
