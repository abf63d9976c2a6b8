//! The layer of [`Fallback`].

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{Attempt, Cloned, Repeat};
use crate::fallback::{Every, Fallback, Which};
use crate::pipeline::{Stage, Stages};
use crate::retry::Idempotency;
use crate::{Error, TimeLimit};

/// The second way, for requests `R`, answers `T` and errors `E`. A closure `Fn(Error<E>) -> impl Future` is one, which makes an answer
/// of the error alone; [`Elsewhere`] is another, which sends the request to another service.
pub trait Second<R, T, E> {
    /// What is kept of the request while the first way is taken.
    type Kept;
    /// The answer.
    type Future: Future<Output = Result<T, Error<E>>>;

    /// Keeps what it needs of a request.
    fn keep(&self, request: &R) -> Self::Kept;

    /// Takes the second way.
    ///
    /// # Errors
    /// `why`, where this request has no second way.
    fn take(&self, kept: Self::Kept, why: Error<E>) -> Result<Self::Future, Error<E>>;
}

impl<R, T, E, F, A> Second<R, T, E> for F
where
    F: Fn(Error<E>) -> A,
    A: Future<Output = Result<T, Error<E>>>,
{
    type Kept = ();
    type Future = A;

    fn keep(&self, _: &R) {}

    fn take(&self, (): (), why: Error<E>) -> Result<A, Error<E>> {
        Ok(self(why))
    }
}

/// The second way is another service, which gets the same request.
///
/// What must not happen twice, or is known by a key that they may not share, goes there only if it certainly did not happen here: after a
/// rejection, or a connection that did not stand.
#[derive(Copy, Clone, Debug)]
pub struct Elsewhere<S, P = Cloned> {
    service: S,
    repeat: P,
}

impl<S> Elsewhere<S> {
    /// For requests that are cloned, and may happen twice.
    pub const fn new(service: S) -> Self {
        Self { service, repeat: Cloned }
    }
}

impl<S, P> Elsewhere<S, P> {
    /// The same with requests that are repeated as `repeat` says; the error stands for one that has no copy.
    pub fn repeat<Q>(self, repeat: Q) -> Elsewhere<S, Q> {
        Elsewhere { service: self.service, repeat }
    }
}

impl<R, T, E, S, P> Second<R, T, E> for Elsewhere<S, P>
where
    S: Service<R, Response = T, Error = Error<E>> + Clone,
    P: Repeat<R>,
{
    type Kept = (Option<R>, Idempotency);
    type Future = Attempt<S, R>;

    fn keep(&self, request: &R) -> Self::Kept {
        self.repeat.repeat(request)
    }

    fn take(
        &self,
        (request, idempotency): Self::Kept,
        why: Error<E>,
    ) -> Result<Self::Future, Error<E>> {
        let is_unsent = why.is_rejection() || matches!(why, Error::Timeout(TimeLimit::Connect));
        match request.filter(|_| is_unsent || idempotency == Idempotency::Safe) {
            Some(request) => Ok(Attempt::when_ready(self.service.clone(), request)),
            None => Err(why),
        }
    }
}

/// Makes a [`FallbackService`] of a service. Layers make a chain: the outermost is asked last.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::{Error, Fallback, layer::{BaseLayer, Elsewhere, FallbackLayer}};
/// use tower::{ServiceExt, service_fn};
/// use tower_layer::Layer;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let here = BaseLayer.layer(service_fn(|_: u32| async { Err::<&str, _>("down") }));
/// let copy = BaseLayer.layer(service_fn(|_: u32| async { Err::<&str, _>("down, too") }));
/// let links: [Arc<Fallback>; 2] = Default::default();
///
/// let service = FallbackLayer::new(Arc::clone(&links[0]), Elsewhere::new(copy)).layer(here);
/// let service = FallbackLayer::new(Arc::clone(&links[1]), |_| async { Ok("the bestsellers") })
///     .which(|why: &Error<&str>| *why != Error::Inner("no such page"))
///     .layer(service);
/// assert_eq!(service.oneshot(7).await, Ok("the bestsellers"));
/// assert_eq!(links.map(|it| it.snapshot().used), [0, 1]);
/// # });
/// ```
#[derive(Debug)]
pub struct FallbackLayer<N, W = Every> {
    fallback: Arc<Fallback>,
    second: N,
    which: W,
}

