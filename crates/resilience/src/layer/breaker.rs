//! Breaker layer: a circuit around a service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::gate::{GateFuture, Leave, Never};
use crate::Error;
use crate::breaker::{Breaker, Errors, Judge, Permit, Rejected};
use crate::pipeline::{Stage, Stages};
use crate::time::{self, TokioClock};

/// Makes a [`BreakerService`] of a service. All that are made of one layer share its circuit.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::breaker::{Breaker, Policy};
/// use evenkeel_resilience::layer::{BaseLayer, BreakerLayer};
/// use tower::{ServiceBuilder, ServiceExt as _, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let breaker = Arc::new(Breaker::try_new(Policy::default())?);
/// let service = ServiceBuilder::new()
///     .layer(BreakerLayer::new(Arc::clone(&breaker)))
///     .layer(BaseLayer)
///     .service(service_fn(|name: &'static str| async move { Ok::<_, &str>(name.len()) }));
/// assert_eq!(service.oneshot("kettle").await, Ok(6));
/// assert_eq!(breaker.snapshot(evenkeel_resilience::time::now()).succeeded_total, 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct BreakerLayer<J = Errors> {
    breaker: Arc<Breaker>,
    judge: J,
}

impl BreakerLayer {
    /// Of a circuit.
    pub const fn new(breaker: Arc<Breaker>) -> Self {
        Self { breaker, judge: Errors }
    }
}

impl<J> BreakerLayer<J> {
    /// The same that judges answers otherwise: those of status 503, say.
    pub fn judge<K>(self, judge: K) -> BreakerLayer<K> {
        BreakerLayer { breaker: self.breaker, judge }
    }
}

impl<J> fmt::Debug for BreakerLayer<J> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("BreakerLayer").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

impl<S, J: Clone> Layer<S> for BreakerLayer<J> {
    type Service = BreakerService<S, J>;

    fn layer(&self, inner: S) -> BreakerService<S, J> {
        let (breaker, judge) = (Arc::clone(&self.breaker), self.judge.clone());
        BreakerService { inner, breaker, judge, is_ready: true }
    }
}

/// A service behind a circuit.
///
/// Whether the circuit lets a call through is known when it is made, and not before: to be ready is a matter of the service
/// behind. But while the circuit is open it is ready, whatever that says: an answer that says "open" at once is worth more than a
/// queue in front of what hangs. An error of the service behind as it gets ready is passed on, and not counted.
#[derive(Clone)]
pub struct BreakerService<S, J = Errors> {
    inner: S,
    breaker: Arc<Breaker>,
    judge: J,
    /// Whether the service behind is what was ready, and not the circuit alone.
    is_ready: bool,
}

impl<S, J> fmt::Debug for BreakerService<S, J> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("BreakerService").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

impl<S, J, Request, E> Service<Request> for BreakerService<S, J>
where
    S: Service<Request, Error = Error<E>>,
    J: Judge<S::Response, E>,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = BreakerFuture<S, Request, J>;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = self.inner.poll_ready(context);
        self.is_ready = ready.is_ready();
        if !self.is_ready && self.breaker.rejects(time::now()) {
            return Poll::Ready(Ok(()));
        }
        ready
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        if !self.is_ready {
            return GateFuture::refused(rejected(&self.breaker).into_error());
        }
        match Permit::begin(Arc::clone(&self.breaker), TokioClock) {
            Ok(permit) => {
                let judge = self.judge.clone();
                GateFuture::calls(&mut self.inner, request, Judged { permit, judge })
            }
            Err(rejected) => GateFuture::refused(rejected.into_error()),
        }
    }
}

/// What an open circuit answers for a service that is not ready.
#[cold]
#[inline(never)]
fn rejected(breaker: &Breaker) -> Rejected {
    breaker.rejected(time::now())
}

/// The answer of a [`BreakerService`]. Dropped, it is a call that was cancelled.
pub type BreakerFuture<S, Request, J> = GateFuture<Never<Judged<J>>, S, Request>;

/// Leave to make a call, whose answer is judged.
pub struct Judged<J> {
    permit: Permit<Arc<Breaker>, TokioClock>,
    judge: J,
}

impl<T, E, J: Judge<T, E>> Leave<T, E> for Judged<J> {
    #[inline]
    fn linger(&mut self) {
        self.permit.linger();
    }

