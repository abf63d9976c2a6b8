//! Tests of the layer of fallbacks.

use std::future::{Ready, poll_fn, ready};
use std::sync::Mutex;

use tower::{ServiceExt as _, service_fn};

use super::*;
use crate::TimeLimit;

type Readiness = Poll<Result<(), Error<&'static str>>>;

/// What it says when it is asked whether it is ready, each time; then what it answers. A clone was not asked.
struct Twin {
    ready: Arc<Mutex<Vec<Readiness>>>,
    answer: Result<u32, Error<&'static str>>,
    is_ready: bool,
}

impl Twin {
    fn new(ready: &[Readiness], answer: Result<u32, Error<&'static str>>) -> Self {
        let ready = ready.iter().rev().cloned().collect();
        Self { ready: Arc::new(Mutex::new(ready)), answer, is_ready: false }
    }
}

impl Clone for Twin {
    fn clone(&self) -> Self {
        Self { ready: Arc::clone(&self.ready), answer: self.answer.clone(), is_ready: false }
    }
}

impl Service<u32> for Twin {
    type Response = u32;
    type Error = Error<&'static str>;
    type Future = Ready<Result<u32, Error<&'static str>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let says = self.ready.lock().unwrap().pop().unwrap_or(Poll::Ready(Ok(())));
        self.is_ready = says == Poll::Ready(Ok(()));
        says
    }

    fn call(&mut self, request: u32) -> Self::Future {
        assert!(mem::take(&mut self.is_ready), "called without being ready");
        ready(self.answer.clone().map(|it| it + request))
    }
}

const DEAD: Readiness = Poll::Ready(Err(Error::Inner("dead")));

#[tokio::test]
async fn an_answer_of_the_first_way_stands_and_so_does_an_error_that_is_an_answer() {
    let fallback = Arc::new(Fallback::default());
    let layer = FallbackLayer::new(Arc::clone(&fallback), |_| async { Ok(0) })
        .which(|why: &Error<&str>| *why != Error::Inner("not found"));
    assert_eq!(layer.layer(Twin::new(&[], Ok(1))).oneshot(7).await, Ok(8));
    let not_found = Twin::new(&[], Err(Error::Inner("not found")));
    assert_eq!(layer.layer(not_found).oneshot(7).await, Err(Error::Inner("not found")));
    assert_eq!(layer.layer(Twin::new(&[], Err(Error::Full))).oneshot(7).await, Ok(0));
    let snapshot = fallback.snapshot();
    assert_eq!((snapshot.first, snapshot.stood, snapshot.used), (1, 1, 1));
}

#[tokio::test]
async fn who_is_not_ready_yet_is_waited_for() {
    let layer = FallbackLayer::new(Arc::default(), |_| async { Ok(0) });
    let mut service = layer.layer(Twin::new(&[Poll::Pending], Ok(1)));
    let polled = poll_fn(|context| Poll::Ready(Service::<u32>::poll_ready(&mut service, context)));
    assert!(polled.await.is_pending());
    assert_eq!(service.oneshot(7).await, Ok(8));
}

#[tokio::test]
async fn who_fails_to_become_ready_is_fallen_back_from_and_asked_again_next_time() {
    let fallback = Arc::new(Fallback::default());
    let layer = FallbackLayer::new(Arc::clone(&fallback), |why| async move {
        assert_eq!(why, Error::Inner("dead"));
        Ok(0)
    });
    let mut service = layer.layer(Twin::new(&[DEAD, DEAD, DEAD], Ok(1)));
    assert_eq!(service.ready().await.unwrap().call(7).await, Ok(0));
    // Dead when asked, and well when called.
    assert_eq!(service.ready().await.unwrap().call(7).await, Ok(8));
    assert_eq!(service.ready().await.unwrap().call(7).await, Ok(8));
    assert_eq!((fallback.snapshot().used, fallback.snapshot().first), (1, 2));
}

#[tokio::test]
async fn a_clone_is_not_ready_because_its_original_was() {
    let mut service =
        FallbackLayer::new(Arc::default(), |_| async { Ok(0) }).layer(Twin::new(&[], Ok(1)));
    service.ready().await.unwrap();
    assert_eq!(service.clone().call(7).await, Ok(8), "it waits inside the call");
}

#[tokio::test]
async fn elsewhere_gets_the_same_request_once_it_is_ready() {
    let second = Twin::new(&[DEAD], Ok(100));
    let first = Twin::new(&[], Err(Error::Inner("down")));
    let service = FallbackLayer::new(Arc::default(), Elsewhere::new(second)).layer(first);
    assert_eq!(service.clone().oneshot(7).await, Err(Error::Inner("dead")));
    assert_eq!(service.oneshot(7).await, Ok(107));
}

#[tokio::test]
async fn what_must_not_happen_twice_goes_elsewhere_only_if_it_did_not_happen() {
    for idempotency in [Idempotency::Unsafe, Idempotency::Keyed] {
        let order = move |it: &u32| (Some(*it), idempotency);
        let second = Elsewhere::new(Twin::new(&[], Ok(100))).repeat(order);
        let layer = FallbackLayer::new(Arc::default(), second);
        let ask = |why| layer.layer(Twin::new(&[], Err(why))).oneshot(7);
        assert_eq!(ask(Error::Inner("down")).await, Err(Error::Inner("down")));
        assert_eq!(ask(Error::Full).await, Ok(107));
        assert_eq!(ask(Error::Timeout(TimeLimit::Connect)).await, Ok(107));
        let read = Error::Timeout(TimeLimit::Read);
        assert_eq!(ask(read.clone()).await, Err(read));
    }
}

#[tokio::test]
async fn a_chain_ends_with_the_first_that_answers() {
    let fails = |with| service_fn(move |_: u32| ready(Err::<u32, _>(Error::Inner(with))));
    let links: [Arc<Fallback>; 2] = Default::default();
    let near = FallbackLayer::new(Arc::clone(&links[0]), Elsewhere::new(fails("copy")));
    let far = FallbackLayer::new(Arc::clone(&links[1]), |why: Error<&'static str>| {
        ready(if why == Error::Inner("copy") { Ok(1) } else { Err(why) })
    });
    assert_eq!(far.layer(near.layer(fails("here"))).oneshot(7).await, Ok(1));
    assert_eq!(links.map(|it| it.snapshot().failed), [1, 0]);
}
