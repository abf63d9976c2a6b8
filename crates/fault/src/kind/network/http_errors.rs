//! `httpErrors`: the link answers a share of the requests itself, with an error.
//!
//! Simulates a dependency that fails for some requests. Those never reach it, so nothing happens twice.
//! For HTTP/1.0 and 1.1 in the clear, on connections that are kept open, too; what is encrypted, HTTP/2 or
//! pipelined passes, and a link of that kind leaves no evidence.
//!
//! ```yaml
//! - httpErrors: {share: 20%, status: 503, at: 10s, duration: 60s}
//! ```
//!
//! Needs: the service calls its dependency through the link. Release class A: it lives in our process.
//! Evidence: requests seen, and those answered with the error.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;

use crate::kind::{Kind, count, on_links};
use crate::plan::Release;
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "httpErrors",
    release: Release::Lifetime,
    needs: "a link that carries HTTP/1 in the clear",
    about: "- httpErrors: {share: 20%, status: 503, at: 10s, duration: 60s}",
    plan: on_links,
    evidence: |past| past.link(|counts| evidence(counts, past.fault)),
};

fn evidence(counts: &Counts, fault: &Fault) -> Evidence {
    let Fault::HttpErrors { status, .. } = fault else { return Evidence::default() };
    let [requests, answered] = [&counts.requests, &counts.answered].map(Counts::read);
    let summary = match requests {
        0 => "no HTTP/1 request came through the link".to_owned(),
        _ => format!("{answered} of {} answered with {status}", count(requests, "request")),
    };
    let counters = [("requests", requests as f64), ("requests_answered", answered as f64)];
    crate::kind::evidence(answered > 0, summary, &counters)
}
