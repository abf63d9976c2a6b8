//! Exchange: one GET on one fresh connection.
//!
//! A fresh connection each time, because that is what a new client of the service meets.

use std::error::Error;
use std::future::Future;
use std::io;
use std::time::Duration;

use evenkeel_units::Human;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::address::{Address, AddressError};
use crate::in_words;

/// No more of a body is read. A probe wants a word from the service, not its whole catalogue.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Until when an answer may come. Keeps what was asked for, which is what people want to read.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Deadline {
    within: Duration,
    at: Instant,
}

impl Deadline {
    pub(crate) fn in_(within: Duration) -> Self {
        Self { within, at: Instant::now() + within }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("no connection within {}", Human(*.0))]
    NoConnection(Duration),
    #[error("no answer within {}", Human(*.0))]
    NoAnswer(Duration),
    #[error("{status}, but the body did not end within {}", Human(*.within))]
    NoEnd { status: u16, within: Duration },
    /// In the words of [`in_words`], or of [`broken`].
    #[error("{0}")]
    Broken(String),
}

/// The head of an answer, and the connection over which its body comes.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    // Drives the connection, and ends with the answer.
    _line: JoinSet<()>,
}

/// What came of a body.
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    /// Whether there is more than was read.
    pub(crate) is_cut: bool,
}

/// Connects with `connect`, and asks.
pub(crate) async fn get<S, F>(
    address: &Address,
    deadline: Deadline,
    connect: impl FnOnce(Address) -> F,
) -> Result<Answer, Trouble>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Future<Output = io::Result<S>>,
{
    let stream = timeout_at(deadline.at, connect(address.clone()))
        .await
        .map_err(|_| Trouble::NoConnection(deadline.within))?
        .map_err(|error| Trouble::Broken(in_words(&error)))?;
    timeout_at(deadline.at, send(stream, address, HeaderMap::new()))
        .await
        .map_err(|_| Trouble::NoAnswer(deadline.within))?
        .map_err(|error| Trouble::Broken(broken(&error)))
}

/// Asks over a connection, with these headers and, where they say nothing, our own.
pub(crate) async fn send<S>(
    stream: S,
    address: &Address,
    more: HeaderMap,
) -> Result<Answer, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut line = JoinSet::new();
    // An error of the connection reaches the request or the body that waits for it.
    line.spawn(async move { drop(connection.await) });
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = address.target.parse().expect("the target was cut out of a valid URL");
    let headers = request.headers_mut();
    headers.insert(
        header::HOST,
        address.authority.parse().expect("an authority has only characters of headers"),
    );
    headers.insert(header::USER_AGENT, header::HeaderValue::from_static("evenkeel-probe"));
    headers.insert(header::ACCEPT, header::HeaderValue::from_static("*/*"));
    headers.extend(more);
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, _line: line })
}

impl Answer {
    /// Reads the body, at most [`BODY_BYTES_MAX`] of it.
    pub(crate) async fn read(&mut self) -> Result<Body, hyper::Error> {
        let mut bytes = Vec::new();
        while let Some(frame) = self.body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            let room = BODY_BYTES_MAX - bytes.len();
            bytes.extend(data.iter().take(room));
            if data.len() > room {
                return Ok(Body { bytes, is_cut: true });
            }
        }
        Ok(Body { bytes, is_cut: false })
    }

    /// Reads the body in time.
    pub(crate) async fn body(mut self, deadline: Deadline) -> Result<Body, Trouble> {
        let Deadline { within, at } = deadline;
        let status = self.status;
        timeout_at(at, self.read())
            .await
            .map_err(|_| Trouble::NoEnd { status, within })?
            .map_err(|error| Trouble::Broken(format!("{status}, but {}", broken(&error))))
    }
}

/// An error of HTTP in words for people.
pub(crate) fn broken(error: &hyper::Error) -> String {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match io {
        Some(io) if io.kind() != io::ErrorKind::UnexpectedEof => in_words(io),
        _ if error.is_parse() => "the answer is not HTTP".to_owned(),
        _ if error.is_incomplete_message() || error.is_body_write_aborted() || io.is_some() => {
            "the connection was closed half-way".to_owned()
        }
        _ => error.to_string(),
    }
}
