//! Faults of HTTP, on links.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::{AIMED, Kind, body, step};
use crate::decode::codec::{AsJson, Integer, List, Mapped, Named, Object, Problem, Takes, Word};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::kinds::words;
use crate::decode::values::call::any_header;
use crate::decode::values::request::{header_name, method};
use crate::decode::values::{amount, duration, length, some_share};
use crate::document::{Amid, AnswerChange, BodyChange, Fault, HeaderChange, Requests, Step};

/// Which requests; any, when nothing is said.
fn requests(f: &mut Fields<'_>) -> Option<Requests> {
    let method = f.optional("method", "Their method.", method());
    let sentence = "A pattern of their path, without the query, where `*` stands for any text.";
    let path = f.optional("path", sentence, path_pattern());
    let sentence =
        "Patterns of headers by name: each has to be there and to fit; `*` fits anything.";
    let headers = Named { key: any_header(), of: header_text() };
    let headers = f.or_empty("headers", sentence, headers);
    f.at_least_one(&["method", "path", "headers"]);
    Some(Requests { method, path, headers: headers?.into_iter().collect() })
}

/// A share of which requests.
fn hits(f: &mut Fields<'_>) -> Option<Requests> {
    let requests = Object { title: "HttpMatch", fields: requests };
    f.or_empty("match", "Which requests it can hit. Default: any.", requests)
}

fn path_pattern() -> Word<String> {
    let parse = |text: &str| {
        let fits = text.bytes().all(|it| it.is_ascii_graphic() && !b"?#".contains(&it));
        match fits && text.starts_with(['/', '*']) {
            true => Ok(text.to_owned()),
            false => Err(Problem::new(
                codes::REQUEST,
                format!("`{}` is no pattern of paths", crate::decode::codec::cut(text)),
                "Write a path without a query, such as `/users/7`, or `/users/*` for all that begin so.",
            )),
        }
    };
    let schema = || json!({"pattern": r"^[/*][!-\x22$->@-~]*$", "examples": ["/users/*"]});
    Word { expected: "a pattern such as `/users/*`", takes: Takes::Text, parse, schema }
}

/// What a header says.
fn header_text() -> Word<String> {
    let parse = |text: &str| match text.chars().any(|it| it.is_control() && it != '\t') {
        false => Ok(text.to_owned()),
        true => Err(Problem::new(
            codes::REQUEST,
            "the value of the header has a line break or another control character",
            "Write it on one line.",
        )),
    };
    Word { expected: "a text", takes: Takes::Scalars, parse, schema: || json!({}) }
}

/// What a body says.
fn body_text() -> Word<String> {
    let parse = |text: &str| Ok(text.to_owned());
    Word { expected: "a text", takes: Takes::Scalars, parse, schema: || json!({}) }
}

fn headers(f: &mut Fields<'_>) -> Option<HeaderChange> {
    let sentence = "Headers that it has then, with their values.";
    let set = f.or_empty("set", sentence, Named { key: header_name(), of: header_text() });
    let sentence = "Headers that it has no more.";
    let remove = f.or_empty("remove", sentence, List { of: header_name(), min: 1 });
    let set = set?.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let set: BTreeMap<_, _> = set.collect();
    let remove = remove?.into_iter().map(|it| it.to_ascii_lowercase()).collect();
    Some(HeaderChange { set, remove })
}

fn request(f: &mut Fields<'_>) -> Option<HeaderChange> {
    let headers = headers(f);
    f.at_least_one(&["set", "remove"]);
    headers
}

fn response(f: &mut Fields<'_>) -> Option<AnswerChange> {
    let reason = "Answers have the status codes 200 to 599.";
    let status = f.optional("status", "Its status.", Integer { min: 200, max: 599, reason });
    let headers = headers(f);
    let sentence = "A text that it has for its body.";
    let whole = Mapped { of: body_text(), into: BodyChange::Replace };
    let whole = f.optional("body", sentence, whole);
    let sentence = "How much of its body it keeps, from the beginning on.";
    let part = Mapped { of: amount(), into: BodyChange::Truncate };
    let part = f.optional("truncate", sentence, part);
    let sentence =
        "What is merged into the JSON of its body: members are set, and removed by `null`.";
    let merged = f.optional("merge", sentence, Mapped { of: AsJson, into: BodyChange::Merge });
    f.at_least_one(&["status", "set", "remove", "body", "truncate", "merge"]);
    let help = "Only one thing can become of a body.";
    f.never_beside("truncate", &["body"], help);
    f.never_beside("merge", &["body", "truncate"], help);
    let status = status.map(|it| it as u16);
    Some(AnswerChange { status, headers: headers?, body: whole.or(part).or(merged) })
}

