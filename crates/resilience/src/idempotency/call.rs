//! Call: a request with a key around a future, by tokio's clock.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use evenkeel_units::Moment;
use pin_project_lite::pin_project;

use super::{Begun, Follower, Lease, Outcome, Store};
use crate::Error;
use crate::time::now;
use crate::timer::Timer;

/// What a request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The answer.
    pub answer: T,
    /// Whether it is that of an earlier request.
    pub is_replay: bool,
}

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer<E> {
    /// One with its key is under way.
    #[error("a request with this idempotency key is under way")]
    InProgress,
    /// Its key belongs to a request that asked for something else.
    #[error("this idempotency key belongs to another request")]
    OtherRequest,
    /// There is no room for another key.
    #[error("too many idempotency keys are in use")]
    Full,
    /// It was run, and failed; its key is free again.
    #[error(transparent)]
    Failed(Error<E>),
}

impl<E> NoAnswer<E> {
    /// The status by which HTTP says so: 409, 422 or 503; nothing if the call itself failed.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::InProgress => Some(409),
            Self::OtherRequest => Some(422),
            Self::Full => Some(503),
            Self::Failed(_) => None,
        }
    }
}

impl<K: Ord + Clone, P: Eq, T: Clone> Store<K, P, T> {
    /// Runs `make` if nobody asked for `print` under `key` before; else gives what was answered then.
    ///
    /// # Errors
    /// See [`NoAnswer`]; a call that failed is not kept, so that the next request with the key runs again.
    pub async fn call<E, F>(
        self: &Arc<Self>,
        key: K,
        print: P,
        make: impl FnOnce() -> F,
    ) -> Result<Answer<T>, NoAnswer<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        self.call_judged(key, print, make, |_| true).await
    }

    /// The same, where `stands` says which answers are kept. One that is not is given to its own request only, and the key is free
    /// again.
    ///
    /// # Errors
    /// As of [`call`](Self::call).
    pub async fn call_judged<E, F>(
        self: &Arc<Self>,
        key: K,
        print: P,
        make: impl FnOnce() -> F,
        stands: impl FnOnce(&T) -> bool,
    ) -> Result<Answer<T>, NoAnswer<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        let begun = self.begin(now(), key, print);
        Answering::new(Some(begun), async { make().await }, stands).await
    }
}

pin_project! {
    /// The answer to a request: that of `F`, or of an earlier one. Dropped, it gives its key up.
    #[must_use = "futures do nothing unless polled"]
    pub struct Answering<K: Ord, P, T, F, J> {
        turn: Turn<K, P, T>,
        #[pin]
        run: F,
        stands: Option<J>,
    }
}

/// Whose turn it is.
enum Turn<K: Ord, P, T> {
    /// Ours: it has no key, or nobody has asked before.
    Ours(Option<Lease<K, P, T>>),
    /// That of another, whose answer is waited for until then.
    Theirs { follower: Follower<K, P, T>, until: Moment, timer: Timer },
    /// Nobody's: there is an answer.
    Over(Option<Result<T, Refused>>),
}

/// What is said instead of an answer.
#[derive(Copy, Clone)]
enum Refused {
    InProgress,
    OtherRequest,
    Full,
}

impl<E> From<Refused> for NoAnswer<E> {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::InProgress => Self::InProgress,
            Refused::OtherRequest => Self::OtherRequest,
            Refused::Full => Self::Full,
        }
    }
}

impl<K: Ord, P, T, F, J> Answering<K, P, T, F, J> {
    /// `None` is a request without a key. `run` does nothing before it is polled.
    pub(crate) fn new(begun: Option<Begun<K, P, T>>, run: F, stands: J) -> Self {
        let turn = match begun {
            None => Turn::Ours(None),
            Some(Begun::First(lease)) => Turn::Ours(Some(lease)),
            Some(Begun::Replay(answer)) => Turn::Over(Some(Ok(answer))),
            Some(Begun::InProgress) => Turn::Over(Some(Err(Refused::InProgress))),
            Some(Begun::OtherRequest) => Turn::Over(Some(Err(Refused::OtherRequest))),
            Some(Begun::Full) => Turn::Over(Some(Err(Refused::Full))),
            Some(Begun::Wait(follower)) => {
                let until = now() + follower.wait();
                Turn::Theirs { follower, until, timer: Timer::new() }
            }
        };
        Self { turn, run, stands: Some(stands) }
    }
}

impl<K, P, T, E, F, J> Future for Answering<K, P, T, F, J>
where
    K: Ord + Clone,
    T: Clone,
    F: Future<Output = Result<T, Error<E>>>,
    J: FnOnce(&T) -> bool,
{
    type Output = Result<Answer<T>, NoAnswer<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            *this.turn = match this.turn {
                Turn::Ours(lease) => {
                    let answer = ready!(this.run.as_mut().poll(context));
                    // Dropped when it does not stand, or is none.
                    let lease = lease.take();
                    let answer = answer.map_err(NoAnswer::Failed)?;
                    if let (Some(lease), Some(stands)) = (lease, this.stands.take())
                        && stands(&answer)
                    {
                        lease.complete(now(), answer.clone());
                    }
                    return Poll::Ready(Ok(Answer { answer, is_replay: false }));
                }
                Turn::Theirs { follower, until, timer } => match follower.poll(context.waker()) {
                    Poll::Ready(Outcome::Answer(answer)) => Turn::Over(Some(Ok(answer))),
                    Poll::Ready(Outcome::First(lease)) => Turn::Ours(Some(lease)),
                    Poll::Pending => {
                        ready!(timer.poll_until(context, *until));
                        Turn::Over(Some(Err(Refused::InProgress)))
                    }
                },
                Turn::Over(told) => {
                    let Some(told) = told.take() else {
                        unreachable!("a future is not polled after it was ready")
                    };
                    let told = told.map(|answer| Answer { answer, is_replay: true });
                    return Poll::Ready(told.map_err(NoAnswer::from));
                }
            }
        }
    }
}

impl<K: Ord, P, T, F, J> fmt::Debug for Answering<K, P, T, F, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
