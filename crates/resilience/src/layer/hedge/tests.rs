//! Tests of the async call and of the layer of hedges.

use std::future::poll_fn;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evenkeel_units::{Moment, Ratio};

use super::*;
use crate::TimeLimit;
use crate::bulkhead::{self, Bulkhead};
use crate::deadline::{Deadlines, Limits};
use crate::hedge::{OnFailure, Policy};
use crate::layer::{BulkheadLayer, TimeoutLayer};
use crate::retry::{BudgetPolicy, Verdict};
use crate::time::now;

type Planned = (u64, Result<&'static str, &'static str>);

/// Answers as planned, each time after so many milliseconds; says when it was asked, and how many calls were not dropped.
#[derive(Clone, Debug, Default)]
struct Twin {
    plan: Arc<Mutex<Vec<Planned>>>,
    asked: Arc<Mutex<Vec<Moment>>>,
    finished: Arc<AtomicU32>,
    is_ready: bool,
}

impl Twin {
    fn new(plan: &[Planned]) -> Self {
        let plan = plan.iter().rev().copied().collect();
        Self { plan: Arc::new(Mutex::new(plan)), ..Self::default() }
    }

    fn asked(&self, since: Moment) -> Vec<u128> {
        self.asked.lock().unwrap().iter().map(|it| (*it - since).as_millis()).collect()
    }

    fn answer(&self) -> impl Future<Output = Result<&'static str, Error<&'static str>>> + 'static {
        self.asked.lock().unwrap().push(now());
        let (takes, answer) =
            self.plan.lock().unwrap().pop().unwrap_or((0, Err("asked too often")));
        let finished = Arc::clone(&self.finished);
        async move {
            tokio::time::sleep(Duration::from_millis(takes)).await;
            finished.fetch_add(1, Ordering::Relaxed);
            answer.map_err(Error::Inner)
        }
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
        assert!(std::mem::take(&mut self.is_ready), "called without being ready");
        Box::pin(self.answer())
    }
}

/// After 50 ms, three attempts, as many as are asked for.
fn policy() -> Policy {
    let budget = BudgetPolicy { share: Ratio::ONE, floor_per_second: 100, saved_max: 1000 };
    Policy { attempts: 3, budget, ..Policy::after(Duration::from_millis(50)) }
}

fn hedge(policy: Policy) -> Arc<Hedge> {
    Arc::new(Hedge::try_new(policy).unwrap())
}

async fn ask<S: Service<u32>>(service: &mut S) -> Result<S::Response, S::Error> {
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(7).await
}

