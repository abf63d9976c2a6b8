//! `latency`: every segment of every answer is late.
//!
//! Simulates a dependency that is far away, or slow in a way that its clients cannot see. Each round trip
//! gains exactly the delay, on connections that are already open as on new ones, and it can be said to
//! vary evenly around it. Throughput stays: many segments may be under way.
//!
//! ```yaml
//! - latency: {delay: 200ms, jitter: 50ms, at: 10s, duration: 60s}
//! ```
//!
//! Needs: the service calls its dependency through the link. Release class A: it lives in our process.
//! Evidence: segments that really left late, and by how much in the median, as measured.

use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use crate::kind::{Kind, count, on_links};
use crate::plan::Release;
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "latency",
    release: Release::Lifetime,
    needs: "a link",
    about: "- latency: {delay: 200ms, jitter: 50ms, at: 10s, duration: 60s}",
    plan: on_links,
    evidence: |past| past.link(evidence),
};

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