impl<N> FallbackLayer<N> {
    /// From every error to `second`.
    pub const fn new(fallback: Arc<Fallback>, second: N) -> Self {
        Self { fallback, second, which: Every }
    }
}

impl<N, W> FallbackLayer<N, W> {
    /// The same for the errors that `which` names; every other one stands.
    pub fn which<V>(self, which: V) -> FallbackLayer<N, V> {
        FallbackLayer { fallback: self.fallback, second: self.second, which }
    }
}

impl<N: Clone, W: Clone> Clone for FallbackLayer<N, W> {
    fn clone(&self) -> Self {
        let (second, which) = (self.second.clone(), self.which.clone());
        Self { fallback: Arc::clone(&self.fallback), second, which }
    }
}

impl<S, N: Clone, W: Clone> Layer<S> for FallbackLayer<N, W> {
    type Service = FallbackService<S, N, W>;

    fn layer(&self, inner: S) -> Self::Service {
        FallbackService { inner, link: self.clone(), is_ready: false }
    }
}

/// A service with a second way.
///
/// It waits until the first way is ready: one that has no room yet has not failed. When it fails to become ready, this one is ready all
/// the same, since there is another way; the call then asks the first way once more, and falls back from what that says.
#[derive(Debug)]
pub struct FallbackService<S, N, W = Every> {
    inner: S,
    link: FallbackLayer<N, W>,
    /// Whether the inner one has said so, for the next call.
    is_ready: bool,
}

impl<S: Clone, N: Clone, W: Clone> Clone for FallbackService<S, N, W> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), link: self.link.clone(), is_ready: false }
    }
}

impl<S, N, W, R, E> Service<R> for FallbackService<S, N, W>
where
    S: Service<R, Error = Error<E>> + Clone,
    N: Second<R, S::Response, E> + Clone,
    W: Which<E> + Clone,
{
    type Response = S::Response;
    type Error = Error<E>;
    type Future = FallbackFuture<S, R, N, W, N::Kept, N::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error<E>>> {
        self.is_ready = ready!(self.inner.poll_ready(context)).is_ok();
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let kept = self.link.second.keep(&request);
        let first = match mem::take(&mut self.is_ready) {
            true => Attempt::made(self.inner.call(request)),
            false => {
                let clone = self.inner.clone();
                Attempt::when_ready(mem::replace(&mut self.inner, clone), request)
            }
        };
        FallbackFuture { state: State::First { first, kept: Some(kept) }, link: self.link.clone() }
    }
}

impl<S: Stages, N, W> Stages for FallbackService<S, N, W> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Fallback);
        self.inner.stages(found);
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S: Service<R>, R, K, F> {
        First { #[pin] first: Attempt<S, R>, kept: Option<K> },
        Second { #[pin] second: F },
    }
}

pin_project! {
    /// The answer of a [`FallbackService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct FallbackFuture<S: Service<R>, R, N, W, K, F> {
        #[pin]
        state: State<S, R, K, F>,
        link: FallbackLayer<N, W>,
    }
}

impl<S, R, N, W, E> Future for FallbackFuture<S, R, N, W, N::Kept, N::Future>
where
    S: Service<R, Error = Error<E>>,
    N: Second<R, S::Response, E>,
    W: Which<E>,
{
    type Output = Result<S::Response, Error<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let FallbackLayer { fallback, second, which } = this.link;
        loop {
            match this.state.as_mut().project() {
                StateProjection::First { first, kept } => {
                    let why = match ready!(first.poll(context)) {
                        Err(why) if which.falls_back(&why) => why,
                        result => {
                            fallback.first_stands(result.is_ok());
                            return Poll::Ready(result);
                        }
                    };
                    let Some(kept) = kept.take() else { unreachable!("the first way ends once") };
                    match second.take(kept, why) {
                        Ok(second) => this.state.set(State::Second { second }),
                        Err(why) => {
                            fallback.first_stands(false);
                            return Poll::Ready(Err(why));
                        }
                    }
                }
                StateProjection::Second { second } => {
                    let result = ready!(second.poll(context));
                    fallback.second_ended(result.is_ok());
                    return Poll::Ready(result);
                }
            }
        }
    }
}

impl<S: Service<R>, R, N, W, K, F> std::fmt::Debug for FallbackFuture<S, R, N, W, K, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FallbackFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
