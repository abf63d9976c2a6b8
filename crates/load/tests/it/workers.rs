//! Several threads and several machines: the same load, whoever sends which part of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_load::{Merge, Order, Share};
use evenkeel_model::Answer;
use evenkeel_model::document::{LoadStep, Scenario, Shape};

use crate::books::{Books, constant, frames, order, route, run, start};
use crate::servers::{HELLO, answering, serve};

type Paths = Arc<Mutex<BTreeMap<String, u64>>>;

fn listening() -> (SocketAddr, Paths) {
    let paths = Paths::default();
    let seen = Arc::clone(&paths);
    let address = serve(move |talk, _| {
        while let Some(request) = talk.request() {
            let path = request.split(' ').nth(1).unwrap().to_owned();
            *seen.lock().unwrap().entry(path).or_default() += 1;
            talk.say(HELLO);
        }
    });
    (address, paths)
}

/// Three routes of different weight.
fn mixed(to: SocketAddr, shapes: Vec<Shape>) -> Order {
    let mut order = order(to, shapes);
    order.test.routes = vec![route("GET", "/a"), route("GET", "/b"), route("GET", "/c")];
    order.test.routes[0].weight = 5;
    order.test.routes[1].weight = 2;
    order
}

#[test]
fn any_number_of_threads_and_shares_sends_the_same_requests() {
    let shapes = vec![constant(300, 150), constant(0, 20), constant(701, 100)];
    let sent = |threads, of| {
        let (address, paths) = listening();
        let mut load = mixed(address, shapes.clone());
        load.test.sending.threads = threads;
        let mut planned = 0;
        let shares: Vec<_> = (0..of)
            .map(|number| start(Order { share: Share { number, of }, ..load.clone() }))
            .collect();
        for (handle, said) in shares {
            handle.join();
            let books = Books::of(&frames(said));
            books.all_were(books.planned, Answer::Ok);
            planned += books.planned;
        }
        let paths = paths.lock().unwrap().clone();
        assert_eq!(paths.values().sum::<u64>(), planned);
        (planned, paths)
    };
    let whole = sent(1, 1);
    assert_eq!(whole.0, 45 + 71);
    assert_eq!(whole.1.len(), 3);
    for (threads, of) in [(2, 1), (3, 1), (1, 2), (1, 3), (2, 2), (3, 2)] {
        assert_eq!(sent(threads, of), whole, "{threads} threads, {of} shares");
    }
}

#[test]
fn scenarios_with_data_are_shared_out_without_repeats() {
    use evenkeel_model::document::{Feeder, RowOrder, Rows};
    let sent = |threads, of| {
        let (address, paths) = listening();
        let mut load = order(address, vec![constant(400, 200)]);
        load.test.routes = vec![route("GET", "/${data:rows.id}/${run:user}/${random:1-9}")];
        let rows = (0..70).map(|it| vec![it.to_string()]).collect();
        let rows = Rows::Inline(vec!["id".to_owned()], rows);
        load.test.feeders = vec![Feeder { name: "rows".to_owned(), rows, order: RowOrder::Unique }];
        load.test.scenarios = vec![Scenario {
            name: "one".to_owned(),
            weight: 1,
            cookies: false,
            steps: vec![LoadStep::Request(0)],
        }];
        load.test.sending.threads = threads;
        let mut counts = (0, 0, 0);
        for number in 0..of {
            let books = run(Order { share: Share { number, of }, ..load.clone() });
            counts.0 += books.planned;
            counts.1 += books.count(Answer::Ok);
            counts.2 += books.missed;
        }
        let paths = paths.lock().unwrap().clone();
        (counts, paths)
    };
    let whole = sent(1, 1);
    assert_eq!((whole.0, whole.1.len()), ((80, 70, 10), 70));
    for (threads, of) in [(2, 1), (3, 1), (2, 2)] {
        assert_eq!(sent(threads, of), whole, "{threads} threads, {of} shares");
    }
}

#[test]
fn frames_of_two_machines_make_those_of_one() {
    let server = answering(HELLO);
    let shapes = vec![constant(150, 1_100), constant(0, 50)];
    let machines: Vec<_> = (0..2)
        .map(|number| {
            let mut load = mixed(server, shapes.clone());
            load.share = Share { number, of: 2 };
            load.test.sending.threads = 2;
            start(load)
        })
        .collect();
    let mut merge = Merge::new(2);
    for (number, (handle, said)) in machines.into_iter().enumerate() {
        handle.join();
        let frames = frames(said);
        assert_eq!(frames.len(), 2);
        frames.iter().for_each(|it| merge.frame(number, it));
        merge.ended(number, 0);
    }
    let merged: Vec<_> = std::iter::from_fn(|| merge.take()).collect();
    assert_eq!(merged.iter().map(|it| it.planned).collect::<Vec<_>>(), [150, 15]);
    let books = Books::of(&merged);
    books.all_were(165, Answer::Ok);
    let single = run(mixed(server, shapes));
    assert_eq!((single.routes, single.seconds), (books.routes, books.seconds));
}

#[test]
fn every_second_is_said_once_whatever_the_threads_have_to_do() {
    // The one user is done at once; its thread and those without a user go on as long as arrivals come.
    let shapes = |iterations, millis| Shape::Users {
        users: 1,
        ramp_up: Duration::ZERO,
        think_time: Duration::ZERO,
        duration: Duration::from_millis(millis),
        iterations,
    };
    for threads in 1..=3 {
        let mut load = order(answering(HELLO), vec![shapes(Some(3), 950), constant(100, 150)]);
        load.test.sending.threads = threads;
        let books = run(load);
        books.all_were(18, Answer::Ok);
        assert_eq!(books.seconds, 2);
        let mut alone = order(answering(HELLO), vec![shapes(Some(3), 60_000)]);
        alone.test.sending.threads = threads;
        let books = run(alone);
        books.all_were(3, Answer::Ok);
        assert_eq!(books.seconds, 1, "the load is over when its last user is");
    }
}
