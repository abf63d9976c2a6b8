//! `stopUnit`: a unit of systemd is stopped, as an operator stops it, and started again at the end.
//!
//! Simulates a service that is down and whose manager leaves it down: `kill` shows how fast systemd brings a service
//! back, and this what happens while it does not.
//!
//! ```yaml
//! - stopUnit: {unit: nginx.service, at: 10s, duration: 30s}
//! ```
//!
//! What depends on the unit (`Requires=`, `PartOf=`) is stopped with it, as ever, and only the unit is started again.
//! A unit that does not run is refused, and one with a process that we never hit: the way in by ssh, and where we run
//! ourselves. Needs: systemd as PID 1, and the right to stop the unit. Release class C: when we are gone, the guardian
//! starts it again, unless somebody else has done so; the unit's invocation tells. Evidence: the unit was down, at the
//! beginning and at the end.

use std::time::Duration;

use evenkeel_model::document::{Fault, Finder};
use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use crate::act::Did;
use crate::kind::{Aim, Kind};
use crate::need::PlanError;
use crate::plan::{Op, Release, Step, Undo};
use crate::process::find;
use crate::unit::Unit;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "stopUnit",
    release: Release::Guardian,
    needs: "systemd as PID 1, and the right to stop the unit",
    about: "- stopUnit: {unit: nginx.service, at: 10s, duration: 30s}",
    plan,
    evidence: |past| match past.did {
        [Did::Down(it), ..] => evidence(*it),
        _ => past.nothing(),
    },
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::StopUnit { unit } = aim.fault else { return Ok(Vec::new()) };
    let unit = Unit::running(unit)?;
    for process in unit.processes()? {
        if find(&Finder::Pid(process.pid))?.is_empty() && process.is_alive() {
            let message = format!("{process} runs in {unit}, and is never to be hit");
            return Err(PlanError::Unfit(message));
        }
    }
    Ok(vec![Step { apply: Op::StopUnit(unit.clone()), undo: Undo::StartUnit(unit) }])
}

/// How it was with a unit at the end.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Down {
    /// It was down at the beginning, and still was.
    pub(crate) held: bool,
    pub(crate) time: Duration,
}

fn evidence(down: Down) -> Evidence {
    let time = Human(down.time);
    let summary = match down.held {
        true => format!("the unit was down for {time}"),
        false => format!("the unit was stopped, and was not down any more after {time}"),
    };
    let counters = [
        ("units_down_to_the_end", f64::from(u8::from(down.held))),
        ("down_seconds", down.time.as_secs_f64()),
    ];
    crate::kind::evidence(down.held, summary, &counters)
}
