//! Serve: who may ask, for what, and how long they may take.
//!
//! A browser may be led to send requests here by any page (DNS rebinding), so a request must name this address as
//! its host. Connections, heads, and waits are bounded; bodies are never read.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_units::{Clock as _, Moment, SystemClock};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use super::Word;
use super::pages::Pages;

/// Connections at a time; more wait in the queue of the system.
const CONNECTIONS_MAX: usize = 32;
/// Bytes of a request's head.
const HEAD_MAX: usize = 16 << 10;
/// A head that is not whole by then never will be.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// A connection is closed after this, whatever goes on; browsers open another.
const CONNECTION_TIME: Duration = Duration::from_mins(2);
/// A request for the next picture is answered after this with what there is.
const WAIT: Duration = Duration::from_secs(20);
/// Who asked within this time before the end is looking on.
const LOOKS: Duration = Duration::from_secs(5);
/// So long after the end those who look on may ask for the report: a page without a script asks every two
/// seconds.
const LINGER: Duration = Duration::from_millis(2_500);
/// Then answers that are under way may take so long.
const DRAIN: Duration = Duration::from_secs(1);

/// What every connection shares.
struct Shared {
    address: SocketAddr,
    clock: SystemClock,
    pages: RefCell<Pages<SystemClock>>,
    /// The number of the newest picture.
    newest: watch::Sender<u64>,
    /// When somebody last asked.
    asked: RefCell<Option<Moment>>,
}

/// Serves until it is told that all is over, and everybody who looks on has had time to get the report.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    address: SocketAddr,
    words: UnboundedReceiver<Word>,
) {
    LocalSet::new().run_until(serve_here(listener, address, words)).await;
}

async fn serve_here(
    listener: std::net::TcpListener,
    address: SocketAddr,
    mut words: UnboundedReceiver<Word>,
) {
    // It was opened for this, without waiting.
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let clock = SystemClock::start();
    let shared = Rc::new(Shared {
        address,
        clock,
        pages: RefCell::new(Pages::new(clock)),
        newest: watch::channel(0).0,
        asked: RefCell::new(None),
    });
    let mut connections = JoinSet::new();
    let mut end = None;
    let (closing, _) = watch::channel(false);
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
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn_local(connection(stream, Rc::clone(&shared), closing.subscribe()));
                }
                // Out of file descriptors, most likely: give some back before asking again.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    closing.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    tokio::time::timeout(DRAIN, all).await.unwrap_or_default();
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

async fn connection(stream: TcpStream, shared: Rc<Shared>, mut closing: watch::Receiver<bool>) {
    let exchange = service_fn(move |request| {
        let shared = Rc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&shared, &request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_MAX)
            .serve_connection(TokioIo::new(stream), exchange)
    );
    let limit = tokio::time::sleep(CONNECTION_TIME);
    tokio::select! {
        // A connection that breaks has told its caller already.
        _ = connection.as_mut() => return,
        () = limit => {}
        _ = closing.wait_for(|it| *it) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::time::timeout(DRAIN, connection).await.map(drop).unwrap_or_default();
}

/// Answers a request; its body, should it have one, is not read.
async fn answer(shared: &Shared, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !is_for(shared.address, request) {
        let text = format!("This is {}, and answers to no other name.\n", shared.address);
        return plain(StatusCode::MISDIRECTED_REQUEST, text);
    }
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

/// Whether a request names this address as its host.
fn is_for(address: SocketAddr, request: &Request<Incoming>) -> bool {
    let named = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(header::HOST).and_then(|it| it.to_str().ok()),
    };
    named.is_some_and(|it| {
        it == address.to_string()
            || it.eq_ignore_ascii_case(&format!("localhost:{}", address.port()))
    })
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    with(status, "text/plain; charset=utf-8", text)
}

/// An answer that no other page may frame, embed, or find in a cache.
fn with(
    status: StatusCode,
    content: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_TYPE, content),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
