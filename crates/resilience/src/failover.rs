//! Failover: calls go to the active member; when it fails, another takes over, and the way back is yours to say.
//!
//! ```text
//!               the active rank is unhealthy, and another is not
//!   rank 0 ──────────────────────────────────────────────────────▶ rank 1
//!  (primary)                                                      (standby)
//!      ▲                                                              │
//!      └── failback(): an operator says so, and rank 0 is healthy ────┘
//!          or, if the policy says so, it was healthy for long enough
//! ```
//!
//! Members stand in ranks. The calls go to one rank, the *active* one: to its only member (active-passive), or in turn to
//! those of its members that are not unhealthy (active-active). Several ranks behind it are standbys in the order in which they
//! take over.
//!
//! **When to use it**: before a pair (or a few) of which one is right at a time: a primary database and its replica, a main and
//! a spare provider, two sites. **When not**: before many equal replicas: one that fails is the business of a balancer. And it
//! replicates nothing and promotes nothing: it chooses whom *this* process calls. Other processes choose by what they see,
//! so that for a while two of them may call two members. Where two writers at a time would do harm, the members have to agree
//! among themselves (a lease in a consensus store, as Patroni holds one in etcd), and a call to one that lost it has to fail.
//!
//! ```
//! use std::time::Duration;
//! use evenkeel_resilience::failover::{Failover, Policy, Refused};
//! use evenkeel_resilience::Moment;
//!
//! let at = |seconds| Moment::at(Duration::from_secs(seconds));
//! let members = [("primary", "10.0.0.1:5432"), ("secondary", "10.0.0.2:5432")];
//! let failover = Failover::active_passive(members, Policy::default())?;
//! assert_eq!(failover.pick(at(0)).member().value, "10.0.0.1:5432");
//!
//! // Three probes in a row fail; or else a watch does this, in the background.
//! for second in [5, 10, 15] {
//!     failover.probed(at(second), 0, false);
//! }
//! assert_eq!(failover.pick(at(15)).member().value, "10.0.0.2:5432");
//! assert!(matches!(failover.failback(at(16)), Err(Refused::Unhealthy { .. })));
//!
//! // It is back, and nothing happens until somebody who knows why it failed says so.
//! failover.probed(at(60), 0, true);
//! failover.probed(at(65), 0, true);
//! assert_eq!(&*failover.pick(at(300)).member().name, "secondary");
//! assert_eq!(
//!     failover.explain(at(300)).to_string(),
//!     "secondary is active since +15s, because primary was unhealthy; primary is healthy since +1m5s; secondary is unknown; \
//!      failback is by hand, and would go to primary"
//! );
//! failover.failback(at(301))?;
//! assert_eq!(&*failover.pick(at(301)).member().name, "primary");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Members may be anything that is called: addresses, clients, services of tower
//! ([`FailoverService`](crate::layer::FailoverService)), or a balancer for each site. What a rank of several does is round robin;
//! who wants more lets each rank be one balancer, of which [`Error::Unavailable`](crate::Error::Unavailable) counts as a refusal.
//!
//! A [`LoadBalancer`] is a pair as it stands in files that are in use elsewhere, and makes such a failover.
//!
//! # What is promised
//!
//! - **One rank is active**, always: rank and epoch are one atomic word, so that whoever picks sees the old one or the new one and
//!   never both. Each change has the next epoch, which [`Pick::epoch`] says: to be sent along as a fencing token where
//!   the other end can compare it with the highest it has seen.
//! - **It is in time**: a member that refuses or hangs is left within [`detects_within`](crate::watch::Policy::detects_within) of its
//!   watch. Calls that cannot reach it shorten that ([`Policy::refusals`]), where
//!   [`call_judged`](Failover::call_judged) is told which answers say so. Only [`Policy::hold`] can put a change off, and never
//!   the first.
//! - **Calls under way stay where they are.** A change cuts nothing off: a call to the old member ends as that lets it end, and only
//!   calls that come later go to the new one. Cutting them would make an error of each answer that is still on its way,
//!   and leave nobody knowing what was done. A time limit around the call bounds how long that is; a retry around the
//!   failover goes to the new member.
//! - **Nobody left is no reason to refuse.** If all members are unhealthy, calls still go to the active rank, as that
//!   may be an error of the probes, unless the policy says otherwise ([`WhenLost`]); [`Event::Stuck`] tells, and the first
//!   member that is healthy takes over.
//! - **It does not flap**: after an automatic change, the next one comes [`Policy::hold`] later at the earliest. Back it goes by hand,
//!   or after the better member was healthy for long enough ([`Failback::Automatic`]); what an operator chose stays until it fails.

