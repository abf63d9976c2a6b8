//! Waiter: one call that wants a place, polled by whatever runs it.

use std::fmt;
use std::ops::Deref;
use std::task::{Poll, Waker};

use evenkeel_units::Moment;

use super::word::Word;
use super::{Bulkhead, Permit, Rejected};
use crate::queue::{Answer, Left};
use crate::sync::atomic::Ordering;

/// A call that wants a place. Nothing happens until it is polled; dropped, it leaves the queue and loses nobody's wake-up.
///
/// A state machine without a timer: who drives it polls it again at its [`deadline`](Self::deadline).
#[must_use = "a waiter does nothing unless it is polled"]
pub struct Waiter<H: Deref<Target = Bulkhead>> {
    /// Until it has what it wants.
    bulkhead: Option<H>,
    queued: Option<Queued>,
}

#[derive(Copy, Clone, Debug)]
struct Queued {
    number: u32,
    until: Moment,
}

enum Entry {
    Place,
    Queued(u32),
    Full,
}

impl<H: Deref<Target = Bulkhead>> Waiter<H> {
    /// One that has not asked yet.
    pub const fn new(bulkhead: H) -> Self {
        Self { bulkhead: Some(bulkhead), queued: None }
    }

    /// Until when it waits in the queue; nothing if it does not.
    pub fn deadline(&self) -> Option<Moment> {
        self.queued.map(|it| it.until)
    }

    /// Asks for a place; if there is none, queues up, and has `waker` woken when it is given one. The wait limit counts from
    /// the first time.
    ///
    /// # Errors
    /// [`Rejected::Full`] if the queue was full, [`Rejected::Waited`] once the deadline has come.
    ///
    /// # Panics
    /// If polled again after it was ready.
    pub fn poll(&mut self, now: Moment, waker: &Waker) -> Poll<Result<Permit<H>, Rejected>> {
        let Some(bulkhead) = self.bulkhead.as_deref() else {
            unreachable!("a waiter is not polled after it was ready")
        };
        match self.queued {
            None if bulkhead.take() => Poll::Ready(Ok(self.granted())),
            None => match enqueue(bulkhead, waker) {
                Entry::Place => Poll::Ready(Ok(self.granted())),
                Entry::Queued(number) => {
                    self.queued = Some(Queued { number, until: now + bulkhead.wait() });
                    Poll::Pending
                }
                Entry::Full => {
                    let why = bulkhead.reject(Rejected::Full);
                    self.bulkhead = None;
                    Poll::Ready(Err(why))
                }
            },
            Some(Queued { number, until }) if now < until => {
                let waker = waker.clone();
                let answer = bulkhead.lock().ask(number, waker);
                match answer {
                    Answer::Granted(_) => Poll::Ready(Ok(self.granted())),
                    Answer::Wait(_) => Poll::Pending,
                }
            }
            Some(Queued { number, .. }) => match leave(bulkhead, number) {
                Left::Place => Poll::Ready(Ok(self.granted())),
                Left::Queue(_) => {
                    // It is out of the queue, also if who listens panics.
                    self.queued = None;
                    let why = bulkhead.reject(Rejected::Waited);
                    self.bulkhead = None;
                    Poll::Ready(Err(why))
                }
            },
        }
    }

    /// A place, if it has not asked yet and one is free.
    #[cfg(feature = "tower")]
    #[inline]
    pub(super) fn try_now(&mut self) -> Option<Permit<H>> {
        (self.queued.is_none() && self.bulkhead.as_deref()?.take()).then(|| self.granted())
    }

    fn granted(&mut self) -> Permit<H> {
        let Some(bulkhead) = self.bulkhead.take() else {
            unreachable!("who is granted a place has asked")
        };
        if self.queued.take().is_some() {
            // Only now: who is cancelled before it takes what it was given was not admitted.
            bulkhead.admitted.fetch_add(1, Ordering::Relaxed);
            bulkhead.admitted_after_waiting.fetch_add(1, Ordering::Relaxed);
        }
        Permit { bulkhead }
    }
}

/// Queues up, or takes the place that became free meanwhile.
#[cold]
fn enqueue(bulkhead: &Bulkhead, waker: &Waker) -> Entry {
    let queue_max = bulkhead.queue_max.load(Ordering::Relaxed);
    let waker = waker.clone();
    let mut queue = bulkhead.lock();
    loop {
        if bulkhead.take() {
            return Entry::Place;
        }
        // A place that becomes free after this swap is handed to the queue, under the lock that we hold; one that became
        // free before it fails the swap. So none is free while somebody waits.
        let word = bulkhead.word(Ordering::Relaxed);
        if word.taken().is_some() {
            continue;
        }
        if word.waiting() >= queue_max {
            return Entry::Full;
        }
        if bulkhead.swap(word, Word::queued(word)).is_ok() {
            return Entry::Queued(queue.push(waker));
        }
    }
}

/// Leaves the queue, or has a place.
#[cold]
fn leave(bulkhead: &Bulkhead, number: u32) -> Left {
    let mut queue = bulkhead.lock();
    let left = queue.leave(number);
    if matches!(left, Left::Queue(_)) {
        bulkhead.change(Word::unqueued);
    }
    left
}

impl<H: Deref<Target = Bulkhead>> Drop for Waiter<H> {
    fn drop(&mut self) {
        if let (Some(bulkhead), Some(Queued { number, .. })) =
            (self.bulkhead.as_deref(), self.queued)
        {
            let left = leave(bulkhead, number);
            bulkhead.cancelled.fetch_add(1, Ordering::Relaxed);
            if matches!(left, Left::Place) {
                bulkhead.leave();
            }
        }
    }
}

impl<H: Deref<Target = Bulkhead>> fmt::Debug for Waiter<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("queued", &self.queued).finish_non_exhaustive()
    }
}
