//! Tests of the machine that decides about further attempts.

use super::*;
use evenkeel_units::Ratio;
use proptest::prelude::*;

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn steady(attempts: u32) -> Retry {
    let backoff = Backoff::between(ms(100), ms(1_000)).jitter(Jitter::None);
    Retry::seeded(Policy { attempts, backoff, ..Policy::default() }, Seed(1)).unwrap()
}

#[test]
fn a_transient_failure_is_tried_again_until_the_attempts_are_made() {
    let retry = steady(3);
    let mut course = retry.begin(Idempotency::Safe);
    assert_eq!(retry.attempted(at(0), None, &mut course, TRANSIENT), Some(ms(100)));
    assert_eq!(retry.attempted(at(100), None, &mut course, TRANSIENT), Some(ms(200)));
    assert_eq!(retry.attempted(at(300), None, &mut course, TRANSIENT), None);
    let snapshot = retry.snapshot(at(300));
    assert_eq!((snapshot.calls, snapshot.retries, snapshot.exhausted), (1, 2, 1));
}

#[test]
fn what_must_not_happen_twice_is_tried_again_only_if_it_was_never_sent() {
    let retry = steady(3);
    let mut course = retry.begin(Idempotency::Unsafe);
    let unsent = Verdict::Unsent { retry_after: None };
    assert_eq!(retry.attempted(at(0), None, &mut course, unsent), Some(ms(100)));
    assert_eq!(retry.attempted(at(100), None, &mut course, TRANSIENT), None);
    assert_eq!(retry.snapshot(at(0)).not_idempotent, 1);
}

#[test]
fn what_has_a_key_is_tried_again() {
    let retry = steady(3);
    let mut course = retry.begin(Idempotency::Keyed);
    assert_eq!(retry.attempted(at(0), None, &mut course, TRANSIENT), Some(ms(100)));
}

#[test]
fn the_wait_is_what_was_asked_for_and_the_jitter_on_top() {
    let retry = steady(3);
    let mut course = retry.begin(Idempotency::Safe);
    let asked = Verdict::Transient { retry_after: Some(ms(5_000)) };
    assert_eq!(retry.attempted(at(0), None, &mut course, asked), Some(ms(5_100)));
    let asked = Verdict::Transient { retry_after: Some(ms(30_000)) };
    assert_eq!(retry.attempted(at(6_000), None, &mut course, asked), Some(ms(30_200)));
    let mut course = retry.begin(Idempotency::Safe);
    let asked = Verdict::Transient { retry_after: Some(ms(30_001)) };
    assert_eq!(retry.attempted(at(6_000), None, &mut course, asked), None);
    assert_eq!(retry.snapshot(at(0)).retry_after, 1);
}

#[test]
fn decorrelated_waits_wander_off_from_the_wait_before() {
    let backoff = Backoff::between(ms(100), ms(60_000)).jitter(Jitter::Decorrelated);
    let policy = Policy { attempts: 20, backoff, budget: None, ..Policy::default() };
    let retry = Retry::seeded(policy, Seed(1)).unwrap();
    let mut course = retry.begin(Idempotency::Safe);
    let waits: Vec<_> =
        (1..20).filter_map(|_| retry.attempted(at(0), None, &mut course, TRANSIENT)).collect();
    assert!(waits[0] <= ms(300), "{waits:?}");
    assert!(waits.is_sorted_by(|before, next| *next <= *before * 3), "{waits:?}");
    assert!(waits.iter().any(|it| *it > ms(1_000)), "{waits:?}");
}

#[test]
fn no_wait_reaches_the_deadline_and_none_that_would_takes_a_token() {
    let retry = steady(3);
    let saved = |retry: &Retry| retry.snapshot(at(0)).budget.unwrap().saved;
    let before = saved(&retry) + 0.2;
    let mut course = retry.begin(Idempotency::Safe);
    assert_eq!(retry.attempted(at(0), Some(at(100)), &mut course, TRANSIENT), None);
    assert!((saved(&retry) - before).abs() < 1e-9);
    let mut course = retry.begin(Idempotency::Safe);
    assert_eq!(retry.attempted(at(0), Some(at(101)), &mut course, TRANSIENT), Some(ms(100)));
}

#[test]
fn without_a_token_the_error_stands() {
    let budget = BudgetPolicy { share: Ratio::ZERO, floor_per_second: 1, saved_max: 1 };
    let retry =
        Retry::seeded(Policy { budget: Some(budget), ..Policy::default() }, Seed(1)).unwrap();
    let grants: Vec<_> = (0..3)
        .map(|_| {
            let mut course = retry.begin(Idempotency::Safe);
            retry.attempted(at(0), None, &mut course, TRANSIENT).is_some()
        })
        .collect();
    assert_eq!(grants, [true, false, false]);
    assert_eq!(retry.snapshot(at(0)).over_budget, 2);
}

#[test]
fn without_a_budget_there_are_as_many_retries_as_attempts() {
    let retry =
        Retry::seeded(Policy { attempts: 2, budget: None, ..Policy::default() }, Seed(1)).unwrap();
    let granted = (0..1_000).filter(|_| {
        let mut course = retry.begin(Idempotency::Safe);
        retry.attempted(at(0), None, &mut course, TRANSIENT).is_some()
    });
    assert_eq!(granted.count(), 1_000);
    assert_eq!(retry.snapshot(at(0)).budget, None);
}

