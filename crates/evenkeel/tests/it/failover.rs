//! `failover`: whom a `load_balancer:` calls, and what is told while one of its members fails.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::world::{World, said};

/// Answers 200 or 503, as it is told.
struct Server {
    port: u16,
    is_well: Arc<AtomicBool>,
}

impl Server {
    fn start(is_well: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_well = Arc::new(AtomicBool::new(is_well));
        let well = Arc::clone(&is_well);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let read = stream.read(&mut request).unwrap_or_default();
                let is_asked = request[..read].starts_with(b"GET /health ");
                let status = match is_asked && well.load(Ordering::Relaxed) {
                    true => "200 OK",
                    false => "503 Service Unavailable",
                };
                let answer =
                    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        Self { port, is_well }
    }

    fn is(&self, is_well: bool) {
        self.is_well.store(is_well, Ordering::Relaxed);
    }

    /// As a member, with a check that is asked often and waits long: only a hang would reach its end.
    fn member(&self) -> String {
        let check = "{endpoint: /health, interval: 20s, timeout: 20s, unhealthy_threshold: 2}";
        format!("{{host: 127.0.0.1, port: {}, health_check: {check}}}", self.port)
    }
}

fn pair(world: &World, primary: &str, secondary: &str) {
    let text = format!("load_balancer:\n  primary: {primary}\n  secondary: {secondary}\n");
    world.write("pair.yaml", &text);
}

#[test]
fn each_member_is_asked_once_and_it_is_said_whom_calls_go_to() {
    let world = World::new();
    let (first, second) = (Server::start(true), Server::start(true));
    pair(&world, &first.member(), &second.member());
    let output = world.run(&["failover", "pair.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = format!("healthy    primary    127.0.0.1:{}  200 after ", first.port);
    assert!(text.starts_with(&line), "{text}");
    let outlook = "calls go to primary; when that fails, to another within 1m";
    assert_eq!(text.lines().nth(2), Some(outlook), "{text}");

    first.is(false);
    let output = world.run(&["failover", "pair.yaml", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let each = |key: &str| [0, 1].map(|it| found["members"][it][key].clone());
    assert_eq!(each("healthy"), [Value::from(false), true.into()], "{found:#}");
    assert_eq!(each("called"), [Value::from(false), true.into()], "{found:#}");
    assert!(each("detail")[0].as_str().unwrap().starts_with("503 after "), "{found:#}");
    let outlook = "if this lasts, calls go from primary to secondary within 1m, and back to primary when an operator says so";
    assert_eq!(found["outlook"], outlook);
    assert_eq!(
        (&found["healthy"], &found["fails_over_within_seconds"]),
        (&true.into(), &60.0.into())
    );

    second.is(false);
    let output = world.run(&["failover", "pair.yaml", "--output", "json"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("all the same: nobody is left to take over"), "{text}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["members"].as_array().unwrap().iter().any(|it| it["called"] == true), "{text}");
}

#[test]
fn who_has_no_check_is_not_asked_and_to_go_there_is_to_go_blindly() {
    let world = World::new();
    let first = Server::start(false);
    pair(&world, &first.member(), "{host: 127.0.0.1, port: 1}");
    let output = world.run(&["failover", "pair.yaml"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("NOT ASKED  secondary  127.0.0.1:1"), "{text}");
    assert!(text.contains("to secondary within 1m, which nobody asks, and back"), "{text}");
    assert!(text.contains("EK-W007"), "{text}");
    pair(&world, "{host: 127.0.0.1, port: 2}", "{host: 127.0.0.1, port: 1}");
    let output = world.run(&["failover", "pair.yaml"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
}

#[test]
fn a_file_that_is_none_says_so() {
    let world = World::new();
    world.write("wrong.yaml", "load_balancer: {primary: {host: a, port: 1}}\n");
    world.write("other.yaml", "patroni: {scope: a, name: b}\n");
    let one = "load_balancer: {primary: {host: a, port: 1}, secondary: {host: b, port: 1}}\n";
    world.write("two.yaml", &format!("{one}---\n{}", one.replace("port: 1", "port: 2")));
    for (file, why) in [
        ("wrong.yaml", "EK-D004"),
        ("other.yaml", "there is no `load_balancer:` in other.yaml"),
        ("two.yaml", "there is more than one `load_balancer:` in two.yaml"),
        ("nothing.yaml", "nothing.yaml"),
    ] {
        let output = world.run(&["failover", file]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn who_watches_is_told_what_changes_and_in_the_end_whether_somebody_answers() {
    let world = World::new();
    let (first, second) = (Server::start(true), Server::start(true));
    let often = |it: &Server| it.member().replace("20s", "300ms");
    pair(&world, &often(&first), &often(&second));
    for (arguments, is_json) in [(&[][..], false), (&["--output", "json"][..], true)] {
        first.is(true);
        let mut command =
            world.evenkeel(&[&["failover", "pair.yaml", "--watch"], arguments].concat());
        let mut watch = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut until = |wanted: &str| {
            let found = lines.find(|it| it.contains(wanted));
            found.unwrap_or_else(|| panic!("{wanted} was not told"))
        };
        let up = until("primary is healthy");
        assert!(up.contains(": 200 after "), "{up}");
        first.is(false);
        let down = until("primary is unhealthy");
        assert!(down.contains(": 503 after "), "{down}");
        let over = until("failed over from primary to secondary");
        if is_json {
            let it: Value = serde_json::from_str(&over).unwrap();
            let said = ["event", "from", "to", "why"].map(|key| it[key].clone());
            assert_eq!(said, ["switched", "primary", "secondary", "failover"].map(Value::from));
        }
        kill_process(Pid::from_child(&watch), Signal::INT).unwrap();
        assert_eq!(watch.wait().unwrap().code(), Some(0));
    }
}
