//! Gate: waits for leave, then calls: what the layers that guard a service have in common.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::Error;

/// Leave to make one call, which ends with its answer. Dropped, it gives itself back.
pub trait Leave<T, E> {
    /// The call is not over at once. Told each time it goes on.
    fn linger(&mut self) {}

    /// The call is over.
    fn end(&mut self, answer: &Result<T, Error<E>>);
}

/// For who needs none.
impl<T, E> Leave<T, E> for () {
    fn end(&mut self, _: &Result<T, Error<E>>) {}
}

/// The wait for leave to make one call. Dropped, it waits no more, and gives back what it was promised.
pub trait Wait {
    /// What is held while the call is under way.
    type Leave;

    /// Ready with leave, or with why there is none.
    fn poll_leave<E>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Leave, Error<E>>>;
}

/// The wait of those who are admitted at once or not at all: there is none.
#[derive(Debug)]
pub struct Never<L> {
    never: Infallible,
    leave: PhantomData<L>,
}

impl<L> Wait for Never<L> {
    type Leave = L;

    fn poll_leave<E>(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<L, Error<E>>> {
        match self.never {}
    }
}

pin_project! {
    /// The answer to a call that needs leave. Dropped, it gives that back, or waits no more.
    #[must_use = "futures do nothing unless polled"]
    pub struct GateFuture<W: Wait, S: Service<Request>, Request> {
        #[pin]
        state: State<W, W::Leave, S, S::Future, S::Error, Request>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<W, L, S, F, E, Request> {
        Waits {
            #[pin]
            wait: W,
            waiting: Option<(S, Request)>,
        },
        Calls {
            #[pin]
            call: F,
            // After the call, so that there is room when the call is gone.
            leave: L,
        },
        Refused {
            why: Option<E>,
        },
        Done,
    }
}

impl<W: Wait, S: Service<Request>, Request> GateFuture<W, S, Request> {
    /// Has leave, and makes the call.
    #[inline]
    pub(super) fn calls(service: &mut S, request: Request, leave: W::Leave) -> Self {
        Self { state: State::Calls { call: service.call(request), leave } }
    }

    /// Waits for leave. The service that is ready goes with the request; a clone takes its place.
    #[cold]
    pub(super) fn waits(service: &mut S, request: Request, wait: W) -> Self
    where
        S: Clone,
    {
        let clone = service.clone();
        let ready = mem::replace(service, clone);
        Self { state: State::Waits { wait, waiting: Some((ready, request)) } }
    }

    /// Has none, and makes no call.
    #[cold]
    pub(super) const fn refused(why: S::Error) -> Self {
        Self { state: State::Refused { why: Some(why) } }
    }
}

impl<W, S, Request, E> Future for GateFuture<W, S, Request>
where
    W: Wait,
    W::Leave: Leave<S::Response, E>,
    S: Service<Request, Error = Error<E>>,
{
    type Output = Result<S::Response, Error<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let answer = match state.as_mut().project() {
                Projected::Calls { call, leave } => {
                    let Poll::Ready(answer) = call.poll(context) else {
                        leave.linger();
                        return Poll::Pending;
                    };
                    leave.end(&answer);
                    answer
                }
                Projected::Waits { wait, waiting } => match ready!(wait.poll_leave(context)) {
                    Ok(leave) => {
                        let Some((mut service, request)) = waiting.take() else {
                            unreachable!("who waits has a request")
                        };
                        let call = service.call(request);
                        state.set(State::Calls { call, leave });
                        continue;
                    }
                    Err(why) => Err(why),
                },
                Projected::Refused { why } => match why.take() {
                    Some(why) => Err(why),
                    None => unreachable!("who is refused is told why"),
                },
                Projected::Done => unreachable!("a future is not polled after it was ready"),
            };
            state.set(State::Done);
            return Poll::Ready(answer);
        }
    }
}

impl<W: Wait, S: Service<Request>, Request> fmt::Debug for GateFuture<W, S, Request> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Waits { .. } => "waits",
            State::Calls { .. } => "calls",
            State::Refused { .. } => "refused",
            State::Done => "done",
        };
        to.debug_struct("GateFuture").field("state", &state).finish_non_exhaustive()
    }
}
