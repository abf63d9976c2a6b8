//! Whom a fault hits.

use std::fmt;

use evenkeel_units::Ratio;
use serde::{Deserialize, Serialize};

use super::{ActsOn, Containers, DatabaseUrl, Parts, Pods, Traffic};
use crate::document::Finder;

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
    Instances(Parts),
    /// Containers that match.
    Container(Containers),
    /// Pods of a cluster.
    Pods(Pods),
    /// Links of a service.
    Dependency(Parts),
    /// Packets that pass this host.
    Traffic(Traffic),
    /// Packets in the networks of containers.
    Inside {
        /// Whose.
        containers: Containers,
        /// Which.
        traffic: Traffic,
    },
    /// A server of PostgreSQL, asked over a connection of ours.
    Postgres(DatabaseUrl),
    /// A server of Redis, asked over a connection of ours.
    Redis(DatabaseUrl),
}

impl Selector {
    /// The parts of a service that it means, if it means any.
    pub const fn parts(&self) -> Option<&Parts> {
        match self {
            Self::Instances(it) | Self::Dependency(it) => Some(it),
            _ => None,
        }
    }

    /// What its candidates are.
    pub const fn is(&self) -> ActsOn {
        match self {
            Self::Process(_) | Self::Instances(_) => ActsOn::Process,
            Self::Container(_) => ActsOn::Container,
            Self::Pods(_) => ActsOn::Pod,
            Self::Dependency(_) => ActsOn::Link,
            Self::Traffic(_) | Self::Inside { .. } => ActsOn::Traffic,
            Self::Postgres(_) => ActsOn::Postgres,
            Self::Redis(_) => ActsOn::Redis,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(it) => it.fmt(f),
            Self::Instances(it) | Self::Dependency(it) => it.fmt(f),
            Self::Container(it) => it.fmt(f),
            Self::Pods(it) => it.fmt(f),
            Self::Traffic(it) => it.fmt(f),
            Self::Inside { containers, traffic } => write!(f, "{traffic} in {containers}"),
            Self::Postgres(it) | Self::Redis(it) => it.fmt(f),
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
    /// At least one and at most this share, by the seed.
    AtMost(Ratio),
}

impl Mode {
    /// How many of `candidates` are hit, at most.
    pub fn of(self, candidates: usize) -> usize {
        match self {
            Self::One => candidates.min(1),
            Self::All => candidates,
            Self::Count(count) => candidates.min(count as usize),
            Self::Share(share) | Self::AtMost(share) => share.floor_of(candidates),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_percentage_never_hits_more_than_it_says(percent in 0u32..=100, candidates in 0usize..500) {
            let hit = Mode::Share(Ratio::percent(percent)).of(candidates);
            prop_assert!(hit * 100 <= candidates * percent as usize);
        }
    }
}
