//! Balancer: calls are spread over endpoints that do the same, and those that are unwell get none.
//!
//! ```text
//!             all endpoints
//!                  │  said to be unhealthy (active), or ejected by how calls ended (passive)? ──▶ not called
//!                  ▼                       …unless so few are left that all are called: panic
//!          those that may be called
//!                  │  strategy
//!                  ▼
//!                 one ──▶ call ──▶ how it ended, and how long it took
//! ```
//!
//! **When to use it**: where a client knows several instances of a service. **When not**: where one address stands for all of
//! them (a load balancer or a mesh does this already, and two that eject disagree); where instances are not alike (a primary and its
//! standby are a failover's business).
//!
//! # Which strategy
//!
//! | strategy | use it | mind |
//! |---|---|---|
//! | [`PeakEwma`](Strategy::PeakEwma) (default) | nearly always: latency differs from endpoint to endpoint, or from minute to minute | it needs answers to learn from: with a call a minute it is a draw by lot |
//! | [`LeastConnections`](Strategy::LeastConnections) | calls differ much in length (streams, queries), or their length says nothing of the endpoint | it looks at every endpoint: best up to some hundred; an endpoint that fails fast looks idle, so keep [`Outliers`] on |
//! | [`RoundRobin`](Strategy::RoundRobin) | calls and endpoints are alike; tests; where exact shares are wanted, as in a rollout by weights | a slow endpoint gets as much as the others; with unequal weights it takes a lock and looks at every endpoint |
//! | [`ConsistentHash`](Strategy::ConsistentHash) | endpoints hold something by key: caches, sessions, shards | a hot key makes a hot endpoint: set [`load_max_percent`](ConsistentHash::load_max_percent); slow start does not apply |
//!
//! The consistent hash is a [Maglev](ConsistentHash) table, as a look-up costs the same whatever the number of endpoints, and shares are even
//! without thousands of points on a ring; the price is that, beside the share of an endpoint that comes or goes, a few percent of the other keys move.
//! While an endpoint may not be called, its keys spread over the others, and no other key moves.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use evenkeel_resilience::balance::{Balancer, Member, Outliers, Policy, Strategy};
//! use evenkeel_resilience::breaker::Outcome;
//! use evenkeel_resilience::Moment;
//!
//! let policy = Policy {
//!     outliers: Some(Outliers::consecutive(1)),
//!     ..Policy::of(Strategy::RoundRobin)
//! };
//! let balancer = Balancer::try_new(policy)?;
//! let now = Moment::at(Duration::from_secs(1));
//! balancer.replace(now, ["a", "b", "c"].map(|it| Member::new(it, format!("http://{it}:8080"))))?;
//!
//! let ticket = balancer.admit(now, None).ok_or("nobody to call")?;
//! assert_eq!(ticket.endpoint().value(), "http://a:8080");
//! // … the call itself happens out here …
//! balancer.record(now, ticket, Outcome::Failure);
//! assert_eq!(
//!     balancer.explain(now, "a").ok_or("gone")?.to_string(),
//!     "`a` is not called: it is put aside for 30s more, because a call failed"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `tower`, [`Balancer::call`] does it around a future, and
//! [`BalanceService`](crate::layer::BalanceService) and [`BalanceLayer`](crate::layer::BalanceLayer) around services.
//!
//! # Health
//!
//! *Active*: who probes an endpoint says how it is by [`Endpoint::set_healthy`]; [`Balancer::watch`] does, for all of them. *Passive*: [`Outliers`] are ejected by how calls to them
//! end, for longer each time, and come back by themselves; what was held against them is forgotten then. Both must be
//! well for an endpoint to be called. A call that was not made ([`Error::is_rejection`]) says nothing of an endpoint, but for one that
//! an endpoint's own circuit refused: then nobody else is sent there until that admits a trial ([`Balancer::refused`]).
//! An endpoint that is new or back can come to its full share [slowly](SlowStart). If fewer than a share of them may be called, all are:
//! that is [panic](Policy::panic), which is told and counted, as traffic to endpoints that are ejected surprises who does not know.
//!
//! # Errors
//!
//! [`Error::Unavailable`] if there is no endpoint that may be called; no call was made then, and to try again at once is in vain.
//! All other errors are those of the call. To try another endpoint after a failure is the business of a [`Retry`](crate::Retry) around the
//! balancer, with [`Errors::elsewhere`](crate::retry::Errors::elsewhere): what one endpoint rejects, the next may take.
//!
//! # What it costs
//!
//! A pick reads a set that is made anew only when somebody comes, goes, is put aside or comes back, under a lock that readers share; counts are atomic,
//! and nothing is allocated. A set is exchanged as a whole: a call under way on an endpoint that is removed ends as any other.
//!
//! Deliberately absent: localities and priorities (a balancer for each, and a failover between them); discovery (tell it by
//! [`Balancer::replace`]).

