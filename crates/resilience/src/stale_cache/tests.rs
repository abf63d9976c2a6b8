//! What the cache promises, told the time.

use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Waker;

use super::*;

mod naive;

pub(super) type Cache = Arc<StaleCache<u8, u32, u32>>;

fn at(second: u64) -> Moment {
    Moment::at(Duration::from_secs(second))
}

/// Fresh for 10 s, used at once for 10 more, in need until 60; failures count for 5.
pub(super) fn policy(capacity: usize) -> Policy {
    Policy {
        capacity,
        ttl: Duration::from_secs(10),
        stale_while_revalidate: Duration::from_secs(10),
        stale_if_error: Duration::from_secs(50),
        negative_ttl: Duration::from_secs(5),
        ..Policy::default()
    }
}

fn cache(capacity: usize) -> Cache {
    Arc::new(StaleCache::try_new(policy(capacity)).unwrap())
}

fn lead(asked: Asked<u8, u32, u32, SipKeys>) -> Lead<u8, u32, u32, SipKeys> {
    match asked {
        Asked::Lead(lead) | Asked::Refresh(_, lead) => lead,
        other => panic!("no lead: {other:?}"),
    }
}

fn follower(asked: Asked<u8, u32, u32, SipKeys>) -> Follower<u8, u32, u32, SipKeys> {
    match asked {
        Asked::Wait(follower) => follower,
        other => panic!("nothing to wait for: {other:?}"),
    }
}

fn value(answer: Result<Answer<u32>, Error<u32>>) -> (u32, Origin) {
    answer.map(|it| (it.value, it.origin)).unwrap()
}

/// Plays `script` (`<second> put|look <key>`; a put stores the second) and renders the answers.
fn play(capacity: usize, script: &str) -> String {
    let cache = cache(capacity);
    let mut out = Vec::new();
    for line in script.lines().map(str::trim) {
        let words: Vec<_> = line.split(' ').collect();
        let (second, key): (u64, u8) = (words[0].parse().unwrap(), words[2].parse().unwrap());
        match words[1] {
            "put" => cache.insert(at(second), key, u32::try_from(second).unwrap()),
            _ => out.push(match cache.look(at(second), &key) {
                Lookup::Fresh(value) => format!("{second} fresh {value}"),
                Lookup::Stale { value, age } => format!("{second} stale {value} of {age:?}"),
                Lookup::StaleIfError { value, age } => {
                    format!("{second} in need {value} of {age:?}")
                }
                Lookup::Failed(_) => format!("{second} failed"),
                Lookup::Missing => format!("{second} missing"),
            }),
        }
    }
    out.join("\n")
}

#[test]
fn an_answer_is_fresh_then_stale_then_for_need_then_over() {
    assert_eq!(
        play(
            4,
            "0 look 1\n0 put 1\n9 look 1\n10 look 1\n19 look 1\n20 look 1\n59 look 1\n60 look 1"
        ),
        "0 missing\n9 fresh 0\n10 stale 0 of 10s\n19 stale 0 of 19s\n20 in need 0 of 20s\n59 in need 0 of 59s\n60 missing"
    );
}

#[test]
fn what_was_not_used_makes_room() {
    assert_eq!(
        play(2, "0 put 1\n1 put 2\n2 look 1\n3 put 3\n4 look 1\n4 look 2\n4 look 3"),
        "2 fresh 0\n4 fresh 0\n4 missing\n4 fresh 3"
    );
}

#[test]
fn what_is_over_makes_room_first_though_it_was_used() {
    assert_eq!(
        play(2, "0 put 1\n1 look 1\n50 put 2\n60 put 3\n60 look 2\n60 look 3"),
        "1 fresh 0\n60 stale 50 of 10s\n60 fresh 60"
    );
}

