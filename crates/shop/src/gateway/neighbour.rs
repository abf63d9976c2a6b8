//! A neighbour of the gateway, called with or without protection.
//!
//! ```text
//!  call ─▶ total limit ─▶ retry ─▶ breaker ─▶ bulkhead ─▶ limit of the attempt ─▶ pool ─▶ answer
//! ```
//!
//! A retry may use what a quick failure has left of the time, and a slow neighbour is asked once. Every call is idempotent, by nature
//! or by its key.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_health::Finding;
use evenkeel_resilience::breaker::{self, State, Trials, Wait};
use evenkeel_resilience::bulkhead;
use evenkeel_resilience::deadline::Limits;
use evenkeel_resilience::layer::{BreakerLayer, BulkheadLayer, RetryLayer, TimeoutLayer};
use evenkeel_resilience::pipeline::Pipeline;
use evenkeel_resilience::retry::{self, Backoff, Classify, GaveUp, TRANSIENT, Verdict};
use evenkeel_resilience::{Breaker, Bulkhead, Deadlines, Error, Retry};
use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};
use tower_layer::Identity;

use crate::client::{CallError, Pool, request};
use crate::error::ShopError;
use crate::metrics::{Event, Metrics};

/// Why a neighbour that was asked has no answer for us.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Call(CallError),
    #[error("it answered {0}")]
    Status(StatusCode),
}

/// Why there is no answer, asked or not.
pub(crate) type Failed = Error<Failure>;

/// What is worth another attempt.
#[derive(Copy, Clone, Debug)]
struct Transient;

impl<T> Classify<T, Failure> for Transient {
    fn classify(&self, result: Result<&T, &Failed>) -> Verdict {
        match result {
            Ok(_) => Verdict::Success,
            Err(Error::Inner(Failure::Call(CallError::Connect(_)))) => {
                Verdict::Unsent { retry_after: None }
            }
            Err(Error::Inner(Failure::Status(it))) => Verdict::of_status(it.as_u16(), None, None),
            Err(Error::Inner(Failure::Call(CallError::Broken(_))) | Error::Timeout(_)) => TRANSIENT,
            Err(_) => Verdict::Permanent,
        }
    }
}

/// How much of our time and capacity a neighbour may have.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Share {
    /// For all attempts of one call together.
    pub(crate) time: Duration,
    /// Calls under way.
    pub(crate) at_once: u32,
}

/// One neighbour.
#[derive(Debug)]
pub(crate) struct Neighbour {
    name: &'static str,
    pool: Pool,
    guard: Option<Guard>,
    metrics: Arc<Metrics>,
}

type Patterns = Pipeline<
    Identity,
    Identity,
    TimeoutLayer,
    RetryLayer<Transient>,
    Identity,
    Identity,
    BreakerLayer,
    BulkheadLayer,
    TimeoutLayer,
>;

#[derive(Debug)]
struct Guard {
    patterns: Patterns,
    breaker: Arc<Breaker>,
}

impl Neighbour {
    /// A neighbour at `address`; without a share it is trusted blindly.
    pub(crate) fn new(
        name: &'static str,
        address: String,
        share: Option<Share>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ShopError> {
        let guard = share.map(|it| Guard::new(name, it, &metrics)).transpose()?;
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
        let Some(guard) = &self.guard else {
            return Ok(self.once(&method, path, &body).await?);
        };
        let answer = guard.patterns.call(|| self.once(&method, path, &body)).await;
        let event = match &answer {
            Err(Error::Open { .. }) => Event::BreakerRejection,
            Err(Error::Full) => Event::BulkheadRejection,
            Err(Error::Timeout(_)) => Event::Timeout,
            _ => return answer,
        };
        self.metrics.event(event, self.name);
        answer
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

    /// What its breaker says of it, for as long as it is asked.
    pub(crate) fn watched(&self) -> Option<impl Fn() -> Finding + Send + Sync + use<>> {
        let breaker = Arc::clone(&self.guard.as_ref()?.breaker);
        Some(move || match breaker.state() {
            State::Closed | State::MetricsOnly | State::Disabled => Finding::pass(),
            _ => Finding::warn(breaker.explain(evenkeel_resilience::time::now()).to_string()),
        })
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Result<Response<Bytes>, Failure> {
        let sent = self.pool.send(request(method.clone(), path, body.clone()));
        let answer = sent.await.map_err(Failure::Call)?;
        match answer.status().is_server_error() {
            true => Err(Failure::Status(answer.status())),
            false => Ok(answer),
        }
    }
}

impl Guard {
    fn new(name: &'static str, share: Share, metrics: &Arc<Metrics>) -> Result<Self, ShopError> {
        // An attempt ends before the whole does, so that the breaker hears of it.
        let attempt = share.time * 19 / 20;
        let deadlines =
            Deadlines::try_new(Limits { total: share.time, ..Limits::uniform(attempt) })?;
        let trials = Trials {
            permits: 2,
            // A trial that has not reported after twice the time never will.
            lease: share.time * 2,
            max_wait: None,
        };
        let wait = Wait::fixed(Duration::from_secs(1));
        let policy = breaker::Policy::consecutive(5).wait(wait).trials(trials);
        // Jitter has to differ between instances, not to repeat.
        let breaker = Arc::new(Breaker::seeded(policy, u64::from(std::process::id()))?);
        let bulkhead = Bulkhead::try_new(bulkhead::Policy::at_once(share.at_once))?;
        let patterns = Pipeline::new()
            .deadlines(Arc::new(deadlines))
            .retry(RetryLayer::new(Arc::new(again(name, Arc::clone(metrics))?)))
            .breaker(BreakerLayer::new(Arc::clone(&breaker)))
            .bulkhead(BulkheadLayer::new(Arc::new(bulkhead)));
        Ok(Self { patterns, breaker })
    }
}

/// Two more attempts, shortly after, as far as the budget goes.
fn again(
    name: &'static str,
    metrics: Arc<Metrics>,
) -> Result<Retry<Transient>, retry::PolicyError> {
    let backoff = Backoff::between(Duration::from_millis(10), Duration::from_millis(50));
    let retry = Retry::try_new(retry::Policy { backoff, ..retry::Policy::default() })?;
    let heard = retry.listener(Arc::new(move |event| match event {
        retry::Event::Retry { .. } => metrics.event(Event::Retry, name),
        retry::Event::GaveUp { why: GaveUp::Budget, .. } => {
            metrics.event(Event::RetryDenied, name);
        }
        _ => {}
    }));
    Ok(heard.classify(Transient))
}
