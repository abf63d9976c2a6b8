//! Balance service: a balancer over services, as one service.

mod layer;

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use evenkeel_units::Moment;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::balance::{Balancer, Endpoint, Pick, Waiting};
use crate::breaker::{Errors, Judge};
use crate::pipeline::{Stage, Stages};
use crate::timer::{self, Until};
use crate::{Error, time};

pub use self::layer::{BalanceLayer, Balanced, BalancedFuture};

/// Tells the key of a request, for a consistent hash. A closure `Fn(&R) -> u64` is one.
pub trait KeyOf<R>: Clone {
    /// Whether the endpoint depends on the request, so that none can be made ready before.
    const IS_KEYED: bool;

    /// The key of a request; [`balance::key`](crate::balance::key) makes one of bytes.
    fn key_of(&self, request: &R) -> Option<u64>;
}

/// Requests without a key: each may go to any endpoint.
#[derive(Copy, Clone, Debug, Default)]
pub struct Unkeyed;

impl<R> KeyOf<R> for Unkeyed {
    const IS_KEYED: bool = false;

    fn key_of(&self, _: &R) -> Option<u64> {
        None
    }
}

impl<R, F: Fn(&R) -> u64 + Clone> KeyOf<R> for F {
    const IS_KEYED: bool = true;

    fn key_of(&self, request: &R) -> Option<u64> {
        Some(self(request))
    }
}

/// Services behind a [`Balancer`], as one. Every clone shares the balancer, and needs neither a buffer nor a task.
///
/// It is ready when one of the endpoints that may be called is: the one that the balancer chose, or else another; that is
/// reserved for the next call, and asked again by each `poll_ready` until then. A clone has no reservation. An endpoint that is removed in between gets
/// the call that was reserved for it, or, if `poll_ready` is asked again, another endpoint does; never one that nobody has chosen. Where there is no endpoint
/// that may be called, it is ready to say so: the call fails at once with [`Error::Unavailable`].
///
/// With [a key](Self::keyed) the endpoint is known only with the request: it is always ready, and the call waits for its endpoint.
///
/// An endpoint's service is cloned for each call, and has to be `Sync` where threads share the balancer.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::balance::{Balancer, Member, Policy};
/// use evenkeel_resilience::layer::{BalanceService, Base};
/// use evenkeel_resilience::time::now;
/// use tower::{ServiceExt as _, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shop = service_fn(|name: &'static str| async move { Ok::<_, &str>(name.len()) });
/// let balancer = Arc::new(Balancer::try_new(Policy::default())?);
/// balancer.replace(now(), ["a", "b"].map(|it| Member::new(it, Base::new(shop))))?;
///
/// let service = BalanceService::new(Arc::clone(&balancer));
/// assert_eq!(service.clone().oneshot("kettle").await, Ok(6));
/// assert_eq!(service.oneshot("tea").await, Ok(3));
/// let ended = balancer.snapshot(now()).endpoints.iter().map(|it| it.succeeded_total).sum::<u64>();
/// assert_eq!(ended, 2);
/// # Ok(()) }
/// ```
pub struct BalanceService<S, K = Unkeyed, J = Errors> {
    balancer: Arc<Balancer<S>>,
    key_of: K,
    judge: J,
    reserved: Option<Candidate<S>>,
    /// Those that were asked and are not ready yet.
    waiting: Vec<Candidate<S>>,
    /// That others may be called, while nobody is ready.
    news: Option<Waiting>,
    /// Until one may come back, while nobody is ready.
    timer: Option<Until>,
}

/// An endpoint, and its service for one call.
struct Candidate<S> {
    endpoint: Arc<Endpoint<S>>,
    service: S,
}

impl<S: Clone> Candidate<S> {
    fn new(endpoint: Arc<Endpoint<S>>) -> Self {
        let service = endpoint.value().clone();
        Self { endpoint, service }
    }
}

