//! Queue: who waits, in the order in which they came, without an allocation for each.
//!
//! A list by numbers through a vector: who leaves amid the queue is unlinked in constant time, and a slot that is free is
//! used again. The vector is as long as the longest queue was, plus those who have a place and have not yet picked it up.

use std::task::Waker;

const NOBODY: u32 = u32::MAX;

/// Those who wait.
#[derive(Debug)]
pub(super) struct Queue {
    slots: Vec<Slot>,
    first: u32,
    last: u32,
    /// The first of the free slots, which are linked by `next`.
    free: u32,
}

#[derive(Debug)]
struct Slot {
    state: State,
    before: u32,
    next: u32,
}

#[derive(Debug)]
enum State {
    Free,
    Waiting(Waker),
    /// It has a place, and is no longer linked.
    Granted,
}

impl Default for Queue {
    fn default() -> Self {
        Self { slots: Vec::new(), first: NOBODY, last: NOBODY, free: NOBODY }
    }
}

impl Queue {
    /// At the end of the queue; gives the number by which it is known from now on.
    pub(super) fn push(&mut self, waker: Waker) -> u32 {
        let slot = Slot { state: State::Waiting(waker), before: self.last, next: NOBODY };
        let number = match self.slots.get_mut(self.free as usize) {
            Some(free) => {
                let number = self.free;
                self.free = free.next;
                *free = slot;
                number
            }
            None => {
                self.slots.push(slot);
                self.slots.len() as u32 - 1
            }
        };
        self.link(self.last, number);
        self.last = number;
        number
    }

    /// Gives a place to the first; its waker is to be woken.
    pub(super) fn grant(&mut self) -> Option<Waker> {
        let number = self.first;
        self.unlink(number);
        match std::mem::replace(&mut self.slots.get_mut(number as usize)?.state, State::Granted) {
            State::Waiting(waker) => Some(waker),
            State::Free | State::Granted => unreachable!("who is linked waits"),
        }
    }

    /// Picks up the place that `number` was given; or keeps another waker for it, and gives the one that is to be dropped.
    pub(super) fn ask(&mut self, number: u32, waker: Waker) -> Answer {
        match &mut self.slots[number as usize].state {
            State::Waiting(old) if old.will_wake(&waker) => Answer::Wait(waker),
            State::Waiting(old) => Answer::Wait(std::mem::replace(old, waker)),
            State::Granted => {
                self.release(number);
                Answer::Granted(waker)
            }
            State::Free => unreachable!("a number is not used after it was given up"),
        }
    }

    /// Leaves: whether it had been given a place, which the caller now has; else its waker.
    pub(super) fn leave(&mut self, number: u32) -> Left {
        let state = std::mem::replace(&mut self.slots[number as usize].state, State::Free);
        if let State::Waiting(waker) = state {
            self.unlink(number);
            self.release(number);
            Left::Queue(waker)
        } else {
            self.release(number);
            Left::Place
        }
    }

    fn release(&mut self, number: u32) {
        self.slots[number as usize] = Slot { state: State::Free, before: NOBODY, next: self.free };
        self.free = number;
    }

    fn unlink(&mut self, number: u32) {
        let Some(&Slot { before, next, .. }) = self.slots.get(number as usize) else { return };
        self.link(before, next);
        if self.last == number {
            self.last = before;
        }
    }

    /// Lets `next` follow `before`, either of which may be nobody.
    fn link(&mut self, before: u32, next: u32) {
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.next = next,
            None => self.first = next,
        }
        if let Some(slot) = self.slots.get_mut(next as usize) {
            slot.before = before;
        }
    }
}

/// What one who waits is told. Wakers go back to be dropped outside of the lock.
#[derive(Debug)]
#[must_use]
pub(super) enum Answer {
    /// It has a place.
    Granted(#[expect(dead_code, reason = "carried out of the lock to be dropped there")] Waker),
    /// Not yet.
    Wait(#[expect(dead_code, reason = "carried out of the lock to be dropped there")] Waker),
}

/// What one who left had.
#[derive(Debug)]
#[must_use]
pub(super) enum Left {
    /// A place among the calls under way.
    Place,
    /// A place in the queue.
    Queue(#[expect(dead_code, reason = "carried out of the lock to be dropped there")] Waker),
}
