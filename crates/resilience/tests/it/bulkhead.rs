//! Bulkhead: places, the queue and the wait limit as futures and as a layer.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use evenkeel_resilience::Error;
use evenkeel_resilience::bulkhead::{Bulkhead, Policy, Pool};
use evenkeel_resilience::layer::{Base, BulkheadLayer, BulkheadService};
use tokio::time::{Instant, sleep, timeout};
use tower_layer::Layer;
use tower_service::Service;

fn bulkhead(limit: u32, queue: u32) -> Arc<Bulkhead> {
    let wait = Duration::from_millis(100);
    Arc::new(Bulkhead::try_new(Policy { limit, queue, wait }).expect("a policy that holds"))
}

/// Answers after the given time.
#[derive(Clone)]
struct Slow;

impl Service<Duration> for Slow {
    type Response = Duration;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Duration, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, takes: Duration) -> Self::Future {
        Box::pin(async move {
            sleep(takes).await;
            Ok(takes)
        })
    }
}

async fn ask(
    service: &mut BulkheadService<Base<Slow>>,
    millis: u64,
) -> Result<Duration, Error<Infallible>> {
    poll_fn(|context| service.poll_ready(context)).await?;
    service.call(Duration::from_millis(millis)).await
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_place_and_is_rejected_at_its_wait_limit() {
    let bulkhead = bulkhead(1, 1);
    let start = Instant::now();
    let held = bulkhead.enter().await.unwrap();
    let rejected = bulkhead.call(|| async { Ok::<_, Error<Infallible>>(()) }).await;
    assert_eq!(rejected, Err(Error::Full));
    assert_eq!(start.elapsed(), Duration::from_millis(100));

    let waits = {
        let bulkhead = Arc::clone(&bulkhead);
        tokio::spawn(async move { bulkhead.call(|| async { Ok::<_, Error<Infallible>>(7) }).await })
    };
    sleep(Duration::from_millis(40)).await;
    drop(held);
    assert_eq!(waits.await.unwrap(), Ok(7));
    assert_eq!(start.elapsed(), Duration::from_millis(140));
}

#[tokio::test(start_paused = true)]
async fn tasks_get_their_places_in_the_order_in_which_they_came() {
    let bulkhead = bulkhead(1, 8);
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let (bulkhead, order) = (Arc::clone(&bulkhead), Arc::clone(&order));
            tokio::spawn(async move {
                let permit = bulkhead.enter_owned().await.unwrap();
                order.lock().unwrap().push(number);
                sleep(Duration::from_millis(5)).await;
                drop(permit);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..8).collect::<Vec<_>>());
    assert_eq!(bulkhead.snapshot().admitted_after_waiting, 7);
}

#[tokio::test(start_paused = true)]
async fn a_call_cut_off_by_a_timeout_leaves_no_trace() {
    let bulkhead = bulkhead(1, 1);
    let cut = timeout(
        Duration::from_millis(10),
        bulkhead.call(|| async {
            sleep(Duration::from_secs(9)).await;
            Ok::<_, Error<Infallible>>(())
        }),
    );
    assert!(cut.await.is_err());
    let held = bulkhead.enter().await.unwrap();
    assert!(timeout(Duration::from_millis(10), bulkhead.enter()).await.is_err());
    drop(held);
    let seen = bulkhead.snapshot();
    assert_eq!((seen.in_flight, seen.waiting, seen.cancelled), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn clones_of_a_layered_service_share_its_places() {
    let layer = BulkheadLayer::new(bulkhead(1, 1));
    let service = layer.layer(Base::new(Slow));
    let (mut first, mut second, mut third) = (service.clone(), service.clone(), service);
    let start = Instant::now();
    let answers = tokio::join!(ask(&mut first, 60), ask(&mut second, 5), ask(&mut third, 5));
    assert_eq!(answers.0, Ok(Duration::from_millis(60)));
    assert_eq!(answers.1, Ok(Duration::from_millis(5)));
    assert_eq!(answers.2, Err(Error::Full));
    assert_eq!(start.elapsed(), Duration::from_millis(65));
}

#[tokio::test(start_paused = true)]
async fn a_ready_service_that_is_not_called_holds_no_place() {
    let layer = BulkheadLayer::new(bulkhead(1, 1));
    let (mut idle, mut busy) = (layer.layer(Base::new(Slow)), layer.layer(Base::new(Slow)));
    poll_fn(|context| Service::<Duration>::poll_ready(&mut idle, context)).await.unwrap();
    assert_eq!(ask(&mut busy, 1).await, Ok(Duration::from_millis(1)));
}

#[tokio::test(start_paused = true)]
async fn a_layered_call_that_is_dropped_gives_its_place_back() {
    let bulkhead = bulkhead(1, 1);
    let mut service = BulkheadLayer::new(Arc::clone(&bulkhead)).layer(Base::new(Slow));
    assert!(timeout(Duration::from_millis(10), ask(&mut service, 1_000)).await.is_err());
    assert_eq!(bulkhead.snapshot().in_flight, 0);
    assert_eq!(ask(&mut service, 1).await, Ok(Duration::from_millis(1)));
}

/// With threads and without a fake clock: every call gets its turn, and no place is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_on_two_threads_loses_nothing() {
    let policy = Policy { limit: 3, queue: 1_000, wait: Duration::from_mins(1) };
    let bulkhead = Arc::new(Bulkhead::try_new(policy).unwrap());
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let bulkhead = Arc::clone(&bulkhead);
            tokio::spawn(async move {
                for turn in 0..20 {
                    if (number + turn) % 7 == 0 {
                        // Gives up at once, queued or not.
                        drop(tokio::select! { biased; it = bulkhead.enter() => it.ok(), () = std::future::ready(()) => None });
                    } else {
                        let permit = bulkhead.enter().await.unwrap();
                        tokio::task::yield_now().await;
                        drop(permit);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let seen = bulkhead.snapshot();
    assert_eq!(
        (seen.in_flight, seen.waiting, seen.rejected_full + seen.rejected_waited),
        (0, 0, 0)
    );
    assert_eq!(seen.admitted + seen.cancelled, 200 * 20);
}

#[tokio::test]
async fn blocking_work_keeps_its_place_until_it_ends_though_its_caller_has_gone() {
    let pool = Pool::try_new(Policy::at_once(1)).unwrap();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (end, may_end) = std::sync::mpsc::channel::<()>();
    let work = pool.call(move || {
        begun.send(()).unwrap();
        may_end.recv().unwrap();
        Ok::<_, Error<Infallible>>(())
    });
    tokio::select! { _ = work => panic!("it has not ended"), it = has_begun => it.unwrap() }
    let mut second = pool.call(|| Ok::<_, Error<Infallible>>(1)).await;
    assert_eq!(second, Err(Error::Full));
    end.send(()).unwrap();
    while second.is_err() {
        tokio::task::yield_now().await;
        second = pool.call(|| Ok(2)).await;
    }
    assert_eq!(second, Ok(2));
}

#[tokio::test]
async fn a_panic_of_blocking_work_is_a_panic_of_its_caller_and_frees_the_place() {
    let pool = Pool::try_new(Policy::at_once(1)).unwrap();
    let caller = {
        let pool = pool.clone();
        tokio::spawn(async move {
            pool.call(|| -> Result<(), Error<Infallible>> { panic!("in the work") }).await
        })
    };
    assert!(caller.await.unwrap_err().is_panic());
    assert_eq!(pool.bulkhead().snapshot().in_flight, 0);
}
