//! `SLO`: what is promised about a service, and how it is measured.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: SLO
//! metadata: {name: checkout-fast}
//! spec:
//!   service: shop
//!   sli:
//!     latency: {threshold: 300ms}
//!   objective: 99%
//!   window: 30d
//! ```

use std::fmt;
use std::time::Duration;

use evenkeel_units::duration::seconds;
use evenkeel_units::{Rate, Ratio};
use serde::{Deserialize, Serialize};

/// A service level objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// `metadata.name`.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The service it is about.
    pub service: Option<String>,
    /// Only requests of this route count. Default: all.
    pub route: Option<String>,
    /// What is measured.
    pub indicator: Indicator,
    /// The share of good events promised; below 1, since a promise of everything has no error budget.
    /// Indicators that carry their own limit (`percentile`, `errorRate`, `throughput`) imply it.
    pub objective: Option<Ratio>,
    /// The time over which the promise holds. Default 30 days.
    #[serde(rename = "window_seconds", with = "seconds")]
    pub window: Duration,
}

/// What an objective measures: a service level indicator.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Indicator {
    /// Share of requests that were answered, and answered right. Missed arrivals count as bad.
    Availability,
    /// Share of requests that were answered right and within the threshold. Failures count as bad.
    Latency {
        /// The slowest answer that still counts as good.
        #[serde(rename = "threshold_seconds", with = "seconds")]
        threshold: Duration,
    },
    /// The time within which a share of the requests is answered: p99 ≤ 500 ms is the latency SLO of
    /// 99 % within 500 ms.
    Percentile {
        /// Which percentile.
        quantile: Quantile,
        /// The limit on it.
        #[serde(rename = "threshold_seconds", with = "seconds")]
        threshold: Duration,
    },
    /// Share of requests that failed.
    ErrorRate {
        /// The limit on it.
        max: Ratio,
    },
    /// Requests answered right, each second.
    Throughput {
        /// The limit on it.
        min: Rate,
    },
}

/// A percentile between p0 and p100, exclusive.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantile(Ratio);

impl Quantile {
    /// Of `ratio`; `None` at 0 and 1, which are the minimum and the maximum.
    pub fn new(ratio: Ratio) -> Option<Self> {
        (ratio > Ratio::ZERO && ratio < Ratio::ONE).then_some(Self(ratio))
    }

    /// Reads `p99` or `p99.9`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('p')?;
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        plain.then(|| format!("{digits}%").parse().ok().and_then(Self::new)).flatten()
    }

    /// As a share.
    pub const fn ratio(self) -> Ratio {
        self.0
    }

    /// Between 0 and 1.
    pub fn get(self) -> f64 {
        self.0.get()
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0.to_string();
        f.pad(&format!("p{}", percent.trim_end_matches('%')))
    }
}
