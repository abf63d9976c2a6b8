//! Idempotency store: a request that ends while another one with its key comes.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use evenkeel_resilience::idempotency::{Begun, Follower, Lease, Outcome, Policy, Store};
use evenkeel_units::Moment;
use loom::thread;

use crate::model;

type Orders = Arc<Store<u8, u8, u32>>;

fn now() -> Moment {
    Moment::at(Duration::from_secs(1))
}

fn orders() -> Orders {
    Arc::new(Store::try_new(Policy { wait: Duration::from_secs(1), ..Policy::default() }).unwrap())
}

fn first(orders: &Orders) -> Lease<u8, u8, u32> {
    match orders.begin(now(), 1, 7) {
        Begun::First(lease) => lease,
        other => panic!("not the first: {other:?}"),
    }
}

fn follower(orders: &Orders) -> Follower<u8, u8, u32> {
    match orders.begin(now(), 1, 7) {
        Begun::Wait(follower) => follower,
        other => panic!("nothing to wait for: {other:?}"),
    }
}

#[test]
fn who_comes_while_the_first_ends_never_runs_as_well() {
    model(|| {
        let orders = orders();
        let lease = first(&orders);
        let comes = {
            let orders = Arc::clone(&orders);
            thread::spawn(move || match orders.begin(now(), 1, 7) {
                Begun::Replay(answer) => assert_eq!(answer, 42),
                Begun::Wait(mut follower) => match follower.poll(Waker::noop()) {
                    Poll::Ready(Outcome::Answer(answer)) => assert_eq!(answer, 42),
                    Poll::Ready(Outcome::First(_)) => panic!("it runs as well"),
                    Poll::Pending => {}
                },
                other => panic!("neither told nor waiting: {other:?}"),
            })
        };
        lease.complete(now(), 42);
        comes.join().unwrap();
        assert!(matches!(orders.begin(now(), 1, 7), Begun::Replay(42)));
    });
}

#[test]
fn a_key_that_is_given_up_while_one_goes_and_one_comes_is_that_of_one() {
    model(|| {
        let orders = orders();
        let (lease, goes) = (first(&orders), follower(&orders));
        let leaves = thread::spawn(move || drop(goes));
        let comes = {
            let orders = Arc::clone(&orders);
            thread::spawn(move || orders.begin(now(), 1, 7))
        };
        drop(lease);
        leaves.join().unwrap();
        let lease = match comes.join().unwrap() {
            Begun::First(lease) => lease,
            Begun::Wait(mut follower) => match follower.poll(Waker::noop()) {
                Poll::Ready(Outcome::First(lease)) => lease,
                other => panic!("nobody runs: {other:?}"),
            },
            other => panic!("nobody runs: {other:?}"),
        };
        lease.complete(now(), 42);
        assert!(matches!(orders.begin(now(), 1, 7), Begun::Replay(42)));
    });
}
