//! A probe of the steady state, with its tolerance, as a question of ours.

use std::time::Duration;

use evenkeel_model::document::{Finder, Probe, ProbeKind};
use evenkeel_model::yaml::{Entry, Sort, Value};

use super::super::draft::{Draft, finder};
use super::super::fields::{Fields, items};
use super::Activity;
use super::words::{Configuration, MOST_BYTES};
use crate::address::encode_value;
use crate::notes::cut;

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn probe(
    mut activity: Activity<'_>,
    configuration: &Configuration<'_>,
    draft: &mut Draft,
) -> Option<Probe> {
    let whole = format!("the probe `{}`", cut(activity.name));
    let place = activity.place;
    let tolerance = activity.fields.take("tolerance");
    let asked = match activity.provider {
        "http" => http(&whole, &mut activity, tolerance, configuration, draft)?,
        "process" => process(&mut activity, configuration, draft),
        _ => {
            let word = activity.word(draft);
            let word = word.rsplit('/').next().unwrap_or_default();
            Err(format!("`{}`: functions of Python are not called", cut(word)))
        }
    };
    let kind = match asked {
        Ok(it) => it,
        Err(why) => {
            draft.leave_at(place, whole, why);
            return None;
        }
    };
    if !matches!(kind, ProbeKind::Http { .. })
        && let Some(it) = tolerance.filter(|it| !is_success(it))
    {
        draft.leave(it, "it is asked only whether it is there");
    }
    activity.parameters.finish(draft);
    activity.fields.finish(draft);
    Some(Probe::new(kind))
}

/// Whether the tolerance is that the command succeeds.
fn is_success(tolerance: &Entry) -> bool {
    match tolerance.value.sort() {
        Sort::Number(it) => it == 0.0,
        Sort::Boolean(it) => it,
        _ => false,
    }
}

/// `None` when it has been left out already.
fn http(
    whole: &str,
    activity: &mut Activity<'_>,
    tolerance: Option<&Entry>,
    configuration: &Configuration<'_>,
    draft: &mut Draft,
) -> Option<Result<ProbeKind, String>> {
    let place = activity.place;
    let fields = &mut activity.parameters;
    let text = fields.text("url", draft).unwrap_or_default();
    let mut url = match configuration.text(text) {
        Ok(it) => it,
        Err(why) => return Some(Err(why)),
    };
    if fields.text("method", draft).is_some_and(|it| !it.eq_ignore_ascii_case("GET")) {
        return Some(Err("a probe is a GET".to_owned()));
    }
    let arguments = fields.map("arguments", draft);
    for (n, entry) in arguments.iter().flat_map(Fields::rest).enumerate() {
        let value = match configuration.text(entry.value.text().unwrap_or_default()) {
            Ok(it) => it,
            Err(why) => return Some(Err(why)),
        };
        if url.len() > MOST_BYTES {
            return Some(Err("its URL is longer than 64 KiB".to_owned()));
        }
        url.push(if n == 0 && !url.contains('?') { '?' } else { '&' });
        url.push_str(&format!("{}={}", encode_value(&entry.key), encode_value(&value)));
    }
    let url = draft.url(whole, place, &url)?;
    let within = within(fields, place, draft);
    for header in fields.map("headers", draft).iter().flat_map(Fields::rest) {
        let what = format!("the header `{}` of {whole}", cut(&header.key));
        draft.leave_at(header.key_place, what, "probes send no headers of their own");
    }
    fields.leave("verify_tls", "probes speak HTTP without TLS", draft);
    fields.leave("max_retries", "each answer counts", draft);
    fields.leave("secrets", "probes and faults need none", draft);
    let expected = fields.take("expected_status").and_then(|it| draft.count(it));
    let (mut status, mut contains) = (expected.unwrap_or(200), None);
    if let Some(tolerance) = tolerance {
        match tolerated(tolerance) {
            Ok(Tolerated::Status(it)) => status = it,
            Ok(Tolerated::FirstOf(it)) => {
                status = it;
                draft.leave(tolerance, format!("one status is expected: {it}"));
            }
            Ok(Tolerated::Body(it)) => contains = Some(it),
            Err(why) => draft.leave(tolerance, format!("{why}; it is expected to answer {status}")),
        }
    }
    let Some(status) = u16::try_from(status).ok().filter(|it| (100..=599).contains(it)) else {
        return Some(Err(format!("{status} is no status of HTTP")));
    };
    Some(Ok(ProbeKind::Http { url, status, within, contains }))
}

/// How long an answer may take: a number, or one to connect and one to answer.
fn within(
    fields: &mut Fields<'_>,
    place: evenkeel_model::yaml::Place,
    draft: &mut Draft,
) -> Duration {
    let Some(entry) = fields.take("timeout") else {
        let why =
            "it does not say, and nothing waits for ever here: 1s, unless `within` says otherwise";
        draft.leave_at(place, "how long an answer may take", why);
        return SECOND;
    };
    let mut sum = Duration::ZERO;
    for item in items(&entry.value) {
        let part =
            Entry { key: entry.key.clone(), key_place: entry.key_place, value: item.clone() };
        sum += draft.seconds(&part).unwrap_or_default();
    }
    if sum.is_zero() { SECOND } else { sum }
}

