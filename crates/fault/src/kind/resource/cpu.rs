//! `cpu`: a child of ours burns CPU on this host.
//!
//! Simulates a noisy neighbour or a runaway job. The share is held by feedback on the CPU time really got,
//! also when the host is busy: up to 90 % of the cores it goes before everybody else (nice −14, behind the
//! guardian), where it has the right to. Beyond, or without that right, it gets what the scheduler thinks fair.
//!
//! ```yaml
//! - cpu: {load: 80%, cores: 2, at: 10s, duration: 60s}
//! ```
//!
//! Needs: nothing; on a busy host, the right to go first (CAP_SYS_NICE). Release class A: the child ends when its pipe
//! from us closes; its mark is in the journal as well. Evidence: CPU seconds that it used, at least half of what was asked.

use std::time::Duration;

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;
use evenkeel_units::{Human, Ratio};

use crate::holder::{Counters, Cpu, Work};
use crate::kind::{Aim, Kind};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "cpu",
    release: Release::Lifetime,
    needs: "nothing; on a busy host CAP_SYS_NICE",
    about: "- cpu: {load: 80%, cores: 2, at: 10s, duration: 60s}",
    plan,
    evidence: |past| match *past.fault {
        Fault::Cpu { load, cores } => past.held(|it| evidence(Cpu { load, cores }, it)),
        _ => past.nothing(),
    },
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::Cpu { load, cores } = *aim.fault else { return Ok(Vec::new()) };
    Ok(vec![aim.hold(Work::Cpu(Cpu { load, cores }))])
}

fn evidence(asked: Cpu, counted: &Counters) -> Evidence {
    let counter = crate::kind::reader(counted);
    let (used, time, cores) = (counter("cpu_seconds"), counter("seconds"), asked.cores());
    let got = used / (cores as f64 * time).max(f64::MIN_POSITIVE);
    let achieved = Ratio::new((got * 1000.0).round() / 1000.0).unwrap_or(Ratio::ONE);
    let burnt = Duration::try_from_secs_f64(used).unwrap_or_default();
    let summary = format!("{} of CPU burnt: {achieved} of {cores} cores", Human(burnt));
    let counters = [("cpu_seconds", used), ("load_ratio", got), ("cores", cores as f64)];
    crate::kind::evidence(got >= asked.load.get() / 2.0 && used > 0.0, summary, &counters)
}
