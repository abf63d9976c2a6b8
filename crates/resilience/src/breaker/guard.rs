//! Guard: a permit that gives itself back.

use std::mem;
use std::ops::Deref;
use std::time::Duration;

use evenkeel_units::Moment;

use super::running::Mark;
use super::{Breaker, Outcome, Pass, Rejected, Stopwatch};

/// Leave to make one call, which gives itself back when it is dropped.
///
/// `B` is how the breaker is held: `&Breaker`, or `Arc<Breaker>` where the permit has to live on its own. `W` is the clock
/// that says when the call begins and ends.
///
/// A permit that is dropped without an outcome is of a call that was cancelled, mostly by a time limit around it. If it had
/// taken longer than [`Slow::after`](super::Slow::after) by then, it counts as failed and slow; else it counts as nothing,
/// as impatience says nothing of the neighbour. Dropped while its thread panics, it counts as failed.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled call"]
pub struct Permit<B, W = fn() -> Moment>
where
    B: Deref<Target = Breaker>,
    W: Stopwatch,
{
    breaker: B,
    pass: Pass,
    is_over: bool,
    /// `None` where nobody asks how long the call takes.
    started: Option<W::Reading>,
    clock: W,
}

impl<B: Deref<Target = Breaker>, W: Stopwatch> Permit<B, W> {
    /// Asks a breaker to make one call. `clock` is read now, and when the call ends, where the time matters; it must not ask the
    /// breaker anything.
    ///
    /// # Errors
    /// When the circuit is open.
    pub fn ask(breaker: B, clock: W) -> Result<Self, Rejected> {
        let (pass, started) = breaker.admit_seen(&clock)?;
        Ok(Self { breaker, pass, is_over: false, started, clock })
    }

    /// The same for a call that may be over at once, and is seen while it runs from [`Permit::linger`] on: futures begin so, and
    /// linger when they are first pending.
    ///
    /// # Errors
    /// When the circuit is open.
    #[inline]
    pub fn begin(breaker: B, clock: W) -> Result<Self, Rejected> {
        let (pass, started) = breaker.admit_by(&clock)?;
        Ok(Self { breaker, pass, is_over: false, started, clock })
    }

    /// The call is not over at once: if it takes too long, that counts before it ends. To say so again does nothing.
    #[inline]
    pub fn linger(&mut self) {
        if let Some(started) = self.started
            && self.pass.mark == Mark::LATER
        {
            self.breaker.linger(&mut self.pass, self.clock.moment(started));
        }
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

    /// The call was cancelled, or its thread panics.
    #[cold]
    fn cut_off(&self) {
        if std::thread::panicking() {
            self.breaker.record_by(&self.clock, (self.pass, self.started), Outcome::Failure);
            return;
        }
        let end = self.clock.read();
        let took = self.started.map_or(Duration::ZERO, |begin| self.clock.between(begin, end));
        self.breaker.cut_off(self.clock.moment(end), self.pass, took);
    }

    /// The same where it lies; it is of no call any more.
    #[inline]
    pub(crate) fn conclude(&mut self, outcome: Option<Outcome>) {
        if mem::replace(&mut self.is_over, true) {
            return;
        }
        match outcome {
            Some(outcome) => {
                self.breaker.record_by(&self.clock, (self.pass, self.started), outcome);
            }
            None => self.breaker.give_back(self.pass),
        }
    }
}

impl<B: Deref<Target = Breaker>, W: Stopwatch> Drop for Permit<B, W> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_over {
            self.cut_off();
        }
    }
}
