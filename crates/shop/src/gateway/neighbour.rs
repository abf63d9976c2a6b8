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

use evenkeel_resilience::breaker::{Outcome, Permit, Policy, Position, Rejected};
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
    state: Mutex<Judgement>,
}

#[derive(Debug)]
struct Judgement {
    breaker: Breaker,
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
    ) -> Self {
        let guard = limits.map(|limits| Guard {
            bulkhead: Semaphore::new(limits.at_once),
            backoff: Backoff {
                base: Duration::from_millis(10),
                cap: Duration::from_millis(50),
                attempts: 3,
            },
            clock,
            state: Mutex::new(Judgement {
                // A trial that has not reported after twice the deadline never will.
                breaker: Breaker::new(Policy::consecutive(5).rest(Duration::from_secs(1)).trials(
                    2,
                    1,
                    limits.deadline * 2,
                )),
                budget: RetryBudget::new(BudgetPolicy::default()),
                // Jitter has to differ between instances, not to repeat.
                rng: Seed(u64::from(std::process::id())).stream(name),
            }),
            limits,
        });
        Self { name, pool: Pool::new(address), guard, metrics }
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
        let guard = self.guard.as_ref()?;
        let state = guard.state.lock().ok()?;
        Some(match state.breaker.position(guard.clock.now()) {
            Position::Closed => 0,
            Position::HalfOpen => 1,
            Position::Open => 2,
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
            guard.record(permit, result.is_ok());
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
    fn judge<T>(&self, ask: impl FnOnce(&mut Judgement, evenkeel_units::Moment) -> T) -> Option<T> {
        self.state.lock().ok().map(|mut state| ask(&mut state, self.clock.now()))
    }

    fn admit(&self) -> Result<Option<Permit>, Failed> {
        self.judge(|state, now| state.breaker.admit(now)).transpose().map_err(Failed::Rejected)
    }

    fn record(&self, permit: Option<Permit>, ok: bool) {
        if let Some(permit) = permit {
            self.judge(|state, now| state.breaker.record(now, permit, Outcome::from_ok(ok)));
        }
    }

    fn wait(&self, made: u32) -> Option<Duration> {
        self.judge(|state, _| self.backoff.wait(made, &mut state.rng)).flatten()
    }
}