impl<S> BalanceService<S> {
    /// Over the services of a balancer.
    pub const fn new(balancer: Arc<Balancer<S>>) -> Self {
        Self::of(balancer, Unkeyed, Errors)
    }
}

impl<S, K, J> BalanceService<S, K, J> {
    /// The same where each request has a key.
    pub fn keyed<L>(self, key_of: L) -> BalanceService<S, L, J> {
        BalanceService::of(self.balancer, key_of, self.judge)
    }

    /// The same that judges answers otherwise: those of status 503, say.
    pub fn judge<L>(self, judge: L) -> BalanceService<S, K, L> {
        BalanceService::of(self.balancer, self.key_of, judge)
    }

    /// What spreads the calls.
    pub const fn balancer(&self) -> &Arc<Balancer<S>> {
        &self.balancer
    }

    const fn of(balancer: Arc<Balancer<S>>, key_of: K, judge: J) -> Self {
        Self {
            balancer,
            key_of,
            judge,
            reserved: None,
            waiting: Vec::new(),
            news: None,
            timer: None,
        }
    }
}

impl<S, K: Clone, J: Clone> Clone for BalanceService<S, K, J> {
    fn clone(&self) -> Self {
        Self::of(Arc::clone(&self.balancer), self.key_of.clone(), self.judge.clone())
    }
}

impl<S, K, J> fmt::Debug for BalanceService<S, K, J> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("BalanceService")
            .field("balancer", &self.balancer)
            .field("reserved", &self.reserved.as_ref().map(|it| it.endpoint.name()))
            .finish_non_exhaustive()
    }
}

impl<S: Stages, K, J> Stages for BalanceService<S, K, J> {
    /// Inside are those of the first endpoint; they are alike.
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Balance);
        if let Some(endpoint) = self.balancer.endpoints().first() {
            endpoint.value().stages(found);
        }
    }
}

