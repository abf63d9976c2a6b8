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

use evenkeel_model::event::Evidence;

use super::{Kind, count};
use crate::plan::Release;
use crate::proxy::Counts;

pub(super) const KIND: Kind = Kind {
    name: "httpErrors",
    release: Release::Lifetime,
    needs: "a link that carries HTTP/1 in the clear",
    about: "- httpErrors: {share: 20%, status: 503, at: 10s, duration: 60s}",
    plan: super::on_links,
};

pub(super) fn evidence(counts: &Counts, status: u16) -> Evidence {
    let [requests, answered] = [&counts.requests, &counts.answered].map(Counts::read);
    let summary = match requests {
        0 => "no HTTP/1 request came through the link".to_owned(),
        _ => format!("{answered} of {} answered with {status}", count(requests, "request")),
    };
    let counters = [("requests", requests as f64), ("requests_answered", answered as f64)];
    super::evidence(answered > 0, summary, &counters)
}
