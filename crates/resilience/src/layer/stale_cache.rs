//! Stale cache layer: what is known is answered, whether or not the service behind can be asked.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tower_layer::Layer;
use tower_service::Service;

use super::attempt::Attempt;
use crate::Error;
use crate::pipeline::{Stage, Stages};
use crate::retry::{Classify, Errors};
use crate::stale_cache::{Asked, Follower, Outcome, Run, SipKeys, StaleCache};
use crate::time::now;

/// Puts a [`StaleCache`] before a service. `F` tells the key of a request, `Fn(&Request) -> Option<K>`; one without a key passes by
/// the cache. All services that it makes share what is kept.
///
/// The service is always ready: a hit is answered although the one behind is not. That is driven to readiness, as a clone, by
/// the request that needs it; so a limit of time for it belongs behind this layer, or around the answer. What is stale is asked for
/// anew by a task that is spawned on the runtime of the caller.
///
/// Errors are no answers; every answer is kept, unless [`classify`](Self::classify) says which are as bad as an error.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::{StaleCache, layer::{BaseLayer, StaleCacheLayer}, stale_cache::Policy};
/// use tower_layer::Layer;
///
/// # #[derive(Clone)] struct Client;
/// struct Request { path: String, is_read: bool }
///
/// let cache: Arc<StaleCache<String, Arc<str>>> = Arc::new(StaleCache::try_new(Policy::default())?);
/// let key = |request: &Request| request.is_read.then(|| request.path.clone());
/// let service = StaleCacheLayer::new(cache, key).layer(BaseLayer.layer(Client));
/// # drop(service); Ok::<(), evenkeel_resilience::stale_cache::PolicyError>(())
/// ```
pub struct StaleCacheLayer<K, V, E, F, H = SipKeys, C = Errors> {
    cache: Arc<StaleCache<K, V, E, H>>,
    key: F,
    classify: C,
}

impl<K, V, E, F, H> StaleCacheLayer<K, V, E, F, H> {
    /// With this cache, and keys by this function.
    pub fn new(cache: Arc<StaleCache<K, V, E, H>>, key: F) -> Self {
        Self { cache, key, classify: Errors::default() }
    }
}

impl<K, V, E, F, H, C> StaleCacheLayer<K, V, E, F, H, C> {
    /// The same, where `classify` says which answers are worth another attempt, as [`Http`](crate::Http) does of statuses. Such an answer is
    /// not kept, and is as bad as an error: a stale one is used in its place, if there is one. All others are kept, 404 among them.
    pub fn classify<D>(self, classify: D) -> StaleCacheLayer<K, V, E, F, H, D> {
        StaleCacheLayer { cache: self.cache, key: self.key, classify }
    }
}

impl<K, V, E, F: Clone, H, C: Clone> Clone for StaleCacheLayer<K, V, E, F, H, C> {
    fn clone(&self) -> Self {
        let (key, classify) = (self.key.clone(), self.classify.clone());
        Self { cache: Arc::clone(&self.cache), key, classify }
    }
}

impl<S, K, V, E, F: Clone, H, C: Clone> Layer<S> for StaleCacheLayer<K, V, E, F, H, C> {
    type Service = StaleCacheService<S, K, V, E, F, H, C>;

    fn layer(&self, inner: S) -> Self::Service {
        StaleCacheService { inner, parts: self.clone() }
    }
}

/// A service behind a [`StaleCache`].
pub struct StaleCacheService<S, K, V, E, F, H = SipKeys, C = Errors> {
    inner: S,
    parts: StaleCacheLayer<K, V, E, F, H, C>,
}

impl<S: Clone, K, V, E, F: Clone, H, C: Clone> Clone for StaleCacheService<S, K, V, E, F, H, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), parts: self.parts.clone() }
    }
}

impl<S: Stages, K, V, E, F, H, C> Stages for StaleCacheService<S, K, V, E, F, H, C> {
    fn stages(&self, found: &mut Vec<Stage>) {
        found.push(Stage::Cache { call_max: self.parts.cache.call_max() });
        self.inner.stages(found);
    }
}

