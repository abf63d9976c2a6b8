//! Faults of HTTP as YAML.

use std::time::Duration;

use evenkeel_model::document::{Amid, AnswerChange, BodyChange, Fault, HeaderChange, Requests};
use evenkeel_units::Ratio;
use serde_json::Value;

use crate::figures::{bytes, duration};
use crate::map::Map;
use crate::tree::Tree;

/// What is said of one beside its target and its times.
pub(super) fn parameters(fault: &Fault) -> Map {
    let mut map = Map::default();
    let (share, of) = match fault {
        Fault::HttpErrors { share, status, of } => {
            map.put("share", Tree::text(share));
            map.put_unless("status", status, &503, Tree::word);
            (&Ratio::ONE, of)
        }
        Fault::HttpAbort { share, amid, of } => {
            map.put_unless("amid", amid, &Amid::Answer, |_| Tree::text("request"));
            (share, of)
        }
        Fault::HttpDelay { delay, jitter, share, of } => {
            map.put("delay", duration(*delay));
            map.put_unless("jitter", jitter, &Duration::ZERO, |it| duration(*it));
            (share, of)
        }
        Fault::HttpChange { request, response, share, of } => {
            map.put_unless("request", request, &HeaderChange::default(), |it| headers(it).done());
            map.put_unless("response", response, &AnswerChange::default(), answer);
            (share, of)
        }
        _ => return map,
    };
    map.put_unless("share", share, &Ratio::ONE, Tree::text);
    map.put_unless("match", of, &Requests::default(), requests);
    map
}

fn requests(requests: &Requests) -> Tree {
    let Requests { method, path, headers } = requests;
    let mut map = Map::default();
    map.put_text("method", method.as_ref());
    map.put_text("path", path.as_ref());
    if !headers.is_empty() {
        map.put("headers", texts(headers));
    }
    map.done()
}

fn headers(change: &HeaderChange) -> Map {
    let mut map = Map::default();
    if !change.set.is_empty() {
        map.put("set", texts(&change.set));
    }
    map.put_list("remove", &change.remove, Tree::text);
    map
}

fn answer(change: &AnswerChange) -> Tree {
    let AnswerChange { status, headers: of, body } = change;
    let mut map = headers(of);
    if let Some(status) = status {
        map.put("status", Tree::word(status));
    }
    match body {
        None => {}
        Some(BodyChange::Replace(text)) => map.put("body", Tree::text(text)),
        Some(BodyChange::Truncate(most)) => map.put("truncate", Tree::Text(bytes(*most))),
        Some(BodyChange::Merge(patch)) => map.put("merge", json(patch)),
    }
    map.done()
}

fn texts<'a>(named: impl IntoIterator<Item = (&'a String, &'a String)>) -> Tree {
    Tree::Map(named.into_iter().map(|(name, text)| (name.clone(), Tree::text(text))).collect())
}

fn json(value: &Value) -> Tree {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Tree::word(value),
        Value::String(text) => Tree::text(text),
        Value::Array(items) => Tree::List(items.iter().map(json).collect()),
        Value::Object(members) => {
            Tree::Map(members.iter().map(|(name, it)| (name.clone(), json(it))).collect())
        }
    }
}
