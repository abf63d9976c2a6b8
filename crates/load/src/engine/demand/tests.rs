//! What may begin when, and what comes with a share that joins.

use super::*;
use evenkeel_model::document::{Call, Route, Shape, Template};
use evenkeel_units::Rate;

use crate::scenario::Compiler;

fn millis(at: u64) -> Moment {
    Moment::at(Duration::from_millis(at))
}

fn agenda(owner: Owner, shape: Shape) -> Agenda {
    let call = Call::Produce { topic: "t".to_owned(), key: None, value: Template::literal("x") };
    let mut test = LoadTest::of("test", vec![Route::of(call)]);
    test.sending.connection = owner;
    let mut compiler = Compiler::new(&test, &|_| Ok(String::new())).unwrap();
    crate::route::compile(&test, &mut compiler, None).unwrap();
    let program = compiler.program(Seed(1), |_| owner == Owner::Shared).unwrap();
    Agenda::new(&test, Seed(1), program, Schedule::of(&[shape]).unwrap())
}

/// An arrival at each millisecond of 300.
fn arrivals() -> Agenda {
    let (rate, duration) = (Rate::per_second(1_000.0).unwrap(), Duration::from_millis(300));
    agenda(Owner::Shared, Shape::Constant { rate, duration })
}

/// For 300 milliseconds.
fn users(owner: Owner, users: u32) -> Agenda {
    let (think_time, duration) = (Duration::ZERO, Duration::from_millis(300));
    let ramp_up = Duration::ZERO;
    agenda(owner, Shape::Users { users, ramp_up, think_time, duration, iterations: None })
}

const WHOLE: Slice = Slice { worker: 0, workers: 1 };

/// Takes all that is due.
fn taken(demand: &mut Demand, now: Moment) -> usize {
    demand.admit(|at| at <= now);
    std::iter::from_fn(|| demand.take(now)).count()
}

#[test]
fn what_is_due_later_than_it_may_be_sent_waits_until_it_may() {
    let mut demand = Demand::new(&arrivals(), WHOLE, millis(100));
    let end = millis(300);
    assert_eq!((taken(&mut demand, end), demand.next_event(end)), (100, demand.boundary()));
    assert!(!demand.is_over(end));
    demand.allow(millis(250));
    assert_eq!(taken(&mut demand, end), 150);
    demand.allow(FOREVER);
    assert_eq!((taken(&mut demand, end), demand.is_over(end)), (50, true));
    assert_eq!(demand.close(0, Duration::ZERO).planned, 300);
}

#[test]
fn what_joins_is_sent_from_then_on_with_the_rest() {
    let mut demand = Demand::new(&arrivals(), Slice { worker: 1, workers: 3 }, FOREVER);
    assert_eq!(taken(&mut demand, millis(149)), 50);
    let slice = Slice { worker: 0, workers: 3 };
    demand.join(More { slice, from: millis(240), connections: 0 });
    assert_eq!(taken(&mut demand, millis(300)), 50 + 20);
}

#[test]
fn a_user_begins_nothing_before_it_may() {
    let mut demand = Demand::new(&users(Owner::Shared, 1), WHOLE, millis(100));
    demand.admit(|at| at <= Moment::START);
    let mut sent = Vec::new();
    let mut now = Moment::START;
    while let Some(request) = demand.take(now) {
        sent.push(now);
        now = now + Duration::from_millis(30);
        demand.outcome(&request, Answer::Ok, None, now);
    }
    assert_eq!(sent, [0, 30, 60, 90].map(millis));
    demand.allow(millis(200));
    assert_eq!(taken(&mut demand, now), 1);
}

#[test]
fn a_worker_without_users_stays_while_more_may_come() {
    let slice = Slice { worker: 1, workers: 2 };
    let is_over = |until, now| Demand::new(&users(Owner::Shared, 1), slice, until).is_over(now);
    assert!(is_over(FOREVER, Moment::START));
    assert!(!is_over(millis(5_000), Moment::START) && is_over(millis(5_000), millis(300)));
}

#[test]
fn users_that_join_have_a_connection_each_where_they_keep_one() {
    let more = |slice| More { slice, from: Moment::START, connections: 2 };
    let join = |owner, slice| Demand::new(&users(owner, 9), WHOLE, FOREVER).join(more(slice));
    let slice = Slice { worker: 0, workers: 3 };
    assert_eq!((join(Owner::Shared, slice), join(Owner::User, slice)), (2, 3));
    // Arrivals can use what is left.
    assert_eq!(join(Owner::User, Slice { worker: 0, workers: 9 }), 2);
}
