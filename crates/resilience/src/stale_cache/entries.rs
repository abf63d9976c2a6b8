//! Entries: what one shard holds, at most so many, by the rule of the clock.
//!
//! The entries lie in a vector, as on the face of a clock, and a hand points at one of them. A hit marks its entry as used. When room
//! is needed, the hand goes on from entry to entry: one that is marked loses its mark and stays, the first that is not makes room. What
//! is over makes room at once, marked or not.
//!
//! So a hit writes one byte, where the list of an LRU would be relinked; and what is asked for once, as by a crawler, does not drive out
//! what is asked for again and again, as it comes unmarked and is found by the hand first (F. J. Corbató, "A Paging Experiment with the
//! Multics System", 1968; second chance).

use std::borrow::Borrow;

use hashbrown::HashTable;

use super::policy::Ages;
use crate::Error;

/// What there is under a key.
#[derive(Debug)]
pub(super) struct Entry<K, V, E> {
    hash: u64,
    key: K,
    used: bool,
    pub(super) kept: Option<Kept<V>>,
    pub(super) failure: Option<Failure<V, E>>,
}

/// The last answer.
#[derive(Clone, Debug)]
pub(super) struct Kept<V> {
    pub(super) value: V,
    pub(super) asked_at: u64,
    /// By how much earlier than its time it is due.
    pub(super) early: u64,
}

/// A call that failed, after the answer.
#[derive(Debug)]
pub(super) struct Failure<V, E> {
    /// An error, or an answer that is no good.
    pub(super) brought: Result<Kept<V>, Error<E>>,
    pub(super) until: u64,
}

/// How good an answer is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// To be used without asking.
    Fresh,
    /// The same, but to be asked for by one caller.
    Due,
    /// To be used, and to be asked for by one caller.
    Stale,
    /// To be used if asking fails.
    IfError,
    /// Not to be used.
    Over,
}

impl<V> Kept<V> {
    #[inline]
    pub(super) fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.asked_at)
    }

    #[inline]
    pub(super) fn is_fresh(&self, ages: &Ages, now: u64) -> bool {
        self.age(now).saturating_add(self.early) < ages.fresh
    }

    pub(super) fn standing(&self, ages: &Ages, now: u64) -> Standing {
        match self.age(now) {
            _ if self.is_fresh(ages, now) => Standing::Fresh,
            age if age < ages.fresh => Standing::Due,
            age if age < ages.at_once => Standing::Stale,
            age if age < ages.usable => Standing::IfError,
            _ => Standing::Over,
        }
    }
}

impl<K, V, E> Entry<K, V, E> {
    const fn empty(hash: u64, key: K) -> Self {
        Self { hash, key, used: false, kept: None, failure: None }
    }

    /// The last answer, if it is still good for something.
    pub(super) fn usable(&self, ages: &Ages, now: u64) -> Option<&Kept<V>> {
        self.kept.as_ref().filter(|it| it.age(now) < ages.usable)
    }

    /// The failure that is still remembered.
    pub(super) fn failure(&self, now: u64) -> Option<&Failure<V, E>> {
        self.failure.as_ref().filter(|it| now < it.until)
    }

    fn is_over(&self, ages: &Ages, now: u64) -> bool {
        self.usable(ages, now).is_none() && self.failure(now).is_none()
    }
}

/// The entries of one shard.
#[derive(Debug)]
pub(super) struct Entries<K, V, E> {
    /// Where the entry of a key lies.
    index: HashTable<u32>,
    face: Vec<Entry<K, V, E>>,
    hand: usize,
    capacity: usize,
    /// Entries that made room though they were not over.
    pub(super) evicted: u64,
}

impl<K, V, E> Entries<K, V, E> {
    pub(super) const fn new(capacity: usize) -> Self {
        Self { index: HashTable::new(), face: Vec::new(), hand: 0, capacity, evicted: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.face.len()
    }

    /// The entry of a key, which is in use.
    #[inline]
    pub(super) fn get<Q>(&mut self, hash: u64, key: &Q) -> Option<&mut Entry<K, V, E>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let at = self.find(hash, key)?;
        let entry = &mut self.face[at];
        entry.used = true;
        Some(entry)
    }

    /// The entry of a key, which is not in use by that.
    pub(super) fn peek<Q>(&self, hash: u64, key: &Q) -> Option<&Entry<K, V, E>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.find(hash, key).map(|at| &self.face[at])
    }

    /// The entry of a key, made if there is none, and what made room for it; nothing if nothing is kept.
    pub(super) fn make(
        &mut self,
        ages: &Ages,
        now: u64,
        hash: u64,
        key: &K,
    ) -> Option<Made<'_, K, V, E>>
    where
        K: Eq + Clone,
    {
        if let Some(at) = self.find(hash, key) {
            return Some(Made { entry: &mut self.face[at], gone: None });
        }
        if self.capacity == 0 {
            return None;
        }
        let entry = Entry::empty(hash, key.clone());
        let (at, gone) = if self.face.len() < self.capacity {
            self.face.push(entry);
            (self.face.len() - 1, None)
        } else {
            let at = self.next_out(ages, now);
            self.unindex(at);
            (at, Some(std::mem::replace(&mut self.face[at], entry)))
        };
        let face = &self.face;
        self.index.insert_unique(hash, at as u32, |at| face[*at as usize].hash);
        Some(Made { entry: &mut self.face[at], gone })
    }

    /// Forgets a key.
    pub(super) fn remove<Q>(&mut self, hash: u64, key: &Q) -> Option<Entry<K, V, E>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.find(hash, key).map(|at| self.take(at))
    }

    /// Holds at most so many from now on; gives those that make room.
    pub(super) fn limit_to(
        &mut self,
        ages: &Ages,
        now: u64,
        capacity: usize,
    ) -> Vec<Entry<K, V, E>> {
        self.capacity = capacity;
        let mut gone = Vec::new();
        while self.face.len() > capacity {
            let at = self.next_out(ages, now);
            gone.push(self.take(at));
        }
        gone
    }

    #[inline]
    fn find<Q>(&self, hash: u64, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let is_it = |at: &u32| self.face[*at as usize].key.borrow() == key;
        self.index.find(hash, is_it).map(|at| *at as usize)
    }

    /// Which entry makes room; the hand then points behind it.
    fn next_out(&mut self, ages: &Ages, now: u64) -> usize {
        loop {
            let at = if self.hand < self.face.len() { self.hand } else { 0 };
            self.hand = at + 1;
            let entry = &mut self.face[at];
            if entry.is_over(ages, now) {
                return at;
            }
            if !std::mem::take(&mut entry.used) {
                self.evicted += 1;
                return at;
            }
        }
    }

    fn take(&mut self, at: usize) -> Entry<K, V, E> {
        self.unindex(at);
        let last = self.face.len() - 1;
        if at != last {
            let moved = self.face[last].hash;
            if let Some(index) = self.index.find_mut(moved, |it| *it as usize == last) {
                *index = at as u32;
            }
        }
        self.face.swap_remove(at)
    }

    fn unindex(&mut self, at: usize) {
        if let Ok(found) = self.index.find_entry(self.face[at].hash, |it| *it as usize == at) {
            found.remove();
        }
    }
}

/// An entry to be filled. What made room for it goes with it, to be dropped outside of the lock.
#[derive(Debug)]
pub(super) struct Made<'a, K, V, E> {
    pub(super) entry: &'a mut Entry<K, V, E>,
    pub(super) gone: Option<Entry<K, V, E>>,
}
