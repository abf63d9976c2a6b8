//! Rate limit layer: the turn is found in `call`, so that waiting counts against the deadlines around it.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::Error;
use crate::limit::{Limited, Limiter, Take};

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

    fn call(&mut self, request: Request) -> Self::Future {
        let now = crate::time::now();
        let state = match self.limiter.reserve(now) {
            Ok(turn) if turn.at() <= now => State::Calls { call: self.inner.call(request) },
            Ok(turn) => {
                // The service that is ready goes with the request; a clone takes its place here.
                let clone = self.inner.clone();
                let service = mem::replace(&mut self.inner, clone);
                let take = Take::booked(Arc::clone(&self.limiter), turn);
                State::Waits { take, waiting: Some((service, request)) }
            }
            Err(limited) => State::Refused { error: Some(limited.into_error()) },
        };
        LimitFuture { state }
    }
}

pin_project! {
    /// The answer of a [`LimitService`]. Dropped while it waits, it gives its turn back.
    #[must_use = "futures do nothing unless polled"]
    pub struct LimitFuture<S: Service<Request>, Request> {
        #[pin]
        state: State<S, S::Future, Request, S::Error>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, F, Request, E> {
        Waits {
            #[pin]
            take: Take<Arc<Limiter>>,
            waiting: Option<(S, Request)>,
        },
        Calls {
            #[pin]
            call: F,
        },
        Refused {
            error: Option<E>,
        },
    }
}

impl<S, Request, E> Future for LimitFuture<S, Request>
where
    S: Service<Request, Error = Error<E>>,
{
    type Output = Result<S::Response, Error<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Projected::Calls { call } => return call.poll(context),
                Projected::Waits { take, waiting } => {
                    ready!(take.poll(context)).map_err(Limited::into_error)?;
                    let Some((mut service, request)) = waiting.take() else {
                        unreachable!("who waits has a request")
                    };
                    let call = service.call(request);
                    state.set(State::Calls { call });
                }
                Projected::Refused { error } => {
                    let Some(error) = error.take() else {
                        unreachable!("a future is not polled after it was ready")
                    };
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}
