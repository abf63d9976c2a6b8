//! `bandwidth`: no more than so much a second passes, in each direction.
//!
//! Simulates a saturated or throttled network.
//!
//! ```yaml
//! - bandwidth: {rate: 64KiB/s, at: 10s, duration: 60s}
//! - bandwidth: {rate: 10MiB/s, target: {traffic: {host: 10.0.0.7}}, at: 10s, duration: 60s}
//! ```
//!
//! On a link: all its connections share it, in pieces of at most 20 ms, so that a slow link flows rather than stutters.
//! Release class A: it lives in our process. Evidence: how often bytes had to wait; a link that never fills its
//! bandwidth was not slowed by it.
//!
//! On traffic: all its packets share it, of connections that are open as of new ones; bytes count from the IP header on.
//! A packet that would wait for more than half a second is lost, as in a router whose queue is full: TCP slows down,
//! and UDP loses what is too much. Needs CAP_NET_ADMIN, and a kernel with nft and NFQUEUE, and neither tbf nor any
//! program: no queueing discipline of the host is replaced. Release class A: rules and queues belong to processes of
//! ours, and packets pass when these are gone. Evidence: packets that waited, and those that were lost.

use evenkeel_model::document::{Direction, Fault, Traffic};
use evenkeel_model::event::Evidence;
use evenkeel_units::Bytes;

use super::packets;
use crate::holder::Counters;
use crate::kind::{Aim, Kind, count, on_links};
use crate::need::PlanError;
use crate::netlink::Treatment;
use crate::plan::{Release, Step};
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "bandwidth",
    release: Release::Lifetime,
    needs: "a link; for traffic CAP_NET_ADMIN, nft and NFQUEUE in the kernel",
    about: "- bandwidth: {rate: 64KiB/s, at: 10s, duration: 60s}",
    plan,
    evidence: |past| past.on(of_link, of_packets),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Some(traffic) = aim.traffic() else { return on_links(aim) };
    let Fault::Bandwidth { rate, .. } = *aim.fault else { return Ok(Vec::new()) };
    // Each direction has a line of its own.
    let directions = match traffic.direction {
        Direction::Both => &[Direction::To, Direction::From][..],
        Direction::To => &[Direction::To],
        Direction::From => &[Direction::From],
    };
    let treatment = Treatment { rate: Some(rate), ..Treatment::default() };
    let lines = directions.iter().map(|direction| {
        packets::treat(aim, Traffic { direction: *direction, ..traffic.clone() }, treatment)
    });
    Ok(lines.collect::<Result<Vec<_>, _>>()?.concat())
}

fn of_link(counts: &Counts) -> Evidence {
    let [bytes, waits] = [&counts.bytes, &counts.waits].map(Counts::read);
    let summary = match waits {
        0 => format!("{} passed, and none had to wait", Bytes(bytes)),
        _ => format!("{} passed, held up {}", Bytes(bytes), count(waits, "time")),
    };
    let counters = [("throttled_bytes", bytes as f64), ("waits", waits as f64)];
    crate::kind::evidence(waits > 0, summary, &counters)
}

fn of_packets(counted: &Counters) -> Evidence {
    let counter = crate::kind::reader(counted);
    let [bytes, waits, lost] = ["rated_bytes", "delayed", "lost"].map(counter);
    let passed = Bytes(bytes as u64);
    let summary = match (waits as u64, lost as u64) {
        (0, 0) => format!("{passed} passed, and no packet had to wait"),
        (waits, lost) => {
            format!(
                "{passed} passed; {} waited, and {lost} found the line full",
                count(waits, "packet")
            )
        }
    };
    Evidence { acted: waits + lost > 0.0, summary, counters: counted.clone() }
}
