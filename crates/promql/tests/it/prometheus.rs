//! A Prometheus of Debian, asked the same random queries over the same random samples.
//!
//! Debian has Prometheus 2, whose ranges include their start: no sample here lies where a range starts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use evenkeel_promql::{Options, Query, Sample, Value};
use evenkeel_series::{Labels, Memory, Point, is_stale};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::random;

/// Neither a multiple of a second nor of a step; what `promtool` reads as a float without loss.
const LATER_MS: i64 = 1_250;

/// Where the two may differ.
const LEFT_OUT: [&str; 7] = [
    // Which of equals is chance.
    "topk",
    // So is whether rounded sums are equal.
    "==",
    // A date of what is no date is undefined.
    "day_of_week",
    // Where a counter begins near zero, 2 extrapolates it otherwise.
    "rate((",
    "rate(y",
    "increase(y",
    // Of one value that is no number 2 says 0.
    "stddev ",
];

struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    /// With the blocks in a folder.
    fn start(folder: &Path) -> Self {
        let configuration = folder.join("prometheus.yml");
        fs::write(&configuration, "global: {scrape_interval: 1h}\n").unwrap();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .args(["--storage.tsdb.retention.time=200y", "--web.listen-address=127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus is installed by `cargo xtask test`");
        let said = BufReader::new(child.stderr.take().unwrap());
        let mut prometheus = Self { child, port: 0 };
        let mut lines = said.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("Server is ready")), "prometheus does not come up");
        // Whatever else it says goes nowhere, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        prometheus.port = listens_at(prometheus.child.id()).expect("it listens once it is ready");
        prometheus
    }

    /// The series of an answer, each with its values; nothing if there is none.
    fn ask(&self, target: &str) -> Option<BTreeMap<Labels, Vec<Point>>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "GET {target} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        if body["status"] != "success" || body["data"]["resultType"] == "scalar" {
            return None;
        }
        let series = body["data"]["result"].as_array().unwrap().iter().map(|series| {
            let labels = series["metric"].as_object().unwrap().iter();
            let labels =
                Labels::of(labels.map(|(name, value)| (name.as_str(), value.as_str().unwrap())));
            let values = match series["values"].as_array() {
                Some(values) => values.iter().map(point).collect(),
                None => vec![point(&series["value"])],
            };
            (labels, values)
        });
        Some(series.collect())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().expect("it runs until it is killed");
        self.child.wait().expect("it is our child");
    }
}

fn point(value: &serde_json::Value) -> Point {
    let at = (value[0].as_f64().unwrap() * 1000.0).round() as i64;
    Point { at, value: value[1].as_str().unwrap().parse().unwrap() }
}

/// The port at which a process listens.
fn listens_at(pid: u32) -> Option<u16> {
    let held: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .filter_map(|it| Some(fs::read_link(it.ok()?.path()).ok()?.display().to_string()))
        .collect();
    fs::read_to_string("/proc/net/tcp").ok()?.lines().find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let socket = format!("socket:[{}]", fields.get(9)?);
        let listens = *fields.get(3)? == "0A" && held.contains(&socket);
        let (_, port) = fields.get(1)?.split_once(':')?;
        listens.then(|| u16::from_str_radix(port, 16).ok())?
    })
}

/// The same samples as a memory and as blocks in a folder.
fn written(samples: Vec<(Labels, Vec<Point>)>, folder: &Path) -> Memory {
    let (mut memory, mut text, mut metric) = (Memory::new(), String::new(), String::new());
    for (labels, points) in samples {
        if labels.metric() != metric {
            labels.metric().clone_into(&mut metric);
            writeln!(text, "# TYPE {metric} unknown").unwrap();
        }
        let is_counter = metric != "y";
        for Point { at, value } in points.into_iter().filter(|it| !is_stale(it.value)) {
            // Far from zero when they begin: where a counter reached zero, 2 and 3 guess otherwise.
            let value = if is_counter && value > 0.0 { value + 1e6 } else { value };
            let point = Point { at: at + LATER_MS, value };
            memory.push(&labels, point);
            let (seconds, ms) = (point.at / 1000, point.at % 1000);
            // OpenMetrics has no space between labels.
            let name = labels.to_string().replace(", ", ",");
            writeln!(text, "{name} {value:e} {seconds}.{ms:03}").unwrap();
        }
    }
    text.push_str("# EOF\n");
    let file = folder.join("samples.txt");
    fs::write(&file, text).unwrap();
    let made = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
        .args([&file, &folder.join("data")])
        .output()
        .expect("promtool is installed by `cargo xtask test`");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    memory
}

fn ours(value: Value, at: i64) -> Option<BTreeMap<Labels, Vec<Point>>> {
    match value {
        Value::Vector(elements) => {
            let element = |it: evenkeel_promql::Element| match it.sample {
                Sample::Float(value) => Some((it.labels, vec![Point { at, value }])),
                Sample::Histogram(_) => None,
            };
            elements.into_iter().map(element).collect()
        }
        Value::Matrix(lines) => {
            Some(lines.into_iter().map(|it| (it.labels, it.samples.points)).collect())
        }
        Value::Scalar(_) | Value::Text(_) => None,
    }
}

fn near(one: &Point, other: &Point) -> bool {
    let (a, b) = (one.value, other.value);
    let same = (a.is_nan() && b.is_nan()) || a.to_bits() == b.to_bits();
    one.at == other.at && (same || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0))
}

#[test]
fn prometheus_gives_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        Config { rng_seed: RngSeed::Fixed(30), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let samples = random::samples().new_tree(&mut runner).unwrap().current();
    let memory = written(samples, folder.path());
    let prometheus = Prometheus::start(folder.path());
    let queries = random::query();
    let (from, until, step) = (200_003_i64, 500_003_i64, 50_000_i64);
    let (mut compared, mut differ) = (0, Vec::new());
    for _ in 0..300 {
        let text = queries.new_tree(&mut runner).unwrap().current();
        // A subquery within another begins where the samples of the other lie.
        let nested = text.matches(':').count() > 1;
        if nested || LEFT_OUT.iter().any(|it| text.contains(it)) {
            continue;
        }
        let Ok(query) = Query::parse(&text) else { continue };
        let encoded: String = text.bytes().map(|it| format!("%{it:02x}")).collect();
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let (from_s, until_s, step_s) = (seconds(from), seconds(until), seconds(step));
        let at = format!("/api/v1/query?query={encoded}&time={until_s}");
        let over = format!(
            "/api/v1/query_range?query={encoded}&start={from_s}&end={until_s}&step={step_s}"
        );
        let options = Options::default();
        for (target, own) in [
            (at, query.instant(&memory, until, &options)),
            (over, query.range(&memory, (from, until), step, &options)),
        ] {
            let theirs = prometheus.ask(&target);
            let (Some(theirs), Some(own)) = (theirs, own.ok().and_then(|it| ours(it.value, until)))
            else {
                continue;
            };
            compared += 1;
            let alike = theirs.len() == own.len()
                && theirs.iter().zip(&own).all(|((one, a), (other, b))| {
                    one == other
                        && a.len() == b.len()
                        && a.iter().zip(b).all(|(one, other)| near(one, other))
                });
            if !alike {
                differ.push(format!("{text}\n  theirs {theirs:?}\n  ours   {own:?}"));
            }
        }
    }
    assert!(compared > 150, "only {compared} answers were compared");
    assert!(differ.is_empty(), "{} of {compared} differ:\n{}", differ.len(), differ.join("\n"));
}
