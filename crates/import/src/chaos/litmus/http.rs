//! Faults of HTTP in front of a service.
//!
//! There a proxy stands in front of the pods; here a link stands in front of the same, and the labels name it.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::document::{
    Amid, AnswerChange, BodyChange, ChaosExperiment, Fault, HeaderChange, Requests,
};
use evenkeel_model::yaml::Place;
use evenkeel_units::Ratio;

use super::super::draft::{self, Draft};
use super::super::fields::Fields;
use super::super::kubernetes as k8s;
use super::super::mesh::http::{SECRET, set_header};
use super::{Application, PODS, assume};
use crate::secrets;

pub(super) fn http(
    name: &str,
    mut env: Fields<'_>,
    place: Place,
    (from, duration): (Duration, Option<Duration>),
    app: &Application<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let share = match env.take("TOXICITY") {
        None => Some(Ratio::ONE),
        Some(it) => {
            let share = draft.percent(it);
            match share {
                Some(Ratio::ZERO) => draft.leave(it, "a share of nothing does nothing"),
                Some(it_is) if it_is != Ratio::ONE => {
                    draft.leave_at(
                        it.key_place,
                        "of what `TOXICITY` is a share",
                        "it is of the connections there, and of the requests here",
                    );
                }
                _ => {}
            }
            share.filter(|it| *it != Ratio::ZERO)
        }
    };
    let fault = share.and_then(|share| fault(name, share, &mut env, place, draft));
    env.leave("TARGET_SERVICE_PORT", "it is that of the `upstream` of the link", draft);
    env.leave("PROXY_PORT", "it is that of the `listen` of the link", draft);
    env.leave_all(&PODS, "a link leads to all instances of the other end", draft);
    env.finish_as(k8s::OF_CLUSTER, draft);
    let Some(fault) = fault else { return };
    let Some(app) = app.name else {
        draft.leave_at(place, format!("`{fault}`"), "no label says whom it is in front of");
        return;
    };
    let target = draft::dependency(None, app);
    draft.whereabouts(place, &target);
    let duration = k8s::ending(duration, place, &format!("`{fault}`"), draft);
    made.method.push(draft::step(fault, target, from, Some(duration)));
}

fn fault(
    name: &str,
    share: Ratio,
    env: &mut Fields<'_>,
    place: Place,
    draft: &mut Draft,
) -> Option<Fault> {
    let of = Requests::default();
    let (mut request, mut response) = (HeaderChange::default(), AnswerChange::default());
    match name {
        "pod-http-latency" => {
            let delay = match env.take("LATENCY") {
                Some(it) => draft.time(it, 1e-3)?,
                None => {
                    assume("LATENCY", "6s", place, draft);
                    Duration::from_secs(6)
                }
            };
            let jitter = Duration::ZERO;
            return (!delay.is_zero()).then_some(Fault::HttpDelay { delay, jitter, share, of });
        }
        "pod-http-reset-peer" => {
            let why = "connections are reset as soon as data flows on them";
            if let Some(it) = env.take("RESET_TIMEOUT").filter(|it| it.value.text() != Some("0")) {
                draft.leave(it, why);
            }
            if share == Ratio::ONE {
                return Some(Fault::Reset);
            }
            let why = "a reset has no share: the connection of each request that is hit is closed";
            draft.leave_at(place, "how connections are broken off", why);
            return Some(Fault::HttpAbort { share, amid: Amid::Request, of });
        }
        "pod-http-modify-header" => {
            let is_request = env.take("HEADER_MODE").and_then(|it| it.value.text());
            let entry = env.take("HEADERS_MAP");
            let text = entry.and_then(|it| it.value.text()).unwrap_or("{}");
            let Ok(headers) = serde_json::from_str::<BTreeMap<String, String>>(text) else {
                let place = entry.map_or(place, |it| it.value.place);
                let help = "Write one such as `{\"x-cache\": \"stale\"}`.";
                draft.wrong(place, "`HEADERS_MAP` is no map of headers in JSON", help);
                return None;
            };
            let change = match is_request {
                Some("request") => &mut request,
                _ => &mut response.headers,
            };
            let place = entry.map_or(place, |it| it.key_place);
            for (name, value) in headers {
                set_header(place, name.to_ascii_lowercase(), value, change, draft);
            }
        }
        "pod-http-status-code" => {
            response.status = Some(status(env, place, draft)?);
            let is_changed = env.take("MODIFY_RESPONSE_BODY").and_then(|it| it.value.text());
            match is_changed {
                Some("false") => env.skip(&["RESPONSE_BODY", "CONTENT_TYPE", "CONTENT_ENCODING"]),
                _ => body(env, &mut response, draft)?,
            }
        }
        _ => {
            body(env, &mut response, draft)?;
            response.body.get_or_insert_with(|| BodyChange::Replace(String::new()));
        }
    }
    let is_something = !request.is_nothing() || !response.is_nothing();
    is_something.then_some(Fault::HttpChange { request, response, share, of })
}

/// The status of the answers: the first of a list.
fn status(env: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<u16> {
    let Some(entry) = env.take("STATUS_CODE") else {
        assume("STATUS_CODE", "500", place, draft);
        return Some(500);
    };
    let mut codes = entry.value.text().unwrap_or_default().split(',').map(str::trim);
    let first = codes.next().and_then(|it| it.parse().ok());
    let Some(first) = first.filter(|it| (200..600).contains(it)) else {
        let message = "`STATUS_CODE` has no status from 200 to 599";
        draft.wrong(entry.value.place, message, "Write one such as `503`.");
        return None;
    };
    if codes.next().is_some() {
        draft.leave(entry, format!("all answers have the same status: {first} is written"));
    }
    Some(first)
}

/// Another body, if there is one, and of what type it is; `None` when it is not written down.
fn body(env: &mut Fields<'_>, response: &mut AnswerChange, draft: &mut Draft) -> Option<()> {
    let text = env.take("RESPONSE_BODY");
    let kind = env.take("CONTENT_TYPE");
    if let Some(it) = env.take("CONTENT_ENCODING") {
        draft.leave(it, "a body is sent as it is written");
    }
    let Some(entry) = text else { return Some(()) };
    let text = entry.value.text().unwrap_or_default();
    if secrets::is_secret(text) {
        draft.leave_at(entry.key_place, "`RESPONSE_BODY`", SECRET);
        return None;
    }
    response.body = Some(BodyChange::Replace(text.to_owned()));
    let (place, kind) = kind
        .and_then(|it| Some((it.key_place, it.value.text()?)))
        .unwrap_or((entry.key_place, "text/plain"));
    set_header(place, "content-type".to_owned(), kind.to_owned(), &mut response.headers, draft);
    Some(())
}
