//! Grafana: what its data source for Prometheus sends, put to our server and to Debian's Prometheus over the same samples.
//!
//! Documented differences, which are not compared: what the two say of themselves (versions, flags, folders), the words of
//! what is wrong with a query, and that a span of labels is looked at by the series here and by blocks there.

use std::cell::RefCell;
use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::{Value, json};

use crate::prometheus::{Prometheus, ask};
use crate::world::{World, encoded};

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
/// What comes with each request of a panel.
const PANEL: &str = "accept-encoding: gzip\r\nuser-agent: Grafana/11.2.0\r\nx-dashboard-uid: abc\r\n\
                     x-datasource-uid: prom\r\nx-grafana-org-id: 1\r\nx-panel-id: 2\r\nfromalert: false\r\n";

/// What is wrong with a query, the two say in words of their own.
const WORDS_OF_ITS_OWN: [&str; 3] = ["parse error", "match[]", "many-to-many matching"];

/// A target that always says the same.
fn target() -> SocketAddr {
    const TEXT: &str = "# HELP shop_requests_total Requests by code.\n# TYPE shop_requests_total counter\n\
                        shop_requests_total{code=\"200\"} 1027\nshop_requests_total{code=\"500\"} 3\n\
                        # HELP shop_queue_length Orders that wait.\n# TYPE shop_queue_length gauge\nshop_queue_length 7\n\
                        # HELP shop_seconds Times \\\\ of \"answers\".\n# TYPE shop_seconds histogram\n\
                        shop_seconds_bucket{le=\"0.1\"} 5\nshop_seconds_bucket{le=\"+Inf\"} 9\nshop_seconds_sum 2.5\n\
                        shop_seconds_count 9\n# TYPE shop_up untyped\nshop_up 1\n";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.read(&mut [0; 4096]).map(drop).unwrap_or_default();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n{TEXT}",
                TEXT.len()
            );
            stream.write_all(answer.as_bytes()).unwrap_or_default();
        }
    });
    address
}

/// The two, and the last moment of the samples that both were sent, in seconds.
struct Both {
    ours: World,
    theirs: Prometheus,
    end: i64,
    differ: RefCell<Vec<String>>,
    _folder: tempfile::TempDir,
}

