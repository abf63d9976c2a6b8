//! Kafka, against the mock cluster of librdkafka, and with its client looking on.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use evenkeel_load::fleet::Event;
use evenkeel_load::{Order, Said, Share, prepare};
use evenkeel_model::document::{
    Call, LoadStep, LoadTest, Route, Scenario, Shape, StatusCheck, Template,
};
use evenkeel_model::{Answer, Frame};
use evenkeel_stats::Histogram;
use evenkeel_units::Seed;

mod guarded;

use crate::books::{Books, constant, frames, no_secrets, run, start, users};
use crate::fleet::with_a_loss;

/// Each topic of the mock cluster has four partitions.
const PARTITIONS: usize = 4;

/// Three brokers within a `kcat`, which has nothing else to do.
struct Cluster {
    child: Child,
    brokers: String,
}

impl Cluster {
    fn start() -> Self {
        let mut child = Command::new("kcat")
            .args([
                "-P",
                "-b",
                "mock",
                "-t",
                "unused",
                "-X",
                "test.mock.num.brokers=3",
                "-d",
                "mock",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kcat is installed by `cargo xtask test`");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let brokers = lines.find_map(|it| Some(it.split_once("bootstrap.servers=")?.1.to_owned()));
        // It has much to say, and waits until it is heard.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, brokers: brokers.unwrap() }
    }

    /// With a topic.
    fn with(topic: &str) -> Self {
        let cluster = Self::start();
        // Asking for it makes it.
        cluster.kcat(&["-L", "-t", topic], "");
        cluster
    }

    /// What the client of librdkafka says.
    fn kcat(&self, arguments: &[&str], input: &str) -> String {
        let mut kcat = Command::new("kcat")
            .args(["-b", &self.brokers])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        kcat.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = kcat.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Every record of a topic, in the given format.
    fn records(&self, topic: &str, format: &str) -> Vec<String> {
        let said = self.kcat(&["-C", "-q", "-e", "-o", "beginning", "-t", topic, "-f", format], "");
        said.lines().map(str::to_owned).collect()
    }

    /// Where each broker is.
    fn addresses(&self) -> Vec<SocketAddr> {
        self.brokers.split(',').map(|it| it.trim().parse().unwrap()).collect()
    }

    fn order(&self, routes: Vec<Route>, shapes: Vec<Shape>) -> Order {
        let (first, _) = self.brokers.split_once(',').unwrap();
        order(first, routes, shapes)
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
    }
}

fn order(broker: &str, routes: Vec<Route>, shapes: Vec<Shape>) -> Order {
    let test = LoadTest { timeout: Duration::from_secs(5), ..LoadTest::of("test", routes) };
    Order { url: format!("kafka://{broker}"), test, shapes, seed: Seed(1), share: Share::WHOLE }
}

fn produce(topic: &str, key: Option<&str>, value: &str) -> Route {
    let template = |it| Template::parse(it).unwrap();
    Route::of(Call::Produce {
        topic: topic.to_owned(),
        key: key.map(template),
        value: template(value),
    })
}

fn consume(topic: &str) -> Route {
    Route::of(Call::Consume { topic: topic.to_owned() })
}

/// Answers and response times of one route.
fn of_route(frames: &[Frame], route: usize) -> (BTreeMap<Answer, u64>, Histogram) {
    let (mut answers, mut times) = (BTreeMap::new(), Histogram::new());
    for series in frames.iter().flat_map(|it| &it.series).filter(|it| it.route == route) {
        *answers.entry(series.answer).or_default() += series.response_micros.count();
        times.add(&series.response_micros);
    }
    (answers, times)
}

/// The frames of a whole run, whose books balance.
fn frames_of(order: Order) -> Vec<Frame> {
    let (handle, said) = start(order);
    handle.join();
    let frames = frames(said);
    Books::of(&frames);
    frames
}

/// Waits for the first second of a load to be over.
fn first_second(said: &Receiver<Said>) -> Frame {
    let found = said.iter().find_map(|it| match it {
        Said::Second(frame) => Some(frame),
        _ => None,
    });
    found.unwrap()
}

/// That second, and all after it.
fn with_the_rest(first: Frame, said: Receiver<Said>) -> Vec<Frame> {
    let mut frames = vec![first];
    for it in said {
        match it {
            Said::Second(frame) => frames.push(frame),
            other => assert_eq!(other, Said::Ended { error: None }),
        }
    }
    frames
}

#[test]
fn every_record_is_acknowledged_and_comes_back() {
    let cluster = Cluster::with("orders");
    let routes = vec![produce("orders", None, "order ${run:user}"), consume("orders")];
    for threads in [1, 2] {
        let mut order = cluster.order(routes.clone(), vec![constant(200, 2000)]);
        order.test.sending.threads = threads;
        let frames = frames_of(order);
        for route in [0, 1] {
            let (answers, times) = of_route(&frames, route);
            assert_eq!(answers, BTreeMap::from([(Answer::Ok, 400)]), "route {route}");
            assert!(times.quantile(0.5).unwrap() < Duration::from_secs(1), "route {route}");
        }
        // A record cannot come back before it was sent.
        let [there, back] = [0, 1].map(|it| of_route(&frames, it).1.min().unwrap());
        assert!(back > Duration::ZERO && there > Duration::ZERO, "{there:?} {back:?}");
        let sums =
            frames.iter().fold((0, 0), |(a, b), it| (a + it.bytes_sent, b + it.bytes_received));
        assert!(sums.0 > 400 * 60 && sums.0 == sums.1, "{sums:?}");
        // What a worker costs is said with its seconds, whatever it speaks. The last can be one of a single worker,
        // which waits for an answer.
        let mut seconds = frames.iter().take(2);
        assert!(
            seconds.all(|it| it.threads == u64::from(threads) && it.cpu_micros > 0),
            "{frames:?}"
        );
    }
    let mut records = cluster.records("orders", "%p %h %s\n");
    assert_eq!(records.len(), 800);
    assert!(records.iter().all(|it| it.contains("evenkeel-sent=")), "{:?}", records.first());
    for partition in 0..PARTITIONS {
        let here = format!("{partition} ");
        assert_eq!(records.iter().filter(|it| it.starts_with(&here)).count(), 800 / PARTITIONS);
    }
    // The whole text, each number once a run.
    records.retain(|it| it.ends_with("order 399"));
    assert_eq!(records.len(), 2);
}

#[test]
fn a_key_belongs_to_the_partition_that_other_producers_choose() {
    let cluster = Cluster::with("ours");
    cluster.kcat(&["-L", "-t", "theirs"], "");
    let routes = vec![produce("ours", Some("key-${run:user}"), "x")];
    run(cluster.order(routes, vec![constant(500, 400)])).all_were(200, Answer::Ok);
    let keys: String = (0..200).map(|it| format!("key-{it}:x\n")).collect();
    let murmur = ["-P", "-K:", "-X", "topic.partitioner=murmur2_random", "-t", "theirs"];
    cluster.kcat(&murmur, &keys);
    let sorted = |topic| {
        let mut records = cluster.records(topic, "%k %p\n");
        records.sort_unstable();
        records
    };
    let ours = sorted("ours");
    assert_eq!(ours.len(), 200);
    assert_eq!(ours, sorted("theirs"));
}

#[test]
fn what_others_produce_is_timed_from_when_they_did() {
    let cluster = Cluster::with("orders");
    cluster.kcat(&["-P", "-t", "orders"], "from\nbefore\n");
    let mut only = consume("orders");
    only.checks.contains = vec!["good".to_owned()];
    let (handle, said) = start(cluster.order(vec![only], vec![constant(1, 2000)]));
    assert_eq!(said.recv().unwrap(), Said::Started);
    let texts: String = (0..50).map(|it| format!("good {it}\nbad {it}\n")).collect();
    cluster.kcat(&["-P", "-t", "orders"], &texts);
    handle.join();
    let frames = with_the_rest(Frame::default(), said).split_off(1);
    Books::of(&frames);
    let (answers, times) = of_route(&frames, 0);
    assert_eq!(answers, BTreeMap::from([(Answer::Ok, 50), (Answer::Body, 50)]));
    assert!(times.max().unwrap() < Duration::from_secs(2), "{:?}", times.max());
}

#[test]
fn a_cluster_that_dies_is_told_from_one_that_answers() {
    let mut cluster = Cluster::with("orders");
    let routes = vec![produce("orders", None, "x"), consume("orders")];
    let (handle, said) = start(cluster.order(routes, vec![constant(200, 2000)]));
    let first = first_second(&said);
    cluster.kill();
    handle.join();
    let frames = with_the_rest(first, said);
    Books::of(&frames);
    let (produced, _) = of_route(&frames, 0);
    assert_eq!(produced.values().sum::<u64>(), 400, "{produced:?}");
    assert!(produced[&Answer::Ok] > 50 && produced[&Answer::Connect] > 100, "{produced:?}");
    let known = [Answer::Ok, Answer::Connect, Answer::Reset, Answer::Closed];
    assert!(produced.keys().all(|it| known.contains(it)), "{produced:?}");
    // Whatever was acknowledged either came back or is missed; and that nothing can come any more is said.
    let (consumed, _) = of_route(&frames, 1);
    let came = consumed[&Answer::Ok];
    let lost = consumed.get(&Answer::Timeout).copied().unwrap_or(0);
    assert!(came + lost >= produced[&Answer::Ok], "{produced:?} {consumed:?}");
    assert!(consumed.keys().any(|it| known.contains(it) && !it.is_ok()), "{consumed:?}");
}

#[test]
fn a_topic_that_does_not_exist_is_a_status_and_is_not_made() {
    let cluster = Cluster::with("orders");
    let routes = vec![produce("nothing", None, "x")];
    run(cluster.order(routes.clone(), vec![constant(100, 500)])).all_were(50, Answer::Status);
    assert!(!cluster.kcat(&["-L"], "").contains("nothing"));
    // 3: UNKNOWN_TOPIC_OR_PARTITION.
    let mut expected = cluster.order(routes, vec![constant(100, 500)]);
    expected.test.routes[0].checks.status = vec![StatusCheck { from: 3, to: 3 }];
    run(expected).all_were(50, Answer::Ok);
    let frames = frames_of(cluster.order(vec![consume("nothing")], vec![constant(1, 1500)]));
    assert_eq!(of_route(&frames, 0).0, BTreeMap::from([(Answer::Status, 2)]));
}

#[test]
fn brokers_that_cannot_be_reached_are_counted_one_by_one() {
    let nobody = crate::servers::refusing().to_string();
    let routes = vec![produce("orders", None, "x")];
    run(order(&nobody, routes.clone(), vec![constant(200, 500)])).all_were(100, Answer::Connect);
    run(order("nobody.invalid:9092", routes, vec![constant(200, 500)])).all_were(100, Answer::Dns);
}

#[test]
fn a_load_begins_or_is_dropped_within_whatever_runtime_it_is_for() {
    let nobody = crate::servers::refusing().to_string();
    let order = order(&nobody, vec![produce("orders", None, "x")], vec![constant(100, 100)]);
    let prepared = || prepare(order.clone(), no_secrets).unwrap();
    let (sent, dropped) = (prepared(), prepared());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let handle = runtime.block_on(async {
        drop(dropped);
        sent.start(|_| {}).unwrap()
    });
    handle.join();
}

#[test]
fn a_broker_that_says_nothing_is_waited_for_until_the_timeout() {
    let silent = crate::servers::serve(|talk, _| while talk.request().is_some() {});
    let mut order =
        order(&silent.to_string(), vec![produce("orders", None, "x")], vec![constant(100, 500)]);
    order.test.timeout = Duration::from_millis(300);
    let books = run(order);
    books.all_were(50, Answer::Timeout);
    assert!(books.response.max().unwrap() < Duration::from_secs(1), "{books:?}");
}

#[test]
fn a_load_that_is_stopped_counts_what_it_has_sent() {
    let cluster = Cluster::with("orders");
    let routes = vec![produce("orders", None, "x"), consume("orders")];
    let (handle, said) = start(cluster.order(routes, vec![constant(200, 60_000)]));
    let first = first_second(&said);
    handle.stop();
    handle.join();
    let frames = with_the_rest(first, said);
    let books = Books::of(&frames);
    assert_eq!((books.in_flight, frames.len()), (0, frames.len().min(4)), "{books:?}");
    let (produced, _) = of_route(&frames, 0);
    assert!((195..=300).contains(&produced[&Answer::Ok]), "{produced:?}");
    assert_eq!(of_route(&frames, 1).0, produced);
}

#[test]
fn routes_of_other_protocols_are_refused() {
    let mut route = crate::books::route("GET", "/");
    let to = order("127.0.0.1:1", vec![route.clone()], Vec::new());
    let error = prepare(to, no_secrets).unwrap_err().to_string();
    assert!(error.contains("produce"), "{error}");
    route.call = Call::Consume { topic: "no such/topic".to_owned() };
    let to = order("127.0.0.1:1", vec![route], Vec::new());
    let error = prepare(to, no_secrets).unwrap_err().to_string();
    assert!(error.contains("topic"), "{error}");
}

#[test]
fn users_wait_for_their_acknowledgement_and_follow_their_scenario() {
    let cluster = Cluster::with("orders");
    let routes = vec![produce("orders", Some("${run:user}"), "x"), consume("orders")];
    let mut order = cluster.order(routes, vec![users(3, 1000)]);
    order.test.scenarios = vec![Scenario {
        name: "two and a pause".to_owned(),
        weight: 1,
        cookies: false,
        steps: vec![
            LoadStep::Request(1),
            LoadStep::Repeat { times: 2, steps: vec![LoadStep::Request(0)] },
            LoadStep::Think { from: Duration::from_millis(100), to: Duration::from_millis(100) },
        ],
    }];
    let frames = frames_of(order);
    let (produced, _) = of_route(&frames, 0);
    let count = produced[&Answer::Ok];
    // Each user: two records every tenth of a second and a little.
    assert!(count % 2 == 0 && (12..=60).contains(&count), "{produced:?}");
    assert_eq!(of_route(&frames, 1).0, produced);
    let mut users = cluster.records("orders", "%k\n");
    users.sort_unstable();
    users.dedup();
    assert_eq!(users, ["0", "1", "2"]);
}

#[test]
fn a_burst_leaves_in_batches_and_is_whole() {
    let cluster = Cluster::with("orders");
    let routes = vec![produce("orders", None, "x"), consume("orders")];
    let mut order = cluster.order(routes, vec![constant(20_000, 500)]);
    order.test.timeout = Duration::from_secs(30);
    let frames = frames_of(order);
    for route in [0, 1] {
        assert_eq!(of_route(&frames, route).0, BTreeMap::from([(Answer::Ok, 10_000)]));
    }
    assert_eq!(cluster.records("orders", "%o\n").len(), 10_000);
}

#[test]
fn records_of_an_agent_that_is_lost_are_produced_by_the_other_one() {
    let cluster = Cluster::with("orders");
    let routes = vec![produce("orders", None, "order ${run:user}")];
    let events = with_a_loss(&cluster.order(routes, vec![constant(200, 9_000)]));
    let handed_on = events.iter().find_map(|it| match it {
        Event::HandedOn { missed, .. } => Some(*missed),
        _ => None,
    });
    // One of two sends the half of 200/s, and its share goes on at most some seconds later.
    let missed = handed_on.expect("one was lost");
    assert!((1..700).contains(&missed), "{missed}");
    let mut records = cluster.records("orders", "%s\n");
    let all = records.len();
    records.sort_unstable();
    records.dedup();
    assert_eq!(records.len(), all, "some were produced twice");
    // Some of what nobody heard of had been produced.
    let all = all as u64;
    assert!(
        (1_800 - missed..1_800 - missed + 200).contains(&all),
        "{all} of 1800, {missed} missed"
    );
}
