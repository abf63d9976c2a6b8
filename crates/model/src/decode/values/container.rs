//! Values of containers: what their engine calls them, and where it is asked.

use std::path::PathBuf;

use serde_json::json;

use super::cut;
use crate::decode::codec::{Problem, Takes, Word};
use crate::decode::codes;

const LEN_MAX: usize = 255;

/// Names of containers, where `*` stands for anything.
pub(in crate::decode) fn name_pattern() -> Word<String> {
    let parse = |text: &str| {
        let plain = |it: u8| it.is_ascii_alphanumeric() || b"_.*-".contains(&it);
        let help = "Write a name such as `shop-web-1`, or `shop-web-*` for all that begin so.";
        written(text, plain, "pattern of names of containers", help)
    };
    let schema = || json!({"pattern": "^[A-Za-z0-9_.*-]{1,255}$", "examples": ["shop-web-*"]});
    Word { expected: "a name or a pattern such as `shop-web-*`", takes: Takes::Text, parse, schema }
}

/// Names of images, where `*` stands for anything.
pub(in crate::decode) fn image_pattern() -> Word<String> {
    let parse = |text: &str| {
        let plain = |it: u8| it.is_ascii_alphanumeric() || b"_.:/@*-".contains(&it);
        let help = "Write it as it was started, such as `nginx:1.27`, or `nginx:*` for every tag.";
        written(text, plain, "pattern of names of images", help)
    };
    let schema = || json!({"pattern": "^[A-Za-z0-9_.:/@*-]{1,255}$", "examples": ["nginx:*"]});
    Word { expected: "an image or a pattern such as `nginx:*`", takes: Takes::Text, parse, schema }
}

/// A label.
pub(in crate::decode) fn label() -> Word<String> {
    let parse = |text: &str| {
        let plain = |it: u8| !text.starts_with('=') && (it.is_ascii_graphic() || it == b' ');
        written(text, plain, "label", "Write it as `key=value`, or only its key.")
    };
    let schema = || json!({"pattern": "^[!-<>-~][ -~]{0,254}$", "examples": ["com.docker.compose.service=web"]});
    Word { expected: "a label such as `tier=web`", takes: Takes::Text, parse, schema }
}

/// The socket of an engine.
pub(in crate::decode) fn socket() -> Word<PathBuf> {
    let parse = |text: &str| match text.starts_with('/') && !text.contains('\0') {
        true => Ok(PathBuf::from(text)),
        false => {
            let message = format!("`{}` is not an absolute path", cut(text));
            let help = "Write where the socket is, such as `/run/podman/podman.sock`.";
            Err(Problem::new(codes::RANGE, message, help))
        }
    };
    let schema = || json!({"pattern": "^/", "examples": ["/run/podman/podman.sock"]});
    Word { expected: "an absolute path", takes: Takes::Text, parse, schema }
}

fn written(
    text: &str,
    plain: impl Fn(u8) -> bool,
    what: &str,
    help: &str,
) -> Result<String, Problem> {
    match (1..=LEN_MAX).contains(&text.len()) && text.bytes().all(plain) {
        true => Ok(text.to_owned()),
        false => Err(Problem::new(codes::NAME, format!("`{}` is no {what}", cut(text)), help)),
    }
}
