//! Lease: the right to run a request, which one of those with its key has at a time.

use std::fmt;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use evenkeel_units::Moment;

use super::{Stage, Store};
use crate::flight::{Flight, Turn};

/// Where a request is at home: what its lease is made of.
type Place<K, P, T> = (Arc<Store<K, P, T>>, K, Arc<Flight<T>>);

/// The right to run a request. Dropped without [`complete`](Self::complete), as by a panic or a client that hung up, it goes to who waits
/// for longest, or the key is free again.
#[must_use = "a lease that is dropped gives the key up"]
pub struct Lease<K: Ord, P, T> {
    store: Arc<Store<K, P, T>>,
    key: K,
    flight: Arc<Flight<T>>,
    completed: bool,
}

impl<K: Ord, P, T> Lease<K, P, T> {
    pub(super) fn new((store, key, flight): Place<K, P, T>) -> Self {
        Self { store, key, flight, completed: false }
    }

    /// The key of the request.
    pub const fn key(&self) -> &K {
        &self.key
    }

    /// Keeps the answer, and gives it to all who wait.
    pub fn complete(mut self, now: Moment, answer: T)
    where
        K: Clone,
        T: Clone,
    {
        // What may panic comes first: the key is free again then.
        let (kept, key) = (answer.clone(), self.key.clone());
        self.completed = true;
        let mut state = self.store.lock();
        let until = now + state.policy.ttl;
        let done = Stage::Done { answer: kept, until };
        let before =
            state.entries.get_mut(&self.key).map(|it| std::mem::replace(&mut it.stage, done));
        state.ends.insert((until, key));
        drop(state);
        drop(before);
        self.flight.land(answer);
    }
}

impl<K: Ord, P, T> Drop for Lease<K, P, T> {
    fn drop(&mut self) {
        if !self.completed {
            self.store.hand_on(&self.key, &self.flight);
        }
    }
}

impl<K: Ord, P, T> Store<K, P, T> {
    /// Gives the lease to who waits for longest; if nobody does, the key is free.
    fn hand_on(&self, key: &K, flight: &Flight<T>) {
        // Under the lock, so that nobody joins a flight that ends.
        let mut state = self.lock();
        state.counts.released += 1;
        let next = flight.hand_on();
        let gone = if next.is_none() { state.entries.remove(key) } else { None };
        drop(state);
        drop(gone);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

/// What a [`Follower`] comes to.
#[derive(Debug)]
#[must_use]
pub enum Outcome<K: Ord, P, T> {
    /// The answer of the one that was under way.
    Answer(T),
    /// That one has given up: run.
    First(Lease<K, P, T>),
}

/// A request that waits for another one with its key. Dropped, it keeps nobody waiting.
#[must_use = "a follower does nothing unless it is polled"]
pub struct Follower<K: Ord, P, T> {
    /// What its lease would be, as long as it waits.
    waits: Option<Place<K, P, T>>,
    number: u32,
    wait: Duration,
}

impl<K: Ord, P, T> Follower<K, P, T> {
    pub(super) const fn new(place: Place<K, P, T>, number: u32, wait: Duration) -> Self {
        Self { waits: Some(place), number, wait }
    }

    /// How long it may wait; to keep to it is up to who drives it.
    pub const fn wait(&self) -> Duration {
        self.wait
    }

    /// What has become of the other; else `waker` is woken when there is something to tell.
    ///
    /// # Panics
    /// If polled again after it was ready.
    pub fn poll(&mut self, waker: &Waker) -> Poll<Outcome<K, P, T>>
    where
        T: Clone,
    {
        let Some((store, key, flight)) = self.waits.take() else {
            unreachable!("a follower is not polled after it was ready")
        };
        match flight.ask(self.number, waker) {
            Turn::Landed(answer) => Poll::Ready(Outcome::Answer(answer)),
            Turn::Lead => Poll::Ready(Outcome::First(Lease::new((store, key, flight)))),
            Turn::Wait => {
                self.waits = Some((store, key, flight));
                Poll::Pending
            }
        }
    }
}

impl<K: Ord, P, T> Drop for Follower<K, P, T> {
    fn drop(&mut self) {
        if let Some((store, key, flight)) = &self.waits
            && flight.leave(self.number)
        {
            store.hand_on(key, flight);
        }
    }
}

impl<K: Ord + fmt::Debug, P, T> fmt::Debug for Lease<K, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<K: Ord + fmt::Debug, P, T> fmt::Debug for Follower<K, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("wait", &self.wait).finish_non_exhaustive()
    }
}
