//! Call: a breaker around a future, by tokio's clock.

use super::{Breaker, Errors, Judge, Permit};
use crate::{Error, time};

impl Breaker {
    /// Asks to make one call, by tokio's clock.
    pub fn enter(&self) -> Result<Permit<&Self>, super::Rejected> {
        Permit::ask(self, time::now)
    }

    /// Makes a call, if the circuit lets it: an error of the call counts as a failure, one of a pattern inside that refused it does not. `make` is not called where it does not.
    ///
    /// ```
    /// use evenkeel_resilience::{Error, breaker::{Breaker, Policy}};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let breaker = Breaker::try_new(Policy::consecutive(1))?;
    /// let answer = breaker.call(|| async { Err::<(), _>(Error::Inner("refused")) }).await;
    /// assert_eq!(answer, Err(Error::Inner("refused")));
    /// let answer = breaker.call(|| async { Ok::<_, Error<&str>>(()) }).await;
    /// assert!(matches!(answer, Err(Error::Open { retry_after: Some(_) })));
    /// # Ok(()) }
    /// ```
    pub async fn call<T, E, F>(&self, make: impl FnOnce() -> F) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        self.call_judged(make, Errors).await
    }

    /// The same, where `judge` says what an answer says of the neighbour.
    pub async fn call_judged<T, E, F>(
        &self,
        make: impl FnOnce() -> F,
        judge: impl Judge<T, E>,
    ) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        let permit = match self.enter() {
            Ok(permit) => permit,
            Err(rejected) => return Err(rejected.into_error(time::now())),
        };
        let answer = make().await;
        permit.end(judge.judge(&answer));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::breaker::{Policy, State};

    #[tokio::test(start_paused = true)]
    async fn calls_that_an_outer_time_limit_cuts_off_open_the_circuit() {
        let breaker = Breaker::try_new(Policy::default()).unwrap();
        for _ in 0..20 {
            let never = breaker.call(std::future::pending::<Result<(), Error<()>>>);
            assert!(tokio::time::timeout(Duration::from_secs(3), never).await.is_err());
        }
        assert_eq!(breaker.state(), State::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn time_alone_lets_the_next_call_be_tried() {
        let breaker = Breaker::try_new(Policy::consecutive(1)).unwrap();
        assert!(breaker.call(|| async { Err::<(), Error<()>>(Error::Inner(())) }).await.is_err());
        let works = || async { Ok::<_, Error<()>>(1) };
        let Err(Error::Open { retry_after: Some(wait) }) = breaker.call(works).await else {
            panic!("it is open");
        };
        tokio::time::advance(wait + Duration::from_millis(1)).await;
        assert_eq!(breaker.call(works).await, Ok(1));
        assert_eq!(breaker.state(), State::HalfOpen);
    }

    #[tokio::test]
    async fn an_answer_that_says_nothing_of_the_neighbour_is_not_counted() {
        let breaker = Breaker::try_new(Policy::consecutive(1)).unwrap();
        let said_nothing = |_: &Result<(), Error<&str>>| None;
        let answer = breaker
            .call_judged(|| async { Err::<(), _>(Error::Inner("bad request")) }, said_nothing)
            .await;
        assert_eq!(answer, Err(Error::Inner("bad request")));
        assert_eq!(breaker.state(), State::Closed);
    }
}