mod alarm;
#[cfg(feature = "tower")]
mod call;
mod core;
mod endpoint;
mod latency;
mod maglev;
mod outliers;
mod pick;
mod policy;
mod set;
#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests;
mod view;
#[cfg(feature = "tower")]
mod watched;

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::mem;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use evenkeel_units::{Choices, Moment, Seed};

#[cfg(doc)]
use crate::Error;
use crate::breaker::Outcome;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use crate::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, locked};

pub use self::core::MemberError;
pub use self::endpoint::{Endpoint, Member, Ticket};
pub use self::pick::Pick;
pub use self::policy::{
    ConsistentHash, FailureShare, Outliers, PeakEwma, Policy, PolicyError, SlowStart, Strategy,
    SuccessRate,
};
pub use self::view::{EndpointSnapshot, Event, Explanation, Listener, Reason, Snapshot};

use self::alarm::Alarm;
#[cfg(feature = "tower")]
pub(crate) use self::alarm::Waiting;
use self::core::Core;
use self::latency::{Decay, Said};
use self::set::Set;

/// A key for a [`ConsistentHash`]: of the same bytes the same, in every process and version.
pub fn key(of: &[u8]) -> u64 {
    maglev::hash(of)
}

/// Spreads calls over endpoints. To be shared: every method takes `&self`. See the [module](self).
pub struct Balancer<T> {
    set: RwLock<Set<T>>,
    core: Mutex<Core<T>>,
    alarm: Arc<Alarm>,
    /// Counts the picks, which rotates, and makes each choice another.
    turn: AtomicU64,
    choices: Choices,
    /// How latency is estimated: see [`Decay::bits`].
    decay: AtomicU64,
    /// Failures in a row that eject; 0 for never.
    consecutive: AtomicU32,
    unavailable: AtomicU64,
    panic_picks: AtomicU64,
    listener: Option<Listener>,
}

impl<T> fmt::Debug for Balancer<T> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Balancer").field("endpoints", &self.endpoints()).finish_non_exhaustive()
    }
}

impl<T> Balancer<T> {
    /// Without an endpoint, and with a chance of its own.
    ///
    /// # Errors
    /// As [`Policy::check`].
    pub fn try_new(policy: Policy) -> Result<Self, PolicyError> {
        // Clients must not all choose alike; the standard library seeds its maps from the system.
        Self::seeded(policy, Seed(RandomState::new().hash_one(0u8)))
    }

    /// The same with choices that repeat for the same seed.
    ///
    /// # Errors
    /// As [`Policy::check`].
    pub fn seeded(policy: Policy, seed: Seed) -> Result<Self, PolicyError> {
        policy.check()?;
        let decay = Decay::from(policy.peak_ewma());
        let consecutive = AtomicU32::new(consecutive(&policy));
        Ok(Self {
            set: RwLock::new(Set::empty(policy.strategy, decay)),
            core: Mutex::new(Core::new(policy)),
            alarm: Arc::default(),
            turn: AtomicU64::new(0),
            choices: seed.choices("balance"),
            decay: AtomicU64::new(decay.bits()),
            consecutive,
            unavailable: AtomicU64::new(0),
            panic_picks: AtomicU64::new(0),
            listener: None,
        })
    }

