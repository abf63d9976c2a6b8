//! Tests of the lint: which orders are wrong, which durations contradict each other, and what is right.

use std::time::Duration;

use evenkeel_units::Ratio;
use proptest::prelude::*;

use super::*;
use crate::deadline::Limits;
use crate::{TimeLimit, breaker, bulkhead, limit, retry};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn timeout(limit: TimeLimit) -> Stage {
    Stage::Timeout { limit, time: Limits::default().of(limit) }
}

/// All patterns by their defaults, in the recommended order.
fn recommended() -> Vec<Stage> {
    vec![
        Stage::Shed,
        Stage::Fallback,
        Stage::Cache { call_max: ms(30_000) },
        timeout(TimeLimit::Total),
        Stage::Retry(retry::Policy::default()),
        Stage::Hedge { delay: ms(100) },
        Stage::Limit(limit::Policy { wait: ms(50), ..limit::Policy::default() }),
        Stage::Balance,
        Stage::Breaker(breaker::Policy::default()),
        Stage::Bulkhead(bulkhead::Policy::default()),
        timeout(TimeLimit::Attempt),
    ]
}

fn said(stages: &[Stage]) -> Vec<String> {
    lint(stages).iter().map(Finding::to_string).collect()
}

#[test]
fn nothing_is_wrong_with_the_defaults_in_the_recommended_order() {
    assert_eq!(said(&recommended()), Vec::<String>::new());
}

#[test]
fn what_must_not_stand_outside_of_a_pattern_is_told_by_name() {
    let all = recommended();
    let by_name = |name: &str| all.iter().find(|it| it.name() == name).unwrap().clone();
    for (outer, inner) in [
        ("breaker", "retry"),
        ("attempt time limit", "breaker"),
        ("retry", "total time limit"),
        ("breaker", "fallback"),
        ("breaker", "cache"),
        ("bulkhead", "retry"),
        ("cache", "fallback"),
        ("rate limit", "retry"),
        ("attempt time limit", "retry"),
        ("attempt time limit", "bulkhead"),
        ("attempt time limit", "rate limit"),
        ("balancer", "retry"),
        ("breaker", "balancer"),
        ("breaker", "rate limit"),
        ("breaker", "hedge"),
        ("balancer", "hedge"),
        ("bulkhead", "rate limit"),
        ("hedge", "retry"),
        ("retry", "cache"),
        ("retry", "fallback"),
        ("total time limit", "fallback"),
    ] {
        let found = lint(&[by_name(outer), by_name(inner)]);
        let order = found.iter().find(|it| it.problem.contains("stands outside")).unwrap();
        assert_eq!(order.severity, Severity::Error, "{order}");
        assert_eq!(order.places, [0, 1]);
        assert!(order.problem.starts_with(&format!("the {outer} stands outside of the {inner}: ")));
        assert_eq!(order.remedy, format!("put the {inner} outside of the {outer}"));
    }
}

#[test]
fn a_wait_that_is_none_takes_nobodys_time() {
    let refuses = Stage::Limit(limit::Policy::default());
    let breaker = Stage::Breaker(breaker::Policy::default());
    assert_eq!(said(&[breaker, refuses]), Vec::<String>::new());
}

#[test]
fn attempts_that_do_not_fit_are_told_with_what_would() {
    let timeout = |limit, time| Stage::Timeout { limit, time };
    let backoff = retry::Backoff::between(ms(100), ms(1_000));
    let stack = |total: u64, attempt: u64| {
        let retry = Stage::Retry(retry::Policy { backoff, ..retry::Policy::default() });
        [timeout(TimeLimit::Total, ms(total)), retry, timeout(TimeLimit::Attempt, ms(attempt))]
    };
    assert_eq!(said(&stack(3_300, 1_000)), Vec::<String>::new());
    assert_eq!(
        said(&stack(3_000, 1_000)),
        [
            "3 attempts of 1s each, with what is waited for between and before them, take up to 3.3s, and the total is 3s: the last \
          of them is cut short, or not made; lower that of an attempt to at most 900ms, raise the total to at least 3.3s, or make \
          fewer attempts"
        ]
    );
    assert_eq!(said(&stack(3_000, 900)), Vec::<String>::new());
    let cut = lint(&stack(1_000, 950));
    assert_eq!(cut[0].severity, Severity::Error);
    assert!(
        cut[0].problem.ends_with("nothing is tried again after an attempt that ran into its limit")
    );
}

#[test]
fn places_and_turns_that_are_waited_for_are_part_of_an_attempt() {
    let mut stages = recommended();
    stages[9] =
        Stage::Bulkhead(bulkhead::Policy { wait: ms(2_000), ..bulkhead::Policy::default() });
    let found = said(&stages);
    assert!(found[0].contains("take up to 33.3s, and the total is 30s"), "{found:?}");
}

#[test]
fn durations_that_never_come_are_told() {
    let slow = breaker::Slow { after: ms(9_000), ..breaker::Slow::default() };
    let window = breaker::Window::Time { buckets: 10, width: ms(100) };
    for (at, stage, wanted) in [
        (10, Stage::Timeout { limit: TimeLimit::Attempt, time: ms(31_000) }, "it is never reached"),
        (
            8,
            Stage::Breaker(breaker::Policy { slow: Some(slow), ..Default::default() }),
            "none is ever slow",
        ),
        (5, Stage::Hedge { delay: ms(9_000) }, "there never is a second call"),
        (
            9,
            Stage::Bulkhead(bulkhead::Policy { wait: ms(30_000), ..Default::default() }),
            "is over by then",
        ),
        (
            6,
            Stage::Limit(limit::Policy { wait: ms(30_000), ..Default::default() }),
            "is over by then",
        ),
        (
            8,
            Stage::Breaker(breaker::Policy { window, min_calls: 200, ..Default::default() }),
            "the rate limit keeps the breaker from opening by a share: at 100 calls a second",
        ),
    ] {
        let mut stages = recommended();
        stages[at] = stage;
        let found = lint(&stages);
        let it = found.iter().find(|it| it.problem.contains(wanted));
        assert_eq!(it.map(|it| it.severity), Some(Severity::Error), "{wanted}: {found:?}");
    }
}

