//! `ErrorBudgetPolicy`: what is done as a budget goes, and who may deploy while it is low.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: ErrorBudgetPolicy
//! metadata: {name: shop}
//! spec:
//!   service: shop
//!   thresholds:
//!     - remaining: 50%
//!       actions: [{notify: {target: team-shop}}, {review: {description: recent changes}}]
//!     - remaining: 25%
//!       actions: [{freeze: {scope: non-critical-features}}]
//!     - remaining: 0%
//!       actions: [freeze, {incident: {priority: P1}}]
//!   hysteresis: 5%
//!   gate: {minRemaining: 10%, exceptions: [security_patches, critical_bug_fixes]}
//! ```

use evenkeel_units::Ratio;
use serde::{Deserialize, Serialize};

use super::Severity;

/// What is done as a budget goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBudgetPolicy {
    /// `metadata.name`.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// It is about the objectives of this service; `None`: about those of all, or those of `objectives`.
    pub service: Option<String>,
    /// It is about these objectives alone. Empty: about all of the service.
    pub objectives: Vec<String>,
    /// What is done at which share that is left, the largest share first. The last one reached is in force.
    pub thresholds: Vec<BudgetThreshold>,
    /// How much more than a threshold must be left before it is no longer in force. Default nothing.
    pub hysteresis: Ratio,
    /// When nobody may deploy; `None`: the policy closes no gate.
    pub gate: Option<Gate>,
}

/// What is done when no more than this is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetThreshold {
    /// The share of the budget.
    pub remaining: Ratio,
    /// What is done, in order.
    pub actions: Vec<Action>,
}

/// Something that is done as a budget goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Somebody is told.
    Notify {
        /// Who, or where.
        target: String,
        /// What they are told.
        description: Option<String>,
    },
    /// People look back at what happened.
    Review {
        /// At what.
        description: Option<String>,
    },
    /// Nothing is deployed.
    Freeze {
        /// Nothing of what; `None`: of anything.
        scope: Option<String>,
        /// Kinds of deployments that it spares.
        spares: Vec<String>,
        /// For people.
        description: Option<String>,
    },
    /// Work is written down.
    Ticket {
        /// Where.
        target: Option<String>,
        /// What.
        description: Option<String>,
    },
    /// It is an incident.
    Incident {
        /// Of which priority, such as `P1`.
        priority: Option<String>,
        /// For people.
        description: Option<String>,
    },
}

/// When nobody may deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// The least share of the budget that has to be left. Default a tenth.
    pub min_remaining: Ratio,
    /// Nobody may deploy while an alert fires that is at least so urgent; `None`: alerts are not asked. Default: a page.
    pub closed_by: Option<Severity>,
    /// Kinds of deployments that pass nevertheless, with a reason that is kept.
    pub exceptions: Vec<String>,
}

impl Gate {
    /// What has to be left where nobody says.
    pub const MIN_REMAINING: Ratio = Ratio::percent(10);
}

impl Default for Gate {
    fn default() -> Self {
        let (min_remaining, closed_by) = (Self::MIN_REMAINING, Some(Severity::Page));
        Self { min_remaining, closed_by, exceptions: Vec::new() }
    }
}
