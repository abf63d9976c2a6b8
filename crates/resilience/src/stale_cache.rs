//! Stale cache: yesterday's answer is better than none, up to a point; and many who ask at once are one who asks.
//!
//! ```text
//!  age  0 ──────── ttl ───────── + stale while revalidate ───── + stale if error ─────▶
//!       │  fresh    │         stale         │        in need         │      over
//!       │ use it,   │ use it, and one       │ ask; use it            │ ask
//!       │ don't ask │ caller asks anew      │ if that fails          │
//! ```
//!
//! However many callers want the same key at once, one asks, and the others wait for what it gets, answer or error. If the one
//! who asks is cancelled or panics, the next of them asks. A call that failed is remembered for a while, so that what is broken or
//! missing is not asked again by each.
//!
//! **When to use it.** For answers that age gracefully and are asked for often: recommendations, profiles, prices for display, the
//! rights of a token where its owner accepts some seconds. It is what keeps reads up while the neighbour is down, and the neighbour
//! up when all caches are cold.
//!
//! **When not.** For what must be right or absent (stock at the moment of sale, balances), for answers that differ by caller unless the
//! caller is part of the key, and for what is rarely asked for twice. It is no cache of HTTP: it reads no `Cache-Control` and no `Vary`; what
//! is kept, under which key and for how long, is said by its owner.
//!
//! ```
//! use std::sync::Arc;
//! use evenkeel_resilience::{Error, stale_cache::{Policy, StaleCache}};
//!
//! # #[cfg(feature = "tower")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let profiles: Arc<StaleCache<String, Arc<str>>> = Arc::new(StaleCache::try_new(Policy::default())?);
//!
//! let asked = profiles.call("alice", || async { Ok(Arc::from("likes kettles")) }).await;
//! let known = profiles.call("alice", || async { Err(Error::Inner(())) }).await;
//! assert_eq!(asked, known);
//! assert_eq!(profiles.snapshot().fresh, 1);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tower"))]
//! # fn main() {}
//! ```
//!
//! **Who asks anew.** With [`get_with`](StaleCache::get_with) and in the [layer](crate::layer::StaleCacheLayer), a task that is
//! spawned on the runtime of the caller; nobody waits for it. With [`call`](StaleCache::call), which borrows what it likes and spawns
//! nothing, the first caller that finds the answer stale, who waits; all others are served meanwhile. Either way a call ends after
//! [`call_max`](Policy::call_max) at the latest. It is driven by whoever makes it: a future that is kept and not polled keeps those who
//! wait for it, until it is dropped.
//!
//! **What fails.** A call that ends with an error; and one whose answer is no good, where that is told: as statuses of HTTP are answers
//! too, the layer takes [a rule](crate::layer::StaleCacheLayer::classify), by which a 503 replaces no page and is one for as long as there is
//! nothing better ([`Lead::land_failed`] for who drives it by hand).
//!
//! **Errors.** That of the call, to all who waited for it, if there is no answer that may be used in need. So errors are cloned: put
//! one that is no `Clone` into an `Arc`, or keep less of it (`E` is `()` if it is not named). Values are cloned under a lock: let them be
//! small, or an `Arc`.
//!
//! **How it works.** Keys are spread by their hash over up to 64 shards with a lock each, which is held for the look-up alone. A fresh
//! hit hashes the key, takes the lock, compares the key and clones the value; it allocates nothing. The hash is [SipHash-1-3](SipKeys)
//! with a key of its own, so that nobody who chooses keys can make them collide; [`with_hasher`] takes another where keys are
//! ours. What it holds is bounded: a full shard gives up what was not used since the hand of its clock came by
//! last (second chance), which costs a hit one byte and keeps what is used from what is asked for once. As keys spread by
//! chance, a cache of many shards begins to do so when it is a few per cent short of full.
//!
//! A slow call that began before the answer it would replace does not replace it, nor does one that began before its key was
//! [removed](StaleCache::remove).
//!
//! Sources: RFC 5861 (stale-while-revalidate, stale-if-error); [`Policy::early_refresh`] names that of the early refresh.
//!
//! [`with_hasher`]: StaleCache::with_hasher

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::{Moment, Seed, nanos};

