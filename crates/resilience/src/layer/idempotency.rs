//! Idempotency layer: what is asked for twice under one key is done once.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::attempt::Attempt;
use crate::Error;
use crate::idempotency::{Answer, Answering, NoAnswer, Store};
use crate::pipeline::{Stage, Stages};
use crate::time::now;

/// Puts a [`Store`] before a service. `F` tells the key of a request, and what is asked for under it, `Fn(&Request) -> Option<(K, P)>`; one
/// without a key passes by. All services that it makes share what is kept.
///
/// It stands outermost, on the side of the server: it gives an [`Answer`], which says whether it is that of an earlier request, and fails
/// with [`NoAnswer`], which has a status.
///
/// The service is always ready: what was answered before is answered again although the one behind is not. That is driven to readiness,
/// as a clone, by the request that runs.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::Error;
/// use evenkeel_resilience::idempotency::{Policy, Store};
/// use evenkeel_resilience::layer::IdempotencyLayer;
/// use tower::{ServiceBuilder, ServiceExt as _, service_fn};
///
/// #[derive(Clone)]
/// struct Order { key: Option<String>, item: String }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let orders: Arc<Store<String, String, usize>> = Arc::new(Store::try_new(Policy::default())?);
/// let identify = |order: &Order| order.key.clone().map(|key| (key, order.item.clone()));
/// let shop = ServiceBuilder::new()
///     .layer(IdempotencyLayer::new(orders, identify))
///     .service(service_fn(|order: Order| async move { Ok::<_, Error<std::io::Error>>(order.item.len()) }));
/// let order = Order { key: Some("alice/8e03978e".into()), item: "kettle".into() };
/// assert!(!shop.clone().oneshot(order.clone()).await?.is_replay);
/// assert!(shop.oneshot(order).await?.is_replay);
/// # Ok(()) }
/// ```
pub struct IdempotencyLayer<K, P, T, F, J = fn(&T) -> bool> {
    store: Arc<Store<K, P, T>>,
    identify: F,
    stands: J,
}

impl<K, P, T, F> IdempotencyLayer<K, P, T, F> {
    /// With this store, and keys by this function. Every answer is kept.
    pub fn new(store: Arc<Store<K, P, T>>, identify: F) -> Self {
        Self { store, identify, stands: |_| true }
    }
}

impl<K, P, T, F, J> IdempotencyLayer<K, P, T, F, J> {
    /// The same, where `stands` says which answers are kept. One that is not is given to its own request only, and the key is free again.
    pub fn stands<I: FnOnce(&T) -> bool>(self, stands: I) -> IdempotencyLayer<K, P, T, F, I> {
        IdempotencyLayer { store: self.store, identify: self.identify, stands }
    }
}

impl<K, P, T, F: Clone, J: Clone> Clone for IdempotencyLayer<K, P, T, F, J> {
    fn clone(&self) -> Self {
        let (identify, stands) = (self.identify.clone(), self.stands.clone());
        Self { store: Arc::clone(&self.store), identify, stands }
    }
}

impl<S, K, P, T, F: Clone, J: Clone> Layer<S> for IdempotencyLayer<K, P, T, F, J> {
    type Service = IdempotencyService<S, K, P, T, F, J>;

    fn layer(&self, inner: S) -> Self::Service {
        IdempotencyService { inner, by: self.clone() }
    }
}

/// A service behind a [`Store`].
pub struct IdempotencyService<S, K, P, T, F, J = fn(&T) -> bool> {
    inner: S,
    by: IdempotencyLayer<K, P, T, F, J>,
}

impl<S: Clone, K, P, T, F: Clone, J: Clone> Clone for IdempotencyService<S, K, P, T, F, J> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), by: self.by.clone() }
    }
}

/// The answer of an [`IdempotencyService`]. Dropped, it gives its key up.
pub type IdempotencyFuture<S, K, P, T, J, Request> = Answering<K, P, T, Attempt<S, Request>, J>;

impl<S, K, P, T, E, F, J, Request> Service<Request> for IdempotencyService<S, K, P, T, F, J>
where
    S: Service<Request, Response = T, Error = Error<E>> + Clone,
    K: Ord + Clone,
    P: Eq,
    T: Clone,
    F: Fn(&Request) -> Option<(K, P)>,
    J: FnOnce(&T) -> bool + Clone,
{
    type Response = Answer<T>;
    type Error = NoAnswer<E>;
    type Future = IdempotencyFuture<S, K, P, T, J, Request>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let IdempotencyLayer { store, identify, stands } = &self.by;
        let begun = identify(&request).map(|(key, print)| store.begin(now(), key, print));
        // Nothing was reserved here, so that a clone is as good as the one behind us.
        let run = Attempt::when_ready(self.inner.clone(), request);
        Answering::new(begun, run, stands.clone())
    }
}

/// It has no order among the stages, as nothing of them can stand around it.
impl<S: Stages, K, P, T, F, J> Stages for IdempotencyService<S, K, P, T, F, J> {
    fn stages(&self, found: &mut Vec<Stage>) {
        self.inner.stages(found);
    }
}

impl<K, P, T, F, J> fmt::Debug for IdempotencyLayer<K, P, T, F, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, K, P, T, F, J> fmt::Debug for IdempotencyService<S, K, P, T, F, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
