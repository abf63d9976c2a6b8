//! Load from several machines: agents as processes of their own, on loopback and each in a network of its own.

mod calling;
mod lost;
mod networks;
mod postgres;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::world::{World, said, wait_until};

const TOKEN: &str = "0123456789abcdef-of-a-test";

/// Generous: hosts that test are busy, and nothing here waits longer than it has to.
const PATIENCE: Duration = Duration::from_secs(20);

/// An agent, its address, and what it says.
struct Agent {
    process: Child,
    address: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Agent {
    fn start(world: &World) -> Self {
        Self::of(world.evenkeel(&["agent", "--listen", "127.0.0.1:0"]))
    }

    fn of(mut command: Command) -> Self {
        command.env("EVENKEEL_AGENT_TOKEN", TOKEN);
        Self::of_stranger(command)
    }

    /// One with a token of its own.
    fn of_stranger(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.rsplit_once(' ').unwrap().1.to_owned();
        let said = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&said);
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| hears.lock().unwrap().push(line));
        });
        Self { process, address, said }
    }

    fn has_said(&self, words: &str) -> bool {
        wait_until(PATIENCE, || self.said.lock().unwrap().iter().any(|it| it.contains(words)))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A server that answers everything and keeps the path of every request.
struct Sink {
    address: SocketAddr,
    paths: Arc<Mutex<Vec<String>>>,
}

impl Sink {
    fn start(at: &str) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let address = listener.local_addr().unwrap();
        let paths = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&paths);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, heard) = (stream.unwrap(), Arc::clone(&heard));
                std::thread::spawn(move || answer(stream, &heard));
            }
        });
        Self { address, paths }
    }

    fn count(&self) -> usize {
        self.paths.lock().unwrap().len()
    }

    /// How often each path was asked for; nothing is remembered afterwards.
    fn take(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for path in self.paths.lock().unwrap().drain(..) {
            *counts.entry(path).or_insert(0) += 1;
        }
        counts
    }
}

fn answer(mut stream: TcpStream, heard: &Mutex<Vec<String>>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match reader.read_line(&mut head) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        heard.lock().unwrap().push(head.split(' ').nth(1).unwrap().to_owned());
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

/// A test of two routes; each row of its data is used once.
fn document(world: &World, target: SocketAddr, seconds: u64) -> String {
    let rows: String = (0..4_000).map(|it| format!("{it}\n")).collect();
    world.write("items.csv", &format!("id\n{rows}"));
    let text = format!(
        "apiVersion: evenkeel.dev/v1
kind: LoadTest
metadata: {{name: fleet}}
spec:
  url: http://{target}
  shape: {{constant: {{rate: 400/s, duration: {seconds}s}}}}
  connections: 8
  data:
    items: {{csv: items.csv, order: unique}}
  routes:
    - {{name: list, path: /list, weight: 3}}
    - {{name: item, path: '/item/${{data:items.id}}', weight: 1}}
"
    );
    world.write("load.yaml", &text).display().to_string()
}

/// Load from agents.
fn command(world: &World, agents: &[&Agent], more: &[&str]) -> Command {
    let addresses = agents.iter().map(|it| &*it.address).collect::<Vec<_>>().join(",");
    let mut command = world.evenkeel(&["load", "run", "--agents", &addresses]);
    command.args(more).env("EVENKEEL_AGENT_TOKEN", TOKEN);
    command
}

/// A load that has been begun, and whose words are kept until its end.
fn begin(load: &mut Command) -> Child {
    load.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(output)))
}

/// Fails unless a load ended so. What agents send does not depend on how busy the host is, but whether they kept up does: where
/// they did not, the verdict says so, and is inconclusive.
fn judged(output: &Output, exit_code: i32) {
    let text = said(output);
    let was_late = text.contains("Generator kept up: ") || text.contains("could not keep up");
    let exit_code = if was_late { 6 } else { exit_code };
    assert_eq!(output.status.code(), Some(exit_code), "{text}");
}

/// How many requests went to the list, and how many to items; no item was asked for twice.
fn routes(mut paths: BTreeMap<String, usize>) -> (usize, usize) {
    let lists = paths.remove("/list").unwrap_or(0);
    assert!(paths.values().all(|it| *it == 1), "{paths:?}");
    assert!(paths.keys().all(|it| it.starts_with("/item/")), "{paths:?}");
    (lists, paths.len())
}