use crate::Error;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, locked};

#[cfg(feature = "tower")]
mod call;
mod entries;
mod lead;
mod policy;
mod shard;
mod sip;
#[cfg(feature = "serde")]
mod written;

#[cfg(feature = "tower")]
pub(crate) use call::Run;
pub use lead::{Follower, Lead, Outcome};
pub use policy::{Policy, PolicyError};
pub use shard::Snapshot;
pub use sip::{SipHasher, SipKeys};

use entries::Standing;
use policy::Ages;
use shard::Shard;

/// An answer, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<V> {
    /// What was answered.
    pub value: V,
    /// How it was come by.
    pub origin: Origin,
    /// How long ago it was asked for.
    pub age: Duration,
}

/// How an answer was come by.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// It was kept, and is fresh.
    Fresh,
    /// It was kept, and is stale, which is good enough.
    Stale,
    /// It was kept, and is used as asking failed.
    StaleIfError,
    /// It was asked for just now.
    Asked,
    /// It is no good answer, as a status of HTTP may say. It was asked for just now or a moment ago, and there is nothing better.
    Failed,
}

/// What there is under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookup<V, E = ()> {
    /// To be used without asking.
    Fresh(V),
    /// To be used, but to be asked for anew.
    Stale {
        /// The last known answer.
        value: V,
        /// How long ago it was asked for.
        age: Duration,
    },
    /// To be used only if asking fails.
    StaleIfError {
        /// The last known answer.
        value: V,
        /// How long ago it was asked for.
        age: Duration,
    },
    /// Nothing, and asking just failed, with this error or an answer that is no good.
    Failed(Result<V, Error<E>>),
    /// Nothing that could be used.
    Missing,
}

/// What a caller is to do.
#[must_use = "who is given a lead has to ask"]
#[derive(Debug)]
pub enum Asked<K, V, E, S> {
    /// Use this.
    Answer(Answer<V>),
    /// Use this; and ask anew, for everybody.
    Refresh(Answer<V>, Lead<K, V, E, S>),
    /// Ask, for everybody.
    Lead(Lead<K, V, E, S>),
    /// Wait for what another caller gets.
    Wait(Follower<K, V, E, S>),
    /// Asking just failed, and there is nothing to fall back on.
    Failed(Error<E>),
}

/// A bounded cache that tells fresh from stale and makes one call of many. Share it by an `Arc`; see the [module](self).
pub struct StaleCache<K, V, E = (), S = SipKeys> {
    /// As many as a power of two.
    shards: Box<[Padded<K, V, E>]>,
    hasher: S,
    /// What chance says, by a number.
    chance: SipKeys,
    /// How many numbers were drawn.
    drawn: AtomicU64,
}

/// No two locks share a cache line, nor a pair of them that is fetched together.
#[repr(align(128))]
struct Padded<K, V, E>(Mutex<Shard<K, V, E>>);

/// A shard has at least so many entries, so that by chance few of them overflow before the whole is full.
const SHARD_MIN: usize = 256;
const SHARDS_MAX: usize = 64;

impl<K, V, E> StaleCache<K, V, E> {
    /// By a policy.
    ///
    /// # Errors
    /// When its values do not go together.
    pub fn try_new(policy: Policy) -> Result<Self, PolicyError> {
        Self::with_hasher(policy, SipKeys::random())
    }
}

impl<K, V, E, S: BuildHasher> StaleCache<K, V, E, S> {
    /// The same with another hasher. One without a key of its own, however good, is for keys that no stranger chooses: all that
    /// have one hash are compared with each other under a lock.
    ///
    /// # Errors
    /// When the values do not go together.
    pub fn with_hasher(policy: Policy, hasher: S) -> Result<Self, PolicyError> {
        // Processes that were started at once are not to refresh at once; the standard library seeds its maps from the system.
        let seed = Seed(RandomState::new().build_hasher().finish());
        Self::seeded(policy, hasher, seed)
    }

