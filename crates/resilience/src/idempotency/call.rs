//! Call: a request with a key around a future, by tokio's clock.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::time::timeout;

use super::{Begun, Outcome, Store};
use crate::{Error, time};

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
        let replay = |answer| Ok(Answer { answer, is_replay: true });
        let lease = match self.begin(time::now(), key, print) {
            Begun::First(lease) => lease,
            Begun::Replay(answer) => return replay(answer),
            Begun::InProgress => return Err(NoAnswer::InProgress),
            Begun::OtherRequest => return Err(NoAnswer::OtherRequest),
            Begun::Full => return Err(NoAnswer::Full),
            Begun::Wait(mut follower) => {
                let wait = follower.wait();
                match timeout(wait, poll_fn(|context| follower.poll(context.waker()))).await {
                    Ok(Outcome::Answer(answer)) => return replay(answer),
                    Ok(Outcome::First(lease)) => lease,
                    Err(_) => return Err(NoAnswer::InProgress),
                }
            }
        };
        let answer = make().await.map_err(NoAnswer::Failed)?;
        if stands(&answer) {
            lease.complete(time::now(), answer.clone());
        }
        Ok(Answer { answer, is_replay: false })
    }
}
