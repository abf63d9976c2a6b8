//! Bulkhead: only so many calls at once, and only so many that wait for a place.
//!
//! ```text
//!  callers ──▶ try the place ──▶ under way (at most `limit`) ──▶ answer
//!                   │ none free            ▲
//!                   ▼                      │ who came first goes first
//!              in the queue (at most `queue`, each for at most `wait`)
//!                   │ queue full, or waited too long
//!                   ▼
//!               rejected
//! ```
//!
//! A slow neighbour takes no more of a service than the places of its bulkhead: threads, memory and connections for
//! everybody else are left. What the queue holds is bounded in number and in time, since a queue that grows without bound
//! turns an overload into answers that nobody waits for any more.
//!
//! **When to use it**: around every neighbour that is called over the network, and around every resource of which there
//! are few (a pool of connections, a licence, a disk). One bulkhead for each neighbour, shared by all its callers.
//!
//! **When not**: to limit calls *a second* ([the rate limiter's](crate::limit) business: a bulkhead lets a fast neighbour be called
//! as often as it answers), or where the right number changes by the hour ([`adaptive`](crate::adaptive) finds it).
//!
//! ```
//! use std::sync::Arc;
//! use evenkeel_resilience::{Error, bulkhead::{Bulkhead, Policy}};
//!
//! # #[cfg(feature = "tower")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let prices = Arc::new(Bulkhead::try_new(Policy { limit: 10, ..Policy::default() })?);
//!
//! let price = prices.call(|| async { Ok::<_, Error<std::io::Error>>(42) }).await;
//! assert!(matches!(price, Ok(42)));
//!
//! // Without a future: a permit gives its place back when it is dropped, also by a panic or a cancelled task.
//! let permit = prices.try_enter()?;
//! assert_eq!(prices.snapshot().in_flight, 1);
//! drop(permit);
//! assert_eq!(prices.snapshot().in_flight, 0);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tower"))]
//! # fn main() {}
//! ```
//!
//! **How it works.** Free places and the number of those who wait share one atomic word. While nobody waits, to enter and to
//! leave are one compare-and-swap each and nothing is allocated. Once somebody waits, a place that becomes free is handed
//! to the first in the queue under a lock, so that nobody who comes later overtakes; a [`Waiter`] that is dropped leaves the
//! queue, and hands its place on if it had been given one meanwhile, so that no wake-up is lost. The models in
//! `tests/loom` try how threads may interleave here.
//!
//! The pattern is the bulkhead of M. Nygard, *Release It!*, 2nd ed. 2018, ch. 5.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use evenkeel_units::nanos;

use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, locked};

#[cfg(feature = "tower")]
mod enter;
#[cfg(feature = "tower")]
mod pool;
mod wait;
mod word;

#[cfg(feature = "tower")]
pub use enter::Enter;
#[cfg(feature = "tower")]
pub use pool::Pool;
pub use wait::Waiter;

use crate::queue::Queue;
use word::Word;

/// As many places as are counted.
pub(crate) const PLACES_MAX: u32 = Word::PLACES_MAX;

/// How many calls, and how many that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Policy {
    /// Calls under way at the same time, from 1 to 2,147,483,647. In files also `max_concurrent`.
    #[cfg_attr(feature = "serde", serde(alias = "max_concurrent"))]
    pub limit: u32,
    /// Calls that may wait for a place; 0 rejects at once. In files also `queue_size`.
    #[cfg_attr(feature = "serde", serde(alias = "queue_size"))]
    pub queue: u32,
    /// For how long each of them may wait. Not zero if there is a queue.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub wait: Duration,
}

impl Default for Policy {
    /// 25 calls at once, which is what resilience4j allows; as many that wait, so that a full queue costs about the time of
    /// one call; for 100 ms at most, as a caller that is told "full" soon can still do something else.
    fn default() -> Self {
        Self { limit: 25, queue: 25, wait: Duration::from_millis(100) }
    }
}

impl Policy {
    /// So many calls at once, and nobody waits.
    pub const fn at_once(limit: u32) -> Self {
        Self { limit, queue: 0, wait: Duration::ZERO }
    }

    /// Whether the values go together.
    ///
    /// # Errors
    /// The field that does not fit, and what to write instead.
    pub const fn check(&self) -> Result<(), PolicyError> {
        if self.limit == 0 {
            return Err(PolicyError::NoPlace);
        }
        if self.limit > Word::PLACES_MAX {
            return Err(PolicyError::TooManyPlaces { limit: self.limit });
        }
        if self.queue > 0 && self.wait.is_zero() {
            return Err(PolicyError::NoWait { queue: self.queue });
        }
        Ok(())
    }
}

