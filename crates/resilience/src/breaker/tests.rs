//! Tests: what a circuit promises.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use evenkeel_units::Ratio;

use super::*;

mod properties;
mod spotless;

fn at(second: u64) -> Moment {
    Moment::at(Duration::from_secs(second))
}

fn trials(permits: u32) -> Trials {
    Trials { permits, lease: Duration::from_secs(5), max_wait: None }
}

fn simple() -> Policy {
    Policy::consecutive(2).wait(Wait::fixed(Duration::from_secs(10))).trials(trials(1))
}

fn breaker(policy: Policy) -> Breaker {
    Breaker::seeded(policy, 7).unwrap()
}

fn opened(policy: Policy) -> Breaker {
    let breaker = breaker(policy);
    fail(&breaker, 2);
    assert_eq!(breaker.state(), State::Open);
    breaker
}

fn fail(breaker: &Breaker, times: u64) {
    for second in 0..times {
        let ticket = breaker.admit(at(second)).unwrap();
        breaker.record(at(second), ticket, Outcome::Failure);
    }
}

/// Plays `script` (`<second> ok|fail|lost`, one call a line) and renders what the breaker answered.
fn play(script: &str) -> String {
    let breaker = breaker(simple());
    let mut out = Vec::new();
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (second, outcome) = line.split_once(' ').unwrap();
        let now = at(second.parse().unwrap());
        let answer = match breaker.admit(now) {
            Err(rejected) => rejected.to_string(),
            Ok(_ticket) if outcome == "lost" => "called and lost".to_owned(),
            Ok(ticket) => {
                breaker.record(now, ticket, Outcome::from_ok(outcome == "ok"));
                "called".to_owned()
            }
        };
        out.push(format!("{second} {answer}"));
    }
    out.join("\n")
}

#[test]
fn opens_after_consecutive_failures_and_recovers_by_one_trial_strictly_after_its_wait() {
    let answers = play("0 fail\n1 fail\n2 ok\n11 ok\n12 ok\n13 ok");
    assert_eq!(
        answers,
        "0 called\n1 called\n2 circuit is open until +11s\n11 circuit is open until +11s\n\
         12 called\n13 called"
    );
}

#[test]
fn a_success_in_between_forgives_earlier_failures() {
    assert!(!play("0 fail\n1 ok\n2 fail\n3 ok").contains("open"));
}

#[test]
fn a_failed_trial_opens_again_for_a_whole_wait() {
    assert!(play("0 fail\n1 fail\n12 fail\n13 ok").ends_with("13 circuit is open until +22s"));
}

#[test]
fn a_lost_trial_gives_its_place_back_when_its_lease_is_over() {
    let answers = play("0 fail\n1 fail\n12 lost\n13 ok\n17 ok\n18 ok\n19 ok");
    assert_eq!(
        answers.lines().skip(2).collect::<Vec<_>>(),
        [
            "12 called and lost",
            "13 circuit is open until +17s",
            "17 circuit is open until +17s",
            "18 called",
            "19 called"
        ]
    );
}

#[test]
fn an_outcome_from_before_the_change_of_state_counts_for_nothing() {
    let breaker = breaker(simple());
    let straggler = breaker.admit(at(0)).unwrap();
    fail(&breaker, 2);
    let trial = breaker.admit(at(12)).unwrap();
    breaker.record(at(12), straggler, Outcome::Success);
    assert_eq!(breaker.state(), State::HalfOpen);
    breaker.record(at(13), trial, Outcome::Success);
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(breaker.snapshot(at(13)).late_total, 1);
}

