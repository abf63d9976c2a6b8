//! Serve: for what may be asked, and until when.
//!
//! Bodies of requests are never read.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_serve::door::{Door, Guard, Patience, plain, with};
use evenkeel_units::{Clock as _, Moment, SystemClock};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::Word;
use super::pages::Pages;

/// Browsers open another connection when they need one.
const PATIENCE: Patience = Patience {
    first: Duration::from_secs(5),
    next: Duration::from_secs(5),
    connection: Duration::from_mins(2),
    connections: 32,
};
/// A request for the next picture is answered after this with what there is.
const WAIT: Duration = Duration::from_secs(20);
/// Who asked within this time before the end is looking on.
const LOOKS: Duration = Duration::from_secs(5);
/// So long after the end those who look on may ask for the report: a page without a script asks every two
/// seconds.
const LINGER: Duration = Duration::from_millis(2_500);

/// What every connection shares.
struct Shared {
    clock: SystemClock,
    pages: RefCell<Pages<SystemClock>>,
    /// The number of the newest picture.
    newest: watch::Sender<u64>,
    /// When somebody last asked.
    asked: RefCell<Option<Moment>>,
}

/// Serves until it is told that all is over, and everybody who looks on has had time to get the report.
pub(super) async fn serve(listener: std::net::TcpListener, words: UnboundedReceiver<Word>) {
    LocalSet::new().run_until(serve_here(listener, words)).await;
}

async fn serve_here(listener: std::net::TcpListener, mut words: UnboundedReceiver<Word>) {
    let clock = SystemClock::start();
    let shared = Rc::new(Shared {
        clock,
        pages: RefCell::new(Pages::new(clock)),
        newest: watch::channel(0).0,
        asked: RefCell::new(None),
    });
    let asked = Rc::clone(&shared);
    let answer = move |request: Request<Incoming>| {
        let shared = Rc::clone(&asked);
        async move { answer(&shared, &request).await }
    };
    // It was opened for this, without waiting.
    let Ok(mut door) = Door::open(listener, Guard::Host, PATIENCE, answer) else { return };
    let mut end = None;
    loop {
        let over = async {
            match end {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => break,
            Some(word) = words.recv(), if end.is_none() => {
                if hear(&shared, word) {
                    let asked = *shared.asked.borrow();
                    let looks = asked.is_some_and(|it| shared.clock.now() - it < LOOKS);
                    let linger = if looks { LINGER } else { Duration::ZERO };
                    end = Some(tokio::time::Instant::now() + linger);
                }
            }
            never = door.serve() => match never {},
        }
    }
    door.close().await;
}

/// Takes in a word; says whether it was the last.
fn hear(shared: &Shared, word: Word) -> bool {
    let mut pages = shared.pages.borrow_mut();
    match word {
        Word::Happened(entry) => pages.add(&entry),
        Word::Report(page) => pages.report(page),
        Word::Over => pages.end(),
    }
    shared.newest.send_replace(pages.number());
    pages.is_over()
}

/// Answers a request; its body, should it have one, is not read.
async fn answer(shared: &Shared, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "There is nothing here but pages to read.\n");
    }
    if request.uri().path() != "/" {
        return plain(StatusCode::NOT_FOUND, "There is one page, and it is /.\n");
    }
    shared.asked.replace(Some(shared.clock.now()));
    let after = request.uri().query().and_then(|it| it.strip_prefix("after="));
    let after = after.and_then(|it| it.parse().ok()).unwrap_or(0);
    let waited = tokio::time::timeout(WAIT, newer(shared, after)).await;
    shared.asked.replace(Some(shared.clock.now()));
    waited.unwrap_or_default();
    let page = shared.pages.borrow_mut().page();
    match page {
        Some(page) => with(StatusCode::OK, "text/html; charset=utf-8", page),
        None => plain(StatusCode::SERVICE_UNAVAILABLE, "The run has not begun.\n"),
    }
}

/// Waits for a picture after `after`, and until it may be drawn.
async fn newer(shared: &Shared, after: u64) {
    let mut newest = shared.newest.subscribe();
    // The sender lives as long as the connection that asks.
    newest.wait_for(|it| *it > after).await.map(drop).unwrap_or_default();
    if after > 0 {
        let rest = shared.pages.borrow().rest();
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            _ = newest.wait_for(|_| shared.pages.borrow().is_over()) => {}
        }
    }
}
