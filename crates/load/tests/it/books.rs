//! The books of a run: sums of its frames, which must balance at every second.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use evenkeel_load::{Handle, Order, Said, Share, prepare};
use evenkeel_model::document::{Call, LoadTest, Reference, ResolveError, Route, Shape, Template};
use evenkeel_model::{Answer, Frame};
use evenkeel_stats::Histogram;
use evenkeel_units::{Rate, Seed};

/// What a whole run came to.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) planned: u64,
    pub(crate) sent: u64,
    pub(crate) missed: u64,
    pub(crate) in_flight: u64,
    pub(crate) answers: BTreeMap<Answer, u64>,
    pub(crate) response: Histogram,
    pub(crate) seconds: u64,
    pub(crate) connected: u64,
    pub(crate) resumed: u64,
    /// Bytes that came.
    pub(crate) received: u64,
    /// Outcomes by number of the route.
    pub(crate) routes: BTreeMap<usize, u64>,
    /// Transactions by number and how they ended.
    pub(crate) transactions: BTreeMap<(usize, Answer), u64>,
    /// How long transactions took.
    pub(crate) took: Histogram,
}

impl Books {
    /// Adds frames up, and makes sure that they balance after each of them.
    pub(crate) fn of(frames: &[Frame]) -> Self {
        let mut books = Self {
            planned: 0,
            sent: 0,
            missed: 0,
            in_flight: 0,
            answers: BTreeMap::new(),
            response: Histogram::new(),
            seconds: 0,
            connected: 0,
            resumed: 0,
            received: 0,
            routes: BTreeMap::new(),
            transactions: BTreeMap::new(),
            took: Histogram::new(),
        };
        let mut lags = 0;
        for (second, frame) in frames.iter().enumerate() {
            assert_eq!(frame.second, second as u64, "seconds follow each other");
            books.planned += frame.planned;
            books.sent += frame.sent;
            books.missed += frame.missed;
            books.in_flight = frame.in_flight;
            books.seconds += 1;
            books.connected += frame.connected;
            books.resumed += frame.resumed;
            books.received += frame.bytes_received;
            lags += frame.lag_micros.count();
            for series in &frame.series {
                *books.answers.entry(series.answer).or_default() += series.response_micros.count();
                *books.routes.entry(series.route).or_default() += series.response_micros.count();
                books.response.add(&series.response_micros);
            }
            for series in &frame.transactions {
                let key = (series.route, series.answer);
                *books.transactions.entry(key).or_default() += series.response_micros.count();
                books.took.add(&series.response_micros);
            }
            let outcomes: u64 = books.answers.values().sum();
            assert_eq!(books.planned, books.sent + books.missed + frame.waiting, "{frame:?}");
            assert_eq!(books.sent, outcomes + frame.in_flight, "{frame:?}");
            assert_eq!(books.sent, lags, "{frame:?}");
        }
        assert_eq!(frames.last().map(|it| it.waiting), Some(0), "nothing waits at the end");
        books
    }

    /// How many requests ended so.
    pub(crate) fn count(&self, answer: Answer) -> u64 {
        self.answers.get(&answer).copied().unwrap_or(0)
    }

    /// That all planned requests were sent and ended with `answer`.
    pub(crate) fn all_were(&self, planned: u64, answer: Answer) {
        let expected = BTreeMap::from([(answer, planned)]);
        assert_eq!((self.planned, self.sent, self.missed), (planned, planned, 0), "{self:?}");
        assert_eq!(self.answers, expected);
    }
}

/// A load of one GET route.
pub(crate) fn order(to: SocketAddr, shapes: Vec<Shape>) -> Order {
    let test = LoadTest {
        timeout: Duration::from_secs(5),
        connections: 8,
        ..LoadTest::of("test", vec![route("GET", "/")])
    };
    Order { url: format!("http://{to}"), test, shapes, seed: Seed(1), share: Share::WHOLE }
}

/// A plain route.
pub(crate) fn route(method: &str, path: &str) -> Route {
    post(method, path, None)
}

/// A route with a body.
pub(crate) fn post(method: &str, path: &str, body: Option<&str>) -> Route {
    Route::of(Call::Http {
        method: method.to_owned(),
        path: Template::parse(path).unwrap(),
        headers: Vec::new(),
        body: body.map(|it| Template::parse(it).unwrap()),
    })
}

/// So many arrivals a second for so many milliseconds.
pub(crate) fn constant(per_second: u32, millis: u64) -> Shape {
    let rate = Rate::per_second(f64::from(per_second)).unwrap();
    Shape::Constant { rate, duration: Duration::from_millis(millis) }
}

/// So many users without think time.
pub(crate) fn users(users: u32, millis: u64) -> Shape {
    thinking(users, 0, millis)
}

/// So many users who pause between an answer and their next request.
pub(crate) fn thinking(users: u32, think_millis: u64, millis: u64) -> Shape {
    Shape::Users {
        users,
        ramp_up: Duration::ZERO,
        think_time: Duration::from_millis(think_millis),
        duration: Duration::from_millis(millis),
        iterations: None,
    }
}

pub(crate) fn no_secrets(reference: &Reference) -> Result<String, ResolveError> {
    Err(ResolveError { reference: reference.to_string(), reason: "there is none".to_owned() })
}

/// Starts a load; what it says can be waited for.
pub(crate) fn start(order: Order) -> (Handle, mpsc::Receiver<Said>) {
    let (say, said) = mpsc::channel();
    let prepared = prepare(order, no_secrets).unwrap();
    // A test that has heard enough hangs up.
    let handle = prepared.start(move |it| drop(say.send(it))).unwrap();
    (handle, said)
}

/// Sends a load to its end.
pub(crate) fn run(order: Order) -> Books {
    let (handle, said) = start(order);
    handle.join();
    Books::of(&frames(said))
}

/// All frames of a load that ended well.
pub(crate) fn frames(said: mpsc::Receiver<Said>) -> Vec<Frame> {
    let mut said = said.into_iter();
    assert_eq!(said.next(), Some(Said::Started));
    let mut frames = Vec::new();
    for it in said {
        match it {
            Said::Second(frame) => frames.push(frame),
            Said::Ended { error } => assert_eq!(error, None),
            Said::Started => panic!("started twice"),
        }
    }
    frames
}
