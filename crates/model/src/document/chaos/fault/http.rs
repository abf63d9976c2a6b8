//! Faults of HTTP: which requests they hit, and what is made of an exchange.

use std::collections::BTreeMap;
use std::fmt;

use evenkeel_units::Bytes;
use serde::{Deserialize, Serialize};

/// Which requests a fault of HTTP can hit: those that fit all that is given. In patterns `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    /// Their method.
    pub method: Option<String>,
    /// A pattern of their path, without the query.
    pub path: Option<String>,
    /// Patterns of headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Requests {
    /// Whether any request will do.
    pub fn is_any(&self) -> bool {
        *self == Self::default()
    }
}

/// Where an exchange is broken off.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amid {
    /// The request reaches nobody, and no answer comes.
    Request,
    /// The dependency does its work, and half of its answer comes.
    Answer,
}

/// What becomes of the headers of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeaderChange {
    /// Headers that it has then, by their names in lower case.
    pub set: BTreeMap<String, String>,
    /// Headers that it has no more, in lower case.
    pub remove: Vec<String>,
}

impl HeaderChange {
    /// Whether all stay as they are.
    pub fn is_nothing(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}

/// What becomes of an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerChange {
    /// Its status.
    pub status: Option<u16>,
    /// Its headers.
    pub headers: HeaderChange,
    /// Its body.
    pub body: Option<BodyChange>,
}

impl AnswerChange {
    /// Whether it stays as it is.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of a body. Its length is always the one that is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyChange {
    /// Another one.
    Replace(String),
    /// Its first bytes.
    Truncate(Bytes),
    /// JSON into which this is merged (RFC 7396): members are set, and those of `null` are removed.
    Merge(serde_json::Value),
}

impl fmt::Display for Requests {
    /// For people: ` of GET /api/*`; nothing for any request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.method.as_deref(), self.path.as_deref()];
        let named = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        match (named.is_empty(), self.headers.keys().next()) {
            (false, _) => write!(f, " of {named}"),
            (true, Some(header)) => write!(f, " with {header}"),
            (true, None) => Ok(()),
        }
    }
}
