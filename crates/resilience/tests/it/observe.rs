//! Observe: what is scraped, as Prometheus' own tool reads it, and what is told, to whom.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_resilience::balance::{self, Balancer};
use evenkeel_resilience::breaker::{Breaker, Policy};
use evenkeel_resilience::idempotency::{self, Store};
use evenkeel_resilience::observe::{Events, Format, Registry};
use evenkeel_resilience::{
    Adaptive, Bulkhead, Deadlines, Error, Failover, Fallback, Hedge, Limiter, Retry, Shed,
    StaleCache, TimeLimit, adaptive, bulkhead, deadline, failover, hedge, limit, retry, shed,
    stale_cache, time,
};

fn registry() -> Registry {
    let all = Registry::new();
    all.add("a \"b\" \\ \n", Breaker::try_new(Policy::default()).unwrap()).unwrap();
    all.add("a", Bulkhead::try_new(bulkhead::Policy::default()).unwrap()).unwrap();
    all.add("b", Adaptive::try_new(adaptive::Policy::default()).unwrap()).unwrap();
    all.add("a", Limiter::try_new(limit::Policy::default()).unwrap()).unwrap();
    all.add("a", limit::keyed::Limiter::<u8>::try_new(limit::Policy::default(), 9).unwrap())
        .unwrap();
    all.add("a", Shed::try_new(shed::Policy::default()).unwrap()).unwrap();
    all.add("a", Retry::try_new(retry::Policy::default()).unwrap()).unwrap();
    all.add("a", Deadlines::try_new(deadline::Limits::default()).unwrap()).unwrap();
    all.add("a", Hedge::try_new(hedge::Policy::default()).unwrap()).unwrap();
    all.add("a", Fallback::default()).unwrap();
    let balancer = Balancer::try_new(balance::Policy::default()).unwrap();
    balancer.insert(time::now(), balance::Member::new("10.0.0.7:80", 7)).unwrap();
    all.add("a", balancer).unwrap();
    all.add("a", StaleCache::<u8, u8>::try_new(stale_cache::Policy::default()).unwrap()).unwrap();
    all.add("a", Store::<u8, u8, u8>::try_new(idempotency::Policy::default()).unwrap()).unwrap();
    let members = [("one", 1), ("two", 2)];
    all.add("a", Failover::active_passive(members, failover::Policy::default()).unwrap()).unwrap();
    all
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_names_types_and_text() {
    let text = registry().text(time::now(), Format::Prometheus);
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed by `cargo xtask test`");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let complaints = [said.stdout, said.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&complaints), "");
    assert!(said.status.success());
}

#[tokio::test(start_paused = true)]
async fn each_pattern_tells_what_happens_under_the_name_of_its_machine() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let events = Events::new({
        let log = Arc::clone(&log);
        move |name, event| log.lock().unwrap().push(format!("{} {name}: {event}", event.pattern()))
    });
    let breaker = Breaker::try_new(Policy::consecutive(1)).unwrap().listener(events.of("b"));
    let retry = retry::Policy {
        attempts: 2,
        backoff: retry::Backoff::default().jitter(retry::Jitter::None),
        ..Default::default()
    };
    let retry = Retry::try_new(retry).unwrap().listener(events.of("r"));
    let deadlines =
        Deadlines::try_new(deadline::Limits::default()).unwrap().listener(events.of("d"));
    let fallback = Fallback::default().listener(events.of("f"));
    let limiter = Limiter::try_new(limit::Policy { burst: 1, ..limit::Policy::per_second(2) });
    let limiter = limiter.unwrap().listener(events.of("l"));
    let policy = limit::Policy { burst: 1, ..limit::Policy::per_second(2) };
    let keyed = limit::keyed::Limiter::<u8>::try_new(policy, 9).unwrap().listener(events.of("t"));
    let wait = Duration::from_millis(5);
    let bulkhead = Bulkhead::try_new(bulkhead::Policy { limit: 1, queue: 1, wait });
    let bulkhead = bulkhead.unwrap().listener(events.of("k"));

    let hangs = deadlines.call(TimeLimit::Attempt, std::future::pending::<Result<(), Error<()>>>);
    assert!(hangs.await.is_err());
    let attempts = || retry.call(|| breaker.call(|| async { Err::<(), _>(Error::Inner(())) }));
    let answer = fallback.call(async || attempts().await, async |_| Ok(()));
    assert_eq!(answer.await, Ok(()));
    assert!(limiter.try_take(time::now()).is_ok() && limiter.try_take(time::now()).is_err());
    let of_seven = || keyed.call(&7, || async { Ok::<_, Error<()>>(()) });
    assert!(of_seven().await.is_ok() && of_seven().await.is_err());
    let held = bulkhead.enter().await.unwrap();
    assert!(bulkhead.enter().await.is_err());
    drop(held);
    assert_eq!(
        *log.lock().unwrap(),
        [
            "time_limit d: no answer within the time limit of an attempt",
            "circuit_breaker b: open after closed: a call failed",
            "retry r: attempt 2 follows in 50ms",
            "retry r: gave up after 2 attempts: it would fail again",
            "fallback f: the second way answered",
            "rate_limiter l: too many calls: the next may come in 500ms",
            "keyed_rate_limiter t: too many calls of \"7\": the next may come in 500ms",
            "bulkhead k: waited in vain for a place among the calls under way",
        ]
    );
}
