//! Properties: what a circuit promises whatever happens to it.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Admit,
    Report { which: usize, ok: bool },
    Release { which: usize },
    Abandon { which: usize },
    Lose { which: usize },
    Reload { permits: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0u64..8).prop_map(Step::Wait),
        Just(Step::Admit),
        Just(Step::Admit),
        (0usize..8, any::<bool>()).prop_map(|(which, ok)| Step::Report { which, ok }),
        (0usize..8).prop_map(|which| Step::Release { which }),
        (0usize..8).prop_map(|which| Step::Abandon { which }),
        (0usize..8).prop_map(|which| Step::Lose { which }),
        (1u32..4).prop_map(|permits| Step::Reload { permits }),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #[test]
    fn it_never_rejects_longer_than_a_wait_or_a_lease_whatever_was_lost(
        steps in steps(), permits in 1u32..4, shares: bool,
    ) {
        let (wait, lease) = (Duration::from_secs(10), Duration::from_secs(5));
        let policy = |permits| {
            let min_calls = Policy { min_calls: 3, ..Policy::default() };
            let policy = if shares { min_calls } else { simple() };
            policy.wait(Wait::fixed(wait)).trials(Trials { permits, lease, max_wait: None })
        };
        let breaker = breaker(policy(permits));
        let mut most = permits;
        let mut now = Moment::START;
        let mut tickets = Vec::new();
        for step in steps {
            match step {
                Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                Step::Admit => match breaker.admit(now) {
                    Ok(ticket) => tickets.push(ticket),
                    Err(rejected) => {
                        let until = rejected.until.unwrap();
                        prop_assert!(until >= now && until - now <= wait.max(lease));
                    }
                },
                Step::Report { which, ok } if which < tickets.len() => {
                    breaker.record(now, tickets.swap_remove(which), Outcome::from_ok(ok));
                }
                Step::Release { which } if which < tickets.len() => {
                    breaker.release(tickets.swap_remove(which));
                }
                Step::Abandon { which } if which < tickets.len() => {
                    breaker.abandon(now, tickets.swap_remove(which));
                }
                Step::Lose { which } if which < tickets.len() => {
                    drop(tickets.swap_remove(which));
                }
                Step::Reload { permits } => {
                    breaker.reload(now, policy(permits)).unwrap();
                    most = permits;
                }
                _ => {}
            }
            let seen = breaker.snapshot(now);
            // Fewer permits than trials that were admitted before take none of these back.
            prop_assert!(seen.permits == 0 || seen.state != State::HalfOpen
                || seen.trials + u32::from(seen.permits) + seen.counts.total <= most);
        }
        // Whatever was lost on the way: calls are admitted again, at the latest when they hang no more.
        now = now + wait + lease + Duration::from_nanos(1);
        prop_assert!(breaker.admit(now).is_ok() || breaker.admit(now + wait + Duration::from_nanos(1)).is_ok());
    }

    #[test]
    fn half_open_admits_as_many_trials_as_it_has_permits(permits in 1u32..6, calls in 1usize..20) {
        let breaker = opened(simple().trials(trials(permits)));
        let admitted: Vec<_> = (0..calls).filter_map(|_| breaker.admit(at(12)).ok()).collect();
        prop_assert_eq!(admitted.len(), calls.min(permits as usize));
    }

    /// Calls begin and end at random; what is overdue is what a list of them says, but for a quarter of the limit.
    #[test]
    fn overdue_calls_are_those_that_run_too_long(
        steps in prop::collection::vec((0u64..900, any::<bool>(), 0usize..8), 1..200),
    ) {
        let policy = Policy { consecutive: Some(u32::MAX), failures: None, ..slow_policy() };
        let policy = Policy { min_calls: 100, ..policy };
        let breaker = breaker(policy);
        let mut now = Moment::START;
        let mut running: Vec<Ticket> = Vec::new();
        for (millis, begins, which) in steps {
            now = now + Duration::from_millis(millis);
            if begins && running.len() < 40 {
                running.push(breaker.admit(now).unwrap());
            } else if which < running.len() {
                breaker.release(running.swap_remove(which));
            }
            let older = |than: u64| {
                running.iter().filter(|it| it.took(now) > Duration::from_millis(than)).count()
            };
            let found = breaker.snapshot(now).overdue as usize;
            prop_assert!((older(2_500)..=older(2_000)).contains(&found), "{}", found);
        }
    }
}
