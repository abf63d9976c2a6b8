//! Policies, tests: what a file says, what contradicts itself in it, and what a reload keeps.

use std::time::Duration;

use super::*;

fn all() -> Policies {
    Policies {
        deadlines: Some(Limits::default()),
        shed: Some(shed::Policy::default()),
        retry: Some(retry::Policy::default()),
        hedge: Some(hedge::Policy::default()),
        limit: Some(limit::Policy::default()),
        breaker: Some(breaker::Policy::default()),
        bulkhead: Some(bulkhead::Policy::default()),
        adaptive: None,
    }
}

#[test]
fn the_defaults_of_all_patterns_go_together() {
    assert_eq!(all().check(), Ok(()));
    let errors: Vec<_> = all()
        .lint()
        .into_iter()
        .filter(|(_, it)| it.severity == crate::pipeline::Severity::Error)
        .collect();
    assert_eq!(errors, []);
}

#[test]
fn all_patterns_that_contradict_themselves_are_told_in_one_run() {
    let policies = Policies {
        retry: Some(retry::Policy { attempts: 0, ..retry::Policy::default() }),
        bulkhead: Some(bulkhead::Policy::at_once(0)),
        adaptive: Some(adaptive::Policy { min: 0, ..adaptive::Policy::default() }),
        ..all()
    };
    let wrong = policies.check().unwrap_err();
    let patterns: Vec<_> = wrong.0.iter().map(|it| it.pattern).collect();
    assert_eq!(patterns, ["adaptive", "retry", "bulkhead", "adaptive"]);
    let said = wrong.to_string();
    assert!(said.lines().nth(1).unwrap().starts_with("retry: `attempts` is 0"), "{said}");
}

#[test]
fn durations_that_contradict_each_other_are_told_with_their_pattern() {
    let wait = Duration::from_secs(40);
    let bulkhead = bulkhead::Policy { wait, ..bulkhead::Policy::default() };
    let found = Policies { bulkhead: Some(bulkhead), ..all() }.lint();
    assert!(found.iter().any(|(pattern, _)| *pattern == "bulkhead"), "{found:?}");
}

#[test]
fn a_reload_keeps_what_is_known_and_refuses_other_patterns() {
    let machines = all().build().unwrap();
    let now = Moment::at(Duration::from_secs(1));
    let breaker = machines.breaker.clone().unwrap();
    let ticket = breaker.admit(now).unwrap();
    breaker.record(now, ticket, breaker::Outcome::Failure);
    let limit = limit::Policy::per_second(7);
    assert_eq!(machines.reload(now, &Policies { limit: Some(limit), ..all() }), Ok(()));
    assert_eq!(breaker.snapshot(now).failed_total, 1);
    assert_eq!(machines.limit.as_ref().unwrap().snapshot(now).available, 7);

    let fewer = Policies {
        hedge: None,
        retry: Some(retry::Policy { attempts: 9, ..retry::Policy::default() }),
        ..all()
    };
    let wrong = machines.reload(now, &fewer).unwrap_err();
    assert_eq!(wrong.0.iter().map(|it| it.pattern).collect::<Vec<_>>(), ["hedge"]);
    assert_eq!(machines.retry.as_ref().unwrap().policy().attempts, 3, "nothing has changed");
}

#[test]
fn all_machines_of_a_neighbour_are_scraped_by_its_name_or_none() {
    let machines = all().build().unwrap();
    let registry = Registry::new();
    let other = Arc::new(Breaker::try_new(breaker::Policy::default()).unwrap());
    registry.add("stock", other).unwrap();
    let taken = machines.register(&registry, "stock").unwrap_err();
    assert_eq!((taken.pattern, registry.remove("stock")), ("circuit_breaker", 1));

    machines.register(&registry, "prices").unwrap();
    assert_eq!(registry.remove("prices"), 7);
}

