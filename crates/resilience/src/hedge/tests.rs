//! Tests of the machine of hedges.

use super::*;
use proptest::prelude::*;

use crate::retry::{BudgetPolicy, TRANSIENT};

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn millis(of: u64) -> Duration {
    Duration::from_millis(of)
}

/// After 50 ms, three attempts, as many as are asked for.
fn policy() -> Policy {
    let budget = BudgetPolicy { share: Ratio::ONE, floor_per_second: 100, saved_max: 1000 };
    Policy { attempts: 3, budget, ..Policy::after(millis(50)) }
}

fn hedge(policy: Policy) -> Hedge {
    Hedge::try_new(policy).unwrap()
}

/// By the 90th percentile of ten latencies at least.
fn learning() -> Hedge {
    let percentile =
        Percentile { share: Ratio::percent(90), samples_min: 10, ..Percentile::default() };
    hedge(Policy { delay: Delay::Percentile(percentile), ..policy() })
}

/// A call that takes so long.
fn took(hedge: &Hedge, now: Moment, latency: u64) {
    let mut course = hedge.begin(now, Idempotency::Safe);
    assert!(hedge.ended(now + millis(latency), &mut course, 0, Verdict::Success));
}

#[test]
fn each_attempt_is_waited_for_before_the_next_is_due_and_there_is_a_last_one() {
    let hedge = hedge(policy());
    let mut course = hedge.begin(at(0), Idempotency::Safe);
    assert_eq!(course.next(), Some(at(50)));
    assert!(hedge.start(at(50), &mut course));
    assert_eq!(course.next(), Some(at(100)));
    assert!(hedge.start(at(100), &mut course));
    assert_eq!((course.next(), course.begun()), (None, 3));
    assert!(hedge.ended(at(110), &mut course, 2, Verdict::Success));
    let snapshot = hedge.snapshot(at(110));
    assert_eq!((snapshot.calls, snapshot.hedges, snapshot.won), (1, 2, 1));
}

#[test]
fn what_must_not_happen_twice_is_never_hedged() {
    let hedge = hedge(Policy { on_failure: OnFailure::Next, ..policy() });
    for idempotency in [Idempotency::Unsafe, Idempotency::Keyed] {
        let mut course = hedge.begin(at(0), idempotency);
        assert_eq!(course.next(), None);
        assert!(hedge.ended(at(1), &mut course, 0, TRANSIENT), "its error stands");
    }
}

#[test]
fn over_budget_the_first_is_waited_for_and_that_is_no_error() {
    let budget = BudgetPolicy { share: Ratio::ZERO, floor_per_second: 1, saved_max: 1 };
    let hedge = hedge(Policy { budget, ..policy() });
    let mut course = hedge.begin(at(0), Idempotency::Safe);
    assert!(hedge.start(at(50), &mut course));
    assert!(!hedge.start(at(100), &mut course));
    assert!(!course.is_over(), "two are under way");
    assert_eq!(course.next(), None);
    assert_eq!(hedge.snapshot(at(100)).over_budget, 1);
}

#[test]
fn a_fast_failure_stands_or_starts_the_next_at_once_as_the_policy_says() {
    let stands = hedge(policy());
    let mut course = stands.begin(at(0), Idempotency::Safe);
    assert!(stands.ended(at(1), &mut course, 0, TRANSIENT));

    let next = hedge(Policy { on_failure: OnFailure::Next, ..policy() });
    let mut course = next.begin(at(0), Idempotency::Safe);
    assert!(!next.ended(at(1), &mut course, 0, TRANSIENT));
    assert_eq!(course.next(), Some(at(1)));
    assert!(next.start(at(1), &mut course));
    assert!(next.ended(at(2), &mut course, 1, Verdict::Permanent), "a fatal error ends it");
}

#[test]
fn who_asks_to_be_left_alone_is_not_asked_at_once() {
    let hedge = hedge(Policy { on_failure: OnFailure::Next, ..policy() });
    let mut course = hedge.begin(at(0), Idempotency::Safe);
    let later = Verdict::Transient { retry_after: Some(millis(1)) };
    assert!(hedge.ended(at(1), &mut course, 0, later));
}

#[test]
fn a_failure_waits_for_what_is_under_way() {
    let hedge = hedge(policy());
    let mut course = hedge.begin(at(0), Idempotency::Safe);
    assert!(hedge.start(at(50), &mut course));
    assert!(!hedge.ended(at(60), &mut course, 0, TRANSIENT));
    assert!(hedge.ended(at(70), &mut course, 1, Verdict::Success));
}

#[test]
fn the_delay_is_the_longest_one_until_enough_is_known() {
    let hedge = learning();
    for second in 1..10 {
        took(&hedge, at(second * 1000), 20);
    }
    assert_eq!(hedge.begin(at(10_000), Idempotency::Safe).delay, Percentile::default().most);
    took(&hedge, at(10_000), 20);
    let delay = hedge.begin(at(11_000), Idempotency::Safe).delay;
    assert!((millis(20)..millis(22)).contains(&delay), "{delay:?}");
}

#[test]
fn slow_calls_that_are_dropped_keep_the_delay_from_shrinking() {
    let hedge = learning();
    // One call in five is slow, and a hedge answers it after 30 ms.
    for n in 0..1000u64 {
        let now = at(1000 + n * 10);
        let mut course = hedge.begin(now, Idempotency::Safe);
        if n % 5 > 0 {
            assert!(hedge.ended(now + millis(20), &mut course, 0, Verdict::Success));
        } else {
            let due = course.next().unwrap();
            assert!(hedge.start(due, &mut course));
            assert!(hedge.ended(due + millis(10), &mut course, 1, Verdict::Success));
        }
    }
    let delay = hedge.snapshot(at(11_000)).delay;
    assert!(delay >= millis(30), "the 90th percentile is among the slow ones: {delay:?}");
    assert_eq!(hedge.snapshot(at(11_000)).samples, 1000);
}

