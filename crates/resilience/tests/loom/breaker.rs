//! Breaker: threads that ask, record, give back and reload at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use evenkeel_resilience::breaker::{
    Breaker, Event, Outcome, Policy, State, Ticket, Trials, Wait, Window,
};
use evenkeel_units::{Moment, Ratio};
use loom::sync::Arc;
use loom::thread;

use crate::{interrupted, model};

fn at(second: u64) -> Moment {
    Moment::at(Duration::from_secs(second))
}

fn policy(permits: u32) -> Policy {
    let lease = Duration::from_secs(5);
    Policy::consecutive(2).wait(Wait::fixed(Duration::from_secs(10))).trials(Trials {
        permits,
        lease,
        max_wait: None,
    })
}

fn breaker(policy: Policy) -> Arc<Breaker> {
    Arc::new(Breaker::seeded(policy, 7).unwrap())
}

fn fail(breaker: &Breaker, times: u64) {
    for second in 0..times {
        let ticket = breaker.admit(at(second)).unwrap();
        breaker.record(at(second), ticket, Outcome::Failure);
    }
}

/// Does three things at the same time, and gives what came of them.
fn at_once<A: 'static, B: 'static, C>(
    breaker: &Arc<Breaker>,
    one: impl FnOnce(&Breaker) -> A + 'static,
    other: impl FnOnce(&Breaker) -> B + 'static,
    third: impl FnOnce(&Breaker) -> C,
) -> (A, B, C) {
    let its = Arc::clone(breaker);
    let one = thread::spawn(move || one(&its));
    let its = Arc::clone(breaker);
    let other = thread::spawn(move || other(&its));
    let third = third(breaker);
    (one.join().unwrap(), other.join().unwrap(), third)
}

#[test]
fn threads_that_ask_when_the_wait_is_over_get_as_many_trials_as_there_are() {
    interrupted(2, || {
        let breaker = breaker(policy(2));
        fail(&breaker, 2);
        let ask = |it: &Breaker| it.admit(at(12)).ok();
        let (one, other, third) = at_once(&breaker, ask, ask, ask);
        let admitted: Vec<Ticket> = [one, other, third].into_iter().flatten().collect();
        assert_eq!(admitted.len(), 2);
        let seen = breaker.snapshot(at(12));
        assert_eq!((seen.generation, seen.permits, seen.trials), (2, 0, 2));
    });
}

#[test]
fn threads_that_record_across_the_threshold_open_it_once() {
    model(|| {
        let told = std::sync::Arc::new(AtomicUsize::new(0));
        let to = std::sync::Arc::clone(&told);
        let policy = Policy { failures: Some(Ratio::ONE), min_calls: 2, ..policy(1) };
        let breaker = Breaker::seeded(policy, 7).unwrap();
        let breaker = Arc::new(breaker.listener(std::sync::Arc::new(move |_: &Event| {
            to.fetch_add(1, Ordering::Relaxed);
        })));
        fail(&breaker, 1);
        let fails = |it: &Breaker| {
            if let Ok(ticket) = it.admit(at(1)) {
                it.record(at(1), ticket, Outcome::Failure);
            }
        };
        at_once(&breaker, fails, fails, fails);
        let seen = breaker.snapshot(at(1));
        assert_eq!((seen.state, seen.generation, seen.counts.total), (State::Open, 1, 2));
        assert_eq!(told.load(Ordering::Relaxed), 1);
        assert_eq!(seen.late_total + seen.rejected_total, 2);
    });
}

#[test]
fn a_trial_that_is_dropped_when_its_lease_ends_frees_one_place_and_not_two() {
    model(|| {
        let breaker = breaker(policy(1));
        fail(&breaker, 2);
        let late = breaker.admit(at(12)).unwrap();
        let ask = |it: &Breaker| it.admit(at(18)).ok();
        let drops = move |it: &Breaker| it.abandon(at(18), late);
        let (one, other, ()) = at_once(&breaker, ask, ask, drops);
        assert_eq!(one.iter().chain(&other).count(), 1);
        let seen = breaker.snapshot(at(18));
        assert_eq!((seen.permits, seen.trials), (0, 1));
    });
}

#[test]
fn calls_that_end_while_the_policy_changes_are_counted_once() {
    model(|| {
        let breaker = breaker(Policy { window: Window::Calls(20), ..Policy::default() });
        fail(&breaker, 1);
        let (one, two) = (breaker.admit(at(1)).unwrap(), breaker.admit(at(1)).unwrap());
        let other = Policy { window: Window::Calls(30), ..Policy::default() };
        at_once(
            &breaker,
            move |it| it.record(at(1), one, Outcome::Failure),
            move |it| it.record(at(1), two, Outcome::Success),
            move |it| it.reload(at(1), other).unwrap(),
        );
        let counts = breaker.snapshot(at(1)).counts;
        assert_eq!((counts.failed, counts.total), (2, 3));
    });
}

#[test]
fn trials_that_end_and_come_while_there_may_be_more_of_them_still_decide() {
    model(|| {
        let breaker = breaker(policy(1));
        fail(&breaker, 2);
        let trial = breaker.admit(at(12)).unwrap();
        let (next, (), ()) = at_once(
            &breaker,
            |it| it.admit(at(12)).ok(),
            |it| it.reload(at(12), policy(2)).unwrap(),
            move |it| it.record(at(12), trial, Outcome::Success),
        );
        next.into_iter().for_each(|it| breaker.record(at(12), it, Outcome::Success));
        while breaker.state() == State::HalfOpen {
            let trial = breaker.admit(at(12)).unwrap();
            breaker.record(at(12), trial, Outcome::Success);
        }
        assert_eq!(breaker.state(), State::Closed);
    });
}

#[test]
fn calls_that_begin_and_end_while_a_slice_of_time_begins_are_none_too_many() {
    model(|| {
        let breaker = breaker(Policy::default());
        let first = breaker.admit(at(0)).unwrap();
        let comes_and_goes =
            |it: &Breaker| it.admit(at(3)).map(|ticket| it.release(ticket)).unwrap();
        at_once(
            &breaker,
            move |it| it.record(at(3), first, Outcome::Success),
            comes_and_goes,
            comes_and_goes,
        );
        assert_eq!(breaker.snapshot(at(100)).overdue, 0);
    });
}

#[test]
fn good_calls_that_need_no_lock_are_counted_once_beside_one_that_fails() {
    model(|| {
        let breaker = breaker(Policy { window: Window::Calls(1), min_calls: 1, ..policy(1) });
        let good = breaker.admit(at(0)).unwrap();
        breaker.record(at(0), good, Outcome::Success);
        let [one, other, third] = [(); 3].map(|()| breaker.admit(at(1)).unwrap());
        at_once(
            &breaker,
            move |it| it.record(at(1), one, Outcome::Success),
            move |it| it.record(at(1), other, Outcome::Failure),
            move |it| it.record(at(1), third, Outcome::Success),
        );
        let seen = breaker.snapshot(at(1));
        assert_eq!((seen.succeeded_total, seen.failed_total), (3, 1));
        // Whichever came last is in the window.
        assert_eq!((seen.counts.total, seen.consecutive), (1, seen.counts.failed));
    });
}
