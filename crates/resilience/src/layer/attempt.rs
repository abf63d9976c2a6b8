//! Attempt: a further call of a service, which first waits until that is ready.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

pin_project! {
    #[project = StateProjection]
    enum State<S, R, F> {
        Readying { service: S, request: Option<R> },
        Calling { #[pin] call: F },
    }
}

pin_project! {
    /// A call of a service: at once of one that is ready, else as soon as it is.
    pub struct Attempt<S: Service<R>, R> {
        #[pin]
        state: State<S, R, S::Future>,
    }
}

impl<S: Service<R>, R> Attempt<S, R> {
    /// One that was made.
    pub(super) const fn made(call: S::Future) -> Self {
        Self { state: State::Calling { call } }
    }

    /// One that is made when the service is ready.
    pub(super) const fn when_ready(service: S, request: R) -> Self {
        Self { state: State::Readying { service, request: Some(request) } }
    }
}

impl<S: Service<R>, R> Future for Attempt<S, R> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProjection::Calling { call } => return call.poll(context),
                StateProjection::Readying { service, request } => {
                    ready!(service.poll_ready(context))?;
                    let Some(request) = request.take() else {
                        unreachable!("what is taken out is replaced by the call")
                    };
                    let call = service.call(request);
                    state.set(State::Calling { call });
                }
            }
        }
    }
}

impl<S: Service<R>, R> std::fmt::Debug for Attempt<S, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").finish_non_exhaustive()
    }
}
