//! `drill run` against a real nginx: verdicts, exit codes, reports, secrets, signals.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{World, said, wait_until};

/// An nginx of the test's own.
pub(crate) struct Nginx(Child);

impl Nginx {
    /// Starts nginx at `port`, with one page.
    pub(crate) fn start(world: &World, port: u16) -> Self {
        let folder = world.folder().join("nginx");
        std::fs::create_dir_all(folder.join("pages")).unwrap();
        std::fs::write(folder.join("pages/index.html"), "<p>hello</p>").unwrap();
        let folder = folder.display();
        let configuration = format!(
            "daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
             events {{ worker_connections 512; }}
             http {{
               access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
               fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
               server {{ listen 127.0.0.1:{port}; root {folder}/pages; }}
             }}"
        );
        let file = world.write("nginx.conf", &configuration);
        // Workers would drop root's rights and then not find the folder: one process is enough here.
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .args(["-g", "master_process off;"])
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is installed by `cargo xtask test`");
        let up = wait_until(Duration::from_secs(10), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        assert!(up, "nginx does not come up");
        Self(child)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A short drill of a page at `port`; `limit` is the objective, `more` goes into the drill's spec.
fn document(port: u16, limit: &str, more: &str) -> String {
    format!(
        "apiVersion: evenkeel.dev/v1
kind: Drill
metadata: {{name: page}}
spec:
  service:
    url: http://127.0.0.1:{port}
    instances: {{main: {{port: {port}}}}}
    allowFaults: [pause]
  objectives:
    - {{sli: {{latency: {{threshold: {limit}}}}}, objective: 95%}}
  load:
    timeout: 2s
    routes:
      - {{name: page, path: /, headers: {{authorization: \"Bearer ${{env:PAGE_TOKEN}}\"}}}}
  phases:
    - {{name: baseline, role: baseline, shape: {{constant: {{rate: 50/s, duration: 2s}}}}}}
    - name: faults
      shape: {{constant: {{rate: 50/s, duration: 3s}}}}
{more}
    - {{name: recovery, role: recovery, shape: {{constant: {{rate: 50/s, duration: 2s}}}}}}
"
    )
}

const STALL: &str = "      chaos:
        - method: [pause: {target: {instances: main, mode: all}, at: 500ms, duration: 2s}]
          safety: {abort: [\"error_rate > 90% for 10s\"]}";

pub(crate) fn folder_of(output: &std::process::Output) -> PathBuf {
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    PathBuf::from(result["folder"].as_str().unwrap())
}

#[test]
fn a_drill_that_holds_exits_with_0_and_one_that_does_not_with_1() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    for (limit, code) in [("500ms", 0), ("1us", 1)] {
        let file = world.write("drill.yaml", &document(world.port(), limit, ""));
        let output = world
            .evenkeel(&["drill", "run", file.to_str().unwrap(), "--yes"])
            .env("PAGE_TOKEN", "x")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{limit}: {}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.lines().count() <= 40, "{} lines:\n{text}", text.lines().count());
        assert!(text.contains("report.html"), "{text}");
    }
}

#[test]
fn a_paused_nginx_is_seen_is_continued_and_the_journal_renders_the_same_report_again() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let file = world.write("drill.yaml", &document(world.port(), "300ms", STALL));
    let arguments =
        ["drill", "run", file.to_str().unwrap(), "--yes", "--seed", "7", "--output", "json"];
    let output = world.evenkeel(&arguments).env("PAGE_TOKEN", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let folder = world.folder().join(folder_of(&output));
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["faults"][0]["evidence"]["acted"], true, "{:#}", report["faults"]);
    // A busy host stops it later than planned; what counts is that users waited for as long as it stood.
    let stopped = report["faults"][0]["evidence"]["counters"]["stopped_seconds"].as_f64().unwrap();
    let longest = report["totals"]["max_seconds"].as_f64().unwrap();
    assert!(
        longest > stopped - 0.3,
        "stopped for {stopped} s, the longest answer took {longest} s"
    );
    assert!(
        report["footprint"]["peak_memory_bytes"].as_u64().unwrap() < 60 << 20,
        "{:#}",
        report["footprint"]
    );
    let again = world.run(&["report", folder.to_str().unwrap(), "--as", "json"]);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&again.stdout).unwrap(), report);
    world.is_empty_within_a_second();
}

#[test]
fn a_secret_is_sent_and_written_nowhere() {
    const SECRET: &str = "hunter2-and-more";
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let file = world.write("drill.yaml", &document(world.port(), "500ms", ""));
    let arguments = ["drill", "run", file.to_str().unwrap(), "--yes", "--output", "json"];
    let output = world.evenkeel(&arguments).env("PAGE_TOKEN", SECRET).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!said(&output).contains(SECRET));
    for entry in std::fs::read_dir(world.folder().join(folder_of(&output))).unwrap().flatten() {
        let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
        assert!(!text.contains(SECRET), "{}", entry.path().display());
    }
}

#[test]
fn a_secret_that_is_not_there_stops_the_run_before_anything_is_sent() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let file = world.write("drill.yaml", &document(world.port(), "500ms", ""));
    let output = world
        .evenkeel(&["drill", "run", file.to_str().unwrap()])
        .env_remove("PAGE_TOKEN")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("PAGE_TOKEN"), "{}", said(&output));
}

#[test]
fn a_service_that_is_down_exits_with_3_and_is_not_drilled() {
    let world = World::new();
    let file = world.write("drill.yaml", &document(world.port(), "500ms", STALL));
    let output = world
        .evenkeel(&["drill", "run", file.to_str().unwrap(), "--yes"])
        .env("PAGE_TOKEN", "x")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(
        said(&output).contains("refused") || said(&output).contains("not running"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_service_that_dies_midway_is_named_in_the_cause() {
    let world = World::new();
    let port = world.port();
    let shop = format!("[timeout, \"8\", {}, shop, --port={port}]", env!("CARGO_BIN_EXE_evenkeel"));
    let start = format!(
        "    start: {{command: {shop}, ready: \"http://127.0.0.1:{port}/health/ready\"}}\n"
    );
    let text = document(port, "300ms", "").replace("path: /,", "path: /products,");
    let text = text
        .replace("    instances:", &format!("{start}    instances:"))
        .replace("duration: 3s", "duration: 8s");
    let file = world.write("drill.yaml", &text);
    let output = world
        .evenkeel(&["drill", "run", file.to_str().unwrap(), "--yes", "--output", "json"])
        .env("PAGE_TOKEN", "x")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let cause = result["verdict"]["cause"].as_str().unwrap();
    assert!(cause.starts_with("The service that the drill had started ended"), "{cause}");
    world.is_empty_within_a_second();
}

#[test]
fn a_run_that_was_compared_renders_the_same_report_whatever_is_stored_later() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let file = world.write("drill.yaml", &document(world.port(), "500ms", ""));
    let run = |more: &[&str]| {
        let arguments =
            [&["drill", "run", file.to_str().unwrap(), "--output", "json"], more].concat();
        let output = world.evenkeel(&arguments).env("PAGE_TOKEN", "x").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        world.folder().join(folder_of(&output))
    };
    run(&[]);
    let compared = run(&["--accept"]);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(compared.join("report.json")).unwrap()).unwrap();
    assert!(report["baseline_run"].is_string(), "{:#}", report["baseline_run"]);
    let again = world.run(&["report", compared.to_str().unwrap(), "--as", "json"]);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&again.stdout).unwrap(), report);
}

