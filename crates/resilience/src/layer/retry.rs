//! The layer of [`Retry`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use evenkeel_units::Moment;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::Error;
use crate::pipeline::{Stage, Stages};
use crate::retry::{Classify, Course, Errors, Idempotency, Retry, Verdict};
use crate::time::now;
use crate::timer::{self, Timer};

/// Tells how a request is sent again. A closure `Fn(&R) -> (Option<R>, Idempotency)` is one.
pub trait Repeat<R> {
    /// A copy for another attempt (`None` when there can be none, as of a body that is a stream), and whether it may happen twice.
    /// Called before each attempt that another may follow.
    fn repeat(&self, request: &R) -> (Option<R>, Idempotency);
}

impl<R, F> Repeat<R> for F
where
    F: Fn(&R) -> (Option<R>, Idempotency),
{
    fn repeat(&self, request: &R) -> (Option<R>, Idempotency) {
        self(request)
    }
}

/// Every request may happen twice, and is cloned.
#[derive(Copy, Clone, Debug, Default)]
pub struct Cloned;

impl<R: Clone> Repeat<R> for Cloned {
    fn repeat(&self, request: &R) -> (Option<R>, Idempotency) {
        (Some(request.clone()), Idempotency::Safe)
    }
}

/// Makes a [`RetryService`] of a service.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::{Retry, layer::{BaseLayer, RetryLayer}, retry::Policy};
/// use tower_layer::Layer;
///
/// # #[derive(Clone)] struct Client;
/// let retry = Arc::new(Retry::try_new(Policy::default())?);
/// let service = RetryLayer::new(retry).layer(BaseLayer.layer(Client));
/// # drop(service); Ok::<(), evenkeel_resilience::retry::PolicyError>(())
/// ```
#[derive(Debug)]
pub struct RetryLayer<C = Errors, P = Cloned> {
    retry: Arc<Retry<C>>,
    repeat: P,
}

impl<C> RetryLayer<C> {
    /// For requests that are cloned, and may happen twice.
    pub const fn new(retry: Arc<Retry<C>>) -> Self {
        Self { retry, repeat: Cloned }
    }
}

impl<C, P> RetryLayer<C, P> {
    /// The same with requests that are repeated as `repeat` says.
    pub fn repeat<Q>(self, repeat: Q) -> RetryLayer<C, Q> {
        RetryLayer { retry: self.retry, repeat }
    }
}

impl<C, P: Clone> Clone for RetryLayer<C, P> {
    fn clone(&self) -> Self {
        Self { retry: Arc::clone(&self.retry), repeat: self.repeat.clone() }
    }
}

impl<S, C, P: Clone> Layer<S> for RetryLayer<C, P> {
    type Service = RetryService<S, C, P>;

    fn layer(&self, inner: S) -> Self::Service {
        RetryService { inner, retry: Arc::clone(&self.retry), repeat: self.repeat.clone() }
    }
}

/// A service whose failures are tried again.
#[derive(Debug)]
pub struct RetryService<S, C = Errors, P = Cloned> {
    inner: S,
    retry: Arc<Retry<C>>,
    repeat: P,
}

impl<S: Clone, C, P: Clone> Clone for RetryService<S, C, P> {
    fn clone(&self) -> Self {
        let (inner, repeat) = (self.inner.clone(), self.repeat.clone());
        Self { inner, retry: Arc::clone(&self.retry), repeat }
    }
}

impl<S, C, P, R, E> Service<R> for RetryService<S, C, P>
where
    S: Service<R, Error = Error<E>> + Clone,
    C: Classify<S::Response, E>,
    P: Repeat<R> + Clone,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = RetryFuture<S, C, P, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error<E>>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let (next, idempotency) = self.repeat.repeat(&request);
        let course = self.retry.begin(idempotency);
        // The one that is ready makes the call; a clone makes the further ones, when it is.
        let state = State::Calling { call: self.inner.call(request) };
        let (retry, repeat) = (Arc::clone(&self.retry), self.repeat.clone());
        RetryFuture { service: self.inner.clone(), retry, repeat, next, course, state }
    }
}

impl<S: Stages, C, P> Stages for RetryService<S, C, P> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Retry(self.retry.policy()));
        self.inner.stages(found);
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F> {
        Calling { #[pin] call: F },
        Waiting { at: Moment, timer: Timer },
        Readying,
    }
}

pin_project! {
    /// The answer of a [`RetryService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryFuture<S, C, P, R>
    where
        S: Service<R>,
    {
        service: S,
        retry: Arc<Retry<C>>,
        repeat: P,
        next: Option<R>,
        course: Course,
        #[pin]
        state: State<S::Future>,
    }
}

impl<S, C, P, R, E> Future for RetryFuture<S, C, P, R>
where
    S: Service<R, Error = Error<E>>,
    C: Classify<S::Response, E>,
    P: Repeat<R>,
{
    type Output = Result<S::Response, Error<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let result = match this.state.as_mut().project() {
                StateProjection::Calling { call } => ready!(call.poll(context)),
                StateProjection::Waiting { at, timer } => {
                    ready!(timer.poll_until(context, *at));
                    this.state.set(State::Readying);
                    continue;
                }
                StateProjection::Readying => match ready!(this.service.poll_ready(context)) {
                    Ok(()) => {
                        let Some(request) = this.next.take() else {
                            unreachable!(
                                "an attempt is granted only to a request that can be sent again"
                            )
                        };
                        *this.next = this.repeat.repeat(&request).0;
                        let call = this.service.call(request);
                        this.state.set(State::Calling { call });
                        continue;
                    }
                    // An attempt like any other: the copy is still there for the next one.
                    Err(error) => Err(error),
                },
            };
            let verdict = this.retry.classifier().classify(result.as_ref());
            if verdict == Verdict::Success {
                this.retry.succeeded(this.course);
                return Poll::Ready(result);
            }
            if this.next.is_none() {
                this.course.no_more();
            }
            let failed_at = now();
            match this.retry.attempted(failed_at, timer::deadline(), this.course, verdict) {
                None => return Poll::Ready(result),
                Some(wait) => {
                    this.state.set(State::Waiting { at: failed_at + wait, timer: Timer::new() });
                }
            }
        }
    }
}

impl<S: Service<R>, C, P, R> std::fmt::Debug for RetryFuture<S, C, P, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RetryFuture").field("course", &self.course).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