    /// The same, with early refreshes that repeat for the same seed.
    ///
    /// # Errors
    /// When the values do not go together.
    pub fn seeded(policy: Policy, hasher: S, seed: Seed) -> Result<Self, PolicyError> {
        policy.check()?;
        let shards = (policy.capacity / SHARD_MIN).clamp(1, SHARDS_MAX);
        // The power of two below.
        let shards = 1 << shards.ilog2();
        let shard = |number| {
            let capacity = share(policy.capacity, shards, number);
            Padded(Mutex::new(Shard::new(Ages::of(&policy), capacity)))
        };
        Ok(Self {
            shards: (0..shards).map(shard).collect(),
            hasher,
            chance: SipKeys::of(seed),
            drawn: AtomicU64::new(0),
        })
    }
}

impl<K, V, E, S> StaleCache<K, V, E, S> {
    /// Follows another policy from now on. What is kept stays, as far as there is room, and its age counts by the new times. The number
    /// of shards stays as well: who expects to need far more room later says so in the beginning.
    ///
    /// # Errors
    /// When its values do not go together; nothing has changed then.
    pub fn reload(&self, now: Moment, policy: &Policy) -> Result<(), PolicyError> {
        policy.check()?;
        for (number, shard) in self.shards.iter().enumerate() {
            let capacity = share(policy.capacity, self.shards.len(), number);
            let gone = lock(shard).reload(nanos(now.elapsed()), Ages::of(policy), capacity);
            drop(gone);
        }
        Ok(())
    }

    /// How long a call for an answer may take now: [`Policy::call_max`].
    pub fn call_max(&self) -> Duration {
        lock(&self.shards[0]).ages.call_max
    }

    /// What it is doing and has done.
    pub fn snapshot(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        for shard in &self.shards {
            lock(shard).add_to(&mut sum);
        }
        sum
    }

    fn lock(&self, hash: u64) -> MutexGuard<'_, Shard<K, V, E>> {
        // Not the bits by which a table finds its places.
        lock(&self.shards[(hash >> 32) as usize & (self.shards.len() - 1)])
    }

    /// By how much earlier an answer is due whose call took so long.
    fn early_by(&self, ages: &Ages, took: u64) -> u64 {
        match ages.early > 0.0 {
            true => {
                let number = self.drawn.fetch_add(1, Ordering::Relaxed);
                ages.early_by(took, self.chance.hash_one(number))
            }
            false => 0,
        }
    }
}

impl<K: Hash + Eq, V, E, S: BuildHasher> StaleCache<K, V, E, S> {
    /// What there is for `key`. Nobody is counted as a caller by that.
    pub fn look<Q>(&self, now: Moment, key: &Q) -> Lookup<V, E>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: Clone,
        E: Clone,
    {
        let (hash, now) = (self.hasher.hash_one(key), nanos(now.elapsed()));
        let mut shard = self.lock(hash);
        let ages = shard.ages;
        let Some(entry) = shard.entries.get(hash, key) else { return Lookup::Missing };
        if let Some(kept) = entry.usable(&ages, now) {
            let (value, age) = (kept.value.clone(), Duration::from_nanos(kept.age(now)));
            return match kept.standing(&ages, now) {
                Standing::Fresh | Standing::Due => Lookup::Fresh(value),
                Standing::Stale => Lookup::Stale { value, age },
                Standing::IfError | Standing::Over => Lookup::StaleIfError { value, age },
            };
        }
        let failed = entry.failure(now).map(|it| it.answer(now).map(|it| it.value));
        failed.map_or(Lookup::Missing, Lookup::Failed)
    }

