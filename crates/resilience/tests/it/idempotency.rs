//! Idempotency store: requests with a key as futures.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_resilience::Error;
use evenkeel_resilience::idempotency::{Answer, NoAnswer, Policy, Store};
use evenkeel_resilience::layer::IdempotencyLayer;
use tokio::time::{sleep, timeout};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, ServiceExt as _, service_fn};

type Orders = Arc<Store<&'static str, &'static str, u16>>;
type Ordered = Result<Answer<u16>, NoAnswer<&'static str>>;

fn orders(wait: Duration) -> Orders {
    Arc::new(Store::try_new(Policy { wait, ..Policy::default() }).unwrap())
}

const LONG: Duration = Duration::from_secs(10);

async fn order(orders: &Orders, answer: Result<u16, &'static str>) -> Ordered {
    let make = || async move {
        sleep(Duration::from_millis(100)).await;
        answer.map_err(Error::Inner)
    };
    orders.call("key", "a kettle", make).await
}

fn told(ordered: &Ordered) -> Option<(u16, bool)> {
    ordered.as_ref().ok().map(|it| (it.answer, it.is_replay))
}

#[tokio::test(start_paused = true)]
async fn requests_at_once_are_one_where_they_wait_for_it() {
    let orders = orders(LONG);
    let (first, second) = tokio::join!(order(&orders, Ok(1)), order(&orders, Ok(2)));
    assert_eq!((told(&first), told(&second)), (Some((1, false)), Some((1, true))));
    assert_eq!(told(&order(&orders, Ok(3)).await), Some((1, true)));
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_that_one_is_under_way() {
    let orders = orders(Duration::from_millis(50));
    let (first, second) = tokio::join!(order(&orders, Ok(1)), order(&orders, Ok(2)));
    assert_eq!((told(&first), second), (Some((1, false)), Err(NoAnswer::InProgress)));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_not_kept_and_who_waits_runs() {
    let orders = orders(LONG);
    let (first, second) = tokio::join!(order(&orders, Err("no stock")), order(&orders, Ok(2)));
    assert_eq!(first, Err(NoAnswer::Failed(Error::Inner("no stock"))));
    assert_eq!(told(&second), Some((2, false)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_stand_is_not_kept() {
    let orders = orders(Duration::ZERO);
    for (status, replayed) in [(503, false), (201, false), (500, true)] {
        let make = || async move { Ok::<_, Error<()>>(status) };
        let answer = orders.call_judged("key", "a kettle", make, |it| *it < 500).await;
        assert_eq!(answer.unwrap().is_replay, replayed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_cut_off_or_panics_frees_its_key() {
    let orders = orders(Duration::ZERO);
    assert!(timeout(Duration::from_millis(10), order(&orders, Ok(1))).await.is_err());
    let panics = {
        let orders = Arc::clone(&orders);
        let make = || async { panic!("as it is meant to") };
        tokio::spawn(async move { orders.call::<(), _>("key", "a kettle", make).await })
    };
    assert!(panics.await.unwrap_err().is_panic());
    assert_eq!(told(&order(&orders, Ok(3)).await), Some((3, false)));
    assert_eq!(orders.snapshot().released, 2);
}

#[tokio::test(start_paused = true)]
async fn refusals_have_the_status_of_the_draft() {
    let orders = orders(Duration::ZERO);
    let (_first, second) = tokio::join!(order(&orders, Ok(1)), order(&orders, Ok(2)));
    assert_eq!(second.unwrap_err().status(), Some(409));
    let make = || async { Ok::<_, Error<()>>(9) };
    let other = orders.call("key", "two kettles", make).await;
    assert_eq!(other.unwrap_err().status(), Some(422));
    orders.reload(Policy { capacity: 1, ..Policy::default() }).unwrap();
    assert_eq!(orders.call("another", "a kettle", make).await.unwrap_err().status(), Some(503));
}

/// What arrives: its key, and the answer that a service has for it after 100 ms.
type Arrives = (Option<&'static str>, Result<u16, &'static str>);

fn identify((key, _): &Arrives) -> Option<(&'static str, &'static str)> {
    key.map(|key| (key, "a kettle"))
}

async fn make((_, answer): Arrives) -> Result<u16, Error<&'static str>> {
    sleep(Duration::from_millis(100)).await;
    answer.map_err(Error::Inner)
}

#[tokio::test(start_paused = true)]
async fn a_layered_request_is_done_once_and_one_without_a_key_as_often_as_it_comes() {
    let orders = orders(LONG);
    let shop = IdempotencyLayer::new(Arc::clone(&orders), identify).layer(service_fn(make));
    let order = |key, answer| shop.clone().oneshot((key, Ok(answer)));
    let (first, second) = tokio::join!(order(Some("key"), 1), order(Some("key"), 2));
    assert_eq!((told(&first), told(&second)), (Some((1, false)), Some((1, true))));
    assert_eq!(told(&order(None, 3).await), Some((3, false)));
    assert_eq!(told(&order(None, 4).await), Some((4, false)));
    assert_eq!(orders.snapshot().keys, 1);
}

#[tokio::test(start_paused = true)]
async fn a_layered_request_that_fails_or_is_cut_off_or_does_not_stand_frees_its_key() {
    let orders = orders(Duration::ZERO);
    let shop = IdempotencyLayer::new(Arc::clone(&orders), identify)
        .stands(|it: &u16| *it < 500)
        .layer(service_fn(make));
    let order = |answer| shop.clone().oneshot((Some("key"), answer));
    assert!(timeout(Duration::from_millis(10), order(Ok(1))).await.is_err());
    assert_eq!(order(Err("no stock")).await, Err(NoAnswer::Failed(Error::Inner("no stock"))));
    assert_eq!(told(&order(Ok(503)).await), Some((503, false)));
    let (first, second) = tokio::join!(order(Ok(201)), order(Ok(202)));
    assert_eq!((told(&first), second), (Some((201, false)), Err(NoAnswer::InProgress)));
    assert_eq!(orders.snapshot().released, 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_again_though_the_service_is_not_ready() {
    let shop = service_fn(make);
    let places = ConcurrencyLimitLayer::new(1);
    let shop = IdempotencyLayer::new(orders(LONG), identify).layer(places.layer(shop));
    let order = |key, answer| shop.clone().oneshot((Some(key), Ok(answer)));
    assert_eq!(told(&order("key", 1).await), Some((1, false)));
    let (other, again) = tokio::join!(order("other", 2), async {
        timeout(Duration::from_millis(1), order("key", 3)).await
    });
    assert_eq!((told(&other), told(&again.unwrap())), (Some((2, false)), Some((1, true))));
}
