//! Background: what is asked when, and what is said meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use evenkeel_health::{BuildError, Finding, Health, Policy, Question, Status};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// A dependency that can be told to be away, and counts who asks.
#[derive(Default)]
struct Dependency {
    is_away: AtomicBool,
    asked: AtomicU32,
}

impl Dependency {
    fn ask(&self) -> Result<(), &'static str> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.is_away.load(Ordering::Relaxed) { Err("connection refused") } else { Ok(()) }
    }
}

fn with(policy: Policy) -> (Arc<Dependency>, Health) {
    let dependency = Arc::new(Dependency::default());
    let asked = Arc::clone(&dependency);
    let check = move || std::future::ready(asked.ask());
    (dependency, Health::builder().check("database", policy, check).start().unwrap())
}

fn get(health: &Health, path: &str) -> (u16, serde_json::Value) {
    let (path, query) = path.split_once('?').map_or((path, None), |it| (it.0, Some(it.1)));
    let question = Question { query, peer: Some([127, 0, 0, 1].into()), ..Question::get(path) };
    let reply = health.answer(&question).unwrap();
    (reply.status, serde_json::from_str(&reply.body).unwrap())
}

#[tokio::test(start_paused = true)]
async fn nothing_is_assumed_before_the_first_answer() {
    let (_, health) = with(Policy::critical());
    assert_eq!(health.status("database"), Some(Status::Unknown));
    let (code, said) = get(&health, "/health/ready");
    assert_eq!((code, said["reason"].as_str()), (503, Some("starting")));
    assert_eq!(get(&health, "/health/live").0, 200);
    health.ready().await;
    assert!(health.is_ready() && health.has_started());
    assert_eq!(health.status("database"), Some(Status::Pass));
    assert_eq!(health.status("cache"), None);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_seen_within_the_bound_of_the_policy_and_its_end_too() {
    let (dependency, health) = with(Policy::critical());
    health.ready().await;
    let mut ready = health.watch();
    dependency.is_away.store(true, Ordering::Relaxed);
    let bound = Policy::critical().detects_within();
    tokio::time::timeout(bound, ready.wait_for(|it| !it)).await.unwrap().unwrap();
    let (code, said) = get(&health, "/health");
    assert_eq!((code, said["status"].as_str()), (503, Some("unhealthy")));
    assert_eq!(said["checks"]["database"]["detail"], "connection refused");
    dependency.is_away.store(false, Ordering::Relaxed);
    tokio::time::timeout(bound, health.ready()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_asks_us_asks_nobody_else() {
    let (dependency, health) = with(Policy::critical());
    health.ready().await;
    for _ in 0..10_000 {
        get(&health, "/health/ready");
    }
    sleep(SECOND * 95).await;
    assert_eq!(dependency.asked.load(Ordering::Relaxed), 10);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_fails_at_its_timeout_and_holds_up_no_other() {
    let health = Health::builder()
        .check("hangs", Policy::default(), std::future::pending::<bool>)
        .check("works", Policy::critical(), async || true)
        .start()
        .unwrap();
    sleep(SECOND / 10).await;
    assert!(health.is_ready());
    assert_eq!(health.status("hangs"), Some(Status::Unknown));
    sleep(SECOND * 2).await;
    let (code, said) = get(&health, "/health");
    assert_eq!((code, said["status"].as_str()), (200, Some("degraded")));
    assert_eq!(said["checks"]["hangs"]["detail"], "no answer within 2s");
    assert_eq!(said["checks"]["hangs"]["took_s"], 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_given_up_is_over_and_the_next_one_asks_anew() {
    let alive = Arc::new(());
    let under_way = Arc::downgrade(&alive);
    let first = std::sync::Mutex::new(Some(alive));
    let check = move || {
        let alive = first.lock().unwrap().take();
        async move {
            if alive.is_some() {
                std::future::pending::<()>().await;
            }
            alive.is_none()
        }
    };
    let health = Health::builder().check("slow", Policy::default(), check).start().unwrap();
    sleep(SECOND).await;
    assert_eq!(under_way.strong_count(), 1);
    sleep(SECOND * 2).await;
    assert_eq!((health.status("slow"), under_way.strong_count()), (Some(Status::Fail), 0));
    // Two successes bring it back: at 10 s and at 20 s.
    sleep(SECOND * 18).await;
    assert_eq!(health.status("slow"), Some(Status::Pass));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_fails_and_is_asked_again() {
    let turn = AtomicU32::new(0);
    let check = move || {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        async move {
            assert_ne!(turn, 0, "the first time goes wrong");
            true
        }
    };
    let health = Health::builder().check("odd", Policy::default(), check).start().unwrap();
    sleep(SECOND).await;
    let (_, said) = get(&health, "/health");
    assert_eq!(said["checks"]["odd"]["detail"], "the check panicked");
    sleep(SECOND * 20).await;
    assert_eq!(health.status("odd"), Some(Status::Pass));
}

#[test]
fn a_check_that_blocks_its_thread_is_given_up_and_not_asked_twice() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let policy = Policy {
        every: Duration::from_millis(20),
        timeout: Duration::from_millis(10),
        ..Policy::default()
    };
    runtime.block_on(async move {
        let blocks = move || {
            count.fetch_add(1, Ordering::Relaxed);
            // Blocks a worker until the test lets it go.
            let ended = gate.lock().unwrap().recv();
            std::future::ready(ended)
        };
        let health = Health::builder().check("blocks", policy, blocks).start().unwrap();
        // It fails several times over while it was asked once. The task wakes the worker that is left, as requests would.
        while get(&health, "/health").1["checks"]["blocks"]["failures"].as_u64() < Some(3) {
            tokio::spawn(async {}).await.unwrap();
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        go.send(()).unwrap();
        drop(go);
        while asked.load(Ordering::Relaxed) < 2 {
            tokio::spawn(async {}).await.unwrap();
        }
    });
}

#[tokio::test(start_paused = true)]
async fn steps_and_a_critical_check_make_the_start_and_it_is_over_for_good() {
    let dependency = Arc::new(Dependency::default());
    let asked = Arc::clone(&dependency);
    let health = Health::builder()
        .check("database", Policy::critical(), move || std::future::ready(asked.ask()))
        .step("migrations")
        .start()
        .unwrap();
    sleep(SECOND).await;
    let (code, said) = get(&health, "/health/startup?verbose");
    let wanted = serde_json::json!({"migrations": false, "database": true});
    assert_eq!((code, &said["checks"]), (503, &wanted));
    assert!(health.done("warmup").is_err());
    health.done("migrations").unwrap();
    assert!(health.has_started() && health.is_ready());
    dependency.is_away.store(true, Ordering::Relaxed);
    sleep(SECOND * 60).await;
    assert!(health.has_started() && !health.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_fatal_word_ends_liveness() {
    let (_, health) = with(Policy::critical());
    health.fatal("the log is corrupt");
    assert!(!health.is_live());
    assert_eq!(get(&health, "/health/live"), (503, serde_json::json!({"status": "dead"})));
    assert_eq!(get(&health, "/health/live?verbose").1["reason"], "the log is corrupt");
}

#[tokio::test(start_paused = true)]
async fn the_checks_end_with_the_last_handle() {
    let (dependency, health) = with(Policy::critical());
    health.ready().await;
    drop(health.clone());
    sleep(SECOND * 10).await;
    drop(health);
    let before = dependency.asked.load(Ordering::Relaxed);
    sleep(SECOND * 60).await;
    assert_eq!(dependency.asked.load(Ordering::Relaxed), before);
    assert_eq!(Arc::strong_count(&dependency), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_under_way_ends_with_the_last_handle() {
    let alive = Arc::new(());
    let under_way = Arc::downgrade(&alive);
    let check = move || {
        let alive = Arc::clone(&alive);
        async move {
            std::future::pending::<()>().await;
            Arc::strong_count(&alive) > 0
        }
    };
    let health = Health::builder().check("hangs", Policy::default(), check).start().unwrap();
    sleep(SECOND).await;
    drop(health);
    sleep(SECOND / 10).await;
    assert_eq!(under_way.strong_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_lag_of_the_runtime_is_a_check() {
    let health = Health::builder().lag("runtime", Policy::default(), SECOND / 5).start().unwrap();
    sleep(SECOND * 11).await;
    assert_eq!(health.status("runtime"), Some(Status::Pass));
}

#[tokio::test(start_paused = true)]
async fn names_and_policies_are_looked_at_before_anything_starts() {
    let twice = Health::builder().check("a", Policy::default(), async || true).step("a").start();
    assert_eq!(twice.unwrap_err(), BuildError::SameName("a".to_owned()));
    let none = Health::builder().check("", Policy::default(), async || true).start();
    assert_eq!(none.unwrap_err(), BuildError::NoName);
    let hasty = Policy { rise: 0, ..Policy::default() };
    let error = Health::builder().check("a", hasty, async || Finding::pass()).start().unwrap_err();
    assert_eq!(error.to_string(), "check `a`: `rise` is zero: it must be at least one");
    let nervous = Health::builder().stall_after(SECOND).start().unwrap_err();
    assert!(nervous.to_string().starts_with("`stall_after` of 1s is shorter"), "{nervous}");
}
