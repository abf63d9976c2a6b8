//! Pipeline: patterns in their order, around a future and around a service, in paused time.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_resilience::breaker::{Breaker, State};
use evenkeel_resilience::bulkhead::{self, Bulkhead};
use evenkeel_resilience::deadline::{Deadlines, Limits};
use evenkeel_resilience::failover::{self, Failover};
use evenkeel_resilience::hedge::{self, Hedge};
use evenkeel_resilience::layer::{
    BaseLayer, BreakerLayer, BulkheadLayer, FailoverService, FallbackLayer, HedgeLayer, LimitLayer,
    RetryLayer, TimeoutLayer,
};
use evenkeel_resilience::limit::{self, Limiter};
use evenkeel_resilience::pipeline::{Severity, Stage, Stages};
use evenkeel_resilience::retry::{self, Backoff, Jitter, Retry};
use evenkeel_resilience::{Error, Pipeline, TimeLimit, breaker, time};
use tokio::time::{Instant, sleep};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tower_layer::Layer as _;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Machines of a pipeline.
struct World {
    deadlines: Arc<Deadlines>,
    retry: Arc<Retry>,
    limiter: Arc<Limiter>,
    breaker: Arc<Breaker>,
    bulkhead: Arc<Bulkhead>,
}

fn world() -> World {
    let limits = Limits { total: ms(1_000), attempt: ms(100), connect: ms(50), read: ms(50) };
    let backoff = Backoff::between(ms(100), ms(1_000)).jitter(Jitter::None);
    let retry = retry::Policy { backoff, ..retry::Policy::default() };
    World {
        deadlines: Arc::new(Deadlines::try_new(limits).unwrap()),
        retry: Arc::new(Retry::try_new(retry).unwrap()),
        limiter: Arc::new(Limiter::try_new(limit::Policy::per_second(1_000)).unwrap()),
        breaker: Arc::new(Breaker::try_new(breaker::Policy::consecutive(3)).unwrap()),
        bulkhead: Arc::new(Bulkhead::try_new(bulkhead::Policy::at_once(1)).unwrap()),
    }
}

impl World {
    /// In an order of calls that is none of the recommended one.
    fn pipeline(
        &self,
    ) -> Pipeline<
        tower_layer::Identity,
        tower_layer::Identity,
        TimeoutLayer,
        RetryLayer,
        tower_layer::Identity,
        LimitLayer,
        BreakerLayer,
        BulkheadLayer,
        TimeoutLayer,
    > {
        Pipeline::new()
            .breaker(BreakerLayer::new(Arc::clone(&self.breaker)))
            .limit(LimitLayer::new(Arc::clone(&self.limiter)))
            .deadlines(Arc::clone(&self.deadlines))
            .bulkhead(BulkheadLayer::new(Arc::clone(&self.bulkhead)))
            .retry(RetryLayer::new(Arc::clone(&self.retry)))
    }
}

