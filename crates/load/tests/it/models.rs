//! Open and closed phases in one run, weights, seeds, and stopping.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_load::Said;
use evenkeel_model::Answer;
use evenkeel_units::Seed;

use crate::books::{Books, constant, frames, order, route, run, start, thinking, users};
use crate::servers::{HELLO, answering, serve};

#[test]
fn users_send_their_next_request_after_the_answer_and_their_think_time() {
    let books = run(order(answering(HELLO), vec![thinking(4, 50, 500)]));
    assert_eq!(books.count(Answer::Ok), books.planned);
    // Ten each at the most; a busy machine answers later and so sees fewer.
    assert!((12..=40).contains(&books.planned), "{books:?}");
}

#[test]
fn users_share_a_pool_that_is_smaller_than_their_number() {
    let mut crowded = order(answering(HELLO), vec![users(16, 200)]);
    crowded.test.connections = 2;
    let books = run(crowded);
    assert_eq!((books.count(Answer::Ok), books.missed), (books.sent, 0));
    assert!(books.sent > 16, "{books:?}");
}

#[test]
fn open_and_closed_phases_follow_each_other() {
    let shapes = vec![constant(100, 200), users(2, 200), constant(100, 200)];
    let books = run(order(answering(HELLO), shapes));
    assert!(books.planned > 42, "{books:?}");
    assert_eq!(books.count(Answer::Ok), books.planned);
}

#[test]
fn a_frame_is_said_for_every_second_and_none_beyond() {
    let server = answering(HELLO);
    let books = run(order(server, vec![constant(100, 1_200), constant(0, 1_500)]));
    assert_eq!((books.seconds, books.planned), (3, 120));
}

#[test]
fn the_same_seed_sends_the_same_requests() {
    let sent = |seed| {
        let paths = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&paths);
        let server = serve(move |talk, _| {
            while let Some(request) = talk.request() {
                seen.lock().unwrap().push(request.chars().nth(5).unwrap());
                talk.say(HELLO);
            }
        });
        let mut mixed = order(server, vec![constant(200, 300)]);
        mixed.test.routes = vec![route("GET", "/a"), route("GET", "/b")];
        mixed.test.routes[0].weight = 3;
        mixed.test.connections = 1;
        mixed.seed = Seed(seed);
        run(mixed).all_were(60, Answer::Ok);
        let paths = paths.lock().unwrap();
        paths.clone()
    };
    let first = sent(1);
    assert_eq!(first, sent(1));
    assert_ne!(first, sent(2));
    assert!((30..60).contains(&first.matches('a').count()), "{first}");
}

#[test]
fn a_stop_ends_the_arrivals_and_waits_for_what_is_under_way() {
    let server = serve(|talk, number| {
        while talk.request().is_some() {
            if number == 0 {
                talk.wait_for_the_end();
            }
            talk.say(HELLO);
        }
    });
    let (handle, said) = start(order(server, vec![constant(100, 3_600_000)]));
    let first = said.iter().find(|it| matches!(it, Said::Second(_))).unwrap();
    handle.stop();
    handle.join();
    let (again, later) = std::sync::mpsc::channel();
    [Said::Started, first].into_iter().chain(said).for_each(|it| again.send(it).unwrap());
    drop(again);
    let books = Books::of(&frames(later));
    assert_eq!((books.in_flight, books.count(Answer::Ok)), (1, books.sent - 1), "{books:?}");
    assert!(books.seconds <= 4, "{books:?}");
}

#[test]
fn a_load_says_what_it_costs() {
    let (handle, said) = start(order(answering(HELLO), vec![constant(500, 300)]));
    Books::of(&frames(said)).all_were(150, Answer::Ok);
    let cost = handle.cpu_time();
    assert!(cost > Duration::ZERO && cost < Duration::from_millis(500), "{cost:?}");
    handle.join();
}

#[test]
fn a_load_that_can_only_wait_costs_next_to_nothing() {
    let server = serve(|talk, _| talk.wait_for_the_end());
    let mut stuck = order(server, vec![constant(50, 500)]);
    stuck.test.connections = 2;
    stuck.test.timeout = Duration::from_millis(1_500);
    let (handle, said) = start(stuck);
    let books = Books::of(&frames(said));
    assert_eq!(books.count(Answer::Timeout) + books.missed, 25);
    let cost = handle.cpu_time();
    assert!(cost < Duration::from_millis(300), "{cost:?}");
    handle.join();
}
