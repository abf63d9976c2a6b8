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

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_resilience::breaker::{
    Outcome, Permit, Policy, PolicyError, Rejected, State, Trials, Wait,
};
use evenkeel_resilience::retry::BudgetPolicy;
use evenkeel_resilience::{Backoff, Breaker, RetryBudget};
use evenkeel_units::{Clock, Seed, SystemClock};
use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};
use rand_chacha::ChaCha8Rng;
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
    backoff: Backoff,
    clock: SystemClock,
    breaker: Breaker,
    state: Mutex<Judgement>,
}

#[derive(Debug)]
struct Judgement {
    budget: RetryBudget,
    rng: ChaCha8Rng,
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
        let guard = limits.map(|it| Guard::new(name, it, clock)).transpose()?;
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
        guard.judge(|state, now| state.budget.deposit(now));
        let mut made = 0;
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
            made += 1;
            let Err(failed) = result else { return result };
            let wait = guard.wait(made);
            if Instant::now() + wait.unwrap_or(Duration::MAX / 4) >= deadline {
                return Err(failed);
            }
            if !guard.judge(|state, now| state.budget.withdraw(now)).unwrap_or(false) {
                self.metrics.event(Event::RetryDenied, self.name);
                return Err(failed);
            }
            self.metrics.event(Event::Retry, self.name);
            tokio::time::sleep(wait.unwrap_or_default()).await;
        }
    }
}

impl Guard {
    fn new(name: &str, limits: Limits, clock: SystemClock) -> Result<Self, PolicyError> {
        let trials = Trials {
            permits: 2,
            // A trial that has not reported after twice the deadline never will.
            lease: limits.deadline * 2,
            max_wait: None,
        };
        let wait = Wait::fixed(Duration::from_secs(1));
        // Jitter has to differ between instances, not to repeat.
        let seed = Seed(u64::from(std::process::id()));
        Ok(Self {
            bulkhead: Semaphore::new(limits.at_once),
            backoff: Backoff {
                base: Duration::from_millis(10),
                cap: Duration::from_millis(50),
                attempts: 3,
            },
            clock,
            breaker: Breaker::seeded(Policy::consecutive(5).wait(wait).trials(trials), seed.0)?,
            state: Mutex::new(Judgement {
                budget: RetryBudget::new(BudgetPolicy::default()),
                rng: seed.stream(name),
            }),
            limits,
        })
    }

    fn judge<T>(&self, ask: impl FnOnce(&mut Judgement, evenkeel_units::Moment) -> T) -> Option<T> {
        self.state.lock().ok().map(|mut state| ask(&mut state, self.clock.now()))
    }

    fn admit(&self) -> Result<Permit<&Breaker, impl Fn() -> evenkeel_units::Moment>, Failed> {
        let clock = self.clock;
        Permit::ask(&self.breaker, move || clock.now()).map_err(Failed::Rejected)
    }

    fn wait(&self, made: u32) -> Option<Duration> {
        self.judge(|state, _| self.backoff.wait(made, &mut state.rng)).flatten()
    }
}