    /// Keeps an answer that was asked for at `asked_at`, unless a younger one is already here.
    pub fn insert(&self, asked_at: Moment, key: K, value: V)
    where
        K: Clone,
    {
        let (hash, asked_at) = (self.hasher.hash_one(&key), nanos(asked_at.elapsed()));
        let kept = entries::Kept { value, asked_at, early: 0 };
        let gone = self.lock(hash).keep(asked_at, hash, &key, kept);
        drop(gone);
    }

    /// Forgets a key, as after its owner was changed: what is kept, and what a call that is under way will answer, though those
    /// who already wait for that still get it. Whether there was something.
    pub fn remove<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.lock(hash);
        let gone = (shard.entries.remove(hash, key), shard.forget_call(hash, key));
        drop(shard);
        gone.0.is_some() || gone.1.is_some()
    }

    /// What a caller is to do who wants `key`: the machine under [`call`](Self::call), for who drives it by hand.
    pub fn ask<Q>(self: &Arc<Self>, now: Moment, key: &Q) -> Asked<K, V, E, S>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        V: Clone,
        E: Clone,
    {
        let (hash, now) = (self.hasher.hash_one(key), nanos(now.elapsed()));
        let mut shard = self.lock(hash);
        match shard.fresh(hash, key, now).map(|kept| shard::answer(kept, Origin::Fresh, now)) {
            Some(answer) => Asked::Answer(answer),
            None => self.ask_owner(shard, hash, now, key),
        }
    }

    /// The same where nobody cares how old a fresh answer is.
    #[cfg(feature = "tower")]
    #[inline]
    pub(crate) fn fresh<Q>(self: &Arc<Self>, now: Moment, key: &Q) -> Result<V, Asked<K, V, E, S>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        V: Clone,
        E: Clone,
    {
        let (hash, now) = (self.hasher.hash_one(key), nanos(now.elapsed()));
        let mut shard = self.lock(hash);
        match shard.fresh(hash, key, now) {
            Some(kept) => Ok(kept.value.clone()),
            None => Err(self.ask_owner(shard, hash, now, key)),
        }
    }

    #[cold]
    fn ask_owner<Q>(
        self: &Arc<Self>,
        mut shard: MutexGuard<'_, Shard<K, V, E>>,
        hash: u64,
        now: u64,
        key: &Q,
    ) -> Asked<K, V, E, S>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        V: Clone,
        E: Clone,
    {
        let found = shard.found(hash, key, now);
        let call_max = shard.ages.call_max;
        match found {
            shard::Found::Use(answer) => Asked::Answer(answer),
            shard::Found::Failed(error) => Asked::Failed(error),
            shard::Found::Refresh(answer, kept) => match shard.call(hash, key) {
                Some(_) => Asked::Answer(answer),
                None => {
                    let call = shard.begin(hash, key.to_owned(), Some(kept));
                    shard.counts.refreshes += 1;
                    drop(shard);
                    Asked::Refresh(answer, Lead::new(Arc::clone(self), call, now, call_max))
                }
            },
            shard::Found::Ask(kept) => match shard.call(hash, key) {
                Some(call) => {
                    shard.counts.waits += 1;
                    let number = call.flight.join();
                    drop(shard);
                    Asked::Wait(Follower::new(Arc::clone(self), call, number))
                }
                None => {
                    shard.counts.misses += 1;
                    let call = shard.begin(hash, key.to_owned(), kept);
                    drop(shard);
                    Asked::Lead(Lead::new(Arc::clone(self), call, now, call_max))
                }
            },
        }
    }
}

impl<K, V, E, S> fmt::Debug for StaleCache<K, V, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaleCache").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}

/// How much of the capacity is that of one shard, so that all together have just that.
const fn share(capacity: usize, shards: usize, number: usize) -> usize {
    capacity / shards + (number < capacity % shards) as usize
}

fn lock<K, V, E>(shard: &Padded<K, V, E>) -> MutexGuard<'_, Shard<K, V, E>> {
    // What can panic under the lock is the clone of a value and the comparison of keys, and neither leaves anything half done.
    locked(&shard.0)
}

#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests;
