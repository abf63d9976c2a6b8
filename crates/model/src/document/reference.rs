//! References to secrets, which documents never hold.
//!
//! `Bearer ${env:SHOP_TOKEN}` stays as it is written in plans, journals and reports; only the hand that
//! sends it looks it up, just before.

use std::fmt;

use super::FileName;

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `${env:NAME}`: an environment variable.
    Env(String),
    /// `${file:PATH}`: the content of a file, without trailing line breaks.
    File(FileName),
}

/// A reference could not be resolved. Says which, never what it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {reference}: {reason}")]
pub struct ResolveError {
    /// As written, and where.
    pub reference: String,
    /// Why.
    pub reason: String,
}

impl ResolveError {
    /// That `reference` could not be resolved.
    pub fn new(reference: &Reference, reason: impl Into<String>) -> Self {
        let place = match reference {
            Reference::Env(_) => String::new(),
            Reference::File(file) => file.place(),
        };
        Self { reference: format!("{reference}{place}"), reason: reason.into() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "${{env:{name}}}"),
            Self::File(file) => write!(f, "${{file:{}}}", file.as_str()),
        }
    }
}
