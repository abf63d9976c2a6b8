//! Base: the innermost layer, which turns the errors of a service into ours.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::Error;
use crate::pipeline::{Stage, Stages};

/// Makes a [`Base`] of a service.
#[derive(Copy, Clone, Debug, Default)]
pub struct BaseLayer;

impl<S> Layer<S> for BaseLayer {
    type Service = Base<S>;

    fn layer(&self, inner: S) -> Base<S> {
        Base { inner }
    }
}

/// A service whose errors are [`Error::Inner`], for the layers around it.
#[derive(Copy, Clone, Debug)]
pub struct Base<S> {
    inner: S,
}

impl<S> Base<S> {
    /// Of a service.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: Service<Request>, Request> Service<Request> for Base<S> {
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = BaseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(Error::Inner)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        BaseFuture { inner: self.inner.call(request) }
    }
}

/// What stands inside is the call.
impl<S> Stages for Base<S> {
    fn stages(&self, _: &mut Vec<Stage>) {}
}

pin_project! {
    /// The answer of a [`Base`].
    #[derive(Debug)]
    pub struct BaseFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for BaseFuture<F> {
    type Output = Result<T, Error<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.project().inner.poll(context)).map_err(Error::Inner))
    }
}
