//! Program: one load, by a generator with a core of its own; what it printed and what it cost.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::bench::machine;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Where a program runs.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) core: String,
    /// Whether it is preferred to what else runs on the machine.
    pub(super) preferred: bool,
}

/// What one load has cost its generator.
#[derive(Debug)]
pub(super) struct Spent {
    pub(super) printed: String,
    /// What it said when it failed.
    pub(super) complaint: Option<String>,
    /// User and system time of the process and what it started, in seconds.
    pub(super) cpu: f64,
    pub(super) memory: Memory,
}

/// The most memory resident, in bytes.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// Until the load had warmed up.
    pub(super) warm: f64,
    /// Until the end.
    pub(super) end: f64,
}

impl Place {
    /// A command that runs `program` here.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = match self.preferred {
            true => {
                let mut nice = Command::new("nice");
                nice.args(["-n", machine::NICE, "taskset"]);
                nice
            }
            false => Command::new("taskset"),
        };
        command.args(["-c", &self.core]).arg(program);
        command
    }

    /// Runs a generator to its end. Its load is warm after `warm`.
    pub(super) fn run(
        &self,
        program: &Path,
        arguments: &[String],
        warm: Duration,
    ) -> Result<Spent> {
        let before = machine::cpu_of_children()?;
        let child = self
            .command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run taskset")?;
        let process = child.id();
        let (end, ended) = mpsc::channel::<()>();
        let (output, memory) = thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let mut memory = Memory::default();
                let mut passed = Duration::ZERO;
                while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                    passed += LOOK;
                    memory = memory.after(passed <= warm, machine::peak_memory_of(process));
                }
                memory
            });
            let output = child.wait_with_output();
            drop(end);
            (output, watch.join())
        });
        let output = output.context("cannot wait for a generator")?;
        let Ok(memory) = memory else { bail!("memory could not be watched") };
        let cpu = machine::cpu_of_children()? - before;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let complaint = match output.status.success() {
            true => None,
            false => Some(format!("{}: {}", output.status, text(&output.stderr))),
        };
        Ok(Spent { printed: text(&output.stdout), complaint, cpu, memory })
    }
}

impl Memory {
    fn after(self, is_warming: bool, peak: Option<f64>) -> Self {
        // A program that is about to end has none.
        let end = peak.unwrap_or(self.end).max(self.end);
        Self { warm: if is_warming { end } else { self.warm }, end }
    }

    pub(super) fn growth(self) -> f64 {
        self.end - self.warm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_from_where_it_was_when_the_load_was_warm() {
        let memory = Memory::default()
            .after(true, Some(5.0))
            .after(true, Some(7.0))
            .after(false, Some(9.0))
            .after(false, None);
        assert_eq!(memory, Memory { warm: 7.0, end: 9.0 });
        assert!((memory.growth() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn what_a_program_says_before_it_fails_is_told() {
        let place = Place { core: "0".to_owned(), preferred: false };
        let run = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|it| (*it).to_owned()).collect();
            place.run(Path::new("cat"), &arguments, Duration::ZERO)
        };
        let complaint = run(&["/nowhere"]).unwrap().complaint.unwrap();
        assert!(complaint.starts_with("exit status: 1: cat: /nowhere"), "{complaint}");
        let spent = run(&["/proc/self/status"]).unwrap();
        assert!(spent.complaint.is_none() && spent.printed.contains("Name:\tcat"));
    }
}
