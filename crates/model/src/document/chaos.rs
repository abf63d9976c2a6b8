//! `ChaosExperiment`: what is broken, for how long, and when to stop.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: ChaosExperiment
//! metadata: {name: payment-slow}
//! spec:
//!   hypothesis: checkout survives a slow payment provider
//!   steadyState:
//!     - http: {url: "http://127.0.0.1:7400/health/ready", status: 200, within: 300ms}
//!     - load: error_rate < 1%
//!   target: {service: shop, dependency: payment}
//!   method:
//!     - latency: {delay: 800ms, jitter: 100ms, at: 2s, duration: 8s}
//!     - kill: {target: {service: shop, instances: gateway-*, mode: one}, at: 12s}
//!   safety:
//!     maxDuration: 2m
//!     blastRadius: {maxInstances: 34%, maxServices: 1, minHealthy: 2}
//!     restrictedHours: ["18:00-06:00"]
//!     timeZone: Europe/Paris
//!     abort: ["error_rate > 10% for 3s"]
//!   success:
//!     availability: "> 99%"
//!     recovery_time: "< 120s"
//! ```

use std::fmt;
use std::time::Duration;

use evenkeel_units::duration::{seconds, seconds_option};
use evenkeel_units::{Bytes, Human, Ratio};
use serde::{Deserialize, Serialize};

use super::{Criterion, Finder};

/// An experiment: faults, with the limits within which they may act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChaosExperiment {
    /// `metadata.name`.
    pub name: String,
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
}

/// One fault at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub fault: Fault,
    /// To what. `cpu` and `memory` act on this host and need none.
    pub target: Option<Target>,
    /// When, after the start of the phase that the experiment belongs to. Default 0 s.
    #[serde(rename = "at_seconds", with = "seconds")]
    pub at: Duration,
    /// For how long. `None` for `kill` and `restart`, which act once.
    #[serde(rename = "duration_seconds", with = "seconds_option")]
    pub duration: Option<Duration>,
}

/// What can be broken. In documents: a map with one key, the kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Every segment through the link is late, in both directions together by `delay` a round trip.
    Latency {
        /// Added to each segment towards the service's client side of the link.
        #[serde(rename = "delay_seconds", with = "seconds")]
        delay: Duration,
        /// Largest random deviation from the delay; not more than it.
        #[serde(rename = "jitter_seconds", with = "seconds")]
        jitter: Duration,
    },
    /// The link carries no more than this, each second and direction.
    Bandwidth {
        /// Bytes a second.
        rate: Bytes,
    },
    /// What is sent into the link disappears; connections open and hang.
    BlackHole,
    /// The link refuses connections, and closes those it has.
    Refuse,
    /// Connections are reset as soon as data flows on them.
    Reset,
    /// A share of the requests on the link is answered with an error by the link.
    HttpErrors {
        /// The share.
        share: Ratio,
        /// The status code. Default 503.
        status: u16,
    },
    /// Processes are killed (SIGKILL).
    Kill,
    /// Processes are stopped (SIGSTOP), and continued at the end.
    Pause,
    /// Processes are terminated and, when nobody else does, started again.
    Restart,
    /// A child of ours burns CPU on this host.
    Cpu {
        /// Share of each core.
        load: Ratio,
        /// How many cores; 0 for all.
        cores: u32,
    },
    /// A child of ours holds memory on this host.
    Memory {
        /// How much.
        amount: Bytes,
    },
}

impl Fault {
    /// Kind in documents, and in `allowFaults`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Bandwidth { .. } => "bandwidth",
            Self::BlackHole => "blackHole",
            Self::Refuse => "refuse",
            Self::Reset => "reset",
            Self::HttpErrors { .. } => "httpErrors",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Restart => "restart",
            Self::Cpu { .. } => "cpu",
            Self::Memory { .. } => "memory",
        }
    }

    /// Every kind, in the order of the manual.
    pub const KINDS: [&str; 11] = [
        "latency",
        "bandwidth",
        "blackHole",
        "refuse",
        "reset",
        "httpErrors",
        "kill",
        "pause",
        "restart",
        "cpu",
        "memory",
    ];

    /// What the fault acts on.
    pub const fn acts_on(&self) -> ActsOn {
        match self {
            Self::Latency { .. }
            | Self::Bandwidth { .. }
            | Self::BlackHole
            | Self::Refuse
            | Self::Reset
            | Self::HttpErrors { .. } => ActsOn::Link,
            Self::Kill | Self::Pause | Self::Restart => ActsOn::Process,
            Self::Cpu { .. } | Self::Memory { .. } => ActsOn::Host,
        }
    }

    /// Whether it acts once and has no end of its own.
    pub const fn is_one_shot(&self) -> bool {
        matches!(self, Self::Kill | Self::Restart)
    }
}

/// What a kind of fault acts on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ActsOn {
    /// A dependency link, led through the proxy.
    Link,
    /// Processes.
    Process,
    /// This host.
    Host,
}