#[test]
fn what_is_asked_for_once_does_not_drive_out_what_is_asked_for_again() {
    let cache = cache(10);
    for second in 0..200 {
        let now = at(second);
        for regular in [201, 202, 203] {
            if let Asked::Lead(lead) | Asked::Refresh(_, lead) = cache.ask(now, &regular) {
                lead.land(now, Ok(0)).unwrap();
            }
        }
        lead(cache.ask(now, &(second as u8))).land(now, Ok(0)).unwrap();
    }
    // The regular ones were not there once only.
    let seen = cache.snapshot();
    assert_eq!((seen.entries, seen.misses), (10, 3 + 200));
}

#[test]
fn a_slow_call_does_not_replace_a_younger_answer() {
    assert_eq!(play(2, "5 put 1\n3 put 1\n6 look 1"), "6 fresh 5");
    let cache = cache(2);
    let slow = lead(cache.ask(at(3), &1));
    cache.insert(at(4), 1, 4);
    assert_eq!(value(slow.land(at(5), Ok(3))), (3, Origin::Asked));
    assert_eq!(cache.look(at(5), &1), Lookup::Fresh(4));
}

#[test]
fn one_asks_and_the_others_wait() {
    let cache = cache(4);
    let asks = lead(cache.ask(at(0), &1));
    let mut waits: Vec<_> = (0..5).map(|_| follower(cache.ask(at(0), &1))).collect();
    assert!(waits.iter_mut().all(|it| it.poll(at(0), Waker::noop()).is_pending()));
    asks.land(at(1), Ok(7)).unwrap();
    for wait in &mut waits {
        let std::task::Poll::Ready(Outcome::Answer(answer)) = wait.poll(at(1), Waker::noop())
        else {
            panic!("there is an answer")
        };
        assert_eq!(value(answer), (7, Origin::Asked));
    }
    let seen = cache.snapshot();
    assert_eq!((seen.misses, seen.waits, seen.in_flight), (1, 5, 0));
}

#[test]
fn a_lead_that_is_dropped_goes_to_who_waits_for_longest() {
    let cache = cache(4);
    let first = lead(cache.ask(at(0), &1));
    let [a, mut b, mut c] = [0; 3].map(|_| follower(cache.ask(at(0), &1)));
    drop(first);
    assert!(c.poll(at(1), Waker::noop()).is_pending());
    // It was given the lead, and goes without having taken it up.
    drop(a);
    let std::task::Poll::Ready(Outcome::Lead(second)) = b.poll(at(1), Waker::noop()) else {
        panic!("it is its turn")
    };
    second.land(at(2), Ok(7)).unwrap();
    assert!(c.poll(at(2), Waker::noop()).is_ready());
    assert_eq!(cache.look(at(10), &1), Lookup::Fresh(7));
    assert_eq!(cache.look(at(11), &1), Lookup::Stale { value: 7, age: Duration::from_secs(10) });
    assert_eq!(cache.snapshot().handed_on, 2);
}

#[test]
fn a_call_that_everybody_has_left_is_over() {
    let cache = cache(4);
    let first = lead(cache.ask(at(0), &1));
    let waits = follower(cache.ask(at(0), &1));
    drop(first);
    drop(waits);
    assert_eq!(cache.snapshot().in_flight, 0);
    drop(lead(cache.ask(at(1), &1)));
}

#[test]
fn a_value_that_panics_when_it_is_cloned_keeps_nobody_waiting() {
    struct Brittle(Arc<AtomicBool>);
    impl Clone for Brittle {
        fn clone(&self) -> Self {
            assert!(!self.0.load(Relaxed), "as it is meant to");
            Self(Arc::clone(&self.0))
        }
    }
    let cache: Arc<StaleCache<u8, Brittle>> = Arc::new(StaleCache::try_new(policy(4)).unwrap());
    let Asked::Lead(lead) = cache.ask(at(0), &1) else { panic!("no lead") };
    let Asked::Wait(mut waits) = cache.ask(at(0), &1) else { panic!("nothing to wait for") };
    let value = Brittle(Arc::new(AtomicBool::new(true)));
    let lands = std::panic::AssertUnwindSafe(|| drop(lead.land(at(0), Ok(value))));
    assert!(std::panic::catch_unwind(lands).is_err());
    let turn = waits.poll(at(0), Waker::noop());
    assert!(matches!(turn, std::task::Poll::Ready(Outcome::Lead(_))));
}

