//! Failover service: the member is chosen in `call`, so that one that never gets ready holds up nobody who comes after the change.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::Error;
use crate::breaker::Judge;
use crate::failover::{Failover, Silent};
use crate::pipeline::{Stage, Stages};
use crate::time;

/// A service that calls the active member of a [`Failover`], whose members are services. Clones share it.
///
/// It is always ready: the member is chosen, and waited for until it is ready, when a request is there, by a clone of its
/// own. A request that waits for a member stays with it when another becomes active, as calls under way do; a time limit around the
/// service bounds that.
#[derive(Debug)]
pub struct FailoverService<S, J = Silent> {
    failover: Arc<Failover<S>>,
    judge: J,
}

impl<S> FailoverService<S> {
    /// Over these members, of which answers say nothing.
    pub const fn new(failover: Arc<Failover<S>>) -> Self {
        Self { failover, judge: Silent }
    }
}

impl<S, J> FailoverService<S, J> {
    /// The same, where `judge` says what an answer says of the member, as for
    /// [`call_judged`](Failover::call_judged). What goes wrong while a member gets ready is an answer, too.
    pub fn judged<K>(self, judge: K) -> FailoverService<S, K> {
        FailoverService { failover: self.failover, judge }
    }
}

impl<S, J: Clone> Clone for FailoverService<S, J> {
    fn clone(&self) -> Self {
        Self { failover: Arc::clone(&self.failover), judge: self.judge.clone() }
    }
}

impl<S, J, Request, E> Service<Request> for FailoverService<S, J>
where
    S: Service<Request, Error = Error<E>> + Clone,
    J: Judge<S::Response, E>,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = FailoverFuture<S, J, Request>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let pick = self.failover.pick(time::now());
        let state = match pick.is_refused() {
            true => State::Refused,
            false => State::Waits { service: pick.member().value.clone(), request: Some(request) },
        };
        let member = pick.index();
        FailoverFuture {
            failover: Arc::clone(&self.failover),
            member,
            judge: self.judge.clone(),
            state,
        }
    }
}

/// Inside are those of its first member: all are of one type.
impl<S: Stages, J> Stages for FailoverService<S, J> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Balance);
        if let Some(member) = self.failover.members().first() {
            member.value.stages(found);
        }
    }
}

pin_project! {
    /// The answer of a [`FailoverService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct FailoverFuture<S: Service<Request>, J, Request> {
        failover: Arc<Failover<S>>,
        member: usize,
        judge: J,
        #[pin]
        state: State<S, S::Future, Request>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, F, Request> {
        Refused,
        Waits { service: S, request: Option<Request> },
        UnderWay {
            #[pin]
            call: F,
        },
    }
}

impl<S, J, Request, E> Future for FailoverFuture<S, J, Request>
where
    S: Service<Request, Error = Error<E>>,
    J: Judge<S::Response, E>,
{
    type Output = Result<S::Response, Error<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let answer = loop {
            match this.state.as_mut().project() {
                Projected::Refused => return Poll::Ready(Err(Error::Unavailable)),
                Projected::UnderWay { call } => break ready!(call.poll(context)),
                Projected::Waits { service, request } => {
                    if let Err(error) = ready!(service.poll_ready(context)) {
                        break Err(error);
                    }
                    let Some(request) = request.take() else {
                        unreachable!("a future is not polled after it was ready")
                    };
                    let call = service.call(request);
                    this.state.set(State::UnderWay { call });
                }
            }
        };
        this.failover.heard(*this.member, this.judge.judge(&answer));
        Poll::Ready(answer)
    }
}
