//! `httpErrors`: the link answers a share of the requests itself, with an error.
//!
//! Simulates a dependency that fails for some requests. Those never reach it, so nothing happens twice. Known elsewhere as
//! the abort with a status of Envoy and Istio.
//!
//! ```yaml
//! - httpErrors: {share: 20%, status: 503, at: 10s, duration: 60s}
//! - httpErrors: {share: 20%, match: {method: POST, path: /orders/*}, at: 10s, duration: 60s}
//! - httpErrors: {share: 20%, target: {traffic: {host: 10.0.0.7, port: 80}}, at: 10s, duration: 60s}
//! ```
//!
//! All faults of HTTP have a `share` of the requests, each by chance, and a `match`: `method`, `path` (without the query)
//! and `headers`, of which all that are given have to fit; `*` stands for any text in a path and in the value of a header.
//! They know HTTP/1.0 and 1.1 in the clear, on connections that were open before, too, kept alive and pipelined. What
//! else passes (TLS, HTTP/2, what is upgraded) is untouched, and the evidence says how many connections that were. A
//! request that asks for another protocol is never hit.
//!
//! On a link: the service calls its dependency through it. On traffic: the connections that programs of this host open to
//! the endpoint are led through a link of ours; those that were open before are reset when they are used next, so that
//! they are opened anew, and those that were led are closed at the end. That needs `nft` and CAP_NET_ADMIN. Release class
//! A: link and rules live in processes of ours, and the kernel removes the rules with theirs.
//! Evidence: requests seen, those that fit, and those answered with the error.

use evenkeel_model::document::Fault;

use super::http;
use crate::kind::{Kind, on_links};
use crate::plan::Release;
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "httpErrors",
    release: Release::Lifetime,
    needs: http::NEEDS,
    about: "- httpErrors: {share: 20%, status: 503, at: 10s, duration: 60s}",
    plan: on_links,
    evidence: |past| {
        let status = match past.fault {
            Fault::HttpErrors { status, .. } => *status,
            _ => 0,
        };
        past.link(|counts| {
            let answered = Counts::read(&counts.hit);
            let counters = [("requests_answered", answered as f64)];
            let said = |of: &str| format!("{answered} of {of} answered with {status}");
            http::evidence(counts, answered > 0, said, &counters)
        })
    },
};
