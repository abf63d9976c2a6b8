//! Experiment: a run of ours, as a user would start it, that breaks something until it is asked to end.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Stand;
use crate::bench::machine;
use crate::bench::running::{self, Rank, Running};

/// A condition that does not come true.
pub(super) const NEVER: &str = "error_rate > 99% for 60s";

/// Longer than any round.
pub(super) const LONG: &str = "at: 0s, duration: 10m";

/// A probe.
pub(super) fn tcp(address: SocketAddr, every: &str) -> String {
    format!("tcp: {{address: \"{address}\", every: {every}}}")
}

/// A run with its faults.
pub(super) struct Experiment(Running);

impl Experiment {
    /// Starts one with these probes and these faults, each as it stands in a document, that ends on a condition.
    pub(super) fn start(
        stand: &Stand<'_>,
        probes: &[String],
        faults: &[String],
        abort: &str,
        rank: Rank,
    ) -> Result<Self> {
        let list = |items: &[String]| -> String {
            items.iter().map(|it| format!("    - {it}\n")).collect()
        };
        let text = format!(
            "apiVersion: evenkeel.dev/v1
kind: ChaosExperiment
metadata: {{name: bench}}
spec:
  steadyState:
{}  method:
{}  safety: {{maxDuration: 15m, abort: [\"{abort}\"]}}
  observe: 100ms
",
            list(probes),
            list(faults)
        );
        let file = "experiment.yaml";
        fs::write(stand.folder.join(file), text).context("cannot write the experiment")?;
        let words = [&stand.evenkeel, "chaos", "run", file, "--yes"];
        // What takes a part of the host has all of its cores.
        let core = match rank {
            Rank::First => stand.cores.server.clone(),
            Rank::Ordinary => machine::all_cores(),
        };
        Ok(Self(Running::start("experiment", (&core, rank), &stand.folder, &words)?))
    }

    /// One that asks nothing but whether the echo is there, and is never ended by a condition.
    pub(super) fn quiet(stand: &Stand<'_>, faults: &[String], rank: Rank) -> Result<Self> {
        let probe = tcp(stand.server.echo, "1s");
        Self::start(stand, &[probe], faults, NEVER, rank)
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until something is so, which it will not be once the run has ended.
    pub(super) fn until(&mut self, what: &str, is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        self.0.until(what, is_so)
    }

    /// Moves it to other cores, with all that it has started.
    pub(super) fn move_to(&self, cores: &str) -> Result<()> {
        let family = machine::family_of(self.id())?;
        family.into_iter().try_for_each(|it| running::move_to(it, cores))
    }

    /// Waits until rules for packets are there, of so many faults.
    pub(super) fn until_packets_are_met(&mut self, faults: usize) -> Result<()> {
        self.until("a rule for packets", || {
            let listed = Command::new("nft").args(["list", "tables"]).output();
            let tables = listed.context("cannot run nft")?.stdout;
            Ok(String::from_utf8_lossy(&tables).lines().count() >= faults)
        })
    }

    /// Waits until it has ended by itself.
    pub(super) fn ended(mut self) -> Result<()> {
        running::until("the end of an experiment", || self.0.has_ended())
    }

    /// Asks it to mend, and waits until it has.
    pub(super) fn end(self) -> Result<()> {
        self.0.end()
    }
}
