//! The layer of [`Adaptive`]: a bulkhead, and inside of it what measures the calls.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{BulkheadLayer, BulkheadService};
use crate::Error;
use crate::adaptive::{Adaptive, Errors, Running, Signals};
use crate::pipeline::{Stage, Stages};

/// Puts an [`Adaptive`] before a service. All services that it makes share its places, and what it learns.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::{Adaptive, adaptive::Policy, layer::{AdaptiveLayer, BaseLayer}};
/// use tower_layer::Layer;
///
/// # #[derive(Clone)] struct Client;
/// let adaptive = Arc::new(Adaptive::try_new(Policy::default())?);
/// let service = AdaptiveLayer::new(adaptive).layer(BaseLayer.layer(Client));
/// # drop(service); Ok::<(), evenkeel_resilience::adaptive::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AdaptiveLayer<G = Errors> {
    adaptive: Arc<Adaptive>,
    signals: G,
}

impl AdaptiveLayer {
    /// With what this one finds.
    pub const fn new(adaptive: Arc<Adaptive>) -> Self {
        Self { adaptive, signals: Errors }
    }
}

impl<G> AdaptiveLayer<G> {
    /// The same, where `signals` says what an answer says of the service.
    pub fn signals<H>(self, signals: H) -> AdaptiveLayer<H> {
        AdaptiveLayer { adaptive: self.adaptive, signals }
    }
}

impl<S, G: Clone> Layer<S> for AdaptiveLayer<G> {
    type Service = BulkheadService<MeasuredService<S, G>>;

    fn layer(&self, inner: S) -> Self::Service {
        let adaptive = Arc::clone(&self.adaptive);
        let signals = self.signals.clone();
        BulkheadLayer::new(Arc::clone(adaptive.bulkhead())).layer(MeasuredService {
            inner,
            adaptive,
            signals,
        })
    }
}

/// A service whose latency counts.
#[derive(Clone, Debug)]
pub struct MeasuredService<S, G = Errors> {
    inner: S,
    adaptive: Arc<Adaptive>,
    signals: G,
}

impl<S: Stages, G> Stages for MeasuredService<S, G> {
    fn stages(&self, found: &mut Vec<Stage>) {
        // The bulkhead around it has said what there is to say.
        self.inner.stages(found);
    }
}

impl<S, G, R, E> Service<R> for MeasuredService<S, G>
where
    S: Service<R, Error = Error<E>>,
    G: Signals<S::Response, E> + Clone,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = MeasuredFuture<S::Future, G>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error<E>>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let running = Some(Running::begin(Arc::clone(&self.adaptive)));
        MeasuredFuture { inner: self.inner.call(request), running, signals: self.signals.clone() }
    }
}

pin_project! {
    /// The answer of a [`MeasuredService`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct MeasuredFuture<F, G> {
        #[pin]
        inner: F,
        running: Option<Running<Arc<Adaptive>>>,
        signals: G,
    }
}

impl<F, G, T, E> Future for MeasuredFuture<F, G>
where
    F: Future<Output = Result<T, Error<E>>>,
    G: Signals<T, E>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(context));
        if let Some(running) = this.running.take() {
            running.end(this.signals.signal(answer.as_ref()));
        }
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::adaptive::{Policy, Signal};

    /// Answers after so many milliseconds.
    async fn takes(millis: u64) -> Result<u64, Error<()>> {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok(millis)
    }

    /// Asks ten times at once, round after round.
    async fn ask<S>(service: &S, millis: u64, rounds: u32)
    where
        S: Service<u64, Response = u64, Error = Error<()>> + Clone + Send + 'static,
        S::Future: Send,
    {
        for _ in 0..rounds {
            let mut calls = JoinSet::new();
            (0..10).for_each(|_| drop(calls.spawn(service.clone().oneshot(millis))));
            calls.join_all().await;
        }
    }

    fn adaptive() -> Arc<Adaptive> {
        Arc::new(Adaptive::try_new(Policy { initial: 10, max: 12, ..Policy::default() }).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_become_slower_lower_the_limit_and_the_rest_is_turned_away() {
        let adaptive = adaptive();
        let service = AdaptiveLayer::new(Arc::clone(&adaptive)).layer(service_fn(takes));
        ask(&service, 100, 45).await;
        let usual = adaptive.snapshot();
        assert!(usual.bulkhead.limit >= 10 && usual.lowered == 0, "{usual:?}");
        ask(&service, 2_000, 12).await;
        let slow = adaptive.snapshot();
        assert!(slow.bulkhead.limit < 10 && slow.bulkhead.rejected_full > 0, "{slow:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_counts_as_slow_and_gives_its_place_back() {
        let adaptive = adaptive();
        let service = AdaptiveLayer::new(Arc::clone(&adaptive)).layer(service_fn(takes));
        ask(&service, 100, 5).await;
        let latest = adaptive.snapshot().latest;
        for _ in 0..10 {
            let call = tokio::time::timeout(Duration::from_secs(1), service.clone().oneshot(5_000));
            assert!(call.await.is_err());
        }
        let snapshot = adaptive.snapshot();
        assert!(snapshot.latest > latest, "{snapshot:?}");
        assert_eq!(snapshot.bulkhead.in_flight, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn it_takes_the_place_of_a_bulkhead_in_a_pipeline() {
        let pipeline = crate::pipeline::Pipeline::new().bulkhead(AdaptiveLayer::new(adaptive()));
        assert_eq!(pipeline.lint(), []);
        assert_eq!(pipeline.call(|| async { Ok::<_, ()>(1) }).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn answers_say_what_they_are_told_to_say() {
        let adaptive = adaptive();
        let service = AdaptiveLayer::new(Arc::clone(&adaptive))
            .signals(|it: Result<&u64, &Error<()>>| match it {
                Ok(429) => Signal::Overload,
                _ => Signal::Nothing,
            })
            .layer(service_fn(takes));
        ask(&service, 429, 1).await;
        ask(&service, 500, 1).await;
        assert_eq!(adaptive.snapshot().overloads, 10);
    }
}