/// What an answer has to be.
#[derive(Debug, PartialEq)]
enum Tolerated {
    /// With this status.
    Status(u32),
    /// With one of several, of which this is the first.
    FirstOf(u32),
    /// With this in its body.
    Body(String),
}

fn tolerated(tolerance: &Entry) -> Result<Tolerated, &'static str> {
    let node = &tolerance.value;
    let number = |it: &evenkeel_model::yaml::Node| it.text().and_then(|it| it.parse::<u32>().ok());
    match &node.value {
        Value::Scalar { .. } => {
            number(node).map(Tolerated::Status).ok_or("an answer is told by its status")
        }
        Value::List(list) => {
            let all: Option<Vec<_>> = list.iter().map(number).collect();
            match all.as_deref() {
                Some([first, rest @ ..]) if rest.iter().all(|it| it == first) => {
                    Ok(Tolerated::Status(*first))
                }
                Some([first, ..]) => Ok(Tolerated::FirstOf(*first)),
                _ => Err("an answer is told by its status"),
            }
        }
        Value::Map(_) => {
            let text = |key: &str| node.entry(key).and_then(|it| it.value.text());
            let of_body = text("target").is_none_or(|it| it == "body");
            match text("type") {
                Some("regex") if of_body => text("pattern")
                    .and_then(literal)
                    .map(Tolerated::Body)
                    .ok_or("a body is searched for a text, and not for a pattern"),
                Some("range") if text("target").is_none_or(|it| it == "status") => {
                    let ends = node.entry("range").map(|it| items(&it.value)).unwrap_or_default();
                    match ends.iter().map(number).collect::<Option<Vec<_>>>().as_deref() {
                        Some([from, to]) if from == to => Ok(Tolerated::Status(*from)),
                        Some([from, _]) => Ok(Tolerated::FirstOf(*from)),
                        _ => Err("an answer is told by its status"),
                    }
                }
                Some("regex" | "range") => Err("only status and body are looked at"),
                Some("jsonpath") => Err("a body is searched for a text, and not read as JSON"),
                _ => Err("code that judges an answer is not run"),
            }
        }
    }
}

/// The text that a pattern stands for, when it stands for one alone.
fn literal(pattern: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = pattern.chars();
    while let Some(it) = rest.next() {
        match it {
            '\\' => text.push(rest.next().filter(char::is_ascii_punctuation)?),
            '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' => {
                return None;
            }
            it => text.push(it),
        }
    }
    Some(text).filter(|it| !it.is_empty())
}

fn process(
    activity: &mut Activity<'_>,
    configuration: &Configuration<'_>,
    draft: &mut Draft,
) -> Result<ProbeKind, String> {
    let fields = &mut activity.parameters;
    let path = fields.text("path", draft).unwrap_or_default();
    let program = path.rsplit('/').next().unwrap_or_default();
    let words = configuration.words(fields.take("arguments"))?;
    fields.skip(&["timeout"]);
    let (options, rest): (Vec<_>, Vec<_>) = words.iter().partition(|it| it.starts_with('-'));
    let options: Vec<_> = options.iter().map(|it| it.as_str()).collect();
    let rest: Vec<_> = rest.iter().map(|it| it.as_str()).collect();
    match (program, options.as_slice(), rest.as_slice()) {
        ("pgrep", ["-x"], [name]) | ("pidof", [], [name]) => match finder(name) {
            Some(find @ Finder::Executable(_)) => Ok(ProbeKind::Process { find }),
            _ => Err(format!("`{}` is no name of a program", cut(name))),
        },
        ("nc" | "ncat", ["-z" | "-zv" | "-vz"], [host, port]) => {
            let fits = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
            let is_port = port.parse::<u16>().is_ok_and(|it| it > 0) && !port.starts_with('+');
            match !host.is_empty() && host.bytes().all(fits) && is_port {
                true => Ok(ProbeKind::Tcp { address: format!("{host}:{port}"), within: SECOND }),
                false => Err(format!("`{}:{}` is no address", cut(host), cut(port))),
            }
        }
        _ => Err(format!("`{}`: commands are not run to see how a service is", cut(program))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_means_one_text_is_that_text() {
        assert_eq!(literal("up and running").as_deref(), Some("up and running"));
        assert_eq!(literal("v1\\.2").as_deref(), Some("v1.2"));
        for pattern in ["", "a.b", "[0-9]", "\\d", "a|b", "^a"] {
            assert_eq!(literal(pattern), None, "{pattern}");
        }
    }
}
