//! Keyed: a rate limiter for each tenant, token or address, in bounded memory.
//!
//! A key that has been silent until its burst was earned again is no different from one that was never seen, and is
//! forgotten; nothing sweeps, it makes room when another key needs it. The keys are spread by their hash over sets of at most
//! sixteen with a lock each, so that the work for a call is constant and callers seldom meet. If a set is full of keys that
//! are all in use, the one that is closest to its whole burst is forgotten for the new one: it is given the least. How often
//! that happened is counted: if it is often, make room for more `keys`.
//!
//! Who exceeds its limit is known by its key only to the [listener](Limiter::listener): numbers are of all keys together, as each key
//! would be a series that somebody outside makes up.
//!
//! ```
//! use std::time::Duration;
//! use evenkeel_resilience::limit::{Policy, keyed::Limiter};
//! use evenkeel_resilience::Moment;
//!
//! let limiter = Limiter::<String>::try_new(Policy { burst: 1, ..Policy::per_second(10) }, 10_000)?;
//! let now = Moment::at(Duration::from_secs(1));
//! assert!(limiter.try_take(now, "alice").is_ok());
//! assert!(limiter.try_take(now, "alice").is_err());
//! assert!(limiter.try_take(now, "bob").is_ok());
//! # Ok::<(), evenkeel_resilience::limit::PolicyError>(())
//! ```

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::Moment;

use super::{Limited, Pace, Policy, PolicyError, nanos};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, locked};

/// Keys in a set on the average when all are in use; twice as many fit, so that few sets overflow (by the Poisson distribution
/// four in a thousand).
const SET_MEAN: usize = 8;
const SET_MAX: usize = 2 * SET_MEAN;

/// Limits the calls of each key in time. Share it by an `Arc`; see the [module](self).
pub struct Limiter<K, S = RandomState> {
    /// As many as a power of two.
    sets: Box<[Mutex<Vec<Entry<K>>>]>,
    pace: Pace,
    hasher: S,
    keys: AtomicU64,
    admitted: AtomicU64,
    limited: AtomicU64,
    evicted: AtomicU64,
    listener: Option<Listener<K>>,
}

/// What happened, for a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<K> {
    /// A call was refused.
    Limited {
        /// Whose.
        key: K,
        /// When it would conform, if no other of this key comes first.
        retry_after: Duration,
    },
    /// A key was forgotten while it was in use, and has its whole burst again.
    Evicted {
        /// Which.
        key: K,
    },
}

/// Who is told, on the thread of the call, without a lock. It must be quick. With one, to refuse a call makes a key of its own.
pub type Listener<K> = Arc<dyn Fn(&Event<K>) + Send + Sync>;

#[derive(Debug)]
struct Entry<K> {
    hash: u64,
    due: u64,
    key: K,
}

/// What a dashboard wants to know.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Keys that are held, those included that will make room for the next.
    pub keys: u64,
    /// Calls that were ever let through.
    pub admitted: u64,
    /// Calls that were refused.
    pub limited: u64,
    /// Keys that were forgotten while they were in use.
    pub evicted: u64,
}

impl<K> Limiter<K> {
    /// Under a policy for each key, of which so many are expected to be in use at once; never more than
    /// four times as many are held (or 16). [`Policy::wait`] is not used: who is over its limit is told so.
    ///
    /// # Errors
    /// When the values do not go together.
    pub fn try_new(policy: Policy, keys: usize) -> Result<Self, PolicyError> {
        Self::with_hasher(policy, keys, RandomState::new())
    }
}

impl<K, S> Limiter<K, S> {
    /// As [`try_new`](Limiter::try_new) with another hasher than the standard library's, which nobody who chooses keys can defeat.
    ///
    /// # Errors
    /// When the values do not go together.
    pub fn with_hasher(policy: Policy, keys: usize, hasher: S) -> Result<Self, PolicyError> {
        policy.check()?;
        if keys == 0 {
            return Err(PolicyError::NoKeys);
        }
        let sets =
            keys.div_ceil(SET_MEAN).checked_next_power_of_two().unwrap_or(1 << 24).min(1 << 24);
        Ok(Self {
            sets: (0..sets).map(|_| Mutex::new(Vec::new())).collect(),
            pace: Pace::of(&policy),
            hasher,
            keys: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            limited: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            listener: None,
        })
    }

