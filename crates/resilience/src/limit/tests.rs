//! Rate limiter: scripts, and a naive reference.

use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn policy(limit: u32, burst: u32, wait: u64) -> Policy {
    Policy { limit, burst, wait: Duration::from_millis(wait), ..Policy::default() }
}

#[test]
fn a_burst_is_let_through_and_then_one_call_for_each_interval() {
    let limiter = Limiter::try_new(policy(10, 3, 0)).unwrap();
    let let_through = |from: u64, to: u64| {
        (from..to).filter(|it| limiter.try_take(at(*it)).is_ok()).collect::<Vec<_>>()
    };
    assert_eq!(let_through(0, 1), [0]);
    assert_eq!(let_through(0, 1), [0]);
    assert_eq!(let_through(0, 350), [0, 100, 200, 300]);
    assert_eq!(limiter.snapshot(at(350)).available, 0);
    assert_eq!(limiter.snapshot(at(10_000)).available, 3);
    let seen = limiter.snapshot(at(350));
    assert_eq!((seen.admitted, seen.limited), (6, 346));
}

#[test]
fn what_is_told_as_retry_after_is_when_it_works() {
    let limiter = Limiter::try_new(policy(3, 1, 0)).unwrap();
    let now = at(17);
    limiter.try_take(now).unwrap();
    let Limited { retry_after } = limiter.try_take(now).unwrap_err();
    assert_eq!(retry_after, Duration::from_nanos(333_333_334));
    assert!(limiter.try_take(at(17) + Duration::from_nanos(333_333_333)).is_err());
    assert!(limiter.try_take(now + retry_after).is_ok());
}

#[test]
fn turns_are_booked_one_after_the_other_within_the_wait() {
    let limiter = Limiter::try_new(policy(10, 1, 250)).unwrap();
    let turns: Vec<_> = (0..3).map(|_| limiter.reserve(at(0)).unwrap().at()).collect();
    assert_eq!(turns, [at(0), at(100), at(200)]);
    let limited = limiter.reserve(at(0)).unwrap_err();
    assert_eq!(limited.retry_after, Duration::from_millis(300));
    assert_eq!(limiter.snapshot(at(0)).delayed, 2);
}

#[test]
fn the_last_turn_can_be_given_back_and_one_amid_the_others_cannot() {
    let limiter = Limiter::try_new(policy(10, 1, 1_000)).unwrap();
    let _now = limiter.reserve(at(0)).unwrap();
    let (second, third) = (limiter.reserve(at(0)).unwrap(), limiter.reserve(at(0)).unwrap());
    limiter.give_back(second);
    assert_eq!(limiter.snapshot(at(0)).given_back, 0);
    limiter.give_back(third);
    assert_eq!(limiter.snapshot(at(0)).given_back, 1);
    assert_eq!(limiter.reserve(at(0)).unwrap().at(), at(200));
}

#[test]
fn a_clock_that_steps_back_lets_nothing_more_through() {
    let limiter = Limiter::try_new(policy(10, 1, 0)).unwrap();
    limiter.try_take(at(1_000)).unwrap();
    assert_eq!(limiter.try_take(at(0)).unwrap_err().retry_after, Duration::from_millis(1_100));
}

#[test]
fn a_contradictory_policy_names_the_field_and_the_remedy() {
    for (policy, wanted) in [
        (policy(0, 1, 0), "`limit` is 0"),
        (policy(1, 0, 0), "`burst` is 0"),
        (policy(2_000_000, 1, 0), "one call every 500ns"),
        (Policy { per: Duration::MAX, ..Policy::default() }, "between 1 µs and a year"),
        (
            Policy { per: Duration::from_hours(24), burst: u32::MAX, ..policy(1, 1, 0) },
            "`burst` of 4294967295 takes more than a year",
        ),
    ] {
        let said = Limiter::try_new(policy).unwrap_err().to_string();
        assert!(said.contains(wanted), "{said}");
    }
    assert!(keyed::Limiter::<u8>::try_new(Policy::default(), 0).is_err());
}

#[test]
fn a_new_policy_holds_from_now_on_and_forgives_nothing() {
    let limiter = Limiter::try_new(policy(10, 1, 0)).unwrap();
    limiter.try_take(at(0)).unwrap();
    limiter.reload(&policy(100, 1, 0)).unwrap();
    assert!(limiter.try_take(at(50)).is_err());
    assert!(limiter.try_take(at(100)).is_ok());
    assert!(limiter.try_take(at(110)).is_ok());
}

#[test]
fn keys_are_limited_apart_and_those_that_fell_silent_are_forgotten() {
    let limiter = keyed::Limiter::<u32>::try_new(policy(10, 2, 0), 64).unwrap();
    for key in 0..10_000 {
        // One key each millisecond, which is at rest again 100 ms later: a hundred are in use at any time.
        assert!(limiter.try_take(at(u64::from(key)), &key).is_ok());
    }
    let seen = limiter.snapshot();
    assert!(seen.keys <= 256 && seen.admitted == 10_000, "{seen:?}");
}

