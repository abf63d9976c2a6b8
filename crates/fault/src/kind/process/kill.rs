//! `kill`: processes end at once (SIGKILL), without a chance to clean up.
//!
//! Simulates a crash, the kernel's OOM killer, or a host that dies. Nobody is started again by us: whether
//! and how fast somebody else does is what the drill is after.
//!
//! ```yaml
//! - kill: {target: {instances: gateway-*, mode: one}, at: 12s}
//! ```
//!
//! With `every` it is done again and again for its `duration`, each time to targets that the seed picks anew and within
//! the blast radius: those who are not back yet count as hit. A round in which they are too many is left out, and told.
//!
//! ```yaml
//! - kill: {every: 10s, target: {instances: gateway-*, mode: one}, at: 12s, duration: 1m}
//! ```
//!
//! Of a container the main process is killed, as the kernel would do it. `docker kill` is something else: the engine
//! takes it for the wish of an operator, and its restart policy does nothing.
//!
//! ```yaml
//! - kill: {target: {container: {label: com.docker.compose.service=web}, mode: one}, at: 12s}
//! ```
//!
//! Needs: the same user as the process, or root. Release class D: there is nothing to undo. Evidence: the
//! process was there before and is gone; and, if somebody took its place, how long after.

use std::time::Duration;

use evenkeel_model::document::Finder;
use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use crate::kind::{Aim, Hit, Kind, Past, container, count};
use crate::need::PlanError;
use crate::plan::{Op, Release, Step, Undo};
use crate::process::stat::ticks;
use crate::process::{Process, find, heads};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "kill",
    release: Release::OneShot,
    needs: "the same user as the process, or root",
    about: "- kill: {target: {instances: gateway-*, mode: one}, at: 12s}",
    plan,
    evidence: |past| {
        let processes = || past.hits.iter().map(|it| killed(it, past)).collect::<Vec<_>>();
        container::evidence(past).unwrap_or_else(|| evidence(&processes()))
    },
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let mut steps = container::steps(aim, container::kill)?;
    let kill = |it: &Process| Step { apply: Op::Kill { process: it.clone() }, undo: Undo::None };
    steps.extend(aim.processes().map(kill));
    Ok(steps)
}

/// What became of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Killed {
    name: String,
    gone: bool,
    /// How long after the kill somebody took its place.
    back_after: Option<Duration>,
}

/// Whoever took the place of a target shows by its start time how long that took: nobody had to watch.
fn killed(hit: &Hit, past: &Past<'_>) -> Killed {
    let gone = hit.family.iter().all(|it| !it.is_alive());
    let finder = hit.finder.as_ref().filter(|it| !matches!(it, Finder::Pid(_)));
    let found = heads(finder.and_then(|it| find(it).ok()).unwrap_or_default());
    let after = found.iter().map(|it| it.start_time).filter(|it| *it >= past.began_ticks).min();
    let back_after =
        after.map(|it| ticks(it).saturating_sub(past.began).max(Duration::from_millis(1)));
    Killed { name: hit.name.clone(), gone, back_after }
}

fn evidence(killed: &[Killed]) -> Evidence {
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
    crate::kind::evidence(gone > 0 && gone == killed.len(), summary, &counters)
}
