//! Assertions → checks of a route, or a criterion where time is asserted.

use std::time::Duration;

use evenkeel_model::document::{Checks, StatusCheck};
use regex::Regex;

use super::plan::Element;
use super::words::Words;
use crate::draft;
use crate::notes::{Notes, cut};

/// What the assertions of a request ask for.
pub(super) struct Asked {
    pub(super) checks: Checks,
    /// No answer may take longer.
    pub(super) longest: Option<Duration>,
}

/// Reads the assertions that are about a request.
pub(super) fn read(assertions: &[&Element<'_>], words: &Words, notes: &mut Notes) -> Asked {
    let mut asked = Asked { checks: draft::status(Vec::new()), longest: None };
    for element in assertions {
        match element.kind() {
            "ResponseAssertion" => response(element, &mut asked.checks, words, notes),
            "JSONPathAssertion" => json(element, &mut asked.checks, words, notes),
            "DurationAssertion" => {
                let text = element.text("DurationAssertion.duration");
                match words
                    .number(&element.place(), text, notes)
                    .and_then(|it| u64::try_from(it).ok())
                {
                    Some(0) => {}
                    Some(ms) => {
                        let longest = Duration::from_millis(ms.min(86_400_000));
                        asked.longest = Some(asked.longest.map_or(longest, |it| it.min(longest)));
                    }
                    None => {
                        notes.add(element.place(), element.title(), "its duration is not a number");
                    }
                }
            }
            _ => notes.add(element.place(), element.title(), "this assertion has no counterpart"),
        }
    }
    asked
}

/// How the patterns of an assertion are compared: bits of its type.
#[expect(clippy::struct_excessive_bools, reason = "they are the bits of the type, each by itself")]
struct Way {
    whole: bool,
    regex: bool,
    not: bool,
    any: bool,
}

impl Way {
    fn of(bits: i64) -> Self {
        let has = |bit| bits & bit != 0;
        Self { whole: has(1) || has(8), regex: has(1) || has(2), not: has(4), any: has(32) }
    }
}

fn response(element: &Element<'_>, checks: &mut Checks, words: &Words, notes: &mut Notes) {
    let place = element.place();
    let way = Way::of(element.text("Assertion.test_type").parse().unwrap_or(2));
    // The name is misspelled in files of JMeter.
    let mut texts = element.texts("Asserion.test_strings");
    texts.extend(element.texts("Assertion.test_strings"));
    let patterns: Option<Vec<String>> =
        texts.iter().map(|it| words.plain(&place, it, notes)).collect();
    let Some(patterns) = patterns.filter(|it| !it.is_empty()) else {
        notes.add(
            place,
            element.title(),
            "it has no patterns, or they change from request to request",
        );
        return;
    };
    let done = match element.text("Assertion.test_field") {
        "Assertion.response_code" => {
            status(&way, &patterns, element.flag("Assertion.assume_success"), checks)
        }
        "Assertion.response_data" | "Assertion.response_data_as_document" | "" => {
            body(&way, &patterns, checks)
        }
        "Assertion.response_headers" => headers(&way, &patterns, checks),
        other => Err(format!(
            "`{}` is not checked; the status, the headers and the body are",
            cut(other)
        )),
    };
    if let Err(why) = done {
        notes.add(place, element.title(), why);
    }
}

/// The codes for which the patterns hold.
fn status(
    way: &Way,
    patterns: &[String],
    any_status: bool,
    checks: &mut Checks,
) -> Result<(), String> {
    let compiled: Result<Vec<Regex>, String> = patterns.iter().map(|it| compile(it, way)).collect();
    let compiled = compiled?;
    let holds = |code: u16| {
        let text = code.to_string();
        let mut each = compiled.iter().map(|it| it.is_match(&text));
        let all = if way.any { each.any(|it| it) } else { each.all(|it| it) };
        let none = compiled.iter().all(|it| !it.is_match(&text));
        if way.not { none } else { all }
    };
    let is_good = |code: &u16| any_status || !way.not || *code < 400;
    let mut right: Vec<StatusCheck> = Vec::new();
    for code in (100..600).filter(is_good).filter(|it| holds(*it)) {
        match right.last_mut() {
            Some(last) if last.to + 1 == code => last.to = code,
            _ => right.push(StatusCheck { from: code, to: code }),
        }
    }
    if right.is_empty() {
        return Err("no status between 100 and 599 fits it".to_owned());
    }
    checks.status = right;
    Ok(())
}

/// A pattern as a regular expression that tells whether a short text fits it.
fn compile(pattern: &str, way: &Way) -> Result<Regex, String> {
    let inner = if way.regex { pattern.to_owned() } else { regex::escape(pattern) };
    let whole = if way.whole { format!("^(?:{inner})$") } else { inner };
    Regex::new(&whole)
        .map_err(|_| format!("`{}` is not a regular expression that we can read", cut(pattern)))
}

/// Whether a regular expression stands for nothing but itself.
fn is_literal(pattern: &str) -> bool {
    regex::escape(pattern) == *pattern
}

fn body(way: &Way, patterns: &[String], checks: &mut Checks) -> Result<(), String> {
    let as_text = !way.whole && (!way.regex || patterns.iter().all(|it| is_literal(it)));
    if way.not {
        // None of several holds, or not all of them: only the first is a check of ours.
        return match as_text && (!way.any || patterns.len() == 1) {
            true => {
                checks.lacks.extend(patterns.iter().cloned());
                Ok(())
            }
            false => Err("only plain texts can be forbidden".to_owned()),
        };
    }
    if as_text && (!way.any || patterns.len() == 1) {
        checks.contains.extend(patterns.iter().cloned());
        return Ok(());
    }
    let mut all = Vec::new();
    for pattern in patterns {
        compile(pattern, way)?;
        let inner = if way.regex { pattern.clone() } else { regex::escape(pattern) };
        all.push(if way.whole { format!("^(?s:{inner})$") } else { inner });
    }
    if way.any && all.len() > 1 {
        let either: Vec<_> = all.iter().map(|it| format!("(?:{it})")).collect();
        all = vec![either.join("|")];
    }
    checks.matches.extend(all);
    Ok(())
}

/// Only `Name: text` can be told apart from the other headers.
fn headers(way: &Way, patterns: &[String], checks: &mut Checks) -> Result<(), String> {
    let why = "only plain texts such as `Content-Type: text/html` are checked in headers";
    if way.not || way.any && patterns.len() > 1 || way.whole {
        return Err(why.to_owned());
    }
    let mut read = Vec::new();
    for pattern in patterns {
        let plain = pattern.replace("\\.", ".").replace("\\-", "-").replace("\\/", "/");
        let (name, value) = plain.split_once(':').ok_or(why)?;
        let token = |it: u8| it.is_ascii_alphanumeric() || b"-_".contains(&it);
        if name.is_empty()
            || !name.bytes().all(token)
            || (way.regex && !is_literal(&value.replace(['.', '-'], "")))
        {
            return Err(why.to_owned());
        }
        read.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    for (name, value) in read {
        match checks.headers.iter().any(|(known, _)| *known == name) {
            true => return Err(format!("there is a check of the header `{name}` already")),
            false => checks.headers.push((name, value)),
        }
    }
    Ok(())
}

fn json(element: &Element<'_>, checks: &mut Checks, words: &Words, notes: &mut Notes) {
    let refused = [
        (
            !element.flag("JSONVALIDATION"),
            "that a value is there is not checked; extract it without a default instead",
        ),
        (element.flag("EXPECT_NULL"), "that there is nothing is not checked"),
        (element.flag("INVERT"), "that a value differs is not checked"),
        // It is by default, and means nothing for a text without special characters.
        (
            element.text("ISREGEX") != "false"
                && !is_literal(&element.text("EXPECTED_VALUE").replace(['.', '-'], "")),
            "values are compared, and not matched",
        ),
    ];
    let why = refused.iter().find(|(holds, _)| *holds).map(|(_, why)| *why);
    let path = super::extract::path(element.text("JSON_PATH"));
    let expected = words.plain(&element.place(), element.text("EXPECTED_VALUE"), notes);
    match (why, path, expected) {
        (None, Some(path), Some(expected))
            if !checks.json.iter().any(|(known, _)| *known == path) =>
        {
            checks.json.push((path, expected));
        }
        (Some(why), ..) => notes.add(element.place(), element.title(), why),
        _ => notes.add(
            element.place(),
            element.title(),
            "only plain paths such as `$.items[0].id` are read, each once",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(bits: i64, pattern: &str) -> Vec<(u16, u16)> {
        let mut checks = draft::status(Vec::new());
        status(&Way::of(bits), &[pattern.to_owned()], false, &mut checks).unwrap();
        checks.status.iter().map(|it| (it.from, it.to)).collect()
    }

    #[test]
    fn patterns_of_codes_become_ranges() {
        assert_eq!(codes(8, "200"), [(200, 200)]);
        assert_eq!(codes(1, "200|201|204"), [(200, 201), (204, 204)]);
        assert_eq!(codes(2, r"^[23]\d\d"), [(200, 399)]);
        assert_eq!(codes(4 | 8, "302"), [(100, 301), (303, 399)]);
    }

    #[test]
    fn what_a_body_must_have_is_a_text_where_it_can_be() {
        let mut checks = Checks::default();
        for (bits, text) in [(16, "a.b"), (2, "ok"), (2, "a+"), (1, "x.*"), (20, "bad"), (8, "a.b")]
        {
            body(&Way::of(bits), &[text.to_owned()], &mut checks).unwrap();
        }
        assert_eq!(checks.contains, ["a.b", "ok"]);
        assert_eq!(checks.lacks, ["bad"]);
        assert_eq!(checks.matches, ["a+", "^(?s:x.*)$", r"^(?s:a\.b)$"]);
        assert!(body(&Way::of(6), &["a+".to_owned()], &mut checks).is_err());
        assert!(body(&Way::of(2), &["(".to_owned()], &mut checks).is_err());
    }
}