#[test]
fn a_breaker_that_sees_no_call_that_hangs_is_told() {
    let stack = |total, policy| {
        lint(&[Stage::Timeout { limit: TimeLimit::Total, time: ms(total) }, Stage::Breaker(policy)])
    };
    assert_eq!(stack(2_001, breaker::Policy::default()), []);
    for found in
        [stack(2_000, breaker::Policy::default()), stack(30_000, breaker::Policy::consecutive(3))]
    {
        assert_eq!((found.len(), found[0].severity), (1, Severity::Error));
        assert!(found[0].problem.contains("the breaker does not open"), "{found:?}");
    }
}

#[test]
fn a_cache_that_ends_calls_before_their_total_is_told() {
    let mut stages = recommended();
    stages[2] = Stage::Cache { call_max: ms(29_000) };
    assert_eq!(
        said(&stages),
        [
            "a call for the cache may take 29s, and the total of 30s inside of it is not reached by any; raise `call_max` to at least 30s"
        ]
    );
}

#[test]
fn a_trial_that_outlasts_its_lease_is_told() {
    let trials = breaker::Trials { lease: ms(8_000), ..breaker::Trials::default() };
    let mut stages = recommended();
    stages[8] = Stage::Breaker(breaker::Policy { trials, ..breaker::Policy::default() });
    assert_eq!(
        said(&stages),
        [
            "a trial of the breaker may take 9.1s, and its place is given away after 8s: its outcome comes too late to count; \
          take at least 9.1s for `trials.lease`"
        ]
    );
}

#[test]
fn a_trial_waits_for_its_place_in_the_bulkhead() {
    let mut stages = recommended();
    let said = |lease: u64, stages: &mut Vec<Stage>| {
        let trials = breaker::Trials { lease: ms(lease), ..breaker::Trials::default() };
        stages[8] = Stage::Breaker(breaker::Policy { trials, ..breaker::Policy::default() });
        lint(stages).iter().filter(|it| it.problem.contains("a trial of")).count()
    };
    stages[9] = Stage::Bulkhead(bulkhead::Policy {
        wait: ms(500),
        queue: 1,
        ..bulkhead::Policy::default()
    });
    assert_eq!((said(9_499, &mut stages), said(9_500, &mut stages)), (1, 0));
}

#[test]
fn retries_at_two_heights_are_told_with_their_product() {
    let retry = Stage::Retry(retry::Policy { attempts: 4, ..retry::Policy::default() });
    let total = timeout(TimeLimit::Total);
    let found = said(&[total, retry.clone(), retry, timeout(TimeLimit::Attempt)]);
    assert!(found.contains(
        &"there are retries at two heights: 4 attempts of 4 each are 16; keep the one that is nearer to the neighbour".to_owned()
    ));
}

#[test]
fn attempts_without_an_end_are_told() {
    let retry = Stage::Retry(retry::Policy::default());
    assert!(
        said(std::slice::from_ref(&retry))[0]
            .starts_with("no time limit bounds the 3 attempts together")
    );
    assert!(
        said(&[timeout(TimeLimit::Total), retry])[0]
            .starts_with("no time limit bounds one attempt")
    );
}

fn rank(stage: &Stage) -> usize {
    recommended().iter().position(|it| it.name() == stage.name()).unwrap()
}

proptest! {
    #[test]
    fn only_what_stands_against_the_recommended_order_is_called_wrong(
        stages in Just(recommended()).prop_shuffle(),
    ) {
        for found in lint(&stages).iter().filter(|it| it.problem.contains("stands outside")) {
            let [outer, inner] = found.places[..] else { panic!("of two") };
            prop_assert!(outer < inner && rank(&stages[outer]) > rank(&stages[inner]), "{}", found);
        }
    }

    #[test]
    fn no_policy_makes_it_panic(
        total: u64, attempt: u64, wait: u64, attempts: u32, base: u64, cap: u64, factor: u32, share in 0u32..=100,
    ) {
        let jitter = retry::Jitter::PlusMinus(Ratio::percent(share));
        let backoff = retry::Backoff { base: ms(base), cap: ms(cap), factor, jitter };
        for backoff in [backoff, backoff.jitter(retry::Jitter::Decorrelated)] {
            let found = lint(&[
                Stage::Timeout { limit: TimeLimit::Total, time: ms(total) },
                Stage::Retry(retry::Policy { attempts, backoff, ..retry::Policy::default() }),
                Stage::Retry(retry::Policy { attempts, backoff, ..retry::Policy::default() }),
                Stage::Limit(limit::Policy { limit: 0, per: ms(total), burst: 0, wait: ms(wait) }),
                Stage::Breaker(breaker::Policy::default()),
                Stage::Timeout { limit: TimeLimit::Attempt, time: ms(attempt) },
            ]);
            prop_assert!(!found.is_empty());
        }
    }
}
