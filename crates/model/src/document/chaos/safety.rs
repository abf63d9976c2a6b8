//! Safety: the limits within which faults may act, and when everything is mended at once.

use std::time::Duration;

use evenkeel_units::Ratio;
use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

use super::{Hours, Probe, ProbeKind, Release, When};
use crate::document::Criterion;

/// The limits within which an experiment may act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Safety {
    /// No fault of the experiment lives longer. Default 5 min.
    #[serde(rename = "max_duration_seconds", with = "seconds")]
    pub max_duration: Duration,
    /// How much may be hit at once.
    pub blast_radius: BlastRadius,
    /// The weakest release class that faults may have, when there is a limit.
    pub min_release: Option<Release>,
    /// Faults may act only within these hours, when any are given.
    pub allowed_hours: Vec<Hours>,
    /// Faults may not act within these hours.
    pub restricted_hours: Vec<Hours>,
    /// How many people beside the one who runs it must have approved the plan as it is.
    pub approvals: u32,
    /// IANA name of the zone of those hours. Default UTC.
    pub time_zone: String,
    /// The run is aborted, and everything mended, as soon as one of these holds.
    pub abort: Vec<Criterion>,
    /// What silence means.
    pub on_no_data: OnNoData,
    /// What has to be left of error budgets before anything is broken.
    #[serde(default)]
    pub error_budgets: Vec<ErrorBudget>,
}

impl Safety {
    /// The default of `maxDuration`.
    pub const MAX_DURATION: Duration = Duration::from_mins(5);

    /// Its limits that are asked about, as questions: each once, before anything is broken.
    pub(crate) fn questions(&self) -> impl Iterator<Item = Probe> {
        let of = |it: &ErrorBudget| Probe {
            when: vec![When::Before],
            ..Probe::new(ProbeKind::ErrorBudget(it.clone()))
        };
        self.error_budgets.iter().map(of)
    }
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            max_duration: Self::MAX_DURATION,
            blast_radius: BlastRadius::default(),
            min_release: None,
            allowed_hours: Vec::new(),
            restricted_hours: Vec::new(),
            approvals: 0,
            time_zone: "UTC".to_owned(),
            abort: Vec::new(),
            on_no_data: OnNoData::default(),
            error_budgets: Vec::new(),
        }
    }
}

/// What has to be left of an error budget: who has spent what was promised breaks nothing on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBudget {
    /// Base URL of a server that speaks the HTTP API of Prometheus.
    pub url: String,
    /// What is left, as a share of the budget: 1 is all, 0 none, and less is overspent. Such as
    /// `slo:period_error_budget_remaining:ratio{…}` of Sloth's rules.
    pub query: String,
    /// The least that has to be left.
    pub min: Ratio,
}

impl ErrorBudget {
    /// The answer must come within this time.
    pub const WITHIN: Duration = Duration::from_secs(5);
}

/// How much may be hit at once; `None` where there is no limit.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlastRadius {
    /// Share of the candidates of a target.
    pub max_instances: Option<Ratio>,
    /// How many services.
    pub max_services: Option<u32>,
    /// How many candidates must stay untouched.
    pub min_healthy: Option<u32>,
}

/// What to do when a guard gets no data (no request was answered or failed in its window).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNoData {
    /// Stop: what cannot be seen cannot be kept safe.
    #[default]
    Abort,
    /// Go on.
    Continue,
}