/// Why a [`Policy`] cannot be followed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A bulkhead without a place.
    #[error(
        "`limit` is 0, which lets no call through: write at least 1 (to stop all calls, force a breaker open)"
    )]
    NoPlace,
    /// More places than are counted.
    #[error("`limit` is {limit}, more than can be counted: write at most {}", Word::PLACES_MAX)]
    TooManyPlaces {
        /// What was asked for.
        limit: u32,
    },
    /// A queue in which nobody may wait.
    #[error(
        "`queue` is {queue}, but `wait` is zero: write how long a call may wait, or a `queue` of 0"
    )]
    NoWait {
        /// What was asked for.
        queue: u32,
    },
}

/// Why a call got no place.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// All places are taken, and those in the queue.
    #[error("as many calls are under way, and wait, as may")]
    Full,
    /// It waited as long as it may.
    #[error("waited in vain for a place among the calls under way")]
    Waited,
}

impl Rejected {
    /// As the error of a call that was not made.
    pub const fn into_error<E>(self) -> Error<E> {
        Error::Full
    }
}

/// What happened, for a listener.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A call got no place.
    Rejected {
        /// Why.
        why: Rejected,
    },
}

/// Who is told, on the thread of the call, without a lock. It must be quick.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// What a dashboard wants to know. Each number is exact; they are read one after the other while calls go on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Calls that may be under way.
    pub limit: u32,
    /// Calls that are under way. More than the limit for a while after it was lowered.
    pub in_flight: u32,
    /// Calls that wait.
    pub waiting: u32,
    /// Calls that ever got a place.
    pub admitted: u64,
    /// Those of them that had waited for it.
    pub admitted_after_waiting: u64,
    /// Calls that found places and queue full.
    pub rejected_full: u64,
    /// Calls that waited in vain.
    pub rejected_waited: u64,
    /// Calls that were cancelled while they waited, or before they took the place that they were given.
    pub cancelled: u64,
}

/// A bounded number of places for calls. Share it by an `Arc`; see the [module](self).
pub struct Bulkhead {
    /// Free places and how many wait: see [`Word`]. The number that wait changes only under the lock of the queue.
    word: AtomicU64,
    admitted: AtomicU64,
    /// Written under the lock of the queue.
    limit: AtomicU32,
    queue_max: AtomicU32,
    wait_nanos: AtomicU64,
    queue: Mutex<Queue>,
    admitted_after_waiting: AtomicU64,
    rejected_full: AtomicU64,
    rejected_waited: AtomicU64,
    cancelled: AtomicU64,
    listener: Option<Listener>,
}

impl Bulkhead {
    /// Under a policy.
    ///
    /// # Errors
    /// When its values do not go together.
    pub fn try_new(policy: Policy) -> Result<Self, PolicyError> {
        policy.check()?;
        Ok(Self {
            word: AtomicU64::new(Word::free(policy.limit).bits()),
            admitted: AtomicU64::new(0),
            limit: AtomicU32::new(policy.limit),
            queue_max: AtomicU32::new(policy.queue),
            wait_nanos: AtomicU64::new(nanos(policy.wait)),
            queue: Mutex::new(Queue::default()),
            admitted_after_waiting: AtomicU64::new(0),
            rejected_full: AtomicU64::new(0),
            rejected_waited: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            listener: None,
        })
    }