#[test]
fn impatience_and_fast_failures_say_nothing_of_latency() {
    let hedge = learning();
    for _ in 0..20 {
        let mut course = hedge.begin(at(1000), Idempotency::Safe);
        hedge.abandoned(at(1001), &mut course);
        let mut course = hedge.begin(at(1000), Idempotency::Safe);
        assert!(hedge.ended(at(1001), &mut course, 0, TRANSIENT));
    }
    assert_eq!(hedge.snapshot(at(1001)).samples, 0);
    let mut course = hedge.begin(at(1000), Idempotency::Safe);
    hedge.abandoned(at(5000), &mut course);
    assert_eq!(hedge.snapshot(at(5000)).samples, 1);
}

#[test]
fn another_policy_keeps_what_is_known() {
    let hedge = learning();
    (0..20).for_each(|_| took(&hedge, at(1000), 20));
    let budget = BudgetPolicy { saved_max: 7, ..policy().budget };
    hedge.reload(at(1100), Policy { budget, ..policy() }).unwrap();
    assert_eq!(hedge.snapshot(at(1100)).budget.saved_max, 7);
    assert_eq!(hedge.begin(at(1200), Idempotency::Safe).delay, millis(50));
    assert!(hedge.reload(at(1300), Policy { attempts: 0, ..policy() }).is_err());
    let again = Delay::Percentile(Percentile { samples_min: 20, ..Percentile::default() });
    hedge.reload(at(1400), Policy { delay: again, ..policy() }).unwrap();
    assert!(hedge.begin(at(1500), Idempotency::Safe).delay < millis(22));
}

#[test]
fn a_policy_that_contradicts_itself_is_refused_with_the_remedy() {
    let delay = |it| Policy { delay: Delay::Percentile(it), ..Policy::default() };
    let percentile = Percentile::default();
    let wrong = [
        Policy { attempts: 0, ..Policy::default() },
        Policy { attempts: 4, ..Policy::default() },
        Policy::after(Duration::ZERO),
        delay(Percentile { share: Ratio::ONE, ..percentile }),
        delay(Percentile { share: Ratio::ZERO, ..percentile }),
        delay(Percentile { window: millis(999), ..percentile }),
        delay(Percentile { samples_min: 0, ..percentile }),
        delay(Percentile { most: millis(1), least: millis(2), ..percentile }),
        Policy {
            budget: BudgetPolicy { saved_max: 0, ..Policy::default().budget },
            ..Policy::default()
        },
    ];
    for policy in wrong {
        let error = policy.check().unwrap_err().to_string();
        assert!(error.contains("write") || error.contains("raise"), "{error}");
    }
    assert_eq!(Policy::default().check(), Ok(()));
}

#[test]
fn the_listener_hears_of_hedges() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let hedge = hedge(policy()).listener(Arc::new(move |it| ear.lock().unwrap().push(*it)));
    let mut course = hedge.begin(at(0), Idempotency::Safe);
    assert!(hedge.start(at(50), &mut course));
    assert!(hedge.ended(at(60), &mut course, 1, Verdict::Success));
    let hedged = Event::Hedged { at: at(50), after: millis(50), begun: 2 };
    assert_eq!(*heard.lock().unwrap(), [hedged, Event::Won { at: at(60), after: millis(60) }]);
}

proptest! {
    #[test]
    fn hedges_stay_within_attempts_and_budget(
        attempts in 1u32..=ATTEMPTS_MAX, percent in 0u32..=50, next in any::<bool>(),
        calls in prop::collection::vec(prop::collection::vec(0u8..4, 0..8), 1..200),
    ) {
        let budget = BudgetPolicy {
            share: Ratio::percent(percent), floor_per_second: 0, saved_max: 10,
        };
        let on_failure = if next { OnFailure::Next } else { OnFailure::Stand };
        let hedge = hedge(Policy { attempts, on_failure, budget, ..policy() });
        let count = calls.len() as f64;
        for (number, script) in calls.into_iter().enumerate() {
            let mut now = at(number as u64 * 1000);
            let mut course = hedge.begin(now, Idempotency::Safe);
            let mut open = vec![0];
            for what in script {
                match course.next() {
                    Some(due) if what == 0 || open.is_empty() => {
                        now = now.max(due);
                        if hedge.start(now, &mut course) {
                            open.push(course.begun() - 1);
                        } else if course.is_over() {
                            break;
                        }
                    }
                    _ => {
                        let Some(ends) = open.pop() else { break };
                        let verdict = [TRANSIENT, Verdict::Success][usize::from(what == 1)];
                        now = now + millis(1);
                        if hedge.ended(now, &mut course, ends, verdict) {
                            break;
                        }
                        prop_assert!(!course.is_over());
                    }
                }
                prop_assert!(course.begun() <= attempts);
                prop_assert_eq!(course.under_way as usize, open.len());
            }
        }
        let snapshot = hedge.snapshot(at(0));
        prop_assert!(snapshot.hedges as f64 <= f64::from(percent) / 100.0 * count + 1e-6);
        prop_assert!(snapshot.won <= snapshot.hedges);
    }
}
