//! Running: programs of a bench, each on its cores, until they are not needed any more.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};

use super::machine;

/// How often something is looked at that will be so soon, and for how long.
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE_SECONDS: f64 = 30.0;

/// Seconds on a clock that never steps.
pub(super) fn now() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Moves a process to other cores, with all its threads.
pub(super) fn move_to(process: u32, cores: &str) -> Result<()> {
    let moved = Command::new("taskset").args(["-apc", cores, &process.to_string()]).output();
    let moved = moved.context("cannot run taskset")?.status;
    ensure!(moved.success(), "cannot move a program to cores {cores}");
    Ok(())
}

/// Waits until something is so.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = now();
    while !is_so()? {
        if now() - start > PATIENCE_SECONDS {
            bail!("{what} did not happen within {PATIENCE_SECONDS} s");
        }
        thread::park_timeout(LOOK);
    }
    Ok(())
}

/// A port that nobody has right now.
pub(super) fn free() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
    listener.local_addr().context("a listener has no address")
}

/// A program that runs on one core, and is gone when this is.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    log: PathBuf,
}

/// How important a program is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// As this program is.
    First,
    /// As others are.
    Ordinary,
}

impl Running {
    /// Starts it in a folder, where it leaves what it says in `NAME.log`.
    pub(super) fn start(
        name: &str,
        (core, rank): (&str, Rank),
        folder: &Path,
        words: &[&str],
    ) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let again = file.try_clone().context("cannot share a file")?;
        let ordinary: &[&str] = match rank {
            Rank::First => &[],
            Rank::Ordinary => &["chrt", "--other", "0"],
        };
        let child = Command::new("taskset")
            .args(["-c", core])
            .args(ordinary)
            .args(words)
            .current_dir(folder)
            .env("EVENKEEL_STATE_DIR", folder.join("state"))
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again)
            .spawn()
            .context("cannot run taskset")?;
        Ok(Self { child, log })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until something is so, which it will not be once it has ended.
    pub(super) fn until(
        &mut self,
        what: &str,
        mut is_so: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        until(what, || {
            if let Some(status) = self.child.try_wait().context("cannot wait for a program")? {
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("it ended before {what} ({status}): {}", said.trim());
            }
            is_so()
        })
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait().context("cannot wait for a program")?.is_some())
    }

    /// Processor time of the process itself, in seconds.
    pub(super) fn cpu(&self) -> Result<f64> {
        machine::precise_cpu_of(self.id())
    }

    /// Moves it to another core.
    pub(super) fn move_to(&self, core: &str) -> Result<()> {
        move_to(self.id(), core)
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn end(mut self) -> Result<()> {
        let process = rustix::process::Pid::from_child(&self.child);
        kill_process(process, Signal::TERM).context("cannot end a program")?;
        until("the end of a program", || self.has_ended())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended; either way it has then.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
