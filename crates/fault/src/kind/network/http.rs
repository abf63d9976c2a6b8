//! What faults of HTTP have in common.

use evenkeel_model::event::Evidence;

use crate::kind::count;
use crate::proxy::Counts;

/// What each of them needs.
pub(super) const NEEDS: &str =
    "a link that carries HTTP/1 in the clear; for traffic nft, CAP_NET_ADMIN";

/// What shows that one acted; `said` says it of so many requests.
pub(super) fn evidence(
    counts: &Counts,
    acted: bool,
    said: impl FnOnce(&str) -> String,
    counters: &[(&str, f64)],
) -> Evidence {
    let [requests, matched, foreign] =
        [&counts.requests, &counts.matched, &counts.foreign].map(Counts::read);
    let mut summary = match (requests, matched) {
        (0, _) => "no HTTP/1 request came through the link".to_owned(),
        (_, 0) => format!("none of {} fits what is to be matched", count(requests, "request")),
        _ => said(&count(matched, "request")),
    };
    if foreign > 0 {
        let connections = count(foreign, "connection");
        summary
            .push_str(&format!("; {connections} passed, which speak something else than HTTP/1"));
    }
    let seen = [
        ("requests", requests as f64),
        ("requests_matched", matched as f64),
        ("connections_passed", foreign as f64),
    ];
    crate::kind::evidence(acted, summary, &[&seen, counters].concat())
}
