//! Guard: a permit that gives itself back.

use std::ops::Deref;

use evenkeel_units::Moment;

use super::{Breaker, Outcome, Rejected, Ticket};

/// Leave to make one call, which gives itself back when it is dropped.
///
/// `B` is how the breaker is held: `&Breaker`, or `Arc<Breaker>` where the permit has to live on its own. `C` is the clock
/// that says when the call ends.
///
/// A permit that is dropped without an outcome is of a call that was cancelled, mostly by a time limit around it. If it had
/// taken longer than [`Slow::after`](super::Slow::after) by then, it counts as failed and slow; else it counts as nothing,
/// as impatience says nothing of the neighbour. Dropped while its thread panics, it counts as failed.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled call"]
pub struct Permit<B, C = fn() -> Moment>
where
    B: Deref<Target = Breaker>,
    C: Fn() -> Moment,
{
    breaker: B,
    ticket: Option<Ticket>,
    clock: C,
}

impl<B: Deref<Target = Breaker>, C: Fn() -> Moment> Permit<B, C> {
    /// Asks a breaker to make one call. `clock` is asked now, and when the call ends, where the time matters.
    #[inline]
    pub fn ask(breaker: B, clock: C) -> Result<Self, Rejected> {
        let ticket = Some(breaker.admit_by(&clock)?);
        Ok(Self { breaker, ticket, clock })
    }

    /// The call went well.
    pub fn success(self) {
        self.end(Some(Outcome::Success));
    }

    /// The call failed.
    pub fn failure(self) {
        self.end(Some(Outcome::Failure));
    }

    /// The call says nothing of the neighbour.
    pub fn ignore(self) {
        self.end(None);
    }

    /// The call ended so, and with `None` says nothing of the neighbour.
    #[inline]
    pub fn end(mut self, outcome: Option<Outcome>) {
        self.conclude(outcome);
    }

    /// The same where it lies; it is of no call any more.
    #[inline]
    pub(crate) fn conclude(&mut self, outcome: Option<Outcome>) {
        let Some(ticket) = self.ticket.take() else { return };
        match outcome {
            Some(outcome) => self.breaker.record_by(&self.clock, ticket, outcome),
            None => self.breaker.release(ticket),
        }
    }
}

impl<B: Deref<Target = Breaker>, C: Fn() -> Moment> Drop for Permit<B, C> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let now = (self.clock)();
        match std::thread::panicking() {
            true => self.breaker.record(now, ticket, Outcome::Failure),
            false => self.breaker.abandon(now, ticket),
        }
    }
}
