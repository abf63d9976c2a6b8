//! Loopback: what this machine serves to itself. At which address, who may ask, and how long they may take.
//!
//! Nobody is asked who they are, so nobody else is let in: the address is one that other machines cannot reach.
//! A browser may be led to send requests here by any page (DNS rebinding), so a request must name this address as
//! its host. Connections, heads and waits are bounded.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections at a time; more wait in the queue of the system.
const CONNECTIONS_MAX: usize = 32;
/// Bytes of a request's head.
const HEAD_MAX: usize = 16 << 10;
/// Answers that are under way when the door closes may take so long.
const DRAIN: Duration = Duration::from_secs(1);

/// An address of this machine that others cannot reach. Port 0 is any that is free.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loopback(SocketAddr);

impl FromStr for Loopback {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let port = text.strip_prefix("localhost:").unwrap_or(text).parse();
        let address = port.map(|port| SocketAddr::new(here, port)).or_else(|_| text.parse());
        let address: SocketAddr =
            address.map_err(|_| "give a port, or an address such as 127.0.0.1:8089".to_owned())?;
        match address.ip().is_loopback() {
            true => Ok(Self(address)),
            false => Err(format!(
                "{} can be reached from other machines, and nobody is asked who they are: give 127.0.0.1:{port}, \
                 and reach it through `ssh -L {port}:127.0.0.1:{port}`",
                address.ip(),
                port = address.port(),
            )),
        }
    }
}

impl Loopback {
    /// As it was given.
    pub(crate) const fn address(self) -> SocketAddr {
        self.0
    }

    /// Listens there, and says where that is.
    pub(crate) fn listen(self) -> io::Result<(std::net::TcpListener, SocketAddr)> {
        let listener = std::net::TcpListener::bind(self.0)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }
}

/// How long somebody is waited for.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Patience {
    /// A head that is not whole by then never will be; and the next one on a connection begins by then.
    pub(crate) head: Duration,
    /// A connection is closed after this, whatever goes on; clients open another.
    pub(crate) connection: Duration,
}

/// What lets requests in and answers out. It lives on a `LocalSet`.
pub(crate) struct Door<A> {
    listener: TcpListener,
    address: SocketAddr,
    patience: Patience,
    answer: A,
    connections: JoinSet<()>,
    closing: watch::Sender<bool>,
}

impl<A, F> Door<A>
where
    A: Fn(Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Response<Full<Bytes>>> + 'static,
{
    /// A door at a listener that does not block.
    pub(crate) fn open(
        listener: std::net::TcpListener,
        patience: Patience,
        answer: A,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let (connections, (closing, _)) = (JoinSet::new(), watch::channel(false));
        Ok(Self { listener, address, patience, answer, connections, closing })
    }

    /// Lets requests in for as long as this is waited for; waiting may be given up and taken up again.
    pub(crate) async fn serve(&mut self) -> Infallible {
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if self.connections.len() < CONNECTIONS_MAX => match accepted {
                    Ok((stream, _)) => {
                        let (address, patience) = (self.address, self.patience);
                        let (answer, closing) = (self.answer.clone(), self.closing.subscribe());
                        self.connections.spawn_local(converse(stream, address, patience, answer, closing));
                    }
                    // Out of file descriptors, most likely: give some back before asking again.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
                Some(_) = self.connections.join_next(), if !self.connections.is_empty() => {}
            }
        }
    }

    /// Lets nobody in any more, and waits a little for answers that are under way.
    pub(crate) async fn close(self) {
        let Self { listener, closing, mut connections, .. } = self;
        drop(listener);
        closing.send_replace(true);
        let all = async { while connections.join_next().await.is_some() {} };
        tokio::time::timeout(DRAIN, all).await.unwrap_or_default();
    }
}

async fn converse<A, F>(
    stream: TcpStream,
    address: SocketAddr,
    patience: Patience,
    answer: A,
    mut closing: watch::Receiver<bool>,
) where
    A: Fn(Request<Incoming>) -> F + Clone,
    F: Future<Output = Response<Full<Bytes>>>,
{
    let exchange = service_fn(move |request| {
        let answer = answer.clone();
        async move {
            Ok::<_, Infallible>(match is_for(address, &request) {
                true => answer(request).await,
                false => {
                    let text = format!("This is {address}, and answers to no other name.\n");
                    plain(StatusCode::MISDIRECTED_REQUEST, text)
                }
            })
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience.head)
            .max_buf_size(HEAD_MAX)
            .serve_connection(TokioIo::new(stream), exchange)
    );
    let limit = tokio::time::sleep(patience.connection);
    tokio::select! {
        // A connection that breaks has told its caller already.
        _ = connection.as_mut() => return,
        () = limit => {}
        _ = closing.wait_for(|it| *it) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::time::timeout(DRAIN, connection).await.map(drop).unwrap_or_default();
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

/// An answer in plain text.
pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    with(status, "text/plain; charset=utf-8", text)
}

/// An answer that no other page may frame, embed, or find in a cache.
pub(crate) fn with(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_cannot_be_let_in() {
        let parse = |text: &str| {
            text.parse::<Loopback>().map_err(|it| it.split(' ').next().unwrap().to_owned())
        };
        let at = |text: &str| Ok(Loopback(text.parse().unwrap()));
        assert_eq!(parse("8089"), at("127.0.0.1:8089"));
        assert_eq!(parse("localhost:8089"), at("127.0.0.1:8089"));
        assert_eq!(parse("[::1]:8089"), at("[::1]:8089"));
        assert_eq!(parse("127.9.9.9:0"), at("127.9.9.9:0"));
        assert_eq!(parse("0.0.0.0:8089"), Err("0.0.0.0".to_owned()));
        assert_eq!(parse("[::]:8089"), Err("::".to_owned()));
        assert_eq!(parse("192.168.1.4:8089"), Err("192.168.1.4".to_owned()));
        assert_eq!(parse("example.com:80"), Err("give".to_owned()));
        assert_eq!(parse("65536"), Err("give".to_owned()));
    }
}
