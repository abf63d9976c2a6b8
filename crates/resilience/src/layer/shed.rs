//! Load shedding layer: a request is admitted by what it is worth, or refused at once.

use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::gate::{GateFuture, Leave, Never};
use crate::Error;
use crate::pipeline::{Stage, Stages};
use crate::shed::{Permit, Priority, Shed};

/// Puts a [`Shed`] before a service; `F` tells the priority of a request. All services that it makes share its capacity.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::shed::{Policy, Priority, Shed};
/// use evenkeel_resilience::{Error, layer::{BaseLayer, ShedLayer}};
/// use tower::{ServiceBuilder, ServiceExt as _, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let door = Arc::new(Shed::try_new(Policy { capacity: 2, ..Policy::default() })?);
/// let priority = |path: &&str| match *path {
///     "/checkout" => Priority::CriticalPlus,
///     _ => Priority::Sheddable,
/// };
/// let shop = ServiceBuilder::new()
///     .layer(ShedLayer::new(Arc::clone(&door), priority))
///     .layer(BaseLayer)
///     .service(service_fn(|path: &'static str| async move { Ok::<_, std::io::Error>(path.len()) }));
/// let crowd = door.try_enter(Priority::Critical)?;
/// assert!(matches!(shop.clone().oneshot("/search").await, Err(Error::Shed)));
/// assert!(matches!(shop.oneshot("/checkout").await, Ok(9)));
/// # drop(crowd); Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ShedLayer<F> {
    shed: Arc<Shed>,
    priority: F,
}

impl<F> ShedLayer<F> {
    /// With this capacity, and priorities by this function.
    pub const fn new(shed: Arc<Shed>, priority: F) -> Self {
        Self { shed, priority }
    }
}

impl<S, F: Clone> Layer<S> for ShedLayer<F> {
    type Service = ShedService<S, F>;

    fn layer(&self, inner: S) -> ShedService<S, F> {
        ShedService { inner, shed: Arc::clone(&self.shed), priority: self.priority.clone() }
    }
}

/// A service behind a [`Shed`].
#[derive(Clone, Debug)]
pub struct ShedService<S, F> {
    inner: S,
    shed: Arc<Shed>,
    priority: F,
}

impl<S, F, Request, E> Service<Request> for ShedService<S, F>
where
    S: Service<Request, Error = Error<E>>,
    F: Fn(&Request) -> Priority,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = ShedFuture<S, Request>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        match Permit::try_new(Arc::clone(&self.shed), (self.priority)(&request)) {
            Ok(permit) => GateFuture::calls(&mut self.inner, request, permit),
            Err(rejected) => GateFuture::refused(rejected.into_error()),
        }
    }
}

/// The answer of a [`ShedService`]. Dropped, it makes room.
pub type ShedFuture<S, Request> = GateFuture<Never<Permit<Arc<Shed>>>, S, Request>;

impl<T, E> Leave<T, E> for Permit<Arc<Shed>> {
    fn end(&mut self, _: &Result<T, Error<E>>) {}
}

impl<S: Stages, F> Stages for ShedService<S, F> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Shed);
        self.inner.stages(found);
    }
}
