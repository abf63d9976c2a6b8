//! Service: several services as one, which are busy, come, go, and fail.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use evenkeel_resilience::balance::{Balancer, Endpoint, Member, Outliers, Policy, Strategy};
use evenkeel_resilience::breaker::{self, Breaker, Outcome};
use evenkeel_resilience::layer::{BalanceLayer, BalanceService, Base, BreakerLayer, RetryLayer};
use evenkeel_resilience::pipeline::Stages as _;
use evenkeel_resilience::retry::{self, Retry};
use evenkeel_resilience::{Error, balance, time::now, watch};
use tower::{Layer as _, Service, ServiceExt as _};

/// What a test does to an instance.
#[derive(Default)]
struct State {
    is_busy: AtomicBool,
    fails: AtomicBool,
    hangs: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
    calls: AtomicUsize,
}

/// An instance of a service, that answers with its name.
#[derive(Clone)]
struct Instance {
    name: &'static str,
    state: Arc<State>,
}

impl Instance {
    fn new(name: &'static str) -> Self {
        Self { name, state: Arc::default() }
    }

    fn busy(&self, is_busy: bool) {
        self.state.is_busy.store(is_busy, SeqCst);
        self.state.wakers.lock().unwrap().drain(..).for_each(Waker::wake);
    }

    fn calls(&self) -> usize {
        self.state.calls.load(SeqCst)
    }
}

