//! Stale cache: one call of many, refreshes in the background, and as a layer.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use evenkeel_resilience::layer::StaleCacheLayer;
use evenkeel_resilience::stale_cache::{Origin, Policy, StaleCache};
use evenkeel_resilience::{Error, TimeLimit};
use tokio::task::yield_now;
use tokio::time::{advance, sleep, timeout};
use tower_layer::Layer;
use tower_service::Service;

type Cache = Arc<StaleCache<String, u32, &'static str>>;

/// Fresh for 10 s, used at once for 10 more, in need until 60; failures count for 5.
fn cache() -> Cache {
    let policy = Policy {
        ttl: Duration::from_secs(10),
        stale_while_revalidate: Duration::from_secs(10),
        stale_if_error: Duration::from_secs(50),
        negative_ttl: Duration::from_secs(5),
        ..Policy::default()
    };
    Arc::new(StaleCache::try_new(policy).unwrap())
}

async fn after(millis: u64, answer: u32) -> Result<u32, Error<&'static str>> {
    sleep(Duration::from_millis(millis)).await;
    Ok(answer)
}

async fn broken(millis: u64) -> Result<u32, Error<&'static str>> {
    sleep(Duration::from_millis(millis)).await;
    Err(Error::Inner("broken"))
}

async fn seconds(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn many_callers_of_a_missing_key_make_one_call() {
    let (cache, made) = (cache(), AtomicU32::new(0));
    let call = || {
        cache.call("alice", || {
            made.fetch_add(1, Ordering::Relaxed);
            after(50, 7)
        })
    };
    let answers = tokio::join!(call(), call(), call());
    assert_eq!(answers, (Ok(7), Ok(7), Ok(7)));
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_get_the_error_and_nobody_asks_again_for_a_while() {
    let cache = cache();
    let call = || cache.call("alice", || broken(50));
    let failed = Err(Error::Inner("broken"));
    assert_eq!(tokio::join!(call(), call()), (failed.clone(), failed.clone()));
    assert_eq!(cache.call("alice", || after(0, 7)).await, failed);
    seconds(5).await;
    assert_eq!(cache.call("alice", || after(0, 7)).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn when_who_asks_is_cancelled_the_next_one_asks() {
    let cache = cache();
    let first = timeout(Duration::from_millis(10), cache.call("alice", || after(1_000, 1)));
    let (first, second, third) = tokio::join!(
        first,
        cache.call("alice", || after(20, 2)),
        cache.call("alice", || after(20, 3)),
    );
    assert!(first.is_err());
    assert_eq!((second, third), (Ok(2), Ok(2)));
    assert_eq!(cache.snapshot().handed_on, 1);
}

#[tokio::test(start_paused = true)]
async fn when_who_asks_panics_the_next_one_asks() {
    let cache = cache();
    let panics = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move {
            let call = || async {
                sleep(Duration::from_millis(10)).await;
                panic!("as it is meant to")
            };
            cache.call("alice", call).await
        }
    });
    yield_now().await;
    assert_eq!(cache.call("alice", || after(20, 2)).await, Ok(2));
    assert!(panics.await.unwrap_err().is_panic());
    assert_eq!(cache.call("alice", || after(20, 3)).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_in_time_for_all_who_wait() {
    let cache = cache();
    let call = || cache.call("alice", pending::<Result<u32, Error<&str>>>);
    let late = Err(Error::Timeout(TimeLimit::Total));
    assert_eq!(tokio::join!(call(), call()), (late.clone(), late));
}

#[tokio::test(start_paused = true)]
async fn a_task_asks_anew_and_nobody_waits_for_it() {
    let cache = cache();
    cache.get_with("alice", || after(0, 1)).await.unwrap();
    seconds(11).await;
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(cache.get_with("alice", || after(50, 2)).await, Ok(1));
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    sleep(Duration::from_millis(60)).await;
    assert_eq!(cache.get_with("alice", || after(0, 3)).await, Ok(2));
    let seen = cache.snapshot();
    assert_eq!((seen.misses, seen.refreshes, seen.stale, seen.fresh), (1, 1, 3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_leaves_the_stale_answer_and_the_next_one_asks() {
    let cache = cache();
    cache.get_with("alice", || after(0, 1)).await.unwrap();
    seconds(11).await;
    assert_eq!(cache.get_with("alice", || async { panic!("as it is meant to") }).await, Ok(1));
    yield_now().await;
    assert_eq!(cache.get_with("alice", || after(0, 2)).await, Ok(1));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(cache.get_with("alice", || after(0, 3)).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn without_a_task_one_caller_asks_anew_and_the_others_use_what_there_is() {
    let cache = cache();
    cache.call("alice", || after(0, 1)).await.unwrap();
    seconds(11).await;
    let (first, second) =
        tokio::join!(cache.call("alice", || after(50, 2)), cache.call("alice", || after(50, 3)));
    assert_eq!((first, second), (Ok(2), Ok(1)));
}

#[test]
fn without_a_runtime_the_caller_asks_anew() {
    let cache: Arc<StaleCache<u8, u8>> = {
        let policy = Policy { ttl: Duration::ZERO, ..Policy::default() };
        Arc::new(StaleCache::try_new(policy).unwrap())
    };
    for answer in [1, 2] {
        let mut call = std::pin::pin!(cache.get_with(&7, move || async move { Ok(answer) }));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(Ok(answer)));
    }
    assert_eq!(cache.snapshot().refreshes, 1);
}

#[tokio::test(start_paused = true)]
async fn when_asking_fails_yesterdays_answer_is_used_up_to_a_point() {
    let cache = cache();
    cache.call("alice", || after(0, 1)).await.unwrap();
    seconds(30).await;
    let answer = cache.answer("alice", || broken(0)).await.unwrap();
    assert_eq!((answer.value, answer.origin, answer.age.as_secs()), (1, Origin::StaleIfError, 30));
    // What was refused, by an open circuit inside, is as good a reason.
    seconds(10).await;
    assert_eq!(cache.call("alice", || async { Err(Error::Full) }).await, Ok(1));
    seconds(20).await;
    assert_eq!(cache.call("alice", || broken(0)).await, Err(Error::Inner("broken")));
}

/// A neighbour that is ready or not, and answers with how often it was asked.
#[derive(Clone, Default)]
struct Neighbour {
    is_up: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
    was_ready: bool,
}

impl Neighbour {
    fn up(is_up: bool) -> Self {
        Self { is_up: Arc::new(is_up.into()), ..Self::default() }
    }
}

impl Service<&'static str> for Neighbour {
    type Response = u32;
    type Error = Error<&'static str>;
    type Future = Pin<Box<dyn Future<Output = Result<u32, Error<&'static str>>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.was_ready = self.is_up.load(Ordering::Relaxed);
        if self.was_ready {
            return Poll::Ready(Ok(()));
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, _: &'static str) -> Self::Future {
        assert!(std::mem::take(&mut self.was_ready), "it was not asked whether it is ready");
        Box::pin(after(10, self.asked.fetch_add(1, Ordering::Relaxed) + 1))
    }
}

async fn ask<S>(service: &mut S, request: &'static str) -> Result<u32, Error<&'static str>>
where
    S: Service<&'static str, Response = u32, Error = Error<&'static str>>,
{
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(request).await
}

/// A request that begins with a slash has a key.
fn key(request: &&'static str) -> Option<String> {
    request.starts_with('/').then(|| (*request).to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_hit_is_served_though_the_neighbour_is_not_ready() {
    let (cache, neighbour) = (cache(), Neighbour::up(true));
    let mut service = StaleCacheLayer::new(Arc::clone(&cache), key).layer(neighbour.clone());
    assert_eq!(ask(&mut service, "/alice").await, Ok(1));
    neighbour.is_up.store(false, Ordering::Relaxed);
    assert_eq!(ask(&mut service, "/alice").await, Ok(1));
    // Stale: used as well, and asked for when the neighbour is there again.
    seconds(11).await;
    assert_eq!(ask(&mut service, "/alice").await, Ok(1));
    assert_eq!(cache.snapshot().in_flight, 1);
    neighbour.is_up.store(true, Ordering::Relaxed);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(ask(&mut service, "/alice").await, Ok(2));
    assert_eq!(neighbour.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn services_of_one_layer_make_one_call_and_wait_for_it() {
    let neighbour = Neighbour::up(true);
    let service = StaleCacheLayer::new(cache(), key).layer(neighbour.clone());
    let (mut first, mut second, mut third) = (service.clone(), service.clone(), service);
    let cut_off = timeout(Duration::from_millis(5), ask(&mut first, "/alice"));
    let answers = tokio::join!(cut_off, ask(&mut second, "/alice"), ask(&mut third, "/alice"));
    assert!(answers.0.is_err());
    assert_eq!((answers.1, answers.2), (Ok(2), Ok(2)));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_key_passes_by() {
    let (cache, neighbour) = (cache(), Neighbour::up(true));
    let mut service = StaleCacheLayer::new(Arc::clone(&cache), key).layer(neighbour);
    assert_eq!(ask(&mut service, "order a kettle").await, Ok(1));
    assert_eq!(ask(&mut service, "order a kettle").await, Ok(2));
    assert_eq!(cache.snapshot().misses, 0);
}

#[tokio::test(start_paused = true)]
async fn a_neighbour_that_never_is_ready_is_a_failure_in_time() {
    let cache = cache();
    let patient = Policy { call_max: Duration::from_millis(100), ..Policy::default() };
    cache.reload(evenkeel_resilience::time::now(), &patient).unwrap();
    let mut service = StaleCacheLayer::new(cache, key).layer(Never);
    assert_eq!(ask(&mut service, "/alice").await, Err(Error::Timeout(TimeLimit::Total)));
}

#[derive(Clone)]
struct Never;

impl Service<&'static str> for Never {
    type Response = u32;
    type Error = Error<&'static str>;
    type Future = std::future::Pending<Result<u32, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Pending
    }

    fn call(&mut self, _: &'static str) -> Self::Future {
        unreachable!("it is never ready")
    }
}
