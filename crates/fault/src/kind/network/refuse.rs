//! `refuse`: nobody listens; connections that were open are reset.
//!
//! Simulates a dependency that has crashed or is being restarted. The kernel refuses on behalf of the link,
//! which keeps its port and listens again at the end.
//!
//! ```yaml
//! - refuse: {at: 10s, duration: 30s}
//! ```
//!
//! Needs: the service calls its dependency through the link. Release class A: it lives in our process.
//! Evidence: a connect of our own was refused at the beginning and at the end. Connects that the kernel
//! refused to others cannot be counted; connections that were reset are.

use evenkeel_model::event::Evidence;

use super::rules;
use crate::act::Did;
use crate::holder::Counters;
use crate::kind::{Aim, Kind, count, on_links};
use crate::need::PlanError;
use crate::plan::{Release, Step};
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "refuse",
    release: Release::Lifetime,
    needs: "a link; for traffic nft, CAP_NET_ADMIN",
    about: "- refuse: {at: 10s, duration: 30s}",
    plan,
    evidence: |past| match past.did {
        [Did::Link { counts, refused }] => evidence(counts, *refused),
        _ => past.held(rejected),
    },
};

/// TCP is told by a reset, everything else by an error of ICMP; and those themselves pass, or nobody would be told.
const ACTIONS: [&str; 4] = [
    "tcp flags & rst == 0x0 counter reject with tcp reset",
    // By number: a small host has no list of their names.
    "meta l4proto != { 1, 6, 58 } counter reject",
    "icmp type echo-request counter reject",
    "icmpv6 type echo-request counter reject",
];

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Some(traffic) = aim.traffic() else { return on_links(aim) };
    rules::hold(aim, &rules::of(traffic)?, &ACTIONS)
}

fn rejected(counted: &Counters) -> Evidence {
    let [_, rejected] = rules::packets(counted);
    let summary = format!("{} rejected", count(rejected as u64, "packet"));
    crate::kind::evidence(rejected > 0.0, summary, &[("packets_rejected", rejected)])
}

/// `refused`: our own connects were refused.
fn evidence(counts: &Counts, refused: bool) -> Evidence {
    let reset = Counts::read(&counts.reset);
    let summary = match refused {
        true => format!("connects were refused, {} reset", count(reset, "connection")),
        false => "a connect of ours was not refused".to_owned(),
    };
    let counters =
        [("connections_reset", reset as f64), ("connects_refused_to_us", f64::from(refused))];
    crate::kind::evidence(refused, summary, &counters)
}
