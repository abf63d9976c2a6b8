//! What Toxiproxy says to requests that it does not fulfil, in its words and with its statuses.

use std::io;

use evenkeel_model::diagnostic::in_one_line;
use serde::Serialize;

use crate::proxy::ProxyError;

/// Why a request is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// What is wrong.
    #[serde(rename = "error")]
    pub text: String,
    /// As HTTP has it.
    pub status: u16,
}

impl Trouble {
    fn new(status: u16, text: impl Into<String>) -> Self {
        Self { text: text.into(), status }
    }

    pub(super) fn bad_body(why: impl std::fmt::Display) -> Self {
        Self::new(400, format!("bad request body: {why}"))
    }

    pub(super) fn missing(field: impl std::fmt::Display) -> Self {
        Self::new(400, format!("missing required field: {field}"))
    }

    pub(super) fn no_proxy() -> Self {
        Self::new(404, "proxy not found")
    }

    pub(super) fn proxy_exists() -> Self {
        Self::new(409, "proxy already exists")
    }

    pub(super) fn no_stream() -> Self {
        Self::new(400, "stream was invalid, can be either upstream or downstream")
    }

    pub(super) fn no_type() -> Self {
        Self::new(400, "invalid toxic type")
    }

    pub(super) fn toxic_exists() -> Self {
        Self::new(409, "toxic already exists")
    }

    pub(super) fn no_toxic() -> Self {
        Self::new(404, "toxic not found")
    }

    /// An address that nobody can listen at.
    pub(super) fn listen(why: impl std::fmt::Display) -> Self {
        Self::new(500, format!("listen tcp: {why}"))
    }

    /// An answer that cannot be written, which is a bug.
    pub(super) fn unwritten(error: &serde_json::Error) -> Self {
        Self::new(500, error.to_string())
    }
}

impl From<ProxyError> for Trouble {
    fn from(error: ProxyError) -> Self {
        match &error {
            ProxyError::Bind { address, error, .. } => {
                Self::new(500, format!("listen tcp {address}: bind: {}", plain(error)))
            }
            // It cannot come true, whatever else is done.
            ProxyError::NotLoopback { .. } => Self::new(400, error.to_string()),
            _ => Self::new(500, in_one_line(&error)),
        }
    }
}

/// An error of the system as others write it: `address already in use`.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |it| it.to_lowercase().chain(letters).collect())
}