#[tokio::test(start_paused = true)]
async fn the_first_good_answer_stands_and_the_others_are_dropped() {
    let (twin, since) =
        (Twin::new(&[(500, Ok("one")), (70, Ok("two")), (500, Ok("three"))]), now());
    let mut service = HedgeLayer::new(hedge(policy())).layer(twin.clone());
    assert_eq!(ask(&mut service).await, Ok("two"));
    assert_eq!((now() - since).as_millis(), 120);
    assert_eq!(twin.asked(since), [0, 50, 100]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(twin.finished.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_asked_for_once() {
    let (twin, since) = (Twin::new(&[(49, Ok("one"))]), now());
    let mut service = HedgeLayer::new(hedge(policy())).layer(twin.clone());
    assert_eq!(ask(&mut service).await, Ok("one"));
    assert_eq!(twin.asked(since), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_waits_for_the_others_and_the_last_error_stands() {
    let plan = [(80, Err("one")), (200, Err("two")), (30, Err("three"))];
    let mut service = HedgeLayer::new(hedge(policy())).layer(Twin::new(&plan));
    assert_eq!(ask(&mut service).await, Err(Error::Inner("two")));
}

#[tokio::test(start_paused = true)]
async fn after_a_fast_failure_the_next_is_asked_at_once_where_the_policy_says_so() {
    let (twin, since) = (Twin::new(&[(5, Err("one")), (5, Err("two")), (5, Ok("three"))]), now());
    let hedge = hedge(Policy { on_failure: OnFailure::Next, ..policy() });
    assert_eq!(ask(&mut HedgeLayer::new(hedge).layer(twin.clone())).await, Ok("three"));
    assert_eq!(twin.asked(since), [0, 5, 10]);
}

#[tokio::test(start_paused = true)]
async fn without_budget_the_error_of_the_first_stands() {
    let budget = BudgetPolicy { share: Ratio::ZERO, floor_per_second: 0, saved_max: 1 };
    let hedge = hedge(Policy { on_failure: OnFailure::Next, budget, ..policy() });
    let twin = Twin::new(&[(5, Err("one")), (5, Ok("two"))]);
    assert_eq!(ask(&mut HedgeLayer::new(hedge).layer(twin)).await, Err(Error::Inner("one")));
}

#[tokio::test(start_paused = true)]
async fn what_must_not_happen_twice_or_has_no_copy_is_sent_once() {
    let hedge = hedge(policy());
    let (twin, since) = (Twin::new(&[(500, Ok("one")), (500, Ok("two"))]), now());
    let layer = HedgeLayer::new(Arc::clone(&hedge));
    let order = layer.clone().repeat(|it: &u32| (Some(*it), Idempotency::Unsafe));
    assert_eq!(ask(&mut order.layer(twin.clone())).await, Ok("one"));
    let stream = layer.repeat(|_: &u32| (None, Idempotency::Safe));
    assert_eq!(ask(&mut stream.layer(twin.clone())).await, Ok("two"));
    assert_eq!(twin.asked(since), [0, 500]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_can_be_copied_once_is_hedged_once() {
    let (twin, since) = (Twin::new(&[(500, Ok("one")), (500, Ok("two"))]), now());
    let copies = AtomicU32::new(0);
    let once = |it: &u32| {
        let is_first = copies.fetch_add(1, Ordering::Relaxed) == 0;
        (is_first.then_some(*it), Idempotency::Safe)
    };
    let layer = HedgeLayer::new(hedge(policy())).repeat(once);
    assert_eq!(ask(&mut layer.layer(twin.clone())).await, Ok("one"));
    assert_eq!(twin.asked(since), [0, 50]);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_a_bulkhead_refuses_leaves_the_first_attempt_under_way() {
    let (hedge, twin) = (hedge(policy()), Twin::new(&[(500, Ok("one"))]));
    let bulkhead = Arc::new(Bulkhead::try_new(bulkhead::Policy::at_once(1)).unwrap());
    let guarded = BulkheadLayer::new(bulkhead).layer(twin);
    let mut service = HedgeLayer::new(Arc::clone(&hedge)).layer(guarded);
    assert_eq!(ask(&mut service).await, Ok("one"));
    assert_eq!(hedge.snapshot(now()).hedges, 1, "and nobody asks a third time");
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_is_refused_late_leaves_the_hedge_under_way() {
    let mut answers = [(60, Err(Error::Full)), (500, Ok("two"))].into_iter();
    let hedge = hedge(Policy { attempts: 2, ..policy() });
    let answer = hedge.call(|| {
        let (takes, answer) = answers.next().unwrap();
        async move {
            tokio::time::sleep(Duration::from_millis(takes)).await;
            answer.map_err(|it: Error<()>| it)
        }
    });
    assert_eq!(answer.await, Ok("two"));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_alone_stands_at_once() {
    let hedge = hedge(Policy { on_failure: OnFailure::Next, ..policy() });
    let answer = hedge.call(|| std::future::ready(Err::<(), _>(Error::<()>::Full)));
    assert_eq!(answer.await, Err(Error::Full));
    assert_eq!(hedge.snapshot(now()).hedges, 0);
}

#[tokio::test(start_paused = true)]
async fn the_call_asks_as_the_layer_does() {
    let (twin, since) = (Twin::new(&[(500, Ok("one")), (20, Ok("two"))]), now());
    let hedge = hedge(policy());
    assert_eq!(hedge.call(|| twin.answer()).await, Ok("two"));
    assert_eq!(twin.asked(since), [0, 50]);
    let snapshot = hedge.snapshot(now());
    assert_eq!((snapshot.calls, snapshot.hedges, snapshot.won), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn answers_are_classified_as_told() {
    let hedge = hedge(Policy { on_failure: OnFailure::Next, ..policy() });
    let classify = |it: Result<&u16, &Error<()>>| match it {
        Ok(status) => Verdict::of_status(*status, None, None),
        Err(_) => Verdict::Permanent,
    };
    let mut statuses = [503, 200].into_iter();
    let answer = hedge.call_classified(Idempotency::Safe, classify, || {
        std::future::ready(statuses.next().ok_or(Error::Full))
    });
    assert_eq!(answer.await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_asks_no_more_and_gives_up_all_attempts() {
    let twin = Twin::new(&[(500, Ok("one")), (500, Ok("two")), (500, Ok("three"))]);
    let hedge = hedge(policy());
    let call = hedge.call(|| twin.answer());
    assert!(tokio::time::timeout(Duration::from_millis(70), call).await.is_err());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(twin.asked.lock().unwrap().len(), 2);
    assert_eq!(twin.finished.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_late_was_a_slow_one() {
    let hedge = hedge(Policy { attempts: 1, ..Policy::default() });
    for millis in [999, 1_001] {
        let call = hedge.call(std::future::pending::<Result<(), Error<()>>>);
        assert!(tokio::time::timeout(Duration::from_millis(millis), call).await.is_err());
    }
    assert_eq!(hedge.snapshot(now()).samples, 1);
}

#[tokio::test(start_paused = true)]
async fn the_delay_is_kept_within_a_deadline_on_its_timer() {
    let (twin, since) = (Twin::new(&[(500, Ok("one")), (500, Ok("two"))]), now());
    let limits = Limits::uniform(Duration::from_millis(80));
    let deadlines = Arc::new(Deadlines::try_new(limits).unwrap());
    let hedged = HedgeLayer::new(hedge(policy())).layer(twin.clone());
    let mut service = TimeoutLayer::new(deadlines, TimeLimit::Total).layer(hedged);
    assert_eq!(ask(&mut service).await, Err(Error::Timeout(TimeLimit::Total)));
    assert_eq!((now() - since).as_millis(), 80);
    assert_eq!(twin.asked(since), [0, 50]);
}
