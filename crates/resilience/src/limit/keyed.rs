//! Keyed: a rate limiter for each tenant, token or address, in bounded memory.
//!
//! A key that has been silent until its burst was earned again is no different from one that was never seen, and is
//! forgotten; nothing sweeps, it makes room when another key needs it. The keys are spread by their hash over sets of at most
//! sixteen with a lock each, so that the work for a call is constant and callers seldom meet. If a set is full of keys that
//! are all in use, the one that is closest to its whole burst is forgotten for the new one: it is given the least. How often
//! that happened is counted: if it is often, make room for more `keys`.
//!
//! ```
//! use std::time::Duration;
//! use evenkeel_resilience::limit::{Policy, keyed::Limiter};
//! use evenkeel_units::Moment;
//!
//! let limiter = Limiter::<String>::new(Policy { burst: 1, ..Policy::per_second(10) }, 10_000)?;
//! let now = Moment::at(Duration::from_secs(1));
//! assert!(limiter.try_take(now, "alice").is_ok());
//! assert!(limiter.try_take(now, "alice").is_err());
//! assert!(limiter.try_take(now, "bob").is_ok());
//! # Ok::<(), evenkeel_resilience::limit::PolicyError>(())
//! ```

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use evenkeel_units::Moment;

use super::{Cell, Limited, Policy, PolicyError, nanos};
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
    cell: Cell,
    hasher: S,
    keys: AtomicU64,
    admitted: AtomicU64,
    limited: AtomicU64,
    evicted: AtomicU64,
}

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
    pub fn new(policy: Policy, keys: usize) -> Result<Self, PolicyError> {
        Self::with_hasher(policy, keys, RandomState::new())
    }
}

impl<K, S> Limiter<K, S> {
    /// As [`new`](Limiter::new) with another hasher than the standard library's, which nobody who chooses keys can defeat.
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
            cell: Cell::of(&policy),
            hasher,
            keys: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            limited: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        })
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
        let set = &self.sets[hash as usize & (self.sets.len() - 1)];
        let mut set = locked(set);
        let known =
            set.iter_mut().find(|it| it.hash == hash && Borrow::<Q>::borrow(&it.key) == key);
        let taken = match known {
            Some(entry) => self.cell.next(entry.due, now).map(|next| entry.due = next),
            None => self.cell.next(0, now).map(|due| {
                self.make_room(&mut set, now);
                set.push(Entry { hash, due, key: key.to_owned() });
                self.keys.fetch_add(1, Ordering::Relaxed);
            }),
        };
        drop(set);
        match taken {
            Ok(()) => {
                self.admitted.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(short) => {
                self.limited.fetch_add(1, Ordering::Relaxed);
                Err(Limited { retry_after: Duration::from_nanos(short) })
            }
        }
    }

    /// Forgets all that have their whole burst; if that is none of a full set, the one that is closest to it.
    #[cold]
    fn make_room(&self, set: &mut Vec<Entry<K>>, now: u64) {
        let before = set.len();
        set.retain(|it| it.due > now);
        if set.len() >= SET_MAX
            && let Some((at, _)) = set.iter().enumerate().min_by_key(|(_, it)| it.due)
        {
            set.swap_remove(at);
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        self.keys.fetch_sub((before - set.len()) as u64, Ordering::Relaxed);
    }
}

impl<K, S> fmt::Debug for Limiter<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}
