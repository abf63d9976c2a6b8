//! Connections of one's own: whose requests come over which, and what a lost one means.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_load::{Order, prepare};
use evenkeel_model::Answer;
use evenkeel_model::document::{
    Call, Encoding, LoadStep, Owner, Route, Scenario, Shape, Template, Until,
};

use crate::books::{constant, no_secrets, order, route, run, users};
use crate::servers::{HELLO, serve};

/// Which user has asked for something over which connection, in the order in which the server heard it.
type Heard = Arc<Mutex<Vec<(u64, usize)>>>;

/// Answers every request with `answer`, and notes the user, who is the first part of the path.
fn listening(answer: &'static [u8], closes: bool) -> (SocketAddr, Heard, Arc<AtomicUsize>) {
    let (heard, most) = (Heard::default(), Arc::new(AtomicUsize::new(0)));
    let (notes, at_once, open) = (Arc::clone(&heard), Arc::clone(&most), AtomicUsize::new(0));
    let address = serve(move |talk, number| {
        at_once.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        while let Some(request) = talk.request() {
            let user = request.split('/').nth(1).unwrap().parse().unwrap();
            notes.lock().unwrap().push((user, number));
            // Who is gone gives its place back before the answer can bring the next.
            if closes {
                open.fetch_sub(1, Ordering::SeqCst);
                return talk.say(answer);
            }
            talk.say(answer);
        }
        open.fetch_sub(1, Ordering::SeqCst);
    });
    (address, heard, most)
}

/// The connections over which each user came.
fn connections(heard: &Heard) -> BTreeMap<u64, BTreeSet<usize>> {
    let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for &(user, connection) in &*heard.lock().unwrap() {
        all.entry(user).or_default().insert(connection);
    }
    all
}

/// So many arrivals a second for so many milliseconds, and time for them to come to their end.
fn arrivals(per_second: u32, millis: u64) -> Vec<Shape> {
    vec![constant(per_second, millis), constant(0, 1000)]
}

/// Steps with a pause before each but the first, so that others come in between.
fn with_pauses(mut order: Order, routes: Vec<Route>, owner: Owner) -> Order {
    let pause = Duration::from_millis(10);
    let mut steps = vec![LoadStep::Request(0)];
    for route in 1..routes.len() {
        steps.extend([LoadStep::Think { from: pause, to: pause }, LoadStep::Request(route)]);
    }
    order.test.routes = routes;
    order.test.scenarios =
        vec![Scenario { name: "one".to_owned(), weight: 1, cookies: true, steps }];
    order.test.sending.connection = owner;
    order
}

fn browsing(to: SocketAddr, owner: Owner, shapes: Vec<Shape>) -> Order {
    let routes =
        ["login", "basket", "order"].map(|it| route("GET", &format!("/${{run:user}}/{it}")));
    with_pauses(order(to, shapes), routes.to_vec(), owner)
}

#[test]
fn every_arrival_has_one_connection_from_its_first_step_to_its_last() {
    for owner in [Owner::User, Owner::Visit] {
        let (address, heard, most) = listening(HELLO, false);
        let books = run(browsing(address, owner, arrivals(400, 200)));
        books.all_were(3 * 80, Answer::Ok);
        let each = connections(&heard);
        assert_eq!((each.len(), books.connected), (80, 80), "{books:?}");
        assert!(each.values().all(|it| it.len() == 1), "{each:?}");
        let all: BTreeSet<_> = each.values().flatten().collect();
        assert_eq!(all.len(), 80, "nobody takes over what another had");
        // The server hears of an end a little later than we do.
        assert!(most.load(Ordering::SeqCst) <= 16, "of 8 at a time: {most:?}");
    }
}

#[test]
fn a_user_keeps_its_connection_for_as_long_as_it_is_there() {
    let (address, heard, _) = listening(HELLO, false);
    let books = run(browsing(address, Owner::User, vec![users(8, 200)]));
    assert_eq!((books.count(Answer::Ok), books.connected), (books.sent, 8), "{books:?}");
    let each = connections(&heard);
    assert!(each.len() == 8 && each.values().all(|it| it.len() == 1), "{each:?}");
    assert!(books.sent > 3 * 8, "each has come more than once: {books:?}");
}

#[test]
fn users_without_scenarios_have_connections_of_their_own_as_well() {
    let (address, heard, _) = listening(HELLO, false);
    let mut order = order(address, vec![users(5, 100)]);
    order.test.routes = vec![route("GET", "/${run:user}/")];
    order.test.sending.connection = Owner::User;
    let books = run(order);
    assert_eq!(books.connected, 5, "{books:?}");
    assert!(connections(&heard).values().all(|it| it.len() == 1));

    let mut plain = crate::books::order(crate::servers::answering(HELLO), vec![users(5, 100)]);
    plain.test.sending.connection = Owner::User;
    assert_eq!(run(plain).connected, 5);
}

