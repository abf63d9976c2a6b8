//! `reset`: connections are reset (RST) as soon as data flows on them.
//!
//! Simulates a dependency that crashes amid a request, or a middlebox that has forgotten the connection:
//! the client cannot know whether its request was carried out.
//!
//! ```yaml
//! - reset: {at: 10s, duration: 30s}
//! - reset: {target: {traffic: {port: 5432}}, at: 10s, duration: 30s}
//! ```
//!
//! On a link: the service calls its dependency through it. Release class A: it lives in our process. Evidence:
//! connections that were reset.
//!
//! On traffic: connections are opened, and whoever first sends data is reset; the other end hears of it when it sends
//! something itself. Needs `nft` and CAP_NET_ADMIN. Release class A: the table belongs to a process of ours, and the
//! kernel removes it with that process. Evidence: segments with data that were answered by a reset.

use evenkeel_model::document::Protocol;
use evenkeel_model::event::Evidence;

use super::rules;
use crate::holder::Counters;
use crate::kind::{Aim, Kind, count, on_links};
use crate::need::PlanError;
use crate::plan::{Release, Step};
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "reset",
    release: Release::Lifetime,
    needs: "a link; for traffic nft, CAP_NET_ADMIN",
    about: "- reset: {at: 10s, duration: 30s}",
    plan,
    evidence: |past| past.on(evidence, of_segments),
};

/// Whoever sends data says so by this flag, at the latest with the last segment of it.
const DATA: &str = "tcp flags & (psh | rst) == psh counter reject with tcp reset";

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Some(traffic) = aim.traffic() else { return on_links(aim) };
    if traffic.protocol == Protocol::Udp {
        return Err(PlanError::Unfit("only TCP has connections that can be reset".to_owned()));
    }
    rules::hold(aim, &rules::of(traffic)?, &[DATA])
}

fn of_segments(counted: &Counters) -> Evidence {
    let [_, reset] = rules::packets(counted);
    let summary = format!("{} answered by a reset", count(reset as u64, "segment"));
    crate::kind::evidence(reset > 0.0, summary, &[("segments_reset", reset)])
}

fn evidence(counts: &Counts) -> Evidence {
    let reset = Counts::read(&counts.reset);
    let summary = format!("{} reset", count(reset, "connection"));
    crate::kind::evidence(reset > 0, summary, &[("connections_reset", reset as f64)])
}
