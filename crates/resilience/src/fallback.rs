//! Fallback: something less good than the answer, and better than none.
//!
//! A chain: what was asked first, then each next best, until one answers. Typical: the service, a copy of it elsewhere, what is
//! cached, what can be computed here, a constant.
//!
//! **When to use it.** Where a person or a program can go on with less: recommendations, prices for display, an avatar.
//!
//! **When not.** Where less is wrong: balances, permissions, stock at the moment of sale. And never with a fallback that is used
//! only in need and was never tried under load: then the outage moves there.
//!
//! ```
//! use evenkeel_resilience::{Error, fallback::Fallback};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let fallback = Fallback::default();
//! let answer = fallback
//!     .call(async || Err::<&str, Error<()>>(Error::Full), async |_why| Ok("the bestsellers"))
//!     .await;
//! assert_eq!(answer, Ok("the bestsellers"));
//! assert_eq!(fallback.snapshot().used, 1);
//! # });
//! ```
//!
//! A chain of more is a fallback whose second way is a call of another fallback; each counts its own. With layers, it is one
//! [`FallbackLayer`](crate::layer::FallbackLayer) around another: the outermost is asked last.
//!
//! **Which errors.** All, or those that [`Which`] names: where "not found" is an answer, there is nothing to fall back from.
//!
//! **Errors.** That of the last way that was taken.

use std::fmt;
use std::sync::Arc;

use crate::Error;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How often the second way was taken, for dashboards. All counts only grow.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Calls that the first way answered.
    pub first: u64,
    /// Calls that the second way answered.
    pub used: u64,
    /// Calls that neither answered.
    pub failed: u64,
    /// Calls whose error was none to fall back from.
    pub stood: u64,
}

/// What happened, for a listener.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The second way answered.
    Used,
    /// The second way failed, too.
    Failed,
}

/// Who is told, on the thread of the call, without a lock. It must be quick.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Tells which errors of the first way lead to the second. A closure `Fn(&Error<E>) -> bool` is one.
pub trait Which<E> {
    /// Whether this one does.
    fn falls_back(&self, why: &Error<E>) -> bool;
}

/// Every error does.
#[derive(Copy, Clone, Debug, Default)]
pub struct Every;

impl<E> Which<E> for Every {
    fn falls_back(&self, _: &Error<E>) -> bool {
        true
    }
}

impl<E, F: Fn(&Error<E>) -> bool> Which<E> for F {
    fn falls_back(&self, why: &Error<E>) -> bool {
        self(why)
    }
}

/// One link of a chain: a way, and what is done when it fails. Shared by all calls that take it.
#[derive(Default)]
pub struct Fallback {
    first: AtomicU64,
    used: AtomicU64,
    failed: AtomicU64,
    stood: AtomicU64,
    listener: Option<Listener>,
}

impl fmt::Debug for Fallback {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Fallback").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}

impl Fallback {
    /// The same with somebody who is told when the second way was taken.
    pub fn listener(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// Takes the first way, and the second if that fails; the second is told why.
    ///
    /// # Errors
    /// That of the second way.
    pub async fn call<T, E>(
        &self,
        first: impl AsyncFnOnce() -> Result<T, Error<E>>,
        second: impl AsyncFnOnce(Error<E>) -> Result<T, Error<E>>,
    ) -> Result<T, Error<E>> {
        self.call_for(Every, first, second).await
    }

    /// The same for the errors that `which` names; every other one stands.
    ///
    /// # Errors
    /// That of the way that was taken last.
    pub async fn call_for<T, E>(
        &self,
        which: impl Which<E>,
        first: impl AsyncFnOnce() -> Result<T, Error<E>>,
        second: impl AsyncFnOnce(Error<E>) -> Result<T, Error<E>>,
    ) -> Result<T, Error<E>> {
        match first().await {
            Err(why) if which.falls_back(&why) => {
                let result = second(why).await;
                self.second_ended(result.is_ok());
                result
            }
            result => {
                self.first_stands(result.is_ok());
                result
            }
        }
    }

    pub(crate) fn first_stands(&self, is_ok: bool) {
        let count = if is_ok { &self.first } else { &self.stood };
        count.fetch_add(1, Relaxed);
    }

    pub(crate) fn second_ended(&self, is_ok: bool) {
        let (count, event) =
            if is_ok { (&self.used, Event::Used) } else { (&self.failed, Event::Failed) };
        count.fetch_add(1, Relaxed);
        if let Some(listener) = &self.listener {
            listener(&event);
        }
    }

    /// What was done so far.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            first: self.first.load(Relaxed),
            used: self.used.load(Relaxed),
            failed: self.failed.load(Relaxed),
            stood: self.stood.load(Relaxed),
        }
    }
}

#[cfg(all(test, feature = "tower"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_chain_ends_with_the_first_that_answers() {
        let (near, far) = (Fallback::default(), Fallback::default());
        let answer = near.call(
            async || Err(Error::Inner("here")),
            async |_| far.call(async || Ok("there"), async |_| Ok("nowhere")).await,
        );
        assert_eq!(answer.await, Ok("there"));
        assert_eq!((near.snapshot().used, far.snapshot().first, far.snapshot().used), (1, 1, 0));
    }

    #[tokio::test]
    async fn an_error_that_is_an_answer_stands() {
        let fallback = Fallback::default();
        let answer = fallback.call_for(
            |why: &Error<u16>| *why != Error::Inner(404),
            async || Err::<(), _>(Error::Inner(404)),
            async |_| Ok(()),
        );
        assert_eq!(answer.await, Err(Error::Inner(404)));
        assert_eq!((fallback.snapshot().stood, fallback.snapshot().used), (1, 0));
    }

    #[tokio::test]
    async fn the_second_way_knows_why_the_first_failed_and_may_fail_too() {
        let fallback = Fallback::default();
        let answer: Result<(), _> =
            fallback.call(async || Err(Error::Inner("here")), async |why| Err(why)).await;
        assert_eq!(answer, Err(Error::Inner("here")));
        assert_eq!(fallback.snapshot().failed, 1);
    }
}
