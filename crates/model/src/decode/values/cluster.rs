//! Values of clusters: names of their objects, and labels.

use serde_json::json;

use super::cut;
use crate::decode::codec::{Problem, Takes, Word};
use crate::decode::codes;

/// A name of an object: a subdomain of RFC 1123.
pub(in crate::decode) fn object() -> Word<String> {
    let parse = |text: &str| {
        let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
        let label = |it: &str| {
            let ends = [it.bytes().next(), it.bytes().last()];
            ends.iter().all(|it| it.is_some_and(plain))
                && it.bytes().all(|it| plain(it) || it == b'-')
        };
        let fits = text.len() <= 253 && text.split('.').all(label);
        written(fits, text, "name of an object of a cluster", "Write it as `kubectl get` shows it.")
    };
    let schema = || {
        let label = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?";
        json!({"pattern": format!(r"^{label}(?:\.{label})*$"), "maxLength": 253, "examples": ["api"]})
    };
    Word { expected: "a name such as `api`", takes: Takes::Text, parse, schema }
}

/// The key of a label, with or without a prefix.
pub(in crate::decode) fn label_key() -> Word<String> {
    let parse = |text: &str| {
        let (prefix, name) = text.rsplit_once('/').unwrap_or(("x", text));
        let fits = (object().parse)(prefix).is_ok() && !name.is_empty() && is_label(name);
        written(
            fits,
            text,
            "key of a label",
            "Write one such as `app` or `app.kubernetes.io/name`.",
        )
    };
    let schema = || {
        let label = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?";
        let name = "[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?";
        let pattern = format!(r"^(?:{label}(?:\.{label})*/)?{name}$");
        json!({"pattern": pattern, "maxLength": 317, "examples": ["app"]})
    };
    Word { expected: "the key of a label", takes: Takes::Text, parse, schema }
}

/// The value of a label.
pub(in crate::decode) fn label_value() -> Word<String> {
    let parse = |text: &str| {
        written(
            is_label(text),
            text,
            "value of a label",
            "Write it as `kubectl get --show-labels` shows it.",
        )
    };
    let schema = || json!({"pattern": "^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$", "examples": ["api"]});
    Word { expected: "the value of a label", takes: Takes::Text, parse, schema }
}

/// The name of a context in a kubeconfig.
pub(in crate::decode) fn context() -> Word<String> {
    let parse = |text: &str| {
        let fits = (1..=255).contains(&text.len())
            && !text.chars().any(|it| it.is_control() || it == '\'');
        written(
            fits,
            text,
            "name of a context",
            "Write one that `kubectl config get-contexts` shows.",
        )
    };
    let schema = || json!({"minLength": 1, "maxLength": 255, "examples": ["staging"]});
    Word { expected: "the name of a context", takes: Takes::Text, parse, schema }
}

fn is_label(text: &str) -> bool {
    let ends = [text.bytes().next(), text.bytes().last()];
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"_.-".contains(&it);
    text.len() <= 63
        && text.bytes().all(plain)
        && ends.iter().all(|it| it.is_none_or(|it| it.is_ascii_alphanumeric()))
}

fn written(fits: bool, text: &str, what: &str, help: &str) -> Result<String, Problem> {
    match fits {
        true => Ok(text.to_owned()),
        false => Err(Problem::new(codes::NAME, format!("`{}` is no {what}", cut(text)), help)),
    }
}
