//! How processes of this host are told from others.

use serde_json::json;

use super::cut;
use crate::decode::codec::{Problem, Takes, Word};
use crate::decode::codes;
use crate::document::Finder;

/// The path or file name of a program.
pub(in crate::decode) fn executable() -> Word<Finder> {
    let parse = |text: &str| argument_text(text).map(Finder::Executable);
    let schema = || json!({"minLength": 1, "examples": ["nginx"]});
    Word { expected: "the name of a program", takes: Takes::Text, parse, schema }
}

fn argument_text(text: &str) -> Result<String, Problem> {
    match text.is_empty() || text.contains('\0') {
        true => Err(Problem::new(
            codes::RANGE,
            "the text is empty or has a NUL character",
            "Give the path or the file name of a program.",
        )),
        false => Ok(text.to_owned()),
    }
}

/// A pattern of whole command lines.
pub(in crate::decode) fn command_line() -> Word<Finder> {
    let parse = |text: &str| {
        // Blanks at the ends fit no command line that anybody has in mind.
        let fits = (1..=4_096).contains(&text.len()) && !text.contains('\0') && text.trim() == text;
        match fits && text.bytes().any(|it| it != b'*' && it != b' ') {
            true => Ok(Finder::CommandLine(text.to_owned())),
            false => Err(Problem::new(
                codes::RANGE,
                format!("`{}` is no pattern of command lines", cut(text)),
                "Write the arguments with a blank in between, and `*` for any text, such as `*gunicorn shop:app*`.",
            )),
        }
    };
    let schema = || {
        let pattern = r"^(?=[^\u0000]*[^* \u0000])\S(?:[^\u0000]*\S)?$";
        json!({"pattern": pattern, "maxLength": 4096, "examples": ["*gunicorn shop:app*"]})
    };
    Word { expected: "a pattern of command lines", takes: Takes::Text, parse, schema }
}

/// A control group by its path in its hierarchy.
pub(in crate::decode) fn cgroup() -> Word<Finder> {
    let parse = |text: &str| {
        let path = text.strip_prefix('/').unwrap_or_default();
        let plain = |it: &str| !matches!(it, "" | "." | "..") && !it.contains('\0');
        let mounted = text == MOUNTED || text.starts_with(&format!("{MOUNTED}/"));
        match text.len() <= 4_096 && path.split('/').all(plain) && !mounted {
            true => Ok(Finder::Cgroup(text.to_owned())),
            false => Err(Problem::new(
                codes::RANGE,
                format!("`{}` is no path of a control group", cut(text)),
                "Write it as it stands in `/proc/PID/cgroup`, such as `/system.slice/nginx.service`.",
            )),
        }
    };
    let schema = || {
        json!({
            "pattern": r"^(?!/sys/fs/cgroup(?:/|$))(?:/(?!\.{1,2}(?:/|$))[^/\u0000]+)+$",
            "maxLength": 4096,
            "examples": ["/system.slice/nginx.service"],
        })
    };
    Word { expected: "the path of a control group", takes: Takes::Text, parse, schema }
}

/// Where hierarchies are mounted, which is no part of a group's path.
const MOUNTED: &str = "/sys/fs/cgroup";

/// A unit of systemd by its whole name.
pub(in crate::decode) fn unit() -> Word<String> {
    let parse = |text: &str| {
        let plain = |it: u8| it.is_ascii_alphanumeric() || b":_.\\@-".contains(&it);
        let named = text.split_once('.').is_some_and(|(name, _)| !name.is_empty());
        match named && !text.starts_with('-') && text.len() < 256 && text.bytes().all(plain) {
            true => Ok(text.to_owned()),
            false => Err(Problem::new(
                codes::NAME,
                format!("`{}` is no name of a unit", cut(text)),
                "Write it with its suffix, such as `nginx.service`.",
            )),
        }
    };
    let schema = || {
        let pattern = r"^[A-Za-z0-9:_\\@][A-Za-z0-9:_\\@-]*\.[A-Za-z0-9:_.\\@-]*$";
        json!({"pattern": pattern, "maxLength": 255, "examples": ["nginx.service"]})
    };
    Word { expected: "the name of a unit", takes: Takes::Text, parse, schema }
}
