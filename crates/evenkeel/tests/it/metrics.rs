//! `metrics serve`: from a `prometheus.yml` to an answer, and to the end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{World, said, wait_until};

/// The command with its API at a port of its own.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What it said until it was open.
    said: Vec<String>,
}

impl Server {
    pub(crate) fn start(world: &World, arguments: &[&str]) -> Self {
        let all = [&["metrics", "serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut command = world.evenkeel(&all);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let (mut said, mut address) = (Vec::new(), None);
        for line in lines {
            address = line.split(['/', ';']).find_map(|it| it.parse().ok());
            said.push(line);
            if address.is_some() {
                break;
            }
        }
        let address = address.unwrap_or_else(|| panic!("no address in {said:?}"));
        Self { child, address, said }
    }

    /// The body of the answer to a path.
    pub(crate) fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\n"), "")
    }

    /// Sends JSON to a path, and says the body of the answer.
    pub(crate) fn post(&self, path: &str, json: &str) -> String {
        let length = json.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n"
        );
        self.ask(&head, json)
    }

    fn ask(&self, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let address = self.address;
        let request = format!("{head}host: {address}\r\nconnection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Asks it to end, and says with which code it did.
    pub(crate) fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

/// A configuration by which a server scrapes another.
fn configuration(target: SocketAddr) -> String {
    format!(
        "global:\n  scrape_interval: 100ms\n  scrape_protocols: [PrometheusText0.0.4]\n\
         rule_files: [\"alert_rules.yml\"]\n\
         scrape_configs:\n- job_name: evenkeel\n  static_configs:\n  - targets: ['{target}']\n"
    )
}

#[test]
fn what_is_scraped_is_asked_and_is_there_after_a_signal() {
    let world = World::new();
    let target = Server::start(&world, &["--data", "target"]);
    world.write("prometheus.yml", &configuration(target.address));
    let arguments = ["--config", "prometheus.yml", "--data", "store"];
    let server = Server::start(&world, &arguments);
    let note = "prometheus.yml:3:3: `scrape_protocols` changes nothing:";
    assert!(server.said.iter().any(|it| it.starts_with(note)), "{:?}", server.said);
    let query = "/api/v1/query?query=last_over_time(evenkeel_build_info%5B1h%5D)";
    let scraped = |server: &Server| server.get(query).contains("\"job\":\"evenkeel\"");
    assert!(wait_until(Duration::from_secs(20), || scraped(&server)), "{}", server.get(query));
    assert_eq!(server.end(Signal::TERM), Some(0));
    assert_eq!(target.end(Signal::INT), Some(0));
    let again = Server::start(&world, &["--data", "store"]);
    assert!(scraped(&again), "{}", again.get(query));
    assert_eq!(again.end(Signal::TERM), Some(0));
    world.is_empty_within_a_second();
}

#[test]
fn a_configuration_with_mistakes_is_refused_with_their_places() {
    let world = World::new();
    world.write(
        "prometheus.yml",
        "global:\n  scrape_intervall: 1s\nscrape_configs: [{job_name: ''}]\n",
    );
    let output = world.run(&["metrics", "serve", "--config", "prometheus.yml"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    for text in ["prometheus.yml:2:3", "scrape_interval`", "prometheus.yml:3:18", "2 errors"] {
        assert!(said(&output).contains(text), "{text}\n{}", said(&output));
    }
    let output = world.run(&["metrics", "serve", "--config", "nowhere.yml"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    world.write("events.jsonl", "{\"kind\": \"party\"}\n");
    let output = world.run(&["metrics", "serve", "--events", "events.jsonl"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("events.jsonl:1:"), "{}", said(&output));
    assert!(!world.folder().join("evenkeel-metrics").exists());
}

#[test]
fn an_address_of_others_needs_a_token_that_cannot_be_guessed() {
    let world = World::new();
    let output = world.run(&["metrics", "serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert!(said(&output).contains("--token-file"), "{}", said(&output));
    world.write("token", "secret\n");
    let output = world.run(&["metrics", "serve", "--listen", "0.0.0.0:0", "--token-file", "token"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("can be guessed"), "{}", said(&output));
}

const SLO: &str = "\
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: available}
spec: {objective: 99%, sli: {availability: {bad: bad_total, total: all_total}}}
";

fn rules(name: &str) -> String {
    format!("groups: [{{name: {name}, rules: [{{record: one, expr: '1'}}]}}]\n")
}

#[test]
fn a_hangup_has_the_files_read_again() {
    let world = World::new();
    world.write("slos.yaml", SLO);
    world.write("prometheus.yml", "rule_files: [rules.yml]\n");
    world.write("rules.yml", &rules("before"));
    let server = Server::start(&world, &["slos.yaml", "--config", "prometheus.yml"]);
    let said = server.said.last().unwrap();
    assert!(said.contains("1 objective is judged, 1 group of rules is evaluated"), "{said}");
    let has = |path: &str, text: &str| {
        wait_until(Duration::from_secs(20), || server.get(path).contains(text))
    };
    let hang_up = || kill_process(Pid::from_child(&server.child), Signal::HUP).unwrap();
    assert!(has("/metrics", "slo_objective_ratio{slo=\"available\"} 0.99"));
    world.write("rules.yml", &rules("after"));
    hang_up();
    assert!(has("/api/v1/rules", "\"name\":\"after\""), "{}", server.get("/api/v1/rules"));
    world.write("rules.yml", "groups: [{name: broken}, {rules: }]\n");
    hang_up();
    assert!(has("/metrics", "evenkeel_files_last_read_successful 0"));
    assert!(has("/api/v1/rules", "\"name\":\"after\""));
    assert_eq!(server.end(Signal::TERM), Some(0));
}

#[test]
fn mistakes_of_all_files_are_said_at_once() {
    let world = World::new();
    world.write("slos.yaml", &SLO.replace("99%", "199%"));
    world.write("prometheus.yml", "rule_files: ['rules*.yml']\n");
    world.write("rules.yml", "groups: [{name: a, rules: [{record: one, expr: 'sum('}]}]\n");
    world.write(
        "rules-b.yml",
        "groups: [{name: a, rules: [{alert: A, expr: up, labels: {x: '{{ if }}'}}]}]\n",
    );
    let output = world.run(&["metrics", "serve", "slos.yaml", "--config", "prometheus.yml"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    for text in
        ["slos.yaml:4:", "rules.yml:1:48", "rules-b.yml:1:49", "EK-D040", "EK-D041", "3 errors"]
    {
        assert!(said(&output).contains(text), "{text}\n{}", said(&output));
    }
}
