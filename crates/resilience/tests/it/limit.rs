//! Rate limiter: turns as futures and as a layer.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use evenkeel_resilience::Error;
use evenkeel_resilience::layer::{Base, LimitLayer, LimitService};
use evenkeel_resilience::limit::{Limiter, Policy};
use tokio::time::{Instant, timeout};
use tower_layer::Layer;
use tower_service::Service;

fn limiter(wait: u64) -> Arc<Limiter> {
    let wait = Duration::from_millis(wait);
    Arc::new(
        Limiter::try_new(Policy { limit: 10, burst: 1, wait, ..Policy::default() })
            .expect("a policy that holds"),
    )
}

#[derive(Clone)]
struct Echo;

impl Service<u32> for Echo {
    type Response = u32;
    type Error = Infallible;
    type Future = Ready<Result<u32, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        ready(Ok(request))
    }
}

async fn ask(
    service: &mut LimitService<Base<Echo>>,
    request: u32,
) -> Result<u32, Error<Infallible>> {
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(request).await
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_their_turn_and_those_over_the_wait_are_refused_at_once() {
    let limiter = limiter(200);
    let start = Instant::now();
    let call = async || {
        limiter.call(|| async { Ok::<_, Error<Infallible>>(start.elapsed().as_millis()) }).await
    };
    let (first, second, third, fourth) = tokio::join!(call(), call(), call(), call());
    assert_eq!((first, second, third), (Ok(0), Ok(100), Ok(200)));
    assert_eq!(fourth, Err(Error::Limited { retry_after: Duration::from_millis(300) }));
}

#[tokio::test(start_paused = true)]
async fn a_call_cut_off_while_it_waits_gives_its_turn_back() {
    let limiter = limiter(1_000);
    limiter.take().await.unwrap();
    assert!(timeout(Duration::from_millis(50), limiter.take()).await.is_err());
    let start = Instant::now();
    limiter.take().await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn clones_of_a_layered_service_share_its_turns() {
    let service = LimitLayer::new(limiter(100)).layer(Base::new(Echo));
    let (mut first, mut second, mut third) = (service.clone(), service.clone(), service);
    let start = Instant::now();
    let answers = tokio::join!(ask(&mut first, 1), ask(&mut second, 2), ask(&mut third, 3));
    assert_eq!((answers.0, answers.1), (Ok(1), Ok(2)));
    assert!(matches!(answers.2, Err(Error::Limited { .. })));
    assert_eq!(start.elapsed(), Duration::from_millis(100));
}
