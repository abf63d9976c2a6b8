//! Pool: blocking work on threads of its own, so much at once and so much that waits.

use std::sync::Arc;

use tokio::task::{AbortHandle, spawn_blocking};

use super::{Bulkhead, Policy, PolicyError, Rejected};
use crate::Error;

/// A [`Bulkhead`] for work that blocks its thread: files, name resolution, hashing of passwords, a driver without async.
///
/// The work runs on the threads that tokio keeps for that, of which it has 512 for all: without a bound, one slow disk takes
/// them all. A place is free again when the work has *ended*, not when its caller has lost patience: a thread that hangs
/// cannot be stopped, and is counted for as long as it does. Work that has not begun when its caller is cancelled never does.
///
/// To hand work to a thread allocates, once for each call.
///
/// ```
/// use evenkeel_resilience::{Error, bulkhead::{Policy, Pool}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let disk = Pool::try_new(Policy { limit: 4, ..Policy::default() })?;
/// let read = disk.call(|| std::fs::read("/dev/null").map_err(Error::Inner)).await?;
/// assert!(read.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    bulkhead: Arc<Bulkhead>,
}

impl Pool {
    /// Under a policy.
    ///
    /// # Errors
    /// When its values do not go together.
    pub fn try_new(policy: Policy) -> Result<Self, PolicyError> {
        Ok(Self::over(Arc::new(Bulkhead::try_new(policy)?)))
    }

    /// With the places of a bulkhead: of one that has a listener, say, or that calls which do not block share.
    pub const fn over(bulkhead: Arc<Bulkhead>) -> Self {
        Self { bulkhead }
    }

    /// The places: what they do and have done, and the way to another policy.
    pub const fn bulkhead(&self) -> &Arc<Bulkhead> {
        &self.bulkhead
    }

    /// Runs the work on a thread as soon as there is a place. If it panics, so does this.
    ///
    /// # Errors
    /// [`Error::Full`] if it got no place, or the runtime stops before it began: `work` was not run. Else what it failed with.
    ///
    /// # Panics
    /// As the work did; and outside of a tokio runtime.
    pub async fn call<T, E>(
        &self,
        work: impl FnOnce() -> Result<T, Error<E>> + Send + 'static,
    ) -> Result<T, Error<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let permit = self.bulkhead.enter_owned().await.map_err(Rejected::into_error)?;
        let running = spawn_blocking(move || {
            let answer = work();
            drop(permit);
            answer
        });
        let _forget = Forget(running.abort_handle());
        match running.await {
            Ok(answer) => answer,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::Full),
            },
        }
    }
}

/// Takes work back that has not begun; without effect on what runs.
struct Forget(AbortHandle);

impl Drop for Forget {
    fn drop(&mut self) {
        self.0.abort();
    }
}