impl Service<()> for Instance {
    type Response = &'static str;
    type Error = Error<&'static str>;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<&'static str, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.state.is_busy.load(SeqCst) {
            false => Poll::Ready(Ok(())),
            true => {
                self.state.wakers.lock().unwrap().push(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.state.calls.fetch_add(1, SeqCst);
        let (name, state) = (self.name, Arc::clone(&self.state));
        Box::pin(async move {
            match (state.hangs.load(SeqCst), state.fails.load(SeqCst)) {
                (true, _) => std::future::pending().await,
                (_, true) => Err(Error::Inner("refused")),
                (_, false) => Ok(name),
            }
        })
    }
}

fn over<const N: usize>(
    policy: Policy,
    names: [&'static str; N],
) -> ([Instance; N], Arc<Balancer<Instance>>) {
    let instances = names.map(Instance::new);
    let balancer = Balancer::try_new(policy).unwrap();
    balancer.replace(now(), instances.iter().map(|it| Member::new(it.name, it.clone()))).unwrap();
    (instances, Arc::new(balancer))
}

fn rotating() -> Policy {
    Policy::of(Strategy::RoundRobin)
}

/// Polls once, without a task that is woken.
fn polled<S: Service<()>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn who_is_busy_is_passed_over_while_another_is_ready() {
    let ([a, b], balancer) = over(rotating(), ["a", "b"]);
    a.busy(true);
    let service = BalanceService::new(balancer);
    for _ in 0..4 {
        assert_eq!(service.clone().oneshot(()).await, Ok("b"));
    }
    assert_eq!((a.calls(), b.calls()), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn while_all_are_busy_the_first_that_is_not_is_taken() {
    let ([a, b], balancer) = over(rotating(), ["a", "b"]);
    a.busy(true);
    b.busy(true);
    let call = tokio::spawn(BalanceService::new(balancer).oneshot(()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    b.busy(false);
    assert_eq!(call.await.unwrap(), Ok("b"));
}

#[tokio::test(start_paused = true)]
async fn while_all_are_busy_one_that_comes_or_gets_well_is_taken() {
    let ([a, b], balancer) = over(rotating(), ["a", "b"]);
    a.busy(true);
    let well = balancer.endpoint("b").unwrap();
    well.set_healthy(false);
    let service = BalanceService::new(Arc::clone(&balancer));
    let call = tokio::spawn(service.clone().oneshot(()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    well.set_healthy(true);
    assert_eq!(call.await.unwrap(), Ok("b"));

    b.busy(true);
    let call = tokio::spawn(service.oneshot(()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!call.is_finished());
    balancer.insert(now(), Member::new("c", Instance::new("c"))).unwrap();
    assert_eq!(call.await.unwrap(), Ok("c"));
}

#[tokio::test(start_paused = true)]
async fn while_all_are_busy_one_whose_ejection_ends_is_taken() {
    let policy = Policy { outliers: Some(Outliers::consecutive(1)), ..rotating() };
    let ([a, b], balancer) = over(policy, ["a", "b"]);
    b.state.fails.store(true, SeqCst);
    let service = BalanceService::new(Arc::clone(&balancer));
    let answers = [service.clone().oneshot(()).await, service.clone().oneshot(()).await];
    assert_eq!(answers, [Ok("a"), Err(Error::Inner("refused"))]);
    a.busy(true);
    b.state.fails.store(false, SeqCst);
    let began = now();
    assert_eq!(service.oneshot(()).await, Ok("b"));
    assert_eq!((now() - began).as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn without_an_endpoint_that_may_be_called_a_call_fails_at_once() {
    let (_, balancer) = over(Policy::default(), []);
    let mut service = BalanceService::new(balancer);
    assert_eq!(service.ready().await.unwrap().call(()).await, Err(Error::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_reserved_endpoint_gets_the_next_call_also_when_it_was_removed_meanwhile() {
    let ([a, b], balancer) = over(rotating(), ["a", "b"]);
    let mut service = BalanceService::new(Arc::clone(&balancer));
    assert!(polled(&mut service).is_ready());
    balancer.remove(now(), "a").unwrap();
    assert_eq!(service.call(()).await, Ok("a"));
    assert_eq!(service.oneshot(()).await, Ok("b"));
    assert_eq!((a.calls(), b.calls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn who_asks_again_after_a_removal_gets_an_endpoint_that_was_chosen() {
    // tower-rs/tower#856: there, the slot of the one that was removed decides, whoever is in it then.
    let ([_, b, c], balancer) = over(Policy::of(Strategy::LeastConnections), ["a", "b", "c"]);
    let c_is_loaded: Vec<_> = {
        let mut service = BalanceService::new(Arc::clone(&balancer));
        c.state.hangs.store(true, SeqCst);
        balancer.endpoints()[..2].iter().for_each(|it| it.set_healthy(false));
        balancer
            .reload(now(), Policy { panic: evenkeel_units::Ratio::ZERO, ..balancer.policy() })
            .unwrap();
        let calls = (0..5).map(|_| (polled(&mut service).is_ready(), service.call(())));
        calls.collect()
    };
    assert_eq!(balancer.endpoint("c").unwrap().in_flight(), 5);
    balancer.endpoint("b").unwrap().set_healthy(true);
    let mut service = BalanceService::new(Arc::clone(&balancer));
    assert!(polled(&mut service).is_ready());
    balancer.endpoint("a").unwrap().set_healthy(true);
    balancer.remove(now(), "b").unwrap();
    assert!(polled(&mut service).is_ready());
    assert_eq!(service.call(()).await, Ok("a"));
    assert_eq!((b.calls(), c.calls()), (0, 5));
    drop(c_is_loaded);
}

#[tokio::test(start_paused = true)]
async fn a_clone_has_no_reservation_and_a_reservation_is_no_call_under_way() {
    let ([a, _], balancer) = over(rotating(), ["a", "b"]);
    let mut service = BalanceService::new(Arc::clone(&balancer));
    assert!(polled(&mut service).is_ready());
    assert!(balancer.endpoints().iter().all(|it| it.in_flight() == 0));
    let mut clone = service.clone();
    assert_eq!(
        clone.call(()).await,
        Err(Error::Unavailable),
        "it was not asked whether it is ready"
    );
    assert_eq!(service.call(()).await, Ok("a"));
    assert_eq!(a.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_place_of_an_instance_that_was_waited_for_in_vain_is_given_back() {
    let instances = ["a", "b"].map(Instance::new);
    let balancer = Arc::new(Balancer::try_new(rotating()).unwrap());
    let limited = |it: &Instance| tower::limit::ConcurrencyLimit::new(it.clone(), 1);
    let members = instances.iter().map(|it| Member::new(it.name, limited(it)));
    balancer.replace(now(), members).unwrap();
    instances.iter().for_each(|it| it.state.hangs.store(true, SeqCst));
    let mut service = BalanceService::new(balancer);
    let mut calls = Vec::new();
    for _ in 0..2 {
        assert!(polled(&mut service).is_ready());
        calls.push(service.call(()));
    }
    let mut waits = service.clone();
    assert!(polled(&mut waits).is_pending());
    calls.clear();
    assert!(polled(&mut waits).is_ready());
    // One place is reserved by it, the other one is free for somebody else.
    assert!(polled(&mut service).is_ready());
    assert!(polled(&mut service.clone()).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_key_has_one_endpoint_and_waits_for_it() {
    let ([a, b], balancer) = over(Policy::of(Strategy::consistent_hash()), ["a", "b"]);
    let service = |key: &'static [u8]| {
        BalanceService::new(Arc::clone(&balancer)).keyed(move |(): &()| balance::key(key))
    };
    let owner = service(b"alice").oneshot(()).await.unwrap();
    for _ in 0..5 {
        assert_eq!(service(b"alice").oneshot(()).await, Ok(owner));
    }
    let busy = if owner == "a" { a } else { b };
    busy.busy(true);
    let call = tokio::spawn(service(b"alice").oneshot(()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!call.is_finished());
    assert_eq!(balancer.endpoint(owner).unwrap().in_flight(), 1);
    busy.busy(false);
    assert_eq!(call.await.unwrap(), Ok(owner));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_dropped_gives_its_place_back_and_counts_as_cancelled() {
    let ([a], balancer) = over(Policy::default(), ["a"]);
    a.state.hangs.store(true, SeqCst);
    let call = BalanceService::new(Arc::clone(&balancer)).oneshot(());
    assert!(tokio::time::timeout(Duration::from_secs(3), call).await.is_err());
    let seen = &balancer.snapshot(now()).endpoints[0];
    assert_eq!((seen.in_flight, seen.cancelled_total, seen.failed_total), (0, 1, 0));
    assert_eq!(seen.latency, Some(Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn answers_are_judged_as_told() {
    let ([_], balancer) = over(Policy::default(), ["a"]);
    let judge = |answer: &Result<&str, Error<&str>>| Some(Outcome::from_ok(*answer != Ok("a")));
    let service = BalanceService::new(Arc::clone(&balancer)).judge(judge);
    assert_eq!(service.oneshot(()).await, Ok("a"));
    assert_eq!(balancer.snapshot(now()).endpoints[0].failed_total, 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_around_it_finds_an_endpoint_that_works() {
    let ([a, b], balancer) = over(rotating(), ["a", "b"]);
    a.state.fails.store(true, SeqCst);
    let retry = Arc::new(Retry::try_new(retry::Policy::default()).unwrap());
    let service = RetryLayer::new(retry).layer(BalanceService::new(Arc::clone(&balancer)));
    for _ in 0..3 {
        assert_eq!(service.clone().oneshot(()).await, Ok("b"));
    }
    assert!(a.calls() >= 2 && b.calls() == 3);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_whose_own_circuit_is_open_draws_no_calls_and_gets_its_trial() {
    let strategies = [Strategy::RoundRobin, Strategy::LeastConnections, Strategy::default()];
    for strategy in strategies {
        let open = || Arc::new(Breaker::try_new(breaker::Policy::consecutive(3)).unwrap());
        let circuits = [open(), open(), open()];
        let instances = ["a", "b", "c"].map(Instance::new);
        instances[0].state.fails.store(true, SeqCst);
        let balancer =
            Balancer::try_new(Policy { outliers: None, ..Policy::of(strategy) }).unwrap();
        let members = circuits.iter().zip(&instances).map(|(circuit, it)| {
            let (name, it) = (it.name, it.clone());
            let takes = tower::service_fn(move |()| {
                let it = it.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    it.oneshot(()).await
                }
            });
            Member::new(name, BreakerLayer::new(Arc::clone(circuit)).layer(takes))
        });
        balancer.replace(now(), members).unwrap();
        let service = BalanceService::new(Arc::new(balancer));
        let mut answers = Vec::new();
        for call in 0..2_000 {
            if call == 1_000 {
                instances[0].state.fails.store(false, SeqCst);
            }
            answers.push(service.clone().oneshot(()).await);
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        let count = |of: &[Result<_, _>], by: fn(&Result<&str, Error<&str>>) -> bool| {
            of.iter().filter(|it| by(it)).count()
        };
        let refused = count(&answers, |it| matches!(it, Err(Error::Open { .. })));
        let failed = count(&answers, |it| matches!(it, Err(Error::Inner(_))));
        // One for each time that it opens.
        assert!(
            refused <= 30 && failed <= 60,
            "{refused} refused, {failed} failed by {strategy:?}"
        );
        assert!(count(&answers[1_500..], |it| *it == Ok("a")) > 0, "{strategy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_broken_for_good_counts_as_failed_and_another_is_taken() {
    #[derive(Clone)]
    struct Broken;
    impl Service<()> for Broken {
        type Response = ();
        type Error = &'static str;
        type Future = std::future::Ready<Result<(), &'static str>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Err("closed"))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            unreachable!("it is never ready")
        }
    }
    let balancer = Arc::new(Balancer::try_new(rotating()).unwrap());
    balancer.replace(now(), ["a", "b"].map(|it| Member::new(it, Base::new(Broken)))).unwrap();
    let service = BalanceService::new(Arc::clone(&balancer));
    assert_eq!(service.oneshot(()).await, Err(Error::Inner("closed")));
    let seen = balancer.snapshot(now());
    assert!(seen.endpoints.iter().all(|it| it.failed_total == 1), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_probed_is_called_as_long_as_the_probes_pass() {
    let ([_, b], balancer) = over(rotating(), ["a", "b"]);
    let policy = watch::Policy::default();
    let probe = |it: Arc<Endpoint<Instance>>| async move {
        if it.state.fails.load(SeqCst) { Err("refused") } else { Ok(()) }
    };
    let watch = balancer.watch(policy, probe).unwrap();
    let service = BalanceService::new(Arc::clone(&balancer));
    let called = async || [service.clone().oneshot(()).await, service.clone().oneshot(()).await];
    tokio::time::sleep(policy.interval).await;
    assert!(called().await.contains(&Ok("b")));
    b.state.fails.store(true, SeqCst);
    tokio::time::sleep(policy.detects_within()).await;
    assert_eq!(called().await, [Ok("a"), Ok("a")]);
    b.state.fails.store(false, SeqCst);
    tokio::time::sleep(policy.interval * (policy.healthy_threshold + 1)).await;
    assert!(called().await.contains(&Ok("b")));
    drop(watch);
}

#[tokio::test(start_paused = true)]
async fn one_service_is_told_an_endpoint_with_each_request_and_judged_by_it() {
    let policy = Policy { outliers: Some(Outliers::consecutive(1)), ..rotating() };
    let balancer = Arc::new(Balancer::try_new(policy).unwrap());
    balancer.replace(now(), ["a", "b"].map(|it| Member::new(it, it))).unwrap();
    let client = tower::service_fn(|(to, ()): (Arc<Endpoint<&'static str>>, ())| async move {
        if to.name() == "b" { Err(Error::Inner("refused")) } else { Ok(*to.value()) }
    });
    let service = BalanceLayer::new(Arc::clone(&balancer)).layer(client);
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(service.clone().oneshot(()).await);
    }
    assert_eq!(answers, [Ok("a"), Err(Error::Inner("refused")), Ok("a"), Ok("a")]);
    let keyed = BalanceLayer::new(balancer).keyed(|(): &()| 7).layer(client);
    assert_eq!(keyed.oneshot(()).await, Ok("a"));
}

#[test]
fn a_lint_sees_what_stands_around_the_balancer_and_inside() {
    let breaker =
        || BreakerLayer::new(Arc::new(Breaker::try_new(breaker::Policy::default()).unwrap()));
    let balancer = Arc::new(Balancer::try_new(Policy::default()).unwrap());
    let inside = breaker().layer(Base::new(Instance::new("a")));
    balancer.replace(now(), [Member::new("a", inside)]).unwrap();
    let well = BalanceService::new(balancer);
    assert_eq!(well.lint(), []);
    assert_eq!(breaker().layer(well).lint().len(), 1, "one circuit around all endpoints");
}
