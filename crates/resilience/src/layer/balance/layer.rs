//! Balance layer: one service that can call every endpoint, told which with each request.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{KeyOf, Unkeyed};
use crate::balance::{Balancer, Endpoint, Pick};
use crate::breaker::{Errors, Judge};
use crate::pipeline::{Stage, Stages};
use crate::{Error, time};

/// Chooses an endpoint for each request, and hands both to one service: a client that can call any address. What differs from endpoint to
/// endpoint otherwise, as a connection or a circuit of its own, is a matter of [`BalanceService`](super::BalanceService).
///
/// A circuit or a bulkhead inside would be one for all endpoints; passive health is the balancer's.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::balance::{Balancer, Endpoint, Member, Policy};
/// use evenkeel_resilience::{Error, layer::{BalanceLayer, Base}, time::now};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = service_fn(|(to, path): (Arc<Endpoint<&'static str>>, &'static str)| async move {
///     Ok::<_, &str>(format!("{}{path}", to.value()))
/// });
/// let balancer = Arc::new(Balancer::try_new(Policy::default())?);
/// balancer.replace(now(), [Member::new("a", "http://10.0.0.1")])?;
/// let service = BalanceLayer::new(Arc::clone(&balancer)).layer(Base::new(client));
/// assert_eq!(service.clone().oneshot("/prices").await.as_deref(), Ok("http://10.0.0.1/prices"));
///
/// balancer.remove(now(), "a");
/// assert_eq!(service.oneshot("/prices").await, Err(Error::Unavailable));
/// # Ok(()) }
/// ```
pub struct BalanceLayer<T, K = Unkeyed, J = Errors> {
    balancer: Arc<Balancer<T>>,
    key_of: K,
    judge: J,
}

impl<T> BalanceLayer<T> {
    /// Over the endpoints of a balancer.
    pub const fn new(balancer: Arc<Balancer<T>>) -> Self {
        Self { balancer, key_of: Unkeyed, judge: Errors }
    }
}

impl<T, K, J> BalanceLayer<T, K, J> {
    /// The same where each request has a key.
    pub fn keyed<L>(self, key_of: L) -> BalanceLayer<T, L, J> {
        BalanceLayer { balancer: self.balancer, key_of, judge: self.judge }
    }

    /// The same that judges answers otherwise: those of status 503, say.
    pub fn judge<L>(self, judge: L) -> BalanceLayer<T, K, L> {
        BalanceLayer { balancer: self.balancer, key_of: self.key_of, judge }
    }
}

impl<T, K: Clone, J: Clone> Clone for BalanceLayer<T, K, J> {
    fn clone(&self) -> Self {
        let balancer = Arc::clone(&self.balancer);
        Self { balancer, key_of: self.key_of.clone(), judge: self.judge.clone() }
    }
}

impl<T, K, J> fmt::Debug for BalanceLayer<T, K, J> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("BalanceLayer").field("balancer", &self.balancer).finish_non_exhaustive()
    }
}

impl<S, T, K: Clone, J: Clone> Layer<S> for BalanceLayer<T, K, J> {
    type Service = Balanced<S, T, K, J>;

    fn layer(&self, inner: S) -> Self::Service {
        Balanced { inner, by: self.clone() }
    }
}

/// A service that is told an endpoint with each request: see [`BalanceLayer`].
pub struct Balanced<S, T, K = Unkeyed, J = Errors> {
    inner: S,
    by: BalanceLayer<T, K, J>,
}

impl<S: Clone, T, K: Clone, J: Clone> Clone for Balanced<S, T, K, J> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), by: self.by.clone() }
    }
}

impl<S, T, K, J> fmt::Debug for Balanced<S, T, K, J> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Balanced").field("by", &self.by).finish_non_exhaustive()
    }
}

impl<S: Stages, T, K, J> Stages for Balanced<S, T, K, J> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Balance);
        self.inner.stages(found);
    }
}

impl<S, T, K, J, R, E> Service<R> for Balanced<S, T, K, J>
where
    S: Service<(Arc<Endpoint<T>>, R), Error = Error<E>>,
    K: KeyOf<R>,
    J: Judge<S::Response, E>,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = BalancedFuture<S::Future, T, J>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let BalanceLayer { balancer, key_of, judge } = &self.by;
        let clock = time::now as fn() -> _;
        let pick = Pick::ask(Arc::clone(balancer), clock, key_of.key_of(&request));
        let call = pick.as_ref().map(|it| self.inner.call((Arc::clone(it.endpoint()), request)));
        BalancedFuture { call, pick, judge: judge.clone() }
    }
}

pin_project! {
    /// The answer of a [`Balanced`]. Dropped, its call counts as cancelled.
    #[must_use = "futures do nothing unless polled"]
    pub struct BalancedFuture<F, T, J> {
        // `None` where there was nobody to call.
        #[pin]
        call: Option<F>,
        pick: Option<Pick<T, Arc<Balancer<T>>>>,
        judge: J,
    }
}

impl<F, T, J> fmt::Debug for BalancedFuture<F, T, J> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("BalancedFuture").field("pick", &self.pick).finish_non_exhaustive()
    }
}

impl<F, T, J, R, E> Future for BalancedFuture<F, T, J>
where
    F: Future<Output = Result<R, Error<E>>>,
    J: Judge<R, E>,
{
    type Output = Result<R, Error<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(call) = this.call.as_pin_mut() else {
            return Poll::Ready(Err(Error::Unavailable));
        };
        let answer = ready!(call.poll(context));
        if let Some(pick) = this.pick.take() {
            pick.heard(&answer, this.judge.judge(&answer));
        }
        Poll::Ready(answer)
    }
}
