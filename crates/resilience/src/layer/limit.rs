//! Rate limit layer: the turn is found in `call`, so that waiting counts against the deadlines around it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::gate::{GateFuture, Wait};
use crate::Error;
use crate::limit::{Limited, Limiter, Take};
use crate::pipeline::{Stage, Stages};

/// Puts a [`Limiter`] before a service. All services that it makes share its turns.
#[derive(Clone, Debug)]
pub struct LimitLayer {
    limiter: Arc<Limiter>,
}

impl LimitLayer {
    /// With these turns.
    pub const fn new(limiter: Arc<Limiter>) -> Self {
        Self { limiter }
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = LimitService<S>;

    fn layer(&self, inner: S) -> LimitService<S> {
        LimitService { inner, limiter: Arc::clone(&self.limiter) }
    }
}

/// A service behind a [`Limiter`].
#[derive(Clone, Debug)]
pub struct LimitService<S> {
    inner: S,
    limiter: Arc<Limiter>,
}

impl<S, Request, E> Service<Request> for LimitService<S>
where
    S: Service<Request, Error = Error<E>> + Clone,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = LimitFuture<S, Request>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let now = crate::time::now();
        match self.limiter.reserve(now) {
            Ok(turn) if turn.at() <= now => GateFuture::calls(&mut self.inner, request, ()),
            Ok(turn) => {
                let take = Take::booked(Arc::clone(&self.limiter), turn);
                GateFuture::waits(&mut self.inner, request, take)
            }
            Err(limited) => GateFuture::refused(limited.into_error()),
        }
    }
}

/// The answer of a [`LimitService`]. Dropped while it waits, it gives its turn back.
pub type LimitFuture<S, Request> = GateFuture<Take<Arc<Limiter>>, S, Request>;

impl Wait for Take<Arc<Limiter>> {
    type Leave = ();

    fn poll_leave<E>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Error<E>>> {
        self.poll(context).map_err(Limited::into_error)
    }
}

impl<S: Stages> Stages for LimitService<S> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Limit(self.limiter.policy()));
        self.inner.stages(found);
    }
}
