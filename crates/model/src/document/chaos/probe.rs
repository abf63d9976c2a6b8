//! Steady state: what must hold before, while and after something is broken.

use std::fmt;
use std::time::Duration;

use evenkeel_units::Human;
use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

use super::ErrorBudget;
use crate::document::{Criterion, Finder, Limit, Selector};

/// A question about the steady state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// What is asked.
    pub kind: ProbeKind,
    /// How often during the run. Default 1 s.
    #[serde(rename = "every_seconds", with = "seconds")]
    pub every: Duration,
    /// Where in the run. Default: everywhere.
    #[serde(default = "When::everywhere")]
    pub when: Vec<When>,
}

impl Probe {
    /// How often a question is asked when nothing is said of it.
    pub const EVERY: Duration = Duration::from_secs(1);

    /// A question that is asked everywhere, each second of the run.
    pub fn new(kind: ProbeKind) -> Self {
        Self { kind, every: Self::EVERY, when: When::everywhere() }
    }

    /// Whether it is asked there.
    pub fn is_due(&self, when: When) -> bool {
        self.when.contains(&when)
    }
}

/// Where in a run something is asked.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before the load; of figures of the load: before the first fault.
    Before,
    /// While load is sent, or an experiment runs by itself.
    During,
    /// After it, when everything is mended.
    After,
}

impl When {
    /// Each with its name.
    pub const NAMES: [(&'static str, Self); 3] =
        [("before", Self::Before), ("during", Self::During), ("after", Self::After)];

    /// All of them.
    pub fn everywhere() -> Vec<Self> {
        Self::NAMES.map(|(_, it)| it).to_vec()
    }
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// GET a URL.
    Http {
        /// Absolute URL.
        url: String,
        /// Expected status. Default 200.
        status: u16,
        /// The answer must come within this time. Default 1 s.
        #[serde(rename = "within_seconds", with = "seconds")]
        within: Duration,
        /// Text that the body must contain.
        contains: Option<String>,
    },
    /// Connect to an address.
    Tcp {
        /// `host:port`.
        address: String,
        /// The connection must stand within this time. Default 1 s.
        #[serde(rename = "within_seconds", with = "seconds")]
        within: Duration,
    },
    /// Look for a process that runs (is neither gone, nor stopped, nor a zombie).
    Process {
        /// How it is found.
        find: Finder,
    },
    /// Ask a server that speaks the HTTP API of Prometheus.
    Promql {
        /// Base URL of the server.
        url: String,
        /// The query; one number is expected.
        query: String,
        /// What the number must be.
        value: Limit,
        /// The answer must come within this time. Default 5 s.
        #[serde(rename = "within_seconds", with = "seconds")]
        within: Duration,
    },
    /// Ask what is left of an error budget.
    ErrorBudget(ErrorBudget),
    /// A figure of the load over the last seconds.
    Load {
        /// What must hold.
        criterion: Criterion,
    },
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { url, status, within, .. } => {
                write!(f, "{url} answers {status} within {}", Human(*within))
            }
            Self::Tcp { address, .. } => write!(f, "{address} accepts connections"),
            Self::Process { find } => write!(f, "{} runs", Selector::Process(find.clone())),
            Self::Promql { query, value, .. } => write!(f, "{query} {value}"),
            Self::ErrorBudget(it) => write!(f, "at least {} of the error budget is left", it.min),
            Self::Load { criterion } => write!(f, "{criterion}"),
        }
    }
}
