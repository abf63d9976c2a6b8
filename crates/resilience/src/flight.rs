//! Flight: one call that many wait for, led by one of them at a time.
//!
//! A machine for whoever keeps flights by key. Who leads either lands it, and everybody has the answer; or gives the lead up
//! (dropped, cancelled, panicked), and who waited longest leads next.

use std::task::Waker;

use crate::queue::{Answer, Left, Queue};
use crate::sync::{Mutex, MutexGuard, locked};

/// One call under way. It begins with a leader.
#[derive(Debug)]
pub(crate) struct Flight<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    landed: Option<T>,
    /// Who waits; a place in it is the lead.
    waits: Queue,
}

/// What one who waits is told.
#[derive(Debug)]
pub(crate) enum Turn<T> {
    /// There is an answer.
    Landed(T),
    /// The lead is its own now.
    Lead,
    /// Not yet.
    Wait,
}

impl<T> Flight<T> {
    /// One that its caller leads.
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { landed: None, waits: Queue::default() }) }
    }

    /// Begins to wait for it, before there is a waker; gives a number for [`ask`](Self::ask) and [`leave`](Self::leave).
    pub(crate) fn join(&self) -> u32 {
        self.lock().waits.push(Waker::noop().clone())
    }

    /// What has become of it; else `waker` is woken when there is something to tell. After the lead was given, the number is used up.
    pub(crate) fn ask(&self, number: u32, waker: &Waker) -> Turn<T>
    where
        T: Clone,
    {
        let waker = waker.clone();
        let mut state = self.lock();
        if let Some(answer) = &state.landed {
            return Turn::Landed(answer.clone());
        }
        let answer = state.waits.ask(number, waker);
        drop(state);
        match answer {
            Answer::Granted(_) => Turn::Lead,
            Answer::Wait(_) => Turn::Wait,
        }
    }

    /// Waits no more. Whether it had been given the lead, which has to be handed on then.
    pub(crate) fn leave(&self, number: u32) -> bool {
        let mut state = self.lock();
        if state.landed.is_some() {
            return false;
        }
        let left = state.waits.leave(number);
        drop(state);
        matches!(left, Left::Place)
    }

    /// Gives the lead to who waited longest, whose waker this is; if nobody waits, the flight is over.
    #[must_use]
    pub(crate) fn hand_on(&self) -> Option<Waker> {
        self.lock().waits.grant()
    }

    /// Gives everybody the answer.
    pub(crate) fn land(&self, answer: T) {
        let mut state = self.lock();
        state.landed = Some(answer);
        let wakers: Vec<_> = std::iter::from_fn(|| state.waits.grant()).collect();
        drop(state);
        // Outside of the lock: what a waker does is not ours.
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Of what runs under the lock only the clone of an answer can panic, and that changes nothing.
        locked(&self.state)
    }
}
