//! `Drill`: a service, its objectives, its load and its faults, judged together.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: Drill
//! metadata: {name: checkout}
//! spec:
//!   hypothesis: shoppers can still pay when the payment provider is slow
//!   service: shop
//!   objectives: [checkout-availability, checkout-fast]
//!   load: shoppers
//!   duration: 60s
//!   phases:
//!     - {name: baseline, role: baseline, shape: {constant: {rate: 100/s, duration: 10s}}}
//!     - name: faults
//!       shape: {constant: {rate: 100/s, duration: 40s}}
//!       chaos: [payment-slow]
//!     - {name: recovery, role: recovery, shape: {constant: {rate: 100/s, duration: 10s}}}
//!   success:
//!     recovery_time: "< 10s"
//! ```
//!
//! Where a name stands, the `spec` of the named document may stand inline instead.

use std::time::Duration;

use evenkeel_units::Ratio;
use evenkeel_units::duration::seconds_option;
use serde::{Deserialize, Serialize};

use super::{Criterion, Probe, Safety, Shape};

/// A drill. Names refer to documents; inline ones are given names of their own when they are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// `metadata.name`.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What is believed, and shall be disproved if it is wrong.
    pub hypothesis: Option<String>,
    /// Name of the `Service`.
    pub service: String,
    /// Names of `SLO`s.
    pub objectives: Vec<String>,
    /// Name of the `LoadTest`.
    pub load: String,
    /// The longest the drill may take; its phases must fit. Default: the sum of them.
    #[serde(rename = "duration_seconds", with = "seconds_option")]
    pub duration: Option<Duration>,
    /// In order. Default: the shape of the load test, as one phase with the role `load`.
    pub phases: Vec<Phase>,
    /// Beside the steady states of the experiments.
    pub steady_state: Vec<Probe>,
    /// Beside the safety of the experiments: of two limits, the stricter one holds.
    pub safety: Safety,
    /// What must hold, beside the objectives.
    pub success: Vec<Criterion>,
    /// How much worse than the stored baseline is a regression.
    pub regression: RegressionLimits,
    /// The seed, when the command line gives none.
    pub seed: Option<u64>,
}

/// A part of a drill with one shape of load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name in reports. Default: its role.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// How many requests when; its length is the length of the phase.
    pub shape: Shape,
    /// Names of the `ChaosExperiment`s that act in this phase.
    pub chaos: Vec<String>,
}

/// What a phase is for.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Not judged.
    Warmup,
    /// Shows how the service does when nothing is wrong.
    Baseline,
    /// Load, with or without faults.
    #[default]
    Load,
    /// Shows whether the service comes back.
    Recovery,
}

impl Role {
    /// Every role with its name in documents.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("warmup", Self::Warmup),
        ("baseline", Self::Baseline),
        ("load", Self::Load),
        ("recovery", Self::Recovery),
    ];

    /// Name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warmup => "warmup",
            Self::Baseline => "baseline",
            Self::Load => "load",
            Self::Recovery => "recovery",
        }
    }
}

/// How much worse than the stored baseline is a regression, as a share of the baseline's value.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegressionLimits {
    /// Growth of the mean response time. Default 15 %.
    pub mean: Ratio,
    /// Growth of p95. Default 20 %.
    pub p95: Ratio,
    /// Growth of p99. Default 25 %.
    pub p99: Ratio,
    /// Growth of the error rate. Default 50 %.
    pub error_rate: Ratio,
    /// Loss of throughput. Default 10 %.
    pub throughput: Ratio,
}

impl Default for RegressionLimits {
    fn default() -> Self {
        let [mean, p95, p99, error_rate, throughput] = [15, 20, 25, 50, 10].map(Ratio::percent);
        Self { mean, p95, p99, error_rate, throughput }
    }
}
