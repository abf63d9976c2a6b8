//! Breaker layer: a circuit around a service.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::breaker::{Breaker, Errors, Judge, Permit};
use crate::pipeline::{Stage, Stages};
use crate::{Error, time};

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
        BreakerService { inner, breaker: Arc::clone(&self.breaker), judge: self.judge.clone() }
    }
}

/// A service behind a circuit.
///
/// Whether the circuit lets a call through is known when it is made, and not before: to be ready is a matter of the service
/// behind, and an answer that says "open" at once is worth more than a queue in front of it.
#[derive(Clone)]
pub struct BreakerService<S, J = Errors> {
    inner: S,
    breaker: Arc<Breaker>,
    judge: J,
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
    type Future = BreakerFuture<S::Future, J>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let state = match Permit::ask(Arc::clone(&self.breaker), time::now as fn() -> _) {
            Ok(permit) => State::Calls { call: self.inner.call(request), permit },
            Err(rejected) => State::Rejected { retry_after: rejected.retry_after(time::now()) },
        };
        BreakerFuture { state, judge: self.judge.clone() }
    }
}

impl<S: Stages, J> Stages for BreakerService<S, J> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Breaker(self.breaker.policy()));
        self.inner.stages(found);
    }
}

pin_project! {
    /// The answer of a [`BreakerService`].
    pub struct BreakerFuture<F, J> {
        #[pin]
        state: State<F>,
        judge: J,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F> {
        Calls {
            #[pin]
            call: F,
            // After the call: what was cancelled is over before it is counted.
            permit: Permit<Arc<Breaker>>,
        },
        Rejected {
            retry_after: Option<Duration>,
        },
    }
}

impl<F, J> fmt::Debug for BreakerFuture<F, J> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("BreakerFuture")
            .field("is_made", &matches!(self.state, State::Calls { .. }))
            .finish_non_exhaustive()
    }
}

impl<F, J, T, E> Future for BreakerFuture<F, J>
where
    F: Future<Output = Result<T, Error<E>>>,
    J: Judge<T, E>,
{
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.state.project() {
            Projected::Rejected { retry_after } => {
                Poll::Ready(Err(Error::Open { retry_after: *retry_after }))
            }
            Projected::Calls { call, permit } => {
                let answer = ready!(call.poll(context));
                permit.conclude(this.judge.judge(&answer));
                Poll::Ready(answer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::TimeLimit;
    use crate::breaker::{Outcome, Policy, State as Circuit};

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
        assert_eq!(breaker.state(), Circuit::Closed);
        let late =
            service_fn(|()| async { Err::<(), _>(Error::<()>::Timeout(TimeLimit::Attempt)) });
        assert!(layer.layer(late).oneshot(()).await.is_err());
        assert_eq!(breaker.state(), Circuit::Open);
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

    #[tokio::test]
    async fn answers_are_judged_as_told() {
        let breaker = circuit();
        let layer = BreakerLayer::new(Arc::clone(&breaker)).judge(|it: &Result<u16, Error<()>>| {
            Some(Outcome::from_ok(it.as_ref().is_ok_and(|status| *status < 500)))
        });
        let unwell = service_fn(|()| async { Ok::<_, Error<()>>(503) });
        assert_eq!(layer.layer(unwell).oneshot(()).await, Ok(503));
        assert_eq!(breaker.state(), Circuit::Open);
    }
}
