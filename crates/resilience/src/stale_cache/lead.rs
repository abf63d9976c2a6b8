//! Lead: who asks, for all who wait; and those who do.

use std::fmt;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use evenkeel_units::{Moment, nanos};

use super::entries::{Failure, Kept};
use super::shard::{Call, answer};
use super::{Answer, Origin, StaleCache};
use crate::Error;
use crate::flight::Turn;

/// The duty to ask for a key, which one caller has at a time. Dropped without [`land`](Self::land), as by a panic or a cancelled
/// caller, it goes to who waits for longest.
#[must_use = "while nobody asks, all others wait"]
pub struct Lead<K, V, E, S> {
    cache: Arc<StaleCache<K, V, E, S>>,
    call: Arc<Call<K, V, E>>,
    asked_at: u64,
    call_max: Duration,
    landed: bool,
}

impl<K, V, E, S> Lead<K, V, E, S> {
    pub(super) const fn new(
        cache: Arc<StaleCache<K, V, E, S>>,
        call: Arc<Call<K, V, E>>,
        asked_at: u64,
        call_max: Duration,
    ) -> Self {
        Self { cache, call, asked_at, call_max, landed: false }
    }

    /// What is asked for.
    pub fn key(&self) -> &K {
        &self.call.key
    }

    /// How long the call may take; to keep to it is up to who makes it.
    pub const fn call_max(&self) -> Duration {
        self.call_max
    }

    /// Says what came of the call: an answer is kept, an error remembered, and all who wait are told. Gives what this caller has
    /// of it.
    ///
    /// # Errors
    /// That of the call, if there is no answer that may be used in need.
    pub fn land(self, now: Moment, result: Result<V, Error<E>>) -> Result<Answer<V>, Error<E>>
    where
        K: Eq + Clone,
        V: Clone,
        E: Clone,
    {
        match result {
            Ok(value) => self.ended(now, Brought::Good(value)),
            Err(error) => self.ended(now, Brought::Failed(Err(error))),
        }
    }

    /// The same for an answer that is no good, as one that says that the server is unwell: it is not kept, and remembered as an error
    /// is. All who wait are told what may be used in need, or this.
    ///
    /// # Errors
    /// None; the type is that of [`land`](Self::land).
    pub fn land_failed(self, now: Moment, value: V) -> Result<Answer<V>, Error<E>>
    where
        K: Eq + Clone,
        V: Clone,
        E: Clone,
    {
        self.ended(now, Brought::Failed(Ok(value)))
    }

    fn ended(mut self, now: Moment, brought: Brought<V, E>) -> Result<Answer<V>, Error<E>>
    where
        K: Eq + Clone,
        V: Clone,
        E: Clone,
    {
        let (call, now) = (&self.call, nanos(now.elapsed()));
        let (hash, key) = (call.hash, &call.key);
        let mut shard = self.cache.lock(hash);
        let ages = shard.ages;
        // It is not, if the key was removed meanwhile: then what it brings is of before.
        let is_current = shard.end(call);
        let gone;
        let kept = |value, early| Kept { value, asked_at: self.asked_at, early };
        let result = match brought {
            Brought::Good(value) => {
                let early = self.cache.early_by(&ages, now.saturating_sub(self.asked_at));
                let kept = kept(value, early);
                let answer = answer(&kept, Origin::Asked, now);
                gone = match is_current {
                    true => shard.keep(now, hash, key, kept),
                    false => (None, Some(kept), None),
                };
                Ok(answer)
            }
            Brought::Failed(brought) => {
                shard.counts.failures += 1;
                let brought = brought.map(|value| kept(value, 0));
                let is_refused = brought.as_ref().is_err_and(Error::is_rejection);
                let failure = Failure { brought, until: now.saturating_add(ages.failure) };
                // Somebody may have put a younger answer there meanwhile.
                let present = shard.entries.peek(hash, key).and_then(|it| it.kept.as_ref());
                let usable = call.kept.iter().chain(present);
                let usable = usable.filter(|it| it.age(now) < ages.usable);
                let result = match usable.max_by_key(|it| it.asked_at) {
                    Some(kept) if kept.age(now) < ages.fresh => {
                        Ok(answer(kept, Origin::Fresh, now))
                    }
                    Some(kept) => Ok(answer(kept, Origin::StaleIfError, now)),
                    None => failure.answer(now),
                };
                if matches!(&result, Ok(it) if it.origin == Origin::StaleIfError) {
                    shard.counts.stale_if_error += 1;
                }
                gone = match is_current && ages.failure > 0 && !is_refused {
                    true => shard.fail(now, hash, key, failure),
                    false => (None, None, Some(failure)),
                };
                result
            }
        };
        drop(shard);
        drop(gone);
        call.flight.land(result.clone());
        // Only now: if a value panics when it is cloned, the next caller asks.
        self.landed = true;
        result
    }
}

