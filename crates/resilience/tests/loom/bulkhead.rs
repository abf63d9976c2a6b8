//! Bulkhead: no place is lost and no wake-up, whoever leaves while another gives up.

use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use evenkeel_resilience::bulkhead::{Bulkhead, Policy, Waiter};
use evenkeel_units::Moment;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::model;

/// Whether it was woken.
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn bell() -> std::sync::Arc<Bell> {
    std::sync::Arc::new(Bell(AtomicBool::new(false)))
}

fn bulkhead(limit: u32) -> Arc<Bulkhead> {
    let policy = Policy { limit, queue: 2, wait: Duration::from_secs(1) };
    Arc::new(Bulkhead::try_new(policy).unwrap())
}

fn now() -> Moment {
    Moment::START
}

#[test]
fn who_waits_behind_one_that_gives_up_is_woken() {
    model(|| {
        let bulkhead = bulkhead(1);
        let permit = bulkhead.try_enter().unwrap();
        let (mut first, mut second) =
            (Waiter::new(Arc::clone(&bulkhead)), Waiter::new(Arc::clone(&bulkhead)));
        let bell = bell();
        assert!(first.poll(now(), Waker::noop()).is_pending());
        assert!(second.poll(now(), &bell.clone().into()).is_pending());
        let cancel = thread::spawn(move || drop(first));
        let overtakes = {
            let bulkhead = Arc::clone(&bulkhead);
            thread::spawn(move || bulkhead.try_enter().is_ok())
        };
        drop(permit);
        cancel.join().unwrap();
        assert!(!overtakes.join().unwrap());
        assert!(bell.0.load(Ordering::Relaxed));
        assert!(matches!(second.poll(now(), Waker::noop()), Poll::Ready(Ok(_))));
        assert_eq!(bulkhead.snapshot().in_flight, 0);
    });
}

#[test]
fn who_queues_up_while_the_place_becomes_free_has_it() {
    model(|| {
        let bulkhead = bulkhead(1);
        let permit = bulkhead.try_enter().unwrap();
        let bell = bell();
        let mut waiter = Waiter::new(Arc::clone(&bulkhead));
        let waits = {
            let bell = bell.clone();
            thread::spawn(move || {
                let entered = waiter.poll(now(), &bell.into()).is_ready();
                (waiter, entered)
            })
        };
        drop(permit);
        let (mut waiter, entered) = waits.join().unwrap();
        if !entered {
            assert!(bell.0.load(Ordering::Relaxed));
            assert!(matches!(waiter.poll(now(), Waker::noop()), Poll::Ready(Ok(_))));
        }
        assert_eq!(bulkhead.snapshot().in_flight, 0);
    });
}

#[test]
fn one_that_gives_up_while_others_leave_and_come_loses_no_place() {
    model(|| {
        let bulkhead = bulkhead(1);
        let permit = bulkhead.try_enter().unwrap();
        let mut waiter = Waiter::new(Arc::clone(&bulkhead));
        assert!(waiter.poll(now(), Waker::noop()).is_pending());
        let cancel = thread::spawn(move || drop(waiter));
        let comes = {
            let bulkhead = Arc::clone(&bulkhead);
            // Gets the place or not; never a second one at the same time.
            thread::spawn(move || drop(bulkhead.try_enter()))
        };
        drop(permit);
        cancel.join().unwrap();
        comes.join().unwrap();
        let seen = bulkhead.snapshot();
        assert_eq!((seen.in_flight, seen.waiting), (0, 0));
        assert!(bulkhead.try_enter().is_ok());
    });
}

#[test]
fn a_limit_that_rises_while_a_call_ends_serves_all_who_wait() {
    model(|| {
        let bulkhead = bulkhead(1);
        let permit = bulkhead.try_enter().unwrap();
        let (mut first, mut second) =
            (Waiter::new(Arc::clone(&bulkhead)), Waiter::new(Arc::clone(&bulkhead)));
        assert!(first.poll(now(), Waker::noop()).is_pending());
        assert!(second.poll(now(), Waker::noop()).is_pending());
        let rises = {
            let bulkhead = Arc::clone(&bulkhead);
            let policy = Policy { limit: 2, ..Policy::default() };
            thread::spawn(move || bulkhead.reload(&policy).unwrap())
        };
        drop(permit);
        rises.join().unwrap();
        let (first, second) = (first.poll(now(), Waker::noop()), second.poll(now(), Waker::noop()));
        assert!(matches!((&first, &second), (Poll::Ready(Ok(_)), Poll::Ready(Ok(_)))));
        assert_eq!(bulkhead.snapshot().in_flight, 2);
    });
}

#[test]
fn no_more_than_the_limit_are_under_way_at_once() {
    model(|| {
        let bulkhead = bulkhead(1);
        let inside = Arc::new(AtomicBool::new(false));
        let call = |bulkhead: Arc<Bulkhead>, inside: Arc<AtomicBool>| {
            move || {
                if let Ok(permit) = bulkhead.try_enter() {
                    assert!(!inside.swap(true, Ordering::Relaxed), "two at once");
                    inside.store(false, Ordering::Relaxed);
                    drop(permit);
                }
            }
        };
        let other = thread::spawn(call(Arc::clone(&bulkhead), Arc::clone(&inside)));
        call(Arc::clone(&bulkhead), inside)();
        other.join().unwrap();
        assert_eq!(bulkhead.snapshot().in_flight, 0);
    });
}
