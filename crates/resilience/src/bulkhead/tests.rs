//! Bulkhead: scripts, and a naive reference.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Poll, Wake, Waker};

use evenkeel_units::Moment;
use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn bulkhead(limit: u32, queue: u32) -> Bulkhead {
    let wait = Duration::from_millis(if queue == 0 { 0 } else { 100 });
    Bulkhead::try_new(Policy { limit, queue, wait }).unwrap()
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_full_bulkhead_without_a_queue_rejects_until_a_permit_is_dropped() {
    let bulkhead = bulkhead(2, 0);
    let (first, second) = (bulkhead.try_enter().unwrap(), bulkhead.try_enter().unwrap());
    assert_eq!(bulkhead.try_enter().unwrap_err(), Rejected::Full);
    drop(first);
    let third = bulkhead.try_enter().unwrap();
    drop((second, third));
    let seen = bulkhead.snapshot();
    assert_eq!((seen.in_flight, seen.admitted, seen.rejected_full), (0, 3, 1));
}

#[test]
fn a_panic_gives_the_place_back() {
    let bulkhead = bulkhead(1, 0);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _permit = bulkhead.try_enter().unwrap();
        panic!("in the call");
    }));
    assert!(caught.is_err());
    assert_eq!(bulkhead.snapshot().in_flight, 0);
}

#[test]
fn nobody_overtakes_the_queue() {
    let bulkhead = bulkhead(1, 2);
    let (bell, other) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let permit = bulkhead.try_enter().unwrap();
    let (mut first, mut second) = (Waiter::new(&bulkhead), Waiter::new(&bulkhead));
    assert!(first.poll(at(0), &bell.clone().into()).is_pending());
    assert!(second.poll(at(1), &other.clone().into()).is_pending());
    drop(permit);
    assert_eq!((bell.rung(), other.rung()), (1, 0));
    // The place is handed over already, though the first has not been polled.
    assert_eq!(bulkhead.try_enter().unwrap_err(), Rejected::Full);
    assert!(second.poll(at(2), Waker::noop()).is_pending());
    let Poll::Ready(Ok(permit)) = first.poll(at(2), Waker::noop()) else { panic!("it was woken") };
    drop(permit);
    // The last waker counts.
    assert_eq!(other.rung(), 0);
    assert!(matches!(second.poll(at(3), Waker::noop()), Poll::Ready(Ok(_))));
}

#[test]
fn one_that_waits_too_long_is_rejected_at_its_deadline_and_not_before() {
    let bulkhead = bulkhead(1, 1);
    let _permit = bulkhead.try_enter().unwrap();
    let mut waiter = Waiter::new(&bulkhead);
    assert!(waiter.poll(at(5), Waker::noop()).is_pending());
    assert_eq!(waiter.deadline(), Some(at(105)));
    assert!(waiter.poll(at(104), Waker::noop()).is_pending());
    let Poll::Ready(Err(why)) = waiter.poll(at(105), Waker::noop()) else {
        panic!("its time is over")
    };
    assert_eq!(why, Rejected::Waited);
    let seen = bulkhead.snapshot();
    assert_eq!((seen.waiting, seen.rejected_waited), (0, 1));
}

#[test]
fn a_listener_that_panics_costs_nobody_a_place_and_gives_none_away() {
    let bulkhead = bulkhead(1, 1).listener(Arc::new(|_| panic!("in the listener")));
    let permit = bulkhead.try_enter().unwrap();
    let mut waiter = Waiter::new(&bulkhead);
    assert!(waiter.poll(at(0), Waker::noop()).is_pending());
    let late = std::panic::AssertUnwindSafe(move || waiter.poll(at(100), Waker::noop()).is_ready());
    assert!(std::panic::catch_unwind(late).is_err());
    assert_eq!((bulkhead.snapshot().in_flight, bulkhead.snapshot().waiting), (1, 0));
    let mut next = Waiter::new(&bulkhead);
    assert!(next.poll(at(100), Waker::noop()).is_pending());
    drop(permit);
    assert!(matches!(next.poll(at(100), Waker::noop()), Poll::Ready(Ok(_))));
    assert_eq!(bulkhead.snapshot().in_flight, 0);
}

