//! `httpErrors`: the link answers a share of the requests itself, with an error.
//!
//! Simulates a dependency that fails for some requests. Those never reach it, so nothing happens twice.
//! For HTTP/1.0 and 1.1 in the clear, on connections that are kept open, too; what is encrypted, HTTP/2 or
//! pipelined passes, and a link of that kind leaves no evidence.
//!
//! ```yaml
//! - httpErrors: {share: 20%, status: 503, at: 10s, duration: 60s}
//! - httpErrors: {share: 20%, target: {traffic: {host: 10.0.0.7, port: 80}}, at: 10s, duration: 60s}
//! ```
//!
//! On a link: the service calls its dependency through it. On traffic: the connections that programs of this host open to
//! the endpoint are led through a link of ours; those that were open before are reset when they are used next, so that
//! they are opened anew, and those that were led are closed at the end. That needs `nft` and CAP_NET_ADMIN. Release class
//! A: link and rules live in processes of ours, and the kernel removes the rules with theirs.
//! Evidence: requests seen, and those answered with the error.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;

use crate::kind::{Kind, count, on_links};
use crate::plan::Release;
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "httpErrors",
    release: Release::Lifetime,
    needs: "a link that carries HTTP/1 in the clear; for traffic nft, CAP_NET_ADMIN",
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