    /// The same with somebody who is told of calls that got no place.
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listen(listener);
        self
    }

    pub(crate) fn listen(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }

    /// A place, if one is free and nobody waits for it.
    ///
    /// # Errors
    /// [`Rejected::Full`], at once.
    #[inline]
    pub fn try_enter(&self) -> Result<Permit<&Self>, Rejected> {
        Permit::try_new(self)
    }

    /// Follows another policy from now on. Calls under way go on, and who waits keeps its place and its time: a lower limit
    /// is reached as calls end, a higher one lets in those who wait at once.
    ///
    /// # Errors
    /// When its values do not go together; nothing has changed then.
    pub fn reload(&self, policy: &Policy) -> Result<(), PolicyError> {
        policy.check()?;
        self.queue_max.store(policy.queue, Ordering::Relaxed);
        self.wait_nanos.store(nanos(policy.wait), Ordering::Relaxed);
        self.limit_to(policy.limit);
        Ok(())
    }

    /// The policy now.
    pub fn policy(&self) -> Policy {
        Policy {
            limit: self.limit.load(Ordering::Relaxed),
            queue: self.queue_max.load(Ordering::Relaxed),
            wait: self.wait(),
        }
    }

    /// What it is doing and has done.
    pub fn snapshot(&self) -> Snapshot {
        // The limit and the word change together, under the lock.
        let queue = self.lock();
        let (word, limit) = (self.word(Ordering::Relaxed), self.limit.load(Ordering::Relaxed));
        drop(queue);
        Snapshot {
            limit,
            in_flight: word.taken_of(limit),
            waiting: word.waiting(),
            admitted: self.admitted.load(Ordering::Relaxed),
            admitted_after_waiting: self.admitted_after_waiting.load(Ordering::Relaxed),
            rejected_full: self.rejected_full.load(Ordering::Relaxed),
            rejected_waited: self.rejected_waited.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
        }
    }

    /// Sets how many places there are; at least one, at most as many as are counted.
    pub(crate) fn limit_to(&self, limit: u32) {
        let limit = limit.clamp(1, Word::PLACES_MAX);
        let queue = self.lock();
        let by = i64::from(limit) - i64::from(self.limit.load(Ordering::Relaxed));
        self.limit.store(limit, Ordering::Relaxed);
        self.change(|word| word.with_free(by));
        drop(queue);
        self.serve(0);
    }

    /// Calls under way, without the lock: while the limit changes, off by the change.
    pub(crate) fn in_flight(&self) -> u32 {
        self.word(Ordering::Relaxed).taken_of(self.limit.load(Ordering::Relaxed))
    }

    fn wait(&self) -> Duration {
        Duration::from_nanos(self.wait_nanos.load(Ordering::Relaxed))
    }

    fn word(&self, ordering: Ordering) -> Word {
        Word::of(self.word.load(ordering))
    }

    /// Takes a place, unless none is free or somebody waits.
    #[inline]
    fn take(&self) -> bool {
        let mut word = self.word(Ordering::Relaxed);
        while let Some(taken) = word.taken() {
            match self.swap(word, taken) {
                Ok(()) => {
                    self.admitted.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                Err(now) => word = now,
            }
        }
        false
    }

    /// Gives a place back: to the first who waits, if somebody does.
    #[inline]
    fn leave(&self) {
        let mut word = self.word(Ordering::Relaxed);
        while word.waiting() == 0 {
            match self.swap(word, word.with_free(1)) {
                Ok(()) => return,
                Err(now) => word = now,
            }
        }
        self.serve(1);
    }

    /// Adds so many free places, and hands all that are free to those who wait, in their order.
    #[cold]
    fn serve(&self, freed: i64) {
        let mut freed = freed;
        loop {
            let mut queue = self.lock();
            self.change(|word| word.with_free(freed));
            freed = 0;
            if !self.change_if(Word::handed_on) {
                return;
            }
            let waker = queue.grant();
            drop(queue);
            // Outside of the lock: what a waker does is not ours.
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Counts a call that got no place, and tells.
    #[cold]
    fn reject(&self, why: Rejected) -> Rejected {
        let count = match why {
            Rejected::Full => &self.rejected_full,
            Rejected::Waited => &self.rejected_waited,
        };
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(listener) = &self.listener {
            listener(&Event::Rejected { why });
        }
        why
    }

    #[inline]
    fn swap(&self, from: Word, to: Word) -> Result<(), Word> {
        self.word
            .compare_exchange_weak(from.bits(), to.bits(), Ordering::AcqRel, Ordering::Relaxed)
            .map(drop)
            .map_err(Word::of)
    }

    fn change(&self, to: impl Fn(Word) -> Word) {
        let changed = self.change_if(|word| Some(to(word)));
        debug_assert!(changed, "a change without a condition is made");
    }

    /// Changes the word by a function, unless that says no.
    fn change_if(&self, to: impl Fn(Word) -> Option<Word>) -> bool {
        let mut word = self.word(Ordering::Relaxed);
        while let Some(next) = to(word) {
            match self.swap(word, next) {
                Ok(()) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing that can panic runs under the lock, so that what it guards is whole in any case.
        locked(&self.queue)
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}

/// A place among the calls under way; dropped, it is given back. `H` leads to the [`Bulkhead`]: a reference or an `Arc`.
#[must_use = "a permit that is dropped at once protects nothing"]
#[derive(Debug)]
pub struct Permit<H: Deref<Target = Bulkhead>> {
    bulkhead: H,
}

impl<H: Deref<Target = Bulkhead>> Permit<H> {
    /// A place, if one is free and nobody waits for it; [`Bulkhead::try_enter`] with a handle that may outlive the caller.
    ///
    /// # Errors
    /// [`Rejected::Full`], at once.
    #[inline]
    pub fn try_new(bulkhead: H) -> Result<Self, Rejected> {
        Self::try_now(bulkhead).map_err(|bulkhead| bulkhead.reject(Rejected::Full))
    }

    /// The same for who will wait otherwise: the handle back, and no rejection counted.
    #[inline]
    pub(crate) fn try_now(bulkhead: H) -> Result<Self, H> {
        if bulkhead.take() { Ok(Self { bulkhead }) } else { Err(bulkhead) }
    }
}

impl<H: Deref<Target = Bulkhead>> Drop for Permit<H> {
    #[inline]
    fn drop(&mut self) {
        self.bulkhead.leave();
    }
}

#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests;
