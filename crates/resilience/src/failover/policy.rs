//! Policy: when another member takes over, and how the first gets its place back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::Human;

use crate::watch;

/// Somebody who can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<M> {
    /// What it is called: in messages, in metrics, and by operators.
    pub name: Arc<str>,
    /// What is needed to call it: an address, a client, a pool, a service.
    pub value: M,
    /// Members of one rank are active together; of several ranks, the lowest comes first.
    pub rank: u16,
    /// How it is watched, and what the answers mean; `None` for one that nobody asks, such as a cold standby that starts only when
    /// it is called. That one counts as usable, until calls say otherwise.
    pub watch: Option<watch::Policy>,
}

impl<M> Member<M> {
    /// Of the first rank, watched as is usual.
    pub fn new(name: impl Into<Arc<str>>, value: M) -> Self {
        Self { name: name.into(), value, rank: 0, watch: Some(watch::Policy::default()) }
    }

    /// The same of another rank.
    pub fn rank(self, rank: u16) -> Self {
        Self { rank, ..self }
    }

    /// The same, watched otherwise, or not at all.
    pub fn watched(self, watch: Option<watch::Policy>) -> Self {
        Self { watch, ..self }
    }
}

/// How the first rank gets its place back.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub enum Failback {
    /// When an operator says so. The default: why it failed is seldom known when it answers again, its data may be behind, and each
    /// change costs connections and warm caches; so somebody should look first.
    Manual,
    /// By itself, if it left by itself: as soon as a better rank was healthy for so long.
    Automatic {
        /// How long. Well above an interval of its watch: what restarts for ever is healthy in between.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
        after: Duration,
    },
}

/// What becomes of calls while the active rank is unhealthy and nobody takes over.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum WhenLost {
    /// They are made. The default: probes can be wrong, and a call that fails costs little more than one that is refused.
    #[default]
    Call,
    /// They are refused at once, by [`Error::Unavailable`](crate::Error::Unavailable): where calls fail slowly, and there is something
    /// to fall back to.
    Refuse,
}

/// When another member takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Policy {
    /// Whether another takes over by itself. Yes by default; without it, an operator switches, and
    /// [`Event::Stuck`](super::Event::Stuck) tells when there is need.
    pub automatic: bool,
    /// How the first gets its place back. By hand by default.
    pub failback: Failback,
    /// After an automatic change, the next one comes so much later at the earliest. 10 s by default: less than the default watch
    /// takes to find out that the new one fails too, so that it costs nothing there, and enough to calm members that
    /// refuse calls in turn.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub hold: Duration,
    /// After so many calls in a row that could not reach a member it is unhealthy, without waiting for probes; `None` for never.
    /// 3 by default, as probes. Counts only where calls say so: [`Failover::refused`](super::Failover::refused).
    pub refusals: Option<u32>,
    /// What becomes of calls while the active rank is unhealthy and nobody takes over. They are made, by default.
    pub when_lost: WhenLost,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            automatic: true,
            failback: Failback::Manual,
            hold: Duration::from_secs(10),
            refusals: Some(3),
            when_lost: WhenLost::Call,
        }
    }
}

/// No change is put off for longer: what is meant then is to do it by hand.
const DURATION_MAX: Duration = Duration::from_hours(168);
const MEMBERS_MAX: usize = 1_000;

impl Policy {
    /// Whether it can be followed.
    ///
    /// # Errors
    /// The field that does not fit, and what to write instead.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.hold > DURATION_MAX {
            return Err(PolicyError::TooLong { field: "hold", duration: self.hold });
        }
        if let Failback::Automatic { after } = self.failback {
            if after > DURATION_MAX {
                return Err(PolicyError::TooLong { field: "failback.after", duration: after });
            }
            if !self.automatic {
                return Err(PolicyError::NeverLeft);
            }
        }
        match self.refusals {
            Some(0) => Err(PolicyError::NoRefusal),
            _ => Ok(()),
        }
    }
}

/// Whether the members can be told apart and watched.
pub(super) fn check_members<M>(members: &[Member<M>]) -> Result<(), PolicyError> {
    if members.is_empty() {
        return Err(PolicyError::Nobody);
    }
    if members.len() > MEMBERS_MAX {
        return Err(PolicyError::TooMany { members: members.len() });
    }
    let mut names = BTreeSet::new();
    for it in members {
        let name = Arc::clone(&it.name);
        if name.is_empty() {
            return Err(PolicyError::NoName);
        }
        if !names.insert(&it.name) {
            return Err(PolicyError::SameName { name });
        }
        if let Some(Err(error)) = it.watch.map(|it| it.check()) {
            return Err(PolicyError::Watch { name, error });
        }
    }
    Ok(())
}

/// Why there can be no failover like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No members.
    #[error("there is no member to call: give one at least, and two for there to be a choice")]
    Nobody,
    /// More than anybody keeps in order of their ranks.
    #[error("{members} members are more than {MEMBERS_MAX}: put a balancer before so many")]
    TooMany {
        /// How many there are.
        members: usize,
    },
    /// One without a name.
    #[error("a member has no name: give it one, by which operators switch to it")]
    NoName,
    /// A pair that waits for each other.
    #[error(
        "nobody is `enabled`, and so nobody is called before another fails: enable one of both"
    )]
    NobodyEnabled,
    /// Two of one name.
    #[error("two members are called `{name}`: rename one of them")]
    SameName {
        /// The name.
        name: Arc<str>,
    },
    /// A watch that cannot be followed.
    #[error("the watch of `{name}`: {error}")]
    Watch {
        /// Of whom.
        name: Arc<str>,
        /// Why.
        error: watch::PolicyError,
    },
    /// Longer than anybody waits.
    #[error("`{field}` is {}: write 7d at most, or leave the change to an operator", Human(*duration))]
    TooLong {
        /// Of which field.
        field: &'static str,
        /// As given.
        duration: Duration,
    },
    /// What never goes by itself never comes back by itself.
    #[error(
        "`failback` is automatic and failover is not: write `automatic: true`, or let failback be manual"
    )]
    NeverLeft,
    /// Unhealthy without a reason.
    #[error("`refusals` is 0, and no call is no evidence: write at least 1, or leave it out")]
    NoRefusal,
}
