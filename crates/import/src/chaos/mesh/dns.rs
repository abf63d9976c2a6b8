//! DNSChaos: names that cannot be resolved, or that lead elsewhere.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use evenkeel_model::document::{ChaosExperiment, DnsAnswer, Fault};
use evenkeel_model::yaml::{Entry, Place};

use super::super::draft::{self, Draft};
use super::super::fields::{Fields, items, texts};
use super::super::kubernetes as k8s;

/// An address that nobody has: it is there for examples (RFC 5737).
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

pub(super) fn dns(
    action: Option<&Entry>,
    place: Place,
    spec: &mut Fields<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let answer = match action.map(|it| (it, it.value.text().unwrap_or_default())) {
        Some((_, "error")) => DnsAnswer::ServFail,
        Some((entry, "random")) => {
            let why = format!(
                "the answer is always the same here: {NOWHERE}, which nobody has; write another address as `answer`"
            );
            draft.leave(entry, why);
            DnsAnswer::Address(NOWHERE)
        }
        _ => return super::unknown(action, "DNSChaos", place, draft),
    };
    let why = "questions of all programs of the host on which it is run are met: run it on that of the pods";
    spec.leave_all(&["selector", "mode", "value", "containerNames"], why, draft);
    let duration = spec.take("duration").and_then(|it| draft.seconds(it));
    let patterns = spec.take("patterns").filter(|it| !items(&it.value).is_empty());
    let mut names = Vec::new();
    match patterns {
        None => names.push("*".to_owned()),
        Some(entry) => {
            for (place, text) in texts(entry, draft) {
                names.extend(name(place, text, draft));
            }
        }
    }
    names.dedup();
    draft.bound(&mut names, place, "names");
    if names.is_empty() {
        return;
    }
    let fault = Fault::Dns { names, answer };
    let duration = k8s::ending(duration, place, "the fault", draft);
    made.method.push(draft::host_step(fault, Duration::ZERO, duration));
}

/// A name as our patterns have it; one that they cannot say is left out.
pub(in crate::chaos) fn name(place: Place, text: &str, draft: &mut Draft) -> Option<String> {
    let name = text.trim().trim_end_matches('.').to_ascii_lowercase();
    let bare = name.strip_prefix("*.").unwrap_or(&name);
    let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-_.".contains(&it);
    if name == "*" || !bare.is_empty() && bare.bytes().all(plain) {
        return Some(name);
    }
    let why = "names are whole here, or everything below one (`*.example`): write those that are meant under `names`";
    draft.leave_at(place, format!("the name `{text}`"), why);
    None
}