#[test]
fn a_place_that_comes_with_the_deadline_is_taken() {
    let bulkhead = bulkhead(1, 1);
    let permit = bulkhead.try_enter().unwrap();
    let mut waiter = Waiter::new(&bulkhead);
    assert!(waiter.poll(at(0), Waker::noop()).is_pending());
    drop(permit);
    assert!(matches!(waiter.poll(at(500), Waker::noop()), Poll::Ready(Ok(_))));
}

#[test]
fn a_cancelled_waiter_hands_on_the_place_it_had_been_given() {
    let bulkhead = bulkhead(1, 2);
    let bell = Arc::new(Bell::default());
    let permit = bulkhead.try_enter().unwrap();
    let (mut first, mut second) = (Waiter::new(&bulkhead), Waiter::new(&bulkhead));
    assert!(first.poll(at(0), Waker::noop()).is_pending());
    assert!(second.poll(at(0), &bell.clone().into()).is_pending());
    drop(permit);
    assert_eq!(bell.rung(), 0);
    drop(first);
    assert_eq!(bell.rung(), 1);
    assert!(matches!(second.poll(at(0), Waker::noop()), Poll::Ready(Ok(_))));
    assert_eq!((bulkhead.snapshot().cancelled, bulkhead.snapshot().in_flight), (1, 0));
}

#[test]
fn a_higher_limit_lets_in_who_waits_and_a_lower_one_lets_calls_end() {
    let bulkhead = bulkhead(1, 9);
    let bell = Arc::new(Bell::default());
    let permit = bulkhead.try_enter().unwrap();
    let mut waiters: Vec<_> = (0..3).map(|_| Waiter::new(&bulkhead)).collect();
    for waiter in &mut waiters {
        assert!(waiter.poll(at(0), &bell.clone().into()).is_pending());
    }
    bulkhead.reload(&Policy { limit: 3, ..Policy::default() }).unwrap();
    assert_eq!(bell.rung(), 2);
    bulkhead.reload(&Policy { limit: 1, ..Policy::default() }).unwrap();
    let seen = bulkhead.snapshot();
    assert_eq!((seen.limit, seen.in_flight, seen.waiting), (1, 3, 1));
    drop(permit);
    assert_eq!(bell.rung(), 2);
    waiters.truncate(2);
    drop(waiters);
    assert_eq!(bulkhead.snapshot().in_flight, 0);
}

#[test]
fn a_contradictory_policy_names_the_field_and_the_remedy() {
    for (policy, wanted) in [
        (Policy::at_once(0), "`limit` is 0"),
        (Policy::at_once(u32::MAX), "at most 2147483647"),
        (Policy { wait: Duration::ZERO, ..Policy::default() }, "`queue` is 25, but `wait` is zero"),
    ] {
        let said = Bulkhead::try_new(policy).unwrap_err().to_string();
        assert!(said.contains(wanted), "{said}");
    }
    let bulkhead = bulkhead(1, 0);
    assert!(bulkhead.reload(&Policy::at_once(0)).is_err());
    assert_eq!(bulkhead.snapshot().limit, 1);
    Policy::default().check().unwrap();
}

/// A step of the comparison with the reference.
#[derive(Clone, Debug)]
enum Step {
    Try,
    Queue,
    Leave(usize),
    Cancel(usize),
    Poll(usize),
    Advance(u64),
    Limit(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Try),
        4 => Just(Step::Queue),
        3 => (0..8usize).prop_map(Step::Leave),
        2 => (0..8usize).prop_map(Step::Cancel),
        3 => (0..8usize).prop_map(Step::Poll),
        1 => (0..150u64).prop_map(Step::Advance),
        1 => (1..5u32).prop_map(Step::Limit),
    ]
}

