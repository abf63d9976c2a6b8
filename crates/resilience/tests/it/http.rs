//! Http: what a client protected by the rules of HTTP sends, and when.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evenkeel_resilience::layer::{BreakerLayer, RetryLayer, StaleCacheLayer};
use evenkeel_resilience::stale_cache::{Policy, StaleCache};
use evenkeel_resilience::{Breaker, Http, Pipeline, Retry, breaker, retry};
use hyper::{Method, Request, Response};
use tokio::time::Instant;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

/// Asks once a server that answers each time with the next of `statuses`; what it answered last, how often it was asked,
/// how many failures the breaker counted, and how long it took.
async fn ask(method: Method, statuses: &'static [u16]) -> (u16, u32, u64, Duration) {
    let asked = Arc::new(AtomicU32::new(0));
    let server = service_fn(|_: Request<&'static str>| {
        let status = statuses[asked.fetch_add(1, Ordering::Relaxed) as usize];
        let answer = Response::builder().status(status).header("retry-after", "3");
        async move { Ok::<_, Infallible>(answer.body(()).unwrap()) }
    });
    let retry = Retry::try_new(retry::Policy::default()).unwrap().classify(Http);
    let breaker = Arc::new(Breaker::try_new(breaker::Policy::default()).unwrap());
    let client = Pipeline::new()
        .retry(RetryLayer::new(Arc::new(retry)).repeat(Http))
        .breaker(BreakerLayer::new(Arc::clone(&breaker)).judge(Http))
        .layer(server);
    let begun = Instant::now();
    let request = Request::builder().method(method).body("a kettle").unwrap();
    let answer = client.oneshot(request).await.unwrap();
    let failed = breaker.snapshot(evenkeel_resilience::time::now()).failed_total;
    (answer.status().as_u16(), asked.load(Ordering::Relaxed), failed, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn what_may_happen_twice_is_asked_again_no_sooner_than_the_server_says() {
    let (status, asked, failed, took) = ask(Method::GET, &[503, 429, 200]).await;
    assert_eq!((status, asked, failed), (200, 3, 1));
    assert!(took >= Duration::from_secs(6), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_order_is_not_sent_twice() {
    let (status, asked, failed, _) = ask(Method::POST, &[503]).await;
    assert_eq!((status, asked, failed), (503, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_not_asked_for_again_and_is_no_failure() {
    let (status, asked, failed, _) = ask(Method::GET, &[404]).await;
    assert_eq!((status, asked, failed), (404, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_status_that_says_that_the_server_is_unwell_is_no_answer_to_be_kept() {
    let statuses = [404, 503, 200, 503];
    let asked = Arc::new(AtomicU32::new(0));
    let server = service_fn(move |_: &'static str| {
        let status = statuses[asked.fetch_add(1, Ordering::Relaxed) as usize];
        async move { Ok(Response::builder().status(status).body(()).unwrap()) }
    });
    let second = Duration::from_secs(1);
    let policy = Policy { ttl: second, negative_ttl: second, ..Policy::default() };
    let policy = Policy { stale_while_revalidate: Duration::ZERO, ..policy };
    let cache: StaleCache<&str, Response<()>> = StaleCache::try_new(policy).unwrap();
    let layer = StaleCacheLayer::new(Arc::new(cache), |path: &&'static str| Some(*path));
    let mut service = layer.classify(Http).layer(server);
    let mut told = Vec::new();
    for (path, after) in [("/b", 0), ("/b", 0), ("/a", 0), ("/a", 0), ("/a", 1), ("/a", 1)] {
        tokio::time::advance(Duration::from_secs(after)).await;
        let answer = service.ready().await.unwrap().call(path).await.unwrap();
        told.push(answer.status().as_u16());
    }
    assert_eq!(told, [404, 404, 503, 503, 200, 200]);
}
