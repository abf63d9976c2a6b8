//! `pids`: threads of a child of ours take process numbers.
//!
//! Simulates a fork bomb, or a pool that leaks threads: nobody can start a process or a thread any more.
//!
//! ```yaml
//! - pids: {count: 20000, at: 10s, duration: 60s}
//! ```
//!
//! Threads count like processes: against `kernel.pid_max`, `kernel.threads-max`, and the `pids.max` of the control
//! group that Evenkeel runs in. A reserve of 512 stays, because whoever mends needs a number, too. Needs: so many
//! numbers. Release class A: the child ends when its pipe from us closes. Evidence: numbers taken.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;

use crate::holder::{Counters, Pids, Work};
use crate::kind::{Aim, Kind, count};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "pids",
    release: Release::Lifetime,
    needs: "as many process numbers, and a reserve",
    about: "- pids: {count: 20000, at: 10s, duration: 60s}",
    plan,
    evidence: |past| past.held(evidence),
};

/// Left to others, and to whoever mends.
const RESERVE: u64 = 512;

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::Pids { count } = *aim.fault else { return Ok(Vec::new()) };
    let number = |path: &str| {
        let text = std::fs::read_to_string(path)?;
        text.trim().parse::<u64>().map_err(std::io::Error::other)
    };
    let [ids, threads] =
        [number("/proc/sys/kernel/pid_max")?, number("/proc/sys/kernel/threads-max")?];
    let load = std::fs::read_to_string("/proc/loadavg")?;
    // Its fourth field is `running/all`.
    let all =
        load.split_ascii_whitespace().nth(3).and_then(|it| it.split_once('/')?.1.parse().ok());
    let free = ids.min(threads).saturating_sub(all.unwrap_or(0)).saturating_sub(RESERVE);
    if u64::from(count) > free {
        let message = format!(
            "{count} is too many: {free} process numbers are free beside a reserve of {RESERVE}"
        );
        return Err(PlanError::Unfit(message));
    }
    Ok(vec![aim.hold(Work::Pids(Pids { count }))])
}

fn evidence(counted: &Counters) -> Evidence {
    let held = crate::kind::reader(counted)("pids_held");
    let summary = format!("{} taken", count(held as u64, "process number"));
    crate::kind::evidence(held > 0.0, summary, &[("pids_held", held)])
}
