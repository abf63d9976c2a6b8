//! `httpAbort`: a share of the exchanges is broken off; the connection is closed.
//!
//! Simulates a dependency, or a proxy before it, that dies amid its work. With `amid: answer` the dependency has done it, and
//! half of its answer comes: a client that tries again does it twice. With `amid: request` the request reaches nobody, and
//! no answer comes. Known elsewhere as the abort of Chaos Mesh's HTTPChaos.
//!
//! ```yaml
//! - httpAbort: {share: 5%, at: 10s, duration: 60s}
//! - httpAbort: {amid: request, match: {method: POST, path: /orders/*}, at: 10s, duration: 60s}
//! ```
//!
//! `share` and `match` as for `httpErrors`, and what it needs as well. Of a body of a known length half comes, of another
//! half of what arrives first; without a body, half of the head. Then both sides are closed, not reset (see `reset`). An
//! answer whose end is the end of the connection merely seems to be shorter. Release class A: it lives in our process.
//! Evidence: requests seen, those that fit, and those broken off.

use super::http;
use crate::kind::{Kind, on_links};
use crate::plan::Release;
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "httpAbort",
    release: Release::Lifetime,
    needs: http::NEEDS,
    about: "- httpAbort: {share: 5%, amid: answer, at: 10s, duration: 60s}",
    plan: on_links,
    evidence: |past| {
        past.link(|counts| {
            let aborted = Counts::read(&counts.hit);
            let counters = [("requests_aborted", aborted as f64)];
            http::evidence(
                counts,
                aborted > 0,
                |of| format!("{aborted} of {of} broken off"),
                &counters,
            )
        })
    },
};
