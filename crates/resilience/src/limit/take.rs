//! Take: a turn of a rate limiter as a future of tokio's time.

use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{Limited, Limiter, Turn};
use crate::timer::Timer;
use crate::{Error, time};

impl Limiter {
    /// Makes a call, if it conforms or will within the policy's wait.
    ///
    /// # Errors
    /// [`Error::Limited`] if not, in which case `call` was not run; else what the call itself failed with.
    pub async fn call<T, E, F>(&self, call: impl FnOnce() -> F) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        self.take().await.map_err(Limited::into_error)?;
        call().await
    }

    /// A turn, waited for under the policy.
    ///
    /// # Errors
    /// When the wait would be longer than allowed; known at once.
    pub const fn take(&self) -> Take<&Self> {
        Take::new(self)
    }
}

pin_project! {
    /// A call that waits for its turn. It books when it is polled first; dropped while it waits, it gives its turn back.
    #[must_use = "futures do nothing unless polled"]
    pub struct Take<H: Deref<Target = Limiter>> {
        limiter: H,
        turn: Option<Turn>,
        timer: Timer,
    }

    impl<H: Deref<Target = Limiter>> PinnedDrop for Take<H> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(turn) = this.turn.take() {
                this.limiter.give_back(turn);
            }
        }
    }
}

impl<H: Deref<Target = Limiter>> Take<H> {
    /// The next turn of this limiter.
    pub const fn new(limiter: H) -> Self {
        Self { limiter, turn: None, timer: Timer::new() }
    }

    /// One that was booked already.
    pub(crate) fn booked(limiter: H, turn: Turn) -> Self {
        Self { limiter, turn: Some(turn), timer: Timer::new() }
    }
}

impl<H: Deref<Target = Limiter>> Future for Take<H> {
    type Output = Result<(), Limited>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let at = match this.turn {
            Some(turn) => turn.at(),
            None => {
                let now = time::now();
                let turn = this.limiter.reserve(now)?;
                let at = turn.at();
                if at <= now {
                    return Poll::Ready(Ok(()));
                }
                *this.turn = Some(turn);
                at
            }
        };
        ready!(this.timer.poll_until(context, at));
        *this.turn = None;
        Poll::Ready(Ok(()))
    }
}

impl<H: Deref<Target = Limiter>> fmt::Debug for Take<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Take").field("turn", &self.turn).finish_non_exhaustive()
    }
}
