//! A Prometheus of Debian: what is written to it is asked back with PromQL.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evenkeel_model::Answer;
use serde_json::Value;
use tempfile::TempDir;

use crate::load::{SECONDS, frames, open, quantile, sum_seconds, total};

/// The widest that a bucket of schema 8 is.
const BUCKET_ERROR: f64 = 0.002_72;

/// How often a question is asked again, at most, half a second apart.
const PATIENCE: usize = 120;

/// A Prometheus of the test's own.
struct Prometheus {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Prometheus {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("prometheus.yml");
        fs::write(&configuration, "global: {scrape_interval: 1h}\n").unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--web.enable-remote-write-receiver"])
            .args(["--enable-feature=native-histograms", "--log.level=error"])
            .stdout(Stdio::null())
            .spawn()
            .expect("prometheus is installed by `cargo xtask test`");
        let mut prometheus = Self { child, port: 0, _folder: folder };
        for _ in 0..PATIENCE {
            if let Some(port) = listens_at(prometheus.child.id()) {
                prometheus.port = port;
                if prometheus.get("/-/ready").is_ok_and(|it| it.starts_with("HTTP/1.0 200")) {
                    return prometheus;
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("prometheus does not come up");
    }

    fn out(&self) -> String {
        format!("prometheus=http://127.0.0.1:{}", self.port)
    }

    fn get(&self, target: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        // Version 1.0 has no chunks.
        write!(stream, "GET {target} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// What a query says at a moment: one number for each series.
    fn ask(&self, query: &str, at: jiff::Timestamp) -> Vec<f64> {
        let encoded: String = query.bytes().map(|it| format!("%{it:02x}")).collect();
        let target = format!("/api/v1/query?query={encoded}&time={}", at.as_second());
        let answer = self.get(&target).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["status"], "success", "{query}: {body}");
        let series = body["data"]["result"].as_array().unwrap();
        series.iter().map(|it| it["value"][1].as_str().unwrap().parse().unwrap()).collect()
    }

    #[track_caller]
    fn one(&self, query: &str, at: jiff::Timestamp) -> f64 {
        let found = self.ask(query, at);
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        found[0]
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().expect("it runs until it is killed");
        self.child.wait().expect("it is our child");
    }
}

/// The port at which a process listens.
fn listens_at(pid: u32) -> Option<u16> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let held: BTreeSet<String> = descriptors
        .filter_map(|it| Some(fs::read_link(it.ok()?.path()).ok()?.display().to_string()))
        .collect();
    fs::read_to_string("/proc/net/tcp").ok()?.lines().find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let listens =
            *fields.get(3)? == "0A" && held.contains(&format!("socket:[{}]", fields.get(9)?));
        let (_, port) = fields.get(1)?.split_once(':')?;
        listens.then(|| u16::from_str_radix(port, 16).ok())?
    })
}

/// A load that has just ended.
fn just_now() -> (jiff::Timestamp, jiff::Timestamp) {
    let end = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
    (end - Duration::from_secs(SECONDS), end)
}

#[tokio::test]
async fn prometheus_reads_back_what_was_counted() {
    let prometheus = Prometheus::start().await;
    let (began, end) = just_now();
    let frames = frames();
    let export = open(&prometheus.out(), &[], began);
    frames.iter().for_each(|it| export.frame(it));
    assert_eq!(export.finish().await, []);

    let exactly = |query: &str, expected: f64| {
        let found = prometheus.one(query, end);
        assert!((found - expected).abs() < 1e-6, "{query}: {found} for {expected}");
    };
    let ok = total(&frames, 0, Answer::Ok);
    exactly("evenkeel_load_planned_total{run=\"calm-otter\",test=\"shoppers\"}", 560.0 * 20.0);
    exactly("evenkeel_load_sent_total", 551.0 * 20.0);
    exactly("evenkeel_load_missed_total", 9.0 * 20.0);
    exactly("evenkeel_load_in_flight", 19.0);
    exactly("evenkeel_load_received_bytes_total", 20e6);
    exactly("evenkeel_load_requests_total{route=\"list\"}", ok.count() as f64);
    exactly("evenkeel_load_failed_total{route=\"buy \\\"now\\\"\",answer=\"timeout\"}", 20.0);
    exactly("min_over_time(evenkeel_load_requests_total{route=\"list\"}[1m])", 0.0);
    exactly("sum(evenkeel_load_failed_total) / sum(evenkeel_load_requests_total)", 20.0 / 11_020.0);

    let list = "evenkeel_load_response_seconds{route=\"list\",answer=\"ok\"}";
    exactly(&format!("histogram_count({list})"), ok.count() as f64);
    exactly(&format!("histogram_sum({list})"), sum_seconds(&ok));
    for q in [0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
        let found = prometheus.one(&format!("histogram_quantile({q}, {list})"), end);
        let truth = quantile(&ok, q);
        assert!((found / truth - 1.0).abs() < BUCKET_ERROR, "{q}: {found} for {truth}");
    }
    // Histograms of several series add up to the one that all of them would have filled.
    let mut all = ok;
    all.add(&total(&frames, 1, Answer::Ok));
    all.add(&total(&frames, 1, Answer::Timeout));
    let found =
        prometheus.one("histogram_quantile(0.999, sum(evenkeel_load_response_seconds))", end);
    let truth = quantile(&all, 0.999);
    assert!((found / truth - 1.0).abs() < BUCKET_ERROR, "{found} for {truth}");
    // What was counted in the last seconds alone.
    let recent = "histogram_count(increase(evenkeel_load_send_lag_seconds[4s]))";
    let found = prometheus.one(recent, end);
    assert!((found - 551.0 * 4.0).abs() < 1.0, "{found}");
}

#[tokio::test]
async fn prometheus_reads_back_the_statistics_that_k6_is_asked_for_and_the_end() {
    let prometheus = Prometheus::start().await;
    let (began, end) = just_now();
    let frames = frames();
    let url = prometheus.out().replace("prometheus=", "");
    let environment = [
        ("K6_PROMETHEUS_RW_SERVER_URL", &*url),
        ("K6_PROMETHEUS_RW_TREND_STATS", "p(99.9),avg,count"),
        ("K6_PROMETHEUS_RW_STALE_MARKERS", "true"),
    ];
    let export = open("experimental-prometheus-rw", &environment, began);
    frames.iter().for_each(|it| export.frame(it));
    assert_eq!(export.finish().await, []);

    let ok = total(&frames, 0, Answer::Ok);
    let (count, average) = (ok.count() as f64, sum_seconds(&ok) / ok.count() as f64);
    for (statistic, expected) in
        [("p999", quantile(&ok, 0.999)), ("avg", average), ("count", count)]
    {
        let name =
            format!("evenkeel_load_response_seconds_{statistic}{{route=\"list\",answer=\"ok\"}}");
        let found = prometheus.one(&name, end);
        assert!((found / expected - 1.0).abs() < 0.001, "{name}: {found} for {expected}");
    }
    let later = end + Duration::from_secs(1);
    assert!(prometheus.ask("{__name__=~\"evenkeel_.*\"}", later).is_empty());
}
