//! `restart`: processes are told to end (SIGTERM, after 5 s SIGKILL) and come back.
//!
//! Simulates a deployment, or an operator who restarts. If nobody (a service manager, a supervisor) has
//! started it again within a second, we do: the same program, arguments, directory and environment.
//! Who has written another title over its command line (nginx, Redis, PostgreSQL) or has changed its user since, runs in
//! namespaces of its own, or from a program or a directory that is there no more, is refused: nobody can tell how to start it. Resource limits, further groups, namespaces, cgroup and sockets that were handed over at the start do not come back
//! that way, so prefer services that somebody looks after.
//!
//! ```yaml
//! - restart: {target: {instances: gateway-*, mode: one}, at: 10s}
//! ```
//!
//! With `every` it is done again and again for its `duration`, as with `kill`; nobody is restarted again amid a restart.
//!
//! ```yaml
//! - restart: {every: 20s, target: {instances: gateway-*, mode: one}, at: 10s, duration: 2m}
//! ```
//!
//! A container is restarted by its engine; one that may take longer than 20 s to stop is refused.
//!
//! ```yaml
//! - restart: {target: {container: {image: shop/web:*}, mode: 50%}, at: 10s}
//! ```
//!
//! Needs: the same user as the process, or root; for containers, the socket of Docker or Podman. Release class C: when we are gone amid it, the guardian
//! starts it again. The environment is a secret and never on disk: if tool *and* guardian are killed
//! amid a restart, `recover` can only say what to start by hand. Evidence: a new process runs in its place.

use std::time::Duration;

use evenkeel_model::document::Finder;
use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use crate::act::Did;
use crate::image::Image;
use crate::kind::{Aim, Kind, container, count};
use crate::need::PlanError;
use crate::plan::{Op, Release, Step, Undo};
use crate::process::stat::ticks_since_boot;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "restart",
    release: Release::Guardian,
    needs: "the same user as the process, or root",
    about: "- restart: {target: {instances: gateway-*, mode: one}, at: 10s}",
    plan,
    evidence: |past| {
        let restarted = past.did.iter().filter_map(|it| match it {
            Did::Restarted(it) => Some(it.clone()),
            _ => None,
        });
        container::evidence(past).unwrap_or_else(|| evidence(&restarted.collect::<Vec<_>>()))
    },
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let heads = aim.hits.iter().filter_map(|it| Some((it.family.first()?, &it.finder)));
    let containers = container::steps(aim, container::restart)?.into_iter().map(Ok);
    let processes = heads.map(|(head, finder)| {
        let image = Image::of(head)?;
        let undo = Undo::StartAgain {
            process: head.clone(),
            program: image.program,
            arguments: image.arguments,
            directory: image.directory,
            finder: finder.clone().unwrap_or(Finder::Pid(head.pid)),
            after: ticks_since_boot(),
        };
        // What the run itself started ends with the run, so nobody has to start it after that.
        let undo = if image.is_ours { Undo::None } else { undo };
        Ok(Step { apply: Op::Restart { process: head.clone() }, undo })
    });
    containers.chain(processes).collect()
}

/// What became of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Restarted {
    /// How long it was away; `None`: it did not come back.
    pub(crate) away: Option<Duration>,
    /// Nobody else started it.
    pub(crate) by_us: bool,
    pub(crate) error: Option<String>,
}

fn evidence(restarted: &[Restarted]) -> Evidence {
    let back: Vec<Duration> = restarted.iter().filter_map(|it| it.away).collect();
    let slowest = back.iter().max().copied().unwrap_or_default();
    let summary = match back.len() {
        0 => "nothing came back".to_owned(),
        number => {
            format!("{} restarted, away for {}", count(number as u64, "target"), Human(slowest))
        }
    };
    let by_us = restarted.iter().filter(|it| it.by_us).count();
    let counters = [
        ("targets_restarted", back.len() as f64),
        ("targets_started_by_us", by_us as f64),
        ("slowest_return_seconds", slowest.as_secs_f64()),
    ];
    crate::kind::evidence(!back.is_empty() && back.len() == restarted.len(), summary, &counters)
}
