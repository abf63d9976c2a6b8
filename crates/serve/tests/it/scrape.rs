//! A target that is scraped, and goes away.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::json;

use crate::watch::until;
use crate::world::World;

/// A target that says one text after the other, each once it is given; it tells the head of each request.
struct Target {
    address: SocketAddr,
    texts: Option<Sender<String>>,
    heads: Receiver<String>,
}

impl Target {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (texts, given) = channel::<String>();
        let (told, heads) = channel();
        std::thread::spawn(move || {
            let mut last = String::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = vec![0; 4096];
                let length = stream.read(&mut head).unwrap_or(0);
                // Nobody gives texts any more: the target is gone, and so is its listener.
                match given.recv_timeout(Duration::from_millis(1)) {
                    Ok(text) => last = text,
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                }
                let length_of_text = last.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\n\
                     content-length: {length_of_text}\r\n\r\n{last}"
                );
                stream.write_all(answer.as_bytes()).unwrap_or_default();
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                told.send(head).unwrap_or_default();
            }
        });
        Self { address, texts: Some(texts), heads }
    }

    fn say(&self, text: &str) {
        self.texts.as_ref().unwrap().send(text.to_owned()).unwrap();
    }

    /// The head of the next request.
    fn asked(&self) -> String {
        self.heads.recv_timeout(Duration::from_secs(20)).unwrap().to_ascii_lowercase()
    }
}

/// Asks again until a query says what is expected.
fn expect(world: &World, query: &str, expected: &[&str]) {
    let mut said = Vec::new();
    for _ in 0..400 {
        let now = jiff::Timestamp::now().as_second() + 1;
        said = world.ask(query, now);
        if said == expected {
            return;
        }
        std::thread::yield_now();
        let (_held, wait) = channel::<()>();
        wait.recv_timeout(Duration::from_millis(25)).unwrap_or_default();
    }
    panic!("{query}: {said:?} for {expected:?}");
}

#[test]
fn a_target_is_asked_stored_and_said_to_be_down_when_it_is() {
    let mut target = Target::start();
    target.say("# HELP a It.\n# TYPE a gauge\na{b=\"c\"} 1\nold 1\n");
    let config = format!(
        "global: {{scrape_interval: 100ms}}\nscrape_configs: [{{job_name: shop, params: {{x: [y]}}, \
         authorization: {{credentials: hunter2}}, static_configs: [{{targets: ['{}']}}]}}]",
        target.address
    );
    let folder = tempfile::tempdir().unwrap();
    let world = World::at(folder.path(), &config, None);
    let head = target.asked();
    assert!(head.starts_with("get /metrics?x=y http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: bearer hunter2\r\n"), "{head}");
    assert!(head.contains("accept: application/openmetrics-text;version=1.0.0"), "{head}");
    assert!(head.contains("x-prometheus-scrape-timeout-seconds: 0.1\r\n"), "{head}");
    let shown = world.data("status/config")["yaml"].as_str().unwrap().to_owned();
    assert!(shown.contains("credentials: <secret>") && !shown.contains("hunter2"), "{shown}");
    let by = format!("\"instance\":\"{}\",\"job\":\"shop\"}}", target.address);
    expect(&world, "a", &[&format!("{{\"__name__\":\"a\",\"b\":\"c\",{by} \"1\"")]);
    expect(&world, "up", &[&format!("{{\"__name__\":\"up\",{by} \"1\"")]);
    expect(&world, "old", &[&format!("{{\"__name__\":\"old\",{by} \"1\"")]);
    target.say("a{b=\"c\"} 2\n");
    expect(&world, "old", &[]);
    expect(&world, "a", &[&format!("{{\"__name__\":\"a\",\"b\":\"c\",{by} \"2\"")]);
    assert_eq!(world.data("metadata")["a"], json!([{"type": "gauge", "help": "It.", "unit": ""}]));
    let active = world.data("targets")["activeTargets"][0].clone();
    assert_eq!((&active["health"], &active["scrapePool"]), (&json!("up"), &json!("shop")));

    target.texts = None;
    expect(&world, "up", &[&format!("{{\"__name__\":\"up\",{by} \"0\"")]);
    expect(&world, "a", &[]);
    let active = world.data("targets?state=active")["activeTargets"][0].clone();
    assert_eq!(active["health"], "down");
    assert_ne!(active["lastError"], "");
}

#[test]
fn a_target_is_asked_on_after_a_reload_and_what_is_dropped_then_ends() {
    let target = Target::start();
    target.say("a 1\nb 1\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prometheus.yml");
    let config = |more: &str| {
        let address = target.address;
        format!(
            "global: {{scrape_interval: 100ms}}\nscrape_configs: [{{job_name: shop, {more}static_configs: [{{targets: ['{address}']}}]}}]"
        )
    };
    std::fs::write(&file, config("")).unwrap();
    let world = World::reading(&folder.path().join("data"), &file);
    let many = |query: &str| {
        let now = jiff::Timestamp::now().as_second() + 1;
        let path = format!("query?query={}&time={now}", crate::world::encoded(query));
        let all = world.data(&path)["result"].as_array().unwrap().clone();
        all.iter().flat_map(|it| it["values"].as_array().unwrap().clone()).collect::<Vec<_>>()
    };
    let added = || {
        let all = many("scrape_series_added[1m]");
        (all.len(), all.iter().filter(|it| it[1] != "0").count())
    };
    let (before, _) = until(added, |it| it.0 > 2);
    assert_eq!(world.send("POST /-/reload", b"").status, 200);
    let (_, since_the_start) = until(added, |it| it.0 > before + 3);
    assert_eq!(since_the_start, 1, "to a target that goes on nothing is new");

    std::fs::write(
        &file,
        config("metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}], "),
    )
    .unwrap();
    assert_eq!(world.send("POST /-/reload", b"").status, 200);
    expect(&world, "b", &[]);
    assert!(!many("a[1m]").is_empty());
}
