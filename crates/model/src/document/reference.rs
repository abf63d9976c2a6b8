//! References to secrets, which documents never hold.
//!
//! `Bearer ${env:SHOP_TOKEN}` stays as it is written in plans, journals and reports; only the hand that
//! sends it looks it up, just before.

use std::fmt;

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `${env:NAME}`: an environment variable.
    Env(String),
    /// `${file:PATH}`: the content of a file, without trailing line breaks.
    File(String),
}

/// A reference could not be resolved. Says which, never what it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {reference}: {reason}")]
pub struct ResolveError {
    /// As written.
    pub reference: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "${{env:{name}}}"),
            Self::File(path) => write!(f, "${{file:{path}}}"),
        }
    }
}
