//! `httpChange`: a share of the requests, or of their answers, are not what was sent.
//!
//! Simulates a dependency of another version, a cache with old data, a broken serializer, a gateway that loses a header. Known
//! elsewhere as `replace` and `patch` of Chaos Mesh's HTTPChaos.
//!
//! ```yaml
//! - httpChange: {request: {remove: [authorization]}, share: 10%, at: 10s, duration: 60s}
//! - httpChange: {response: {status: 200, body: "{}"}, match: {path: /prices/*}, at: 10s, duration: 60s}
//! - httpChange: {response: {merge: {price: null}}, match: {path: /prices/*}, at: 10s, duration: 60s}
//! - httpChange: {response: {truncate: 100B}, at: 10s, duration: 60s}
//! ```
//!
//! `share` and `match` as for `httpErrors`, and what it needs as well. Headers are `set` and `remove`d, of the `request` and
//! of the `response`; an answer can have another `status`, and one of these: another `body`, only the first bytes of it
//! (`truncate`), or JSON with something merged into it (`merge`, RFC 7396: members are set, those of `null` are removed).
//! The message stays whole: its length, or its chunks, are those of what is sent. Bodies pass as they come, but for
//! `merge`, which gathers up to 4 MiB, and asks the dependency not to compress; into what is no JSON nothing is merged. Of
//! several that change a body the first does.
//!
//! At the end answers that have begun are carried through. Release class A: it lives in our process. Evidence: requests
//! seen, those that fit, requests and answers that were changed, and answers into which nothing could be merged.

use super::http;
use crate::kind::count;
use crate::kind::{Kind, on_links};
use crate::plan::Release;
use crate::proxy::Counts;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "httpChange",
    release: Release::Lifetime,
    needs: http::NEEDS,
    about: "- httpChange: {response: {status: 200, body: \"{}\"}, match: {path: /prices/*}, at: 10s, duration: 60s}",
    plan: on_links,
    evidence: |past| {
        past.link(|counts| {
            let [requests, answers, unfit] =
                [&counts.hit, &counts.changed, &counts.unfit].map(Counts::read);
            let counters = [
                ("requests_changed", requests as f64),
                ("answers_changed", answers as f64),
                ("answers_unfit", unfit as f64),
            ];
            let said = |of: &str| {
                let asked = format!("{} changed", count(requests, "request"));
                let answered = format!("{} changed", count(answers, "answer"));
                let parts = [(requests > 0, asked), (answers > 0, answered)];
                let parts: Vec<_> = parts.into_iter().filter(|it| it.0).map(|it| it.1).collect();
                let unfit = match unfit {
                    0 => String::new(),
                    some => format!("; nothing could be merged into {}", count(some, "answer")),
                };
                let parts =
                    if parts.is_empty() { "nothing changed".to_owned() } else { parts.join(", ") };
                format!("of {of}: {parts}{unfit}")
            };
            http::evidence(counts, requests + answers > 0, said, &counters)
        })
    },
};
