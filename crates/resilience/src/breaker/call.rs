//! Call: a breaker around a future, by tokio's clock.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Breaker, Errors, Judge, Permit};
use crate::Error;
use crate::time::TokioClock;

impl Breaker {
    /// Asks to make one call, by tokio's clock.
    ///
    /// # Errors
    /// When the circuit is open.
    pub fn enter(&self) -> Result<Permit<&Self, TokioClock>, super::Rejected> {
        Permit::ask(self, TokioClock)
    }

    /// Makes a call, if the circuit lets it; if not, `make` is not called. An error of the call counts as a failure, one of a pattern inside that
    /// refused it does not.
    ///
    /// # Errors
    /// [`Error::Open`] when the circuit is open; else that of the call.
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
    pub fn call<T, E, F>(
        &self,
        make: impl FnOnce() -> F,
    ) -> impl Future<Output = Result<T, Error<E>>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        self.call_judged(make, Errors)
    }

    /// The same, where `judge` says what an answer says of the neighbour.
    ///
    /// # Errors
    /// As of [`call`](Self::call).
    pub fn call_judged<T, E, F>(
        &self,
        make: impl FnOnce() -> F,
        judge: impl Judge<T, E>,
    ) -> impl Future<Output = Result<T, Error<E>>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        Call { breaker: self, make: Some(make), judge, future: None, permit: None }
    }
}

pin_project! {
    /// A call on its way. As it is written out, the permit of one that is answered at once lies on the stack alone: an `async`
    /// block would carry it through the future, which costs more than the circuit does.
    struct Call<'a, M, F, J> {
        breaker: &'a Breaker,
        make: Option<M>,
        judge: J,
        #[pin]
        future: Option<F>,
        // After the future: what was cancelled is over before it is counted.
        permit: Option<Permit<&'a Breaker, TokioClock>>,
    }
}

impl<T, E, M, F, J> Future for Call<'_, M, F, J>
where
    M: FnOnce() -> F,
    F: Future<Output = Result<T, Error<E>>>,
    J: Judge<T, E>,
{
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut permit = if let Some(make) = this.make.take() {
            match Permit::begin(*this.breaker, TokioClock) {
                Ok(permit) => {
                    this.future.set(Some(make()));
                    permit
                }
                Err(rejected) => return Poll::Ready(Err(rejected.into_error())),
            }
        } else {
            let Some(permit) = this.permit.take() else {
                unreachable!("a future is not polled after it was ready")
            };
            permit
        };
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            unreachable!("who has a permit has made the call")
        };
        match future.poll(context) {
            Poll::Ready(answer) => {
                permit.conclude(this.judge.judge(&answer));
                this.future.set(None);
                Poll::Ready(answer)
            }
            Poll::Pending => {
                permit.linger();
                *this.permit = Some(permit);
                Poll::Pending
            }
        }
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
