//! Balancer: threads that pick, end calls, say how an endpoint is and take it out at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use evenkeel_resilience::balance::{Balancer, Event, Member, Outliers, Policy, Strategy};
use evenkeel_resilience::breaker::Outcome;
use evenkeel_units::{Moment, Ratio, Seed};
use loom::sync::Arc;
use loom::thread;

fn at(second: u64) -> Moment {
    Moment::at(Duration::from_secs(second))
}

fn balancer(strategy: Strategy, names: &[&str]) -> Balancer<()> {
    let outliers = Some(Outliers::consecutive(2));
    let policy = Policy { outliers, panic: Ratio::ZERO, ..Policy::of(strategy) };
    let balancer = Balancer::seeded(policy, Seed(7)).unwrap();
    balancer.replace(at(0), names.iter().map(|it| Member::new(*it, ()))).unwrap();
    balancer
}

/// On a stack of half a mebibyte: that of a model is too small for all that is made in the beginning.
fn spawned(work: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::Builder::new().stack_size(65_536).spawn(work).unwrap()
}

fn model(work: impl Fn() + Clone + Send + Sync + 'static) {
    loom::model(move || spawned(work.clone()).join().unwrap());
}

/// Does two things on a thread each.
fn both(
    balancer: &Arc<Balancer<()>>,
    one: impl FnOnce(&Balancer<()>) + Send + 'static,
    other: impl FnOnce(&Balancer<()>) + Send + 'static,
) {
    let its = Arc::clone(balancer);
    let one = spawned(move || one(&its));
    let its = Arc::clone(balancer);
    let other = spawned(move || other(&its));
    one.join().unwrap();
    other.join().unwrap();
}

fn endpoints_called(balancer: &Balancer<()>, now: Moment) -> Vec<String> {
    let call = |_| {
        let ticket = balancer.admit(now, None)?;
        let name = ticket.endpoint().name().to_owned();
        balancer.release(ticket);
        Some(name)
    };
    (0..2).filter_map(call).collect()
}

#[test]
fn what_is_said_of_health_while_another_thread_thinks_it_over_is_heard() {
    model(|| {
        let balancer = Arc::new(balancer(Strategy::RoundRobin, &["a", "b"]));
        let a = balancer.endpoint("a").unwrap();
        let b = balancer.endpoint("b").unwrap();
        b.set_healthy(false);
        // The first pick thinks over what was said of b, while something is said of a.
        both(&balancer, move |_| a.set_healthy(false), |it| drop(endpoints_called(it, at(1))));
        assert_eq!(endpoints_called(&balancer, at(1)), [""; 0]);
        b.set_healthy(true);
        assert_eq!(endpoints_called(&balancer, at(1)), ["b", "b"]);
    });
}

#[test]
fn calls_that_fail_together_eject_once() {
    model(|| {
        let told = std::sync::Arc::new(AtomicUsize::new(0));
        let to = std::sync::Arc::clone(&told);
        let balancer = balancer(Strategy::default(), &["a", "b"]);
        let balancer = Arc::new(balancer.listener(std::sync::Arc::new(move |event: &Event| {
            to.fetch_add(usize::from(matches!(event, Event::Ejected { .. })), Ordering::Relaxed);
        })));
        balancer.endpoint("b").unwrap().set_healthy(false);
        let [one, other] = [(); 2].map(|()| balancer.admit(at(1), None).unwrap());
        both(
            &balancer,
            move |it| it.record(at(1), one, Outcome::Failure),
            move |it| it.record(at(1), other, Outcome::Failure),
        );
        assert_eq!(told.load(Ordering::Relaxed), 1);
        let seen = balancer.snapshot(at(1));
        let a = &seen.endpoints[0];
        assert_eq!((a.in_flight, a.failed_total, a.ejected_total), (0, 2, 1));
    });
}

#[test]
fn a_call_to_an_endpoint_that_is_removed_meanwhile_ends_and_nobody_else_is_counted() {
    model(|| {
        let balancer = Arc::new(balancer(Strategy::default(), &["a", "b"]));
        let b = balancer.endpoint("b").unwrap();
        b.set_healthy(false);
        let a = balancer.endpoint("a").unwrap();
        both(
            &balancer,
            |it| {
                if let Some(ticket) = it.admit(at(1), None) {
                    it.record(at(1), ticket, Outcome::Failure);
                }
            },
            |it| drop(it.remove(at(1), "a")),
        );
        assert_eq!((a.in_flight(), b.in_flight()), (0, 0));
        assert!(balancer.admit(at(1), None).is_none());
    });
}

#[test]
fn estimates_of_calls_that_end_together_have_the_worst_of_them() {
    model(|| {
        let balancer = Arc::new(balancer(Strategy::default(), &["a"]));
        let [one, other] = [(); 2].map(|()| balancer.admit(at(0), None).unwrap());
        both(
            &balancer,
            move |it| it.record(at(1), one, Outcome::Success),
            move |it| it.record(at(3), other, Outcome::Success),
        );
        let seen = &balancer.snapshot(at(3)).endpoints[0];
        let latency = seen.latency.unwrap();
        assert!(latency >= Duration::from_secs(2), "{latency:?}");
        assert_eq!((seen.in_flight, seen.succeeded_total), (0, 2));
    });
}
