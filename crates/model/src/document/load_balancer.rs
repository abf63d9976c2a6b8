//! `load_balancer:`: a pair of which one answers, how that is found out, and what happens then. A form that is in use elsewhere.
//!
//! ```yaml
//! load_balancer:
//!   primary:
//!     host: primary.example.com
//!     port: 8080
//!     health_check: {endpoint: /health, interval: 5s, timeout: 2s, unhealthy_threshold: 3}
//!   secondary:
//!     host: secondary.example.com
//!     port: 8080
//!     enabled: false      # takes over; with `true`, both answer in turn
//!   failover:
//!     automatic: true
//!     failback: manual    # or `automatic`, `failback_after` a time of health
//! ```

use std::time::Duration;

use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

/// Who answers, and who takes over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// The address of the primary: the form has no name.
    pub name: String,
    /// Who answers first.
    pub primary: Backend,
    /// Who takes over, or answers as well.
    pub secondary: Backend,
    /// What happens when somebody fails.
    pub failover: FailoverRules,
}

/// Somebody who answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backend {
    /// A name or an address.
    pub host: String,
    /// At which it listens.
    pub port: u16,
    /// Whether it answers from the beginning; else it waits until those who do have failed. By default the primary does,
    /// and the secondary does not.
    pub enabled: bool,
    /// How it is asked; `None` when nobody asks it.
    pub health_check: Option<HealthCheck>,
}

/// How a backend is asked, and what its answers mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The path that is asked for, by HTTP. A backend is well if it says 200.
    pub endpoint: String,
    /// From the start of one question to that of the next. Default 5 s.
    #[serde(rename = "interval_seconds", with = "seconds")]
    pub interval: Duration,
    /// What takes longer has failed. Default 2 s.
    #[serde(rename = "timeout_seconds", with = "seconds")]
    pub timeout: Duration,
    /// So many failures in a row make it unhealthy. Default 3.
    pub unhealthy_threshold: u32,
    /// So many answers in a row make it healthy again. Default 2.
    pub healthy_threshold: u32,
}

impl HealthCheck {
    /// The longest time from the moment a backend breaks until that is known.
    pub fn detects_within(&self) -> Duration {
        self.interval.saturating_mul(self.unhealthy_threshold).saturating_add(self.timeout)
    }
}

/// What happens when somebody fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailoverRules {
    /// Whether the other takes over by itself. Default: yes.
    pub automatic: bool,
    /// How the first gets its place back. Default: by hand.
    pub failback: Failback,
    /// How long after an automatic change the next one comes at the earliest. Default 10 s.
    #[serde(rename = "hold_seconds", with = "seconds")]
    pub hold: Duration,
}

impl Default for FailoverRules {
    fn default() -> Self {
        Self { automatic: true, failback: Failback::Manual, hold: Duration::from_secs(10) }
    }
}

/// How the first gets its place back.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failback {
    /// Somebody says so.
    Manual,
    /// By itself.
    Automatic {
        /// When it was healthy for so long. Default one minute.
        #[serde(rename = "after_seconds", with = "seconds")]
        after: Duration,
    },
}

impl LoadBalancer {
    /// Everybody, with the name by which operators know them.
    pub const fn backends(&self) -> [(&'static str, &Backend); 2] {
        [("primary", &self.primary), ("secondary", &self.secondary)]
    }

    /// The longest time from the moment all that answer break until another does, if another takes over by itself.
    pub fn fails_over_within(&self) -> Option<Duration> {
        let mut enabled = self.backends().into_iter().map(|it| it.1).filter(|it| it.enabled);
        let check = |it: &Backend| it.health_check.as_ref().map(HealthCheck::detects_within);
        let is_left = self.backends().iter().any(|it| !it.1.enabled);
        (self.failover.automatic && is_left)
            .then(|| enabled.try_fold(Duration::ZERO, |most, it| Some(most.max(check(it)?))))
            .flatten()
    }
}

impl Backend {
    /// `host:port`, as in a URL.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}
