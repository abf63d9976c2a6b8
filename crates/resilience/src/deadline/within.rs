//! Within: a future that ends at a limit.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::{Deadline, Deadlines};
use crate::time::now;
use evenkeel_units::nanos;

use crate::timer::{self, NEVER, Scope, Timer};
use crate::{Error, TimeLimit};

/// `future`, for at most `time` from when it first has to wait; then it is dropped with whoever drops this one, and the answer is
/// [`Error::Timeout`] of `limit`.
pub fn within<F>(limit: TimeLimit, time: Duration, future: F) -> Within<F> {
    Within::after(limit, nanos(time), future)
}

/// `future` until a deadline. It is not even begun when that is over.
pub fn until<F>(limit: TimeLimit, deadline: Deadline, future: F) -> Within<F> {
    let at = nanos(deadline.moment().elapsed());
    let ends = if deadline.is_over(now()) { Ends::Over } else { Ends::At { at } };
    Within { limit, ends, timer: Timer::new(), future }
}

#[derive(Copy, Clone, Debug)]
enum Ends {
    /// So long after it first waits; an answer that is there at once asks no clock.
    After {
        time: u64,
    },
    At {
        at: u64,
    },
    Over,
}

pin_project! {
    /// A future that ends at a limit.
    #[derive(Debug)]
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Within<F> {
        limit: TimeLimit,
        ends: Ends,
        timer: Timer,
        #[pin]
        future: F,
    }
}

impl<F> Within<F> {
    /// For so many nanoseconds.
    #[inline]
    pub(crate) const fn after(limit: TimeLimit, time: u64, future: F) -> Self {
        Self { limit, ends: Ends::After { time }, timer: Timer::new(), future }
    }

    /// Whether it ended because of its limit.
    pub(crate) const fn has_expired(&self) -> bool {
        matches!(self.ends, Ends::Over)
    }

    /// Which limit it is.
    pub(crate) const fn limit(&self) -> TimeLimit {
        self.limit
    }
}

impl<F, T, E> Future for Within<F>
where
    F: Future<Output = Result<T, Error<E>>>,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let mut fired = timer::fired(context.waker());
        loop {
            let (at, allowed) = match *this.ends {
                Ends::After { time } => (NEVER, time),
                Ends::At { at } => (at, u64::MAX),
                Ends::Over => return Poll::Ready(Err(Error::Timeout(*this.limit))),
            };
            let scope = Scope::open(context.waker(), at, allowed, fired);
            let polled = this.future.as_mut().poll(context);
            if polled.is_ready() {
                return polled;
            }
            let (wake, present) = scope.close();
            let at = match *this.ends {
                Ends::After { time } => timer::present(present).saturating_add(time),
                _ => at,
            };
            *this.ends = Ends::At { at };
            if fired >= at {
                *this.ends = Ends::Over;
                continue;
            }
            fired = ready!(this.timer.poll(context, at.min(wake)));
        }
    }
}

impl Deadlines {
    /// Calls within a limit, counted from now.
    ///
    /// # Errors
    /// [`Error::Timeout`] of `limit`, or that of the call.
    pub async fn call<T, E, F>(
        &self,
        limit: TimeLimit,
        call: impl FnOnce() -> F,
    ) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        self.call_until(limit, self.deadline(now(), limit), call).await
    }

    /// The same until a deadline that came with a request, but not longer than our own limit.
    ///
    /// # Errors
    /// [`Error::Timeout`] of `limit`, or that of the call.
    pub async fn call_until<T, E, F>(
        &self,
        limit: TimeLimit,
        deadline: Deadline,
        call: impl FnOnce() -> F,
    ) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        let deadline = deadline.earlier(self.deadline(now(), limit));
        // Made inside, so that the closure already sees the deadline, and is not called when that is over.
        let mut within = std::pin::pin!(until(limit, deadline, async { call().await }));
        let result = within.as_mut().await;
        if within.has_expired() {
            self.reached(limit);
        }
        result
    }
}

#[cfg(test)]
mod tests;