#[test]
fn the_late_outcome_of_an_expired_trial_does_not_speak_for_its_successor() {
    let breaker = opened(simple());
    let late = breaker.admit(at(12)).unwrap();
    let current = breaker.admit(at(18)).unwrap();
    breaker.record(at(19), late, Outcome::Success);
    assert_eq!(breaker.state(), State::HalfOpen);
    breaker.record(at(19), current, Outcome::Failure);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn waits_double_up_to_the_cap_while_trials_fail_and_begin_anew_once_closed() {
    let cap = Duration::from_secs(25);
    let wait = Wait { first: Duration::from_secs(10), cap, jitter: Ratio::ZERO };
    let breaker = opened(simple().wait(wait));
    let mut now = at(1);
    let mut waits = Vec::new();
    for outcome in [Outcome::Failure, Outcome::Failure, Outcome::Success, Outcome::Failure] {
        let until = breaker.snapshot(now).until.unwrap();
        waits.push((until - now).as_secs());
        now = until + Duration::from_millis(1);
        let trial = breaker.admit(now).unwrap();
        breaker.record(now, trial, outcome);
        if breaker.state() == State::Closed {
            for _ in 0..2 {
                let ticket = breaker.admit(now).unwrap();
                breaker.record(now, ticket, Outcome::Failure);
            }
        }
    }
    assert_eq!(waits, [10, 20, 25, 10]);
}

#[test]
fn jitter_shortens_a_wait_by_its_share_at_most() {
    let wait = Wait { jitter: Ratio::percent(20), ..Wait::fixed(Duration::from_secs(10)) };
    let mut waits = (0..100).map(|seed| {
        let breaker = Breaker::seeded(simple().wait(wait), seed).unwrap();
        fail(&breaker, 2);
        (breaker.snapshot(at(1)).until.unwrap() - at(1)).as_secs_f64()
    });
    assert!(waits.all(|it| (8.0..=10.0).contains(&it)));
}

fn slow_policy() -> Policy {
    let slow =
        Slow { after: Duration::from_secs(2), share: Ratio::percent(50), while_running: true };
    Policy { slow: Some(slow), failures: None, min_calls: 4, ..simple() }
}

#[test]
fn calls_that_hang_open_the_circuit_though_none_of_them_ends() {
    let policy = Policy { consecutive: None, ..slow_policy() };
    let breaker = breaker(policy);
    let _hanging: Vec<_> = (0..4).map(|_| breaker.admit(at(0)).unwrap()).collect();
    assert!(breaker.admit(at(2)).is_ok());
    assert!(breaker.admit(at(3)).is_err());
    assert_eq!(
        breaker.explain(at(3)).to_string().split(';').next().unwrap(),
        "open since +3s, because 4 of 4 calls were slow, 4 of which still run"
    );
}

#[test]
fn calls_that_hang_are_noticed_whatever_the_clock_says_and_however_long_nobody_called() {
    let policy = Policy { consecutive: None, ..slow_policy() };
    // Slices are half a second here, and the numbers of 2^20 of them begin again after six days.
    for day in [0, 1, 2, 4, 5, 7, 10, 1_000] {
        let fresh = breaker(policy.clone());
        let rested = breaker(policy.clone());
        rested.release(rested.admit(at(0)).unwrap());
        for breaker in [fresh, rested] {
            let now = day * 86_400;
            let _hanging: Vec<_> = (0..4).map(|_| breaker.admit(at(now)).unwrap()).collect();
            assert_eq!(breaker.snapshot(at(now)).overdue, 0, "day {day}");
            assert!(breaker.admit(at(now + 3)).is_err(), "day {day}");
        }
    }
}

#[test]
fn a_trial_that_hangs_opens_the_circuit_again() {
    let breaker = opened(slow_policy());
    let _hanging = breaker.admit(at(12)).unwrap();
    assert!(breaker.admit(at(13)).is_err());
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(breaker.admit(at(15)).is_err());
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn trials_that_are_not_decided_in_time_open_the_circuit_again() {
    let max_wait = Some(Duration::from_secs(3));
    let breaker = opened(simple().trials(Trials { max_wait, ..trials(1) }));
    let _lost = breaker.admit(at(12)).unwrap();
    assert!(breaker.admit(at(15)).is_err());
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(breaker.admit(at(16)).is_err());
    assert_eq!(breaker.snapshot(at(16)).reason, Some(Reason::Undecided));
}

#[test]
fn what_somebody_says_holds_until_it_is_reset() {
    let breaker = breaker(simple());
    breaker.force_open(at(0));
    assert_eq!(breaker.admit(at(10_000)), Err(Rejected { until: None, retry_after: None }));
    breaker.metrics_only(at(0));
    fail(&breaker, 9);
    assert_eq!(breaker.state(), State::MetricsOnly);
    assert_eq!(breaker.snapshot(at(9)).consecutive, 9);
    breaker.disable(at(0));
    fail(&breaker, 9);
    assert_eq!(breaker.snapshot(at(9)).counts, Counts::default());
    breaker.reset(at(0));
    fail(&breaker, 2);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn another_policy_finds_the_calls_that_were_there_before() {
    let breaker = breaker(Policy::default());
    fail(&breaker, 10);
    assert_eq!(breaker.state(), State::Closed);
    let policy = Policy { min_calls: 11, window: Window::Calls(50), ..Policy::default() };
    breaker.reload(at(10), policy).unwrap();
    assert_eq!(breaker.snapshot(at(10)).counts.failed, 10);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn more_trials_in_another_policy_may_come_and_fewer_are_enough() {
    let succeed = |breaker: &Breaker| {
        let trial = breaker.admit(at(12)).unwrap();
        breaker.record(at(12), trial, Outcome::Success);
    };
    let breaker = opened(simple().trials(trials(2)));
    succeed(&breaker);
    let under_way = breaker.admit(at(12)).unwrap();
    breaker.reload(at(12), simple().trials(trials(3))).unwrap();
    breaker.record(at(12), under_way, Outcome::Success);
    assert_eq!(breaker.state(), State::HalfOpen);
    succeed(&breaker);
    assert_eq!(breaker.state(), State::Closed);

    let breaker = opened(simple().trials(trials(3)));
    succeed(&breaker);
    succeed(&breaker);
    breaker.reload(at(12), simple().trials(trials(2))).unwrap();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn what_hangs_counts_among_the_calls_that_are_needed() {
    let breaker = breaker(Policy { consecutive: None, ..slow_policy() });
    let _hanging: Vec<_> = (0..3).map(|_| breaker.admit(at(0)).unwrap()).collect();
    assert_eq!(
        breaker.explain(at(3)).to_string(),
        "closed; it cannot open by a share: 0 calls are in the window, 3 run for more than 2s, and 1 more are needed"
    );
}

#[test]
fn a_wrong_policy_is_refused_and_changes_nothing() {
    let breaker = breaker(simple());
    let wrong = Policy { min_calls: 101, ..Policy::default() };
    let error = breaker.reload(at(0), wrong).unwrap_err();
    assert_eq!(
        error.to_string(),
        "min_calls: 101 calls never are in a window of 100; take as many as the window has, at most"
    );
    fail(&breaker, 2);
    assert_eq!(breaker.state(), State::Open);
    let window = Window::Time { buckets: 0, width: Duration::from_secs(1) };
    let wrong = Policy { window, ..Policy::default() };
    assert_eq!(wrong.check().unwrap_err().field, "window.time.buckets");
    let after = Duration::from_secs(30);
    let wrong = Policy { slow: Some(Slow { after, ..Slow::default() }), ..Policy::default() };
    assert_eq!(
        wrong.check().unwrap_err().to_string(),
        "trials.lease: is over before a trial is slow, at 30s; take `slow.after` at least"
    );
}

#[test]
fn it_says_why_it_cannot_open() {
    let window = Window::Time { buckets: 10, width: Duration::from_secs(1) };
    let policy = Policy { window, slow: None, min_calls: 100, ..Policy::default() };
    assert!(policy.cannot_open_at(2.0).unwrap().contains("has 20 calls"));
    assert_eq!(policy.cannot_open_at(20.0), None);
    let endless = Window::Time { buckets: u32::MAX, width: Duration::MAX };
    assert_eq!(Policy { window: endless, ..Policy::default() }.cannot_open_at(1e-9), None);
    assert_eq!(
        breaker(policy).explain(at(0)).to_string(),
        "closed; it cannot open by a share: 0 calls are in the window, and 100 more are needed within 10s"
    );
}

#[test]
fn each_change_is_told_once_and_why() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&told);
    let breaker = breaker(simple()).listener(Arc::new(move |it: &Event| {
        to.lock().unwrap().push(format!("{} {}: {}", it.at, it.to.name(), it.reason));
    }));
    fail(&breaker, 2);
    let trial = breaker.admit(at(12)).unwrap();
    breaker.record(at(13), trial, Outcome::Success);
    assert_eq!(
        *told.lock().unwrap(),
        [
            "+1s open: 2 calls failed in a row",
            "+12s half_open: the wait is over",
            "+13s closed: 1 trial ended well enough"
        ]
    );
}

thread_local! {
    static NOW: Cell<Moment> = const { Cell::new(Moment::START) };
}

/// Lets one call end by `ending` after some seconds, and says what was counted.
fn dropped(seconds: u64, ending: impl FnOnce(Permit<&Breaker>)) -> Snapshot {
    let breaker = breaker(Policy::default());
    NOW.set(at(0));
    let permit = Permit::ask(&breaker, (|| NOW.get()) as fn() -> Moment).unwrap();
    NOW.set(at(seconds));
    ending(permit);
    breaker.snapshot(at(seconds))
}

fn cancel(permit: Permit<&Breaker>) {
    drop(permit);
}

#[test]
fn a_cancelled_call_counts_as_failed_once_it_was_slow_and_else_as_nothing() {
    assert_eq!(dropped(3, cancel).counts, Counts { total: 1, failed: 1, slow: 1 });
    let early = dropped(2, cancel);
    assert_eq!((early.counts, early.ignored_total), (Counts::default(), 1));
}

#[test]
fn a_panic_counts_as_failed_and_not_as_slow() {
    let snapshot = dropped(0, |permit| {
        let panics = AssertUnwindSafe(move || {
            let _permit = permit;
            panic!("of the call");
        });
        assert!(catch_unwind(panics).is_err());
    });
    assert_eq!(snapshot.counts, Counts { total: 1, failed: 1, slow: 0 });
}

#[test]
fn a_closed_circuit_asks_for_the_time_only_where_it_matters() {
    let asked = Cell::new(0);
    let clock = || {
        asked.set(asked.get() + 1);
        at(0)
    };
    let by_time = Window::Time { buckets: 2, width: Duration::from_secs(1) };
    let count = |policy: Policy, outcome: Outcome| {
        asked.set(0);
        let breaker = breaker(policy);
        Permit::ask(&breaker, clock).unwrap().end(Some(outcome));
        asked.get()
    };
    let untimed = Policy { slow: None, ..Policy::default() };
    assert_eq!(count(untimed.clone(), Outcome::Success), 0);
    assert_eq!(count(untimed.clone(), Outcome::Failure), 0);
    assert_eq!(count(Policy::consecutive(1), Outcome::Failure), 1);
    assert_eq!(count(Policy { window: by_time, ..untimed }, Outcome::Success), 2);
    assert_eq!(count(Policy::default(), Outcome::Success), 2);
}

#[test]
fn a_call_that_began_when_nobody_asked_how_long_calls_take_is_not_slow() {
    let breaker = breaker(Policy { slow: None, ..Policy::default() });
    let ticket = breaker.admit(at(0)).unwrap();
    breaker.reload(at(1), Policy::default()).unwrap();
    breaker.record(at(100), ticket, Outcome::Success);
    assert_eq!(breaker.snapshot(at(100)).counts, Counts { total: 1, failed: 0, slow: 0 });
    let ticket = breaker.admit(at(100)).unwrap();
    breaker.record(at(200), ticket, Outcome::Success);
    assert_eq!(breaker.snapshot(at(200)).counts.slow, 1);
}

#[test]
fn a_breaker_with_a_window_of_100_calls_takes_less_than_a_kibibyte() {
    let trials = Policy::default().trials.permits as usize * 48;
    assert!(size_of::<Breaker>() + 100usize.div_ceil(32) * 8 + trials <= 1_024);
}
