//! Failover: found out in time, whenever and however a member fails, and what becomes of calls meanwhile.

use std::convert::Infallible;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use evenkeel_resilience::breaker::Outcome;
use evenkeel_resilience::failover::{Event, Failover, Member, Policy, Switch, WhenLost, Why};
use evenkeel_resilience::layer::{Base, FailoverService};
use evenkeel_resilience::{Error, time, watch};
use evenkeel_units::Moment;
use tokio::time::{advance, sleep};
use tower_service::Service;

/// What timers of the runtime may be late.
const TICK: Duration = Duration::from_millis(1);

/// How a target is, once it is broken.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Broken {
    Refuses,
    Hangs,
}

/// Breaks at a moment, and answers in some time until then.
#[derive(Copy, Clone, Debug)]
struct Target {
    from: Moment,
    broken: Broken,
    takes: Duration,
}

impl Target {
    async fn ask(self) -> Result<(), &'static str> {
        if time::now() < self.from {
            sleep(self.takes).await;
        }
        match (time::now() < self.from, self.broken) {
            (true, _) => Ok(()),
            (false, Broken::Refuses) => Err("connection refused"),
            (false, Broken::Hangs) => pending().await,
        }
    }
}

/// How long after the target broke the other took over.
async fn detected_after(seed: u64, policy: watch::Policy, target: Target) -> Option<Duration> {
    let switches = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&switches);
    let members = [("primary", 0), ("secondary", 1)]
        .map(|(name, rank)| Member::new(name, ()).rank(rank).watched(Some(policy)));
    let listener = move |it: &Event| {
        if let Event::Switched(it) = it {
            to.lock().unwrap().push(it.clone());
        }
    };
    let failover = Failover::try_new(members, Policy::default()).unwrap();
    let failover = Arc::new(failover.listener(Arc::new(listener)));
    let probe = move |member: usize| async move {
        match member {
            0 => target.ask().await,
            _ => Ok(()),
        }
    };
    let watch =
        watch::Watch::seeded(seed, [(0, policy), (1, policy)], probe, failover.clone()).unwrap();
    sleep((target.from - time::now()) + 2 * policy.detects_within()).await;
    drop(watch);
    let switches: Vec<Switch> = switches.lock().unwrap().clone();
    assert!(switches.len() <= 1 && switches.iter().all(|it| it.why == Why::Failover));
    switches.first().map(|it| {
        assert!(it.at >= target.from, "nothing had failed");
        it.at - target.from
    })
}

