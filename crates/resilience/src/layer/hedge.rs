//! The layer of [`Hedge`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{Attempt, Cloned, Repeat};
use crate::Error;
use crate::hedge::{Another, Hedge, Race, Running};
use crate::pipeline::{Stage, Stages};
use crate::retry::{Classify, Errors, Idempotency};

/// Makes a [`HedgeService`] of a service.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::{Hedge, hedge::Policy, layer::{BaseLayer, HedgeLayer}};
/// use tower_layer::Layer;
///
/// # #[derive(Clone)] struct Client;
/// let hedge = Arc::new(Hedge::try_new(Policy::default())?);
/// let service = HedgeLayer::new(hedge).layer(BaseLayer.layer(Client));
/// # drop(service); Ok::<(), evenkeel_resilience::hedge::PolicyError>(())
/// ```
#[derive(Debug)]
pub struct HedgeLayer<C = Errors, P = Cloned> {
    hedge: Arc<Hedge>,
    classify: C,
    repeat: P,
}

impl HedgeLayer {
    /// For requests that are cloned, and may happen twice.
    pub fn new(hedge: Arc<Hedge>) -> Self {
        Self { hedge, classify: Errors::default(), repeat: Cloned }
    }
}

impl<C, P> HedgeLayer<C, P> {
    /// The same with requests that are repeated as `repeat` says. What must not happen twice, or has no copy, is sent once.
    pub fn repeat<Q>(self, repeat: Q) -> HedgeLayer<C, Q> {
        HedgeLayer { hedge: self.hedge, classify: self.classify, repeat }
    }

    /// The same, where `classify` says which results end a call.
    pub fn classify<D>(self, classify: D) -> HedgeLayer<D, P> {
        HedgeLayer { hedge: self.hedge, classify, repeat: self.repeat }
    }
}

impl<C: Clone, P: Clone> Clone for HedgeLayer<C, P> {
    fn clone(&self) -> Self {
        let (classify, repeat) = (self.classify.clone(), self.repeat.clone());
        Self { hedge: Arc::clone(&self.hedge), classify, repeat }
    }
}

impl<S, C: Clone, P: Clone> Layer<S> for HedgeLayer<C, P> {
    type Service = HedgeService<S, C, P>;

    fn layer(&self, inner: S) -> Self::Service {
        let (classify, repeat) = (self.classify.clone(), self.repeat.clone());
        HedgeService { inner, hedge: Arc::clone(&self.hedge), classify, repeat }
    }
}

/// A service that is asked again when it takes long. Each further attempt is made by a clone of it, once that is ready.
#[derive(Debug)]
pub struct HedgeService<S, C = Errors, P = Cloned> {
    inner: S,
    hedge: Arc<Hedge>,
    classify: C,
    repeat: P,
}

impl<S: Clone, C: Clone, P: Clone> Clone for HedgeService<S, C, P> {
    fn clone(&self) -> Self {
        let (classify, repeat) = (self.classify.clone(), self.repeat.clone());
        Self { inner: self.inner.clone(), hedge: Arc::clone(&self.hedge), classify, repeat }
    }
}

impl<S, C, P, R, E> Service<R> for HedgeService<S, C, P>
where
    S: Service<R, Error = Error<E>> + Clone,
    C: Classify<S::Response, E> + Clone,
    P: Repeat<R> + Clone,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = HedgeFuture<S, C, P, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error<E>>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (next, idempotency) = self.repeat.repeat(&request);
        let idempotency = next.as_ref().map_or(Idempotency::Unsafe, |_| idempotency);
        let running = Running::begin(Arc::clone(&self.hedge), idempotency);
        // The one that is ready makes the call; what the further ones are cloned from need not be.
        let service = self.inner.clone();
        let first = Attempt::made(self.inner.call(request));
        let (classify, repeat) = (self.classify.clone(), self.repeat.clone());
        HedgeFuture { race: Race::new(running, first), service, next, classify, repeat }
    }
}

impl<S: Stages, C, P> Stages for HedgeService<S, C, P> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Hedge { delay: self.hedge.policy().delay.least() });
        self.inner.stages(found);
    }
}

pin_project! {
    /// The answer of a [`HedgeService`]. Dropped, it drops all attempts.
    #[must_use = "futures do nothing unless polled"]
    pub struct HedgeFuture<S, C, P, R>
    where
        S: Service<R>,
    {
        #[pin]
        race: Race<Arc<Hedge>, Attempt<S, R>, Result<S::Response, S::Error>>,
        service: S,
        next: Option<R>,
        classify: C,
        repeat: P,
    }
}

impl<S, C, P, R, E> Future for HedgeFuture<S, C, P, R>
where
    S: Service<R, Error = Error<E>> + Clone,
    C: Classify<S::Response, E>,
    P: Repeat<R>,
{
    type Output = Result<S::Response, Error<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (service, next, repeat) = (this.service, this.next, this.repeat);
        this.race.poll(context, this.classify, &mut |is_last| {
            let Some(request) = next.take() else {
                unreachable!("an attempt is begun only with a request that was copied")
            };
            *next = if is_last { None } else { repeat.repeat(&request).0 };
            let attempt = Attempt::when_ready(service.clone(), request);
            Another { attempt, is_last: next.is_none() }
        })
    }
}

impl<S: Service<R>, C, P, R> std::fmt::Debug for HedgeFuture<S, C, P, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HedgeFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
