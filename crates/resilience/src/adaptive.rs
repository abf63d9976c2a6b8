//! Adaptive concurrency: a bulkhead that finds its own size.
//!
//! ```text
//!  limit ▲       grows while calls take as long as usual     ╭───╮  ╭──────
//!        │                                     ╭─────────────╯   ╰╮ │
//!        │         ╭───────────────────────────╯  a probe: half,  │ │
//!        │   ╭─────╯           and half of it, to measure usual ─▶╰─╯
//!        └──────────────────────────────────────────────────────────▶ time
//! ```
//!
//! How many calls at once a neighbour can bear is its capacity times its latency (Little's law), and both change with each
//! release and each node. One more call than that waits in a queue over there, where it takes memory and time and makes nobody's
//! answer come earlier. That queue is felt here: calls take longer than usual. So the limit of a [`Bulkhead`] follows latency. Four times
//! a second by default it is set to `limit · usual latency / latency now + headroom`, smoothed ([`Gradient`]); or it goes up by one while all
//! is well and down by a tenth when not ([`Aimd`]).
//!
//! **When to use it**: before a neighbour that does more or less as it is scaled, deployed and shared; at the door of a service that
//! does not know what it can bear. **When not**: where the number is known (a pool of ten connections: [`bulkhead`]); for calls
//! that differ by orders of magnitude in what they cost, whose mean says nothing (give each kind one of its own); below some ten calls a
//! second, from which nothing is learned.
//!
//! ```
//! use evenkeel_resilience::{Adaptive, Error, adaptive::Policy};
//!
//! # #[cfg(feature = "tower")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let prices = Adaptive::try_new(Policy::default())?;
//! let price = prices.call(|| async { Ok::<_, Error<std::io::Error>>(42) }).await;
//! assert!(matches!(price, Ok(42)));
//! assert_eq!(prices.snapshot().bulkhead.limit, 20);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tower"))]
//! # fn main() {}
//! ```
//!
//! **What is seen.** Calls add their latency to a few atomic words; the first one that ends after a window is over looks at
//! them, under a lock that nobody waits for. A call that was given up while it took longer than the last mean counts with the time that it had
//! taken. What [`Signals`] calls an overload (a timeout, a rejection by who was called) halves the right limit. Errors that come
//! fast say nothing. While less than half of the limit is used, it does not grow: nothing says that more would be borne.
//!
//! **What is usual** is an average over minutes, and measured anew every 30 s: for a window half as many calls are let through, then
//! half of that, until that makes them no faster; what they take then is usual from there on. Without that an overload would become usual,
//! and a neighbour that is slower for good would be starved for as long as the average takes. Where half of the limit is
//! not used, nothing has to be held back.
//!
//! **Errors**: [`Error::Full`], as of a bulkhead.
//!
//! Sources: Netflix, *Performance Under Load*, 2018, and `Gradient2Limit` and `AIMDLimit` of its `concurrency-limits`; for the
//! probe and the square root, Envoy's adaptive concurrency filter; D. Chiu and R. Jain, "Analysis of the Increase and Decrease Algorithms for
//! Congestion Avoidance", 1989.

mod estimate;
#[cfg(feature = "tower")]
mod measure;
mod policy;
mod probe;
mod window;

use std::fmt;
use std::sync::{Arc, TryLockError};
use std::time::Duration;

use evenkeel_units::{Moment, nanos};

use crate::bulkhead::{self, Bulkhead};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use crate::sync::{Mutex, MutexGuard, locked};
use crate::{Error, TimeLimit};

#[cfg(feature = "tower")]
pub(crate) use measure::Running;
pub use policy::{Aimd, Algorithm, Gradient, Policy, PolicyError};

use estimate::Estimate;
use probe::{Probe, Step};
use window::Window;

/// What the end of a call says of who was called.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Its latency counts.
    Latency,
    /// It was too much: a timeout, or a rejection by who was called.
    Overload,
    /// Nothing.
    Nothing,
}

/// Tells what results say. A closure `Fn(Result<&T, &Error<E>>) -> Signal` is one.
pub trait Signals<T, E> {
    /// What one of them says.
    fn signal(&self, result: Result<&T, &Error<E>>) -> Signal;
}

impl<T, E, F: Fn(Result<&T, &Error<E>>) -> Signal> Signals<T, E> for F {
    fn signal(&self, result: Result<&T, &Error<E>>) -> Signal {
        self(result)
    }
}

/// What is used where nothing else is given.
///
/// | result | signal |
/// |---|---|
/// | `Ok` | its latency |
/// | `Timeout`, but of all attempts | overload |
/// | `Full`, `Limited`, `Shed`, of what stands inside | overload |
/// | every other error | nothing: it may have come before any work was done |
#[derive(Copy, Clone, Debug, Default)]
pub struct Errors;

