//! `ioThrottle`: processes read and write no faster than this, on each disk.
//!
//! Simulates a volume whose credits are used up, or a neighbour that takes the disk.
//!
//! ```yaml
//! - ioThrottle: {readRate: 1MiB/s, writeOperations: 20, target: {unit: postgresql.service}, at: 10s, duration: 60s}
//! ```
//!
//! The limits are those of the control group that the processes are in (`io.max` of version 2, `blkio.throttle` of
//! version 1), on every disk of the host, as a service manager or a container engine would set them. Limits that are
//! lower already stay. Refused are a group that also holds somebody else, the root of all, and a group that another
//! fault limits already, so that nobody is slowed down who was not named. Two things remain to be known. In version 1
//! reads, direct writes and synchronous writes are held back, and what the kernel writes later is not. And who waits for
//! the journal of a file system waits for all who write to it: others on the same disk may feel it, too.
//!
//! Needs: root, and a group of the processes' own. Release class C: when we are gone, the guardian writes back what was
//! there, where it still is ours and the group is the same. Evidence: the limits held to the end, and bytes went through
//! them.

use std::time::Duration;

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;
use evenkeel_units::{Bytes, Human};

use crate::act::Did;
use crate::kind::{Aim, Kind};
use crate::need::PlanError;
use crate::plan::{Op, Release, Step, Undo};
use crate::throttle::Throttle;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "ioThrottle",
    release: Release::Guardian,
    needs: "root, and a control group of the processes' own",
    about: "- ioThrottle: {readRate: 1MiB/s, writeOperations: 20, target: {unit: postgresql.service}, at: 10s, duration: 60s}",
    plan,
    evidence: |past| {
        let throttled = past.did.iter().filter_map(|it| match it {
            Did::Throttled(it) => Some(*it),
            _ => None,
        });
        evidence(&throttled.collect::<Vec<_>>())
    },
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::IoThrottle(limits) = aim.fault else { return Ok(Vec::new()) };
    let processes: Vec<_> = aim.processes().collect();
    let step = |it: Throttle| Step { apply: Op::Throttle(it.clone()), undo: Undo::Throttle(it) };
    Ok(Throttle::of(&processes, limits)?.into_iter().map(step).collect())
}

/// How it was with a group at the end.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Throttled {
    /// Every limit was still ours.
    pub(crate) held: bool,
    /// So much was read and written meanwhile.
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}

fn evidence(throttled: &[Throttled]) -> Evidence {
    let held = throttled.iter().filter(|it| it.held).count();
    let bytes: u64 = throttled.iter().filter(|it| it.held).map(|it| it.bytes).sum();
    let time = throttled.iter().map(|it| it.time).max().unwrap_or_default();
    let groups = crate::kind::count(held as u64, "group");
    let summary = format!("{groups} limited to the end: {} in {}", Bytes(bytes), Human(time));
    let counters = [
        ("groups_limited", throttled.len() as f64),
        ("groups_limited_to_the_end", held as f64),
        ("bytes_through", bytes as f64),
    ];
    crate::kind::evidence(held > 0 && bytes > 0, summary, &counters)
}
