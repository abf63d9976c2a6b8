//! Host: processor time and memory that faults take.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Stand;
use super::experiment::{Experiment, LONG};
use crate::bench::machine;
use crate::bench::round::Round;
use crate::bench::running::Rank;
use crate::bench::running::now;

const LOAD: f64 = 0.5;
const MEMORY_BYTES: f64 = 1024.0 * 1024.0 * 1024.0;

/// Each wants a whole core; as important as whoever does not ask to be more.
const HOGS_A_CORE: usize = 2;

/// What has not grown for so long has grown as far as it will.
const SETTLED_SECONDS: f64 = 1.0;

/// Processor time that says that a fault acts.
const ACTS_SECONDS: f64 = 0.2;

pub(super) fn cpu(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let cores = machine::all_core_count();
    let _hogs = Hogs::start(cores * HOGS_A_CORE)?;
    let fault = format!("cpu: {{load: 50%, cores: {cores}, {LONG}}}");
    let mut experiment = Experiment::quiet(stand, &[fault], Rank::Ordinary)?;
    let burnt = |experiment: &Experiment| children(experiment.id(), machine::precise_cpu_of);
    let id = experiment.id();
    experiment.until("burning", || {
        Ok(children(id, machine::precise_cpu_of)?.iter().sum::<f64>() > ACTS_SECONDS)
    })?;
    let (start, before) = (now(), burnt(&experiment)?.iter().sum::<f64>());
    thread::park_timeout(Duration::from_secs_f64(stand.seconds));
    let after = burnt(&experiment)?.iter().sum::<f64>();
    let ratio = (after - before) / (now() - start) / cores as f64;
    experiment.end()?;
    round.say("cpu_ratio", ratio);
    round.say("cpu_error_ratio", (ratio - LOAD).abs());
    Ok(())
}

pub(super) fn memory(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let fault = format!("memory: {{amount: 1GiB, {LONG}}}");
    let mut experiment = Experiment::quiet(stand, &[fault], Rank::Ordinary)?;
    let id = experiment.id();
    let most = || -> Result<f64> {
        let all =
            children(id, |it| Ok(machine::memory_of(it, "status", "RssAnon:").unwrap_or(0.0)))?;
        Ok(all.into_iter().fold(0.0, f64::max))
    };
    let (mut taken, mut since) = (0.0, now());
    experiment.until("all memory being taken", || {
        let before = std::mem::replace(&mut taken, most()?);
        if taken > before {
            since = now();
        }
        Ok(taken > MEMORY_BYTES / 2.0 && now() - since > SETTLED_SECONDS)
    })?;
    experiment.end()?;
    round.say("memory_bytes", taken);
    round.say("memory_error_ratio", (taken / MEMORY_BYTES - 1.0).abs());
    Ok(())
}

/// What each descendant of a process has; one that has ended meanwhile has none.
fn children(process: u32, what: impl Fn(u32) -> Result<f64>) -> Result<Vec<f64>> {
    let family = machine::family_of(process)?;
    Ok(family.into_iter().skip(1).filter_map(|it| what(it).ok()).collect())
}

/// Programs that want all there is.
struct Hogs(Vec<Child>);

impl Hogs {
    fn start(count: usize) -> Result<Self> {
        let all = machine::all_cores();
        let mut hogs = Self(Vec::new());
        for _ in 0..count {
            let hog = Command::new("chrt")
                .args(["--other", "0", "taskset", "-c", &all, "yes"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn();
            hogs.0.push(hog.context("cannot run chrt")?);
        }
        Ok(hogs)
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            // It may have ended; either way it has then.
            drop(hog.kill());
            drop(hog.wait());
        }
    }
}
