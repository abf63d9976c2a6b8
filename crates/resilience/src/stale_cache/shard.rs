//! Shard: the entries and the calls of the keys that have a part of the hashes, under one lock.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashTable;

use super::entries::{Entries, Entry, Failure, Kept, Standing};
use super::policy::Ages;
use super::{Answer, Origin};
use crate::Error;
use crate::flight::Flight;

/// What a dashboard wants to know. `fresh`, `stale`, `failed_again`, `waits` and `misses` together are all callers.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Answers and failures that are kept now, those included that will make room for the next.
    pub entries: u64,
    /// Calls that are under way now.
    pub in_flight: u64,
    /// Callers that found a fresh answer.
    pub fresh: u64,
    /// Callers that found a stale answer which was to be used at once.
    pub stale: u64,
    /// Callers that found nothing but that asking had just failed, and what it had brought.
    pub failed_again: u64,
    /// Callers that waited for the call of another.
    pub waits: u64,
    /// Callers that made a call, as there was no answer that was to be used at once.
    pub misses: u64,
    /// Calls that were made while there was one.
    pub refreshes: u64,
    /// Calls whose caller was cancelled or panicked, and that another caller made again.
    pub handed_on: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Times a stale answer was used because asking failed, or had just failed.
    pub stale_if_error: u64,
    /// Answers that made room for others before they were over.
    pub evictions: u64,
}

/// A call under way.
#[derive(Debug)]
pub(super) struct Call<K, V, E> {
    pub(super) hash: u64,
    pub(super) key: K,
    /// What there was when it began.
    pub(super) kept: Option<Kept<V>>,
    pub(super) flight: Flight<Result<Answer<V>, Error<E>>>,
}

/// What there is for a caller.
pub(super) enum Found<V, E> {
    Use(Answer<V>),
    Failed(Error<E>),
    /// To be used, and asked for anew unless that is under way.
    Refresh(Answer<V>, Kept<V>),
    /// Nothing to be used at once.
    Ask(Option<Kept<V>>),
}

/// A part of the cache. Calls are no entries: each belongs to a caller, so that they are as many as callers, and none is forgotten.
#[derive(Debug)]
pub(super) struct Shard<K, V, E> {
    pub(super) ages: Ages,
    pub(super) entries: Entries<K, V, E>,
    calls: HashTable<Arc<Call<K, V, E>>>,
    pub(super) counts: Snapshot,
}

/// What is dropped when the lock is released: what the drop of a value does is not ours.
pub(super) type Gone<K, V, E> = (Option<Entry<K, V, E>>, Option<Kept<V>>, Option<Failure<V, E>>);

impl<K, V, E> Shard<K, V, E> {
    pub(super) fn new(ages: Ages, capacity: usize) -> Self {
        Self {
            ages,
            entries: Entries::new(capacity),
            calls: HashTable::new(),
            counts: Snapshot::default(),
        }
    }

    pub(super) fn reload(&mut self, now: u64, ages: Ages, capacity: usize) -> Vec<Entry<K, V, E>> {
        self.ages = ages;
        self.entries.limit_to(&ages, now, capacity)
    }

    pub(super) fn add_to(&self, sum: &mut Snapshot) {
        sum.entries += self.entries.len() as u64;
        sum.in_flight += self.calls.len() as u64;
        sum.fresh += self.counts.fresh;
        sum.stale += self.counts.stale;
        sum.failed_again += self.counts.failed_again;
        sum.waits += self.counts.waits;
        sum.misses += self.counts.misses;
        sum.refreshes += self.counts.refreshes;
        sum.handed_on += self.counts.handed_on;
        sum.failures += self.counts.failures;
        sum.stale_if_error += self.counts.stale_if_error;
        sum.evictions += self.entries.evicted;
    }

