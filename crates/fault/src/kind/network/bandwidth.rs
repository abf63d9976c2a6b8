//! `bandwidth`: the link carries no more than so much a second, in each direction.
//!
//! Simulates a saturated or throttled network. All connections of the link share it, in pieces of at most
//! 20 ms, so that a slow link flows rather than stutters.
//!
//! ```yaml
//! - bandwidth: {rate: 64KiB/s, at: 10s, duration: 60s}
//! ```
//!
//! Needs: the service calls its dependency through the link. Release class A: it lives in our process.
//! Evidence: how often bytes had to wait; a link that never fills its bandwidth was not slowed by it.

use evenkeel_model::event::Evidence;
use evenkeel_units::Bytes;

use crate::kind::{Kind, count, on_links};
use crate::plan::Release;
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "bandwidth",
    release: Release::Lifetime,
    needs: "a link",
    about: "- bandwidth: {rate: 64KiB/s, at: 10s, duration: 60s}",
    plan: on_links,
    evidence: |past| past.link(evidence),
};

fn evidence(counts: &Counts) -> Evidence {
    let [bytes, waits] = [&counts.bytes, &counts.waits].map(Counts::read);
    let summary = match waits {
        0 => format!("{} passed, and none had to wait", Bytes(bytes)),
        _ => format!("{} passed, held up {}", Bytes(bytes), count(waits, "time")),
    };
    let counters = [("throttled_bytes", bytes as f64), ("waits", waits as f64)];
    crate::kind::evidence(waits > 0, summary, &counters)
}
