//! What a right answer looks like, and what later steps want of it.

use crate::decode::codec::{Any, Codec, Forms, List, Mapped, Named, Object, Pair, Word, Yes};
use crate::decode::fields::Fields;
use crate::decode::values::call::{any_header, code, json_path, regex, some_text, variable};
use crate::decode::values::{prose, request};
use crate::document::{Checks, Extract, Source, StatusCheck};

/// Checks of HTTP.
pub(super) const HTTP: Object<Checks> = Object { title: "Checks", fields: of_http };
/// Checks of other protocols.
pub(super) const OTHER: Object<Checks> = Object { title: "AnswerChecks", fields: of_other };

/// What is right when nobody says it.
pub(in crate::decode::kinds) fn http_status() -> Vec<StatusCheck> {
    vec![StatusCheck { from: 200, to: 399 }]
}

/// One of something, or a list of them.
fn one_or_more<T: 'static>(expected: &'static str, word: fn() -> Word<T>) -> Forms<Vec<T>> {
    let one: Any<Vec<T>> = Box::new(Mapped { of: word(), into: |it| vec![it] });
    Forms {
        expected,
        scalar: Some(one),
        list: Some(Box::new(List { of: word(), min: 1 })),
        map: None,
    }
}

fn of_http(f: &mut Fields<'_>) -> Option<Checks> {
    let expected = "a status such as `200` or `2xx`, or a list of them";
    let sentence =
        "Which status codes are right, such as `200`, `2xx` or `200-204`. Default 200-399.";
    let status = f.optional("status", sentence, one_or_more(expected, request::status));
    rest(f, Some(status.unwrap_or_else(http_status)))
}

fn of_other(f: &mut Fields<'_>) -> Option<Checks> {
    let expected = "a status such as `0`, or a list of them";
    let sentence = "Which status codes are right. Default 0, where the protocol has any.";
    let status = f.or_empty("status", sentence, one_or_more(expected, code));
    rest(f, status)
}

fn rest(f: &mut Fields<'_>, status: Option<Vec<StatusCheck>>) -> Option<Checks> {
    let expected = "a text or a list of texts";
    let texts = Forms {
        list: Some(Box::new(List { of: prose(), min: 0 })),
        ..one_or_more(expected, prose)
    };
    let contains = f.or_empty("body", "Texts which the body of an answer must contain.", texts);
    let sentence = "Texts which the body must not contain.";
    let lacks = f.or_empty("lacks", sentence, one_or_more(expected, some_text));
    let sentence = "Regular expressions which the body must match.";
    let expected = "a regular expression or a list of them";
    let matches = f.or_empty("matches", sentence, one_or_more(expected, regex));
    let values = Named { key: json_path(), of: prose() };
    let json = f.or_empty("json", "Values in a JSON body, by path.", values);
    let values = Named { key: any_header(), of: prose() };
    let headers = f.or_empty("headers", "What each of these headers must contain.", values);
    Some(Checks {
        status: status?,
        contains: contains?,
        lacks: lacks?,
        matches: matches?,
        json: json?,
        headers: headers?,
    })
}

/// What later steps want, by the variable it is kept in.
pub(super) fn extracts() -> impl Codec<Value = Vec<(String, Extract)>> {
    Named { key: variable(), of: Object { title: "Extract", fields: extract } }
}

fn extract(f: &mut Fields<'_>) -> Option<Extract> {
    let json = f.optional("json", "A value in a JSON body, such as `$.id`.", json_path());
    let header = f.optional("header", "A header.", any_header());
    let sentence = "The first group of a regular expression, or the whole match without one.";
    let pattern = f.optional("regex", sentence, regex());
    let between = f.optional("between", "The text between two texts.", Pair(some_text()));
    let body = f.optional("body", "The whole body.", Yes);
    let status = f.optional("status", "The status.", Yes);
    let sentence = "What is kept when it is not there. Without it, the answer is wrong then.";
    let default = f.optional("default", sentence, prose());
    f.exactly_one(&["json", "header", "regex", "between", "body", "status"]);
    let from = json
        .map(Source::Json)
        .or(header.map(Source::Header))
        .or(pattern.map(Source::Regex))
        .or(between.map(|(before, after)| Source::Between(before, after)))
        .or(body.map(|()| Source::Body))
        .or(status.map(|()| Source::Status))?;
    Some(Extract { var: String::new(), from, default })
}
