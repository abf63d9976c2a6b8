//! A world of its own for each test: folder, ports, and a mark by which every process it leads to is known.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use evenkeel_units::{Clock, SystemClock};

/// The environment variable that carries the mark to every descendant.
const MARK: &str = "EVENKEEL_TEST_WORLD";

/// A folder, some ports and a mark.
pub(crate) struct World {
    folder: tempfile::TempDir,
    mark: String,
    port: u16,
}

impl World {
    pub(crate) fn new() -> Self {
        // Blocks of twenty ports, away from the demo's; taken ones are passed over.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let folder = tempfile::tempdir().unwrap();
        let offset = u16::try_from(std::process::id() % 400).unwrap() * 20;
        let port = loop {
            let port = 20_000 + (offset + NEXT.fetch_add(20, Ordering::Relaxed)) % 10_000;
            if (port..port + 20).all(|it| TcpListener::bind(("127.0.0.1", it)).is_ok()) {
                break port;
            }
        };
        let mark = format!("{}-{port}", std::process::id());
        Self { folder, mark, port }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where journals are.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    /// The first of twenty free ports.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The command in this world, in a process group of its own.
    pub(crate) fn evenkeel(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_evenkeel"));
        command.args(arguments);
        command
    }

    /// Another program in this world.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder())
            .env(MARK, &self.mark)
            .env("EVENKEEL_STATE_DIR", self.state())
            .env_remove("NO_COLOR")
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.evenkeel(arguments).output().unwrap()
    }

    /// Processes of this world that are still there: number, state and name.
    pub(crate) fn left(&self) -> Vec<String> {
        let wanted = format!("{MARK}={}", self.mark);
        let mut left = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let path = entry.path();
            let of_this_world = std::fs::read(path.join("environ"))
                .is_ok_and(|it| it.split(|byte| *byte == 0).any(|it| it == wanted.as_bytes()));
            if of_this_world {
                let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
                let command = std::fs::read_to_string(path.join("cmdline")).unwrap_or_default();
                let stat: String = stat.split(' ').take(3).collect::<Vec<_>>().join(" ");
                left.push(format!("{stat} {}", command.replace('\0', " ")));
            }
        }
        left
    }

    /// Fails unless every process of this world is gone within a second.
    pub(crate) fn is_empty_within_a_second(&self) {
        let gone = wait_until(Duration::from_secs(1), || self.left().is_empty());
        assert!(gone, "still there after a second: {:#?}", self.left());
    }
}

impl Drop for World {
    /// A test that failed leaves no process to the next one.
    fn drop(&mut self) {
        for line in self.left() {
            let pid: Option<i32> = line.split(' ').next().and_then(|it| it.parse().ok());
            if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL)
                    .unwrap_or_default();
            }
        }
    }
}

/// Waits until something holds, looking every few milliseconds; says whether it came to hold.
pub(crate) fn wait_until(limit: Duration, holds: impl Fn() -> bool) -> bool {
    let clock = SystemClock::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    loop {
        if holds() {
            return true;
        }
        if clock.now().elapsed() > limit {
            return false;
        }
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
    }
}

/// What a process printed, for messages.
pub(crate) fn said(output: &Output) -> String {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
    format!("exit {:?}\n--- stdout\n{out}\n--- stderr\n{err}", output.status.code())
}
