//! `ChaosExperiment`: what is broken, for how long, and when to stop.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: ChaosExperiment
//! metadata: {name: payment-slow}
//! spec:
//!   title: Shoppers still pay
//!   hypothesis: checkout survives a slow payment provider
//!   steadyState:
//!     - http: {url: "http://127.0.0.1:7400/health/ready", status: 200, within: 300ms}
//!     - load: error_rate < 1%
//!     - promql: {url: "http://127.0.0.1:9090", query: "min(up)", value: ">= 1", when: [before]}
//!   target: {service: shop, dependency: payment}
//!   method:
//!     - latency: {delay: 800ms, jitter: 100ms, at: 2s, duration: 8s}
//!     - kill: {target: {service: shop, instances: gateway-*, mode: one}, at: 12s}
//!   safety:
//!     maxDuration: 2m
//!     blastRadius: {maxInstances: 34%, maxServices: 1, minHealthy: 2}
//!     minRelease: D   # the weakest way to end that a fault may have; `kill` has nothing to undo
//!     restrictedHours: ["18:00-06:00"]
//!     timeZone: Europe/Paris
//!     abort: ["error_rate > 10% for 3s"]
//!     errorBudget: {url: "http://127.0.0.1:9090", query: "error_budget_remaining", min: 25%}
//!   success:
//!     availability: "> 99%"
//!     recovery_time: "< 120s"
//!   observe: 20s   # by itself, it goes on for so long after its last fault
//!   schedule: "0 14 * * Mon-Fri"   # `evenkeel chaos schedule` waits for these times
//!   monkey: {probability: 10%, optOut: [gateway-1]}   # one run of ten breaks anything
//! ```

mod cluster;
mod container;
mod database;
mod fault;
mod hours;
mod monkey;
mod parts;
mod probe;
mod release;
mod safety;
mod schedule;
mod target;
mod traffic;

use std::time::Duration;

use evenkeel_units::duration::{seconds, seconds_option};
use serde::{Deserialize, Serialize};

pub use self::cluster::{Cluster, Pods};
pub use self::container::Containers;
pub use self::database::{DatabaseUrl, DatabaseUrlError};
pub use self::fault::{
    ActsOn, Amid, Amount, AnswerChange, BodyChange, ClientType, DnsAnswer, Facts, Fault, FileError,
    FileOperation, Flaw, HeaderChange, IoLimits, Issuer, LockMode, PartitionShape, PauseBy,
    PauseMode, RateBy, Requests,
};
pub use self::hours::Hours;
pub use self::monkey::Monkey;
pub use self::parts::{Labels, Parts, fits};
pub use self::probe::{Probe, ProbeKind, When};
pub use self::release::Release;
pub use self::safety::{BlastRadius, ErrorBudget, OnNoData, Safety};
pub(crate) use self::schedule::WORDS;
pub use self::schedule::{Schedule, ScheduleError};
pub use self::target::{Mode, Selector, Target};
pub use self::traffic::{Direction, Network, NetworkError, Protocol, Traffic};
use super::Criterion;

/// An experiment: faults, with the limits within which they may act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChaosExperiment {
    /// `metadata.name`.
    pub name: String,
    /// For people: what it is called in sentences.
    #[serde(default)]
    pub title: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// What is believed, and shall be disproved if it is wrong.
    pub hypothesis: Option<String>,
    /// What must hold before, is watched during, and must hold again after.
    pub steady_state: Vec<Probe>,
    /// What happens, in order of its times.
    pub method: Vec<Step>,
    /// The limits.
    pub safety: Safety,
    /// What must hold for the hypothesis to stand.
    pub success: Vec<Criterion>,
    /// How long it goes on after its last fault when it runs by itself. Default: 30 s when a fault acts once, so that
    /// recovery can be seen, else 5 s.
    #[serde(rename = "observe_seconds", with = "seconds_option", default)]
    pub observe: Option<Duration>,
    /// When it is run by itself, as long as somebody waits for that. Without a zone of its own: in that of the hours.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Chance and groups, when it is left to chance whether it breaks anything.
    #[serde(default)]
    pub monkey: Option<Monkey>,
}

impl ChaosExperiment {
    /// How long it goes on after its last fault when it runs by itself.
    pub fn observation(&self) -> Duration {
        let acts_once = self.method.iter().any(|it| it.fault.is_one_shot());
        self.observe.unwrap_or(Duration::from_secs(if acts_once { 30 } else { 5 }))
    }
}

/// One fault at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub fault: Fault,
    /// To what. Faults of this host, such as `cpu`, need none.
    pub target: Option<Target>,
    /// When, after the start of the phase that the experiment belongs to. Default 0 s.
    #[serde(rename = "at_seconds", with = "seconds")]
    pub at: Duration,
    /// For how long. `None` for `kill` and `restart` that act once.
    #[serde(rename = "duration_seconds", with = "seconds_option")]
    pub duration: Option<Duration>,
}
