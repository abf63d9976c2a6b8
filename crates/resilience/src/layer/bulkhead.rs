//! Bulkhead layer: the place is found in `call`, so that waiting counts against the deadlines around it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::gate::{GateFuture, Leave, Wait};
use crate::Error;
use crate::bulkhead::{Bulkhead, Enter, Permit, Rejected};
use crate::pipeline::{Stage, Stages};

/// Puts a [`Bulkhead`] before a service. All services that it makes share its places.
///
/// Other than tower's `ConcurrencyLimit`, which waits in `poll_ready`, a service that is ready has taken no place: a clone
/// that is kept ready blocks nobody, the wait limit counts for a request, and a stack is not "not ready" because of one neighbour.
#[derive(Clone, Debug)]
pub struct BulkheadLayer {
    bulkhead: Arc<Bulkhead>,
}

impl BulkheadLayer {
    /// With these places.
    pub const fn new(bulkhead: Arc<Bulkhead>) -> Self {
        Self { bulkhead }
    }
}

impl<S> Layer<S> for BulkheadLayer {
    type Service = BulkheadService<S>;

    fn layer(&self, inner: S) -> BulkheadService<S> {
        BulkheadService { inner, bulkhead: Arc::clone(&self.bulkhead) }
    }
}

/// A service behind a [`Bulkhead`].
#[derive(Clone, Debug)]
pub struct BulkheadService<S> {
    inner: S,
    bulkhead: Arc<Bulkhead>,
}

impl<S, Request, E> Service<Request> for BulkheadService<S>
where
    S: Service<Request, Error = Error<E>> + Clone,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = BulkheadFuture<S, Request>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        match Permit::try_now(Arc::clone(&self.bulkhead)) {
            Ok(permit) => GateFuture::calls(&mut self.inner, request, permit),
            Err(bulkhead) => GateFuture::waits(&mut self.inner, request, Enter::new(bulkhead)),
        }
    }
}

/// The answer of a [`BulkheadService`]. Dropped, it gives its place back, or leaves the queue.
pub type BulkheadFuture<S, Request> = GateFuture<Enter<Arc<Bulkhead>>, S, Request>;

impl<T, E> Leave<T, E> for Permit<Arc<Bulkhead>> {
    fn end(&mut self, _: &Result<T, Error<E>>) {}
}

impl Wait for Enter<Arc<Bulkhead>> {
    type Leave = Permit<Arc<Bulkhead>>;

    fn poll_leave<E>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Leave, Error<E>>> {
        self.poll(context).map_err(Rejected::into_error)
    }
}

impl<S: Stages> Stages for BulkheadService<S> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Bulkhead(self.bulkhead.policy()));
        self.inner.stages(found);
    }
}
