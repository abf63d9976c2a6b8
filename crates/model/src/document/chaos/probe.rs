//! Steady state: what must hold before, while and after something is broken.

use std::fmt;
use std::time::Duration;

use evenkeel_units::Human;
use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

use crate::document::{Criterion, Finder, Selector};

/// A question about the steady state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// What is asked.
    pub kind: ProbeKind,
    /// How often during the run. Default 1 s.
    #[serde(rename = "every_seconds", with = "seconds")]
    pub every: Duration,
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
            Self::Load { criterion } => write!(f, "{criterion}"),
        }
    }
}