fn errors(f: &mut Fields<'_>) -> Option<Step> {
    let share = f.required("share", "The share of the requests on the link.", some_share());
    let status = Integer { min: 400, max: 599, reason: "Errors are the status codes 400 to 599." };
    let status = f.default("status", "The status code.", status, "503");
    let fault = share.zip(status).zip(hits(f));
    let fault = fault.map(|((share, status), of)| {
        let status = status as u16;
        Fault::HttpErrors { share, status, of }
    });
    step(f, fault, &AIMED)
}

const SHARE: &str = "The share of these requests, each by chance.";

fn abort(f: &mut Fields<'_>) -> Option<Step> {
    let share = f.default("share", SHARE, some_share(), "100%");
    let sentence = "`answer`: half of the answer comes. `request`: the request reaches nobody, and no answer comes.";
    let places = [("answer", Amid::Answer), ("request", Amid::Request)];
    let amid = f.default("amid", sentence, words("`answer` or `request`", &places), "answer");
    let fault = share.zip(amid).zip(hits(f));
    step(f, fault.map(|((share, amid), of)| Fault::HttpAbort { share, amid, of }), &AIMED)
}

fn delay(f: &mut Fields<'_>) -> Option<Step> {
    let delay = f.required("delay", "How late the answer is.", length());
    let sentence = "Largest random deviation from the delay; not more than it.";
    let jitter = f.default("jitter", sentence, duration(), "0s");
    let times = delay.zip(jitter);
    refuse_jitter(f, times);
    let share = f.default("share", SHARE, some_share(), "100%");
    let fault = times.zip(share).zip(hits(f));
    let fault =
        fault.map(|(((delay, jitter), share), of)| Fault::HttpDelay { delay, jitter, share, of });
    step(f, fault, &AIMED)
}

/// A delay is never less than nothing.
pub(super) fn refuse_jitter(f: &mut Fields<'_>, times: Option<(Duration, Duration)>) {
    if times.is_some_and(|(delay, jitter)| jitter > delay) {
        let help = "Make the jitter at most as long as the delay.";
        f.refuse("jitter", codes::JITTER, "the jitter is larger than the delay", help);
    }
}

fn change(f: &mut Fields<'_>) -> Option<Step> {
    let of = Object { title: "HttpRequestChange", fields: request };
    let request = f.or_empty("request", "What becomes of the request.", of);
    let of = Object { title: "HttpResponseChange", fields: response };
    let response = f.or_empty("response", "What becomes of the answer.", of);
    f.at_least_one(&["request", "response"]);
    let share = f.default("share", SHARE, some_share(), "100%");
    let fault = request.zip(response).zip(share).zip(hits(f));
    let fault = fault.map(|(((request, response), share), of)| Fault::HttpChange {
        request,
        response,
        share,
        of,
    });
    step(f, fault, &AIMED)
}

/// Every kind of this family, in the order of the manual.
pub(super) fn kinds() -> Vec<Kind> {
    vec![
        (
            "httpErrors",
            "A share of the requests on the link is answered with an error by the link.",
            body("HttpErrorsFault", errors),
        ),
        (
            "httpAbort",
            "A share of the exchanges on the link is broken off: the connection is closed.",
            body("HttpAbortFault", abort),
        ),
        (
            "httpDelay",
            "The answers to a share of the requests on the link are late.",
            body("HttpDelayFault", delay),
        ),
        (
            "httpChange",
            "A share of the requests on the link, or their answers, are not what was sent.",
            body("HttpChangeFault", change),
        ),
    ]
}
