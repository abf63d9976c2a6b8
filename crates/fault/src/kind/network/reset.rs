//! `reset`: connections are reset (RST) as soon as data flows on them.
//!
//! Simulates a dependency that crashes amid a request, or a middlebox that has forgotten the connection:
//! the client cannot know whether its request was carried out.
//!
//! ```yaml
//! - reset: {at: 10s, duration: 30s}
//! ```
//!
//! Needs: the service calls its dependency through the link. Release class A: it lives in our process.
//! Evidence: connections that were reset.

use evenkeel_model::event::Evidence;

use crate::kind::{Kind, count, on_links};
use crate::plan::Release;
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "reset",
    release: Release::Lifetime,
    needs: "a link",
    about: "- reset: {at: 10s, duration: 30s}",
    plan: on_links,
    evidence: |past| past.link(evidence),
};

fn evidence(counts: &Counts) -> Evidence {
    let reset = Counts::read(&counts.reset);
    let summary = format!("{} reset", count(reset, "connection"));
    crate::kind::evidence(reset > 0, summary, &[("connections_reset", reset as f64)])
}