impl Both {
    fn start() -> Self {
        let config = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
             scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['{}'], labels: {{zone: b}}}}]}}]\n",
            target()
        );
        let folder = tempfile::tempdir().unwrap();
        let theirs = Prometheus::start(&config);
        let ours = World::at(folder.path(), &config, None);
        let end = jiff::Timestamp::now().as_second() / 60 * 60 - 60;
        let both = Self { ours, theirs, end, differ: RefCell::default(), _folder: folder };
        both.fill();
        both.wait();
        both
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        [self.ours.address, self.theirs.address]
    }

    /// Half an hour of samples every 15 s, away from the moments that are asked for: there the ranges of 2 and 3 differ.
    fn fill(&self) {
        let mut samples = Vec::new();
        for step in 0..120 {
            let at = self.end - 1800 + step * 15 + 7;
            let n = step as f64;
            samples.push((at, "http_requests_total,code=200,instance=a,job=api", 1e6 + 30.0 * n));
            samples.push((at, "http_requests_total,code=500,instance=a,job=api", 1e5 + n));
            // Restarts in between.
            let restarted = if step < 60 { 5e5 + 7.0 * n } else { 7.0 * n };
            samples.push((at, "http_requests_total,code=200,instance=b,job=api", restarted));
            samples.push((
                at,
                "temperature_celsius,room=kitchen \"1\" <é>",
                20.0 + (n / 7.0).sin(),
            ));
            for (le, share) in [("0.1", 60.0), ("0.5", 90.0), ("+Inf", 100.0)] {
                let series = format!("http_seconds_bucket,job=api,le={le}");
                samples.push((at, &*series.leak(), 1e6 + share * n));
            }
        }
        // Both take samples of one series in order; ours in any.
        for address in self.addresses() {
            let body = World::request(&samples);
            let headers = "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n\
                           x-prometheus-remote-write-version: 0.1.0\r\n";
            let answer = ask(address, "POST /api/v1/write", headers, &body);
            assert_eq!(answer.status, 204, "{}", answer.body);
        }
    }

    /// Until both have scraped the target twice.
    fn wait(&self) {
        for address in self.addresses() {
            let scraped = || {
                let query = encoded("count_over_time(up[1m]) > 1");
                let answer = ask(address, &format!("GET /api/v1/query?query={query}"), "", b"");
                answer.body.contains("\"value\"")
            };
            let (_never, wait) = std::sync::mpsc::channel::<()>();
            let is_there =
                (0..400).any(|_| scraped() || wait.recv_timeout(Duration::from_millis(25)).is_ok());
            assert!(is_there, "{address} does not scrape");
        }
    }

    /// What both answer.
    fn ask(&self, line: &str, headers: &str, body: &str) -> [(u16, Value); 2] {
        self.addresses().map(|address| {
            let answer = ask(address, line, headers, body.as_bytes());
            assert!(
                answer.head.contains("content-type: application/json"),
                "{line}: {}",
                answer.head
            );
            let mut said: Value = serde_json::from_str(&answer.body).unwrap();
            // In Prometheus, what an aggregation finds has no order.
            if said["data"]["resultType"] == "vector" && !body.contains("topk") {
                let found = said["data"]["result"].as_array_mut().unwrap();
                found.sort_by_key(|it| it["metric"].to_string());
            }
            (answer.status, said)
        })
    }

    /// Both answer the very same, to a form.
    fn same(&self, path: &str, form: &str) -> Value {
        let [ours, theirs] =
            self.ask(&format!("POST /api/v1/{path}"), &format!("{FORM}{PANEL}"), form);
        self.compare(&format!("{path}: {form}"), &ours, &theirs);
        assert_eq!(ours.0, 200, "{path}: {form}: {}", ours.1);
        ours.1
    }

    /// Both answer the very same, to a URL.
    fn same_url(&self, path: &str) -> Value {
        let [ours, theirs] = self.ask(&format!("GET /api/v1/{path}"), PANEL, "");
        self.compare(path, &ours, &theirs);
        ours.1
    }

    fn compare<T: PartialEq + Debug>(&self, what: &str, ours: &T, theirs: &T) {
        if ours != theirs {
            let differ = format!("{what}\n  ours   {ours:?}\n  theirs {theirs:?}");
            self.differ.borrow_mut().push(differ);
        }
    }

    /// Where samples were written, as Grafana says it.
    fn span(&self) -> String {
        format!("start={}&end={}", self.end - 1800, self.end)
    }
}

#[test]
fn grafana_is_answered_as_by_prometheus() {
    let both = Both::start();
    saves_and_tests(&both);
    explores(&both);
    draws(&both);
    asks_what_makes_no_sense(&both);
    reads_what_the_server_says_of_itself(&both);
    let differ = both.differ.take();
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}

/// "Save & test", and how Grafana finds out whom it asks.
fn saves_and_tests(both: &Both) {
    let said = both.same("query", "query=1%2B1&time=1700000000");
    assert_eq!(said["data"]["result"], json!([1_700_000_000, "2"]));
    both.same("query", "query=1%2B1&time=1700000000.123");
    let version = |address| {
        let answer = ask(address, "GET /api/v1/status/buildinfo", PANEL, b"");
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        said["data"]["version"].as_str().unwrap().split('.').count()
    };
    assert_eq!(both.addresses().map(version), [3, 3]);
}

