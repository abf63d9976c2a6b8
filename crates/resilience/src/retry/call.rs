//! The async API: a closure is called until its result stands.

use super::{Classify, Idempotency, Retry, Verdict};
use crate::time::now;
use crate::{Error, timer};

impl<C> Retry<C> {
    /// Calls until the result stands. For what may happen twice; see [`Self::call_as`] for what may not.
    ///
    /// Each attempt is a future of its own, made by `call`. Waits end before a [deadline](crate::deadline) that stands around this
    /// call. Dropping the future ends it; nothing goes on in the background.
    ///
    /// # Errors
    /// That of the last attempt.
    pub async fn call<T, E, F>(&self, call: impl FnMut() -> F) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
        C: Classify<T, E>,
    {
        self.call_as(Idempotency::Safe, call).await
    }

    /// The same for what may or may not happen twice: if not, only what was certainly never done is tried again.
    ///
    /// # Errors
    /// That of the last attempt.
    pub async fn call_as<T, E, F>(
        &self,
        idempotency: Idempotency,
        mut call: impl FnMut() -> F,
    ) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
        C: Classify<T, E>,
    {
        let mut course = self.begin(idempotency);
        loop {
            let result = call().await;
            let verdict = self.classify.classify(result.as_ref());
            if verdict == Verdict::Success {
                self.succeeded(&mut course);
                return result;
            }
            let failed_at = now();
            match self.attempted(failed_at, timer::deadline(), &mut course, verdict) {
                None => return result,
                Some(wait) => {
                    // What a bad answer holds, as a connection, is free while we wait.
                    drop(result);
                    timer::until(failed_at + wait).await;
                }
            }
        }
    }

    /// The classifier.
    pub(crate) const fn classifier(&self) -> &C {
        &self.classify
    }
}