#[tokio::test(start_paused = true)]
async fn a_member_that_refuses_or_hangs_is_left_in_time_whenever_that_begins() {
    let seconds = Duration::from_secs_f64;
    let policies = [
        watch::Policy::default(),
        watch::Policy { timeout: seconds(5.0), ..watch::Policy::default() },
        watch::Policy { unhealthy_threshold: 1, ..watch::Policy::default() },
        watch::Policy {
            interval: seconds(0.05),
            timeout: seconds(0.02),
            unhealthy_threshold: 5,
            ..watch::Policy::default()
        },
    ];
    let mut longest = Duration::ZERO;
    for policy in policies {
        for broken in [Broken::Refuses, Broken::Hangs] {
            for phase in 0..97_u32 {
                let begins = policy.interval.mul_f64(f64::from(phase) / 32.0);
                let takes = policy.timeout.mul_f64(f64::from(phase % 10) / 10.0);
                let target = Target { from: time::now() + begins, broken, takes };
                let took = detected_after(u64::from(phase), policy, target).await;
                let took = took.unwrap_or_else(|| panic!("{policy:?} {target:?}: never"));
                let bound = policy.detects_within() + TICK;
                assert!(took <= bound, "{policy:?} {target:?}: after {took:?}");
                if policy == watch::Policy::default() {
                    longest = longest.max(took);
                }
            }
        }
    }
    // The bound is no empty one: some come near to it.
    assert!(longest > Duration::from_secs(15), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_stays_well_is_never_left() {
    let never = Moment::at(Duration::from_hours(10_000));
    let takes = Duration::from_millis(1_900);
    let target = Target { from: never, broken: Broken::Hangs, takes };
    let failover =
        Arc::new(Failover::active_passive([("a", ()), ("b", ())], Policy::default()).unwrap());
    let watch = failover.watch(move |_| target.ask());
    sleep(Duration::from_hours(10)).await;
    drop(watch);
    let seen = failover.snapshot();
    assert_eq!((seen.epoch, seen.members[0].failed_total), (0, 0));
    assert!(seen.members.iter().all(|it| it.passed_total >= 7_199));
}

#[tokio::test(start_paused = true)]
async fn calls_under_way_end_where_they_are_and_later_ones_go_to_the_other() {
    let failover =
        Arc::new(Failover::active_passive([("old", 1), ("new", 2)], Policy::default()).unwrap());
    let slow = |of| async move {
        sleep(Duration::from_mins(1)).await;
        Ok::<_, Error<Infallible>>(of)
    };
    let under_way = tokio::spawn({
        let failover = Arc::clone(&failover);
        async move { failover.call(|it| slow(*it)).await }
    });
    sleep(Duration::from_secs(1)).await;
    (0..3).for_each(|_| failover.probed(time::now(), 0, false));
    let later = failover.call(|it| slow(*it));
    let (under_way, later) = tokio::join!(under_way, later);
    assert_eq!((under_way.unwrap(), later), (Ok(1), Ok(2)));
}

/// Refuses while it is broken; counts what it answered.
#[derive(Clone)]
struct Backend {
    name: &'static str,
    is_broken: Arc<AtomicU64>,
}

impl Service<()> for Backend {
    type Response = &'static str;
    type Error = &'static str;
    type Future = std::future::Ready<Result<&'static str, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(match self.is_broken.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err("connection refused"),
        })
    }

    fn call(&mut self, (): ()) -> Self::Future {
        std::future::ready(Ok(self.name))
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_of_services_goes_over_when_calls_cannot_reach_the_first() {
    let broken = Arc::new(AtomicU64::new(0));
    let backend = |name, is_broken: &Arc<AtomicU64>| {
        Base::new(Backend { name, is_broken: Arc::clone(is_broken) })
    };
    let members = [("a", backend("a", &broken)), ("b", backend("b", &Arc::default()))];
    let failover = Arc::new(Failover::active_passive(members, Policy::default()).unwrap());
    let judge =
        |answer: &Result<&'static str, Error<&'static str>>| Some(Outcome::from_ok(answer.is_ok()));
    let mut service = FailoverService::new(Arc::clone(&failover)).judged(judge).clone();
    let mut ask = async || {
        std::future::poll_fn(|it| service.poll_ready(it)).await?;
        service.call(()).await
    };
    assert_eq!(ask().await, Ok("a"));
    broken.store(1, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(ask().await, Err(Error::Inner("connection refused")));
    }
    assert_eq!(ask().await, Ok("b"));
    broken.store(0, Ordering::Relaxed);
    advance(Duration::from_hours(1)).await;
    assert_eq!(ask().await, Ok("b"));
    (0..2).for_each(|_| failover.probed(time::now(), 0, true));
    failover.failback(time::now()).unwrap();
    assert_eq!(ask().await, Ok("a"));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_as_long_as_its_detection_and_the_way_back_loses_no_call() {
    let begun = time::now();
    let is_down = move |now: Moment| {
        let second = (now - begun).as_secs();
        (100..200).contains(&second)
    };
    let failover =
        Arc::new(Failover::active_passive([("a", 0), ("b", 1)], Policy::default()).unwrap());
    let answer = move |of: i32| {
        let fails = of == 0 && is_down(time::now());
        async move { if fails { Err(Error::Inner("refused")) } else { Ok(of) } }
    };
    let watch = failover.watch(move |it| answer(it.value));
    let mut lost = Vec::new();
    for second in 0..400 {
        if second == 300 {
            failover.failback(time::now()).unwrap();
        }
        if failover.call(|it| answer(*it)).await.is_err() {
            lost.push(second);
        }
        sleep(Duration::from_secs(1)).await;
    }
    drop(watch);
    assert!(lost.iter().all(|it| (100..=117).contains(it)), "{lost:?}");
    assert!(lost.len() >= 10, "{lost:?}");
    let seen = failover.snapshot();
    assert_eq!((seen.failovers_total, seen.failbacks_total, seen.epoch), (1, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn with_nobody_left_a_policy_may_refuse_calls_at_once() {
    let backend = |name| Base::new(Backend { name, is_broken: Arc::default() });
    let members = [("a", backend("a")), ("b", backend("b"))];
    let policy = Policy { when_lost: WhenLost::Refuse, ..Policy::default() };
    let failover = Arc::new(Failover::active_passive(members, policy).unwrap());
    (0..6).for_each(|it| failover.probed(time::now(), it % 2, false));
    let mut service = FailoverService::new(Arc::clone(&failover));
    assert_eq!(service.call(()).await, Err(Error::Unavailable));
    let answer = failover.call(|_| async { Ok::<(), Error<()>>(()) }).await;
    assert_eq!(answer, Err(Error::Unavailable));
    (0..2).for_each(|_| failover.probed(time::now(), 1, true));
    assert_eq!(service.call(()).await, Ok("b"));
}