#[test]
fn no_value_is_dropped_under_the_lock() {
    struct Watchful(std::sync::Weak<StaleCache<u8, Watchful>>, Arc<AtomicBool>);
    impl Clone for Watchful {
        fn clone(&self) -> Self {
            Self(std::sync::Weak::clone(&self.0), Arc::clone(&self.1))
        }
    }
    impl Drop for Watchful {
        fn drop(&mut self) {
            let cache = self.0.upgrade().unwrap();
            self.1.fetch_or(cache.shards[0].0.try_lock().is_err(), Relaxed);
        }
    }
    type End = fn(Lead<u8, Watchful, (), SipKeys>, Moment, Watchful);
    let cache: Arc<StaleCache<u8, Watchful>> = Arc::new(StaleCache::try_new(policy(2)).unwrap());
    let under_lock = Arc::new(AtomicBool::new(false));
    let value = || Watchful(Arc::downgrade(&cache), Arc::clone(&under_lock));
    let ask = |second, key: u8| match cache.ask(at(second), &key) {
        Asked::Lead(lead) | Asked::Refresh(_, lead) => lead,
        _ => panic!("no lead"),
    };
    let ends: [End; 4] = [
        |lead, now, value| drop(lead.land(now, Ok(value))),
        |lead, now, value| drop(lead.land_failed(now, value)),
        |lead, now, _| drop(lead.land(now, Err(Error::Inner(())))),
        |lead, now, _| drop(lead.land(now, Err(Error::Full))),
    ];
    for (number, end) in (0..).zip(ends.into_iter().cycle().take(16)) {
        // Each end of a call of a key that is still current, and of one that was removed; some make room for others.
        let second = 100 * (number + 1);
        (0..3).for_each(|key| cache.insert(at(second), key, value()));
        let lead = ask(second + 15, 2);
        if number >= 4 {
            cache.remove(&2);
        }
        end(lead, at(second + 16), value());
        cache.insert(at(second - 1), 2, value());
    }
    cache.reload(at(5_000), &policy(0)).unwrap();
    assert!(!under_lock.load(Relaxed));
}

#[test]
fn what_is_stale_is_asked_for_by_one_and_used_by_all() {
    let cache = cache(4);
    cache.insert(at(0), 1, 0);
    let Asked::Refresh(answer, lead) = cache.ask(at(12), &1) else {
        panic!("it is to be asked for")
    };
    assert_eq!(
        (answer.value, answer.origin, answer.age),
        (0, Origin::Stale, Duration::from_secs(12))
    );
    let Asked::Answer(answer) = cache.ask(at(13), &1) else { panic!("somebody asks already") };
    assert_eq!((answer.value, answer.origin), (0, Origin::Stale));
    lead.land(at(14), Ok(1)).unwrap();
    assert_eq!(cache.look(at(14), &1), Lookup::Fresh(1));
    let seen = cache.snapshot();
    assert_eq!((seen.stale, seen.refreshes, seen.misses), (2, 1, 0));
}

#[test]
fn when_asking_fails_the_stale_answer_is_used_and_nobody_asks_for_a_while() {
    let cache = cache(4);
    cache.insert(at(0), 1, 0);
    let answer = lead(cache.ask(at(30), &1)).land(at(31), Err(Error::Inner(9)));
    assert_eq!(value(answer), (0, Origin::StaleIfError));
    let Asked::Answer(answer) = cache.ask(at(35), &1) else { panic!("it failed just now") };
    assert_eq!(answer.origin, Origin::StaleIfError);
    drop(lead(cache.ask(at(36), &1)));
    // Too old even for that.
    assert_eq!(
        lead(cache.ask(at(59), &1)).land(at(60), Err(Error::Inner(9))),
        Err(Error::Inner(9))
    );
    let seen = cache.snapshot();
    assert_eq!((seen.stale_if_error, seen.failures), (2, 2));
}

