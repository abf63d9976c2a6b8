//! Samples that are sent on: to Debian's Prometheus, to a server that is not ready yet, and to one that refuses.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::prometheus::{Prometheus, ask};
use crate::world::{World, encoded};

/// A server that gives each request the next of some answers, and the last one from then on; it tells what was sent.
fn server(answers: &'static [&'static str]) -> (SocketAddr, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, sent) = channel();
    std::thread::spawn(move || {
        for (at, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let (mut all, mut piece) = (Vec::new(), [0; 4096]);
            let (head, body) = loop {
                let read = stream.read(&mut piece).unwrap();
                all.extend_from_slice(&piece[..read]);
                if let Some(end) = all.windows(4).position(|it| it == b"\r\n\r\n") {
                    let head = String::from_utf8_lossy(&all[..end]).to_ascii_lowercase();
                    break (head, end + 4);
                }
            };
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
            let end = body + length.parse::<usize>().unwrap();
            while all.len() < end {
                let read = stream.read(&mut piece).unwrap();
                all.extend_from_slice(&piece[..read]);
            }
            let answer = answers[at.min(answers.len() - 1)];
            let answer =
                format!("HTTP/1.1 {answer}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap_or_default();
            told.send((head, all[body..end].to_vec())).unwrap_or_default();
        }
    });
    (address, sent)
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let (_never, wait) = channel::<()>();
    let is_so = (0..800).any(|_| holds() || wait.recv_timeout(Duration::from_millis(25)).is_ok());
    assert!(is_so, "{what}");
}

fn metric(world: &World, line: &str) -> bool {
    world.get("/metrics").body.contains(&format!("{line}\n"))
}

