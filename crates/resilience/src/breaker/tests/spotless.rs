//! Spotless: what is counted without the lock is what would be counted under it.

use proptest::prelude::*;

use super::*;

/// A call: how it goes, and whether it takes too long.
fn call() -> impl Strategy<Value = (bool, bool)> {
    // Mostly good ones, so that windows are full of them again and again.
    prop_oneof![12 => Just((true, false)), 1 => Just((false, false)), 1 => Just((true, true))]
}

proptest! {
    /// Nothing opens it, so that every call counts.
    #[test]
    fn the_last_calls_count_whatever_went_before(
        calls in prop::collection::vec(call(), 1..200),
        size in 1u32..8,
        reloads in prop::collection::vec((0usize..200, 1u32..8), 0..3),
    ) {
        let policy = |size| Policy { window: Window::Calls(size), min_calls: 1, ..Policy::default() };
        let breaker = breaker(policy(size));
        breaker.metrics_only(at(0));
        let (mut kept, mut size) = (Vec::new(), size as usize);
        for (index, (ok, slow)) in calls.iter().enumerate() {
            if let Some((_, other)) = reloads.iter().find(|it| it.0 == index) {
                breaker.reload(at(0), policy(*other)).unwrap();
                kept = kept.split_off(kept.len() - kept.len().min(size).min(*other as usize));
                size = *other as usize;
            }
            let ticket = breaker.admit(at(0)).unwrap();
            let took = Duration::from_secs(if *slow { 3 } else { 1 });
            breaker.record_after(at(0), ticket, Outcome::from_ok(*ok), took);
            kept.push((*ok, *slow));
            let seen = breaker.snapshot(at(0));
            let last = &kept[kept.len() - kept.len().min(size)..];
            let count = |of: fn(&(bool, bool)) -> bool| last.iter().filter(|it| of(it)).count() as u32;
            prop_assert_eq!(
                seen.counts,
                Counts { total: last.len() as u32, failed: count(|it| !it.0), slow: count(|it| it.1) }
            );
            let good = calls[..=index].iter().filter(|it| it.0).count() as u64;
            prop_assert_eq!(seen.succeeded_total, good);
        }
    }
}

/// With a window of two that is full of good calls, and by slow calls alone.
fn full_of_good_calls() -> Breaker {
    let slow =
        Slow { after: Duration::from_secs(2), share: Ratio::percent(50), while_running: true };
    let breaker = breaker(Policy {
        window: Window::Calls(2),
        min_calls: 2,
        failures: None,
        slow: Some(slow),
        ..Policy::default()
    });
    for _ in 0..2 {
        let ticket = breaker.admit(at(0)).unwrap();
        breaker.record(at(0), ticket, Outcome::Success);
    }
    assert!(breaker.shared.word().is_spotless());
    breaker
}

#[test]
fn a_good_call_opens_it_when_too_many_others_are_overdue() {
    let breaker = full_of_good_calls();
    let _hang: Vec<Ticket> = (0..2).map(|_| breaker.admit(at(0)).unwrap()).collect();
    let good = breaker.admit(at(0)).unwrap();
    assert_eq!(breaker.snapshot(at(3)).overdue, 3);
    breaker.record_after(at(3), good, Outcome::Success, Duration::from_secs(1));
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_call_that_lingers_is_seen_while_it_runs_and_one_that_does_not_when_it_ends() {
    let clock: fn() -> Moment = || NOW.get();
    for lingers in [true, false] {
        NOW.set(at(0));
        let breaker = full_of_good_calls();
        let mut permit = Permit::begin(&breaker, clock).unwrap();
        if lingers {
            permit.linger();
            permit.linger();
        }
        NOW.set(at(3));
        assert_eq!(breaker.snapshot(at(3)).overdue, u32::from(lingers));
        permit.success();
        let seen = breaker.snapshot(at(3));
        assert_eq!((seen.overdue, seen.counts.slow), (0, 1));
    }
}

#[test]
fn a_call_that_lingers_into_an_outage_opens_it_for_the_others() {
    NOW.set(at(0));
    let clock: fn() -> Moment = || NOW.get();
    let breaker = full_of_good_calls();
    let mut hang: Vec<_> = (0..2).map(|_| Permit::begin(&breaker, clock).unwrap()).collect();
    hang.iter_mut().for_each(Permit::linger);
    NOW.set(at(3));
    let mut next = Permit::begin(&breaker, clock).unwrap();
    next.linger();
    assert_eq!(breaker.state(), State::Open);
}
