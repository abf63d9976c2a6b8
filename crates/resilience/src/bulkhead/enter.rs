//! Enter: the way into a bulkhead as a future of tokio's time.

use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{Bulkhead, Permit, Rejected, Waiter};
use crate::timer::Timer;
use crate::{Error, time};

impl Bulkhead {
    /// Makes a call as soon as it has a place.
    ///
    /// # Errors
    /// [`Error::Full`] if it got none, in which case `call` was not run; else what the call itself failed with.
    pub async fn call<T, E, F>(&self, call: impl FnOnce() -> F) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        let permit = match Permit::try_now(self) {
            Ok(permit) => permit,
            Err(_) => self.enter().await.map_err(Rejected::into_error)?,
        };
        let answer = call().await;
        drop(permit);
        answer
    }

    /// A place, waited for under the policy.
    ///
    /// # Errors
    /// See [`Rejected`].
    pub const fn enter(&self) -> Enter<&Self> {
        Enter::new(self)
    }

    /// As [`enter`](Self::enter), for a permit that is carried elsewhere, as into a task.
    ///
    /// # Errors
    /// See [`Rejected`].
    pub fn enter_owned(self: &Arc<Self>) -> Enter<Arc<Self>> {
        Enter::new(Arc::clone(self))
    }
}

pin_project! {
    /// A call on its way into a [`Bulkhead`], which gives its [`Permit`]. Dropped, it leaves the queue.
    ///
    /// The timer of the wait limit is made when it has to wait, and not before.
    #[must_use = "futures do nothing unless polled"]
    pub struct Enter<H: Deref<Target = Bulkhead>> {
        waiter: Waiter<H>,
        timer: Timer,
    }
}

impl<H: Deref<Target = Bulkhead>> Enter<H> {
    /// The way into this bulkhead.
    pub const fn new(bulkhead: H) -> Self {
        Self { waiter: Waiter::new(bulkhead), timer: Timer::new() }
    }
}

impl<H: Deref<Target = Bulkhead>> Future for Enter<H> {
    type Output = Result<Permit<H>, Rejected>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Who finds a free place needs no clock.
        if let Some(permit) = this.waiter.try_now() {
            return Poll::Ready(Ok(permit));
        }
        let mut now = time::now();
        loop {
            if let Poll::Ready(entered) = this.waiter.poll(now, context.waker()) {
                *this.timer = Timer::new();
                return Poll::Ready(entered);
            }
            let Some(deadline) = this.waiter.deadline() else { return Poll::Pending };
            now = ready!(this.timer.poll_until(context, deadline));
        }
    }
}

impl<H: Deref<Target = Bulkhead>> fmt::Debug for Enter<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Enter").field(&self.waiter).finish()
    }
}