    #[inline]
    fn end(&mut self, answer: &Result<T, Error<E>>) {
        self.permit.conclude(self.judge.judge(answer));
    }
}

impl<J> fmt::Debug for Judged<J> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Judged").field("permit", &self.permit).finish_non_exhaustive()
    }
}

impl<S: Stages, J> Stages for BreakerService<S, J> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Breaker(self.breaker.policy()));
        self.inner.stages(found);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::TimeLimit;
    use crate::breaker::{Outcome, Policy, State};

    fn circuit() -> Arc<Breaker> {
        Arc::new(Breaker::try_new(Policy::consecutive(1)).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejected_call_does_not_reach_the_service_and_says_when_to_come_back() {
        let breaker = circuit();
        let fails = service_fn(|()| async { Err::<(), _>(Error::Inner("refused")) });
        let service = BreakerLayer::new(Arc::clone(&breaker)).layer(fails);
        assert_eq!(service.clone().oneshot(()).await, Err(Error::Inner("refused")));
        let answer = service.oneshot(()).await;
        assert!(matches!(answer, Err(Error::Open { retry_after: Some(_) })), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_made_says_nothing_and_a_time_limit_is_a_failure() {
        let breaker = circuit();
        let layer = BreakerLayer::new(Arc::clone(&breaker));
        let full = service_fn(|()| async { Err::<(), _>(Error::<()>::Full) });
        assert_eq!(layer.layer(full).oneshot(()).await, Err(Error::Full));
        assert_eq!(breaker.state(), State::Closed);
        let late =
            service_fn(|()| async { Err::<(), _>(Error::<()>::Timeout(TimeLimit::Attempt)) });
        assert!(layer.layer(late).oneshot(()).await.is_err());
        assert_eq!(breaker.state(), State::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_answer_gives_its_trial_back() {
        let breaker = circuit();
        let layer = BreakerLayer::new(Arc::clone(&breaker));
        let fails = service_fn(|()| async { Err::<(), _>(Error::Inner(())) });
        assert!(layer.layer(fails).oneshot(()).await.is_err());
        tokio::time::advance(Duration::from_secs(6)).await;
        let hangs = service_fn(|()| std::future::pending::<Result<(), Error<()>>>());
        let mut hangs = layer.layer(hangs);
        drop((0..5).map(|_| hangs.call(())).collect::<Vec<_>>());
        assert_eq!(breaker.snapshot(time::now()).permits, 5);
    }

    /// Is never ready.
    #[derive(Clone)]
    struct Stuck;

    impl Service<()> for Stuck {
        type Response = ();
        type Error = Error<()>;
        type Future = std::future::Pending<Result<(), Error<()>>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error<()>>> {
            Poll::Pending
        }

        fn call(&mut self, (): ()) -> Self::Future {
            unreachable!("it was never ready")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_circuit_answers_for_a_service_that_is_not_ready_and_no_other_does() {
        let breaker = circuit();
        let mut service = BreakerLayer::new(Arc::clone(&breaker)).layer(Stuck);
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(service.poll_ready(&mut context).is_pending());
        let ticket = breaker.admit(time::now()).unwrap();
        breaker.record(time::now(), ticket, Outcome::Failure);
        let answer = service.clone().oneshot(()).await;
        assert!(matches!(answer, Err(Error::Open { retry_after: Some(_) })), "{answer:?}");

        // Also when the wait is over between the one and the other.
        assert!(service.poll_ready(&mut context).is_ready());
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(service.call(()).await, Err(Error::Open { retry_after: None }));
        assert_eq!(breaker.snapshot(time::now()).rejected_total, 2);
        assert!(service.poll_ready(&mut context).is_pending());
    }

    #[tokio::test]
    async fn answers_are_judged_as_told() {
        let breaker = circuit();
        let layer = BreakerLayer::new(Arc::clone(&breaker)).judge(|it: &Result<u16, Error<()>>| {
            Some(Outcome::from_ok(it.as_ref().is_ok_and(|status| *status < 500)))
        });
        let unwell = service_fn(|()| async { Ok::<_, Error<()>>(503) });
        assert_eq!(layer.layer(unwell).oneshot(()).await, Ok(503));
        assert_eq!(breaker.state(), State::Open);
    }
}
