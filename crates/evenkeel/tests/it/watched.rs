//! `slo watch`: on a terminal of its own until a key is pressed, and line by line without one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

use evenkeel_series::Labels;
use evenkeel_tsdb::{Batch, Options, Store};
use evenkeel_units::{Clock as _, SystemClock};
use rustix::process::{Pid, Signal, kill_process};

use crate::world::{World, said};

const DOCUMENT: &str = r"
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: available}
spec:
  sli: {availability: {bad: errors_total, total: requests_total}}
  objective: 99%
  window: 3h
  alerting: {policy: {windows: [{severity: page, factor: 14.4, long: 1h}]}}
";

/// Requests of the last hours, of which a half failed.
fn world() -> World {
    let world = World::new();
    world.write("slo.yaml", DOCUMENT);
    let store = Store::open(world.folder().join("data"), Options::default()).unwrap();
    let now = SystemClock::start().wall().as_millisecond();
    let mut batch = Batch::default();
    for (name, each) in [("requests_total", 100.0), ("errors_total", 50.0)] {
        let series = store.intern(&Labels::of([("__name__", name)])).unwrap();
        for minute in 0..240 {
            batch.float(series, now - (240 - minute) * 60_000, each * minute as f64);
        }
    }
    assert_eq!(store.backfill(&batch).unwrap().rejected, []);
    store.close().unwrap();
    world
}

#[test]
fn without_a_terminal_each_look_is_a_line_and_a_signal_ends_it() {
    let world = world();
    let watch = ["slo", "watch", "slo.yaml", "--source", "data", "--every", "100ms"];
    let mut command = world.evenkeel(&watch);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    for _ in 0..2 {
        let line = lines.next().unwrap();
        assert!(line.contains("available · EXHAUSTED · 50.000 % of 99%"), "{line}");
        assert!(line.ends_with("page 1h firing"), "{line}");
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_over_is_not_watched() {
    let world = world();
    let at = ["slo", "watch", "slo.yaml", "--source", "data", "--at", "2026-03-01T00:00:00Z"];
    let output = world.run(&at);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn on_a_terminal_it_is_a_picture_until_q() {
    let world = world();
    let binary = env!("CARGO_BIN_EXE_evenkeel");
    let watch = format!(
        "stty cols 100 rows 30; {binary} slo watch slo.yaml --source data --every 100ms; echo \"exit $?\""
    );
    let mut script = world
        .command("script")
        .args(["--quiet", "--flush", "--command", &watch, "/dev/null"])
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
    let (mut seen, mut bytes) = (String::new(), [0; 4096]);
    while !seen.contains("EXHAUSTED") {
        let count = screen.read(&mut bytes).unwrap();
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        assert!(count > 0, "it ended by itself: {seen}");
    }
    keys.write_all(b"q").unwrap();
    screen.read_to_string(&mut seen).unwrap();
    script.wait().unwrap();
    for part in ["\u{1b}[?1049h", "objectives", "budget", "firing", "\u{1b}[?1049l", "exit 0"] {
        assert!(seen.contains(part), "{part} in {seen:?}");
    }
}