    /// The same with somebody who is told what happens.
    pub fn listener(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// Adds an endpoint. One of the same name is exchanged for it, with all that was known of it; calls under way there go on.
    ///
    /// # Errors
    /// When its weight is not 1 to 10,000, or there are 4,096 endpoints already; nothing has changed then.
    pub fn insert(&self, now: Moment, member: Member<T>) -> Result<Arc<Endpoint<T>>, MemberError> {
        let (endpoint, weight) = self.taken(member);
        let before = self.change(now, |core, _| core.insert(now, &endpoint, weight))?;
        drop(before);
        Ok(endpoint)
    }

    /// Removes an endpoint, and gives it if there was one. Calls under way there go on.
    pub fn remove(&self, now: Moment, name: &str) -> Option<Arc<Endpoint<T>>> {
        self.change(now, |core, _| core.remove(now, name)).map(|it| it.endpoint)
    }

    /// Takes these endpoints and no others, as discovery finds them. One whose name is known stays as it is, its value and all
    /// that is known of it included, and takes the weight only; to exchange its value, [`insert`](Self::insert) it.
    ///
    /// # Errors
    /// When a weight is not 1 to 10,000, two have one name, or there are more than 4,096; nothing has changed then.
    pub fn replace(
        &self,
        now: Moment,
        members: impl IntoIterator<Item = Member<T>>,
    ) -> Result<(), MemberError> {
        let members: Vec<_> = members.into_iter().map(|it| self.taken(it)).collect();
        self.change(now, |core, _| core.replace(now, &members)).map(drop)
    }

    /// The endpoint of a name.
    pub fn endpoint(&self, name: &str) -> Option<Arc<Endpoint<T>>> {
        let core = self.lock();
        core.find(name).map(|at| Arc::clone(&core.entries[at].endpoint))
    }

    /// All endpoints, in the order in which they came: for who probes them.
    pub fn endpoints(&self) -> Vec<Arc<Endpoint<T>>> {
        self.lock().entries.iter().map(|it| Arc::clone(&it.endpoint)).collect()
    }

    /// Whom to call; that counts as a call under way. `None` if there is nobody. With a `key`, a [`ConsistentHash`] gives the endpoint that it
    /// belongs to, and without one any; to other strategies it means nothing.
    #[inline]
    pub fn admit(&self, now: Moment, key: Option<u64>) -> Option<Ticket<T>> {
        let endpoint = self.choose(now, key)?;
        Some(Self::begin(now, endpoint))
    }

    /// Whom to call, without counting it.
    #[inline]
    pub(crate) fn choose(&self, now: Moment, key: Option<u64>) -> Option<Arc<Endpoint<T>>> {
        if self.alarm.is_due(now) {
            self.tick(now);
        }
        let turn = self.turn.fetch_add(1, Relaxed);
        let set = self.set();
        if set.is_panic {
            self.panic_picks.fetch_add(1, Relaxed);
        }
        match set.choose(now, turn, self.choices.bits(turn), key) {
            Some(slot) => Some(Arc::clone(&slot.endpoint)),
            None => {
                self.unavailable.fetch_add(1, Relaxed);
                None
            }
        }
    }

    /// Counts a call as under way from now on.
    #[inline]
    pub(crate) fn begin(now: Moment, endpoint: Arc<Endpoint<T>>) -> Ticket<T> {
        endpoint.in_flight.fetch_add(1, Relaxed);
        Ticket { endpoint, started: now }
    }

    /// Tells how a call went, that ends now.
    #[inline]
    pub fn record(&self, now: Moment, ticket: Ticket<T>, outcome: Outcome) {
        let Ticket { endpoint, started } = ticket;
        endpoint.in_flight.fetch_sub(1, Relaxed);
        match outcome {
            Outcome::Success => {
                endpoint.latency.observe(now, now - started, Said::Answer, self.decay());
                endpoint.succeeded.fetch_add(1, Relaxed);
                if endpoint.streak.load(Relaxed) != 0 {
                    endpoint.streak.store(0, Relaxed);
                }
                if endpoint.is_shut.load(Relaxed) {
                    self.change(now, |core, events| core.opened(now, &endpoint, events));
                }
            }
            Outcome::Failure => {
                endpoint.latency.observe(now, now - started, Said::Failure, self.decay());
                endpoint.failed.fetch_add(1, Relaxed);
                let failures = endpoint.streak.fetch_add(1, Relaxed).saturating_add(1);
                let most = self.consecutive.load(Relaxed);
                // Again and again, as it may be that too many others were ejected the first time.
                if most != 0 && failures.is_multiple_of(most) {
                    let reason = Reason::Consecutive { failures };
                    self.change(now, |core, events| core.eject(now, &endpoint, reason, events));
                }
            }
        }
    }

    /// Ends a call that says nothing of the endpoint: one that was not made after all, or a bad request.
    pub fn release(&self, ticket: Ticket<T>) {
        ticket.endpoint.in_flight.fetch_sub(1, Relaxed);
        ticket.endpoint.ignored.fetch_add(1, Relaxed);
    }

    /// Ends a call that the endpoint refused itself, as one whose own circuit is open does at once: it is put aside until `after` has passed
    /// or a call there succeeds, also in a panic. Else it would have no call under way, look idle, and draw the more of them. Calls
    /// through [`call`](Self::call) and the services that end with [`Error::Open`] are told here.
    pub fn refused(&self, now: Moment, ticket: Ticket<T>, after: Duration) {
        let endpoint = Arc::clone(&ticket.endpoint);
        self.release(ticket);
        self.change(now, |core, events| core.shut(now, &endpoint, now + after, events));
    }

    /// Ends a call that was cancelled now. If it had taken longer than the endpoint is taken to need, that is what it needs from now on;
    /// else it says nothing, as impatience says nothing of the endpoint. One that has not answered so far needs
    /// [`PeakEwma::first`] at the least.
    pub fn abandon(&self, now: Moment, ticket: Ticket<T>) {
        let Ticket { endpoint, started } = ticket;
        endpoint.in_flight.fetch_sub(1, Relaxed);
        endpoint.latency.observe(now, now - started, Said::Nothing, self.decay());
        endpoint.cancelled.fetch_add(1, Relaxed);
    }

    /// Takes in what was said of health, and what is due: ejections that are over, the judgement of an interval. Every pick does so where
    /// there is something; call it where events have to come without picks.
    pub fn tick(&self, now: Moment) {
        self.change(now, |_, _| ());
    }

    /// Takes another policy, from the next pick on. Endpoints, what is known of them and ejections stay, unless outliers are off now.
    ///
    /// # Errors
    /// As [`Policy::check`]; then the old policy stays.
    pub fn reload(&self, now: Moment, policy: Policy) -> Result<(), PolicyError> {
        policy.check()?;
        self.consecutive.store(consecutive(&policy), Relaxed);
        self.decay.store(Decay::from(policy.peak_ewma()).bits(), Relaxed);
        self.change(now, |core, events| core.reload(now, policy, events));
        Ok(())
    }

    /// The policy now.
    pub fn policy(&self) -> Policy {
        self.lock().policy.clone()
    }

    /// All numbers.
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        self.tick(now);
        let core = self.lock();
        let set = self.set();
        Snapshot {
            strategy: core.policy.strategy.name(),
            available: core.count().0,
            is_panic: set.is_panic,
            picks_total: self.turn.load(Relaxed),
            unavailable_total: self.unavailable.load(Relaxed),
            panic_picks_total: self.panic_picks.load(Relaxed),
            panics_total: core.panics(),
            ejections_refused_total: core.refused(),
            endpoints: (core.entries.iter().zip(set.slots()))
                .map(|(entry, slot)| core.snapshot(entry, set.weight(slot, now) as f64 / 1e3))
                .collect(),
        }
    }