/// What a bulkhead promises, in the plainest words.
struct Naive {
    limit: usize,
    queue_max: usize,
    under_way: usize,
    /// The numbers of those who wait.
    waiting: VecDeque<usize>,
    granted: Vec<usize>,
}

impl Naive {
    fn serve(&mut self) {
        while self.under_way < self.limit
            && let Some(first) = self.waiting.pop_front()
        {
            self.under_way += 1;
            self.granted.push(first);
        }
    }

    fn take(&mut self) -> bool {
        let free = self.under_way < self.limit && self.waiting.is_empty();
        self.under_way += usize::from(free);
        free
    }
}

proptest! {
    #[test]
    fn agrees_with_a_naive_reference(
        steps in prop::collection::vec(step(), 1..120), limit in 1..4u32, queue in 0..4u32,
    ) {
        let bulkhead = bulkhead(limit, queue);
        let mut naive = Naive {
            limit: limit as usize, queue_max: queue as usize, under_way: 0,
            waiting: VecDeque::new(), granted: Vec::new(),
        };
        let (mut now, mut permits, mut waiters) = (0, Vec::new(), Vec::<(usize, u64, Waiter<_>)>::new());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Try => {
                    let entered = bulkhead.try_enter();
                    prop_assert_eq!(entered.is_ok(), naive.take());
                    permits.extend(entered);
                }
                Step::Queue => {
                    let mut waiter = Waiter::new(&bulkhead);
                    match waiter.poll(at(now), Waker::noop()) {
                        Poll::Ready(Ok(permit)) => {
                            prop_assert!(naive.take());
                            permits.push(permit);
                        }
                        Poll::Ready(Err(why)) => {
                            prop_assert_eq!(why, Rejected::Full);
                            prop_assert!(!naive.take() && naive.waiting.len() >= naive.queue_max);
                        }
                        Poll::Pending => {
                            prop_assert!(!naive.take() && naive.waiting.len() < naive.queue_max);
                            naive.waiting.push_back(number);
                            waiters.push((number, now + 100, waiter));
                        }
                    }
                }
                Step::Leave(which) if which < permits.len() => {
                    drop(permits.swap_remove(which));
                    naive.under_way -= 1;
                    naive.serve();
                }
                Step::Cancel(which) if which < waiters.len() => {
                    let (number, _, waiter) = waiters.remove(which);
                    drop(waiter);
                    let before = naive.granted.len();
                    naive.granted.retain(|it| *it != number);
                    naive.under_way -= before - naive.granted.len();
                    naive.waiting.retain(|it| *it != number);
                    naive.serve();
                }
                Step::Poll(which) if which < waiters.len() => {
                    let (number, until, waiter) = &mut waiters[which];
                    match waiter.poll(at(now), Waker::noop()) {
                        Poll::Ready(Ok(permit)) => {
                            prop_assert!(naive.granted.contains(number));
                            naive.granted.retain(|it| it != number);
                            permits.push(permit);
                        }
                        Poll::Ready(Err(why)) => {
                            prop_assert_eq!(why, Rejected::Waited);
                            prop_assert!(now >= *until && naive.waiting.contains(number));
                            naive.waiting.retain(|it| it != number);
                        }
                        Poll::Pending => {
                            prop_assert!(now < *until && naive.waiting.contains(number));
                            continue;
                        }
                    }
                    drop(waiters.remove(which));
                }
                Step::Advance(by) => now += by,
                Step::Limit(limit) => {
                    bulkhead.limit_to(limit);
                    naive.limit = limit as usize;
                    naive.serve();
                }
                Step::Leave(_) | Step::Cancel(_) | Step::Poll(_) => {}
            }
            let seen = bulkhead.snapshot();
            prop_assert_eq!(seen.in_flight as usize, naive.under_way);
            prop_assert_eq!(seen.waiting as usize, naive.waiting.len());
        }
        drop((permits, waiters));
        let seen = bulkhead.snapshot();
        prop_assert_eq!((seen.in_flight, seen.waiting), (0, 0));
    }
}
