//! Load shedding layer: a request is admitted by what it is worth, or refused at once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::Error;
use crate::shed::{Permit, Priority, Shed};

/// Puts a [`Shed`] before a service; `F` tells the priority of a request. All services that it makes share its capacity.
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
    type Future = ShedFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let state = match Permit::try_new(Arc::clone(&self.shed), (self.priority)(&request)) {
            Ok(permit) => State::Calls { call: self.inner.call(request), _permit: permit },
            Err(_) => State::Shed,
        };
        ShedFuture { state }
    }
}

pin_project! {
    /// The answer of a [`ShedService`]. Dropped, it makes room.
    #[must_use = "futures do nothing unless polled"]
    pub struct ShedFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F> {
        Calls {
            #[pin]
            call: F,
            // After the call, so that there is room when the call is gone.
            _permit: Permit<Arc<Shed>>,
        },
        Shed,
        Done,
    }
}

impl<F, T, E> Future for ShedFuture<F>
where
    F: Future<Output = Result<T, Error<E>>>,
{
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let answer = match state.as_mut().project() {
            Projected::Calls { call, .. } => ready!(call.poll(context)),
            Projected::Shed => Err(Error::Shed),
            Projected::Done => unreachable!("a future is not polled after it was ready"),
        };
        state.set(State::Done);
        Poll::Ready(answer)
    }
}
