//! `clockSkew`: processes are told a time of day that is not the true one.
//!
//! Simulates a host whose clock drifts, jumps, or was set by a broken NTP server: tokens that are not valid yet, caches
//! that never expire, leases that two hold at once.
//!
//! ```yaml
//! - clockSkew: {offset: -10m, target: {executable: redis-server}, at: 5s, duration: 30s}
//! ```
//!
//! Only the processes that are hit, and what they fork, see the offset (`CLOCK_REALTIME`, `gettimeofday`, `time`), from
//! one call to the next. All other clocks go on, `CLOCK_MONOTONIC` as well: timeouts that are measured by it stay as
//! they are. It is done to running programs of any language, without a restart, in the code that the kernel maps into
//! each of them for this purpose (the vDSO); each thread stands still for some microseconds meanwhile, at the beginning
//! and at the end.
//!
//! Limits: a program that asks the kernel directly is told the truth, and so is one that is started anew by `exec`.
//! What the kernel does at a time of day (a timer, or a wait with a deadline, on `CLOCK_REALTIME`) it does by the true
//! one: a wait until "in a second" ends at once where the clock is behind. Each question for the time, of any clock,
//! costs a system call meanwhile; a seccomp filter has to permit `clock_gettime` and `gettimeofday`, as the usual ones do.
//! Programs of 64 bits on x86-64 only.
//!
//! Needs: the same user as the process, or CAP_SYS_PTRACE, which it also takes where kernel.yama.ptrace_scope is 1 or
//! 2; nobody may at 3. Refused are a process that a debugger traces, and one whose clock is set already. Release class
//! C: when we are gone, the guardian writes the kernel's code back, also for children that were started meanwhile;
//! should it be gone, too, the offset ends by itself at the limit of the fault. Evidence: the changed code, read back
//! after it was written and at the end. What is left is a few hundred bytes behind that code that nobody reaches.

use std::time::Duration;

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;
use evenkeel_units::{Human, Offset};
use rand::RngExt;

use super::pause::processes;
use crate::act::Did;
use crate::clock::Skew;
use crate::kind::{Aim, Kind};
use crate::need::PlanError;
use crate::plan::{Op, Release, Step, Undo};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "clockSkew",
    release: Release::Guardian,
    needs: "the same user as the process, or CAP_SYS_PTRACE; x86-64",
    about: "- clockSkew: {offset: -10m, target: {executable: redis-server}, at: 5s, duration: 30s}",
    plan,
    evidence: |past| {
        let skewed = past.did.iter().find_map(|it| match it {
            Did::Skewed(it) => Some(*it),
            _ => None,
        });
        skewed.map_or_else(|| past.nothing(), evidence)
    },
};

/// One step for all: so all processes of the host are looked through but once at the end.
fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::ClockSkew { offset } = *aim.fault else { return Ok(Vec::new()) };
    let mark = aim.seed.stream(aim.mark).random();
    let processes = aim.processes().cloned().collect();
    let skew = Skew { processes, offset, mark, limit: aim.limit };
    skew.must_fit()?;
    Ok(vec![Step { apply: Op::Skew(skew.clone()), undo: Undo::Unskew(skew) }])
}

/// How it was with the processes at the end.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Skewed {
    pub(crate) processes: usize,
    /// Of so many the clock still was as we had set it.
    pub(crate) held: usize,
    pub(crate) offset: Offset,
    pub(crate) time: Duration,
}

fn evidence(skewed: Skewed) -> Evidence {
    let Skewed { processes: all, held, offset, time } = skewed;
    let mut summary =
        format!("the clock of {} {offset} for {}", processes(all as u64), Human(time));
    if held < all {
        summary.push_str(", not of all of them to the end");
    }
    let (whole, nanos) = offset.parts();
    let counters = [
        ("processes_skewed", all as f64),
        ("processes_skewed_to_the_end", held as f64),
        ("offset_seconds", whole as f64 + f64::from(nanos) / 1e9),
        ("skewed_seconds", time.as_secs_f64()),
    ];
    crate::kind::evidence(held > 0, summary, &counters)
}