    /// Why the endpoint of a name is called, or is not; `None` if there is none.
    pub fn explain(&self, now: Moment, name: &str) -> Option<Explanation> {
        let Snapshot { available, endpoints, .. } = self.snapshot(now);
        let total = endpoints.len();
        let endpoint = endpoints.into_iter().find(|it| &*it.name == name)?;
        Some(Explanation { now, endpoint, available: (available, total) })
    }

    /// Outside of the lock, as what is not taken after all is dropped, and that is what others wrote.
    fn taken(&self, member: Member<T>) -> (Arc<Endpoint<T>>, u32) {
        let Member { name, value, weight } = member;
        (Arc::new(Endpoint::new(name, value, Arc::clone(&self.alarm))), weight)
    }

    /// Changes what is under the lock, thinks over who may be called, and tells what happened.
    fn change<R>(&self, now: Moment, by: impl FnOnce(&mut Core<T>, &mut Vec<Event>) -> R) -> R {
        let mut events = Vec::new();
        let mut core = self.lock();
        self.alarm.disarm();
        core.tick(now, &mut events);
        let answer = by(&mut core, &mut events);
        let old = core.set(now, &mut events).map(|new| {
            mem::replace(&mut *self.set.write().unwrap_or_else(PoisonError::into_inner), new)
        });
        self.alarm.arm(core.due());
        drop(core);
        #[cfg(feature = "tower")]
        if old.is_some() {
            self.alarm.wake();
        }
        drop(old);
        if let Some(listener) = &self.listener {
            events.iter().for_each(|it| listener(it));
        }
        answer
    }

    fn set(&self) -> RwLockReadGuard<'_, Set<T>> {
        self.set.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Core<T>> {
        // Nothing under the lock calls what others wrote, or leaves things half done.
        locked(&self.core)
    }

    fn decay(&self) -> Decay {
        Decay::of_bits(self.decay.load(Relaxed))
    }
}

fn consecutive(policy: &Policy) -> u32 {
    policy.outliers.and_then(|it| it.consecutive).unwrap_or(0)
}