impl<T, E> Signals<T, E> for Errors {
    fn signal(&self, result: Result<&T, &Error<E>>) -> Signal {
        match result {
            Ok(_) => Signal::Latency,
            Err(Error::Timeout(TimeLimit::Total)) => Signal::Nothing,
            Err(Error::Timeout(_) | Error::Full | Error::Limited { .. } | Error::Shed) => {
                Signal::Overload
            }
            Err(_) => Signal::Nothing,
        }
    }
}

/// What happened, for a listener.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Another number of calls at once is right.
    Limit {
        /// When.
        at: Moment,
        /// The limit before.
        from: u32,
        /// The limit now.
        to: u32,
    },
    /// For a window fewer calls are let through, to measure what is usual.
    Probe {
        /// When.
        at: Moment,
        /// So many calls at once.
        limit: u32,
    },
    /// What is usual was measured.
    Probed {
        /// When.
        at: Moment,
        /// The usual latency.
        usual: Duration,
    },
    /// A call got no place.
    Rejected {
        /// Why.
        why: bulkhead::Rejected,
    },
}

/// What is known and was done so far, for dashboards. All counts only grow.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The places: how many there are, and who is in them.
    pub bulkhead: bulkhead::Snapshot,
    /// The usual latency; zero while nothing is known, and by [`Aimd`], which needs none.
    pub usual: Duration,
    /// The mean latency of the last window.
    pub latest: Duration,
    /// Whether a probe is under way.
    pub is_probing: bool,
    /// Windows after which there were more places.
    pub raised: u64,
    /// Windows after which there were fewer.
    pub lowered: u64,
    /// Times that what is usual was measured.
    pub probes: u64,
    /// Calls that were too much.
    pub overloads: u64,
}

/// A call that began; see [`Adaptive::begin`].
#[derive(Copy, Clone, Debug)]
pub struct Started {
    began: Moment,
    in_flight: u32,
}

/// Who listens to events. It is called where they happen, so it must be quick.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

#[derive(Debug)]
struct State {
    policy: Policy,
    estimate: Estimate,
    probe: Probe,
}

#[derive(Debug, Default)]
struct Counters {
    raised: AtomicU64,
    lowered: AtomicU64,
    probes: AtomicU64,
    overloads: AtomicU64,
}

/// Finds the limit of a [`Bulkhead`]. Shared by all calls; see the [module](self).
pub struct Adaptive {
    bulkhead: Arc<Bulkhead>,
    window: Window,
    /// Of the policy, for each call.
    length: AtomicU64,
    samples_min: AtomicU32,
    /// Calls that began before count for nothing; when a probe is given up, else never. In nanoseconds.
    since: AtomicU64,
    give_up: AtomicU64,
    /// The mean of the last window, in nanoseconds.
    latest: AtomicU64,
    state: Mutex<State>,
    counters: Counters,
    listener: Option<Listener>,
}

impl Adaptive {
    /// By this policy.
    ///
    /// # Errors
    /// As [`Policy::check`].
    pub fn try_new(policy: Policy) -> Result<Self, PolicyError> {
        policy.check()?;
        let bulkhead = Arc::new(Bulkhead::try_new(policy.bulkhead(policy.initial))?);
        let estimate = Estimate::new(policy.initial);
        Ok(Self {
            bulkhead,
            window: Window::default(),
            length: AtomicU64::new(nanos(policy.window)),
            samples_min: AtomicU32::new(policy.samples_min),
            since: AtomicU64::new(0),
            give_up: AtomicU64::new(u64::MAX),
            latest: AtomicU64::new(u64::MAX),
            state: Mutex::new(State { policy, estimate, probe: Probe::Unplanned }),
            counters: Counters::default(),
            listener: None,
        })
    }

    /// The same with somebody who listens. To be given first: places that [`Self::bulkhead`] has shared before do not tell who got
    /// none.
    pub fn listener(mut self, listener: Listener) -> Self {
        if let Some(places) = Arc::get_mut(&mut self.bulkhead) {
            let to = Arc::clone(&listener);
            places.listen(Arc::new(move |it| {
                let bulkhead::Event::Rejected { why } = *it;
                to(&Event::Rejected { why });
            }));
        }
        Self { listener: Some(listener), ..self }
    }

    /// The places, whose number is found here. A permit of it belongs around each call.
    pub const fn bulkhead(&self) -> &Arc<Bulkhead> {
        &self.bulkhead
    }

    /// Begins a call that has its permit.
    #[inline]
    pub fn begin(&self, now: Moment) -> Started {
        Started { began: now, in_flight: self.bulkhead.in_flight() }
    }

    /// Tells how a call ended.
    pub fn end(&self, now: Moment, started: Started, signal: Signal) {
        if nanos(started.began.elapsed()) < self.since.load(Relaxed) {
            return;
        }
        match signal {
            Signal::Latency => self.window.add(now - started.began, started.in_flight),
            Signal::Overload => {
                self.counters.overloads.fetch_add(1, Relaxed);
                self.window.overload(started.in_flight);
            }
            Signal::Nothing => {}
        }
        if self.is_over(now) {
            self.look(now);
        }
    }

