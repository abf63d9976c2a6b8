//! Measure: calls whose latency counts, by tokio's clock.

use std::ops::Deref;

use super::{Adaptive, Errors, Signal, Signals, Started};
use crate::Error;
use crate::bulkhead::Rejected;
use crate::time::now;

impl Adaptive {
    /// Makes a call as soon as it has a place, and learns from it.
    ///
    /// # Errors
    /// [`Error::Full`] if it got no place, in which case `call` was not run; else what the call itself failed with.
    pub async fn call<T, E, F>(&self, call: impl FnOnce() -> F) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        self.call_told(Errors, call).await
    }

    /// The same, where `signals` says what an answer says of who was called.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_told<T, E, F>(
        &self,
        signals: impl Signals<T, E>,
        call: impl FnOnce() -> F,
    ) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        let permit = self.bulkhead.enter().await.map_err(Rejected::into_error)?;
        let running = Running::begin(self);
        let answer = call().await;
        running.end(signals.signal(answer.as_ref()));
        drop(permit);
        answer
    }
}

/// A call whose end is told, also when it is dropped.
#[derive(Debug)]
pub(crate) struct Running<H: Deref<Target = Adaptive>> {
    adaptive: H,
    started: Option<Started>,
}

impl<H: Deref<Target = Adaptive>> Running<H> {
    pub(crate) fn begin(adaptive: H) -> Self {
        let started = Some(adaptive.begin(now()));
        Self { adaptive, started }
    }

    pub(crate) fn end(mut self, signal: Signal) {
        if let Some(started) = self.started.take() {
            self.adaptive.end(now(), started, signal);
        }
    }
}

impl<H: Deref<Target = Adaptive>> Drop for Running<H> {
    fn drop(&mut self) {
        // Who panicked says nothing of latency.
        if let Some(started) = self.started.take().filter(|_| !std::thread::panicking()) {
            self.adaptive.abandoned(now(), started);
        }
    }
}