#[cfg(feature = "tower")]
mod call;
mod core;
mod load_balancer;
mod policy;
#[cfg(test)]
mod tests;
mod view;
mod word;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use evenkeel_units::Moment;

#[cfg(feature = "tower")]
pub use self::call::Silent;
pub use self::load_balancer::{Backend, Document, HealthCheck, LoadBalancer};
pub use self::policy::{Failback, Member, Policy, PolicyError, WhenLost};
pub use self::view::{
    Event, Evidence, Explanation, Listener, MemberSnapshot, Refused, Snapshot, Stuck, Switch, Why,
};

use self::core::{Core, Shared};
use self::word::Word;
use crate::sync::{Mutex, MutexGuard, locked};

/// Members of which one rank is active. To be shared: every method takes `&self`.
pub struct Failover<M> {
    /// In the order of their ranks.
    members: Box<[Member<M>]>,
    shared: Shared,
    core: Mutex<Core>,
    listener: Option<Listener>,
}

impl<M> fmt::Debug for Failover<M> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let active = self.shared.label(self.shared.word().rank);
        to.debug_struct("Failover").field("active", active).finish_non_exhaustive()
    }
}

/// Where a call goes.
#[derive(Debug)]
pub struct Pick<'a, M> {
    member: &'a Member<M>,
    index: usize,
    epoch: u32,
    is_refused: bool,
}

impl<'a, M> Pick<'a, M> {
    /// Who is called.
    pub const fn member(&self) -> &'a Member<M> {
        self.member
    }

    /// Its number, for [`Failover::refused`] and [`Failover::reached`].
    pub const fn index(&self) -> usize {
        self.index
    }

    /// Counts the changes of the active rank. After 4 billion it begins again.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether the member is unhealthy, nobody takes over, and the policy says to make no call then: [`WhenLost::Refuse`].
    pub const fn is_refused(&self) -> bool {
        self.is_refused
    }
}

impl<M> Failover<M> {
    /// Of members with ranks of their own. The lowest is active first; which numbers they are does not matter.
    ///
    /// # Errors
    /// Of members that cannot be told apart, or a policy that cannot be followed.
    pub fn try_new(
        members: impl IntoIterator<Item = Member<M>>,
        policy: Policy,
    ) -> Result<Self, PolicyError> {
        policy.check()?;
        let mut members: Vec<_> = members.into_iter().collect();
        policy::check_members(&members)?;
        members.sort_by_key(|it| it.rank);
        let ranks: Vec<Range<usize>> = (0..members.len())
            .filter(|it| *it == 0 || members[*it].rank != members[it - 1].rank)
            .map(|start| {
                let same = members[start..].iter().take_while(|it| it.rank == members[start].rank);
                start..start + same.count()
            })
            .collect();
        let shared = Shared::new(&members, ranks, &policy);
        let core = Mutex::new(Core::new(policy, &members));
        Ok(Self { members: members.into(), shared, core, listener: None })
    }

    /// One is active; the others take over in this order.
    ///
    /// # Errors
    /// As of [`try_new`](Self::try_new).
    pub fn active_passive<N: Into<Arc<str>>>(
        members: impl IntoIterator<Item = (N, M)>,
        policy: Policy,
    ) -> Result<Self, PolicyError> {
        let ranked = (0..).zip(members);
        Self::try_new(ranked.map(|(rank, (name, it))| Member::new(name, it).rank(rank)), policy)
    }

    /// All are active: calls go in turn to those that are not unhealthy.
    ///
    /// # Errors
    /// As of [`try_new`](Self::try_new).
    pub fn active_active<N: Into<Arc<str>>>(
        members: impl IntoIterator<Item = (N, M)>,
        policy: Policy,
    ) -> Result<Self, PolicyError> {
        Self::try_new(members.into_iter().map(|(name, it)| Member::new(name, it)), policy)
    }

