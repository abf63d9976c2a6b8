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

use crate::act::Did;
use crate::kind::{Kind, count, on_links};
use crate::plan::Release;
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "refuse",
    release: Release::Lifetime,
    needs: "a link",
    about: "- refuse: {at: 10s, duration: 30s}",
    plan: on_links,
    evidence: |past| match past.did {
        [Did::Link { counts, refused }] => evidence(counts, *refused),
        _ => past.nothing(),
    },
};

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
