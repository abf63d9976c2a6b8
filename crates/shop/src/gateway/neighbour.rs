//! A neighbour of the gateway, called with or without protection.
//!
//! ```text
//!  call ─▶ bulkhead ─▶ ┌ breaker ─▶ timeout ─▶ pool ┐ ─▶ answer
//!          full?       └────◀── retry, if the budget ┘
//!          give up            and the deadline allow
//! ```
//!
//! The deadline covers all attempts together: a retry may use what a quick failure has left of it, and
//! a slow neighbour is asked once. Every call is idempotent, by nature or by its key.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_resilience::breaker::{
    Outcome, Permit, Policy, PolicyError, Rejected, State, Trials, Wait,
};
use evenkeel_resilience::retry::{self, Backoff, GaveUp, Idempotency, TRANSIENT, Verdict};
use evenkeel_resilience::{Breaker, Retry};
use evenkeel_units::{Clock, SystemClock};
use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::client::{CallError, Pool, request};
use crate::metrics::{Event, Metrics};

/// Why a neighbour has no answer for us.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Rejected(Rejected),
    #[error("too many calls are under way")]
    Full,
    #[error("no answer in time")]
    Timeout,
    #[error(transparent)]
    Call(CallError),
    #[error("it answered {0}")]
    Status(StatusCode),
}

impl Failed {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Rejected(_) | Self::Full => Verdict::Permanent,
            Self::Timeout | Self::Call(CallError::Broken(_)) => TRANSIENT,
            Self::Call(CallError::Connect(_)) => Verdict::Unsent { retry_after: None },
            Self::Status(status) => Verdict::of_status(status.as_u16(), None, None),
        }
    }
}

/// How much of our time and capacity a neighbour may have.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// For all attempts of one call together.
    pub(crate) deadline: Duration,
    /// Calls under way.
    pub(crate) at_once: usize,
}

/// One neighbour.
#[derive(Debug)]
pub(crate) struct Neighbour {
    name: &'static str,
    pool: Pool,
    guard: Option<Guard>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Guard {
    limits: Limits,
    bulkhead: Semaphore,
    retry: Retry,
    clock: SystemClock,
    breaker: Breaker,
}

impl Neighbour {
    /// A neighbour at `address`; without limits it is trusted blindly.
    pub(crate) fn new(
        name: &'static str,
        address: String,
        limits: Option<Limits>,
        clock: SystemClock,
        metrics: Arc<Metrics>,
    ) -> Result<Self, PolicyError> {
        let guard = limits.map(|it| Guard::new(name, it, clock, &metrics)).transpose()?;
        Ok(Self { name, pool: Pool::new(address), guard, metrics })
    }

    /// As in metrics.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Asks; an answer of 5xx is a failure, any other is an answer.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Bytes>, Failed> {
        match &self.guard {
            None => self.once(&method, path, &body).await,
            Some(guard) => self.guarded(guard, &method, path, &body).await,
        }
    }

    /// What the breaker does with calls: 0 lets them through, 1 tries, 2 rejects.
    pub(crate) fn breaker_state(&self) -> Option<u8> {
        let breaker = &self.guard.as_ref()?.breaker;
        Some(match breaker.state() {
            State::Open | State::ForcedOpen => 2,
            State::HalfOpen => 1,
            State::Closed | State::MetricsOnly | State::Disabled => 0,
        })
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Result<Response<Bytes>, Failed> {
        let sent = self.pool.send(request(method.clone(), path, body.clone()));
        let answer = sent.await.map_err(Failed::Call)?;
        match answer.status().is_server_error() {
            true => Err(Failed::Status(answer.status())),
            false => Ok(answer),
        }
    }

    async fn guarded(
        &self,
        guard: &Guard,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Result<Response<Bytes>, Failed> {
        let Ok(_place) = guard.bulkhead.try_acquire() else {
            self.metrics.event(Event::BulkheadRejection, self.name);
            return Err(Failed::Full);
        };
        let deadline = Instant::now() + guard.limits.deadline;
        let no_later = guard.clock.now() + guard.limits.deadline;
        let mut course = guard.retry.begin(Idempotency::Safe);
        loop {
            let permit = guard.admit().inspect_err(|_| {
                self.metrics.event(Event::BreakerRejection, self.name);
            })?;
            let attempt = tokio::time::timeout_at(deadline, self.once(method, path, body)).await;
            let result = attempt.unwrap_or_else(|_| {
                self.metrics.event(Event::Timeout, self.name);
                Err(Failed::Timeout)
            });
            permit.end(Some(Outcome::from_ok(result.is_ok())));
            let verdict = result.as_ref().map_or_else(Failed::verdict, |_| Verdict::Success);
            let now = guard.clock.now();
            match guard.retry.attempted(now, Some(no_later), &mut course, verdict) {
                None => return result,
                Some(wait) => tokio::time::sleep(wait).await,
            }
        }
    }
}

/// Two more attempts, shortly after, as far as the budget goes.
fn again(name: &'static str, metrics: Arc<Metrics>) -> Retry {
    let backoff = Backoff::between(Duration::from_millis(10), Duration::from_millis(50));
    let policy = retry::Policy { backoff, ..retry::Policy::default() };
    let retry = Retry::try_new(policy).unwrap_or_else(|it| unreachable!("{it}"));
    retry.listener(Arc::new(move |event| match event {
        retry::Event::Retry { .. } => metrics.event(Event::Retry, name),
        retry::Event::GaveUp { why: GaveUp::Budget, .. } => {
            metrics.event(Event::RetryDenied, name);
        }
        _ => {}
    }))
}

impl Guard {
    fn new(
        name: &'static str,
        limits: Limits,
        clock: SystemClock,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, PolicyError> {
        let trials = Trials {
            permits: 2,
            // A trial that has not reported after twice the deadline never will.
            lease: limits.deadline * 2,
            max_wait: None,
        };
        let policy =
            Policy::consecutive(5).wait(Wait::fixed(Duration::from_secs(1))).trials(trials);
        // Jitter has to differ between instances, not to repeat.
        let seed = u64::from(std::process::id());
        Ok(Self {
            bulkhead: Semaphore::new(limits.at_once),
            retry: again(name, Arc::clone(metrics)),
            clock,
            breaker: Breaker::seeded(policy, seed)?,
            limits,
        })
    }

    fn admit(&self) -> Result<Permit<&Breaker, impl Fn() -> evenkeel_units::Moment>, Failed> {
        let clock = self.clock;
        Permit::ask(&self.breaker, move || clock.now()).map_err(Failed::Rejected)
    }
}