impl<S, K, V, E, F, H, C, Request> Service<Request> for StaleCacheService<S, K, V, E, F, H, C>
where
    S: Service<Request, Response = V, Error = Error<E>> + Clone + Send + 'static,
    S::Future: Send,
    Request: Send + 'static,
    F: Fn(&Request) -> Option<K>,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    H: BuildHasher + Send + Sync + 'static,
    C: Classify<V, E> + Clone + Send + 'static,
{
    type Response = V;
    type Error = Error<E>;
    type Future = StaleCacheFuture<S, K, V, E, H, C, Request>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // Nothing was reserved here, so that a clone is as good as the one behind us.
        let StaleCacheLayer { cache, key, classify } = &self.parts;
        let asked = key(&request).map(|key| cache.fresh(now(), &key));
        let once = || Attempt::when_ready(self.inner.clone(), request);
        let state = match asked {
            None => State::PassesBy { call: once() },
            Some(Ok(value)) => State::Known { answer: Some(Ok(value)) },
            Some(Err(Asked::Answer(answer))) => State::Known { answer: Some(Ok(answer.value)) },
            Some(Err(Asked::Failed(error))) => State::Known { answer: Some(Err(error)) },
            Some(Err(Asked::Refresh(answer, lead))) => {
                let run = lead.run(once(), classify.clone());
                match Handle::try_current() {
                    Ok(runtime) => {
                        run.spawn(&runtime);
                        State::Known { answer: Some(Ok(answer.value)) }
                    }
                    // Nobody else could.
                    Err(_) => State::Leads { run },
                }
            }
            Some(Err(Asked::Lead(lead))) => {
                State::Leads { run: lead.run(once(), classify.clone()) }
            }
            Some(Err(Asked::Wait(follower))) => {
                State::Waits { follower, call: Some((once(), classify.clone())) }
            }
        };
        StaleCacheFuture { state }
    }
}

pin_project! {
    /// The answer of a [`StaleCacheService`]. Dropped, it lets another caller ask.
    #[must_use = "futures do nothing unless polled"]
    pub struct StaleCacheFuture<S: Service<Request>, K, V, E, H, C, Request> {
        #[pin]
        state: State<Attempt<S, Request>, K, V, E, H, C>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, K, V, E, H, C> {
        Known { answer: Option<Result<V, Error<E>>> },
        PassesBy { #[pin] call: F },
        Leads { #[pin] run: Run<K, V, E, H, F, C> },
        Waits { #[pin] follower: Follower<K, V, E, H>, call: Option<(F, C)> },
    }
}

impl<S, K, V, E, H, C, Request> Future for StaleCacheFuture<S, K, V, E, H, C, Request>
where
    S: Service<Request, Response = V, Error = Error<E>>,
    K: Eq + Clone,
    V: Clone,
    E: Clone,
    C: Classify<V, E>,
{
    type Output = Result<V, Error<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Projected::Known { answer } => {
                    let Some(answer) = answer.take() else {
                        unreachable!("a future is not polled after it was ready")
                    };
                    return Poll::Ready(answer);
                }
                Projected::PassesBy { call } => return call.poll(context),
                Projected::Leads { run } => {
                    return Poll::Ready(ready!(run.poll(context)).map(|it| it.value));
                }
                Projected::Waits { follower, call } => {
                    let outcome = ready!(Future::poll(follower, context));
                    let next = match (outcome, call.take()) {
                        (Outcome::Answer(result), _) => {
                            State::Known { answer: Some(result.map(|it| it.value)) }
                        }
                        (Outcome::Lead(lead), Some((once, classify))) => {
                            State::Leads { run: lead.run(once, classify) }
                        }
                        (Outcome::Lead(_), None) => unreachable!("who waits has a request"),
                    };
                    state.set(next);
                }
            }
        }
    }
}

impl<K, V, E, F, H, C> fmt::Debug for StaleCacheLayer<K, V, E, F, H, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaleCacheLayer").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, K, V, E, F, H, C> fmt::Debug for StaleCacheService<S, K, V, E, F, H, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut described = f.debug_struct("StaleCacheService");
        described
            .field("inner", &self.inner)
            .field("cache", &self.parts.cache)
            .finish_non_exhaustive()
    }
}

impl<S, K, V, E, H, C, Request> fmt::Debug for StaleCacheFuture<S, K, V, E, H, C, Request>
where
    S: Service<Request>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaleCacheFuture").finish_non_exhaustive()
    }
}
