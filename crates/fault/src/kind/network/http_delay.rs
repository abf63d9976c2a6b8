//! `httpDelay`: the answers to a share of the requests are late.
//!
//! Simulates a dependency of which one route is slow: a query without an index, a report. Unlike `latency` it is per
//! request: the whole answer is late by the delay, however many segments it has, and others on the same connection are
//! not. The dependency gets the request at once. Known elsewhere as the delay of Envoy, Istio and Chaos Mesh's HTTPChaos.
//!
//! ```yaml
//! - httpDelay: {delay: 200ms, jitter: 50ms, match: {path: /search*}, at: 10s, duration: 60s}
//! ```
//!
//! `share` and `match` as for `httpErrors`, and what it needs as well. What is held back at the end goes at once. Release
//! class A: it lives in our process. Evidence: requests seen, those that fit, and answers that really left late, with
//! the median of what was measured.

use evenkeel_units::Human;

use super::http;
use crate::kind::{Kind, on_links};
use crate::plan::Release;
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "httpDelay",
    release: Release::Lifetime,
    needs: http::NEEDS,
    about: "- httpDelay: {delay: 200ms, jitter: 50ms, match: {path: /search*}, at: 10s, duration: 60s}",
    plan: on_links,
    evidence: |past| {
        past.link(|counts| {
            let (late, median) = (Counts::read(&counts.segments), counts.median_delay());
            let counters = [
                ("answers_delayed", late as f64),
                ("median_added_delay_seconds", median.as_secs_f64()),
            ];
            let said = |of: &str| {
                format!("{late} of {of} answered late, by {} in the median", Human(median))
            };
            http::evidence(counts, late > 0, said, &counters)
        })
    },
};
