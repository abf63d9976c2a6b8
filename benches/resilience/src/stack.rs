//! Full stacks: total deadline, retry with a budget, breaker, bulkhead, limit of the attempt.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Result;
use evenkeel_resilience::breaker::{Breaker, Window};
use evenkeel_resilience::bulkhead::Bulkhead;
use evenkeel_resilience::deadline::{Deadlines, Limits};
use evenkeel_resilience::layer::{BreakerLayer, BulkheadLayer, RetryLayer};
use evenkeel_resilience::pipeline::Pipeline;
use evenkeel_resilience::{Retry, retry};
use failsafe::futures::ResponseFuture;
use failsafe::{Any, backoff, failure_policy};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::retry::backoff::{
    Backoff as _, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff as _,
};
use tower::retry::budget::{Budget as _, TpsBudget};
use tower::{BoxError, Layer as _, Service, ServiceBuilder};
use tower_resilience::bulkhead::BulkheadLayer as TheirBulkheadLayer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;
use tower_resilience::retry::{RetryBudgetBuilder, RetryLayer as TheirRetryLayer};
use tower_resilience::timelimiter::TimeLimiterLayer;

use crate::breaker::by_failures;
use crate::inner::{AtOnce, Failed, Later, ask};
use crate::run::{Expect, Figures, Plan, calls};

pub(crate) const SUBJECTS: &[crate::Subject] = &[
    ("stack/ours", |plan| ours(plan, AtOnce)),
    ("stack/tower-resilience", |plan| theirs(plan, AtOnce)),
    ("stack/tower-failsafe", |plan| tower(plan, AtOnce)),
    ("stack-pending/inner", |plan| bare(plan, Later)),
    ("stack-pending/ours", |plan| ours(plan, Later)),
    ("stack-pending/tower-resilience", |plan| theirs(plan, Later)),
    ("stack-pending/tower-failsafe", |plan| tower(plan, Later)),
];

const TOTAL: Duration = Duration::from_secs(30);
const ATTEMPT: Duration = Duration::from_secs(15);
const PLACES: usize = 25;

/// Whatever is protected.
trait Inner:
    Service<u64, Response = u64, Error = Failed, Future: Send> + Copy + Send + Sync + 'static
{
}

impl Inner for AtOnce {}
impl Inner for Later {}

fn bare(plan: Plan, inner: impl Inner) -> Result<Figures> {
    calls(plan, Expect::Answers, || {
        let mut service = inner;
        async move |it| ask(&mut service, it).await
    })
}

fn ours(plan: Plan, inner: impl Inner) -> Result<Figures> {
    let limits = Limits { total: TOTAL, attempt: ATTEMPT, ..Limits::default() };
    let deadlines = Arc::new(Deadlines::try_new(limits)?);
    let retry = Arc::new(Retry::try_new(retry::Policy::default())?);
    let breaker = Arc::new(Breaker::try_new(by_failures(Window::Calls(100)))?);
    let bulkhead = Arc::new(Bulkhead::try_new(evenkeel_resilience::bulkhead::Policy::default())?);
    let service = Pipeline::new()
        .deadlines(deadlines)
        .retry(RetryLayer::new(retry))
        .breaker(BreakerLayer::new(breaker))
        .bulkhead(BulkheadLayer::new(bulkhead))
        .layer(inner);
    calls(plan, Expect::Answers, || {
        let mut service = service.clone();
        async move |it| ask(&mut service, it).await
    })
}

fn theirs(plan: Plan, inner: impl Inner) -> Result<Figures> {
    let limit = |time| TimeLimiterLayer::builder().timeout_duration(time).build();
    let bulkhead = TheirBulkheadLayer::builder()
        .max_concurrent_calls(PLACES)
        .max_wait_duration(Duration::from_millis(100))
        .build()?;
    let breaker = CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(100)
        .minimum_number_of_calls(20)
        .build()?;
    let budget = RetryBudgetBuilder::new().token_bucket().tokens_per_second(10.0).build()?;
    let attempt = breaker.layer(bulkhead.layer(limit(ATTEMPT).layer(inner)));
    let retried = TheirRetryLayer::exponential_backoff().budget(budget).build().layer(attempt);
    let service = limit(TOTAL).layer(retried);
    calls(plan, Expect::Answers, || {
        let mut service = service.clone();
        async move |it| ask(&mut service, it).await
    })
}

fn tower(plan: Plan, inner: impl Inner) -> Result<Figures> {
    let waits = backoff::exponential(Duration::from_secs(5), Duration::from_mins(1));
    let breaker = failsafe::Config::new()
        .failure_policy(failure_policy::consecutive_failures(5, waits))
        .build();
    let policy = Again {
        left: 2,
        backoff: ExponentialBackoffMaker::default().make_backoff(),
        budget: Arc::default(),
    };
    let service = ServiceBuilder::new()
        .timeout(TOTAL)
        .retry(policy)
        .map_err(boxed)
        .layer_fn(move |inner| Failsafe { inner, breaker: breaker.clone() })
        .layer(GlobalConcurrencyLimitLayer::new(PLACES))
        .timeout(ATTEMPT)
        .service(inner);
    calls(plan, Expect::Answers, || {
        let mut service = service.clone();
        async move |it| ask(&mut service, it).await
    })
}

/// The policy of tower's documentation: so many attempts, within a budget.
#[derive(Clone)]
struct Again {
    left: u32,
    backoff: ExponentialBackoff,
    budget: Arc<TpsBudget>,
}

impl<T> tower::retry::Policy<u64, T, BoxError> for Again {
    type Future = tokio::time::Sleep;

    fn retry(&mut self, _: &mut u64, result: &mut Result<T, BoxError>) -> Option<Self::Future> {
        if result.is_ok() {
            self.budget.deposit();
            return None;
        }
        let granted = self.left > 0 && self.budget.withdraw();
        granted.then(|| {
            self.left -= 1;
            self.backoff.next_backoff()
        })
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

/// A circuit of failsafe as a service, which it brings no layer for.
#[derive(Clone)]
struct Failsafe<S, B> {
    inner: S,
    breaker: B,
}

impl<S, B> Service<u64> for Failsafe<S, B>
where
    S: Service<u64>,
    B: failsafe::futures::CircuitBreaker,
{
    type Response = S::Response;
    type Error = failsafe::Error<S::Error>;
    type Future = ResponseFuture<S::Future, B::FailurePolicy, B::Instrument, Any>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(failsafe::Error::Inner)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        self.breaker.call(self.inner.call(request))
    }
}

/// As tower has its errors.
fn boxed(error: failsafe::Error<BoxError>) -> BoxError {
    match error {
        failsafe::Error::Inner(error) => error,
        failsafe::Error::Rejected => "rejected".into(),
    }
}
