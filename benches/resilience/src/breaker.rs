//! Breakers: closed, open, with slow calls, with many calls in the window.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use evenkeel_resilience::breaker::{Breaker, Outcome, Policy, Slow, Wait, Window};
use evenkeel_resilience::layer::{BaseLayer, BreakerLayer};
use evenkeel_resilience::time;
use evenkeel_units::Ratio;
use failsafe::futures::CircuitBreaker as _;
use failsafe::{FailurePolicy, StateMachine, backoff, failure_policy};
use tower::Layer as _;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;

use crate::inner::{AtOnce, Failed, answer, answer_as_ours, ask};
use crate::run::{Expect, Figures, Plan, calls};

pub(crate) const SUBJECTS: &[crate::Subject] = &[
    ("inner", |plan| calls(plan, Expect::Answers, || async |it| answer(it).await.is_ok())),
    ("breaker/ours", |plan| ours(plan, by_failures(Window::Calls(100)), 0)),
    ("breaker/ours-layer", |plan| ours_layer(plan, by_failures(Window::Calls(100)))),
    ("breaker/tower-resilience", |plan| tower_resilience(plan, false)),
    ("breaker/failsafe", |plan| failsafe(plan, consecutive())),
    ("slow/ours", |plan| ours(plan, Policy::default(), 0)),
    ("slow/ours-when-ended", |plan| ours(plan, when_ended(), 0)),
    ("slow/ours-layer", |plan| ours_layer(plan, Policy::default())),
    ("slow/tower-resilience", |plan| tower_resilience(plan, true)),
    ("slow/failsafe", |plan| failsafe(plan, success_rate())),
    ("window/calls-100", |plan| ours(plan, by_failures(Window::Calls(100)), 100)),
    ("window/calls-1000000", |plan| ours(plan, by_failures(Window::Calls(1_000_000)), 1_000_000)),
    ("window/time-100", |plan| ours(plan, by_failures(seconds(10)), 100)),
    ("window/time-1000000", |plan| ours(plan, by_failures(seconds(10)), 1_000_000)),
    ("open/ours", ours_open),
    ("open/ours-layer", ours_open_layer),
    ("open/tower-resilience", tower_resilience_open),
    ("open/failsafe", failsafe_open),
];

/// By the share of failures alone, as the peers do.
pub(crate) fn by_failures(window: Window) -> Policy {
    Policy { slow: None, window, ..Policy::default() }
}

/// By slow calls too, which are noticed when they end, as the peers do.
fn when_ended() -> Policy {
    let slow = Slow { while_running: false, ..Slow::default() };
    Policy { slow: Some(slow), ..Policy::default() }
}

fn seconds(buckets: u32) -> Window {
    // So long that none is over before the end.
    Window::Time { buckets, width: Duration::from_mins(10) }
}

/// A circuit that has counted so many calls.
fn closed(policy: Policy, counted: u32) -> Result<Arc<Breaker>> {
    let breaker = Breaker::try_new(policy)?;
    for _ in 0..counted {
        let ticket = breaker.admit(time::now())?;
        breaker.record(time::now(), ticket, Outcome::Success);
    }
    Ok(Arc::new(breaker))
}

/// A circuit that rejects calls for an hour.
fn open() -> Result<Arc<Breaker>> {
    let hour = Wait::fixed(Duration::from_hours(1));
    let breaker = Breaker::try_new(Policy::consecutive(1).wait(hour))?;
    let ticket = breaker.admit(time::now())?;
    breaker.record(time::now(), ticket, Outcome::Failure);
    Ok(Arc::new(breaker))
}

fn around(plan: Plan, expect: Expect, breaker: &Arc<Breaker>) -> Result<Figures> {
    calls(plan, expect, || {
        let breaker = Arc::clone(breaker);
        async move |it| breaker.call(|| answer_as_ours(it)).await.is_ok()
    })
}

fn around_layer(plan: Plan, expect: Expect, breaker: &Arc<Breaker>) -> Result<Figures> {
    let layer = BreakerLayer::new(Arc::clone(breaker));
    calls(plan, expect, || {
        let mut service = layer.layer(BaseLayer.layer(AtOnce));
        async move |it| ask(&mut service, it).await
    })
}

fn ours(plan: Plan, policy: Policy, counted: u32) -> Result<Figures> {
    around(plan, Expect::Answers, &closed(policy, counted)?)
}

fn ours_layer(plan: Plan, policy: Policy) -> Result<Figures> {
    around_layer(plan, Expect::Answers, &closed(policy, 0)?)
}

fn ours_open(plan: Plan) -> Result<Figures> {
    around(plan, Expect::Refusals, &open()?)
}

fn ours_open_layer(plan: Plan) -> Result<Figures> {
    around_layer(plan, Expect::Refusals, &open()?)
}

fn tower_resilience(plan: Plan, times: bool) -> Result<Figures> {
    let mut builder = CircuitBreakerLayer::builder()
        .failure_rate_threshold(Ratio::percent(50).get())
        .sliding_window_size(100)
        .minimum_number_of_calls(20);
    if times {
        builder = builder
            .slow_call_duration_threshold(Duration::from_secs(2))
            .slow_call_rate_threshold(0.8);
    }
    let service = builder.build()?.layer(AtOnce);
    calls(plan, Expect::Answers, || {
        let mut service = service.clone();
        async move |it| ask(&mut service, it).await
    })
}

/// Of which each call fails, until it is open.
fn tower_resilience_open(plan: Plan) -> Result<Figures> {
    let layer = CircuitBreakerLayer::builder()
        .sliding_window_size(2)
        .minimum_number_of_calls(1)
        .wait_duration_in_open(Duration::from_hours(1))
        .build()?;
    let service = layer.layer(tower::service_fn(async |_: u64| Err::<u64, _>(Failed)));
    calls(plan, Expect::Refusals, || {
        let mut service = service.clone();
        async move |it| ask(&mut service, it).await
    })
}

fn consecutive() -> impl FailurePolicy + Send + Sync + std::fmt::Debug {
    let waits = backoff::exponential(Duration::from_secs(5), Duration::from_mins(1));
    failure_policy::consecutive_failures(5, waits)
}

fn success_rate() -> impl FailurePolicy + Send + Sync + std::fmt::Debug {
    let waits = backoff::exponential(Duration::from_secs(5), Duration::from_mins(1));
    failure_policy::success_rate_over_time_window(0.5, 20, Duration::from_secs(10), waits)
}

fn failsafe<P: FailurePolicy + Send + Sync>(plan: Plan, policy: P) -> Result<Figures> {
    failsafe_around(plan, Expect::Answers, &failsafe::Config::new().failure_policy(policy).build())
}

fn failsafe_open(plan: Plan) -> Result<Figures> {
    let wait = backoff::constant(Duration::from_hours(1));
    let policy = failure_policy::consecutive_failures(1, wait);
    let breaker = failsafe::Config::new().failure_policy(policy).build();
    breaker.on_error();
    ensure!(!breaker.is_call_permitted(), "it is open");
    failsafe_around(plan, Expect::Refusals, &breaker)
}

fn failsafe_around<P: FailurePolicy + Send + Sync>(
    plan: Plan,
    expect: Expect,
    breaker: &StateMachine<P, ()>,
) -> Result<Figures> {
    calls(plan, expect, || {
        let breaker = breaker.clone();
        async move |it| breaker.call(answer(it)).await.is_ok()
    })
}
