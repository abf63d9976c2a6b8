//! The view in a browser, asked as browsers and others ask.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use evenkeel_drill::Run;
use evenkeel_drill::frames::Frames;
use evenkeel_model::document::{LoadTest, Shape};
use evenkeel_model::library::plan_of_load;
use evenkeel_model::plan::RunHead;
use evenkeel_model::{Answer, Distribution, Entry, Event, Frame, Outcome, Series};
use evenkeel_units::{Clock, Moment, Rate, Seed};

use super::Web;
use super::pages::Pages;

fn entry(second: u64, event: Event) -> Entry {
    Entry { at: Moment::at(Duration::from_secs(second)), event }
}

/// A load of ten seconds, and the first of them.
fn journal() -> Vec<Entry> {
    let mut load = LoadTest::new("sale");
    let rate = Rate::per_second(100.0).unwrap();
    load.shape = Some(Shape::Constant { rate, duration: Duration::from_secs(10) });
    let run = RunHead {
        id: "sale-1".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        version: "0".to_owned(),
    };
    let plan = Box::new(plan_of_load(load, Seed(7)));
    let mut all = vec![
        entry(0, Event::Started { run, plan }),
        entry(0, Event::Ready),
        entry(0, Event::LoadStarted),
    ];
    all.extend((0..3).map(second));
    all
}

fn second(second: u64) -> Entry {
    let times = Distribution { micros: vec![(12_000, 100)] };
    let good = Series {
        route: 0,
        answer: Answer::Ok,
        response_micros: times.clone(),
        service_micros: times,
    };
    let frame = Frame { second, planned: 100, sent: 100, series: vec![good], ..Frame::default() };
    entry(second + 1, Event::Second { frame })
}

fn outcome() -> Outcome {
    let journal = journal();
    let Event::Started { run, plan } = &journal[0].event else { panic!("no start") };
    let mut run = Run::new(run.clone(), plan.as_ref().clone(), Frames::default());
    journal.iter().for_each(|it| drop(run.on(it)));
    evenkeel_drill::judge(&run, None).unwrap()
}

/// A view of a run of which three seconds have been seen.
fn view() -> Web {
    let web = Web::open("0".parse().unwrap()).unwrap();
    journal().iter().for_each(|it| web.see(it));
    web
}

/// Sends bytes as they are; what comes back until the connection is closed.
fn said(web: &Web, bytes: &str) -> String {
    let mut stream = TcpStream::connect(web.address).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // Whoever is refused in the middle of a request is reset.
    stream.read_to_end(&mut answer).map(drop).unwrap_or_default();
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(web: &Web, path: &str) -> String {
    said(web, &format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", web.address))
}

/// The number of the picture on a page; `None` for the report.
fn number(page: &str) -> Option<u64> {
    let (_, rest) = page.split_once("data-number=\"")?;
    rest.split('"').next()?.parse().ok()
}

#[test]
fn the_page_is_the_report_of_what_there_is_so_far() {
    let web = view();
    // Three events before the load, and three seconds.
    let page = get(&web, "/?after=5");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert_eq!(number(&page), Some(6));
    for part in
        ["Under way: 0:03 of 0:10", "id=\"plot-load\"", "id=\"latency\"", "http-equiv=\"refresh\""]
    {
        assert!(page.contains(part), "{part}");
    }
    for header in ["cache-control: no-store", "frame-ancestors 'none'", "nosniff", "same-origin"] {
        assert!(page.contains(header), "{header}");
    }
}

#[test]
fn the_next_page_comes_when_there_is_one() {
    let web = view();
    let first = number(&get(&web, "/?after=5")).unwrap();
    let next = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| get(&web, &format!("/?after={first}")));
        web.see(&second(3));
        waiting.join().unwrap()
    });
    assert_eq!(number(&next), Some(first + 1));
    assert!(next.contains("Under way: 0:04 of 0:10"));
}

#[test]
fn in_the_end_whoever_looks_on_has_the_report() {
    let web = view();
    let first = number(&get(&web, "/?after=5")).unwrap();
    let outcome = outcome();
    let address = web.address;
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /?after={first} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
        .unwrap();
    web.report(&outcome);
    drop(web);
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.ends_with(&evenkeel_report::html::render(&outcome)), "{page}");
    assert_eq!(number(&page), None);
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn requests_by_another_name_are_refused() {
    let web = view();
    let port = web.address.port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), "200"),
        (format!("LocalHost:{port}"), "200"),
        (format!("rebound.example:{port}"), "421"),
        ("127.0.0.1".to_owned(), "421"),
        (format!("127.0.0.1:{port}.example"), "421"),
        (String::new(), "421"),
    ] {
        let answer =
            said(&web, &format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {answer}");
    }
    let absolute = format!(
        "GET http://rebound.example/ HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n"
    );
    assert!(said(&web, &absolute).starts_with("HTTP/1.1 421"));
    assert!(said(&web, "GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 421"));
}

#[test]
fn hostile_requests_are_turned_away_and_the_next_one_is_served() {
    let web = view();
    let host = format!("host: {}\r\nconnection: close\r\n", web.address);
    let long = "x".repeat(100_000);
    for (request, status) in [
        (format!("POST / HTTP/1.1\r\n{host}content-length: 9\r\n\r\n123456789"), "405"),
        (format!("GET /journal.jsonl HTTP/1.1\r\n{host}\r\n"), "404"),
        (format!("GET /../../etc/passwd HTTP/1.1\r\n{host}\r\n"), "404"),
        (format!("GET / HTTP/1.1\r\n{host}a: {long}\r\n\r\n"), "431"),
        (format!("GET /?after=99999999999999999999999 HTTP/1.1\r\n{host}\r\n"), "200"),
        (format!("GET /?after=-1&{} HTTP/1.1\r\n{host}\r\n", "%00"), "200"),
        ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned(), "400"),
    ] {
        let answer = said(&web, &request);
        let shown: String = request.chars().take(60).collect();
        // One that is refused while it still sends may be reset before it hears why.
        let refused = answer.is_empty() && status == "431";
        assert!(refused || answer.starts_with(&format!("HTTP/1.1 {status}")), "{shown}: {answer}");
    }
    // Many that say nothing leave room for one that does, once they are gone.
    let silent: Vec<_> = (0..60).map(|_| TcpStream::connect(web.address).unwrap()).collect();
    drop(silent);
    assert!(get(&web, "/").starts_with("HTTP/1.1 200"));
}

/// A clock by which everything takes a second.
#[derive(Debug, Default)]
struct Slow(std::sync::atomic::AtomicU64);

impl Clock for Slow {
    fn now(&self) -> Moment {
        Moment::at(Duration::from_secs(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed)))
    }

    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}

#[test]
fn drawing_takes_a_small_share_of_the_time() {
    let mut pages = Pages::new(Slow::default());
    journal().iter().for_each(|it| pages.add(it));
    let first = pages.page().unwrap();
    pages.add(&second(3));
    assert_eq!(pages.page().unwrap(), first, "it has rested too little");
    assert!(pages.rest() > Duration::from_secs(5));
    let rested = (0..100).find(|_| pages.rest().is_zero());
    assert!(rested.is_some_and(|it| it < 10), "{rested:?}");
    assert_ne!(pages.page().unwrap(), first);
    pages.report("the report".to_owned());
    pages.add(&second(4));
    assert_ne!(pages.page().unwrap(), "the report", "another run may follow");
    pages.end();
    assert_eq!(pages.page().unwrap(), "the report");
}
