//! Door: what lets requests in and answers out. Who may ask, and how long they may take.
//!
//! Where nobody is asked who they are, nobody else is let in: the address is one that other machines cannot reach, and
//! since a browser may be led to send requests there by any page (DNS rebinding), a request must name this address as its
//! host. At any other address a request must bring the token. Connections, heads and waits are bounded.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::rc::Rc;
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

/// Bytes of a request's head.
const HEAD_MAX: usize = 16 << 10;
/// Answers that are under way when the door closes may take so long.
const DRAIN: Duration = Duration::from_secs(1);
/// A token that can be guessed is none.
const TOKEN_MIN: usize = 16;
/// No token is longer.
const TOKEN_MAX: usize = 4 << 10;

/// What a request must bring to be let in. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Token(…)")
    }
}

/// A token that is none.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It could be guessed.
    #[error("a token of {0} characters can be guessed")]
    Short(usize),
    /// It cannot stand in a header.
    #[error("a token is at most {TOKEN_MAX} letters, digits and signs, without blanks")]
    Form,
}

impl Token {
    /// What a file holds, without the blanks around it.
    pub fn from_file(file: &Path) -> Result<Self, TokenError> {
        let unreadable = |cause| TokenError::Unreadable { file: file.to_owned(), cause };
        Self::new(std::fs::read_to_string(file).map_err(unreadable)?.trim())
    }

    /// A token of at least 16 characters.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        match text.len() {
            length if length < TOKEN_MIN => Err(TokenError::Short(length)),
            length if length > TOKEN_MAX => Err(TokenError::Form),
            _ if !text.bytes().all(|it| it.is_ascii_graphic()) => Err(TokenError::Form),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// Whether a header brings it; how long that takes says nothing of where it differs.
    fn is_in(&self, header: Option<&HeaderValue>) -> bool {
        let said = header.map_or(&[][..], HeaderValue::as_bytes);
        let given = match said.split_at_checked(7) {
            Some((scheme, given)) if scheme.eq_ignore_ascii_case(b"bearer ") => given,
            _ => return false,
        };
        let own = self.0.as_bytes();
        given.len() == own.len()
            && given.iter().zip(own).fold(0, |sum, (one, other)| sum | (one ^ other)) == 0
    }
}

/// Who is let in.
#[derive(Clone, Debug)]
pub enum Guard {
    /// Whoever is on this machine, and names the address as the host.
    Host,
    /// Whoever brings the token.
    Token(Token),
}

/// How long somebody is waited for, and how many at a time.
#[derive(Copy, Clone, Debug)]
pub struct Patience {
    /// A head that is not whole by then never will be; and the next one on a connection begins by then.
    pub head: Duration,
    /// A connection is closed after this, whatever goes on; clients open another.
    pub connection: Duration,
    /// Connections at a time; more wait in the queue of the system.
    pub connections: usize,
}

/// What lets requests in and answers out. It lives on a `LocalSet`.
pub struct Door<A> {
    listener: TcpListener,
    way: Rc<Way>,
    answer: A,
    connections: JoinSet<()>,
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
        Ok(Self { listener, way, answer, connections, closing })
    }

    /// Lets requests in for as long as this is waited for; waiting may be given up and taken up again.
    pub async fn serve(&mut self) -> Infallible {
        loop {
            let has_room = self.connections.len() < self.way.patience.connections;
            tokio::select! {
                accepted = self.listener.accept(), if has_room => match accepted {
                    Ok((stream, _)) => {
                        // An answer goes when it is there; where that cannot be had, it goes all the same.
                        stream.set_nodelay(true).unwrap_or_default();
                        let (way, answer) = (Rc::clone(&self.way), self.answer.clone());
                        let closing = self.closing.subscribe();
                        self.connections.spawn_local(converse(stream, way, answer, closing));
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
    mut closing: watch::Receiver<bool>,
) where
    A: Fn(Request<Incoming>) -> F + Clone,
    F: Future<Output = Response<Full<Bytes>>>,
{
    let patience = way.patience;
    let exchange = service_fn(move |request| {
        let (way, answer) = (Rc::clone(&way), answer.clone());
        async move {
            Ok::<_, Infallible>(match way.refusal(&request) {
                None => answer(request).await,
                Some(refusal) => refusal,
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

impl Way {
    /// What is answered to a request that is not let in.
    fn refusal(&self, request: &Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        match &self.guard {
            Guard::Host if is_for(self.address, request) => None,
            Guard::Host => {
                let text = format!("This is {}, and answers to no other name.\n", self.address);
                Some(plain(StatusCode::MISDIRECTED_REQUEST, text))
            }
            Guard::Token(token) if token.is_in(request.headers().get(header::AUTHORIZATION)) => {
                None
            }
            Guard::Token(_) => {
                let text = "Bring the token: `Authorization: Bearer TOKEN`.\n";
                let mut refusal = plain(StatusCode::UNAUTHORIZED, text);
                let scheme = HeaderValue::from_static("Bearer");
                refusal.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
                Some(refusal)
            }
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

/// An answer in plain text.
pub fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    with(status, "text/plain; charset=utf-8", text)
}

/// An answer that no other page may frame, embed, or find in a cache.
pub fn with(
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
    fn a_token_is_brought_by_a_header_and_by_nothing_else() {
        let token = Token::new("0123456789abcdef").unwrap();
        let is_in = |text: &'static str| token.is_in(Some(&HeaderValue::from_static(text)));
        assert!(is_in("Bearer 0123456789abcdef") && is_in("bearer 0123456789abcdef"));
        for wrong in ["", "Bearer", "Bearer ", "0123456789abcdef", "Basic 0123456789abcdef"] {
            assert!(!is_in(wrong), "{wrong}");
        }
        assert!(!is_in("Bearer 0123456789abcdeF") && !is_in("Bearer 0123456789abcdef0"));
        assert!(!token.is_in(None));
    }

    #[test]
    fn a_token_that_can_be_guessed_or_sent_by_no_header_is_refused() {
        assert!(matches!(Token::new("secret"), Err(TokenError::Short(6))));
        assert!(matches!(Token::new("0123456789 abcdef"), Err(TokenError::Form)));
        assert!(matches!(Token::new(&"x".repeat(5_000)), Err(TokenError::Form)));
        assert_eq!(format!("{:?}", Token::new("0123456789abcdef").unwrap()), "Token(…)");
    }
}