#[cfg(feature = "serde")]
#[test]
fn a_file_says_what_differs_from_the_defaults() {
    let policies: Policies = serde_json::from_value(serde_json::json!({
        "timeouts": {"total": "2s", "attempt": "500ms", "connect": "100ms", "read": "500ms"},
        "retry": {"max_retries": 3, "base_delay": 1.0, "max_delay": 60, "jitter": true},
        "hedge": {"delay": {"percentile": {"share": "99%"}}, "on_failure": "next"},
        "circuit_breaker": {"failure_threshold": 3, "recovery_timeout": 30},
        "bulkhead": {"max_concurrent": 10, "queue_size": 50},
        "rate_limit": {"limit": 50, "per": "1m"},
        "shed": {},
    }))
    .unwrap();
    assert_eq!(policies.check(), Ok(()));
    assert_eq!(policies.retry.unwrap().attempts, 4);
    assert_eq!(policies.bulkhead.unwrap().queue, 50);
    assert_eq!(policies.breaker.unwrap().consecutive, Some(3));
    assert_eq!(policies.shed, Some(shed::Policy::default()));
    let aimd = serde_json::json!({"adaptive": {"algorithm": {"aimd": {"latency_max": "1s"}}}});
    let policies: Policies = serde_json::from_value(aimd).unwrap();
    assert_eq!(policies.adaptive, Some(adaptive::Policy::aimd(Duration::from_secs(1))));
}

#[cfg(feature = "serde")]
#[test]
fn balancers_failovers_watches_and_caches_are_read_from_files_as_well() {
    use crate::{balance, failover, stale_cache, watch};
    let json = serde_json::json!({
        "strategy": {"peak_ewma": {"decay": "5s"}}, "panic": "30%",
        "outliers": {"failure_share": {"share": "90%"}, "success_rate": null},
        "slow_start": {"window": "30s"},
    });
    let policy: balance::Policy = serde_json::from_value(json).unwrap();
    let decay = Duration::from_secs(5);
    let ewma = balance::PeakEwma { decay, ..balance::PeakEwma::default() };
    assert_eq!(policy.strategy, balance::Strategy::PeakEwma(ewma));
    assert_eq!(policy.slow_start, Some(balance::SlowStart::over(Duration::from_secs(30))));
    let json = serde_json::json!({"strategy": "round_robin"});
    let policy: balance::Policy = serde_json::from_value(json).unwrap();
    assert_eq!(policy, balance::Policy::of(balance::Strategy::RoundRobin));

    let json = serde_json::json!({"failback": {"automatic": {"after": "1m"}}});
    let policy: failover::Policy = serde_json::from_value(json).unwrap();
    assert_eq!(policy.failback, failover::Failback::Automatic { after: Duration::from_mins(1) });
    let json = serde_json::json!({"failback": "manual", "hold": "1s"});
    assert!(serde_json::from_value::<failover::Policy>(json).is_ok());
    let watch: watch::Policy =
        serde_json::from_value(serde_json::json!({"interval": "10s"})).unwrap();
    assert_eq!((watch.interval.as_secs(), watch.unhealthy_threshold), (10, 3));
    let cache: stale_cache::Policy =
        serde_json::from_value(serde_json::json!({"ttl": "1m", "capacity": 10})).unwrap();
    assert_eq!((cache.ttl.as_secs(), cache.capacity), (60, 10));
    let wrong = serde_json::json!({"tlt": "1m"});
    assert!(serde_json::from_value::<stale_cache::Policy>(wrong).is_err());
}

#[test]
fn a_hedge_whose_delay_is_learned_may_come_within_a_short_attempt() {
    let deadlines = Some(Limits::uniform(Duration::from_millis(200)));
    let hedge = Some(hedge::Policy::default());
    assert_eq!(Policies { deadlines, hedge, ..Policies::default() }.lint(), []);
    let hedge = Some(hedge::Policy::after(Duration::from_millis(200)));
    assert_eq!(Policies { deadlines, hedge, ..Policies::default() }.lint()[0].0, "hedge");
}
