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
//! A chain of more is a fallback whose second way is a call of another fallback; each counts its own.
//!
//! **Errors.** That of the last way.

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
}

/// One link of a chain: a way, and what is done when it fails. Shared by all calls that take it.
#[derive(Debug, Default)]
pub struct Fallback {
    first: AtomicU64,
    used: AtomicU64,
    failed: AtomicU64,
}

impl Fallback {
    /// Takes the first way, and the second if that fails; the second is told why.
    ///
    /// # Errors
    /// That of the second way.
    pub async fn call<T, E>(
        &self,
        first: impl AsyncFnOnce() -> Result<T, Error<E>>,
        second: impl AsyncFnOnce(Error<E>) -> Result<T, Error<E>>,
    ) -> Result<T, Error<E>> {
        let why = match first().await {
            Ok(answer) => {
                self.first.fetch_add(1, Relaxed);
                return Ok(answer);
            }
            Err(why) => why,
        };
        let result = second(why).await;
        let count = if result.is_ok() { &self.used } else { &self.failed };
        count.fetch_add(1, Relaxed);
        result
    }

    /// What was done so far.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            first: self.first.load(Relaxed),
            used: self.used.load(Relaxed),
            failed: self.failed.load(Relaxed),
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
    async fn the_second_way_knows_why_the_first_failed_and_may_fail_too() {
        let fallback = Fallback::default();
        let answer: Result<(), _> =
            fallback.call(async || Err(Error::Inner("here")), async |why| Err(why)).await;
        assert_eq!(answer, Err(Error::Inner("here")));
        assert_eq!(fallback.snapshot().failed, 1);
    }
}
