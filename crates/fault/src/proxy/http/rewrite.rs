//! Answers that are changed on their way. Only one into which JSON is merged waits until it is whole.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use evenkeel_model::document::{AnswerChange, BodyChange};
use serde_json::Value;

use super::body::Body;
use super::head::{Answered, Lines, has_body};
use crate::proxy::Counts;

/// A longer body is not gathered, and nothing is merged into it.
const GATHERED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What becomes of the body of one answer.
#[derive(Debug)]
pub(super) enum Rewriting {
    /// It passes as it is.
    Nothing,
    /// None of it passes.
    Drop,
    /// Its first bytes pass.
    Truncate {
        left: u64,
        /// In chunks of ours.
        in_chunks: bool,
        /// Where it is counted once something is lost.
        counts: Option<Arc<Counts>>,
    },
    /// It is gathered with its head.
    Merge { into: Box<Gathered>, patch: Value, counts: Arc<Counts> },
}

/// A message that is held back until it is whole.
#[derive(Debug)]
pub(super) struct Gathered {
    lines: Lines,
    /// The body as it came.
    raw: Vec<u8>,
    /// What it says.
    data: Vec<u8>,
}

impl Rewriting {
    /// Begins with a head; what goes on at once is added to `out`. The body ends as `answer` says.
    pub(super) fn begin<'a>(
        changes: impl Iterator<Item = (&'a AnswerChange, &'a Arc<Counts>)>,
        answer: &mut Answered,
        is_head: bool,
        out: &mut Vec<u8>,
    ) -> Self {
        let before = answer.status;
        let mut of_body = None;
        for (change, counts) in changes {
            let AnswerChange { status, headers, body } = change;
            answer.lines.change(headers);
            if let Some(status) = *status {
                answer.lines.set_status(status);
                answer.status = status;
            }
            if status.is_some() || !headers.is_nothing() {
                counts.changed.fetch_add(1, Ordering::Relaxed);
            }
            if let (None, Some(body)) = (&of_body, body) {
                of_body = Some((body, counts));
            }
        }
        let rewriting = match of_body {
            _ if !has_body(answer.status) => {
                if has_body(before) {
                    answer.lines.set_length(None);
                }
                Self::Drop
            }
            Some((BodyChange::Replace(text), counts)) => {
                answer.lines.set_length(Some(text.len()));
                counts.changed.fetch_add(1, Ordering::Relaxed);
                out.extend(answer.lines.to_bytes());
                if !is_head {
                    out.extend(text.as_bytes());
                }
                return Self::Drop;
            }
            // It has none, and now it could be waited for.
            _ if !has_body(before) => {
                answer.lines.set_length(Some(0));
                Self::Nothing
            }
            _ if is_head => Self::Nothing,
            Some((BodyChange::Truncate(most), counts)) => {
                let mut counts = Some(counts.clone());
                if let Body::Length(length) = answer.body
                    && length > most.0
                {
                    answer.lines.set("content-length", &most.0.to_string());
                    count(counts.take());
                }
                let in_chunks = answer.body == Body::CHUNKS;
                Self::Truncate { left: most.0, in_chunks, counts }
            }
            Some((BodyChange::Merge(_), counts)) if answer.is_encoded => {
                counts.unfit.fetch_add(1, Ordering::Relaxed);
                Self::Nothing
            }
            Some((BodyChange::Merge(patch), counts)) => {
                let lines = answer.lines.clone();
                let into = Box::new(Gathered { lines, raw: Vec::new(), data: Vec::new() });
                return Self::Merge { into, patch: patch.clone(), counts: counts.clone() };
            }
            None => Self::Nothing,
        };
        out.extend(answer.lines.to_bytes());
        rewriting
    }

    /// Takes bytes of the body; what goes on is added to `out`. How many were taken, and whether it has ended.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        body: &mut Body,
        out: &mut Vec<u8>,
    ) -> (usize, bool) {
        let raw = |taken: usize| bytes.get(..taken).unwrap_or_default();
        match self {
            Self::Nothing => {
                let (taken, ended) = body.take(bytes, |_| {});
                out.extend_from_slice(raw(taken));
                (taken, ended)
            }
            Self::Drop => body.take(bytes, |_| {}),
            Self::Truncate { left, in_chunks, counts } => {
                let (taken, ended) = body.take(bytes, |data| {
                    let passes = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len());
                    if passes < data.len() {
                        count(counts.take());
                    }
                    *left -= passes as u64;
                    let data = data.get(..passes).unwrap_or_default();
                    match *in_chunks && !data.is_empty() {
                        true => {
                            out.extend(format!("{:x}\r\n", data.len()).into_bytes());
                            out.extend_from_slice(data);
                            out.extend_from_slice(b"\r\n");
                        }
                        false => out.extend_from_slice(data),
                    }
                });
                if ended && *in_chunks {
                    out.extend_from_slice(b"0\r\n\r\n");
                }
                (taken, ended)
            }
            Self::Merge { into, counts, .. } => {
                let (taken, ended) = body.take(bytes, |data| into.data.extend_from_slice(data));
                into.raw.extend_from_slice(raw(taken));
                if into.raw.len() > GATHERED_BYTES_MAX {
                    counts.unfit.fetch_add(1, Ordering::Relaxed);
                    out.append(&mut into.take());
                    *self = Self::Nothing;
                }
                (taken, ended)
            }
        }
    }

    /// The rest of the body will not come.
    pub(super) fn give_up(self, out: &mut Vec<u8>) {
        if let Self::Merge { mut into, .. } = self {
            out.append(&mut into.take());
        }
    }

    /// The body has ended.
    pub(super) fn end(self, out: &mut Vec<u8>) {
        let Self::Merge { mut into, patch, counts } = self else { return };
        match serde_json::from_slice(&into.data) {
            Ok(whole) => {
                let text = merged(whole, &patch).to_string();
                counts.changed.fetch_add(1, Ordering::Relaxed);
                into.lines.set_length(Some(text.len()));
                out.extend(into.lines.to_bytes());
                out.extend(text.into_bytes());
            }
            Err(_) => {
                counts.unfit.fetch_add(1, Ordering::Relaxed);
                out.append(&mut into.take());
            }
        }
    }
}

impl Gathered {
    /// The message as it would have passed.
    fn take(&mut self) -> Vec<u8> {
        let mut bytes = self.lines.to_bytes();
        bytes.append(&mut self.raw);
        bytes
    }
}

fn count(counts: Option<Arc<Counts>>) {
    if let Some(counts) = counts {
        counts.changed.fetch_add(1, Ordering::Relaxed);
    }
}

/// JSON with a patch merged into it, as RFC 7396 has it.
fn merged(into: Value, patch: &Value) -> Value {
    let Value::Object(members) = patch else { return patch.clone() };
    let mut object = match into {
        Value::Object(it) => it,
        _ => serde_json::Map::new(),
    };
    for (name, value) in members {
        let before = object.remove(name).unwrap_or_default();
        if !value.is_null() {
            object.insert(name.clone(), merged(before, value));
        }
    }
    Value::Object(object)
}
