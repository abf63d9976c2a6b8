//! `duplicate`: a share of the packets is sent twice.
//!
//! Simulates a network that repeats itself: a router that flaps, a retransmission below IP. TCP throws the second one
//! away; a protocol over UDP has to notice by itself.
//!
//! ```yaml
//! - duplicate: {share: 5%, target: {traffic: {host: 10.0.0.7, port: 53}}, at: 10s, duration: 60s}
//! ```
//!
//! Only the kernel's emulator can do it: it needs `tc`, CAP_NET_ADMIN, and a kernel with `sch_netem` and `sch_prio`. It
//! acts where packets leave this host, on the interface that leads to the `host`; of an endpoint on this host both
//! directions do. An interface with a queueing discipline of somebody's is refused. Release class C: when we are gone,
//! the guardian removes it, if it is still ours. Evidence: packets that went through the emulator.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;

use super::leaving;
use crate::act::Did;
use crate::discipline::Treatment;
use crate::kind::{Aim, Kind, count};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "duplicate",
    release: Release::Guardian,
    needs: "tc, CAP_NET_ADMIN, netem and prio in the kernel",
    about: "- duplicate: {share: 5%, target: {traffic: {host: 10.0.0.7, port: 53}}, at: 10s, duration: 60s}",
    plan,
    evidence: |past| match past.did {
        [Did::Shaped(passed), ..] => evidence(passed.packets),
        _ => past.nothing(),
    },
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::Duplicate { share } = aim.fault else { return Ok(Vec::new()) };
    leaving::treat(aim, Treatment::Duplicate(*share))
}

fn evidence(packets: u64) -> Evidence {
    let summary = match packets {
        0 => "no such packet left".to_owned(),
        packets => format!("{} went where some are sent twice", count(packets, "packet")),
    };
    crate::kind::evidence(packets > 0, summary, &[("packets_emulated", packets as f64)])
}
