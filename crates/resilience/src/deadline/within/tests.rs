//! Tests of limits, alone, nested, and on one timer.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use super::*;
use crate::deadline::Limits;
use crate::retry::{Backoff, Jitter, Policy, Retry};
use evenkeel_units::Seed;
use proptest::prelude::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn answer_after(time: Duration) -> Result<&'static str, Error<()>> {
    tokio::time::sleep(time).await;
    Ok("done")
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_ends_at_its_limit() {
    let since = now();
    let late = within(TimeLimit::Read, ms(100), answer_after(ms(101))).await;
    assert_eq!(late, Err(Error::Timeout(TimeLimit::Read)));
    assert_eq!(now() - since, ms(100));
    assert_eq!(within(TimeLimit::Read, ms(100), answer_after(ms(99))).await, Ok("done"));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_time_left_is_not_begun() {
    let over = Deadline::at(now());
    let begun = async { unreachable!("it was begun") };
    let result: Result<(), Error<()>> = until(TimeLimit::Total, over, begun).await;
    assert_eq!(result, Err(Error::Timeout(TimeLimit::Total)));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_inside_is_the_earliest_of_those_around() {
    let since = now();
    let inside = async {
        let before = Deadline::current().unwrap().left(now());
        tokio::time::sleep(ms(30)).await;
        Ok::<_, Error<()>>((before, Deadline::current().unwrap().left(now())))
    };
    let attempt = within(TimeLimit::Attempt, ms(100), inside);
    let total = until(TimeLimit::Total, Deadline::after(since, ms(80)), attempt);
    assert_eq!(total.await, Ok((ms(80), ms(50))));
    assert_eq!(Deadline::current(), None);
}

#[tokio::test(start_paused = true)]
async fn attempts_and_waits_end_within_the_total() {
    let backoff = Backoff::between(ms(100), ms(1_000)).jitter(Jitter::None);
    let policy = Policy { backoff, attempts: 9, ..Policy::default() };
    let retry = Retry::seeded(policy, Seed(1)).unwrap();
    let limits = Limits { total: ms(500), attempt: ms(50), connect: ms(50), read: ms(50) };
    let deadlines = Deadlines::try_new(limits).unwrap();
    let (since, mut begun) = (now(), Vec::new());
    let result = deadlines.call(TimeLimit::Total, || {
        retry.call(|| {
            begun.push((now() - since).as_millis());
            deadlines.call(TimeLimit::Attempt, || answer_after(ms(70)))
        })
    });
    assert_eq!(result.await, Err(Error::Timeout(TimeLimit::Attempt)));
    // At 450 ms the next wait, of 400 ms, would outlast the total.
    assert_eq!(begun, [0, 150, 400]);
    assert_eq!(now() - since, ms(450));
    let snapshot = deadlines.snapshot();
    assert_eq!((snapshot.total, snapshot.attempt), (0, 3));
    assert_eq!(retry.snapshot(now()).over_deadline, 1);
}

#[tokio::test(start_paused = true)]
async fn the_total_ends_an_attempt_that_is_under_way() {
    let limits = Limits { total: ms(80), attempt: ms(50), connect: ms(50), read: ms(50) };
    let deadlines = Deadlines::try_new(limits).unwrap();
    let since = now();
    let result = deadlines.call(TimeLimit::Total, || async {
        let first = deadlines.call(TimeLimit::Attempt, || answer_after(ms(70))).await;
        assert_eq!(first, Err(Error::Timeout(TimeLimit::Attempt)));
        deadlines.call(TimeLimit::Attempt, || answer_after(ms(70))).await
    });
    assert!(matches!(result.await, Err(Error::Timeout(_))));
    assert_eq!(now() - since, ms(80));
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_leaves_no_scope_behind() {
    let call = tokio::spawn(within(TimeLimit::Total, ms(100), async {
        let result: Result<(), Error<()>> = Ok(());
        assert!(Deadline::current().is_none(), "it panics, since there is a deadline");
        result
    }));
    assert!(call.await.unwrap_err().is_panic());
    assert_eq!(Deadline::current(), None);
}

/// Polls what is inside only when its own waker was woken, as sets of futures do.
struct Picky<F> {
    future: Pin<Box<F>>,
    woken: Arc<Woken>,
}

struct Woken {
    is_woken: AtomicBool,
    task: std::sync::Mutex<Option<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        self.task.lock().unwrap().take().into_iter().for_each(Waker::wake);
    }
}

impl<F: Future> Future for Picky<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        *self.woken.task.lock().unwrap() = Some(context.waker().clone());
        if !self.woken.is_woken.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_polled_by_another_waker_has_a_timer_of_its_own() {
    let since = now();
    let woken = Woken { is_woken: AtomicBool::new(true), task: std::sync::Mutex::new(None) };
    let future = Box::pin(within(TimeLimit::Attempt, ms(50), answer_after(ms(5_000))));
    let picky = Picky { future, woken: Arc::new(woken) };
    let result = within(TimeLimit::Total, ms(300), picky).await;
    assert_eq!(result, Err(Error::Timeout(TimeLimit::Attempt)));
    assert_eq!(now() - since, ms(50));
}

#[tokio::test(start_paused = true)]
async fn only_the_outermost_limit_arms_a_timer() {
    let inner = within(TimeLimit::Attempt, ms(50), answer_after(ms(5_000)));
    let mut outer = pin!(within(TimeLimit::Total, ms(300), inner));
    let mut context = Context::from_waker(Waker::noop());
    assert!(outer.as_mut().poll(&mut context).is_pending());
    assert!(outer.timer.is_armed());
    assert!(!outer.future.timer.is_armed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_there_at_once_arms_none() {
    let mut ready = pin!(within(TimeLimit::Total, ms(300), async { Ok::<_, Error<()>>(7) }));
    let mut context = Context::from_waker(Waker::noop());
    assert!(ready.as_mut().poll(&mut context).is_ready());
    assert!(!ready.timer.is_armed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_call_outlasts_its_total(
        total in 1u64..2_000, attempt in 1u64..2_000, base in 1u64..500, attempts in 1u32..8,
        answers in prop::collection::vec((0u64..1_500, any::<bool>()), 8), seed: u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let elapsed = runtime.block_on(async {
            let backoff = Backoff::between(ms(base), ms(1_000));
            let policy = Policy { attempts, backoff, ..Policy::default() };
            let retry = Retry::seeded(policy, Seed(seed)).unwrap();
            let since = now();
            let mut answers = answers.into_iter();
            let call = within(TimeLimit::Total, ms(total), retry.call(|| {
                let (time, ok) = answers.next().unwrap();
                within(TimeLimit::Attempt, ms(attempt), async move {
                    tokio::time::sleep(ms(time)).await;
                    if ok { Ok(()) } else { Err(Error::Inner(())) }
                })
            }));
            let _result = call.await;
            now() - since
        });
        // Waits are drawn in nanoseconds, and timers fire at whole milliseconds.
        prop_assert!(elapsed <= ms(total + 1), "{elapsed:?}");
    }
}
