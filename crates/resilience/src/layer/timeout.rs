//! The layer of [`Deadlines`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::deadline::{Deadlines, Within};
use crate::pipeline::{Stage, Stages};
use crate::timer::Allowed;
use crate::{Error, TimeLimit};

/// Makes a [`TimeoutService`] of a service, for one of the limits. The total stands outside of retries, every other limit inside. Each
/// is counted from when the call first has something to wait for: an answer that is there at once asks for no clock.
///
/// What a service waits for *before* the call, in `poll_ready`, is not counted: bound it where it waits.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::{TimeLimit, deadline::{Deadlines, Limits}, layer::{BaseLayer, TimeoutLayer}};
/// use tower_layer::Layer;
///
/// # #[derive(Clone)] struct Client;
/// let deadlines = Arc::new(Deadlines::try_new(Limits::default())?);
/// let attempt = TimeoutLayer::new(Arc::clone(&deadlines), TimeLimit::Attempt).layer(BaseLayer.layer(Client));
/// let service = TimeoutLayer::new(deadlines, TimeLimit::Total).layer(attempt);
/// # drop(service); Ok::<(), evenkeel_resilience::deadline::LimitsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TimeoutLayer {
    deadlines: Arc<Deadlines>,
    limit: TimeLimit,
}

impl TimeoutLayer {
    /// For one of the limits.
    pub const fn new(deadlines: Arc<Deadlines>, limit: TimeLimit) -> Self {
        Self { deadlines, limit }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = TimeoutService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimeoutService { inner, deadlines: Arc::clone(&self.deadlines), limit: self.limit }
    }
}

/// A service whose calls end at a limit.
#[derive(Clone, Debug)]
pub struct TimeoutService<S> {
    inner: S,
    deadlines: Arc<Deadlines>,
    limit: TimeLimit,
}

impl<S, R, E> Service<R> for TimeoutService<S>
where
    S: Service<R, Error = Error<E>>,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = TimeoutFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error<E>>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let time = self.deadlines.nanos(self.limit);
        // What is made inside the call may already ask for the deadline, to send it on.
        let _allowed = Allowed::set(time);
        let deadlines = Arc::clone(&self.deadlines);
        TimeoutFuture {
            within: Within::after(self.limit, time, self.inner.call(request)),
            deadlines,
        }
    }
}

impl<S: Stages> Stages for TimeoutService<S> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Timeout { limit: self.limit, time: self.deadlines.limit(self.limit) });
        self.inner.stages(found);
    }
}

pin_project! {
    /// The answer of a [`TimeoutService`].
    #[derive(Debug)]
    pub struct TimeoutFuture<F> {
        #[pin]
        within: Within<F>,
        deadlines: Arc<Deadlines>,
    }
}

impl<F, T, E> Future for TimeoutFuture<F>
where
    F: Future<Output = Result<T, Error<E>>>,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let result = ready!(this.within.as_mut().poll(context));
        if this.within.has_expired() {
            this.deadlines.reached(this.within.limit());
        }
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests;