#[test]
fn patterns_stand_in_the_recommended_order_whatever_the_order_they_were_given_in() {
    let service = world().pipeline().layer(());
    let mut stages = Vec::new();
    service.stages(&mut stages);
    let names: Vec<_> = stages.iter().map(Stage::name).collect();
    let wanted =
        ["total time limit", "retry", "rate limit", "breaker", "bulkhead", "attempt time limit"];
    assert_eq!(names, wanted);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_a_failure_of_the_neighbour_and_tried_again() {
    let world = world();
    let (since, made) = (Instant::now(), Cell::new(0));
    let pipeline = world.pipeline();
    let answer = pipeline.call(|| {
        made.set(made.get() + 1);
        async {
            sleep(ms(5_000)).await;
            Ok::<_, ()>(())
        }
    });
    assert_eq!(answer.await, Err(Error::Timeout(TimeLimit::Attempt)));
    // Three attempts of 100 ms, a wait of 100 and one of 200.
    assert_eq!((made.get(), since.elapsed()), (3, ms(600)));
    assert_eq!(world.breaker.state(), State::Open);
    assert_eq!(world.bulkhead.snapshot().in_flight, 0);
    assert_eq!(world.limiter.snapshot(time::now()).admitted, 3);
    assert_eq!(world.deadlines.snapshot().attempt, 3);
}

#[tokio::test(start_paused = true)]
async fn no_place_is_held_between_attempts() {
    let world = world();
    let pipeline = world.pipeline();
    let fails = pipeline.call(|| async { Err::<(), _>("refused") });
    let other = async {
        sleep(ms(50)).await;
        pipeline.call(|| async { Ok::<_, &str>(7) }).await
    };
    let (fails, other) = tokio::join!(fails, other);
    assert_eq!((fails, other), (Err(Error::Inner("refused")), Ok(7)));
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_ends_the_attempts() {
    let world = world();
    world.breaker.force_open(time::now());
    let answer = world.pipeline().call(|| async { Ok::<_, ()>(()) }).await;
    assert_eq!(answer, Err(Error::Open { retry_after: None }));
    assert_eq!(world.retry.snapshot(time::now()).retries, 0);
    assert_eq!(world.bulkhead.snapshot().admitted, 0);
}

#[tokio::test(start_paused = true)]
async fn the_total_ends_everything() {
    let world = world();
    let limits = Limits { total: ms(150), attempt: ms(100), connect: ms(50), read: ms(50) };
    world.deadlines.reload(limits).unwrap();
    let since = Instant::now();
    let never = world.pipeline().call(std::future::pending::<Result<(), ()>>).await;
    // There is no time for a second attempt after the wait.
    assert_eq!(never, Err(Error::Timeout(TimeLimit::Attempt)));
    assert_eq!(since.elapsed(), ms(100));
}

#[tokio::test(start_paused = true)]
async fn a_service_behind_a_pipeline_shares_its_machines_and_runs_in_tasks() {
    let world = world();
    let service = world.pipeline().layer(service_fn(|name: &'static str| async move {
        sleep(ms(10)).await;
        Ok::<_, std::io::Error>(name.len())
    }));
    let answer = tokio::spawn(service.clone().oneshot("kettle")).await.unwrap();
    assert_eq!(answer.unwrap(), 6);
    assert!(service.oneshot("cup").await.is_ok());
    assert_eq!(world.breaker.snapshot(time::now()).succeeded_total, 2);
}

#[test]
fn a_stack_of_ones_own_is_linted_as_it_stands() {
    let World { deadlines, retry, breaker, bulkhead, .. } = world();
    let service = ServiceBuilder::new()
        .layer(BreakerLayer::new(breaker))
        .layer(BulkheadLayer::new(bulkhead))
        .layer(RetryLayer::new(retry))
        .layer(TimeoutLayer::new(deadlines, TimeLimit::Total))
        .layer(BaseLayer)
        .service(());
    let found = service.lint();
    let errors: Vec<_> = found.iter().filter(|it| it.severity == Severity::Error).collect();
    assert_eq!(
        errors.iter().map(|it| &it.places[..]).collect::<Vec<_>>(),
        [[0, 2], [1, 2], [1, 3], [2, 3]].map(|it| it.to_vec())
    );
}

#[tokio::test(start_paused = true)]
async fn each_endpoint_has_a_pipeline_and_one_stands_over_the_choice() {
    let circuits = [world().breaker, world().breaker];
    let member = |at: usize| {
        let guards = Pipeline::new()
            .breaker(BreakerLayer::new(Arc::clone(&circuits[at])))
            .attempt(world().deadlines);
        let answer = move |()| async move { if at == 0 { Err("refused") } else { Ok(at) } };
        (["primary", "secondary"][at], guards.layer(service_fn(answer)))
    };
    let failover = Failover::active_passive([member(0), member(1)], failover::Policy::default());
    let failover = Arc::new(failover.unwrap());
    let World { deadlines, retry, .. } = world();
    let links = [Arc::default(), Arc::default()];
    let pipeline = Pipeline::new()
        .total(deadlines)
        .retry(RetryLayer::new(retry))
        .fallback(FallbackLayer::new(Arc::clone(&links[0]), |_| async { Ok::<_, Error<&str>>(7) }));
    let service = pipeline.over(FailoverService::new(Arc::clone(&failover)));
    assert_eq!(service.clone().oneshot(()).await, Ok(7));
    assert_eq!(circuits[0].state(), State::Open);
    failover.force_to(time::now(), "secondary").unwrap();
    assert_eq!(service.clone().oneshot(()).await, Ok(1));
    assert_eq!((links[0].snapshot().used, links[0].snapshot().first), (1, 1));
    assert_eq!(service.lint(), []);
    let mut stages = Vec::new();
    service.stages(&mut stages);
    let names: Vec<_> = stages.iter().map(Stage::name).collect();
    let wanted =
        ["fallback", "total time limit", "retry", "balancer", "breaker", "attempt time limit"];
    assert_eq!(names, wanted);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_stands_between_the_attempts_and_what_counts_them() {
    let world = world();
    let hedge = Arc::new(Hedge::try_new(hedge::Policy::after(ms(30))).unwrap());
    let pipeline = world.pipeline().hedge(HedgeLayer::new(Arc::clone(&hedge)));
    world.bulkhead.reload(&bulkhead::Policy::at_once(2)).unwrap();
    assert_eq!(pipeline.lint(), []);
    let made = Cell::new(0);
    let answer = pipeline.call(|| {
        made.set(made.get() + 1);
        let takes = if made.get() == 1 { 90 } else { 10 };
        async move {
            sleep(ms(takes)).await;
            Ok::<_, ()>(takes)
        }
    });
    assert_eq!(answer.await, Ok(10));
    assert_eq!((hedge.snapshot(time::now()).won, world.bulkhead.snapshot().admitted), (1, 2));
    world
        .deadlines
        .reload(Limits { connect: ms(20), read: ms(20), attempt: ms(30), total: ms(1_000) })
        .unwrap();
    assert!(pipeline.lint()[0].problem.contains("there never is a second call"));
}
