//! Tests of the async call and of the layer of retry.

use std::future::poll_fn;
use std::mem;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::TimeLimit;
use crate::deadline::{Deadlines, Limits};
use crate::layer::TimeoutLayer;
use crate::retry::{Backoff, Jitter, Policy, TRANSIENT};
use crate::time::now;
use evenkeel_units::Seed;

/// Answers as it was told to, after 10 ms each; says when it was asked.
#[derive(Clone, Debug, Default)]
struct Twin {
    answers: Arc<Mutex<Vec<Result<&'static str, &'static str>>>>,
    asked: Arc<Mutex<Vec<Moment>>>,
    is_ready: bool,
}

impl Twin {
    fn new(answers: &[Result<&'static str, &'static str>]) -> Self {
        let answers = answers.iter().rev().copied().collect();
        Self { answers: Arc::new(Mutex::new(answers)), ..Self::default() }
    }

    fn asked(&self, since: Moment) -> Vec<u128> {
        self.asked.lock().unwrap().iter().map(|it| (*it - since).as_millis()).collect()
    }

    async fn answer(&self) -> Result<&'static str, Error<&'static str>> {
        self.asked.lock().unwrap().push(now());
        tokio::time::sleep(Duration::from_millis(10)).await;
        let answer = self.answers.lock().unwrap().pop();
        answer.unwrap_or(Err("asked too often")).map_err(Error::Inner)
    }
}

impl Service<u32> for Twin {
    type Response = &'static str;
    type Error = Error<&'static str>;
    type Future = Pin<Box<dyn Future<Output = Result<&'static str, Self::Error>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u32) -> Self::Future {
        assert!(mem::take(&mut self.is_ready), "called without being ready");
        let twin = Self { is_ready: false, ..self.clone() };
        Box::pin(async move { twin.answer().await })
    }
}

fn retry() -> Arc<Retry> {
    let backoff = Backoff::between(Duration::from_millis(100), Duration::from_secs(1));
    let backoff = backoff.jitter(Jitter::None);
    Arc::new(Retry::seeded(Policy { backoff, ..Policy::default() }, Seed(1)).unwrap())
}

async fn ask<S: Service<u32>>(service: &mut S) -> Result<S::Response, S::Error> {
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(7).await
}

#[tokio::test(start_paused = true)]
async fn the_layer_asks_again_after_each_wait_a_service_that_is_ready() {
    let (twin, since) = (Twin::new(&[Err("one"), Err("two"), Ok("three")]), now());
    let mut service = RetryLayer::new(retry()).layer(twin.clone());
    assert_eq!(ask(&mut service).await, Ok("three"));
    assert_eq!(twin.asked(since), [0, 110, 320]);
}

#[tokio::test(start_paused = true)]
async fn the_last_error_stands() {
    let twin = Twin::new(&[Err("one"), Err("two"), Err("three"), Ok("four")]);
    let mut service = RetryLayer::new(retry()).layer(twin);
    assert_eq!(ask(&mut service).await, Err(Error::Inner("three")));
    assert_eq!(ask(&mut service).await, Ok("four"));
}

/// Fails, and then fails to become ready as often as it was told to.
#[derive(Clone)]
struct Unready(Arc<Mutex<u32>>);

impl Service<u32> for Unready {
    type Response = u32;
    type Error = Error<&'static str>;
    type Future = std::future::Ready<Result<u32, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let mut says = self.0.lock().unwrap();
        *says += 1;
        Poll::Ready(if *says == 2 { Err(Error::Inner("not ready")) } else { Ok(()) })
    }

    fn call(&mut self, _: u32) -> Self::Future {
        let says = *self.0.lock().unwrap();
        std::future::ready(if says == 3 { Ok(says) } else { Err(Error::Inner("broken")) })
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_finds_no_service_ready_is_one_that_failed() {
    let retry = retry();
    let mut service = RetryLayer::new(Arc::clone(&retry)).layer(Unready(Arc::default()));
    assert_eq!(ask(&mut service).await, Ok(3));
    assert_eq!((retry.snapshot(now()).retries, retry.snapshot(now()).recovered), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_bad_answer_is_held_during_the_wait() {
    let held = Arc::new(());
    let retry = Retry::seeded(retry().policy(), Seed(1)).unwrap();
    let retry = retry.classify(|_: Result<&Arc<()>, &Error<()>>| TRANSIENT);
    let call = retry.call(|| std::future::ready(Ok(Arc::clone(&held))));
    let mut call = std::pin::pin!(call);
    assert!(tokio::time::timeout(Duration::from_millis(50), call.as_mut()).await.is_err());
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_sent_again_is_sent_once() {
    let retry = retry();
    let twin = Twin::new(&[Err("one"), Ok("two")]);
    let layer = RetryLayer::new(Arc::clone(&retry)).repeat(|_: &u32| (None, Idempotency::Safe));
    assert_eq!(ask(&mut layer.layer(twin)).await, Err(Error::Inner("one")));
    assert_eq!((retry.snapshot(now()).no_copy, retry.snapshot(now()).permanent), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_must_not_happen_twice_is_sent_once() {
    let retry = retry();
    let twin = Twin::new(&[Err("one"), Ok("two")]);
    let layer = RetryLayer::new(Arc::clone(&retry))
        .repeat(|it: &u32| (Some(*it), Idempotency::of_method("POST", false)));
    assert_eq!(ask(&mut layer.layer(twin)).await, Err(Error::Inner("one")));
    assert_eq!(retry.snapshot(now()).not_idempotent, 1);
}

#[tokio::test(start_paused = true)]
async fn the_call_asks_as_the_layer_does() {
    let (twin, since) = (Twin::new(&[Err("one"), Err("two"), Ok("three")]), now());
    assert_eq!(retry().call(|| twin.answer()).await, Ok("three"));
    assert_eq!(twin.asked(since), [0, 110, 320]);
}

#[tokio::test(start_paused = true)]
async fn a_closure_classifies_answers_as_well_as_errors() {
    let retry = Retry::seeded(Policy::default(), Seed(1)).unwrap().classify(
        |result: Result<&u16, &Error<()>>| match result {
            Ok(status) => Verdict::of_status(*status, None, None),
            Err(_) => Verdict::Permanent,
        },
    );
    let mut statuses = [503, 404, 200].into_iter();
    let answer = retry.call(|| std::future::ready(statuses.next().ok_or(Error::Full)));
    assert_eq!(answer.await, Ok(404));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_an_attempt_that_could_not_begin_in_time() {
    let limits = Limits::uniform(Duration::from_millis(110));
    let deadlines = Arc::new(Deadlines::try_new(limits).unwrap());
    let (twin, since) = (Twin::new(&[Err("one"), Err("one"), Ok("two")]), now());
    let layer = TimeoutLayer::new(Arc::clone(&deadlines), TimeLimit::Total);
    let mut service = layer.layer(RetryLayer::new(retry()).layer(twin.clone()));
    assert_eq!(ask(&mut service).await, Err(Error::Inner("one")));
    let retry = retry();
    let call = || retry.call(|| twin.answer());
    assert_eq!(deadlines.call(TimeLimit::Total, call).await, Err(Error::Inner("one")));
    assert_eq!(twin.asked(since), [0, 10]);
    assert_eq!(retry.snapshot(now()).over_deadline, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_asks_no_more() {
    let twin = Twin::new(&[Err("one"), Ok("two")]);
    let call = retry();
    let call = call.call(|| twin.answer());
    assert!(tokio::time::timeout(Duration::from_millis(50), call).await.is_err());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(twin.asked.lock().unwrap().len(), 1);
}
