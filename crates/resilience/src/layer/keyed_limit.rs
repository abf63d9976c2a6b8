//! Keyed rate limit layer: a request is let through by the limit of its key, or refused at once.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::gate::{GateFuture, Never};
use crate::limit::Limited;
use crate::limit::keyed::Limiter;
use crate::pipeline::{Stage, Stages};
use crate::{Error, time};

/// Puts a [keyed limiter](crate::limit::keyed) before a service; `F` tells the key of a request: its tenant, token or address. All
/// services that it makes share its turns.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::{Error, layer::{BaseLayer, KeyedLimitLayer}, limit::{Policy, keyed::Limiter}};
/// use tower::{ServiceBuilder, ServiceExt as _, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::<&str>::try_new(Policy { burst: 1, ..Policy::per_second(10) }, 10_000)?;
/// let service = ServiceBuilder::new()
///     .layer(KeyedLimitLayer::new(Arc::new(limiter), |tenant: &&'static str| *tenant))
///     .layer(BaseLayer)
///     .service(service_fn(|tenant: &'static str| async move { Ok::<_, &str>(tenant.len()) }));
/// assert_eq!(service.clone().oneshot("alice").await, Ok(5));
/// assert!(matches!(service.clone().oneshot("alice").await, Err(Error::Limited { .. })));
/// assert_eq!(service.oneshot("bob").await, Ok(3));
/// # Ok(()) }
/// ```
pub struct KeyedLimitLayer<K, F, H = RandomState> {
    limiter: Arc<Limiter<K, H>>,
    key: F,
}

impl<K, F, H> KeyedLimitLayer<K, F, H> {
    /// With these turns, and keys by this function.
    pub const fn new(limiter: Arc<Limiter<K, H>>, key: F) -> Self {
        Self { limiter, key }
    }
}

impl<K, F: Clone, H> Clone for KeyedLimitLayer<K, F, H> {
    fn clone(&self) -> Self {
        Self { limiter: Arc::clone(&self.limiter), key: self.key.clone() }
    }
}

impl<K, F, H> fmt::Debug for KeyedLimitLayer<K, F, H> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("KeyedLimitLayer").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}

impl<S, K, F: Clone, H> Layer<S> for KeyedLimitLayer<K, F, H> {
    type Service = KeyedLimitService<S, K, F, H>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedLimitService { inner, by: self.clone() }
    }
}

/// A service behind a [keyed limiter](crate::limit::keyed).
pub struct KeyedLimitService<S, K, F, H = RandomState> {
    inner: S,
    by: KeyedLimitLayer<K, F, H>,
}

impl<S: Clone, K, F: Clone, H> Clone for KeyedLimitService<S, K, F, H> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), by: self.by.clone() }
    }
}

impl<S, K, F, H> fmt::Debug for KeyedLimitService<S, K, F, H> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("KeyedLimitService").field("by", &self.by).finish_non_exhaustive()
    }
}

impl<S, K, F, H, Request, E> Service<Request> for KeyedLimitService<S, K, F, H>
where
    S: Service<Request, Error = Error<E>>,
    K: Hash + Eq + Clone,
    F: Fn(&Request) -> K,
    H: BuildHasher,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = KeyedLimitFuture<S, Request>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.by.limiter.try_take(time::now(), &(self.by.key)(&request)) {
            Ok(()) => GateFuture::calls(&mut self.inner, request, ()),
            Err(limited) => GateFuture::refused(Limited::into_error(limited)),
        }
    }
}

/// The answer of a [`KeyedLimitService`].
pub type KeyedLimitFuture<S, Request> = GateFuture<Never<()>, S, Request>;

impl<S: Stages, K, F, H> Stages for KeyedLimitService<S, K, F, H> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Limit(self.by.limiter.policy()));
        self.inner.stages(found);
    }
}
