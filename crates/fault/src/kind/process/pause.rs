//! `pause`: processes stop (SIGSTOP), and go on at the end (SIGCONT). By `trace`: [`super::trace`].
//!
//! Simulates a long garbage collection, a stalled virtual machine, a disk that hangs: the process is there,
//! its port accepts connections, and nothing answers.
//!
//! ```yaml
//! - pause: {target: {instances: worker-1}, at: 10s, duration: 5s}
//! ```
//!
//! A container is paused by its engine, which freezes all of its processes:
//!
//! ```yaml
//! - pause: {target: {container: {name: shop-web-1}}, at: 10s, duration: 5s}
//! ```
//!
//! Needs: the same user as the process, or root; for containers, the socket of Docker or Podman. Release class C: when we are gone, the guardian lets them
//! go on. A process that somebody else has stopped is refused, since it is not ours to continue. Evidence:
//! the kernel showed it stopped, at the beginning and at the end, and for how long.

use std::time::Duration;

use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use crate::act::Did;
use crate::engine::Verb;
use crate::kind::{Aim, Kind, container};
use crate::need::PlanError;
use crate::plan::{Op, Release, Step, Undo};
use crate::process::State;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "pause",
    release: Release::Guardian,
    needs: "the same user as the process, or root; with `by: trace` (release class A) perhaps CAP_SYS_PTRACE",
    about: "- pause: {target: {instances: worker-1}, at: 10s, duration: 5s}",
    plan,
    evidence: |past| {
        let paused = past.did.iter().filter_map(|it| match it {
            Did::Stopped(it) => Some(*it),
            _ => None,
        });
        container::evidence(past).unwrap_or_else(|| evidence(&paused.collect::<Vec<_>>()))
    },
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    must_run(aim)?;
    let mut steps = container::steps(aim, |_| Ok(Verb::Pause))?;
    steps.extend(aim.processes().map(|it| Step {
        apply: Op::Stop { process: it.clone() },
        undo: Undo::Continue { process: it.clone() },
    }));
    Ok(steps)
}

/// Before anything is in the journal: its undo would continue a process that others have stopped.
pub(super) fn must_run(aim: &Aim<'_>) -> Result<(), PlanError> {
    let stopped = aim.processes().find(|it| it.state() == State::Stopped);
    let refused = |it| PlanError::Unfit(format!("{it} is already stopped, and not by us"));
    stopped.map_or(Ok(()), |it| Err(refused(it)))
}

/// `1 process`, `2 processes`.
pub(super) fn processes(number: u64) -> String {
    if number == 1 { "1 process".to_owned() } else { format!("{number} processes") }
}

/// What became of a process.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paused {
    /// It was seen stopped, and was so at the end.
    pub(crate) held: bool,
    pub(crate) time: Duration,
}

fn evidence(paused: &[Paused]) -> Evidence {
    let held = paused.iter().filter(|it| it.held).count();
    let time = paused.iter().map(|it| it.time).min().unwrap_or_default();
    let mut summary = format!("{} stopped for {}", processes(paused.len() as u64), Human(time));
    if held < paused.len() {
        summary.push_str(", not all of them to the end");
    }
    let counters = [
        ("processes_stopped", paused.len() as f64),
        ("processes_stopped_to_the_end", held as f64),
        ("stopped_seconds", time.as_secs_f64()),
    ];
    crate::kind::evidence(held > 0, summary, &counters)
}
