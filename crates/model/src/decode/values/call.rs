//! Words of calls, of checks and of what is taken from answers.

use serde_json::json;

use super::cut;
use super::request::{TOKEN, is_token};
use crate::decode::codec::{Naming, Problem, Takes, Word};
use crate::decode::codes;
use crate::document::{FileName, JsonPath, StatusCheck};

/// The name of a variable or of data, as it stands in a placeholder.
pub(in crate::decode) fn variable() -> Word<String> {
    let parse = |text: &str| {
        let fits = text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
            && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-".contains(&it))
            && text.len() <= 63;
        match fits {
            true => Ok(text.to_owned()),
            false => Err(Problem::new(
                codes::NAME,
                format!("`{}` is not a name for a placeholder", cut(text)),
                "Begin with a letter, and use letters, digits, `_` and `-`, 63 at most.",
            )),
        }
    };
    let schema = || json!({"pattern": "^[A-Za-z_][-A-Za-z0-9_]{0,62}$", "examples": ["id"]});
    Word { expected: "a name", takes: Takes::Text, parse, schema }
}

/// The name of a column.
pub(in crate::decode) fn column() -> Word<String> {
    let parse = |text: &str| match text.is_empty() || text.contains(['}', '\n', '\r', '\0']) {
        false => Ok(text.to_owned()),
        true => Err(Problem::new(
            codes::NAME,
            format!("`{}` is not a name for a column", cut(text)),
            "Write it as it shall stand in `${data:NAME.COLUMN}`.",
        )),
    };
    let schema = || json!({"pattern": r"^[^}\n\r\u0000]+$", "examples": ["name", "id"]});
    Word { expected: "a column", takes: Takes::Text, parse, schema }
}

/// The way to a value in a JSON body.
pub(in crate::decode) fn json_path() -> Word<String> {
    let parse = |text: &str| match JsonPath::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Problem::new(
            codes::JSON_PATH,
            format!("`{}` is no path to a JSON value: {}", cut(text), error.reason),
            "Begin with `$`, such as `$.items[0].id` or `$[\"unit price\"]`.",
        )),
    };
    let schema = || json!({"pattern": r"^\$", "examples": ["$.items[0].id", "$[\"unit price\"]"]});
    Word { expected: "a path such as `$.items[0].id`", takes: Takes::Text, parse, schema }
}

/// A regular expression.
pub(in crate::decode) fn regex() -> Word<String> {
    let parse = |text: &str| match regex::bytes::Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error:").trim();
            let message = format!("`{}` is no regular expression: {}", cut(text), cut(reason));
            let help = "Write it as for Perl, without look-around; a plain text goes to `body`.";
            Err(Problem::new(codes::REGEX, message, help))
        }
    };
    Word {
        expected: "a regular expression",
        takes: Takes::Text,
        parse,
        schema: || json!({"examples": ["id=([0-9]+)"]}),
    }
}

/// The name of a header of an answer.
pub(in crate::decode) fn any_header() -> Word<String> {
    let parse = |text: &str| match is_token(text) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(Problem::new(
            codes::REQUEST,
            format!("`{}` is not the name of a header", cut(text)),
            "Use letters, digits and `-`, such as `content-type`.",
        )),
    };
    let schema = || json!({"pattern": TOKEN, "examples": ["content-type"]});
    Word { expected: "a header", takes: Takes::Text, parse, schema }
}

/// A subprotocol of WebSocket.
pub(in crate::decode) fn subprotocol() -> Word<String> {
    let parse = |text: &str| match is_token(text) {
        true => Ok(text.to_owned()),
        false => Err(Problem::new(
            codes::REQUEST,
            format!("`{}` is not the name of a subprotocol", cut(text)),
            "Use letters, digits, `-` and `.`, such as `graphql-transport-ws`.",
        )),
    };
    let schema = || json!({"pattern": TOKEN, "examples": ["mqtt"]});
    Word { expected: "a subprotocol", takes: Takes::Text, parse, schema }
}