/// Completion, the metrics browser, and variables of dashboards.
fn explores(both: &Both) {
    let span = both.span();
    both.same_url(&format!("labels?{span}"));
    both.same(
        "labels",
        &format!("{span}&match[]={}", encoded("{__name__=\"http_requests_total\"}")),
    );
    both.same("labels", "match[]=up&match[]=temperature_celsius");
    both.same_url("label/__name__/values");
    both.same_url(&format!("label/__name__/values?{span}"));
    both.same_url(&format!(
        "label/code/values?{span}&match[]={}",
        encoded("http_requests_total{job=~\"a.+\"}")
    ));
    both.same_url(&format!("label/nothing/values?{span}"));
    let said = both
        .same("series", &format!("{span}&match[]=http_requests_total&match[]=temperature_celsius"));
    assert_eq!(said["data"].as_array().unwrap().len(), 4, "{said}");
    both.same("series", &format!("{span}&match[]={}", encoded("{__name__=~\"nothing.*\"}")));
    both.same_url("metadata");
    both.same_url("metadata?limit=40000");
    both.same_url("metadata?limit=0");
    both.same_url("metadata?limit=-1");
    both.same_url("metadata?metric=shop_requests_total");
    both.same_url("metadata?metric=nothing");
    both.same("query_exemplars", &format!("{span}&query=http_requests_total"));
}

/// Panels: ranges, instants, and what becomes of `$__rate_interval`, `$__range` and the like.
fn draws(both: &Both) {
    let (start, end) = (both.end - 900, both.end);
    for query in [
        "http_requests_total",
        "rate(http_requests_total[1m0s])",
        "sum by (code) (rate(http_requests_total{job=\"api\"}[60s]))",
        "sum(increase(http_requests_total[15m])) by (instance)",
        "histogram_quantile(0.95, sum by (le) (rate(http_seconds_bucket[4m])))",
        "sum(rate(http_requests_total{code=\"500\"}[1m])) / sum(rate(http_requests_total[1m])) * 100",
        "max_over_time(temperature_celsius[290s:30s])",
        "topk(1, http_requests_total)",
        "temperature_celsius > 20",
        "label_replace(temperature_celsius, \"short\", \"$1\", \"room\", \"(.).*\")",
        "absent(nothing{job=\"api\"})",
        "time()",
        "vector(1)",
        "nothing",
        "http_requests_total offset 5m",
        "max_over_time(temperature_celsius[15m] @ end())",
        "http_requests_total unless on (instance) http_requests_total{code=\"500\"}",
        "-temperature_celsius ^ 0.5",
        "count_values(\"value\", http_requests_total)",
    ] {
        let form = format!("query={}&start={start}&end={end}", encoded(query));
        // In Explore and in panels, by the width of the graph and by hand.
        both.same("query_range", &format!("{form}&step=15"));
        both.same("query_range", &format!("{form}&step=1m"));
        both.same("query", &format!("query={}&time={end}", encoded(query)));
    }
    let odd = format!("query=temperature_celsius&start={start}.25&end={end}.5&step=7.5");
    both.same("query_range", &odd);
    both.same("query", &format!("query={}&time={end}.999", encoded("http_requests_total[1m]")));
    both.same("query", &format!("query={}&time={end}", encoded("\"a text\"")));
    let dates =
        "query=vector(1)&start=2026-01-01T00:00:00Z&end=2026-01-01T00:00:30.5Z&step=10&timeout=10s";
    both.same("query_range", dates);
}