#[test]
fn what_is_taken_in_is_in_the_prometheus_that_it_is_sent_on_to() {
    let theirs = Prometheus::start("global: {scrape_interval: 1h}\n");
    let config = format!(
        "global: {{external_labels: {{zone: eu}}}}\n\
         remote_write: [{{url: 'http://{}/api/v1/write', name: far, send_native_histograms: true, queue_config: {{batch_send_deadline: 50ms}}, \
         write_relabel_configs: [{{source_labels: [__name__], regex: 'own_.*', action: drop}}]}}]\n",
        theirs.address
    );
    let folder = tempfile::tempdir().unwrap();
    let ours = World::at(folder.path(), &config, None);
    let now = jiff::Timestamp::now().as_second();
    let samples = [
        (now - 60, "up,job=shop", 1.0),
        (now - 30, "up,job=shop", 0.5),
        (now - 30, "own_secret", 7.0),
        (now - 30, "up,job=till,zone=us", 2.0),
    ];
    assert_eq!(ours.write(&samples).status, 204);
    let points = format!(
        r#"[{{"timeUnixNano": "{}000000000", "count": "7", "sum": 2.5, "scale": 3, "zeroCount": "2",
            "positive": {{"offset": 4, "bucketCounts": ["3", "0", "1"]}}, "negative": {{"offset": -2, "bucketCounts": ["1"]}}}}]"#,
        now - 30
    );
    let metric_of = format!(
        r#"{{"name": "native", "exponentialHistogram": {{"aggregationTemporality": 2, "dataPoints": {points}}}}}"#
    );
    let body =
        format!(r#"{{"resourceMetrics": [{{"scopeMetrics": [{{"metrics": [{metric_of}]}}]}}]}}"#);
    let head = "POST /api/v1/otlp/v1/metrics\r\ncontent-type: application/json\r\n";
    assert_eq!(ours.send(head, body.as_bytes()).status, 200);
    wait_for("it is not sent on", || {
        metric(&ours, "evenkeel_forward_samples_total{remote=\"far\"} 4")
    });
    let found = |query: &str| {
        let path = format!("GET /api/v1/query?query={}&time={now}", encoded(query));
        let said: serde_json::Value =
            serde_json::from_str(&ask(theirs.address, &path, "", b"").body).unwrap();
        let all = said["data"]["result"].as_array().unwrap().clone();
        all.iter().map(|it| format!("{} {}", it["metric"], it["value"][1])).collect::<Vec<_>>()
    };
    assert_eq!(found("up{job=\"shop\"}"), [r#"{"__name__":"up","job":"shop","zone":"eu"} "0.5""#]);
    assert_eq!(found("up{zone=\"us\"}"), [r#"{"__name__":"up","job":"till","zone":"us"} "2""#]);
    assert_eq!(
        found("count_over_time(up{zone=\"eu\"}[2m])"),
        [r#"{"job":"shop","zone":"eu"} "2""#]
    );
    assert_eq!(found("own_secret"), [""; 0]);
    let own = |query: &str| ours.ask(query, now);
    for query in [
        "histogram_count(native)",
        "histogram_sum(native)",
        "histogram_fraction(1.6, +Inf, native)",
    ] {
        let (ours, theirs) = (own(query), found(query));
        assert_eq!(theirs[0].replace(r#"{"zone":"eu"}"#, "{}"), ours[0], "{query}");
    }
    // What waits when the server ends is sent on.
    assert_eq!(ours.write(&[(now, "up,job=shop", 9.0)]).status, 204);
    drop(ours);
    assert_eq!(found("up{job=\"shop\"}"), [r#"{"__name__":"up","job":"shop","zone":"eu"} "9""#]);
}

#[test]
fn what_a_prometheus_has_already_does_not_keep_the_rest_out() {
    let theirs = Prometheus::start("global: {scrape_interval: 1h}\n");
    let config = format!(
        "remote_write: [{{url: 'http://{}/api/v1/write', name: far, queue_config: {{batch_send_deadline: 50ms}}}}]\n",
        theirs.address
    );
    let now = jiff::Timestamp::now().as_second();
    let both: [(i64, &str, f64); 2] =
        [(now - 60, "up,job=shop", 1.0), (now - 30, "up,job=shop", 2.0)];
    let headers = "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n";
    let sent = ask(theirs.address, "POST /api/v1/write", headers, &World::request(&both));
    assert_eq!(sent.status, 204, "{}", sent.body);
    let folder = tempfile::tempdir().unwrap();
    let ours = World::at(folder.path(), &config, None);
    let new =
        [(now, "up,job=shop", 3.0), (now - 60, "up,job=till", 4.0), (now, "up,job=till", 5.0)];
    assert_eq!(ours.write(&[&both[..], &new].concat()).status, 204);
    // It has both; the later one it takes again, being its latest.
    wait_for("the rest is not sent on", || {
        metric(&ours, "evenkeel_forward_samples_total{remote=\"far\"} 4")
    });
    assert!(metric(
        &ours,
        "evenkeel_forward_lost_samples_total{remote=\"far\",reason=\"refused\"} 1"
    ));
    let path = format!(
        "GET /api/v1/query?query={}&time={now}",
        encoded("sum by (job) (sum_over_time(up[2m]))")
    );
    let said = ask(theirs.address, &path, "", b"").body;
    assert!(said.contains("\"6\"") && said.contains("\"9\""), "{said}");
}

#[test]
fn a_request_that_is_not_taken_is_sent_again_and_one_that_is_refused_is_not() {
    let (later, sent) =
        server(&["503 Service Unavailable", "429 Too Many Requests", "204 No Content"]);
    let (never, refused) = server(&["404 Not Found"]);
    let config = format!(
        "remote_write:\n- {{url: 'http://{later}/w', name: later, basic_auth: {{username: ada, password: x}}, \
         headers: {{X-Scope-OrgID: team}}, queue_config: {{batch_send_deadline: 10ms, min_backoff: 1ms}}}}\n\
         - {{url: 'http://{never}/w', name: never, queue_config: {{batch_send_deadline: 10ms}}}}\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let world = World::at(folder.path(), &config, None);
    assert_eq!(world.write(&[(100, "a", 1.0), (100, "b", 2.0)]).status, 204);
    let all: Vec<_> = (0..3).map(|_| sent.recv_timeout(Duration::from_secs(20)).unwrap()).collect();
    assert!(all.iter().all(|it| it.1 == all[0].1), "the same is sent again");
    for header in [
        "post /w http/1.1",
        "x-scope-orgid: team",
        "authorization: basic ywrhong=",
        "content-encoding: snappy",
        "x-prometheus-remote-write-version: 0.1.0",
    ] {
        assert!(all[2].0.contains(header), "{header}: {}", all[2].0);
    }
    refused.recv_timeout(Duration::from_secs(20)).unwrap();
    for line in [
        "evenkeel_forward_samples_total{remote=\"later\"} 2",
        "evenkeel_forward_retries_total{remote=\"later\"} 2",
        "evenkeel_forward_retries_total{remote=\"never\"} 0",
        "evenkeel_forward_lost_samples_total{remote=\"never\",reason=\"refused\"} 2",
        "evenkeel_forward_waiting_samples{remote=\"never\"} 0",
    ] {
        wait_for(line, || metric(&world, line));
    }
    assert!(refused.try_recv().is_err(), "what is refused is sent once");
}

/// Writes down that a database has got everything before a place of the log.
fn got(folder: &std::path::Path, log: u64, bytes: u64, since: i64) {
    let left = serde_json::json!({"log": log, "bytes": bytes, "since": since, "parts": []});
    let text = serde_json::json!({"databases": {"far": left}}).to_string();
    std::fs::write(folder.join("forward.json"), text).unwrap();
}

#[test]
fn what_a_database_has_not_got_before_a_restart_it_gets_afterwards() {
    let now = jiff::Timestamp::now().as_second();
    for (what, log, bytes) in [("the log is there", 1, 12), ("the log is gone", 0, 0)] {
        let theirs = World::empty();
        let folder = tempfile::tempdir().unwrap();
        let ours = World::at(folder.path(), "", None);
        let samples =
            [(now - 60, "up,job=a", 1.0), (now - 50, "up,job=b", 2.0), (now - 30, "up,job=a", 3.0)];
        assert_eq!(ours.write(&samples).status, 204);
        drop(ours);
        got(folder.path(), log, bytes, (now - 55) * 1000);
        let config = format!(
            "remote_write: [{{url: 'http://{}/api/v1/write', name: far, queue_config: {{batch_send_deadline: 10ms}}}}]",
            theirs.0.address
        );
        let ours = World::at(folder.path(), &config, None);
        let many = if log == 0 { 2 } else { 3 };
        wait_for(what, || {
            metric(&ours, &format!("evenkeel_forward_samples_total{{remote=\"far\"}} {many}"))
        });
        let of =
            |job: &str| theirs.0.ask(&format!("count_over_time(up{{job=\"{job}\"}}[2m])"), now);
        let a = if log == 0 { 1 } else { 2 };
        assert_eq!(of("a"), [format!("{{\"job\":\"a\"}} \"{a}\"")], "{what}");
        assert_eq!(of("b"), ["{\"job\":\"b\"} \"1\""], "{what}");
    }
}

#[test]
fn what_metrics_mean_is_sent_now_and_then() {
    let theirs = World::empty();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "remote_write: [{{url: 'http://{}/api/v1/write', name: far, metadata_config: {{send_interval: 20ms}}}}]",
        theirs.0.address
    );
    let ours = World::at(folder.path(), &config, None);
    let body = br#"{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "depth", "description": "How deep it is.",
        "gauge": {"dataPoints": [{"timeUnixNano": "1000000000", "asDouble": 1}]}}]}]}]}"#;
    let head = "POST /api/v1/otlp/v1/metrics\r\ncontent-type: application/json\r\n";
    assert_eq!(ours.send(head, body).status, 200);
    let expected = serde_json::json!([{"type": "gauge", "help": "How deep it is.", "unit": ""}]);
    wait_for("it is not told", || theirs.0.data("metadata")["depth"] == expected);
    wait_for("it is not counted", || {
        ours.get("/metrics").body.lines().any(|it| {
            it.strip_prefix("evenkeel_forward_metadata_total{remote=\"far\"} ")
                .is_some_and(|it| it != "0")
        })
    });
}

#[test]
fn what_a_rule_records_is_sent_on() {
    let theirs = World::empty();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "remote_write: [{{url: 'http://{}/api/v1/write', queue_config: {{batch_send_deadline: 10ms}}}}]",
        theirs.0.address
    );
    let rules = "groups: [{name: g, interval: 50ms, rules: [{record: answer, expr: '40 + 2'}, {alert: Here, expr: 'answer > 1'}]}]";
    let _ours = World::with_rules(folder.path(), &config, rules);
    for (query, expected) in [
        ("answer", r#"{"__name__":"answer"} "42""#),
        ("ALERTS", r#"{"__name__":"ALERTS","alertname":"Here","alertstate":"firing"} "1""#),
    ] {
        wait_for(query, || theirs.0.ask(query, jiff::Timestamp::now().as_second()) == [expected]);
    }
}
