//! Bulkhead layer: the place is found in `call`, so that waiting counts against the deadlines around it.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::Error;
use crate::bulkhead::{Bulkhead, Enter, Permit};

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

    fn call(&mut self, request: Request) -> Self::Future {
        let state = match Permit::try_now(Arc::clone(&self.bulkhead)) {
            Ok(permit) => State::UnderWay { call: self.inner.call(request), _permit: permit },
            // The service that is ready goes with the request; a clone takes its place here.
            Err(bulkhead) => {
                let clone = self.inner.clone();
                let service = mem::replace(&mut self.inner, clone);
                State::Waits { enter: Enter::new(bulkhead), waiting: Some((service, request)) }
            }
        };
        BulkheadFuture { state }
    }
}

pin_project! {
    /// The answer of a [`BulkheadService`]. Dropped, it gives its place back, or leaves the queue.
    #[must_use = "futures do nothing unless polled"]
    pub struct BulkheadFuture<S: Service<Request>, Request> {
        #[pin]
        state: State<S, S::Future, Request>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, F, Request> {
        Waits {
            #[pin]
            enter: Enter<Arc<Bulkhead>>,
            waiting: Option<(S, Request)>,
        },
        UnderWay {
            #[pin]
            call: F,
            // After the call, so that the place is free when the call is gone.
            _permit: Permit<Arc<Bulkhead>>,
        },
        Done,
    }
}

impl<S, Request, E> Future for BulkheadFuture<S, Request>
where
    S: Service<Request, Error = Error<E>>,
{
    type Output = Result<S::Response, Error<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Projected::UnderWay { call, .. } => {
                    let answer = ready!(call.poll(context));
                    state.set(State::Done);
                    return Poll::Ready(answer);
                }
                Projected::Waits { enter, waiting } => {
                    let entered = ready!(enter.poll(context));
                    let waiting = waiting.take();
                    match (entered, waiting) {
                        (Ok(permit), Some((mut service, request))) => {
                            let call = service.call(request);
                            state.set(State::UnderWay { call, _permit: permit });
                        }
                        (Err(why), _) => {
                            state.set(State::Done);
                            return Poll::Ready(Err(why.into_error()));
                        }
                        (Ok(_), None) => unreachable!("who waits has a request"),
                    }
                }
                Projected::Done => unreachable!("a future is not polled after it was ready"),
            }
        }
    }
}