/// What came of a call.
enum Brought<V, E> {
    /// An answer to be kept.
    Good(V),
    /// An error, or an answer that is no good.
    Failed(Result<V, Error<E>>),
}

impl<K, V, E, S> Drop for Lead<K, V, E, S> {
    fn drop(&mut self) {
        if !self.landed {
            self.cache.hand_on(&self.call);
        }
    }
}

impl<K, V, E, S> StaleCache<K, V, E, S> {
    /// Gives the lead to who waits for longest; if nobody does, the call is over.
    fn hand_on(&self, call: &Arc<Call<K, V, E>>) {
        // Under the lock of the shard, so that nobody joins a call that ends.
        let mut shard = self.lock(call.hash);
        let next = call.flight.hand_on();
        match next {
            Some(_) => shard.counts.handed_on += 1,
            None => {
                shard.end(call);
            }
        }
        drop(shard);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

/// What a [`Follower`] comes to.
#[derive(Debug)]
#[must_use]
pub enum Outcome<K, V, E, S> {
    /// What the call of another brought.
    Answer(Result<Answer<V>, Error<E>>),
    /// Who asked has given up: it is this caller's turn.
    Lead(Lead<K, V, E, S>),
}

/// One who waits for the call of another. Dropped, it keeps nobody waiting.
#[must_use = "a follower does nothing unless it is polled"]
pub struct Follower<K, V, E, S> {
    cache: Arc<StaleCache<K, V, E, S>>,
    call: Arc<Call<K, V, E>>,
    /// Its number among those who wait, as long as it does.
    number: Option<u32>,
}

impl<K, V, E, S> Follower<K, V, E, S> {
    pub(super) const fn new(
        cache: Arc<StaleCache<K, V, E, S>>,
        call: Arc<Call<K, V, E>>,
        number: u32,
    ) -> Self {
        Self { cache, call, number: Some(number) }
    }

    /// What has become of the call; else `waker` is woken when there is something to tell.
    ///
    /// # Panics
    /// If polled again after it was ready.
    pub fn poll(&mut self, now: Moment, waker: &Waker) -> Poll<Outcome<K, V, E, S>>
    where
        V: Clone,
        E: Clone,
    {
        let Some(number) = self.number else {
            unreachable!("a follower is not polled after it was ready")
        };
        let outcome = match self.call.flight.ask(number, waker) {
            Turn::Wait => return Poll::Pending,
            Turn::Landed(result) => {
                if matches!(&result, Ok(it) if it.origin == Origin::StaleIfError) {
                    self.cache.lock(self.call.hash).counts.stale_if_error += 1;
                }
                Outcome::Answer(result)
            }
            Turn::Lead => {
                let call_max = self.cache.lock(self.call.hash).ages.call_max;
                let (cache, call) = (Arc::clone(&self.cache), Arc::clone(&self.call));
                Outcome::Lead(Lead::new(cache, call, nanos(now.elapsed()), call_max))
            }
        };
        self.number = None;
        Poll::Ready(outcome)
    }
}

impl<K, V, E, S> Drop for Follower<K, V, E, S> {
    fn drop(&mut self) {
        if let Some(number) = self.number
            && self.call.flight.leave(number)
        {
            self.cache.hand_on(&self.call);
        }
    }
}

impl<K: fmt::Debug, V, E, S> fmt::Debug for Lead<K, V, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lead").field("key", &self.call.key).finish_non_exhaustive()
    }
}

impl<K: fmt::Debug, V, E, S> fmt::Debug for Follower<K, V, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("key", &self.call.key).finish_non_exhaustive()
    }
}