/// What is wrong is said with the same status and type, and where it is a parameter with the same words.
fn asks_what_makes_no_sense(both: &Both) {
    for (path, form) in [
        ("query", "query=sum("),
        ("query", ""),
        ("query", "query=up&time=yesterday"),
        ("query", "query=up&timeout=soon"),
        ("query", "query=http_requests_total%2Bon(job)http_requests_total&time=END"),
        ("query", "query=sum(http_requests_total)%2Bsum&time=1"),
        ("query_range", "query=up"),
        ("query_range", "query=up&start=1"),
        ("query_range", "query=up&start=1&end=2"),
        ("query_range", "query=up&start=2&end=1&step=1"),
        ("query_range", "query=up&start=1&end=2&step=0"),
        ("query_range", "query=up&start=1&end=2&step=-1s"),
        ("query_range", "query=up&start=1&end=2&step=x"),
        ("query_range", "query=up&start=0&end=11001&step=1"),
        ("query_range", "query=up%5B1m%5D&start=0&end=1&step=1"),
        ("series", ""),
        ("series", "match[]=%7B%7D"),
        ("series", "match[]=1"),
        ("series", "match[]=up&start=x"),
        ("labels", "match[]=sum(up)"),
        ("labels", "end=x"),
        ("query_exemplars", "query=(&start=0&end=1"),
    ] {
        let form = form.replace("END", &both.end.to_string());
        let [ours, theirs] = both.ask(&format!("POST /api/v1/{path}"), FORM, &form);
        let kind = |it: &(u16, Value)| (it.0, it.1["status"].clone(), it.1["errorType"].clone());
        both.compare(&format!("{path}: {form}"), &kind(&ours), &kind(&theirs));
        let (ours, theirs) = (ours.1["error"].as_str(), theirs.1["error"].as_str());
        if !theirs.is_some_and(|it| WORDS_OF_ITS_OWN.iter().any(|own| it.contains(own))) {
            both.compare(&format!("{path}: {form}"), &ours, &theirs);
        }
    }
    for path in ["metadata?limit=x", "label/job/values?start=x"] {
        both.same_url(path);
    }
}

/// Pages of status, of which the keys are compared.
fn reads_what_the_server_says_of_itself(both: &Both) {
    for (path, key) in [
        ("status/runtimeinfo", "startTime"),
        ("status/config", "yaml"),
        ("status/buildinfo", "version"),
        ("status/tsdb", "headStats"),
        ("status/tsdb", "seriesCountByMetricName"),
        ("targets", "activeTargets"),
        ("targets?state=active", "droppedTargets"),
        ("alertmanagers", "activeAlertmanagers"),
    ] {
        let [(_, ours), (_, theirs)] = both.ask(&format!("GET /api/v1/{path}"), PANEL, "");
        assert!(!ours["data"][key].is_null() && !theirs["data"][key].is_null(), "{path}: {ours}");
    }
    let [(_, ours), (_, theirs)] = both.ask("GET /api/v1/status/tsdb", PANEL, "");
    for key in ["numSeries", "numLabelPairs"] {
        let of = |it: &Value| it["data"]["headStats"][key].clone();
        both.compare(key, &of(&ours), &of(&theirs));
    }
    for key in [
        "seriesCountByMetricName",
        "labelValueCountByLabelName",
        "memoryInBytesByLabelName",
        "seriesCountByLabelValuePair",
    ] {
        // Which of those with equally many come last is chance there.
        let of = |it: &Value| -> Vec<_> {
            let all = it["data"][key].as_array().unwrap();
            all.iter().map(|it| it["value"].clone()).collect()
        };
        both.compare(key, &of(&ours), &of(&theirs));
    }
    let [(_, ours), (_, theirs)] = both.ask("GET /api/v1/targets", PANEL, "");
    let of = |it: &Value| {
        let mut target = it["data"]["activeTargets"][0].clone();
        for volatile in ["lastScrape", "lastScrapeDuration", "globalUrl"] {
            target.as_object_mut().unwrap().remove(volatile);
        }
        target
    };
    both.compare("targets", &of(&ours), &of(&theirs));
}

#[test]
fn a_large_answer_is_packed_for_those_who_ask_for_it() {
    let (world, _folder) = World::with(&[(0, "a", 1.0)]);
    let path = "GET /api/v1/query_range?query=a&start=0&end=300&step=1";
    let plain = ask(world.address, path, "", b"");
    let packed = ask(world.address, path, "accept-encoding: gzip, deflate\r\n", b"");
    assert!(packed.head.contains("content-encoding: gzip") && !plain.head.contains("gzip"));
    assert_eq!(packed.body, plain.body);
}
