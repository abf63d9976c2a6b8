//! HTTPChaos: what is done to exchanges with a service.
//!
//! It stands in front of the pods of a server; here a link stands in front of the same, and the labels name it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenkeel_model::document::{
    Amid, AnswerChange, BodyChange, ChaosExperiment, Fault, HeaderChange, Requests,
};
use evenkeel_model::yaml::{Entry, Node, Place, Value};
use evenkeel_units::Ratio;

use super::super::HITS_MORE;
use super::super::counterpart::Here;
use super::super::draft::{self, Draft};
use super::super::fields::{Fields, items};
use super::super::kubernetes as k8s;
use crate::secrets;

/// Headers that follow from a message, or from where it goes.
const FRAMING: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "upgrade"];
const NO_SIDE: &str = "it does not say what its `target` is";
const WHICH_SIDE: &str = "Write `target: Request` or `target: Response`.";
pub(in crate::chaos) const SECRET: &str = "its value may be a secret, which is not written down";
const REQUEST_STAYS: &str = "of a request only headers are changed here";

pub(super) fn http(
    place: Place,
    spec: &mut Fields<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let is_request = match spec.text("target", draft) {
        Some("Request") => true,
        Some("Response") => false,
        _ => {
            draft.wrong(place, NO_SIDE, WHICH_SIDE);
            return;
        }
    };
    let Some(of) = requests(spec, draft) else { return };
    let abort = spec.take("abort").is_some_and(|it| it.value.text() == Some("true"));
    let delay = spec.take("delay").and_then(|it| draft.seconds(it)).filter(|it| !it.is_zero());
    let (mut request, mut response) = (HeaderChange::default(), AnswerChange::default());
    for part in ["replace", "patch"] {
        if let Some(entry) = spec.take(part) {
            let fields = Fields::of(&entry.value, entry.key_place, draft);
            match is_request {
                true => of_request(fields, &mut request, draft),
                false => of_response(fields, &mut response, draft),
            }
        }
    }
    let app = spec.map("selector", draft).and_then(|it| k8s::selected(it, draft));
    if spec.take("mode").is_some_and(|it| it.value.text() != Some("all")) {
        let why = "a link leads to all instances of the other end";
        draft.leave_at(place, "`mode` of the selector", why);
        spec.leave("value", why, draft);
    }
    spec.leave("port", "it is that of the `upstream` of the link", draft);
    spec.leave("tls", "a link passes TLS as it is: aim it at what speaks HTTP in the clear", draft);
    let share = Ratio::ONE;
    let mut faults = Vec::new();
    let amid = if is_request { Amid::Request } else { Amid::Answer };
    faults.extend(abort.then(|| Fault::HttpAbort { share, amid, of: of.clone() }));
    if !request.is_nothing() || !response.is_nothing() {
        faults.push(Fault::HttpChange { request, response, share, of: of.clone() });
    }
    let jitter = Duration::ZERO;
    faults.extend(delay.map(|delay| Fault::HttpDelay { delay, jitter, share, of }));
    let duration = spec.take("duration").and_then(|it| draft.seconds(it));
    let mut faults = faults.into_iter();
    let Some(first) = faults.next() else { return };
    let Some(app) = app else {
        draft.leave_at(place, format!("`{first}`"), "no label says whom it is in front of");
        return;
    };
    let duration = k8s::ending(duration, place, "the fault", draft);
    let target = draft::dependency(None, app);
    draft.whereabouts(place, &target);
    made.method.push(draft::step(first, target, Duration::ZERO, Some(duration)));
    for fault in faults {
        let why =
            "a link bears one fault at a time: write it as a step of its own, after the other";
        draft.leave_at(place, format!("`{fault}`"), why);
    }
}