impl fmt::Display for Fault {
    /// For people, short enough for a label in a chart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency { delay, jitter } if jitter.is_zero() => {
                write!(f, "latency +{}", Human(*delay))
            }
            Self::Latency { delay, jitter } => {
                write!(f, "latency +{} ±{}", Human(*delay), Human(*jitter))
            }
            Self::Bandwidth { rate } => write!(f, "bandwidth {rate}/s"),
            Self::BlackHole => f.write_str("black hole"),
            Self::Refuse => f.write_str("refused"),
            Self::Reset => f.write_str("reset"),
            Self::HttpErrors { share, status } => write!(f, "HTTP {status} on {share}"),
            Self::Kill => f.write_str("kill"),
            Self::Pause => f.write_str("pause"),
            Self::Restart => f.write_str("restart"),
            Self::Cpu { load, cores: 0 } => write!(f, "CPU {load}"),
            Self::Cpu { load, cores } => write!(f, "CPU {load} of {cores} cores"),
            Self::Memory { amount } => write!(f, "memory {amount}"),
        }
    }
}

/// Who is hit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The candidates.
    pub select: Selector,
    /// How many of them. Default `all` for a link or a pid, `one` otherwise.
    pub mode: Mode,
}

/// The candidates of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// Processes that match on this host.
    Process(Finder),
    /// Instances of a service.
    Instances {
        /// The service; `None`: that of the drill.
        service: Option<String>,
        /// Names, where `*` stands for anything.
        pattern: String,
    },
    /// A link of a service.
    Dependency {
        /// The service; `None`: that of the drill.
        service: Option<String>,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(Finder::Pid(pid)) => write!(f, "pid {pid}"),
            Self::Process(Finder::Port(port)) => write!(f, "port {port}"),
            Self::Instances { pattern, .. } => f.write_str(pattern),
            Self::Process(Finder::Executable(name)) | Self::Dependency { name, .. } => {
                f.write_str(name)
            }
        }
    }
}

/// How many of the candidates are hit.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One of them, by the seed.
    One,
    /// All of them.
    All,
    /// This many, by the seed.
    Count(u32),
    /// This share, by the seed, rounded down: a limit is a limit.
    Share(Ratio),
}

impl Mode {
    /// How many of `candidates` are hit.
    pub fn of(self, candidates: usize) -> usize {
        match self {
            Self::One => candidates.min(1),
            Self::All => candidates,
            Self::Count(count) => candidates.min(count as usize),
            Self::Share(share) => share.floor_of(candidates),
        }
    }
}

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

/// The limits within which an experiment may act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Safety {
    /// No fault of the experiment lives longer. Default 5 min.
    #[serde(rename = "max_duration_seconds", with = "seconds")]
    pub max_duration: Duration,
    /// How much may be hit at once.
    pub blast_radius: BlastRadius,
    /// Faults may act only within these hours, when any are given.
    pub allowed_hours: Vec<Hours>,
    /// Faults may not act within these hours.
    pub restricted_hours: Vec<Hours>,
    /// IANA name of the zone of those hours. Default UTC.
    pub time_zone: String,
    /// The run is aborted, and everything mended, as soon as one of these holds.
    pub abort: Vec<Criterion>,
    /// What silence means.
    pub on_no_data: OnNoData,
}

impl Safety {
    /// The default of `maxDuration`.
    pub const MAX_DURATION: Duration = Duration::from_mins(5);
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            max_duration: Self::MAX_DURATION,
            blast_radius: BlastRadius::default(),
            allowed_hours: Vec::new(),
            restricted_hours: Vec::new(),
            time_zone: "UTC".to_owned(),
            abort: Vec::new(),
            on_no_data: OnNoData::default(),
        }
    }
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

/// Hours of a day, written `18:00-06:00`; the end is excluded and may lie past midnight.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// First minute of the day, 0 to 1439.
    pub from_minute: u16,
    /// The minute after the last, 0 to 1440.
    pub to_minute: u16,
}

impl Hours {
    /// Reads `18:00-06:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let minute = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let two = |it: &str| {
                (it.len() == 2 && it.bytes().all(|b| b.is_ascii_digit()))
                    .then(|| it.parse::<u16>().ok())?
            };
            let (hour, minute) = (two(hour)?, two(minute)?);
            (hour < 24 && minute < 60 || hour == 24 && minute == 0).then_some(hour * 60 + minute)
        };
        let (from, to) = text.split_once('-')?;
        let (from_minute, to_minute) = (minute(from)?, minute(to)?);
        (from_minute < 1440 && from_minute != to_minute).then_some(Self { from_minute, to_minute })
    }

    /// Whether a minute of the day lies within.
    pub const fn contains(self, minute: u16) -> bool {
        if self.from_minute < self.to_minute {
            self.from_minute <= minute && minute < self.to_minute
        } else {
            self.from_minute <= minute || minute < self.to_minute
        }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from_minute: from, to_minute: to } = *self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hours_go_past_midnight() {
        let night = Hours::parse("18:00-06:00").unwrap();
        assert!(night.contains(23 * 60) && night.contains(0) && night.contains(5 * 60 + 59));
        assert!(!night.contains(6 * 60) && !night.contains(17 * 60 + 59));
    }

    #[test]
    fn hours_that_are_none_are_refused() {
        for text in ["18:00", "25:00-26:00", "18:00-18:00", "6:00-7:00", "18:60-19:00", "a-b"] {
            assert_eq!(Hours::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_percentage_never_hits_more_than_it_says(percent in 0u32..=100, candidates in 0usize..500) {
            let hit = Mode::Share(Ratio::percent(percent)).of(candidates);
            prop_assert!(hit * 100 <= candidates * percent as usize);
        }
    }
}
