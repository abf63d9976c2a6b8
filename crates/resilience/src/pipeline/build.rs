//! Build: the places of a pipeline, and the layer that they make together.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::{Identity, Layer};
use tower_service::Service;

use super::{Finding, Stages};
use crate::layer::{Base, TimeoutLayer};
use crate::{Deadlines, Error, TimeLimit};

/// The patterns around a call, each in its place: see the [module](super). A place that is left empty costs nothing.
///
/// A place takes a layer, which knows what belongs to its pattern: which answers a [breaker](crate::layer::BreakerLayer) judges
/// as failures, which requests a [retry](crate::layer::RetryLayer) may send again. Clones, and the services that are made
/// of a pipeline, share its machines.
///
/// The parameters are what is in the places, from the outermost: fallback, cache, total time limit, retry, hedge, rate limit,
/// breaker, bulkhead and attempt time limit.
#[derive(Clone, Debug, Default)]
pub struct Pipeline<
    F = Identity,
    C = Identity,
    T = Identity,
    R = Identity,
    H = Identity,
    L = Identity,
    B = Identity,
    P = Identity,
    A = Identity,
> {
    fallback: F,
    cache: C,
    total: T,
    retry: R,
    hedge: H,
    limit: L,
    breaker: B,
    bulkhead: P,
    attempt: A,
}

impl Pipeline {
    /// Without a pattern.
    pub fn new() -> Self {
        Self::default()
    }
}

/// A pipeline with other things in some places.
macro_rules! filled {
    ($pipeline:ident, $($place:ident = $new:expr),+; $($kept:ident)*) => {
        Pipeline { $($place: $new,)+ $($kept: $pipeline.$kept,)* }
    };
}

impl<F, C, T, R, H, L, B, P, A> Pipeline<F, C, T, R, H, L, B, P, A> {
    /// The same with something less good, for when all else has failed: a [`FallbackLayer`](crate::layer::FallbackLayer).
    pub fn fallback<N>(self, fallback: N) -> Pipeline<N, C, T, R, H, L, B, P, A> {
        filled!(self, fallback = fallback; cache total retry hedge limit breaker bulkhead attempt)
    }

    /// The same with a cache of answers: a [`StaleCacheLayer`](crate::layer::StaleCacheLayer).
    pub fn cache<N>(self, cache: N) -> Pipeline<F, N, T, R, H, L, B, P, A> {
        filled!(self, cache = cache; fallback total retry hedge limit breaker bulkhead attempt)
    }

    /// The same with a limit of time around all attempts.
    pub fn total(
        self,
        deadlines: Arc<Deadlines>,
    ) -> Pipeline<F, C, TimeoutLayer, R, H, L, B, P, A> {
        let total = TimeoutLayer::new(deadlines, TimeLimit::Total);
        filled!(self, total = total; fallback cache retry hedge limit breaker bulkhead attempt)
    }

    /// The same with a retry of what fails: a [`RetryLayer`](crate::layer::RetryLayer).
    pub fn retry<N>(self, retry: N) -> Pipeline<F, C, T, N, H, L, B, P, A> {
        filled!(self, retry = retry; fallback cache total hedge limit breaker bulkhead attempt)
    }

    /// The same with a second call for when the first is slow: a [`HedgeLayer`](crate::layer::HedgeLayer).
    pub fn hedge<N>(self, hedge: N) -> Pipeline<F, C, T, R, N, L, B, P, A> {
        filled!(self, hedge = hedge; fallback cache total retry limit breaker bulkhead attempt)
    }

    /// The same with a limit of calls a second: a [`LimitLayer`](crate::layer::LimitLayer).
    pub fn limit<N>(self, limit: N) -> Pipeline<F, C, T, R, H, N, B, P, A> {
        filled!(self, limit = limit; fallback cache total retry hedge breaker bulkhead attempt)
    }

    /// The same with a circuit: a [`BreakerLayer`](crate::layer::BreakerLayer).
    pub fn breaker<N>(self, breaker: N) -> Pipeline<F, C, T, R, H, L, N, P, A> {
        filled!(self, breaker = breaker; fallback cache total retry hedge limit bulkhead attempt)
    }

    /// The same with a limit of calls at once: a [`BulkheadLayer`](crate::layer::BulkheadLayer), or an
    /// [`AdaptiveLayer`](crate::layer::AdaptiveLayer), which finds it.
    pub fn bulkhead<N>(self, bulkhead: N) -> Pipeline<F, C, T, R, H, L, B, N, A> {
        filled!(self, bulkhead = bulkhead; fallback cache total retry hedge limit breaker attempt)
    }