/// `http-abort` and `http-delay` of PhysicalMachineChaos: a link for each port in front of which it stands.
pub(super) fn of_machine(
    here: Here,
    entry: &Entry,
    duration: Option<Duration>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let place = entry.key_place;
    let mut fields = Fields::of(&entry.value, place, draft);
    let of = requests(&mut fields, draft);
    let amid = match fields.text("target", draft) {
        Some("Request") => Amid::Request,
        Some("Response") => Amid::Answer,
        _ => {
            draft.wrong(place, NO_SIDE, WHICH_SIDE);
            return;
        }
    };
    let delay = fields.take("delay");
    let mut ports: Vec<u16> = Vec::new();
    for key in ["port", "proxy_ports"] {
        // Of the ports that are led through a proxy, one may be meant.
        let entry = fields.take(key).filter(|_| ports.is_empty());
        for item in entry.map(|it| items(&it.value)).unwrap_or_default() {
            match item.text().and_then(|it| it.trim().parse().ok()).filter(|it| *it > 0) {
                Some(port) => ports.push(port),
                None => draft.wrong(item.place, "it is no port", "Write one such as `8080`."),
            }
        }
    }
    fields.finish(draft);
    let Some(of) = of else { return };
    let share = Ratio::ONE;
    let fault = match here {
        Here::HttpDelay => {
            let Some(delay) = delay else {
                draft.wrong(place, "a delay without `delay`", "Write one such as `100ms`.");
                return;
            };
            let read = draft.seconds(delay);
            if read == Some(Duration::ZERO) {
                draft.leave(delay, "no time at all delays nothing");
            }
            let Some(delay) = read.filter(|it| !it.is_zero()) else { return };
            Fault::HttpDelay { delay, jitter: Duration::ZERO, share, of }
        }
        _ => Fault::HttpAbort { share, amid, of },
    };
    if ports.is_empty() {
        draft.leave_at(place, format!("`{fault}`"), "it does not say in front of which port");
        return;
    }
    draft.bound(&mut ports, place, "ports");
    let duration = k8s::ending(duration, place, "the fault", draft);
    for port in ports {
        let target = draft::dependency(None, &format!("port-{port}"));
        draft.whereabouts(place, &target);
        made.method.push(draft::step(fault.clone(), target, Duration::ZERO, Some(duration)));
    }
}

/// Which requests; `None` when that cannot be said, since a fault of fewer words would hit more.
fn requests(spec: &mut Fields<'_>, draft: &mut Draft) -> Option<Requests> {
    let mut of = Requests::default();
    let mut refused = Vec::new();
    if let Some(entry) = spec.take("method") {
        let is_method = |it: &String| {
            (1..=20).contains(&it.len())
                && it.bytes().all(|it| it.is_ascii_uppercase())
                && !["CONNECT", "TRACE"].contains(&it.as_str())
        };
        of.method = entry.value.text().map(str::to_ascii_uppercase).filter(is_method);
        if of.method.is_none() {
            refused.push((entry, "it is no method that is matched here"));
        }
    }
    if let Some(entry) = spec.take("path").filter(|it| it.value.text() != Some("*")) {
        let is_pattern = |it: &&str| {
            let plain = |it: u8| it.is_ascii_graphic() && !b"?#".contains(&it);
            it.starts_with(['/', '*']) && it.bytes().all(plain)
        };
        of.path = entry.value.text().filter(is_pattern).map(str::to_owned);
        if of.path.is_none() {
            let why = "a pattern of paths begins with `/`, has no query, and knows only `*`";
            refused.push((entry, why));
        }
    }
    if let Some(entry) = spec.take("request_headers") {
        let pairs = pairs(&entry.value);
        if !matches!(&entry.value.value, Value::Map(all) if all.len() == pairs.len()) {
            refused.push((entry, "it is no map of names to texts"));
        } else if pairs.iter().any(|(name, _)| secrets::is_secret(name)) {
            refused.push((entry, SECRET));
        } else if !pairs.iter().all(|(name, value)| is_plain(name, value)) {
            refused.push((entry, "no request has such a header"));
        }
        of.headers = pairs.into_iter().collect();
    }
    for key in ["code", "response_headers"] {
        refused.extend(spec.take(key).map(|it| (it, "what is hit is decided by the request")));
    }
    let is_whole = refused.is_empty();
    for (entry, why) in refused {
        draft.leave(entry, format!("{why}; {HITS_MORE}"));
    }
    is_whole.then_some(of)
}

