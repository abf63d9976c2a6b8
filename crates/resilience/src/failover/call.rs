//! Call: a call to the active member, by tokio's clock, and the watch that says who that is.

use std::sync::Arc;

use evenkeel_units::Moment;

use super::{Failover, Member};
use crate::breaker::{Judge, Outcome};
use crate::watch::{Told, Watch};
use crate::{Error, time};

/// Answers say nothing of the member: probes say how it is, and they alone.
#[derive(Copy, Clone, Debug, Default)]
pub struct Silent;

impl<T, E> Judge<T, E> for Silent {
    fn judge(&self, _: &Result<T, Error<E>>) -> Option<Outcome> {
        None
    }
}

impl<M> Failover<M> {
    /// Calls the active member. What it answers says nothing of it: for that, there is [`call_judged`](Self::call_judged).
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the policy refuses calls while all are unhealthy; all other errors are those of the call.
    ///
    /// ```
    /// use evenkeel_resilience::{Error, failover::{Failover, Policy}};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let failover = Failover::active_passive([("here", 7), ("there", 8)], Policy::default())?;
    /// let answer = failover.call(|number| async move { Ok::<_, Error<()>>(number * 6) }).await;
    /// assert_eq!(answer, Ok(42));
    /// # Ok(()) }
    /// ```
    pub async fn call<'a, T, E, F>(&'a self, make: impl FnOnce(&'a M) -> F) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        self.call_judged(make, Silent).await
    }

    /// The same, where `judge` says what an answer says of the member: [`Outcome::Failure`] that it could not be reached, of
    /// which [`Policy::refusals`](super::Policy::refusals) in a row make it unhealthy, [`Outcome::Success`] that it could,
    /// `None` nothing. Failures are those of the connection (refused, reset, no route, a limit of time to connect): an error that the
    /// member answered says that it is there, and another would answer the same.
    ///
    /// ```
    /// use std::io::{self, ErrorKind};
    /// use evenkeel_resilience::{Error, breaker::Outcome, failover::{Failover, Policy}};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dial = |it: &'static str| async move {
    /// #     if it == "primary:5432" { Err(Error::Inner(io::Error::from(ErrorKind::ConnectionRefused))) } else { Ok(it) }
    /// # };
    /// let members = [("primary", "primary:5432"), ("secondary", "secondary:5432")];
    /// let failover = Failover::active_passive(members, Policy::default())?;
    /// let judge = |answer: &Result<&str, Error<io::Error>>| match answer {
    ///     Ok(_) => Some(Outcome::Success),
    ///     Err(Error::Inner(error)) if error.kind() == ErrorKind::ConnectionRefused => Some(Outcome::Failure),
    ///     Err(_) => None,
    /// };
    /// for _ in 0..3 {
    ///     assert!(failover.call_judged(|it| dial(it), judge).await.is_err());
    /// }
    /// assert_eq!(failover.call_judged(|it| dial(it), judge).await?, "secondary:5432");
    /// # Ok(()) }
    /// ```
    pub async fn call_judged<'a, T, E, F>(
        &'a self,
        make: impl FnOnce(&'a M) -> F,
        judge: impl Judge<T, E>,
    ) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        let pick = self.pick(time::now());
        if pick.is_refused() {
            return Err(Error::Unavailable);
        }
        let answer = make(&pick.member().value).await;
        self.heard(pick.index(), judge.judge(&answer));
        answer
    }

    /// What an answer said of a member.
    pub(crate) fn heard(&self, member: usize, outcome: Option<Outcome>) {
        match outcome {
            Some(Outcome::Success) => self.reached(member),
            Some(Outcome::Failure) => self.refused(time::now(), member),
            None => {}
        }
    }
}

impl<M: Send + Sync + 'static> Failover<M> {
    /// Asks the members how they are, each by its [`Member::watch`], for as long as what this gives is held. What `probe` gives is a
    /// pass when it is `Ok` in time.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use evenkeel_resilience::failover::{Failover, Policy};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # async fn ask(of: &'static str) -> Result<(), String> { if of == "primary" { Err("no".into()) } else { Ok(()) } }
    /// let members = [("primary", "primary"), ("secondary", "secondary")];
    /// let failover = Arc::new(Failover::active_passive(members, Policy::default())?);
    /// let watch = failover.watch(|member| ask(member.value));
    /// tokio::time::sleep(Duration::from_secs(17)).await;
    /// assert_eq!(&*failover.snapshot().active, "secondary");
    /// # drop(watch);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// Outside of a runtime of tokio.
    pub fn watch<P, F, T, E>(self: &Arc<Self>, probe: P) -> Watch
    where
        P: Fn(&Member<M>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let endpoints = (0..).zip(self.members()).filter_map(|(n, it)| Some((n, it.watch?)));
        let of = Arc::clone(self);
        let told: Arc<dyn Told> = Arc::clone(self) as Arc<dyn Told>;
        match Watch::start(endpoints, move |it| probe(&of.members()[it]), told) {
            Ok(watch) => watch,
            Err(_) => unreachable!("the watch of each member was checked when it became one"),
        }
    }
}

impl<M: Send + Sync> Told for Failover<M> {
    fn probed(&self, now: Moment, endpoint: usize, passed: bool) {
        Self::probed(self, now, endpoint, passed);
    }
}
