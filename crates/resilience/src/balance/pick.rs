//! Pick: a call to an endpoint that gives itself back.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use evenkeel_units::Moment;

use super::{Balancer, Endpoint, Ticket};
#[cfg(feature = "tower")]
use crate::Error;
use crate::breaker::Outcome;

/// A call under way to an endpoint, which ends when it is dropped.
///
/// `B` is how the balancer is held: `&Balancer<T>`, or `Arc<Balancer<T>>` where the pick has to live on its own. `C` is the clock that says
/// when the call ends.
///
/// Dropped without an outcome, it was cancelled, mostly by a time limit around it: see [`Balancer::abandon`]. Dropped while its thread
/// panics, it failed.
#[must_use = "a pick that is dropped at once counts as a cancelled call"]
pub struct Pick<T, B, C = fn() -> Moment>
where
    B: Deref<Target = Balancer<T>>,
    C: Fn() -> Moment,
{
    balancer: B,
    ticket: Option<Ticket<T>>,
    clock: C,
}

impl<T, B: Deref<Target = Balancer<T>>, C: Fn() -> Moment> Pick<T, B, C> {
    /// Asks a balancer whom to call, as [`Balancer::admit`]. `clock` is asked now, and when the call ends.
    pub fn ask(balancer: B, clock: C, key: Option<u64>) -> Option<Self> {
        let ticket = Some(balancer.admit(clock(), key)?);
        Some(Self { balancer, ticket, clock })
    }

    /// Of an endpoint that was chosen before; the call begins now.
    #[cfg(feature = "tower")]
    pub(crate) fn begin(balancer: B, clock: C, endpoint: Arc<Endpoint<T>>) -> Self {
        let ticket = Some(Balancer::begin(clock(), endpoint));
        Self { balancer, ticket, clock }
    }

    /// Whom to call.
    pub fn endpoint(&self) -> &Arc<Endpoint<T>> {
        match &self.ticket {
            Some(ticket) => ticket.endpoint(),
            None => unreachable!("a pick has its ticket until it ends"),
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

    /// The call ended so, and with `None` says nothing of the endpoint.
    pub fn end(mut self, outcome: Option<Outcome>) {
        let Some(ticket) = self.ticket.take() else { return };
        match outcome {
            Some(outcome) => self.balancer.record((self.clock)(), ticket, outcome),
            None => self.balancer.release(ticket),
        }
    }
}

#[cfg(feature = "tower")]
impl<T, B: Deref<Target = Balancer<T>>, C: Fn() -> Moment> Pick<T, B, C> {
    /// A circuit that somebody keeps open does not say until when: so soon it is asked again.
    const KEPT_OPEN: std::time::Duration = std::time::Duration::from_secs(1);

    /// The call ended with this answer, which says that of the endpoint.
    pub(crate) fn heard<R, E>(mut self, answer: &Result<R, Error<E>>, outcome: Option<Outcome>) {
        match (answer, outcome) {
            (Err(Error::Open { retry_after }), None) => {
                let Some(ticket) = self.ticket.take() else { return };
                let after = retry_after.unwrap_or(Self::KEPT_OPEN);
                self.balancer.refused((self.clock)(), ticket, after);
            }
            _ => self.end(outcome),
        }
    }
}

impl<T, B: Deref<Target = Balancer<T>>, C: Fn() -> Moment> Drop for Pick<T, B, C> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let now = (self.clock)();
        match std::thread::panicking() {
            true => self.balancer.record(now, ticket, Outcome::Failure),
            false => self.balancer.abandon(now, ticket),
        }
    }
}

impl<T, B: Deref<Target = Balancer<T>>, C: Fn() -> Moment> fmt::Debug for Pick<T, B, C> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Pick").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
