//! What can be broken.

use std::fmt;
use std::time::Duration;

use evenkeel_units::duration::seconds;
use evenkeel_units::{Bytes, Human, Ratio};
use serde::{Deserialize, Serialize};

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
