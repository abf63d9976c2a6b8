//! `bandwidth` with `by: htb`: the same of packets that leave this host, by the kernel's own discipline.
//!
//! No packet takes the way through a process of ours, so that it holds rates of many gigabits at no cost; what it has
//! of the usual one is the rate, a line for each direction, and half a second of packets that may wait.
//!
//! ```yaml
//! - bandwidth: {rate: 1GiB/s, by: htb, target: {traffic: {host: 10.0.0.7}}, at: 10s, duration: 60s}
//! ```
//!
//! It acts where packets leave, on the interface that leads to the `host`; of an endpoint on this host both directions
//! do. What no filter names leaves as before. Needs `tc`, CAP_NET_ADMIN, and a kernel with `sch_htb`. An interface with
//! a queueing discipline of somebody's is refused. Release class C: when we are gone, the guardian removes it, if it is
//! still ours. Evidence: packets that waited, and those that were lost; bytes count from the frame on.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;
use evenkeel_units::Bytes;

use super::leaving;
use crate::act::Did;
use crate::discipline::{Passed, Treatment};
use crate::kind::{Aim, Kind, count};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "bandwidth",
    release: Release::Guardian,
    needs: "tc, CAP_NET_ADMIN, htb in the kernel",
    about: "- bandwidth: {rate: 1GiB/s, by: htb, target: {traffic: {host: 10.0.0.7}}, at: 10s, duration: 60s}",
    plan,
    evidence: |past| match past.did {
        [Did::Shaped(passed), ..] => evidence(*passed),
        _ => past.nothing(),
    },
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    match *aim.fault {
        Fault::Bandwidth { rate, .. } => leaving::treat(aim, Treatment::Rate(rate)),
        _ => Ok(Vec::new()),
    }
}

fn evidence(passed: Passed) -> Evidence {
    let Passed { packets, bytes, lost, waits } = passed;
    let went = format!("{} passed in {}", Bytes(bytes), count(packets, "packet"));
    let summary = match (waits, lost) {
        (0, 0) => format!("{went}, and none had to wait"),
        _ => {
            format!("{went}; they waited {}, and {lost} found the line full", count(waits, "time"))
        }
    };
    let counters = [("rated_bytes", bytes), ("packets", packets), ("waits", waits), ("lost", lost)];
    crate::kind::evidence(waits + lost > 0, summary, &counters.map(|(it, n)| (it, n as f64)))
}
