//! `blackHole`: connections open, whatever is sent disappears, nothing comes back.
//!
//! Simulates a dependency that hangs, or a firewall that drops: the hardest fault for a client without
//! timeouts, because nothing ever fails. Connections that lost something are reset at the end, since their
//! streams have holes; others go on as if nothing had been.
//!
//! ```yaml
//! - blackHole: {at: 10s, duration: 30s}
//! ```
//!
//! Needs: the service calls its dependency through the link. Release class A: it lives in our process.
//! Evidence: connections that lost something, and how many bytes.

use evenkeel_model::event::Evidence;
use evenkeel_units::Bytes;

use crate::kind::{Kind, count, on_links};
use crate::plan::Release;
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "blackHole",
    release: Release::Lifetime,
    needs: "a link",
    about: "- blackHole: {at: 10s, duration: 30s}",
    plan: on_links,
    evidence: |past| past.link(evidence),
};

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