    /// The fresh answer.
    #[inline]
    pub(super) fn fresh<Q>(&mut self, hash: u64, key: &Q, now: u64) -> Option<&Kept<V>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let kept = self.entries.get(hash, key)?.kept.as_ref()?;
        if !kept.is_fresh(&self.ages, now) {
            return None;
        }
        self.counts.fresh += 1;
        Some(kept)
    }

    /// What there is; the caller is counted unless it has to ask or to wait.
    pub(super) fn found<Q>(&mut self, hash: u64, key: &Q, now: u64) -> Found<V, E>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
        V: Clone,
        E: Clone,
    {
        let Some(entry) = self.entries.get(hash, key) else { return Found::Ask(None) };
        let failure = entry.failure(now);
        let Some(kept) = entry.usable(&self.ages, now) else {
            return match failure {
                Some(it) => {
                    self.counts.failed_again += 1;
                    match it.answer(now) {
                        Ok(answer) => Found::Use(answer),
                        Err(error) => Found::Failed(error),
                    }
                }
                None => Found::Ask(None),
            };
        };
        let standing = kept.standing(&self.ages, now);
        let origin = match (standing, failure) {
            (Standing::Fresh | Standing::Due, _) => Origin::Fresh,
            (_, Some(_)) => Origin::StaleIfError,
            (Standing::Stale, None) => Origin::Stale,
            (Standing::IfError | Standing::Over, None) => return Found::Ask(Some(kept.clone())),
        };
        let answer = answer(kept, origin, now);
        match origin {
            Origin::Fresh => self.counts.fresh += 1,
            _ => self.counts.stale += 1,
        }
        if origin == Origin::StaleIfError {
            self.counts.stale_if_error += 1;
        }
        match (standing, failure) {
            (Standing::Fresh, _) | (_, Some(_)) => Found::Use(answer),
            _ => Found::Refresh(answer, kept.clone()),
        }
    }

    /// The call that is under way for a key.
    pub(super) fn call<Q>(&self, hash: u64, key: &Q) -> Option<Arc<Call<K, V, E>>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.calls.find(hash, |it| it.hash == hash && it.key.borrow() == key).cloned()
    }

    /// Begins a call.
    pub(super) fn begin(&mut self, hash: u64, key: K, kept: Option<Kept<V>>) -> Arc<Call<K, V, E>> {
        let call = Arc::new(Call { hash, key, kept, flight: Flight::new() });
        self.calls.insert_unique(hash, Arc::clone(&call), |it| it.hash);
        call
    }

    /// Ends a call; whether it was still that of its key.
    pub(super) fn end(&mut self, call: &Arc<Call<K, V, E>>) -> bool {
        match self.calls.find_entry(call.hash, |it| Arc::ptr_eq(it, call)) {
            Ok(found) => {
                drop(found.remove().0);
                true
            }
            Err(_) => false,
        }
    }

    /// Forgets the call of a key: another one may begin.
    pub(super) fn forget_call<Q>(&mut self, hash: u64, key: &Q) -> Option<Arc<Call<K, V, E>>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let is_it = |it: &Arc<Call<K, V, E>>| it.hash == hash && it.key.borrow() == key;
        self.calls.find_entry(hash, is_it).ok().map(|found| found.remove().0)
    }

    /// Keeps an answer, unless a younger one is here.
    pub(super) fn keep(&mut self, now: u64, hash: u64, key: &K, kept: Kept<V>) -> Gone<K, V, E>
    where
        K: Eq + Clone,
    {
        let Some(made) = self.entries.make(&self.ages, now, hash, key) else {
            return (None, Some(kept), None);
        };
        if made.entry.kept.as_ref().is_some_and(|it| it.asked_at > kept.asked_at) {
            return (made.gone, Some(kept), None);
        }
        (made.gone, made.entry.kept.replace(kept), made.entry.failure.take())
    }

    /// Remembers that a call failed.
    pub(super) fn fail(
        &mut self,
        now: u64,
        hash: u64,
        key: &K,
        failure: Failure<V, E>,
    ) -> Gone<K, V, E>
    where
        K: Eq + Clone,
    {
        match self.entries.make(&self.ages, now, hash, key) {
            Some(made) => (made.gone, None, made.entry.failure.replace(failure)),
            None => (None, None, Some(failure)),
        }
    }
}

impl<V: Clone, E: Clone> Failure<V, E> {
    /// What it says to a caller that has nothing else.
    pub(super) fn answer(&self, now: u64) -> Result<Answer<V>, Error<E>> {
        match &self.brought {
            Ok(kept) => Ok(answer(kept, Origin::Failed, now)),
            Err(error) => Err(error.clone()),
        }
    }
}

/// An answer that is kept.
#[inline]
pub(super) fn answer<V: Clone>(kept: &Kept<V>, origin: Origin, now: u64) -> Answer<V> {
    Answer { value: kept.value.clone(), origin, age: Duration::from_nanos(kept.age(now)) }
}
