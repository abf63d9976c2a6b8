//! What the store promises, told the time.

use std::task::{Poll, Waker};

use proptest::prelude::*;

use super::*;

type Orders = Arc<Store<u8, u8, u32>>;

fn at(second: u64) -> Moment {
    Moment::at(Duration::from_secs(second))
}

/// Answers are kept for a minute.
fn orders(capacity: usize, wait: u64) -> Orders {
    let (ttl, wait) = (Duration::from_mins(1), Duration::from_secs(wait));
    Arc::new(Store::try_new(Policy { capacity, ttl, wait }).expect("a policy that holds"))
}

fn first(begun: Begun<u8, u8, u32>) -> Lease<u8, u8, u32> {
    match begun {
        Begun::First(lease) => lease,
        other => panic!("not the first: {other:?}"),
    }
}

fn follower(begun: Begun<u8, u8, u32>) -> Follower<u8, u8, u32> {
    match begun {
        Begun::Wait(follower) => follower,
        other => panic!("nothing to wait for: {other:?}"),
    }
}

#[test]
fn what_was_answered_once_is_answered_again_until_it_is_forgotten() {
    let orders = orders(4, 0);
    first(orders.begin(at(0), 1, 7)).complete(at(5), 42);
    assert!(matches!(orders.begin(at(64), 1, 7), Begun::Replay(42)));
    first(orders.begin(at(65), 1, 7)).complete(at(65), 43);
    assert!(matches!(orders.begin(at(66), 1, 7), Begun::Replay(43)));
}

#[test]
fn another_payload_under_the_same_key_is_refused_before_and_after_the_answer() {
    let orders = orders(4, 10);
    let lease = first(orders.begin(at(0), 1, 7));
    assert!(matches!(orders.begin(at(0), 1, 8), Begun::OtherRequest));
    lease.complete(at(0), 42);
    assert!(matches!(orders.begin(at(0), 1, 8), Begun::OtherRequest));
    assert_eq!(orders.snapshot().other_request, 2);
}

#[test]
fn a_request_beside_one_with_its_key_is_told_so_where_nobody_waits() {
    let orders = orders(4, 0);
    let lease = first(orders.begin(at(0), 1, 7));
    assert!(matches!(orders.begin(at(0), 1, 7), Begun::InProgress));
    drop(lease);
    drop(first(orders.begin(at(0), 1, 7)));
    let seen = orders.snapshot();
    assert_eq!((seen.keys, seen.first, seen.in_progress, seen.released), (0, 2, 1, 2));
}

#[test]
fn a_request_that_gives_up_leaves_its_key_to_who_waits_for_longest() {
    let orders = orders(4, 10);
    let lease = first(orders.begin(at(0), 1, 7));
    let [mut a, mut b] = [(); 2].map(|()| follower(orders.begin(at(0), 1, 7)));
    assert!(a.poll(Waker::noop()).is_pending());
    drop(lease);
    assert!(b.poll(Waker::noop()).is_pending());
    let Poll::Ready(Outcome::First(lease)) = a.poll(Waker::noop()) else {
        panic!("it is its turn")
    };
    lease.complete(at(3), 42);
    assert!(matches!(b.poll(Waker::noop()), Poll::Ready(Outcome::Answer(42))));
    assert!(matches!(orders.begin(at(62), 1, 7), Begun::Replay(42)));
}

#[test]
fn a_full_store_refuses_new_keys_and_forgets_no_answer_before_its_time() {
    let orders = orders(2, 0);
    first(orders.begin(at(0), 1, 7)).complete(at(0), 42);
    let under_way = first(orders.begin(at(1), 2, 7));
    assert!(matches!(orders.begin(at(59), 3, 7), Begun::Full));
    assert!(matches!(orders.begin(at(59), 1, 7), Begun::Replay(42)));
    drop(first(orders.begin(at(60), 3, 7)));
    drop(under_way);
    assert_eq!(orders.snapshot().keys, 0);
}

#[test]
fn no_answer_is_given_again_after_its_time_however_many_are_over() {
    let orders = orders(100, 0);
    (0..50).for_each(|key| first(orders.begin(at(0), key, 7)).complete(at(0), 42));
    drop(first(orders.begin(at(60), 49, 7)));
    // What its key is asked for now is a request of its own.
    first(orders.begin(at(60), 48, 8)).complete(at(60), 43);
    // All that are over are forgotten by then, and not the one that took the place of another.
    (0..10).for_each(|_| drop(first(orders.begin(at(119), 99, 7))));
    assert_eq!(orders.snapshot().keys, 1);
    assert!(matches!(orders.begin(at(119), 48, 8), Begun::Replay(43)));
}

#[test]
fn a_shorter_time_holds_for_the_answers_from_then_on() {
    let orders = orders(2, 0);
    first(orders.begin(at(0), 1, 7)).complete(at(0), 42);
    let policy = Policy { capacity: 2, ttl: Duration::from_secs(10), wait: Duration::ZERO };
    orders.reload(policy).unwrap();
    first(orders.begin(at(1), 2, 7)).complete(at(1), 43);
    assert!(matches!(orders.begin(at(11), 1, 7), Begun::Replay(42)));
    drop(first(orders.begin(at(11), 3, 7)));
    drop(first(orders.begin(at(11), 2, 7)));
}

#[test]
fn a_policy_that_keeps_nothing_is_refused() {
    let told = |policy| Store::<u8, u8, u32>::try_new(policy).unwrap_err().to_string();
    assert!(told(Policy { capacity: 0, ..Policy::default() }).starts_with("`capacity`"));
    assert!(told(Policy { ttl: Duration::ZERO, ..Policy::default() }).starts_with("`ttl`"));
    assert!(orders(1, 0).reload(Policy { capacity: 0, ..Policy::default() }).is_err());
}

proptest! {
    #[test]
    fn of_one_key_one_request_runs_at_a_time_and_all_get_its_answer(
        steps in prop::collection::vec((0u64..20, 0u8..3, 0u8..5, any::<usize>()), 1..200),
    ) {
        let orders = orders(2, 5);
        let (mut now, mut number) = (0, 0);
        let mut under_way: Vec<Lease<u8, u8, u32>> = Vec::new();
        // Key, answer and until when it is kept.
        let mut kept: Vec<(u8, u32, u64)> = Vec::new();
        for (seconds, key, what, which) in steps {
            match what {
                0 => now += seconds,
                1 if !under_way.is_empty() => {
                    let lease = under_way.swap_remove(which % under_way.len());
                    number += 1;
                    kept.push((*lease.key(), number, now + 60));
                    lease.complete(at(now), number);
                }
                2 if !under_way.is_empty() => drop(under_way.swap_remove(which % under_way.len())),
                _ => {
                    kept.retain(|it| now < it.2);
                    let answer = kept.iter().find(|it| it.0 == key).map(|it| it.1);
                    let runs = under_way.iter().any(|it| *it.key() == key);
                    match orders.begin(at(now), key, 7) {
                        Begun::First(lease) => {
                            prop_assert!(!runs && answer.is_none());
                            under_way.push(lease);
                        }
                        Begun::Replay(it) => prop_assert_eq!(Some(it), answer),
                        Begun::Wait(_) => prop_assert!(runs),
                        Begun::Full => prop_assert_eq!(under_way.len() + kept.len(), 2),
                        other => prop_assert!(false, "{other:?}"),
                    }
                }
            }
            prop_assert!(orders.snapshot().keys <= 2);
        }
    }
}
