//! `kill`: processes end at once (SIGKILL), without a chance to clean up.
//!
//! Simulates a crash, the kernel's OOM killer, or a host that dies. Nobody is started again by us: whether
//! and how fast somebody else does is what the drill is after.
//!
//! ```yaml
//! - kill: {target: {instances: gateway-*, mode: one}, at: 12s}
//! ```
//!
//! Needs: the same user as the process, or root. Release class D: there is nothing to undo. Evidence: the
//! process was there before and is gone; and, if somebody took its place, how long after.

use std::io;
use std::time::Duration;

use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use super::{Aim, Kind, count};
use crate::plan::{Op, Release, Step, Undo};

pub(super) const KIND: Kind = Kind {
    name: "kill",
    release: Release::OneShot,
    needs: "the same user as the process, or root",
    about: "- kill: {target: {instances: gateway-*, mode: one}, at: 12s}",
    plan,
};

fn plan(aim: &Aim<'_>) -> io::Result<Vec<Step>> {
    let steps = aim.processes();
    Ok(steps.map(|it| Step { apply: Op::Kill { process: it.clone() }, undo: Undo::None }).collect())
}

/// What became of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Killed {
    pub(crate) name: String,
    pub(crate) gone: bool,
    /// How long after the kill somebody took its place.
    pub(crate) back_after: Option<Duration>,
}

pub(crate) fn evidence(killed: &[Killed]) -> Evidence {
    let gone = killed.iter().filter(|it| it.gone).count();
    let back: Vec<String> = killed
        .iter()
        .filter_map(|it| Some(format!("{} back after {}", it.name, Human(it.back_after?))))
        .collect();
    let back = if back.is_empty() { "none came back".to_owned() } else { back.join(", ") };
    let summary = format!("{} killed, {back}", count(gone as u64, "target"));
    let slowest = killed.iter().filter_map(|it| it.back_after).max();
    let mut counters = vec![
        ("targets_killed", gone as f64),
        ("targets_back", killed.iter().filter(|it| it.back_after.is_some()).count() as f64),
    ];
    counters.extend(slowest.map(|it| ("slowest_return_seconds", it.as_secs_f64())));
    super::evidence(gone > 0 && gone == killed.len(), summary, &counters)
}
