//! `loss`: a share of the packets is lost, each by itself.
//!
//! Simulates a bad cable, an overloaded router, radio. TCP sends again and slows down: what users see is latency, and
//! a throughput that falls steeply from a few percent on. UDP loses what is lost.
//!
//! ```yaml
//! - loss: {share: 5%, target: {traffic: {host: 10.0.0.7, port: 5432}}, at: 10s, duration: 60s}
//! ```
//!
//! Needs: `nft` and CAP_NET_ADMIN. Each packet is drawn for once, where it arrives at, leaves or passes this host, and
//! segments that the kernel hands on in one piece are lost in one piece. Release class A: the table belongs to a
//! process of ours, and the kernel removes it with that process. Evidence: packets seen, and packets dropped.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;
use evenkeel_units::Ratio;

use super::rules;
use crate::holder::Counters;
use crate::kind::{Aim, Kind, count};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "loss",
    release: Release::Lifetime,
    needs: "nft, CAP_NET_ADMIN",
    about: "- loss: {share: 5%, target: {traffic: {port: 5432}}, at: 10s, duration: 60s}",
    plan,
    evidence: |past| past.held(evidence),
};

/// Shares are kept to a hundred-thousandth.
const PARTS: f64 = 100_000.0;

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::Loss { share } = *aim.fault else { return Ok(Vec::new()) };
    let parts = (share.get() * PARTS).round();
    let action = format!("numgen random mod {PARTS} < {parts} counter drop");
    let Some(traffic) = aim.traffic() else { return Ok(Vec::new()) };
    rules::hold(aim, &rules::of(traffic)?, &[&action])
}

fn evidence(counted: &Counters) -> Evidence {
    let [seen, lost] = rules::packets(counted);
    let share = Ratio::new((lost / seen.max(1.0) * 1000.0).round() / 1000.0).unwrap_or_default();
    let summary = match seen as u64 {
        0 => "no such packet passed".to_owned(),
        packets => format!("{} of {} lost: {share}", lost as u64, count(packets, "packet")),
    };
    let counters = [("packets_seen", seen), ("packets_lost", lost)];
    crate::kind::evidence(lost > 0.0, summary, &counters)
}