/// Status codes of another protocol than HTTP.
pub(in crate::decode) fn code() -> Word<StatusCheck> {
    let parse = |text: &str| {
        let number = |it: &str| it.trim().parse::<u16>().ok();
        let read = match text.split_once('-') {
            Some((from, to)) => number(from).zip(number(to)),
            None => number(text).map(|it| (it, it)),
        };
        match read {
            Some((from, to)) if from <= to => Ok(StatusCheck { from, to }),
            Some((from, to)) => Err(Problem::new(
                codes::RANGE,
                format!("no status lies between {from} and {to}"),
                format!("Write `{to}-{from}`."),
            )),
            None => Err(Problem::new(
                codes::CHOICE,
                format!("`{}` is not a status", cut(text)),
                "Write a number such as `0`, or a range such as `0-5`.",
            )),
        }
    };
    let schema = || {
        json!({"anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 65_535},
            {"type": "string", "pattern": r"^\s*[0-9]+\s*(?:-\s*[0-9]+\s*)?$", "examples": ["0-5"]},
        ]})
    };
    Word { expected: "a status such as `0`", takes: Takes::Readable, parse, schema }
}

/// A method of gRPC.
pub(in crate::decode) fn grpc_method() -> Word<String> {
    let parse = |text: &str| {
        let word = |it: &str| {
            it.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
                && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
        };
        match text.split_once('/') {
            Some((service, method)) if service.split('.').all(word) && word(method) => {
                Ok(text.to_owned())
            }
            _ => Err(Problem::new(
                codes::REQUEST,
                format!("`{}` is not a method of gRPC", cut(text)),
                "Write `package.Service/Method`, such as `shop.Catalog/List`.",
            )),
        }
    };
    let schema = || {
        let word = "[A-Za-z_][A-Za-z0-9_]*";
        json!({"pattern": format!(r"^{word}(?:\.{word})*/{word}$"), "examples": ["shop.Catalog/List"]})
    };
    Word { expected: "a method such as `shop.Catalog/List`", takes: Takes::Text, parse, schema }
}

/// A topic of Kafka.
pub(in crate::decode) fn topic() -> Word<String> {
    let parse = |text: &str| {
        let fits = (1..=249).contains(&text.len())
            && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it))
            && !matches!(text, "." | "..");
        match fits {
            true => Ok(text.to_owned()),
            false => Err(Problem::new(
                codes::REQUEST,
                format!("`{}` is not a topic", cut(text)),
                "Use letters, digits, `.`, `_` and `-`, 249 at most.",
            )),
        }
    };
    let schema =
        || json!({"pattern": r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$", "examples": ["orders"]});
    Word { expected: "a topic", takes: Takes::Text, parse, schema }
}

/// The types of records that DNS is asked for.
pub(in crate::decode) const RECORDS: [&str; 12] =
    ["A", "AAAA", "CAA", "CNAME", "HTTPS", "MX", "NS", "PTR", "SOA", "SRV", "SVCB", "TXT"];

/// A file or a folder, by its path.
pub(in crate::decode) fn file() -> Naming<Word<FileName>> {
    let parse = |text: &str| match text.is_empty() || text.contains('\0') {
        false => Ok(FileName::new(text)),
        true => Err(Problem::new(
            codes::RANGE,
            "the path is empty or has a NUL character",
            "Write it from the folder of this document, or from the root.",
        )),
    };
    let schema = || json!({"minLength": 1, "examples": ["users.csv"]});
    Naming(Word { expected: "a path of a file", takes: Takes::Text, parse, schema })
}

/// A text that is not empty.
pub(in crate::decode) fn some_text() -> Word<String> {
    let parse = |text: &str| match text.is_empty() {
        false => Ok(text.to_owned()),
        true => {
            Err(Problem::new(codes::RANGE, "the text is empty", "Give at least one character."))
        }
    };
    Word {
        expected: "a text",
        takes: Takes::Scalars,
        parse,
        schema: || json!({"examples": ["id=", "</b>"]}),
    }
}
