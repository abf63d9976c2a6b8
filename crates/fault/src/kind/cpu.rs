//! `cpu`: a child of ours burns CPU on this host.
//!
//! Simulates a noisy neighbour or a runaway job. The share is held by feedback on the CPU time really got,
//! also when the host is busy, as far as the scheduler gives it a fair share: it runs at the ordinary
//! priority, because a burner that goes before everybody would starve the guardian, too.
//!
//! ```yaml
//! - cpu: {load: 80%, cores: 2, at: 10s, duration: 60s}
//! ```
//!
//! Needs: nothing. Release class A: the child ends when its pipe from us closes; its mark is in the journal
//! as well. Evidence: CPU seconds that it used, at least half of what was asked.

use std::io;
use std::time::Duration;

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;
use evenkeel_units::{Human, Ratio};

use super::{Aim, Kind};
use crate::plan::{Op, Release, Step, Undo};

pub(super) const KIND: Kind = Kind {
    name: "cpu",
    release: Release::Lifetime,
    needs: "nothing",
    about: "- cpu: {load: 80%, cores: 2, at: 10s, duration: 60s}",
    plan,
};

fn plan(aim: &Aim<'_>) -> io::Result<Vec<Step>> {
    let Fault::Cpu { load, cores } = *aim.fault else { return Ok(Vec::new()) };
    Ok(vec![Step {
        apply: Op::Burn { load, cores, limit: aim.limit },
        undo: Undo::KillMarked { mark: aim.mark.to_owned() },
    }])
}

/// `asked`: share of each of so many cores; `used`: CPU time in this much time.
pub(crate) fn evidence(asked: (Ratio, usize), used: Duration, time: Duration) -> Evidence {
    let (load, cores) = asked;
    let wanted = load.get() * cores as f64 * time.as_secs_f64();
    let got = used.as_secs_f64() / (cores as f64 * time.as_secs_f64()).max(f64::MIN_POSITIVE);
    let achieved = Ratio::new((got * 1000.0).round() / 1000.0).unwrap_or(Ratio::ONE);
    let summary = format!("{} of CPU burnt: {achieved} of {cores} cores", Human(used));
    let counters =
        [("cpu_seconds", used.as_secs_f64()), ("load_ratio", got), ("cores", cores as f64)];
    super::evidence(used.as_secs_f64() >= wanted / 2.0 && !used.is_zero(), summary, &counters)
}
