//! Door: what lets requests in and answers out. Who may ask, and how long they may take.
//!
//! Where nobody is asked who they are, nobody else is let in: the address is one that other machines cannot reach. A browser
//! on this machine can, and any page may have it send requests there: a request must name this address as its host (DNS
//! rebinding), and must not come from a page of somebody else's (CSRF), but for links that are followed. At any other address
//! a request must bring the token, which no page of somebody else's has.
//!
//! ```text
//! guard   who may ask
//! answer  what goes out, and how it is packed
//! ```
//!
//! Connections, heads and waits are bounded. Who asks nothing within seconds is not waited for, and when all places are taken,
//! whoever has kept one for longest without asking makes room: nobody can keep others out by holding connections open.

mod answer;
mod guard;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

pub use self::answer::{Packing, plain, with};
pub use self::guard::{Guard, Token, TokenError};

/// Bytes of a request's head.
const HEAD_MAX: usize = 16 << 10;
/// Answers that are under way when the door closes may take so long.
const DRAIN: Duration = Duration::from_secs(1);
/// An answer of which nothing is read for so long is not read at all.
const UNREAD: Duration = Duration::from_mins(1);
/// How long somebody is waited for, and how many at a time.
#[derive(Copy, Clone, Debug)]
pub struct Patience {
    /// Who has asked nothing by then never will.
    pub first: Duration,
    /// The next request on a connection is there by then.
    pub next: Duration,
    /// A connection is closed after this, whatever goes on; clients open another.
    pub connection: Duration,
    /// Connections at a time. Another takes the place of the one on which nothing has been asked for longest; while all of them
    /// are answered, more wait in the queue of the system.
    pub connections: usize,
}

/// What lets requests in and answers out. It lives on a `LocalSet`.
pub struct Door<A> {
    listener: TcpListener,
    way: Rc<Way>,
    answer: A,
    connections: JoinSet<()>,
    waiting: Rc<Waiting>,
    closing: watch::Sender<bool>,
}

/// What all connections have in common.
struct Way {
    address: SocketAddr,
    guard: Guard,
    patience: Patience,
}

impl<A, F> Door<A>
where
    A: Fn(Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Response<Full<Bytes>>> + 'static,
{
    /// A door at a listener that does not block.
    pub fn open(
        listener: std::net::TcpListener,
        guard: Guard,
        patience: Patience,
        answer: A,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let (connections, (closing, _)) = (JoinSet::new(), watch::channel(false));
        let way = Rc::new(Way { address, guard, patience });
        let waiting = Rc::new(Waiting::default());
        Ok(Self { listener, way, answer, connections, waiting, closing })
    }

    /// Lets requests in for as long as this is waited for; waiting may be given up and taken up again.
    pub async fn serve(&mut self) -> Infallible {
        loop {
            let has_room = self.connections.len() < self.way.patience.connections;
            tokio::select! {
                accepted = self.listener.accept(), if has_room || self.waiting.is_any() => match accepted {
                    Ok((stream, _)) => {
                        if !has_room {
                            self.waiting.make_room();
                        }
                        // Where these cannot be had, the answer goes all the same.
                        stream.set_nodelay(true).unwrap_or_default();
                        set_tcp_user_timeout(&stream, UNREAD.as_millis() as u32).unwrap_or_default();
                        let (way, answer) = (Rc::clone(&self.way), self.answer.clone());
                        let place = Place::take(&self.waiting);
                        let closing = self.closing.subscribe();
                        self.connections.spawn_local(converse(stream, way, answer, place, closing));
                    }
                    // Out of file descriptors, most likely: give some back before asking again.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
                Some(_) = self.connections.join_next(), if !self.connections.is_empty() => {}
            }
        }
    }

    /// Lets nobody in any more, and waits a little for answers that are under way.
    pub async fn close(self) {
        let Self { listener, closing, mut connections, .. } = self;
        drop(listener);
        closing.send_replace(true);
        let all = async { while connections.join_next().await.is_some() {} };
        tokio::time::timeout(DRAIN, all).await.unwrap_or_default();
    }
}

impl<A> fmt::Debug for Door<A> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Door").field("address", &self.way.address).finish_non_exhaustive()
    }
}

async fn converse<A, F>(
    stream: TcpStream,
    way: Rc<Way>,
    answer: A,
    place: Rc<Place>,
    mut closing: watch::Receiver<bool>,
) where
    A: Fn(Request<Incoming>) -> F + Clone,
    F: Future<Output = Response<Full<Bytes>>>,
{
    let patience = way.patience;
    let of = Rc::clone(&place);
    let exchange = service_fn(move |request| {
        let (way, answer, place) = (Rc::clone(&way), answer.clone(), Rc::clone(&of));
        async move {
            Ok::<_, Infallible>(match way.guard.refusal(way.address, &request) {
                None => {
                    let _asked = place.asked();
                    answer(request).await
                }
                // Who is not let in has no connection to keep.
                Some(mut refusal) => {
                    let close = HeaderValue::from_static("close");
                    refusal.headers_mut().insert(header::CONNECTION, close);
                    refusal
                }
            })
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience.next)
            .max_buf_size(HEAD_MAX)
            .serve_connection(TokioIo::new(stream), exchange)
    );
    let limit = tokio::time::sleep(patience.connection);
    let first = async {
        tokio::time::sleep(patience.first).await;
        if place.has_asked.get() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // A connection that breaks has told its caller already.
        _ = connection.as_mut() => return,
        () = limit => {}
        () = first => return,
        () = place.wanted.notified() => {}
        _ = closing.wait_for(|it| *it) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::time::timeout(DRAIN, connection).await.map(drop).unwrap_or_default();
}

/// The places of connections on which nothing is asked, by the order in which that began.
#[derive(Default)]
struct Waiting {
    next: Cell<u64>,
    wanted: RefCell<BTreeMap<u64, Rc<Notify>>>,
}

impl Waiting {
    fn is_any(&self) -> bool {
        !self.wanted.borrow().is_empty()
    }

    /// Asks for the place on which nothing has been asked for longest.
    fn make_room(&self) {
        if let Some((_, longest)) = self.wanted.borrow_mut().pop_first() {
            longest.notify_one();
        }
    }
}

/// The place of a connection.
struct Place {
    of: Rc<Waiting>,
    number: Cell<u64>,
    /// Whether something was asked that was let in.
    has_asked: Cell<bool>,
    /// Told when somebody else needs it.
    wanted: Rc<Notify>,
}

impl Place {
    fn take(of: &Rc<Waiting>) -> Rc<Self> {
        let (number, has_asked) = (Cell::new(0), Cell::new(false));
        let place = Self { of: Rc::clone(of), number, has_asked, wanted: Rc::default() };
        place.wait();
        Rc::new(place)
    }

    /// From now on nothing is asked.
    fn wait(&self) {
        self.number.set(self.of.next.get());
        self.of.next.set(self.number.get() + 1);
        self.of.wanted.borrow_mut().insert(self.number.get(), Rc::clone(&self.wanted));
    }

    /// From now on something is asked, until what this gives is dropped.
    fn asked(&self) -> Asked<'_> {
        self.has_asked.set(true);
        self.leave();
        Asked(self)
    }

    fn leave(&self) {
        self.of.wanted.borrow_mut().remove(&self.number.get());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

struct Asked<'a>(&'a Place);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.wait();
    }
}
