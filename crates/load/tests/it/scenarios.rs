//! Scenarios over HTTP: what users do, with which data, and what is counted of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use evenkeel_load::{Order, Said};
use evenkeel_model::Answer;
use evenkeel_model::document::{
    Condition, Extract, Feeder, LoadStep, RowOrder, Rows, Scenario, Shape, Source, Stage, Template,
};
use evenkeel_units::{Ratio, Seed};

use crate::books::{Books, constant, order, post, route, run, users};
use crate::servers::serve;

/// What a server has been asked for, head by head.
type Asked = Arc<Mutex<Vec<String>>>;

/// Answers with what `answer` makes of a request, and notes the requests.
fn shop(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (SocketAddr, Asked) {
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let address = serve(move |talk, _| {
        while let Some(request) = talk.request() {
            let answer = answer(&request);
            seen.lock().unwrap().push(request);
            talk.say(answer.as_bytes());
        }
    });
    (address, asked)
}

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn plain(_: &str) -> String {
    ok("", "hello")
}

/// The paths that were asked for, each with how often.
fn paths(asked: &Asked) -> BTreeMap<String, u64> {
    let mut paths = BTreeMap::new();
    for request in &*asked.lock().unwrap() {
        *paths.entry(request.split(' ').nth(1).unwrap().to_owned()).or_default() += 1;
    }
    paths
}

/// A load of one scenario with these paths as its requests.
fn script(to: SocketAddr, paths: &[&str], steps: Vec<LoadStep>, shapes: Vec<Shape>) -> Order {
    let mut order = order(to, shapes);
    order.test.routes = paths.iter().map(|it| route("GET", it)).collect();
    order.test.scenarios =
        vec![Scenario { name: "one".to_owned(), weight: 1, cookies: true, steps }];
    order.test.transactions = vec!["first".to_owned(), "second".to_owned()];
    order
}

fn data(order: RowOrder, rows: u64) -> Vec<Feeder> {
    let rows = (0..rows).map(|it| vec![it.to_string()]).collect();
    let rows = Rows::Inline(vec!["id".to_owned()], rows);
    vec![Feeder { name: "users".to_owned(), rows, order }]
}

fn think(from: u64, to: u64) -> LoadStep {
    LoadStep::Think { from: Duration::from_millis(from), to: Duration::from_millis(to) }
}

fn never() -> Condition {
    Condition::Exists("nothing".to_owned())
}

fn when(condition: Condition, then: Vec<LoadStep>, otherwise: Vec<LoadStep>) -> LoadStep {
    LoadStep::If { condition, then, otherwise }
}

use LoadStep::Request;

#[test]
fn rows_are_taken_in_order_by_chance_or_once() {
    let fed = |order, rows, arrivals: u64| {
        let (address, asked) = shop(plain);
        let mut load = script(
            address,
            &["/${data:users.id}"],
            vec![Request(0)],
            vec![constant(200, arrivals * 5)],
        );
        load.test.feeders = data(order, rows);
        (run(load), paths(&asked))
    };
    let (books, paths) = fed(RowOrder::Sequential, 4, 40);
    books.all_were(40, Answer::Ok);
    assert_eq!(paths, (0..4).map(|it| (format!("/{it}"), 10)).collect());

    let (books, paths) = fed(RowOrder::Random, 4, 100);
    books.all_were(100, Answer::Ok);
    assert!(paths.len() == 4 && paths.values().any(|it| *it != 25), "{paths:?}");

    let (books, paths) = fed(RowOrder::Unique, 30, 40);
    assert_eq!((books.planned, books.sent, books.missed), (40, 30, 10), "{books:?}");
    assert_eq!(paths, (0..30).map(|it| (format!("/{it}"), 1)).collect());
}

#[test]
fn users_leave_when_their_data_is_used_up() {
    let (address, asked) = shop(plain);
    let mut load =
        script(address, &["/${data:users.id}"], vec![Request(0)], vec![users(3, 60_000)]);
    load.test.feeders = data(RowOrder::Unique, 20);
    let books = run(load);
    books.all_were(20, Answer::Ok);
    assert_eq!(paths(&asked).len(), 20);
    assert!(books.seconds < 60, "{books:?}");
}

#[test]
fn what_an_answer_gives_goes_into_later_requests() {
    let (address, asked) = shop(|request| {
        if request.starts_with("GET /cart ") {
            ok("x-token: t1\r\n", r#"{"cart": {"id": 7}, "note": "order <o-9> taken"}"#)
        } else {
            ok("", "")
        }
    });
    let steps = vec![Request(0), Request(1)];
    let later = "/pay/${var:id}/${var:token}/${var:order}/${var:none}";
    let mut load = script(address, &["/cart", later], steps, vec![constant(100, 100)]);
    let extract = |var: &str, from: Source, default: Option<&str>| Extract {
        var: var.to_owned(),
        from,
        default: default.map(str::to_owned),
    };
    load.test.routes[0].extract = vec![
        extract("id", Source::Json("$.cart.id".to_owned()), None),
        extract("token", Source::Header("X-Token".to_owned()), None),
        extract("order", Source::Regex("<(o-[0-9]+)>".to_owned()), None),
        extract("none", Source::Between("[".to_owned(), "]".to_owned()), Some("-")),
    ];
    run(load.clone()).all_were(20, Answer::Ok);
    assert_eq!(paths(&asked)["/pay/7/t1/o-9/-"], 10);
    // What is not there ends the iteration.
    load.test.routes[0].extract[3].default = None;
    run(load).all_were(10, Answer::Body);
}

#[test]
fn cookies_are_kept_for_an_iteration_and_no_longer() {
    let (address, asked) = shop(|request| {
        let first = request.starts_with("GET /login ");
        ok(if first { "set-cookie: session=s1; Path=/\r\nset-cookie: a=b\r\n" } else { "" }, "")
    });
    let steps = vec![Request(0), Request(1), Request(1)];
    let mut load = script(address, &["/login", "/list"], steps, vec![constant(100, 100)]);
    run(load.clone()).all_were(30, Answer::Ok);
    for request in asked.lock().unwrap().drain(..) {
        let cookie = request.lines().find_map(|it| it.strip_prefix("cookie: "));
        match request.starts_with("GET /login ") {
            true => assert_eq!(cookie, None, "{request}"),
            false => assert!(
                cookie.is_some_and(|it| it.contains("session=s1") && it.contains("a=b")),
                "{request}"
            ),
        }
    }
    load.test.scenarios[0].cookies = false;
    run(load).all_were(30, Answer::Ok);
    assert!(asked.lock().unwrap().iter().all(|it| !it.contains("cookie: ")));
}

#[test]
fn a_failing_step_ends_its_iteration() {
    let (address, asked) = shop(|request| match request.starts_with("GET /bad ") {
        true => "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_owned(),
        false => plain(request),
    });
    let transaction = LoadStep::Transaction { transaction: 0, steps: vec![Request(0), Request(1)] };
    let steps = vec![transaction, Request(2)];
    let load = script(address, &["/good", "/bad", "/never"], steps, vec![constant(100, 200)]);
    let books = run(load);
    assert_eq!((books.count(Answer::Ok), books.count(Answer::Status)), (20, 20), "{books:?}");
    assert_eq!(paths(&asked).keys().collect::<Vec<_>>(), ["/bad", "/good"]);
    assert_eq!(books.transactions, BTreeMap::from([((0, Answer::Status), 20)]));
}

#[test]
fn loops_and_branches_send_as_often_as_they_say() {
    let (address, asked) = shop(plain);
    let text = |it: &str| Template::parse(it).unwrap();
    let even = Condition::Equal(text("${run:user}"), text("0"));
    let steps = vec![
        LoadStep::Repeat {
            times: 3,
            steps: vec![Request(0), LoadStep::Repeat { times: 2, steps: vec![Request(1)] }],
        },
        when(even, vec![Request(2)], vec![Request(3)]),
        LoadStep::While {
            condition: Condition::Different(text("a"), text("b")),
            at_most: 4,
            steps: vec![Request(4)],
        },
        LoadStep::While { condition: never(), at_most: 4, steps: vec![Request(5)] },
        LoadStep::Repeat { times: 0, steps: vec![Request(5)] },
    ];
    let all = ["/outer", "/inner", "/even", "/odd", "/while", "/never"];
    run(script(address, &all, steps, vec![constant(100, 100)]))
        .all_were(10 * (3 + 6 + 1 + 4), Answer::Ok);
    let expected = [("/even", 1), ("/inner", 60), ("/odd", 9), ("/outer", 30), ("/while", 40)];
    assert_eq!(paths(&asked), expected.map(|(path, count)| (path.to_owned(), count)).into());
}

#[test]
fn chance_is_as_likely_as_it_says_and_the_same_for_a_seed() {
    let sent = |seed| {
        let (address, asked) = shop(plain);
        let chance = Condition::Chance(Ratio::percent(30));
        let steps = vec![when(chance, vec![Request(0)], vec![Request(1)])];
        let mut load = script(address, &["/rare", "/often"], steps, vec![constant(500, 400)]);
        load.seed = Seed(seed);
        run(load).all_were(200, Answer::Ok);
        paths(&asked)["/rare"]
    };
    let first = sent(1);
    assert!((35..=85).contains(&first), "{first}");
    assert_eq!(first, sent(1));
}

#[test]
fn transactions_are_counted_exactly_and_without_think_time() {
    let (address, _) = shop(plain);
    let second = LoadStep::Transaction { transaction: 1, steps: vec![Request(0)] };
    let first = vec![Request(0), think(200, 300), second, Request(0)];
    let steps = vec![LoadStep::Transaction { transaction: 0, steps: first }];
    let books = run(script(address, &["/"], steps, vec![constant(50, 400)]));
    // What is still thinking at the end goes no further: those that began in the first tenth of a second are done.
    let done = books.transactions[&(0, Answer::Ok)];
    assert!((1..=10).contains(&done), "{books:?}");
    assert_eq!(books.transactions.len(), 2);
    assert_eq!(books.planned, 20 + 2 * done, "{books:?}");
    assert_eq!(books.transactions[&(1, Answer::Ok)], done, "{books:?}");
    assert!(books.took.max().unwrap() < Duration::from_millis(200), "{books:?}");
}

#[test]
fn users_think_as_long_as_they_are_told() {
    let (address, _) = shop(plain);
    let steps = vec![Request(0), think(100, 100), Request(1)];
    let books = run(script(address, &["/a", "/b"], steps, vec![users(2, 450)]));
    // 0, 100, 200, 300 and 400 ms begin an iteration; a busy machine begins fewer.
    assert!((2..=10).contains(&books.routes[&0]), "{books:?}");
    assert!((books.routes[&0] - 2..=books.routes[&0]).contains(&books.routes[&1]), "{books:?}");
}

#[test]
fn an_iteration_that_sends_nothing_neither_spins_nor_overflows() {
    let (address, asked) = shop(plain);
    for steps in [
        vec![when(never(), vec![Request(0)], Vec::new())],
        vec![Request(0), when(never(), vec![Request(0)], Vec::new())],
        vec![LoadStep::Repeat { times: u32::MAX, steps: vec![think(0, 0)] }],
        vec![LoadStep::While {
            condition: Condition::Chance(Ratio::ONE),
            at_most: u32::MAX,
            steps: Vec::new(),
        }],
        Vec::new(),
    ] {
        let load = script(address, &["/"], steps, vec![users(20, 200)]);
        let (handle, said) = crate::books::start(load.clone());
        let books = Books::of(&crate::books::frames(said));
        assert_eq!(books.planned, books.count(Answer::Ok));
        if books.planned == 0 {
            let cost = handle.cpu_time();
            assert!(cost < Duration::from_millis(200), "{cost:?}");
        }
        handle.join();
        // In the open model such an arrival is none.
        let books = run(Order { shapes: vec![constant(1_000, 100)], ..load });
        assert_eq!(books.planned, books.count(Answer::Ok));
    }
    assert!(asked.lock().unwrap().len() > 20);
}

#[test]
fn scenarios_are_chosen_by_weight_and_seed() {
    let sent = |seed| {
        let (address, asked) = shop(plain);
        let mut load = script(address, &["/a", "/b"], vec![Request(0)], vec![constant(500, 400)]);
        let mut second = load.test.scenarios[0].clone();
        (second.weight, second.steps) = (3, vec![Request(1)]);
        load.test.scenarios.push(second);
        load.seed = Seed(seed);
        run(load).all_were(200, Answer::Ok);
        paths(&asked)["/a"]
    };
    let first = sent(1);
    assert!((25..=80).contains(&first), "{first}");
    assert_eq!(first, sent(1));
}

#[test]
fn requests_know_who_sends_them() {
    let (address, asked) = shop(plain);
    let shapes = vec![Shape::Users {
        users: 3,
        ramp_up: Duration::ZERO,
        think_time: Duration::ZERO,
        duration: Duration::from_secs(61),
        iterations: Some(4),
    }];
    let path = "/${run:user}/${run:iteration}";
    let mut load = script(address, &[path, "/uuid"], vec![Request(0)], shapes);
    load.test.routes[1] = post("POST", "/", None);
    let books = run(load);
    books.all_were(12, Answer::Ok);
    let wanted = (0..3).flat_map(|user| (0..4).map(move |it| (format!("/{user}/{it}"), 1)));
    assert_eq!(paths(&asked), wanted.collect());
    assert!(books.seconds < 60, "{books:?}");
}

#[test]
fn random_values_are_new_each_time_and_within_their_bounds() {
    let (address, asked) = shop(plain);
    let path = "/${random:3-5}/${random:uuid}/${run:time}";
    run(script(address, &[path], vec![Request(0)], vec![constant(200, 200)]))
        .all_were(40, Answer::Ok);
    let paths = paths(&asked);
    assert_eq!(paths.len(), 40);
    for path in paths.keys() {
        let [_, number, uuid, time] = path.split('/').collect::<Vec<_>>().try_into().unwrap();
        assert!(["3", "4", "5"].contains(&number), "{path}");
        assert!(uuid.len() == 36 && uuid.as_bytes()[14] == b'4', "{path}");
        assert!(time.parse::<u64>().is_ok_and(|it| it > 1_600_000_000_000), "{path}");
    }
}

#[test]
fn users_come_and_go_by_ramps_and_stages() {
    let (address, asked) = shop(plain);
    let shapes = vec![Shape::UserStages {
        start: 0,
        stages: vec![
            Stage { to: 10, duration: Duration::from_millis(400) },
            Stage { to: 0, duration: Duration::from_millis(400) },
        ],
        think_time: Duration::from_millis(20),
    }];
    let books = run(script(address, &["/${run:user}"], vec![Request(0)], shapes));
    assert_eq!(books.count(Answer::Ok), books.planned);
    let paths = paths(&asked);
    // Who comes first stays longest.
    let eighth = paths.get("/8").copied().unwrap_or(0);
    assert!(paths.len() >= 5 && paths["/0"] > 2 * eighth, "{paths:?}");
    let ramp = vec![Shape::Users {
        users: 10,
        ramp_up: Duration::from_millis(300),
        think_time: Duration::from_millis(20),
        duration: Duration::from_millis(500),
        iterations: None,
    }];
    let books = run(script(address, &["/"], vec![Request(0)], ramp));
    // Half of the ramp and all of the rest: 3.5 seconds of users, 20 ms each and one more at the end.
    assert!((30..=185).contains(&books.planned), "{books:?}");
}

#[test]
fn a_stop_leaves_no_half_transaction_behind() {
    // Nothing is answered before the load was stopped.
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let waits = Arc::clone(&gate);
    let (address, _) = shop(move |request| {
        let shut = waits.0.lock().unwrap();
        drop(waits.1.wait_while(shut, |open| !*open).unwrap());
        plain(request)
    });
    let steps = vec![LoadStep::Transaction { transaction: 0, steps: vec![Request(0), Request(0)] }];
    let load = script(address, &["/"], steps, vec![constant(20, 3_600_000)]);
    let (handle, said) = crate::books::start(load);
    let first = said.iter().find(|it| matches!(it, Said::Second(_))).unwrap();
    handle.stop();
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    handle.join();
    let frames: Vec<_> = std::iter::once(first)
        .chain(said)
        .filter_map(|it| if let Said::Second(frame) = it { Some(frame) } else { None })
        .collect();
    let books = Books::of(&frames);
    assert!(books.count(Answer::Ok) > 0 && books.transactions.is_empty(), "{books:?}");
}
