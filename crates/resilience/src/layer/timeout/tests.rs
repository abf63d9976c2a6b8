//! Tests of the layer of deadlines, around retries and inside of them.

use std::future::poll_fn;
use std::time::Duration;

use super::*;
use crate::deadline::{Deadline, Limits};
use crate::layer::RetryLayer;
use crate::retry::{Backoff, Jitter, Policy, Retry};
use crate::time::now;
use evenkeel_units::Seed;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Takes as many milliseconds as it is asked to, and answers with what was left when it was called.
#[derive(Clone, Copy, Debug)]
struct Twin;

impl Service<u64> for Twin {
    type Response = Duration;
    type Error = Error<()>;
    type Future = Pin<Box<dyn Future<Output = Result<Duration, Error<()>>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error<()>>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, time: u64) -> Self::Future {
        let left = Deadline::current().unwrap().left(now());
        Box::pin(async move {
            tokio::time::sleep(ms(time)).await;
            Ok(left)
        })
    }
}

fn deadlines() -> Arc<Deadlines> {
    let limits = Limits { total: ms(500), attempt: ms(100), connect: ms(50), read: ms(50) };
    Arc::new(Deadlines::try_new(limits).unwrap())
}

fn stack(deadlines: &Arc<Deadlines>) -> impl Service<u64, Response = Duration, Error = Error<()>> {
    let backoff = Backoff::between(ms(100), ms(1_000)).jitter(Jitter::None);
    let policy = Policy { backoff, attempts: 9, ..Policy::default() };
    let retry = Arc::new(Retry::seeded(policy, Seed(1)).unwrap());
    let attempt = TimeoutLayer::new(Arc::clone(deadlines), TimeLimit::Attempt).layer(Twin);
    let retried = RetryLayer::new(retry).layer(attempt);
    TimeoutLayer::new(Arc::clone(deadlines), TimeLimit::Total).layer(retried)
}

async fn ask<S: Service<u64>>(service: &mut S, time: u64) -> Result<S::Response, S::Error> {
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(time).await
}

#[tokio::test(start_paused = true)]
async fn a_call_knows_what_is_left_when_it_is_made() {
    let deadlines = deadlines();
    assert_eq!(ask(&mut stack(&deadlines), 7).await, Ok(ms(100)));
}

#[tokio::test(start_paused = true)]
async fn slow_attempts_are_tried_again_as_far_as_the_total_goes() {
    let (deadlines, since) = (deadlines(), now());
    let result = ask(&mut stack(&deadlines), 3_000).await;
    assert_eq!(result, Err(Error::Timeout(TimeLimit::Attempt)));
    // 100 ms, a wait of 100, 100 ms, a wait of 200; then there are none left for a third attempt.
    assert_eq!(now() - since, ms(300));
    assert_eq!(deadlines.snapshot().attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_ends_at_the_total() {
    let deadlines = deadlines();
    let since = now();
    let total = TimeoutLayer::new(Arc::clone(&deadlines), TimeLimit::Total).layer(Twin);
    assert_eq!(ask(&mut { total }, 3_000).await, Err(Error::Timeout(TimeLimit::Total)));
    assert_eq!(now() - since, ms(500));
    assert_eq!(deadlines.snapshot().total, 1);
}
