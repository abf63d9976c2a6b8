//! Call: a balancer around a future, by tokio's clock.

use std::sync::Arc;
use std::task::Waker;

use evenkeel_units::Moment;

use super::alarm::Waiting;
use super::{Balancer, Endpoint, Pick};
use crate::breaker::{Errors, Judge};
use crate::{Error, time};

impl<T> Balancer<T> {
    /// Whom to call, by tokio's clock; see [`Balancer::admit`].
    pub fn pick(&self, key: Option<u64>) -> Option<Pick<T, &Self>> {
        Pick::ask(self, time::now, key)
    }

    /// Makes a call to an endpoint: an error of the call counts as a failure of it, one of a pattern inside that refused the call
    /// does not. The endpoint derefs to its value.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is nobody to call, and `make` was not; else what the call itself failed with.
    ///
    /// ```
    /// use evenkeel_resilience::{Error, balance::{Balancer, Member, Policy}, time::now};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let balancer = Balancer::try_new(Policy::default())?;
    /// let answer = balancer.call(async |_| Ok::<_, Error<&str>>(())).await;
    /// assert_eq!(answer, Err(Error::Unavailable));
    ///
    /// balancer.replace(now(), [Member::new("a", 8080), Member::new("b", 8081)])?;
    /// let answer = balancer.call(async |port| Ok::<u16, Error<&str>>(**port)).await;
    /// assert!(answer == Ok(8080) || answer == Ok(8081));
    /// # Ok(()) }
    /// ```
    pub async fn call<R, E, F>(
        &self,
        make: impl FnOnce(Arc<Endpoint<T>>) -> F,
    ) -> Result<R, Error<E>>
    where
        F: Future<Output = Result<R, Error<E>>>,
    {
        self.call_judged(None, make, Errors).await
    }

    /// The same for a key of a [`ConsistentHash`](super::ConsistentHash): see [`key`](super::key).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_keyed<R, E, F>(
        &self,
        key: u64,
        make: impl FnOnce(Arc<Endpoint<T>>) -> F,
    ) -> Result<R, Error<E>>
    where
        F: Future<Output = Result<R, Error<E>>>,
    {
        self.call_judged(Some(key), make, Errors).await
    }

    /// The same, where `judge` says what an answer says of the endpoint.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_judged<R, E, F>(
        &self,
        key: Option<u64>,
        make: impl FnOnce(Arc<Endpoint<T>>) -> F,
        judge: impl Judge<R, E>,
    ) -> Result<R, Error<E>>
    where
        F: Future<Output = Result<R, Error<E>>>,
    {
        let pick = self.pick(key).ok_or(Error::Unavailable)?;
        let answer = make(Arc::clone(pick.endpoint())).await;
        pick.heard(&answer, judge.judge(&answer));
        answer
    }

    /// Those that may be called, once round from some place.
    pub(crate) fn round(&self) -> Vec<Arc<Endpoint<T>>> {
        let from = self.turn.load(std::sync::atomic::Ordering::Relaxed) as usize;
        self.set().round(from).map(Arc::clone).collect()
    }

    /// Whether an endpoint may be called, by what is known now.
    pub(crate) fn is_usable(&self, now: Moment, endpoint: &Arc<Endpoint<T>>) -> bool {
        if self.alarm.is_due(now) {
            self.tick(now);
        }
        self.set().has(endpoint)
    }

    /// Wakes `waker` once when others may be called, as long as the answer is held; gives also the moment at which one may be by
    /// itself, where there is one.
    pub(crate) fn wait(&self, waker: &Waker) -> (Waiting, Option<Moment>) {
        let waiting = self.alarm.wait(waker);
        (waiting, self.lock().readmission())
    }
}
