//! Stale cache: one call of many, whoever comes, goes or answers at the same time.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use evenkeel_resilience::stale_cache::{
    Asked, Follower, Lead, Lookup, Outcome, Policy, SipKeys, StaleCache,
};
use evenkeel_units::Moment;
use loom::thread;

use crate::model;

type Cache = Arc<StaleCache<u8, u32>>;

fn now() -> Moment {
    Moment::at(Duration::from_secs(1))
}

fn cache() -> Cache {
    Arc::new(StaleCache::try_new(Policy { capacity: 2, ..Policy::default() }).unwrap())
}

fn lead(cache: &Cache) -> Lead<u8, u32, (), SipKeys> {
    match cache.ask(now(), &1) {
        Asked::Lead(lead) => lead,
        other => panic!("no lead: {other:?}"),
    }
}

fn follower(cache: &Cache) -> Follower<u8, u32, (), SipKeys> {
    match cache.ask(now(), &1) {
        Asked::Wait(follower) => follower,
        other => panic!("nothing to wait for: {other:?}"),
    }
}

/// Calls until there is an answer, or would wait; who has the lead answers.
fn call(cache: &Cache, answer: u32) -> Option<u32> {
    let lead = match cache.ask(now(), &1) {
        Asked::Answer(it) => return Some(it.value),
        Asked::Lead(lead) => lead,
        Asked::Wait(mut follower) => match follower.poll(now(), Waker::noop()) {
            Poll::Ready(Outcome::Answer(it)) => return it.ok().map(|it| it.value),
            Poll::Ready(Outcome::Lead(lead)) => lead,
            Poll::Pending => return None,
        },
        other => panic!("neither stale nor failed: {other:?}"),
    };
    lead.land(now(), Ok(answer)).ok().map(|it| it.value)
}

#[test]
fn who_comes_while_the_answer_lands_has_it_and_asks_no_more() {
    model(|| {
        let cache = cache();
        let asks = lead(&cache);
        let comes = {
            let cache = Arc::clone(&cache);
            thread::spawn(move || call(&cache, 2))
        };
        asks.land(now(), Ok(1)).unwrap();
        // It went, or it got the answer; it never asked itself.
        assert_ne!(comes.join().unwrap(), Some(2));
        assert_eq!(cache.look(now(), &1), Lookup::Fresh(1));
        let seen = cache.snapshot();
        assert_eq!((seen.misses, seen.in_flight), (1, 0));
    });
}

#[test]
fn two_who_come_at_once_make_one_call() {
    model(|| {
        let cache = cache();
        let other = {
            let cache = Arc::clone(&cache);
            thread::spawn(move || call(&cache, 1))
        };
        let answer = call(&cache, 2);
        let other = other.join().unwrap();
        assert!(
            matches!((answer, other), (Some(a), Some(b)) if a == b) || answer.xor(other).is_some()
        );
        let seen = cache.snapshot();
        assert_eq!((seen.misses, seen.in_flight), (1, 0));
    });
}

#[test]
fn a_lead_given_up_while_others_come_and_go_is_never_lost() {
    model(|| {
        let cache = cache();
        let asks = lead(&cache);
        let (goes, mut stays) = (follower(&cache), follower(&cache));
        let leaves = thread::spawn(move || drop(goes));
        let comes = {
            let cache = Arc::clone(&cache);
            thread::spawn(move || call(&cache, 2))
        };
        drop(asks);
        leaves.join().unwrap();
        assert_eq!(comes.join().unwrap(), None);
        // It was given the lead by one of them, and nobody else has it.
        let Poll::Ready(Outcome::Lead(lead)) = stays.poll(now(), Waker::noop()) else {
            panic!("nobody leads")
        };
        lead.land(now(), Ok(1)).unwrap();
        assert_eq!(cache.snapshot().in_flight, 0);
    });
}

#[test]
fn a_call_left_by_all_at_once_is_over() {
    model(|| {
        let cache = cache();
        let (asks, waits) = (lead(&cache), follower(&cache));
        let leaves = thread::spawn(move || drop(waits));
        drop(asks);
        leaves.join().unwrap();
        assert_eq!(cache.snapshot().in_flight, 0);
        assert_eq!(call(&cache, 2), Some(2));
    });
}

#[test]
fn a_removal_lets_no_answer_of_before_be_kept() {
    model(|| {
        let cache = cache();
        let asks = lead(&cache);
        let removes = {
            let cache = Arc::clone(&cache);
            thread::spawn(move || cache.remove(&1))
        };
        asks.land(now(), Ok(1)).unwrap();
        removes.join().unwrap();
        assert_eq!(cache.look(now(), &1), Lookup::Missing);
    });
}
