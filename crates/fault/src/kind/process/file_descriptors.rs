//! `fileDescriptors`: processes may open no more files than this.
//!
//! Simulates a leak of connections or files: what is open stays open, and what would be opened fails with EMFILE, an
//! accept as well.
//!
//! ```yaml
//! - fileDescriptors: {limit: 64, target: {executable: nginx}, at: 10s, duration: 30s}
//! ```
//!
//! Only the soft limit is lowered: the hard one could not be raised again without CAP_SYS_RESOURCE. A process that
//! raises its own soft limit escapes, which is then told. Needs: the same user as the process, or CAP_SYS_RESOURCE. Release class C:
//! when we are gone, the guardian puts the limit back, if it still is ours. Evidence: the limit held to the end.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;

use super::pause::processes;
use crate::act::Did;
use crate::kind::{Aim, Kind, count};
use crate::need::PlanError;
use crate::plan::{Op, Release, Step, Undo};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "fileDescriptors",
    release: Release::Guardian,
    needs: "the same user as the process, or CAP_SYS_RESOURCE",
    about: "- fileDescriptors: {limit: 64, target: {executable: nginx}, at: 10s, duration: 30s}",
    plan,
    evidence: |past| {
        let limited = past.did.iter().filter_map(|it| match it {
            Did::Limited(it) => Some(*it),
            _ => None,
        });
        evidence(&limited.collect::<Vec<_>>())
    },
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::FileDescriptors { limit } = *aim.fault else { return Ok(Vec::new()) };
    let step = |it: &crate::process::Process| {
        let before = it.open_files_limit()?;
        if before.is_some_and(|it| it <= limit) {
            let message =
                format!("{it} may open no more than {} files already", before.unwrap_or(0));
            return Err(PlanError::Unfit(message));
        }
        Ok(Step {
            apply: Op::LimitFiles { process: it.clone(), limit, before },
            undo: Undo::LimitFiles { process: it.clone(), ours: limit, before },
        })
    };
    aim.processes().map(step).collect()
}

/// How it was with a process at the end.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    /// The limit was still ours.
    pub(crate) held: bool,
    /// So many files were open.
    pub(crate) open: usize,
}

fn evidence(limited: &[Limited]) -> Evidence {
    let held = limited.iter().filter(|it| it.held).count();
    let most = limited.iter().map(|it| it.open).max().unwrap_or_default();
    let processes = processes(held as u64);
    let summary =
        format!("{processes} limited to the end, with at most {} open", count(most as u64, "file"));
    let counters = [
        ("processes_limited", limited.len() as f64),
        ("processes_limited_to_the_end", held as f64),
        ("most_open_files", most as f64),
    ];
    crate::kind::evidence(held > 0, summary, &counters)
}
