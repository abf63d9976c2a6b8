//! Shown: groups of rules as they are told to whoever asks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::alerts::Alert;

/// A group. Moments are in milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) every: Duration,
    /// How much a rule may make; 0 is any.
    pub(crate) limit: usize,
    /// When it was evaluated last.
    pub(crate) at: Option<i64>,
    pub(crate) took: Duration,
    pub(crate) rules: Vec<ShownRule>,
}

/// A rule.
#[derive(Clone, Debug)]
pub(crate) struct ShownRule {
    pub(crate) name: String,
    pub(crate) query: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) health: Health,
    pub(crate) at: Option<i64>,
    pub(crate) took: Duration,
    pub(crate) kind: Kind,
}

/// What a rule makes.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Records,
    Alerts {
        pending: Duration,
        keep_firing: Duration,
        annotations: BTreeMap<String, String>,
        alerts: Vec<Alert>,
    },
}

/// How a rule was evaluated last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Health {
    /// It was not, yet.
    #[default]
    Unknown,
    Fine,
    /// Why it could not be.
    Failing(String),
}