#[test]
fn a_flood_of_keys_stays_within_its_memory_and_is_counted() {
    let limiter = keyed::Limiter::<u32>::try_new(policy(1, 1, 0), 64).unwrap();
    for key in 0..10_000 {
        assert!(limiter.try_take(at(0), &key).is_ok());
    }
    let seen = limiter.snapshot();
    assert!(seen.keys <= 128 && seen.keys + seen.evicted == 10_000, "{seen:?}");
}

#[test]
fn a_listener_is_told_who_was_refused_and_who_was_forgotten() {
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let to = Arc::clone(&told);
    let limiter = keyed::Limiter::<String>::try_new(policy(1, 1, 0), 1).unwrap();
    let limiter = limiter.listener(Arc::new(move |it| to.lock().unwrap().push(it.clone())));
    limiter.try_take(at(0), "alice").unwrap();
    assert!(limiter.try_take(at(400), "alice").is_err());
    // All are in one set, and the first is the closest to its burst.
    (0..16).for_each(|n| limiter.try_take(at(500), &format!("{n}")).unwrap());
    let (key, retry_after) = ("alice".to_owned(), Duration::from_millis(600));
    assert_eq!(
        *told.lock().unwrap(),
        [keyed::Event::Limited { key: key.clone(), retry_after }, keyed::Event::Evicted { key }]
    );
    assert_eq!((limiter.snapshot().limited, limiter.snapshot().evicted), (1, 1));
}

#[test]
fn a_new_policy_of_keys_holds_from_now_on_and_forgives_nothing() {
    let limiter = keyed::Limiter::<u8>::try_new(policy(10, 1, 0), 1).unwrap();
    limiter.try_take(at(0), &1).unwrap();
    limiter.reload(&policy(100, 2, 0)).unwrap();
    assert!(limiter.reload(&policy(0, 1, 0)).is_err());
    assert!(limiter.try_take(at(50), &1).is_err());
    assert!(limiter.try_take(at(90), &1).is_ok());
    assert_eq!((limiter.policy().per, limiter.policy().burst), (Duration::from_millis(10), 2));
}

/// The calls that were let through, each with its moment.
#[derive(Default)]
struct Naive(Vec<u64>);

impl Naive {
    /// A bucket of tokens, as it is usually told, from the beginning of time.
    fn allows(&self, now: u64, interval: u64, burst: u64) -> bool {
        // In nanoseconds of earned time, a token being an interval of them.
        let (full, mut level, mut last) = (burst * interval, burst * interval, 0);
        for at in &self.0 {
            level = (level + (at - last)).min(full) - interval;
            last = *at;
        }
        (level + (now - last)).min(full) >= interval
    }
}

proptest! {
    #[test]
    fn agrees_with_a_bucket_of_tokens(
        steps in prop::collection::vec(0u64..400, 1..150), limit in 1u32..20, burst in 1u32..6,
    ) {
        let limiter = Limiter::try_new(policy(limit, burst, 0)).unwrap();
        let keyed = keyed::Limiter::<u8>::try_new(policy(limit, burst, 0), 1).unwrap();
        let interval = nanos(policy(limit, burst, 0).interval());
        let (mut naive, mut now) = (Naive::default(), 0);
        for wait in steps {
            // Half of the calls come together.
            now += wait.saturating_sub(200);
            let allowed = naive.allows(now * 1_000_000, interval, burst.into());
            prop_assert_eq!(limiter.try_take(at(now)).is_ok(), allowed);
            prop_assert_eq!(keyed.try_take(at(now), &7).is_ok(), allowed);
            if allowed { naive.0.push(now * 1_000_000); }
        }
    }

    #[test]
    fn turns_never_exceed_the_burst_and_what_time_has_earned(
        steps in prop::collection::vec((0u64..60, any::<bool>()), 1..150), burst in 1u32..5,
    ) {
        let limiter = Limiter::try_new(policy(50, burst, 300)).unwrap();
        let (mut now, mut turns) = (0, Vec::<u64>::new());
        for (wait, cancelled) in steps {
            now += wait;
            if let Ok(turn) = limiter.reserve(at(now)) {
                let millis = turn.at().elapsed().as_millis() as u64;
                prop_assert!(millis >= now && millis <= now + 300);
                if cancelled && millis > now { limiter.give_back(turn); } else { turns.push(millis); }
            }
        }
        for (first, from) in turns.iter().enumerate() {
            for (last, to) in turns.iter().enumerate().skip(first) {
                prop_assert!(((last - first) as u64) < (to - from) / 20 + u64::from(burst));
            }
        }
    }
}
