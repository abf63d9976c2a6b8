//! Tests of the machine that finds a limit; what comes of it in the long run is simulated in `tests/it`.

use std::task::Wake;

use super::*;
use crate::bulkhead::Waiter;

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn millis(of: u64) -> Duration {
    Duration::from_millis(of)
}

fn adaptive(policy: Policy) -> Adaptive {
    Adaptive::try_new(policy).unwrap()
}

/// As many calls at once as there are places, each of which takes so long; from `from` on, to the end of the last.
fn round(adaptive: &Adaptive, from: Moment, takes: Duration) -> Moment {
    let permits: Vec<_> = std::iter::from_fn(|| {
        adaptive.bulkhead().try_enter().ok().map(|it| (adaptive.begin(from), it))
    })
    .collect();
    for (started, permit) in permits {
        adaptive.end(from + takes, started, Signal::Latency);
        drop(permit);
    }
    from + takes
}

fn limit(adaptive: &Adaptive) -> u32 {
    adaptive.snapshot().bulkhead.limit
}

#[test]
fn a_window_lasts_until_enough_is_known() {
    let adaptive = adaptive(Policy { samples_min: 20, ..Policy::default() });
    for n in 0..19 {
        let started = adaptive.begin(at(n * 1000));
        adaptive.end(at(n * 1000 + 100), started, Signal::Latency);
    }
    assert_eq!(adaptive.snapshot().latest, Duration::ZERO);
    let started = adaptive.begin(at(20_000));
    adaptive.end(at(20_100), started, Signal::Latency);
    assert_eq!(adaptive.snapshot().latest, millis(100));
}

#[test]
fn overloads_alone_lower_the_limit() {
    let adaptive = adaptive(Policy::default());
    for n in 0..100 {
        let started = adaptive.begin(at(n * 100));
        adaptive.end(at(n * 100 + 1), Started { in_flight: 20, ..started }, Signal::Overload);
    }
    assert!(limit(&adaptive) < 20, "{adaptive:?}");
    assert_eq!(adaptive.snapshot().overloads, 100);
}

#[test]
fn a_probe_halves_the_limit_until_calls_are_no_faster_and_measures_what_is_usual() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let adaptive =
        adaptive(Policy::default()).listener(Arc::new(move |it| ear.lock().unwrap().push(*it)));
    let mut now = at(1000);
    while !adaptive.snapshot().is_probing {
        now = round(&adaptive, now, millis(100));
    }
    assert!(now >= at(31_000), "{now}");
    let half = limit(&adaptive);
    while limit(&adaptive) == half {
        now = round(&adaptive, now, millis(70));
    }
    assert_eq!(limit(&adaptive), half / 2);
    while adaptive.snapshot().is_probing {
        now = round(&adaptive, now, millis(60));
    }
    let snapshot = adaptive.snapshot();
    assert_eq!((snapshot.usual, snapshot.probes), (millis(60), 1));
    assert_eq!(snapshot.bulkhead.limit / 2, half);
    let is_of_a_probe = |it: &&Event| matches!(it, Event::Probe { .. } | Event::Probed { .. });
    assert_eq!(heard.lock().unwrap().iter().filter(is_of_a_probe).count(), 3);
}

/// Panics when it is woken, as no waker should.
struct Broken;

impl Wake for Broken {
    fn wake(self: Arc<Self>) {
        panic!("in a waker");
    }
}

#[test]
fn a_waker_that_panics_does_not_stop_the_limit() {
    let policy = Policy { queue: 1, wait: millis(60_000), ..Policy::default() };
    let adaptive = adaptive(policy);
    let mut now = round(&adaptive, at(1000), millis(100));
    let permits: Vec<_> = std::iter::from_fn(|| adaptive.bulkhead().try_enter().ok()).collect();
    let mut waiter = Waiter::new(adaptive.bulkhead().as_ref());
    assert!(waiter.poll(now, &Arc::new(Broken).into()).is_pending());
    let raised = || {
        for _ in 0..100 {
            let started = adaptive.begin(now);
            adaptive.end(now + millis(100), started, Signal::Latency);
            now = now + millis(100);
        }
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(raised)).is_err());
    drop((permits, waiter));
    let before = limit(&adaptive);
    for _ in 0..20 {
        now = round(&adaptive, now, millis(100));
    }
    assert!(limit(&adaptive) > before, "{before}");
}

