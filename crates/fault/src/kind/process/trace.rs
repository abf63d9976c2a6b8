//! `pause` with `by: trace`: the same, and it ends with this tool, however that ends.
//!
//! Every thread is stopped as a debugger stops it. Compared with SIGSTOP: no parent is told (a shell or a supervisor
//! that reacts to stopped children does not), SIGCONT does not end it, and the kernel lets the process go on as soon
//! as the child of ours that traces it is gone. What is killed meanwhile is gone at once, as ever.
//!
//! ```yaml
//! - pause: {by: trace, target: {instances: worker-1}, at: 10s, duration: 5s}
//! ```
//!
//! Needs: the same user as the process, or CAP_SYS_PTRACE, which it also takes where kernel.yama.ptrace_scope is 1 or
//! 2; nobody may at 3. A process that a debugger traces already is refused, and one that is stopped. Release class A.
//! Evidence: the threads that the kernel showed in a tracing stop, at the beginning and at the end, and for how long.

use std::time::Duration;

use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use super::pause::{must_run, processes};
use crate::holder::{Counters, Trace, Work};
use crate::kind::{Aim, Kind, count};
use crate::need::PlanError;
use crate::plan::{Release, Step};
use crate::process::Process;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "pause",
    release: Release::Lifetime,
    needs: "the same user as the process, or CAP_SYS_PTRACE",
    about: "- pause: {by: trace, target: {instances: worker-1}, at: 10s, duration: 5s}",
    plan,
    evidence: |past| past.held(evidence),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    must_run(aim)?;
    let otherwise = ", or leave out `by: trace`";
    aim.processes().try_for_each(|it| it.must_be_traceable(otherwise))?;
    let processes: Vec<Process> = aim.processes().cloned().collect();
    let work = (!processes.is_empty()).then_some(Work::Trace(Trace { processes }));
    Ok(work.map(|it| aim.hold(it)).into_iter().collect())
}

fn evidence(counted: &Counters) -> Evidence {
    let counter = crate::kind::reader(counted);
    let [all, held] = ["processes_stopped", "processes_stopped_to_the_end"].map(&counter);
    let threads = counter("threads_stopped");
    let time = Duration::try_from_secs_f64(counter("stopped_seconds")).unwrap_or_default();
    let threads_of = count(threads as u64, "thread");
    let mut summary = format!(
        "{} with {threads_of} stopped by tracing for {}",
        processes(all as u64),
        Human(time)
    );
    if held < all {
        summary.push_str(", not all of them to the end");
    }
    let counters: Vec<(&str, f64)> =
        counted.iter().map(|(name, it)| (name.as_str(), *it)).collect();
    crate::kind::evidence(threads > 0.0 && held > 0.0, summary, &counters)
}