    /// The same with somebody who is told of calls that were refused, and of keys that were forgotten in use.
    pub fn listener(self, listener: Listener<K>) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// Follows another policy for each key from now on; what was taken stays taken. For how many keys there is room stays.
    ///
    /// # Errors
    /// When its values do not go together; nothing has changed then.
    pub fn reload(&self, policy: &Policy) -> Result<(), PolicyError> {
        policy.check()?;
        self.pace.follow(policy);
        Ok(())
    }

    /// The policy of each key now, as one call each interval.
    pub fn policy(&self) -> Policy {
        self.pace.policy(Duration::ZERO)
    }

    /// What it is doing and has done.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            keys: self.keys.load(Ordering::Relaxed),
            admitted: self.admitted.load(Ordering::Relaxed),
            limited: self.limited.load(Ordering::Relaxed),
            evicted: self.evicted.load(Ordering::Relaxed),
        }
    }
}

impl<K, S: BuildHasher> Limiter<K, S> {
    /// Lets one call of a key through, if it conforms.
    ///
    /// # Errors
    /// When it would; nothing was taken then.
    pub fn try_take<Q>(&self, now: Moment, key: &Q) -> Result<(), Limited>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let now = nanos(now.elapsed());
        let hash = self.hasher.hash_one(key);
        let cell = self.pace.cell();
        let mut evicted = None;
        let mut set = locked(&self.sets[hash as usize & (self.sets.len() - 1)]);
        let known =
            set.iter_mut().find(|it| it.hash == hash && Borrow::<Q>::borrow(&it.key) == key);
        let taken = match known {
            Some(entry) => cell.next(entry.due, now).map(|next| entry.due = next),
            None => cell.next(0, now).map(|due| {
                evicted = self.make_room(&mut set, now);
                set.push(Entry { hash, due, key: key.to_owned() });
                self.keys.fetch_add(1, Ordering::Relaxed);
            }),
        };
        drop(set);
        if let Some(key) = evicted {
            self.tell(|| Event::Evicted { key });
        }
        match taken {
            Ok(()) => {
                self.admitted.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(short) => {
                self.limited.fetch_add(1, Ordering::Relaxed);
                let retry_after = Duration::from_nanos(short);
                self.tell(|| Event::Limited { key: key.to_owned(), retry_after });
                Err(Limited { retry_after })
            }
        }
    }

    /// Makes a call of a key, if it conforms.
    ///
    /// # Errors
    /// [`Error::Limited`](crate::Error::Limited) if not, in which case `call` was not run; else what the call itself failed with.
    #[cfg(feature = "tower")]
    pub async fn call<Q, T, E, F>(
        &self,
        key: &Q,
        call: impl FnOnce() -> F,
    ) -> Result<T, crate::Error<E>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = Result<T, crate::Error<E>>>,
    {
        self.try_take(crate::time::now(), key).map_err(Limited::into_error)?;
        call().await
    }

    /// Forgets all that have their whole burst; if that is none of a full set, the one that is closest to it, which is given.
    #[cold]
    fn make_room(&self, set: &mut Vec<Entry<K>>, now: u64) -> Option<K> {
        let before = set.len();
        set.retain(|it| it.due > now);
        let closest = set.iter().enumerate().min_by_key(|(_, it)| it.due).map(|it| it.0);
        let evicted = closest.filter(|_| set.len() >= SET_MAX).map(|it| set.swap_remove(it).key);
        self.evicted.fetch_add(evicted.is_some().into(), Ordering::Relaxed);
        self.keys.fetch_sub((before - set.len()) as u64, Ordering::Relaxed);
        evicted
    }

    fn tell(&self, of: impl FnOnce() -> Event<K>) {
        if let Some(listener) = &self.listener {
            listener(&of());
        }
    }
}

impl<K, S> fmt::Debug for Limiter<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}