#[test]
fn a_call_that_gets_no_place_is_told() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let adaptive =
        adaptive(Policy::default()).listener(Arc::new(move |it| ear.lock().unwrap().push(*it)));
    let places: Vec<_> = (0..20).map(|_| adaptive.bulkhead().try_enter().unwrap()).collect();
    assert!(adaptive.bulkhead().try_enter().is_err());
    assert_eq!(*heard.lock().unwrap(), [Event::Rejected { why: bulkhead::Rejected::Full }]);
    drop(places);
}

#[test]
fn calls_that_began_before_a_probe_say_nothing_in_it() {
    let adaptive = adaptive(Policy::default());
    let mut now = at(1000);
    let before = adaptive.begin(at(1000));
    while !adaptive.snapshot().is_probing {
        now = round(&adaptive, now, millis(100));
    }
    (0..50).for_each(|_| adaptive.end(now + millis(300), before, Signal::Latency));
    assert!(adaptive.snapshot().is_probing);
}

#[test]
fn a_probe_that_takes_too_long_is_given_up() {
    let adaptive = adaptive(Policy::default());
    let mut now = at(1000);
    while !adaptive.snapshot().is_probing {
        now = round(&adaptive, now, millis(100));
    }
    let started = adaptive.begin(now);
    adaptive.end(now + Duration::from_secs(11), started, Signal::Latency);
    let snapshot = adaptive.snapshot();
    assert_eq!((snapshot.is_probing, snapshot.probes), (false, 0));
}

#[test]
fn another_policy_keeps_the_limit_within_its_bounds() {
    let adaptive = adaptive(Policy::default());
    let mut now = at(1000);
    for _ in 0..50 {
        now = round(&adaptive, now, millis(100));
    }
    let grown = limit(&adaptive);
    assert!(grown > 20);
    adaptive.reload(Policy { initial: 5, ..Policy::default() }).unwrap();
    assert_eq!(limit(&adaptive), grown);
    adaptive.reload(Policy { max: 20, ..Policy::default() }).unwrap();
    assert_eq!(limit(&adaptive), 20);
    assert!(adaptive.reload(Policy { min: 0, ..Policy::default() }).is_err());
    assert_eq!(adaptive.policy().max, 20);
    assert_eq!(adaptive.snapshot().usual, millis(100));
}

#[test]
fn a_policy_that_contradicts_itself_is_refused_with_the_remedy() {
    use evenkeel_units::Ratio;
    let policy = Policy::default;
    let gradient = |it| Policy { algorithm: Algorithm::Gradient(it), ..policy() };
    let aimd = |it| Policy { algorithm: Algorithm::Aimd(it), ..policy() };
    // Each under the name of the field as it stands in a file.
    let wrong = [
        ("min", Policy { min: 0, ..policy() }),
        ("max", Policy { max: u32::MAX, ..policy() }),
        ("initial", Policy { initial: 0, ..policy() }),
        ("initial", Policy { initial: 4, ..policy() }),
        ("initial", Policy { max: 19, ..policy() }),
        ("queue", Policy { queue: 1, ..policy() }),
        ("window", Policy { window: millis(9), ..policy() }),
        ("samples_min", Policy { samples_min: 0, ..policy() }),
        (
            "algorithm.gradient.smoothing",
            gradient(Gradient { smoothing: Ratio::ZERO, ..Gradient::default() }),
        ),
        ("algorithm.gradient.headroom", gradient(Gradient { headroom: 0, ..Gradient::default() })),
        (
            "algorithm.gradient.long_windows",
            gradient(Gradient { long_windows: 0, ..Gradient::default() }),
        ),
        (
            "algorithm.gradient.probe_every",
            gradient(Gradient { probe_every: millis(2499), ..Gradient::default() }),
        ),
        ("algorithm.aimd.backoff", aimd(Aimd { backoff: Ratio::ONE, ..Aimd::default() })),
        (
            "algorithm.aimd.latency_max",
            aimd(Aimd { latency_max: Duration::ZERO, ..Aimd::default() }),
        ),
    ];
    for (field, policy) in wrong {
        let error = policy.check().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{field}` is")), "{field}: {error}");
        assert!(error.contains("write"), "{error}");
    }
    assert_eq!(policy().check(), Ok(()));
    assert_eq!(Policy::aimd(millis(1)).check(), Ok(()));
}