#[test]
fn a_failure_is_remembered_for_a_while_but_a_refusal_is_not() {
    let cache = cache(4);
    lead(cache.ask(at(0), &1)).land(at(0), Err(Error::Inner(9))).unwrap_err();
    assert!(matches!(cache.ask(at(4), &1), Asked::Failed(Error::Inner(9))));
    assert_eq!(cache.look(at(4), &1), Lookup::Failed(Err(Error::Inner(9))));
    drop(lead(cache.ask(at(5), &1)));
    lead(cache.ask(at(5), &2)).land(at(5), Err(Error::Full)).unwrap_err();
    drop(lead(cache.ask(at(5), &2)));
    assert_eq!(cache.snapshot().failed_again, 1);
}

#[test]
fn an_answer_that_is_no_good_replaces_none_and_is_one_for_a_while_where_there_is_none() {
    let cache = cache(4);
    let answer = lead(cache.ask(at(0), &1)).land_failed(at(1), 503);
    assert_eq!(value(answer), (503, Origin::Failed));
    let Asked::Answer(again) = cache.ask(at(5), &1) else { panic!("it failed just now") };
    assert_eq!((again.value, again.origin, again.age.as_secs()), (503, Origin::Failed, 5));
    assert_eq!(cache.look(at(5), &1), Lookup::Failed(Ok(503)));
    lead(cache.ask(at(6), &1)).land(at(6), Ok(200)).unwrap();

    let answer = lead(cache.ask(at(36), &1)).land_failed(at(37), 503);
    assert_eq!(value(answer), (200, Origin::StaleIfError));
    let Asked::Answer(again) = cache.ask(at(41), &1) else { panic!("it failed just now") };
    assert_eq!((again.value, again.origin), (200, Origin::StaleIfError));
    let seen = cache.snapshot();
    assert_eq!((seen.failures, seen.failed_again, seen.stale_if_error), (2, 1, 2));
}

#[test]
fn when_asking_fails_what_somebody_put_there_meanwhile_is_used() {
    let cache = cache(4);
    let asks = lead(cache.ask(at(0), &1));
    let mut waits = follower(cache.ask(at(0), &1));
    cache.insert(at(1), 1, 7);
    assert_eq!(value(asks.land(at(2), Err(Error::Inner(9)))), (7, Origin::Fresh));
    let turn = waits.poll(at(2), Waker::noop());
    assert!(matches!(turn, std::task::Poll::Ready(Outcome::Answer(Ok(it))) if it.value == 7));
}

#[test]
fn an_answer_forgives_the_failure_before_it() {
    let cache = cache(4);
    lead(cache.ask(at(0), &1)).land(at(0), Err(Error::Inner(9))).unwrap_err();
    cache.insert(at(1), 1, 1);
    assert_eq!(cache.look(at(1), &1), Lookup::Fresh(1));
    assert!(matches!(cache.ask(at(12), &1), Asked::Refresh(..)));
}

#[test]
fn what_was_removed_does_not_come_back_by_a_call_of_before() {
    let cache = cache(4);
    let before = lead(cache.ask(at(0), &1));
    let mut waits = follower(cache.ask(at(0), &1));
    assert!(cache.remove(&1));
    let after = lead(cache.ask(at(1), &1));
    before.land(at(2), Ok(1)).unwrap();
    assert!(waits.poll(at(2), Waker::noop()).is_ready());
    assert_eq!(cache.look(at(2), &1), Lookup::Missing);
    after.land(at(3), Ok(2)).unwrap();
    assert_eq!(cache.look(at(3), &1), Lookup::Fresh(2));
    assert!(cache.remove(&1) && !cache.remove(&1));
}

