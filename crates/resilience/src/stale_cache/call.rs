//! Call: the cache around a future, by tokio's clock.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::runtime::Handle;

use super::{Answer, Asked, Follower, Lead, Outcome, StaleCache};
use crate::deadline::{Within, within};
use crate::retry::{Classify, Errors, Verdict};
use crate::{Error, TimeLimit, time};

impl<K, V, E, S> StaleCache<K, V, E, S>
where
    K: Hash + Eq + Clone,
    V: Clone,
    E: Clone,
    S: BuildHasher,
{
    /// The answer for `key`: from the cache, or by `make`, which is called by one of all who ask at once.
    ///
    /// Spawns nothing: the first caller that finds an answer stale asks anew, and waits for it; others use what there is meanwhile.
    ///
    /// # Errors
    /// That of the call, made now or a moment ago, by this caller or another, if there is no answer that may be used in need.
    pub async fn call<Q, F>(
        self: &Arc<Self>,
        key: &Q,
        make: impl FnOnce() -> F,
    ) -> Result<V, Error<E>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = Result<V, Error<E>>>,
    {
        match self.fresh(time::now(), key) {
            Ok(value) => Ok(value),
            Err(asked) => asked.waited(make).await.map(|it| it.value),
        }
    }

    /// The same, with how the answer was come by and how old it is.
    ///
    /// # Errors
    /// As of [`call`](Self::call).
    pub async fn answer<Q, F>(
        self: &Arc<Self>,
        key: &Q,
        make: impl FnOnce() -> F,
    ) -> Result<Answer<V>, Error<E>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = Result<V, Error<E>>>,
    {
        self.ask(time::now(), key).waited(make).await
    }

    /// As [`call`](Self::call), but nobody waits for an answer to be asked for anew: a task does that, spawned on the runtime
    /// that this is called on. When that ends, so does the call.
    ///
    /// # Errors
    /// As of [`call`](Self::call).
    pub async fn get_with<Q, F>(
        self: &Arc<Self>,
        key: &Q,
        make: impl FnOnce() -> F,
    ) -> Result<V, Error<E>>
    where
        K: Borrow<Q> + Send + Sync + 'static,
        V: Send + Sync + 'static,
        E: Send + Sync + 'static,
        S: Send + Sync + 'static,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        F: Future<Output = Result<V, Error<E>>> + Send + 'static,
    {
        match self.fresh(time::now(), key) {
            Ok(value) => Ok(value),
            Err(Asked::Refresh(answer, lead)) => {
                let run = lead.run(make(), Errors::default());
                let answer = match Handle::try_current() {
                    Ok(runtime) => {
                        run.spawn(&runtime);
                        answer
                    }
                    // Nobody else could.
                    Err(_) => run.await?,
                };
                Ok(answer.value)
            }
            Err(asked) => asked.waited(make).await.map(|it| it.value),
        }
    }
}

impl<K: Eq + Clone, V: Clone, E: Clone, S> Asked<K, V, E, S> {
    /// The answer, by `make` if it is this caller who has to.
    async fn waited<F>(self, make: impl FnOnce() -> F) -> Result<Answer<V>, Error<E>>
    where
        F: Future<Output = Result<V, Error<E>>>,
    {
        let lead = match self {
            Self::Answer(answer) => return Ok(answer),
            Self::Failed(error) => return Err(error),
            Self::Refresh(_, lead) | Self::Lead(lead) => lead,
            Self::Wait(follower) => match follower.await {
                Outcome::Answer(result) => return result,
                Outcome::Lead(lead) => lead,
            },
        };
        lead.run(make(), Errors::default()).await
    }
}

impl<K, V: Clone, E: Clone, S> Future for Follower<K, V, E, S> {
    type Output = Outcome<K, V, E, S>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Self::poll(self.get_mut(), time::now(), context.waker())
    }
}

impl<K, V, E, S> Lead<K, V, E, S> {
    /// Makes the call, as long as it may take.
    pub(crate) fn run<F, C>(self, call: F, classify: C) -> Run<K, V, E, S, F, C> {
        Run { call: within(TimeLimit::Total, self.call_max(), call), classify, lead: Some(self) }
    }
}

pin_project! {
    /// A call, made for all who wait for it.
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct Run<K, V, E, S, F, C> {
        #[pin]
        call: Within<F>,
        classify: C,
        // After the call, so that what it held is free when the next one makes it.
        lead: Option<Lead<K, V, E, S>>,
    }
}

impl<K, V, E, S, F, C> Run<K, V, E, S, F, C>
where
    K: Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
    S: Send + Sync + 'static,
    F: Future<Output = Result<V, Error<E>>> + Send + 'static,
    C: Classify<V, E> + Send + 'static,
{
    /// Leaves it to a task of the runtime.
    pub(crate) fn spawn(self, on: &Handle) {
        drop(on.spawn(async { drop(self.await) }));
    }
}

impl<K, V, E, S, F, C> Future for Run<K, V, E, S, F, C>
where
    K: Eq + Clone,
    V: Clone,
    E: Clone,
    F: Future<Output = Result<V, Error<E>>>,
    C: Classify<V, E>,
{
    type Output = Result<Answer<V>, Error<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.call.poll(context));
        let Some(lead) = this.lead.take() else {
            unreachable!("a future is not polled after it was ready")
        };
        let verdict = this.classify.classify(result.as_ref());
        Poll::Ready(match (result, verdict) {
            (Ok(value), Verdict::Transient { .. } | Verdict::Unsent { .. }) => {
                lead.land_failed(time::now(), value)
            }
            (result, _) => lead.land(time::now(), result),
        })
    }
}

impl<K: fmt::Debug, V, E, S, F, C> fmt::Debug for Run<K, V, E, S, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("lead", &self.lead).finish_non_exhaustive()
    }
}