    /// The same with somebody who is told what happens.
    pub fn listener(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// All members, in the order of their ranks; their numbers count from 0.
    pub fn members(&self) -> &[Member<M>] {
        &self.members
    }

    /// Where a call goes that is made now. Always somewhere, and whether it should be made says [`Pick::is_refused`].
    pub fn pick(&self, now: Moment) -> Pick<'_, M> {
        if self.shared.is_due(now) {
            self.change(|core, events| core.settle(&self.shared, now, events));
        }
        let Word { epoch, rank } = self.shared.word();
        let index = self.shared.turn(rank);
        let is_refused = self.shared.refuses(index);
        if !is_refused {
            self.shared.picked(index);
        }
        Pick { member: &self.members[index], index, epoch, is_refused }
    }

    /// Tells how a probe of a member ended, by its number; of none there is, nothing happens.
    pub fn probed(&self, now: Moment, member: usize, passed: bool) {
        self.change(|core, events| core.probed(&self.shared, now, member, passed, events));
    }

    /// Tells that a call could not reach a member: it was refused, or no connection came to stand. After as many in a row as
    /// [`Policy::refusals`] says, the member is unhealthy, and only probes bring it back.
    pub fn refused(&self, now: Moment, member: usize) {
        if self.shared.is_too_much(member) {
            self.change(|core, events| core.refused(&self.shared, now, member, events));
        }
    }

    /// Tells that a call reached a member, whatever it answered.
    pub fn reached(&self, member: usize) {
        self.shared.reached(member);
    }

    /// An operator says: back to the first rank.
    ///
    /// # Errors
    /// Why not: it is active already, or every member of it is unhealthy.
    pub fn failback(&self, now: Moment) -> Result<Switch, Refused> {
        self.change(|core, events| core.told(&self.shared, now, 0, Why::Failback, events))
    }

    /// An operator says: to the rank of the member with this name. The policy does not change that until the rank fails.
    ///
    /// # Errors
    /// Why not: there is none of this name, it is active already, or every member of its rank is unhealthy.
    pub fn switch_to(&self, now: Moment, name: &str) -> Result<Switch, Refused> {
        let member = self.named(name)?;
        let rank = self.shared.rank_of(member);
        self.change(|core, events| core.told(&self.shared, now, rank, Why::Told, events))
    }

    /// An operator knows better: to the rank of the member with this name, whose health is unknown from now on. It is left again when it
    /// fails anew.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn force_to(&self, now: Moment, name: &str) -> Result<(), Refused> {
        let member = self.named(name)?;
        self.change(|core, events| core.forced(&self.shared, now, member, events));
        Ok(())
    }

    fn named(&self, name: &str) -> Result<usize, Refused> {
        let found = self.members.iter().position(|it| &*it.name == name);
        found.ok_or_else(|| Refused::Nobody { name: name.into() })
    }

    /// Takes another policy, from now on. Who is active, and how members are, stays.
    ///
    /// # Errors
    /// Of a policy that cannot be followed; then the old one stays.
    pub fn reload(&self, now: Moment, policy: Policy) -> Result<(), PolicyError> {
        policy.check()?;
        self.change(|core, events| core.reload(&self.shared, now, policy, events));
        Ok(())
    }

    /// All numbers.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().snapshot(&self.shared)
    }

    /// Why the active rank is, and what would change it.
    pub fn explain(&self, now: Moment) -> Explanation {
        let core = self.lock();
        let snapshot = core.snapshot(&self.shared);
        Explanation { now, snapshot, policy: core.policy().clone() }
    }

    fn change<T>(&self, by: impl FnOnce(&mut Core, &mut Vec<Event>) -> T) -> T {
        let mut events = Vec::new();
        let answer = by(&mut self.lock(), &mut events);
        if let Some(listener) = &self.listener {
            events.iter().for_each(|it| listener(it));
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // Nothing under the lock calls what others wrote, or leaves things half done.
        locked(&self.core)
    }
}