#[test]
fn without_room_many_callers_still_are_one_call() {
    let cache = cache(0);
    let asks = lead(cache.ask(at(0), &1));
    let mut waits = follower(cache.ask(at(0), &1));
    asks.land(at(0), Ok(1)).unwrap();
    assert!(waits.poll(at(0), Waker::noop()).is_ready());
    drop(lead(cache.ask(at(0), &1)));
    assert_eq!(cache.snapshot().entries, 0);
}

#[test]
fn an_early_refresh_is_asked_for_while_the_answer_is_fresh() {
    let policy = Policy { early_refresh: 1.0, ..policy(100) };
    let cache: Cache = Arc::new(StaleCache::seeded(policy, SipKeys::random(), Seed(7)).unwrap());
    for key in 0..100 {
        lead(cache.ask(at(0), &key)).land(at(1), Ok(0)).unwrap();
    }
    let due = (0..100).filter(|key| matches!(cache.ask(at(9), key), Asked::Refresh(..))).count();
    // Those with a gap of more than a second, of a mean of one: 1/e of them.
    assert!((27..47).contains(&due), "{due}");
    assert_eq!(cache.snapshot().fresh, 100);
}

#[test]
fn a_due_refresh_that_fails_leaves_the_fresh_answer() {
    let policy = Policy { early_refresh: 1_000.0, ..policy(4) };
    let cache: Cache = Arc::new(StaleCache::seeded(policy, SipKeys::random(), Seed(7)).unwrap());
    lead(cache.ask(at(0), &1)).land(at(1), Ok(0)).unwrap();
    let answer = lead(cache.ask(at(9), &1)).land(at(9), Err(Error::Inner(1)));
    assert_eq!(value(answer), (0, Origin::Fresh));
}

#[test]
fn another_policy_holds_for_what_is_kept() {
    let cache = cache(4);
    (0..4).for_each(|key| cache.insert(at(0), key, 0));
    cache.reload(at(1), &Policy { ttl: Duration::from_secs(1), ..policy(2) }).unwrap();
    assert_eq!(cache.snapshot().entries, 2);
    let left: Vec<_> = (0..4).filter(|key| cache.look(at(1), key) != Lookup::Missing).collect();
    assert_eq!(left.len(), 2);
    assert!(matches!(cache.look(at(1), &left[0]), Lookup::Stale { .. }));
    assert!(cache.reload(at(1), &Policy { call_max: Duration::ZERO, ..policy(2) }).is_err());
}

#[test]
fn the_shards_together_hold_the_capacity_and_not_more() {
    let policy = Policy { capacity: 1_001, ..policy(0) };
    let cache: StaleCache<u32, u32> = StaleCache::try_new(policy).unwrap();
    assert_eq!(cache.shards.len(), 2);
    (0..5_000).for_each(|key| cache.insert(at(0), key, key));
    let seen = cache.snapshot();
    assert_eq!((seen.entries, seen.evictions), (1_001, 3_999));
}

#[test]
fn keys_of_one_hash_are_told_apart() {
    #[derive(Default)]
    struct Same;
    impl Hasher for Same {
        fn finish(&self) -> u64 {
            7
        }
        fn write(&mut self, _: &[u8]) {}
    }
    let same = BuildHasherDefault::<Same>::default();
    let cache: StaleCache<u8, u8, (), _> = StaleCache::with_hasher(policy(4), same).unwrap();
    (0..9).for_each(|key| cache.insert(at(0), key, key));
    assert!(cache.remove(&8));
    let left: Vec<_> = (0..9).filter(|key| cache.look(at(0), key) == Lookup::Fresh(*key)).collect();
    assert_eq!(left.len(), 3);
}
