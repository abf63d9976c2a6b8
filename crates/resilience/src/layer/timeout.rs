//! The layer of [`Deadlines`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use evenkeel_units::Moment;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::deadline::{Deadlines, Within, until, within};
use crate::pipeline::{Stage, Stages};
use crate::time::now;
use crate::timer::{self, NEVER};
use crate::{Error, TimeLimit};

/// Makes a [`TimeoutService`] of a service, for one of the limits. The total stands outside of retries, and is counted from the
/// call; every other limit stands inside, and is counted from when there is something to wait for.
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

    fn call(&mut self, request: R) -> Self::Future {
        let (limit, time) = (self.limit, self.deadlines.limit(self.limit));
        let total = (limit == TimeLimit::Total).then(|| self.deadlines.deadline(now(), limit));
        // What is made inside the call may already ask for the deadline, to send it on.
        let (at, allowed) = match total {
            Some(deadline) => (deadline.moment(), Duration::MAX),
            None => (NEVER, time),
        };
        let inner = &mut self.inner;
        let (future, _) =
            timer::scoped(Waker::noop(), at, allowed, Moment::START, || inner.call(request));
        let within = match total {
            Some(deadline) => until(limit, deadline, future),
            None => within(limit, time, future),
        };
        TimeoutFuture { within, deadlines: Arc::clone(&self.deadlines) }
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
