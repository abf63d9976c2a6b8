//! What a load test asks for beyond a drill: how much the service bears, how it scales, how it stands spikes,
//! what was watched beside it, and how honestly the load was sent.

use std::fmt;
use std::time::Duration;

use evenkeel_units::duration::seconds_option;
use evenkeel_units::{Bytes, Moment, Rate};
use serde::{Deserialize, Serialize};

use crate::frame::Distribution;

/// Times, by percentile. All are `None` when nothing was counted.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Mean.
    pub mean_seconds: Option<f64>,
    /// Median.
    pub p50_seconds: Option<f64>,
    /// 90th percentile.
    pub p90_seconds: Option<f64>,
    /// 95th percentile.
    pub p95_seconds: Option<f64>,
    /// 99th percentile.
    pub p99_seconds: Option<f64>,
    /// 99.9th percentile.
    pub p999_seconds: Option<f64>,
    /// Longest.
    pub max_seconds: Option<f64>,
}

/// How load was sent over the whole run, and what sending it cost.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SendingFigures {
    /// From when requests were due until they were sent.
    pub lag: Times,
    /// Bytes that came from the target.
    pub bytes_received: u64,
    /// Bytes that went to the target.
    pub bytes_sent: u64,
    /// Connections that were made.
    pub connected: u64,
    /// Of those, the ones that resumed a TLS session.
    pub resumed: u64,
    /// Requests under way when the load was over.
    pub in_flight_at_end: u64,
    /// Threads that sent; 0 when nobody counted.
    pub threads: u64,
    /// CPU time that the sending threads took, together.
    pub cpu_seconds: Option<f64>,
    /// The same for each request that was sent.
    pub cpu_seconds_per_request: Option<f64>,
}

/// How much load a step of a staircase offers.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadLevel {
    /// Arrivals a second.
    Rate(f64),
    /// Users at once.
    Users(u32),
}

impl fmt::Display for LoadLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => Rate::per_second(*rate).unwrap_or_default().fmt(f),
            Self::Users(1) => f.write_str("1 user"),
            Self::Users(users) => write!(f, "{users} users"),
        }
    }
}

impl LoadLevel {
    /// How much it is, in its own unit.
    pub fn get(self) -> f64 {
        match self {
            Self::Rate(rate) => rate,
            Self::Users(users) => f64::from(users),
        }
    }
}

/// How much of a staircase the service bore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// When the service counts as broken down, for people.
    pub conditions: Vec<String>,
    /// How many steps were planned.
    pub steps: u64,
    /// The last step that it bore; `None` when it broke at the first, or none came to its end.
    pub borne: Option<Borne>,
    /// Where it broke down; `None` when it never did.
    pub broke: Option<Broke>,
}

/// A step that a service bore.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Borne {
    /// Its number, from 1.
    pub step: u64,
    /// The load in it.
    pub load: LoadLevel,
}

/// Where a service broke down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Broke {
    /// The number of the step, from 1.
    pub step: u64,
    /// The load in it.
    pub load: LoadLevel,
    /// When the step ended, after the start of the load.
    #[serde(rename = "at_seconds")]
    pub at: Moment,
    /// The condition that held, for people.
    pub condition: String,
    /// What was measured, for people.
    pub measured: String,
}

/// How the service stood a spike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpikeFigures {
    /// When it began, after the start of the load.
    #[serde(rename = "from_seconds")]
    pub from: Moment,
    /// When it ended.
    #[serde(rename = "to_seconds")]
    pub to: Moment,
    /// 95th percentile before it.
    pub p95_before_seconds: Option<f64>,
    /// 95th percentile in it.
    pub p95_during_seconds: Option<f64>,
    /// Share of requests that failed or were missed in it.
    pub error_ratio_during: Option<f64>,
    /// From its end until the service did as well as before it; `None` when it never did within the run.
    #[serde(rename = "recovered_after_seconds", with = "seconds_option")]
    pub recovered_after: Option<Duration>,
}

/// Throughput and latency against load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scalability {
    /// Step by step, in order of load.
    pub points: Vec<ScalePoint>,
    /// The curve through them, when there are enough, and the load is one of users.
    pub fit: Option<Usl>,
}

/// A step, and what the service gave in it.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalePoint {
    /// The load.
    pub load: LoadLevel,
    /// Requests answered right, each second.
    pub throughput_per_second: f64,
    /// Median response time.
    pub p50_seconds: Option<f64>,
    /// 95th percentile.
    pub p95_seconds: Option<f64>,
}

/// The Universal Scalability Law through the points: `λN / (1 + σ(N−1) + κN(N−1))`.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usl {
    /// λ: throughput of one user.
    pub lambda: f64,
    /// σ: what users wait for one another.
    pub sigma: f64,
    /// κ: what users cost one another.
    pub kappa: f64,
    /// Share of the variance that the curve explains.
    pub r_squared: f64,
    /// Users from which more of them make less throughput; `None` when there is no such number.
    pub knee_users: Option<f64>,
    /// Throughput there.
    pub peak_per_second: Option<f64>,
}

impl Usl {
    /// Throughput with so many users.
    pub fn throughput(&self, users: f64) -> f64 {
        let Self { lambda, sigma, kappa, .. } = self;
        lambda * users / (1.0 + sigma * (users - 1.0) + kappa * users * (users - 1.0))
    }
}

/// A figure that was watched beside the load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchFigures {
    /// Name of the watch.
    pub watch: String,
    /// Name of the figure, with its unit at the end.
    pub figure: String,
    /// What it must not go beyond.
    pub limit: Option<f64>,
    /// As read, in order.
    pub points: Vec<WatchPoint>,
    /// How often it could not be read.
    pub unread: u64,
    /// Why it could not be read the last time that it could not.
    pub error: Option<String>,
}

impl WatchFigures {
    /// Writes a value of the figure for people.
    pub fn show(&self, value: f64) -> String {
        show(&self.figure, value)
    }
}

/// A value in the unit that the name of its figure ends with.
fn show(figure: &str, value: f64) -> String {
    let bytes = || Bytes(value.max(0.0) as u64).to_string();
    match figure {
        it if it.ends_with("bytes_per_second") => format!("{}/s", bytes()),
        it if it.ends_with("bytes") => bytes(),
        it if it.ends_with("ratio") => format!("{:.1}%", value * 100.0),
        it if it.ends_with("cores") => format!("{value:.2} cores"),
        _ => {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

/// A reading.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchPoint {
    /// When, after the start of the load.
    #[serde(rename = "at_seconds")]
    pub at: Moment,
    /// The value.
    pub value: f64,
}

/// A stretch of the judged load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// How many seconds it is long.
    pub seconds: u64,
    /// Requests answered right.
    pub good: u64,
    /// Requests that failed, and arrivals that were never sent.
    pub bad: u64,
    /// Response times of requests answered right, to within 1 %.
    pub response_micros: Distribution,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_the_unit_of_their_name() {
        let shown = [
            ("memory_bytes", 2_097_152.0),
            ("cpu_ratio", 0.5),
            ("value", 1.25),
            ("cpu_cores", 1.5),
        ];
        let shown = shown.map(|(name, value)| show(name, value));
        assert_eq!(shown, ["2MiB", "50.0%", "1.25", "1.50 cores"]);
    }
}
