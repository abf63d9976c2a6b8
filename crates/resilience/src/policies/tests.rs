//! Tests of policies as they stand in files, and of the machines that follow them.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::Moment;

use super::*;
use crate::observe::{Events, Format, Registry};
use crate::{Balancer, Breaker, Failover, StaleCache};

fn at(second: u64) -> Moment {
    Moment::at(Duration::from_secs(second))
}

/// Those whose machines know no types of the program's own.
fn common() -> Policies {
    Policies {
        deadlines: Some(Limits::default()),
        shed: Some(shed::Policy::default()),
        retry: Some(retry::Policy::default()),
        hedge: Some(hedge::Policy::default()),
        limit: Some(limit::Policy::default()),
        breaker: Some(breaker::Policy::default()),
        bulkhead: Some(bulkhead::Policy::default()),
        ..Policies::default()
    }
}

fn all() -> Policies {
    Policies {
        cache: Some(stale_cache::Policy::default()),
        failover: Some(failover::Policy::default()),
        balancer: Some(balance::Policy::default()),
        ..common()
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
    let wrong = policies.check().unwrap_err().0;
    let patterns: Vec<_> = wrong.iter().map(|it| it.pattern).collect();
    assert_eq!(patterns, ["adaptive", "retry", "bulkhead", "adaptive"]);
    assert!(wrong[1].to_string().starts_with("retry: `attempts` is 0"), "{}", wrong[1]);
}

#[test]
fn durations_that_contradict_each_other_are_told_with_their_pattern() {
    let wait = Duration::from_secs(40);
    let bulkhead = bulkhead::Policy { wait, ..bulkhead::Policy::default() };
    let found = Policies { bulkhead: Some(bulkhead), ..all() }.lint();
    assert!(found.iter().any(|(pattern, _)| *pattern == "bulkhead"), "{found:?}");
}

#[test]
fn a_hedge_by_percentile_comes_in_time_if_its_shortest_delay_does() {
    let second = Duration::from_secs(1);
    let within =
        Limits { total: second, attempt: second / 2, connect: second / 2, read: second / 2 };
    let hedge = |least| {
        let percentile = hedge::Percentile { least, ..hedge::Percentile::default() };
        let delay = hedge::Delay::Percentile(percentile);
        let hedge = Some(hedge::Policy { delay, ..hedge::Policy::default() });
        let policies = Policies { deadlines: Some(within), hedge, ..Policies::default() };
        policies.lint().iter().map(|(pattern, it)| (*pattern, it.severity)).collect::<Vec<_>>()
    };
    assert_eq!(hedge(Duration::from_millis(1)), [], "although it may wait for 1s at the most");
    assert_eq!(hedge(second / 2), [("hedge", crate::pipeline::Severity::Error)]);
}

#[test]
fn a_reload_keeps_what_is_known_and_refuses_other_patterns() {
    let machines = common().build().unwrap();
    let now = at(1);
    let breaker = machines.breaker.clone().unwrap();
    let ticket = breaker.admit(now).unwrap();
    breaker.record(now, ticket, breaker::Outcome::Failure);
    let limit = limit::Policy::per_second(7);
    assert_eq!(machines.reload(now, &Policies { limit: Some(limit), ..common() }), Ok(()));
    assert_eq!(breaker.snapshot(now).failed_total, 1);
    assert_eq!(machines.limit.as_ref().unwrap().snapshot(now).available, 7);

    let fewer = Policies {
        hedge: None,
        retry: Some(retry::Policy { attempts: 9, ..retry::Policy::default() }),
        ..common()
    };
    let wrong = machines.reload(now, &fewer).unwrap_err().0;
    assert_eq!(wrong.iter().map(|it| it.pattern).collect::<Vec<_>>(), ["hedge"]);
    assert_eq!(machines.retry.as_ref().unwrap().policy().attempts, 3, "nothing has changed");
}

#[test]
fn what_is_of_the_programs_own_types_goes_on_by_the_same_file() {
    let policies = all();
    let mut machines = policies.build().unwrap();
    let missing = machines.reload(at(1), &policies).unwrap_err().0;
    let patterns: Vec<_> = missing.iter().map(|it| it.pattern).collect();
    assert_eq!(patterns, ["balancer", "cache", "failover"], "nothing follows these yet");

    let cache: Arc<StaleCache<u32, u32>> =
        Arc::new(StaleCache::try_new(policies.cache.clone().unwrap()).unwrap());
    let pair =
        Failover::active_passive([("one", 1), ("two", 2)], policies.failover.clone().unwrap());
    let pair = Arc::new(pair.unwrap());
    let balancer: Arc<Balancer<u32>> =
        Arc::new(Balancer::try_new(policies.balancer.clone().unwrap()).unwrap());
    let idle = Duration::from_mins(10);
    let circuits = breaker::Registry::try_new(policies.breaker.clone().unwrap(), 9, idle).unwrap();
    let circuits = Arc::new(circuits);
    let circuit = circuits.get(at(1), &7);
    machines.follow(Arc::clone(&cache));
    machines.follow(Arc::clone(&pair));
    machines.follow(Arc::clone(&balancer));
    machines.follow(Arc::clone(&circuits));
    cache.insert(at(1), 1, 10);
    for second in 0..3 {
        pair.probed(at(second), 0, false);
    }
    assert_eq!(&*pair.snapshot().active, "two");

    let other = Policies {
        cache: Some(stale_cache::Policy { ttl: Duration::from_hours(1), ..Default::default() }),
        failover: Some(failover::Policy {
            failback: failover::Failback::Automatic { after: Duration::from_secs(9) },
            ..Default::default()
        }),
        balancer: Some(balance::Policy::of(balance::Strategy::RoundRobin)),
        breaker: Some(breaker::Policy::consecutive(7)),
        ..all()
    };
    assert_eq!(machines.reload(at(2), &other), Ok(()));
    assert_eq!(
        cache.look(at(3_000), &1),
        stale_cache::Lookup::Fresh(10),
        "kept, and fresh for longer"
    );
    assert_eq!(&*pair.snapshot().active, "two");
    let said = pair.explain(at(2)).to_string();
    assert!(said.ends_with("goes back to one when that was healthy for 9s"), "{said}");
    assert_eq!(balancer.policy().strategy, balance::Strategy::RoundRobin);
    assert_eq!(circuit.policy().consecutive, Some(7));

    let without = machines.reload(at(2), &Policies { cache: None, ..other }).unwrap_err().0;
    assert_eq!(
        without[0].to_string(),
        "cache: it is at work, and cannot be taken away while calls go on: restart"
    );
}

#[test]
fn machines_from_a_file_tell_events_and_show_their_numbers_by_name() {
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let events = Events::new({
        let told = Arc::clone(&told);
        move |name, event| told.lock().unwrap().push(format!("{name} {}", event.pattern()))
    });
    let machines = common().build_with("prices", &events).unwrap();
    machines.breaker.as_ref().unwrap().force_open(at(1));
    assert_eq!(*told.lock().unwrap(), ["prices circuit_breaker"]);

    let registry = Registry::new();
    machines.register(&registry, "prices").unwrap();
    let text = registry.text(at(1), Format::Prometheus);
    for pattern in [
        "circuit_breaker",
        "bulkhead",
        "rate_limiter",
        "load_shedder",
        "retry",
        "time_limit",
        "hedge",
    ] {
        assert!(text.contains(&format!("# TYPE resilience_{pattern}_")), "{pattern}");
    }
    assert!(machines.register(&registry, "prices").is_err());
}

#[test]
fn a_cache_that_gives_up_before_the_total_is_told_at_the_cache() {
    let cache = stale_cache::Policy { call_max: Duration::from_secs(1), ..Default::default() };
    let found = Policies { cache: Some(cache), ..all() }.lint();
    assert_eq!(found.iter().map(|it| it.0).collect::<Vec<_>>(), ["cache"], "{found:?}");
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
        "stale_cache": {"ttl": 300, "stale_ttl": "1h"},
        "failover": {"automatic": true, "failback": "manual"},
        "balancer": {"strategy": "round_robin"},
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
    use crate::watch;
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

#[test]
fn a_hedge_whose_delay_is_learned_may_come_within_a_short_attempt() {
    let deadlines = Some(Limits::uniform(Duration::from_millis(200)));
    let hedge = Some(hedge::Policy::default());
    assert_eq!(Policies { deadlines, hedge, ..Policies::default() }.lint(), []);
    let hedge = Some(hedge::Policy::after(Duration::from_millis(200)));
    assert_eq!(Policies { deadlines, hedge, ..Policies::default() }.lint()[0].0, "hedge");
}
