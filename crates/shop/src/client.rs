//! The calling end of HTTP: a small keep-alive pool for one address.
//!
//! It says of every failure whether the request can have reached the other side, because only the
//! caller knows whether sending it twice does harm. It sets no timeouts: a dropped call closes its
//! connection, so a caller's timeout is enough.

use std::io;
use std::sync::Mutex;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Answers larger than this are refused; the largest of the shop has a few KiB.
const ANSWER_MAX: usize = 1 << 20;
/// Idle connections beyond this are closed.
const IDLE_MAX: usize = 64;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nobody listens, or the address cannot be reached.
    #[error("failed to connect: {0}")]
    Connect(io::Error),
    /// The connection broke after the request was sent; the other side may have acted on it.
    #[error("the connection broke: {0}")]
    Broken(String),
}

/// Connections to one address.
#[derive(Debug)]
pub(crate) struct Pool {
    address: String,
    host: HeaderValue,
    idle: Mutex<Vec<Connection>>,
}

#[derive(Debug)]
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Pool {
    /// A pool for `host:port`.
    pub(crate) fn new(address: impl Into<String>) -> Self {
        let address = address.into();
        let host = HeaderValue::from_str(&address)
            .unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        Self { address, host, idle: Mutex::default() }
    }

    /// Sends `request` and reads the whole answer.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, CallError> {
        request.headers_mut().insert(HOST, self.host.clone());
        loop {
            let mut connection = match self.reuse().await {
                Some(idle) => idle,
                None => self.connect().await?,
            };
            let answer = match connection.sender.try_send_request(request).await {
                Ok(answer) => answer,
                Err(mut failed) => match failed.take_message() {
                    // It closed while idle and nothing was sent; a fresh one tells whether anybody is there.
                    Some(unsent) => {
                        request = unsent;
                        continue;
                    }
                    None => return Err(CallError::Broken(failed.into_error().to_string())),
                },
            };
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_MAX)
                .collect()
                .await
                .map_err(|error| CallError::Broken(error.to_string()))?
                .to_bytes();
            self.keep(connection);
            return Ok(Response::from_parts(head, body));
        }
    }

    async fn reuse(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle.lock().ok()?.pop()?;
            if connection.sender.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: Connection) {
        if !connection.sender.is_closed()
            && let Ok(mut idle) = self.idle.lock()
            && idle.len() < IDLE_MAX
        {
            idle.push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, CallError> {
        let stream = TcpStream::connect(&self.address).await.map_err(CallError::Connect)?;
        stream.set_nodelay(true).map_err(CallError::Connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| CallError::Connect(io::Error::other(error)))?;
        let driver = tokio::spawn(async move {
            // How it ended is told to whoever waits for an answer.
            connection.await.unwrap_or_default();
        });
        Ok(Connection { sender, driver })
    }
}

/// A request to a neighbour; an empty `body` sends none.
pub(crate) fn request(method: Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
    let has_body = !body.is_empty();
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap_or_default();
    if has_body {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request
}

/// Whether `address` answers `GET /health/ready` with 200.
pub(crate) async fn is_ready(pool: &Pool) -> Result<bool, CallError> {
    let answer = pool.send(request(Method::GET, "/health/ready", Bytes::new())).await?;
    Ok(answer.status() == StatusCode::OK)
}