    /// Tells that a call was dropped before its end: one that took longer than the last mean was slow, and of any other nobody
    /// knows.
    pub fn abandoned(&self, now: Moment, started: Started) {
        let is_slow = nanos(now - started.began) >= self.latest.load(Relaxed);
        let signal = if is_slow { Signal::Latency } else { Signal::Nothing };
        self.end(now, started, signal);
    }

    fn is_over(&self, now: Moment) -> bool {
        let length = Duration::from_nanos(self.length.load(Relaxed));
        self.window.is_over(now, length, self.samples_min.load(Relaxed)) || self.is_given_up(now)
    }

    fn is_given_up(&self, now: Moment) -> bool {
        nanos(now.elapsed()) >= self.give_up.load(Relaxed)
    }

    /// Looks at what a window says.
    #[cold]
    fn look(&self, now: Moment) {
        // One does it, and the others go on. Who panicked there before left whole numbers: see `lock`.
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if !self.is_over(now) {
            return;
        }
        let is_given_up = self.is_given_up(now);
        let seen = self.window.turn(now);
        if let Some(latency) = seen.latency {
            self.latest.store(nanos(latency), Relaxed);
        }
        let State { policy, estimate, probe } = &mut *state;
        let before = estimate.limit();
        if !probe.is_now() {
            estimate.follow(policy, seen);
        }
        let limit = estimate.limit();
        let (mut places, mut told) = (limit, None);
        if let Algorithm::Gradient(by) = policy.algorithm {
            match probe.next(
                policy,
                limit,
                now,
                seen.latency.filter(|_| !is_given_up),
                seen.in_flight_max,
            ) {
                Step::Wait => {}
                Step::Later => *probe = Probe::At(now + by.probe_every),
                Step::Hold { limit, latency } => {
                    *probe = Probe::Now { limit, before: latency };
                    places = limit;
                    told = Some(Event::Probe { at: now, limit });
                }
                Step::Measured { usual } => {
                    estimate.measured(usual);
                    *probe = Probe::At(now + by.probe_every);
                    self.counters.probes.fetch_add(1, Relaxed);
                    told = Some(Event::Probed { at: now, usual });
                }
            }
            let (since, give_up) = match probe.is_now() {
                true => (now, now + by.probe_every / 3),
                false => (Moment::START, NEVER),
            };
            self.since.store(nanos(since.elapsed()), Relaxed);
            self.give_up.store(nanos(give_up.elapsed()), Relaxed);
        }
        self.bulkhead.limit_to(places);
        drop(state);
        told.iter().for_each(|it| self.tell(it));
        if limit != before {
            let is_more = limit > before;
            let count = if is_more { &self.counters.raised } else { &self.counters.lowered };
            count.fetch_add(1, Relaxed);
            self.tell(&Event::Limit { at: now, from: before, to: limit });
        }
    }

    /// The policy now.
    pub fn policy(&self) -> Policy {
        self.lock().policy.clone()
    }

    /// Goes on by another policy: the limit stays where it is, within the new bounds, and so does what is known.
    ///
    /// # Errors
    /// As [`Policy::check`]; then the old policy stays.
    pub fn reload(&self, policy: Policy) -> Result<(), PolicyError> {
        policy.check()?;
        let mut state = self.lock();
        state.estimate.bound(&policy);
        self.bulkhead.reload(&policy.bulkhead(state.estimate.limit()))?;
        self.length.store(nanos(policy.window), Relaxed);
        self.samples_min.store(policy.samples_min, Relaxed);
        // A probe that was under way is no more: the limit is whole again.
        self.since.store(0, Relaxed);
        self.give_up.store(u64::MAX, Relaxed);
        state.probe = Probe::Unplanned;
        state.policy = policy;
        Ok(())
    }

    /// What is known and was done so far.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        let (usual, is_probing) = (state.estimate.usual(), state.probe.is_now());
        drop(state);
        let latest = match self.latest.load(Relaxed) {
            u64::MAX => Duration::ZERO,
            nanos => Duration::from_nanos(nanos),
        };
        Snapshot {
            bulkhead: self.bulkhead.snapshot(),
            usual,
            latest,
            is_probing,
            raised: self.counters.raised.load(Relaxed),
            lowered: self.counters.lowered.load(Relaxed),
            probes: self.counters.probes.load(Relaxed),
            overloads: self.counters.overloads.load(Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Numbers cannot be left half done, whoever panicked.
        locked(&self.state)
    }

    fn tell(&self, event: &Event) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }
}

impl fmt::Debug for Adaptive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adaptive").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}

const NEVER: Moment = Moment::at(Duration::MAX);

#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests;