#[test]
fn a_new_visit_is_a_new_connection_where_visits_own_them() {
    let (address, heard, _) = listening(HELLO, false);
    let books = run(browsing(address, Owner::Visit, vec![users(3, 200)]));
    let mut visits: BTreeMap<usize, u64> = BTreeMap::new();
    for &(_, connection) in &*heard.lock().unwrap() {
        *visits.entry(connection).or_default() += 1;
    }
    assert_eq!(visits.len() as u64, books.connected);
    // At the end some are cut short.
    assert!(visits.values().filter(|it| **it == 3).count() > 3, "{visits:?}");
    assert!(visits.values().all(|it| *it <= 3), "{visits:?}");
}

#[test]
fn a_server_that_closes_after_each_answer_is_asked_again_from_the_same_place() {
    const CLOSING: &[u8] =
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    let (address, heard, most) = listening(CLOSING, true);
    let mut order = browsing(address, Owner::Visit, arrivals(100, 100));
    order.test.connections = 1;
    let books = run(order);
    books.all_were(3 * 10, Answer::Ok);
    assert_eq!((books.connected, most.load(Ordering::SeqCst)), (30, 1));
    // The only place is one visit's until it is over, however many wait for it.
    let users: Vec<_> = heard.lock().unwrap().iter().map(|it| it.0).collect();
    assert_eq!(users, (0..10).flat_map(|it| [it; 3]).collect::<Vec<_>>());
}

#[test]
fn whoever_finds_all_places_taken_waits_with_its_due_time() {
    let (address, _, _) = listening(HELLO, false);
    let mut order = browsing(address, Owner::User, arrivals(1000, 10));
    order.test.connections = 2;
    let books = run(order);
    books.all_were(3 * 10, Answer::Ok);
    assert_eq!(books.connected, 10);
    // Five pairs of visits one after the other, of two pauses each.
    assert!(books.response.max().unwrap() >= Duration::from_millis(70), "{books:?}");
}

fn says(payload: &str) -> Route {
    let payload = Template::parse(payload).unwrap();
    Route::of(Call::Message { payload, encoding: Encoding::Text, until: Until::Message })
}

/// Remembers who has said `login NAME` on a connection, and says whether a later `NAME` is the same.
fn porter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || -> Option<()> {
                let mut socket = tungstenite::accept(stream.unwrap()).ok()?;
                let mut known = None;
                loop {
                    let message = socket.read().ok()?;
                    let Ok(text) = message.to_text() else { continue };
                    let answer = match text.strip_prefix("login ") {
                        Some(name) => {
                            known = Some(name.to_owned());
                            "welcome"
                        }
                        None if known.as_deref() == Some(text) => "known",
                        None => "stranger",
                    };
                    socket.send(answer.into()).ok()?;
                }
            });
        }
    });
    address
}

#[test]
fn who_has_logged_in_over_websocket_is_known_in_its_later_messages() {
    let login = says("login ${run:user}");
    let mut again = says("${run:user}");
    again.checks.contains = vec!["known".to_owned()];
    let mut to = order(porter(), arrivals(200, 200));
    to.url = to.url.replace("http://", "ws://");
    let (known, routes) = (again.clone(), vec![login, again]);
    let books = run(with_pauses(to.clone(), [routes.clone(), vec![known]].concat(), Owner::Visit));
    books.all_were(3 * 40, Answer::Ok);
    assert_eq!(books.connected, 40);
    to.shapes = vec![users(4, 200)];
    let books = run(with_pauses(to, routes, Owner::User));
    assert_eq!((books.count(Answer::Ok), books.connected), (books.sent, 4), "{books:?}");
}

#[test]
fn a_session_that_is_lost_in_the_middle_of_a_visit_fails_it() {
    let logins = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&logins);
    let server = serve(move |talk, _| {
        talk.piece();
        count.fetch_add(1, Ordering::SeqCst);
        talk.say(b"welcome\n");
    });
    let mut order = order(server, arrivals(200, 200));
    order.url = format!("tcp://{server}");
    let books = run(with_pauses(order, vec![says("login"), says("more")], Owner::Visit));
    assert_eq!((books.count(Answer::Ok), books.count(Answer::Closed)), (40, 40), "{books:?}");
    assert_eq!((logins.load(Ordering::SeqCst), books.connected), (40, 40));
}

#[test]
fn users_who_could_never_have_a_connection_are_refused_ahead() {
    let mut order = order(crate::servers::refusing(), vec![users(9, 100)]);
    order.test.sending.connection = Owner::User;
    let error = prepare(order.clone(), no_secrets).unwrap_err().to_string();
    assert!(error.contains("9 users of one thread") && error.contains("raise"), "{error}");
    order.test.sending.threads = 3;
    order.test.connections = 9;
    assert!(prepare(order.clone(), no_secrets).is_ok());
    order.test.connections = 8;
    assert!(prepare(order.clone(), no_secrets).is_err());
    // They take turns.
    order.test.sending.connection = Owner::Visit;
    assert!(prepare(order, no_secrets).is_ok());
}
