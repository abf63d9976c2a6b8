//! View: what there is to see of a failover.

use std::fmt;
use std::sync::Arc;

use evenkeel_units::{Human, Moment};

use super::policy::{Failback, Policy};
use crate::watch::Health;

/// Why another rank is active.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The one before was unhealthy.
    Failover,
    /// A better one was healthy for long enough.
    Healed,
    /// An operator asked for the first one.
    Failback,
    /// An operator asked for this one.
    Told,
    /// An operator asked for this one, whatever was said of it.
    Forced,
}

impl Why {
    /// Whether the policy made the change, and no person.
    pub const fn is_automatic(self) -> bool {
        matches!(self, Self::Failover | Self::Healed)
    }
}

/// Another rank is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// When.
    pub at: Moment,
    /// Counts the changes.
    pub epoch: u32,
    /// The members that were active before.
    pub from: Arc<str>,
    /// The members that are.
    pub to: Arc<str>,
    /// Why.
    pub why: Why,
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, .. } = self;
        match self.why {
            Why::Failover => write!(f, "failed over from {from} to {to}"),
            Why::Healed | Why::Failback => write!(f, "failed back from {from} to {to}"),
            Why::Told | Why::Forced => write!(f, "switched from {from} to {to}"),
        }
    }
}

/// What says how a member is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// Its probes.
    Probes,
    /// Calls that could not reach it.
    Refusals,
    /// Nobody: what refusals said of it is forgotten after [`Policy::hold`], as nobody asks it.
    Lapsed,
    /// An operator, who had what was known forgotten.
    Forced,
}

/// Why the active rank is unhealthy, and still active.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stuck {
    /// All others are unhealthy, too.
    NobodyLeft,
    /// Another could take over, but an operator has to say so.
    ByHand,
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A member is otherwise than before.
    Health {
        /// When that was known.
        at: Moment,
        /// Who.
        member: Arc<str>,
        /// How it is.
        health: Health,
        /// What says so.
        evidence: Evidence,
    },
    /// Another rank is active.
    Switched(Switch),
    /// The active rank is unhealthy, and nothing can be done by itself. Told once, until that is over.
    Stuck {
        /// Since when.
        at: Moment,
        /// Who is active.
        active: Arc<str>,
        /// Why nobody takes over.
        why: Stuck,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Health { member, health, evidence, .. } => {
                write!(f, "{member} is {health}")?;
                match evidence {
                    Evidence::Probes => Ok(()),
                    Evidence::Refusals => write!(f, ": calls could not reach it"),
                    Evidence::Lapsed => write!(f, ": nobody asks it, and it may be back"),
                    Evidence::Forced => write!(f, ": an operator said so"),
                }
            }
            Self::Switched(switch) => switch.fmt(f),
            Self::Stuck { active, why: Stuck::NobodyLeft, .. } => {
                write!(f, "{active} is unhealthy, and nobody is left to take over")
            }
            Self::Stuck { active, why: Stuck::ByHand, .. } => {
                write!(f, "{active} is unhealthy, and waits for an operator to switch")
            }
        }
    }
}

/// Who is told what happens: on the thread that caused it, after the fact, without a lock.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Why what an operator said was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is so already.
    #[error("{active} is active already")]
    Active {
        /// Who.
        active: Arc<str>,
    },
    /// Nobody there would answer.
    #[error("{to} is unhealthy since {since}: wait until it is healthy, or force it")]
    Unhealthy {
        /// Who.
        to: Arc<str>,
        /// Since when.
        since: Moment,
    },
    /// Nobody is called so.
    #[error("there is no member `{name}`")]
    Nobody {
        /// As asked for.
        name: String,
    },
}

/// All numbers of a failover, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The members of the active rank.
    pub active: Arc<str>,
    /// The members of the first rank: where failback goes.
    pub first: Arc<str>,
    /// Which of the ranks is active; the best is 0.
    pub rank: u16,
    /// Counts the changes. After 4 billion it begins again.
    pub epoch: u32,
    /// The last change; `None` before the first.
    pub last: Option<Switch>,
    /// Why the active rank is unhealthy and nothing can be done by itself, if that is so.
    pub stuck: Option<Stuck>,
    /// When the active rank changes by itself, if nothing happens until then.
    pub later: Option<Moment>,
    /// Everybody, in the order of the ranks.
    pub members: Vec<MemberSnapshot>,
    /// Changes because the active rank was unhealthy, since the beginning.
    pub failovers_total: u64,
    /// Changes back, by an operator or by itself, since the beginning.
    pub failbacks_total: u64,
    /// Other changes by an operator, since the beginning.
    pub by_hand_total: u64,
}

/// All numbers of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSnapshot {
    /// Who.
    pub name: Arc<str>,
    /// Of which rank; the best is 0.
    pub rank: u16,
    /// Whether calls go there, as far as it is not unhealthy.
    pub is_active: bool,
    /// How it is.
    pub health: Health,
    /// Since when.
    pub since: Moment,
    /// Probes in a row that contradict that.
    pub against: u32,
    /// Probes that passed, since the beginning.
    pub passed_total: u64,
    /// Probes that failed, since the beginning.
    pub failed_total: u64,
    /// Calls that could not reach it, since the beginning.
    pub refused_total: u64,
    /// Calls that were sent there, since the beginning.
    pub picked_total: u64,
}

/// Why a rank is active, and what would change it, for people. Its `Display` says it in a sentence or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub(super) now: Moment,
    pub(super) snapshot: Snapshot,
    pub(super) policy: Policy,
}

impl Explanation {
    /// What it explains.
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, .. } = self;
        write!(f, "{} is active", snapshot.active)?;
        if let Some(Switch { at, from, why, .. }) = &snapshot.last {
            write!(f, " since {at}, because ")?;
            match why {
                Why::Failover => write!(f, "{from} was unhealthy")?,
                Why::Healed => write!(f, "it was healthy for long enough")?,
                Why::Failback => write!(f, "an operator failed back")?,
                Why::Told | Why::Forced => write!(f, "an operator said so")?,
            }
        }
        for it in &snapshot.members {
            write!(f, "; {} is {}", it.name, it.health)?;
            if it.health != Health::Unknown {
                write!(f, " since {}", it.since)?;
            }
        }
        write!(f, "; {}", self.next())
    }
}

impl Explanation {
    /// What would change it.
    fn next(&self) -> String {
        let Self { now, snapshot, policy } = self;
        if let Some(stuck) = snapshot.stuck {
            return match stuck {
                Stuck::NobodyLeft => "nobody is left to take over".to_owned(),
                Stuck::ByHand => "another could take over, when an operator says so".to_owned(),
            };
        }
        if let Some(later) = snapshot.later {
            return format!("changes in {}, if nothing happens until then", Human(later - *now));
        }
        if snapshot.rank > 0 {
            let first = &snapshot.first;
            // What an operator chose stays until it fails.
            let is_chosen = snapshot.last.as_ref().is_some_and(|it| !it.why.is_automatic());
            return match policy.failback {
                Failback::Automatic { after } if !is_chosen => {
                    format!("goes back to {first} when that was healthy for {}", Human(after))
                }
                Failback::Automatic { .. } | Failback::Manual => {
                    format!("failback is by hand, and would go to {first}")
                }
            };
        }
        let is_alone = snapshot.members.iter().all(|it| it.is_active);
        match (is_alone, policy.automatic) {
            (true, _) => "nobody stands by".to_owned(),
            (false, true) => "another takes over when it is unhealthy".to_owned(),
            (false, false) => "another takes over when an operator says so".to_owned(),
        }
    }
}