    /// The same with a limit of time around each attempt.
    pub fn attempt(
        self,
        deadlines: Arc<Deadlines>,
    ) -> Pipeline<F, C, T, R, H, L, B, P, TimeoutLayer> {
        let attempt = TimeoutLayer::new(deadlines, TimeLimit::Attempt);
        filled!(self, attempt = attempt; fallback cache total retry hedge limit breaker bulkhead)
    }

    /// The same with both limits of time, of all attempts and of each.
    pub fn deadlines(
        self,
        deadlines: Arc<Deadlines>,
    ) -> Pipeline<F, C, TimeoutLayer, R, H, L, B, P, TimeoutLayer> {
        self.total(Arc::clone(&deadlines)).attempt(deadlines)
    }

    /// A service behind these patterns that already fails with our [`Error`]: a choice among several services behind pipelines of
    /// their own. For any other, use it as a layer.
    pub fn over<S>(&self, service: S) -> F::Service
    where
        A: Layer<S>,
        P: Layer<A::Service>,
        B: Layer<P::Service>,
        L: Layer<B::Service>,
        H: Layer<L::Service>,
        R: Layer<H::Service>,
        T: Layer<R::Service>,
        C: Layer<T::Service>,
        F: Layer<C::Service>,
    {
        let call = self.bulkhead.layer(self.attempt.layer(service));
        let attempts =
            self.retry.layer(self.hedge.layer(self.limit.layer(self.breaker.layer(call))));
        self.fallback.layer(self.cache.layer(self.total.layer(attempts)))
    }

    /// What is wrong with it, although its order is right: durations that contradict each other.
    pub fn lint(&self) -> Vec<Finding>
    where
        Self: Layer<()>,
        <Self as Layer<()>>::Service: Stages,
    {
        self.layer(()).lint()
    }

    /// Makes a call. `make` gives a future of any `Result`, for each attempt a new one; for more than one, it is cloned.
    ///
    /// A retry or a hedge takes it for a call that may happen twice. Of one that may not, their layer is told:
    ///
    /// ```
    /// # use std::sync::{Arc, atomic::{AtomicU32, Ordering::Relaxed}};
    /// use evenkeel_resilience::{Pipeline, Retry, layer::RetryLayer, retry::Idempotency};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sent = AtomicU32::new(0);
    /// let once = |order: &()| (Some(*order), Idempotency::Unsafe);
    /// let orders = Pipeline::new()
    ///     .retry(RetryLayer::new(Arc::new(Retry::try_new(Default::default())?)).repeat(once));
    /// let send = || async { sent.fetch_add(1, Relaxed); Err::<(), _>("the connection broke") };
    /// assert!(orders.call(send).await.is_err());
    /// assert_eq!(sent.load(Relaxed), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Inner`] with that of the call, or what a pattern found.
    pub async fn call<N, O, I, X>(&self, make: N) -> Result<O, Error<X>>
    where
        N: Fn() -> I + Clone,
        I: Future<Output = Result<O, X>>,
        Self: Layer<Made<N>>,
        <Self as Layer<Made<N>>>::Service: Service<(), Response = O, Error = Error<X>>,
    {
        let mut service = self.layer(Made { make });
        poll_fn(|context| service.poll_ready(context)).await?;
        service.call(()).await
    }
}

/// Around any service: its errors become [`Error::Inner`].
impl<S, F, C, T, R, H, L, B, P, A> Layer<S> for Pipeline<F, C, T, R, H, L, B, P, A>
where
    A: Layer<Base<S>>,
    P: Layer<A::Service>,
    B: Layer<P::Service>,
    L: Layer<B::Service>,
    H: Layer<L::Service>,
    R: Layer<H::Service>,
    T: Layer<R::Service>,
    C: Layer<T::Service>,
    F: Layer<C::Service>,
{
    type Service = F::Service;

    fn layer(&self, service: S) -> F::Service {
        self.over(Base::new(service))
    }
}

/// A function that makes calls, as a service. It is always ready.
#[derive(Copy, Clone, Debug)]
pub struct Made<N> {
    make: N,
}

impl<N, I, O, X> Service<()> for Made<N>
where
    N: Fn() -> I,
    I: Future<Output = Result<O, X>>,
{
    type Response = O;
    type Error = X;
    type Future = I;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), X>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> I {
        (self.make)()
    }
}