#[test]
fn a_fault_beyond_the_blast_radius_is_refused_with_5() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let stall = STALL.replace("safety: {", "safety: {blastRadius: {minHealthy: 1}, ");
    let file = world.write("drill.yaml", &document(world.port(), "500ms", &stall));
    let output = world
        .evenkeel(&["drill", "run", file.to_str().unwrap(), "--yes"])
        .env("PAGE_TOKEN", "x")
        .output()
        .unwrap();
    // The document alone cannot be kept, or the targets cannot: both are said before anything is broken.
    assert!(matches!(output.status.code(), Some(2 | 5)), "{}", said(&output));
}

#[test]
fn any_signal_mends_first_writes_the_results_and_exits_with_130() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let world = World::new();
        let nginx = Nginx::start(&world, world.port());
        let stall = STALL.replace("duration: 2s", "duration: 2400ms");
        let file = world.write("drill.yaml", &document(world.port(), "300ms", &stall));
        let child = world
            .evenkeel(&["drill", "run", file.to_str().unwrap(), "--yes", "--output", "json"])
            .env("PAGE_TOKEN", "x")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let paused = || state_of(nginx.0.id()) == 'T';
        assert!(wait_until(Duration::from_secs(20), paused), "nginx was never paused");
        kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal:?}: {}", said(&output));
        assert_ne!(state_of(nginx.0.id()), 'T', "{signal:?}");
        assert!(world.folder().join(folder_of(&output)).join("report.html").is_file());
        world.is_empty_within_a_second();
    }
}

/// State of a process as in proc(5): `T` is stopped.
pub(crate) fn state_of(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('?')
}
