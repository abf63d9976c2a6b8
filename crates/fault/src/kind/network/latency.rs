//! `latency`: every segment of every answer is late.
//!
//! Simulates a dependency that is far away, or slow in a way that its clients cannot see. Each round trip
//! gains exactly the delay, on connections that are already open as on new ones, and it can be said to
//! vary evenly around it. Throughput stays: many segments may be under way.
//!
//! ```yaml
//! - latency: {delay: 200ms, jitter: 50ms, at: 10s, duration: 60s}
//! - latency: {delay: 200ms, target: {traffic: {port: 5432}}, at: 10s, duration: 60s}
//! ```
//!
//! On a link: the service calls its dependency through it. Release class A: it lives in our process. Evidence: segments
//! that really left late, and by how much in the median, as measured.
//!
//! On traffic: each packet is late, the first of a connection as well; of a round trip the answer, unless a direction is
//! given. Packets keep their order. Needs CAP_NET_ADMIN, and a kernel with nft and NFQUEUE, and neither netem nor any
//! program. Release class A: rules and queue belong to a process of ours, and packets pass when it is gone; those that
//! it held back at that moment are lost. Evidence: packets that were held back, and for how long in the median.

use evenkeel_model::document::{Direction, Fault, Traffic};
use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use super::packets;
use crate::kind::{Aim, Kind, count, on_links};
use crate::need::PlanError;
use crate::netlink::Treatment;
use crate::plan::{Release, Step};
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "latency",
    release: Release::Lifetime,
    needs: "a link; for traffic CAP_NET_ADMIN, nft and NFQUEUE in the kernel",
    about: "- latency: {delay: 200ms, jitter: 50ms, at: 10s, duration: 60s}",
    plan,
    evidence: |past| past.on(evidence, |it| packets::evidence(it, "delayed", "late")),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Some(traffic) = aim.traffic() else { return on_links(aim) };
    let Fault::Latency { delay, jitter } = *aim.fault else { return Ok(Vec::new()) };
    // A round trip is late once: by its answer.
    let direction = match traffic.direction {
        Direction::Both => Direction::From,
        one => one,
    };
    let treatment = Treatment { delay, jitter, ..Treatment::default() };
    packets::treat(aim, Traffic { direction, ..traffic.clone() }, treatment)
}

fn evidence(counts: &Counts) -> Evidence {
    let segments = Counts::read(&counts.segments);
    let median = counts.median_delay();
    let summary = match segments {
        0 => "no segment came through the link".to_owned(),
        _ => format!("{} delayed by {} in the median", count(segments, "segment"), Human(median)),
    };
    let counters = [
        ("segments_delayed", segments as f64),
        ("median_added_delay_seconds", median.as_secs_f64()),
    ];
    crate::kind::evidence(segments > 0, summary, &counters)
}