impl<S: Clone, K, J> BalanceService<S, K, J> {
    /// Asks one whether it is ready, and reserves it, or lets it wait. Gives what it failed with.
    fn ask<R, E>(
        &mut self,
        mut candidate: Candidate<S>,
        context: &mut Context<'_>,
    ) -> Result<(), Error<E>>
    where
        S: Service<R, Error = Error<E>>,
    {
        match candidate.service.poll_ready(context) {
            Poll::Ready(Ok(())) => self.reserved = Some(candidate),
            Poll::Pending => self.waiting.push(candidate),
            Poll::Ready(Err(error)) => {
                Pick::begin(&*self.balancer, time::now, candidate.endpoint).failure();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Reserves one that is ready, if there is. `None` if all are busy; an error if nobody is left, and what the last one failed with, or
    /// nothing if there was none.
    fn reserve<R, E>(
        &mut self,
        now: Moment,
        context: &mut Context<'_>,
    ) -> Option<Result<(), Error<E>>>
    where
        S: Service<R, Error = Error<E>>,
    {
        let mut failed = None;
        // Those that were asked before, first: they may have been waited for.
        let before = mem::take(&mut self.waiting);
        for candidate in self.reserved.take().into_iter().chain(before) {
            if self.reserved.is_none() && self.balancer.is_usable(now, &candidate.endpoint) {
                failed = self.ask(candidate, context).err().or(failed);
            }
        }
        let mut chosen = None;
        if self.reserved.is_none() && self.waiting.is_empty() {
            let Some(endpoint) = self.balancer.choose(now, None) else { return Some(Ok(())) };
            chosen = Some(Arc::clone(&endpoint));
            failed = self.ask(Candidate::new(endpoint), context).err().or(failed);
        }
        if self.reserved.is_none() {
            // Before they are looked at, so that who comes meanwhile is not missed.
            let (news, back) = self.balancer.wait(context.waker());
            self.news = Some(news);
            self.timer = back.map(timer::until);
            for endpoint in self.balancer.round() {
                let waiting = self.waiting.iter().map(|it| &it.endpoint);
                let is_asked = waiting.chain(&chosen).any(|it| Arc::ptr_eq(it, &endpoint));
                if self.reserved.is_none() && !is_asked {
                    failed = self.ask(Candidate::new(endpoint), context).err().or(failed);
                }
            }
        }
        match (&self.reserved, self.waiting.is_empty()) {
            (Some(_), _) => {
                // Who waits for nothing must not hold a place that somebody else waits for.
                self.waiting.clear();
                (self.news, self.timer) = (None, None);
                Some(Ok(()))
            }
            (None, false) => None,
            (None, true) => Some(failed.map_or(Ok(()), Err)),
        }
    }
}

impl<S, R, E, K, J> Service<R> for BalanceService<S, K, J>
where
    S: Service<R, Error = Error<E>> + Clone,
    K: KeyOf<R>,
    J: Judge<S::Response, E>,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = BalanceFuture<S, R, J>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if K::IS_KEYED {
            return Poll::Ready(Ok(()));
        }
        loop {
            if let Some(answer) = self.reserve(time::now(), context) {
                return Poll::Ready(answer);
            }
            match &mut self.timer {
                Some(timer) => ready!(Pin::new(timer).poll(context)),
                None => return Poll::Pending,
            }
        }
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (candidate, is_ready) = match K::IS_KEYED {
            false => (self.reserved.take(), true),
            true => {
                let key = self.key_of.key_of(&request);
                (self.balancer.choose(time::now(), key).map(Candidate::new), false)
            }
        };
        let state = match candidate {
            None => State::Unavailable,
            Some(Candidate { endpoint, mut service }) => {
                let clock = time::now as fn() -> _;
                let pick = Some(Pick::begin(Arc::clone(&self.balancer), clock, endpoint));
                match is_ready {
                    true => State::Calls { call: service.call(request), pick },
                    false => State::Readies { service, request: Some(request), pick },
                }
            }
        };
        BalanceFuture { state, judge: self.judge.clone() }
    }
}

pin_project! {
    /// The answer of a [`BalanceService`]. Dropped, its call counts as cancelled.
    #[must_use = "futures do nothing unless polled"]
    pub struct BalanceFuture<S: Service<R>, R, J> {
        #[pin]
        state: State<S, S::Future, R>,
        judge: J,
    }
}

impl<S: Service<R>, R, J> fmt::Debug for BalanceFuture<S, R, J> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("BalanceFuture").finish_non_exhaustive()
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, F, R> {
        Unavailable,
        Readies {
            service: S,
            request: Option<R>,
            pick: Option<Pick<S, Arc<Balancer<S>>>>,
        },
        Calls {
            #[pin]
            call: F,
            pick: Option<Pick<S, Arc<Balancer<S>>>>,
        },
        Done,
    }
}

impl<S, R, E, J> Future for BalanceFuture<S, R, J>
where
    S: Service<R, Error = Error<E>>,
    J: Judge<S::Response, E>,
{
    type Output = Result<S::Response, Error<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (answer, pick) = loop {
            match this.state.as_mut().project() {
                Projected::Unavailable => break (Err(Error::Unavailable), None),
                Projected::Readies { service, request, pick } => {
                    if let Err(error) = ready!(service.poll_ready(context)) {
                        break (Err(error), pick.take());
                    }
                    let Some(request) = request.take() else {
                        unreachable!("who gets ready has a request")
                    };
                    let (call, pick) = (service.call(request), pick.take());
                    this.state.set(State::Calls { call, pick });
                }
                Projected::Calls { call, pick } => break (ready!(call.poll(context)), pick.take()),
                Projected::Done => unreachable!("a future is not polled after it was ready"),
            }
        };
        if let Some(pick) = pick {
            pick.heard(&answer, this.judge.judge(&answer));
        }
        this.state.set(State::Done);
        Poll::Ready(answer)
    }
}