#[test]
fn a_shared_budget_is_one() {
    let policy = BudgetPolicy { share: Ratio::ZERO, floor_per_second: 1, saved_max: 1 };
    let budget = Arc::new(RetryBudget::new(policy));
    let granted = (0..2)
        .filter(|_| {
            let retry = steady(3).budget(Arc::clone(&budget));
            let mut course = retry.begin(Idempotency::Safe);
            retry.attempted(at(0), None, &mut course, TRANSIENT).is_some()
        })
        .count();
    assert_eq!(granted, 1);
}

#[test]
fn a_listener_hears_what_is_decided() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let retry = steady(2).listener(Arc::new(move |it| listener.lock().unwrap().push(*it)));
    let mut course = retry.begin(Idempotency::Safe);
    retry.attempted(at(0), None, &mut course, TRANSIENT);
    retry.attempted(at(7), None, &mut course, Verdict::Permanent);
    let (first, second) = (
        Event::Retry { at: at(0), made: 1, wait: ms(100) },
        Event::GaveUp { at: at(7), made: 2, why: GaveUp::Permanent },
    );
    assert_eq!(*heard.lock().unwrap(), [first, second]);
}

#[test]
fn a_policy_that_contradicts_itself_is_refused_with_the_remedy() {
    let retry = steady(3);
    let backoff = Backoff::between(ms(200), ms(100));
    let error = retry.reload(at(0), Policy { backoff, ..Policy::default() }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`backoff.cap` of 100ms is shorter than `backoff.base` of 200ms: raise the cap"
    );
    assert_eq!(retry.policy().backoff.base, ms(100));
    assert_eq!(Policy { attempts: 0, ..Policy::default() }.check(), Err(PolicyError::NoAttempts));
}

#[test]
fn another_policy_keeps_the_counts() {
    let retry = steady(3);
    let mut course = retry.begin(Idempotency::Safe);
    retry.attempted(at(0), None, &mut course, TRANSIENT);
    retry.reload(at(0), Policy { attempts: 1, ..Policy::default() }).unwrap();
    assert_eq!(retry.attempted(at(1), None, &mut course, TRANSIENT), None);
    assert_eq!((retry.snapshot(at(1)).retries, retry.snapshot(at(1)).exhausted), (1, 1));
}

#[test]
fn a_shared_budget_is_changed_by_another_one_in_the_policy_only() {
    let own = BudgetPolicy { share: Ratio::ZERO, floor_per_second: 1, saved_max: 1 };
    let budget = Arc::new(RetryBudget::new(own));
    let retry = steady(3).budget(Arc::clone(&budget));
    retry.reload(at(0), Policy { attempts: 2, ..Policy::default() }).unwrap();
    assert_eq!(budget.snapshot(at(0)).saved_max, 1);
    let other = Some(BudgetPolicy { saved_max: 7, ..own });
    retry.reload(at(0), Policy { budget: other, ..Policy::default() }).unwrap();
    assert_eq!(budget.snapshot(at(0)).saved_max, 7);
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    let after = || prop::option::of((0u64..40_000).prop_map(ms));
    prop_oneof![
        Just(Verdict::Success),
        Just(Verdict::Permanent),
        after().prop_map(|retry_after| Verdict::Transient { retry_after }),
        after().prop_map(|retry_after| Verdict::Unsent { retry_after }),
    ]
}

proptest! {
    #[test]
    fn attempts_are_bounded_by_the_policy_the_budget_and_the_deadline(
        calls in prop::collection::vec(
            (0u64..100, prop::option::of(0u64..5_000), prop::collection::vec(any_verdict(), 1..9)),
            1..40,
        ),
        attempts in 1u32..6, percent in 0u32..=100, floor in 0u32..3, saved_max in 1u32..5,
    ) {
        let budget = BudgetPolicy { share: Ratio::percent(percent), floor_per_second: floor, saved_max };
        let policy = Policy { attempts, budget: Some(budget), ..Policy::default() };
        let retry = Retry::seeded(policy, Seed(3)).unwrap();
        let (mut now, mut made, mut begun) = (0, 0u32, 0u32);
        for (apart, allowed, verdicts) in calls {
            now += apart;
            let deadline = allowed.map(|it| at(now + it));
            let mut moment = at(now);
            let mut course = retry.begin(Idempotency::Safe);
            begun += 1;
            for verdict in verdicts {
                made += 1;
                let Some(wait) = retry.attempted(moment, deadline, &mut course, verdict) else { break };
                prop_assert!(!matches!(verdict, Verdict::Success | Verdict::Permanent));
                let asked = verdict.retry_after().unwrap_or_default();
                prop_assert!(asked <= wait && wait <= asked + policy.backoff.cap);
                moment = moment + wait;
                prop_assert!(deadline.is_none_or(|it| moment < it), "a wait outlasts the deadline");
            }
            prop_assert!(course.made() <= attempts);
            now = now.max(u64::try_from(moment.elapsed().as_millis()).unwrap());
        }
        let earned = f64::from(begun * percent) / 100.0
            + f64::from(floor) * (now + 1) as f64 / 1_000.0
            + f64::from(saved_max);
        prop_assert!(f64::from(made - begun) <= earned + 1.0 + 1e-6, "{made} of {begun}");
        let snapshot = retry.snapshot(at(now));
        prop_assert_eq!(snapshot.calls, u64::from(begun));
        prop_assert!(snapshot.retries <= snapshot.budget.unwrap().granted);
    }
}
