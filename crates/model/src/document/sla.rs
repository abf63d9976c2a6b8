//! `SLA`: what is owed to customers when a promise to them is broken.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: SLA
//! metadata: {name: shop-contract}
//! spec:
//!   slo: checkout-fast
//!   window: {calendar: month, timeZone: Europe/Paris}
//!   credits:
//!     - {below: 99%, credit: 10%}
//!     - {below: 95%, credit: 25%}
//!     - {below: 90%, credit: 100%}
//!   exclusions:
//!     - {reason: announced maintenance, from: "2026-03-01T02:00", duration: 2h, timeZone: Europe/Paris}
//! ```
//!
//! A tier holds from its `below` down to that of the next one, which does not belong to it: exactly 99 % owes nothing,
//! exactly 95 % owes a tenth. What was reached is compared as it was counted, before it is rounded for people.

use evenkeel_units::Ratio;
use serde::{Deserialize, Serialize};

use super::{Exclusion, Window};

/// What is owed when a promise is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sla {
    /// `metadata.name`.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Who it was promised to.
    pub customer: Option<String>,
    /// The objective whose indicator is counted. Its own promise is stricter, if anybody is to be warned in time.
    pub slo: String,
    /// The time for which credit is given; `None`: the window of the objective.
    pub window: Option<Window>,
    /// The tiers, the mildest first.
    pub credits: Vec<CreditTier>,
    /// Times that do not count, beside those of the objective.
    pub exclusions: Vec<Exclusion>,
}

/// What is owed below a share of good events.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditTier {
    /// Less than this share was good.
    pub below: Ratio,
    /// The share of what was paid that is given back.
    pub credit: Ratio,
}
