//! `patroni:`: how a cluster of PostgreSQL finds a new leader. A form that is in use elsewhere; what bears on failover is
//! read, and the rest is Patroni's business.
//!
//! ```yaml
//! patroni:
//!   scope: postgres-cluster
//!   name: postgres-1
//!   bootstrap:
//!     dcs: {ttl: 30, loop_wait: 10, retry_timeout: 10, maximum_lag_on_failover: 1048576}
//!   watchdog: {mode: automatic, device: /dev/watchdog}
//! ```

use std::time::Duration;

use evenkeel_units::Bytes;
use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

/// What a member of a cluster of Patroni does when its leader is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Patroni {
    /// Cluster and member, as `scope.name` says both.
    pub name: String,
    /// How long the leader's lock lasts without being renewed. Default 30 s.
    #[serde(rename = "ttl_seconds", with = "seconds")]
    pub ttl: Duration,
    /// How far apart members look. Default 10 s.
    #[serde(rename = "loop_wait_seconds", with = "seconds")]
    pub loop_wait: Duration,
    /// How long what fails is tried again before the leader steps down. Default 10 s.
    #[serde(rename = "retry_timeout_seconds", with = "seconds")]
    pub retry_timeout: Duration,
    /// A replica that is further behind does not take over. Default 1 MiB.
    pub maximum_lag: Bytes,
    /// Whether a watchdog stops a leader that lost its lock and hangs.
    pub watchdog: WatchdogMode,
}

/// Whether a watchdog stops a leader that lost its lock.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchdogMode {
    /// None does.
    Off,
    /// One does, where there is one. The default.
    Automatic,
    /// Without one, nobody becomes leader.
    Required,
}

impl Patroni {
    /// The longest time from the moment a leader vanishes until others run for its place; promotion comes on top. Its
    /// lock lasts for `ttl` from the last renewal, and who does not hear of its end looks after `loop_wait`.
    pub fn elects_within(&self) -> Duration {
        self.ttl.saturating_add(self.loop_wait)
    }
}