fn of_request(mut fields: Fields<'_>, change: &mut HeaderChange, draft: &mut Draft) {
    headers(&mut fields, change, draft);
    fields.leave_all(&["path", "method", "queries", "body"], REQUEST_STAYS, draft);
    fields.finish(draft);
}

fn of_response(mut fields: Fields<'_>, change: &mut AnswerChange, draft: &mut Draft) {
    headers(&mut fields, &mut change.headers, draft);
    if let Some(entry) = fields.take("code") {
        let code = draft.count(entry);
        change.status = code.filter(|it| (200..600).contains(it)).map(|it| it as u16);
        if code.is_some() && change.status.is_none() {
            draft.leave(entry, "answers have the status codes 200 to 599");
        }
    }
    if let Some(entry) = fields.take("body") {
        let read = match &entry.value.value {
            // A patch says of what type it is.
            Value::Map(_) => patch(entry, draft),
            _ => replacement(entry, draft),
        };
        match (read, &change.body) {
            (Some(_), Some(_)) => draft.leave(entry, "only one thing can become of a body"),
            (Some(it), None) => change.body = Some(it),
            (None, _) => {}
        }
    }
    fields.finish(draft);
}

fn patch(entry: &Entry, draft: &mut Draft) -> Option<BodyChange> {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let kind = fields.take("type").and_then(|it| it.value.text());
    let value = fields.take("value").and_then(|it| it.value.text());
    fields.finish(draft);
    let patch = value.and_then(|it| serde_json::from_str(it).ok());
    if patch.is_none() || kind != Some("JSON") {
        draft.leave(entry, "only JSON is merged into a body");
        return None;
    }
    patch.map(BodyChange::Merge)
}

fn replacement(entry: &Entry, draft: &mut Draft) -> Option<BodyChange> {
    let bytes = entry.value.text().and_then(|it| STANDARD.decode(it.trim()).ok());
    let text = bytes.and_then(|it| String::from_utf8(it).ok());
    if text.is_none() {
        draft.leave(entry, "it is no text in base64");
    }
    text.map(BodyChange::Replace)
}

/// Headers that are set: a map for `replace`, pairs for `patch`.
fn headers(fields: &mut Fields<'_>, change: &mut HeaderChange, draft: &mut Draft) {
    let Some(entry) = fields.take("headers") else { return };
    for (name, value) in pairs(&entry.value) {
        set_header(entry.key_place, name, value, change, draft);
    }
}

/// Sets a header, whose name is in lower case, unless it may be a secret or cannot be sent.
pub(in crate::chaos) fn set_header(
    place: Place,
    name: String,
    value: String,
    change: &mut HeaderChange,
    draft: &mut Draft,
) {
    let is_ours = FRAMING.contains(&name.as_str());
    match is_plain(&name, &value) && !is_ours {
        true if secrets::is_secret(&name) => {
            draft.leave_at(place, format!("the header `{name}`"), SECRET);
        }
        true => drop(change.set.insert(name, value)),
        false => {
            let why = "it follows from the message, or cannot be sent";
            draft.leave_at(place, format!("the header `{name}`"), why);
        }
    }
}

/// Whether a message can have this header.
fn is_plain(name: &str, value: &str) -> bool {
    let token = |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it);
    (1..=128).contains(&name.len())
        && name.bytes().all(token)
        && !value.chars().any(char::is_control)
}

/// Names in lower case with their values.
fn pairs(node: &Node) -> Vec<(String, String)> {
    let pair =
        |name: &str, value: &Node| Some((name.to_ascii_lowercase(), value.text()?.to_owned()));
    match &node.value {
        Value::Map(entries) => entries.iter().filter_map(|it| pair(&it.key, &it.value)).collect(),
        _ => items(node)
            .iter()
            .filter_map(|it| match items(it) {
                [name, value] => pair(name.text()?, value),
                _ => None,
            })
            .collect(),
    }
}