#[test]
fn several_machines_send_what_one_would_have_sent() {
    // The agents do not have the coordinator's files: what they need comes with the order.
    let (world, elsewhere) = (World::new(), World::new());
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 3);
    let agents = [(); 3].map(|()| Agent::start(&elsewhere));
    let more = [&*file, "--seed", "7", "--output", "json"];
    let output = command(&world, &agents.each_ref(), &more).output().unwrap();
    judged(&output, 0);
    let counted = json(&output);
    let of_fleet = routes(sink.take());
    let one = world.evenkeel(&["load", "run"]).args(more).output().unwrap();
    judged(&one, 0);
    assert_eq!(of_fleet, routes(sink.take()));
    assert_eq!(of_fleet.0 + of_fleet.1, 1_200);
    for key in ["planned", "sent", "answered", "failed", "missed", "in_flight_at_end"] {
        assert_eq!(counted[key], json(&one)[key], "{key}");
    }
    assert_eq!(counted["planned"], 1_200);
    let parts = counted["agents"].as_array().unwrap();
    let sent: u64 = parts.iter().map(|it| it["sent"].as_u64().unwrap()).sum();
    assert_eq!((parts.len(), sent), (3, 1_200), "{counted:#}");
    assert!(
        parts.iter().all(|it| it["kept_up"].is_boolean() && it["lost"].is_null()),
        "{counted:#}"
    );
    assert!((3..=8).contains(&counted["connections"].as_u64().unwrap()), "{counted:#}");
    // They are there for the next.
    assert!(agents.iter().all(|it| it.has_said("waits for the next coordinator")));
}

#[test]
fn an_agent_sends_nothing_more_when_its_coordinator_is_killed() {
    let world = World::new();
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 300);
    let agent = Agent::start(&world);
    let mut load = command(&world, &[&agent], &[&file]).stderr(Stdio::null()).spawn().unwrap();
    assert!(wait_until(PATIENCE, || sink.count() > 100));
    load.kill().unwrap();
    load.wait().unwrap();
    assert!(agent.has_said("the coordinator is gone"));
    // What was under way may still arrive.
    let pause = || wait_until(Duration::from_secs(1), || false);
    pause();
    let sent = sink.count();
    pause();
    assert_eq!(sink.count(), sent);
}

#[test]
fn a_second_coordinator_is_refused_and_told_why() {
    let world = World::new();
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 300);
    let agent = Agent::start(&world);
    let mut first = command(&world, &[&agent], &[&file]).stderr(Stdio::null()).spawn().unwrap();
    assert!(agent.has_said("works for this coordinator"));
    let second = command(&world, &[&agent], &[&file]).output().unwrap();
    assert_eq!(second.status.code(), Some(3), "{}", said(&second));
    assert!(said(&second).contains("it works for another coordinator"), "{}", said(&second));
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn strangers_get_nothing_out_of_an_agent() {
    let world = World::new();
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 1);
    let agent = Agent::start(&world);
    let hello = [&[22, 3, 1, 0, 200, 1][..], &[7; 300]].concat();
    let zeros = vec![0; 70_000];
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &zeros, &[255; 9], &hello, b""] {
        let mut stream = TcpStream::connect(&agent.address).unwrap();
        // It may hang up before it has heard everything.
        stream.write_all(garbage).unwrap_or_default();
    }
    let load = command(&world, &[&agent], &[&file])
        .env("EVENKEEL_AGENT_TOKEN", "another token of 16")
        .output()
        .unwrap();
    assert_eq!((load.status.code(), sink.count()), (Some(3), 0), "{}", said(&load));
    assert!(said(&load).contains("its token is another one"), "{}", said(&load));
    assert!(agent.has_said("it does not know the token"));
    let load = command(&world, &[&agent], &[&file]).output().unwrap();
    judged(&load, 0);
    assert_eq!(sink.count(), 400, "{}", said(&load));
    assert!(!agent.said.lock().unwrap().iter().any(|it| it.contains("panicked")));
}

#[test]
fn without_a_good_token_nothing_listens() {
    let world = World::new();
    for (token, words) in [(None, "need a token"), (Some("too short"), "fewer than 16")] {
        let mut agent = world.evenkeel(&["agent", "--listen", "127.0.0.1:0"]);
        agent.env_remove("EVENKEEL_AGENT_TOKEN");
        let output = agent.envs(token.map(|it| ("EVENKEEL_AGENT_TOKEN", it))).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}
