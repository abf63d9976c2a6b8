//! `blackHole`: connections open, whatever is sent disappears, nothing comes back.
//!
//! Simulates a dependency that hangs, or a firewall that drops: the hardest fault for a client without
//! timeouts, because nothing ever fails. Connections that lost something are reset at the end, since their
//! streams have holes; others go on as if nothing had been.
//!
//! ```yaml
//! - blackHole: {at: 10s, duration: 30s}
//! - blackHole: {target: {traffic: {port: 5432}}, at: 10s, duration: 30s}
//! ```
//!
//! On a link: the service calls its dependency through it. Release class A: it lives in our process. Evidence:
//! connections that lost something, and how many bytes.
//!
//! On traffic: packets are dropped, which is a port that is blocked, a host that is cut off, or, with a direction, a
//! route that works one way. Needs `nft` and CAP_NET_ADMIN. Release class A: the table belongs to a process of ours,
//! and the kernel removes it with that process. Connections go on at the end, if nobody has given up. Evidence: packets
//! dropped.

use evenkeel_model::event::Evidence;
use evenkeel_units::Bytes;

use super::rules;
use crate::holder::Counters;
use crate::kind::{Aim, Kind, count, on_links};
use crate::need::PlanError;
use crate::plan::{Release, Step};
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "blackHole",
    release: Release::Lifetime,
    needs: "a link; for traffic nft, CAP_NET_ADMIN",
    about: "- blackHole: {at: 10s, duration: 30s}",
    plan,
    evidence: |past| past.on(evidence, dropped),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    match aim.traffic() {
        Some(traffic) => rules::hold(aim, &rules::of(traffic)?, &["counter drop"]),
        None => on_links(aim),
    }
}

fn dropped(counted: &Counters) -> Evidence {
    let [_, dropped] = rules::packets(counted);
    let summary = format!("{} dropped", count(dropped as u64, "packet"));
    crate::kind::evidence(dropped > 0.0, summary, &[("packets_dropped", dropped)])
}

fn evidence(counts: &Counts) -> Evidence {
    let [connections, bytes] = [&counts.swallowed, &counts.swallowed_bytes].map(Counts::read);
    let summary = match connections {
        0 => "nothing was sent into it".to_owned(),
        _ => format!("{} lost {}", count(connections, "connection"), Bytes(bytes)),
    };
    let counters =
        [("connections_swallowed", connections as f64), ("swallowed_bytes", bytes as f64)];
    crate::kind::evidence(connections > 0, summary, &counters)
}
