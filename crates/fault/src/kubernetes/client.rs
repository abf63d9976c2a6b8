//! The client: one request, one answer, one connection. It blocks, and every request has an end.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::{Clock as _, SystemClock};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ClusterError;
use super::answer::Answer;
use super::login::Login;

/// An answer is no stream.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// A question is answered within this time, or the cluster hangs.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// No timeout of a socket may be zero.
const AT_ONCE: Duration = Duration::from_millis(1);
/// How a patch is meant: fields are set, and those that are null are removed (RFC 7396).
const MERGE: &str = "application/merge-patch+json";

/// Asks a cluster.
pub(crate) struct Client {
    login: Login,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    bearer: Option<String>,
    patience: Duration,
}

impl Client {
    pub(super) fn new(login: Login) -> Result<Self, ClusterError> {
        let (tls, bearer) = (login.tls()?, login.bearer()?);
        Ok(Self { login, tls, bearer, patience: ANSWER_MAX })
    }

    /// The same, which waits no longer than this.
    pub(crate) fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Reads something. `None`: there is no such thing.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ClusterError> {
        let answer = self.ask("GET", path, None)?;
        match answer.status {
            404 => Ok(None),
            _ => self.must(answer).and_then(|it| self.read(&it)).map(Some),
        }
    }

    /// Sets fields of something. `false`: somebody else has changed it meanwhile, or it is gone.
    pub(super) fn patch(&self, path: &str, body: &Value) -> Result<bool, ClusterError> {
        let answer = self.ask("PATCH", path, Some((MERGE, body)))?;
        match answer.status {
            404 | 409 => Ok(false),
            _ => self.must(answer).map(|_| true),
        }
    }

    /// Has something done.
    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Answer, ClusterError> {
        self.ask(method, path, Some(("application/json", body)))
    }

    /// An answer that is a yes.
    pub(super) fn must(&self, answer: Answer) -> Result<Answer, ClusterError> {
        let server = self.login.server.url.clone();
        match answer.status {
            200..=299 => Ok(answer),
            401 | 403 => Err(ClusterError::Forbidden { server, said: answer.said() }),
            status => Err(ClusterError::Said { server, status, said: answer.said() }),
        }
    }

    pub(super) fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, ClusterError> {
        serde_json::from_slice(&answer.body).map_err(|it| self.unasked(it.into()))
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Answer, ClusterError> {
        let heard = self.exchange(method, path, body);
        heard.and_then(|it| Answer::read(&it)).map_err(|it| self.unasked(it))
    }

    fn unasked(&self, error: io::Error) -> ClusterError {
        ClusterError::Ask { server: self.login.server.url.clone(), error }
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> io::Result<Vec<u8>> {
        let clock = SystemClock::start();
        let left = || match self.patience.saturating_sub(clock.now().elapsed()) {
            Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
            left => Ok(left.max(AT_ONCE)),
        };
        let server = &self.login.server;
        let mut head = format!("{method} {}{path} HTTP/1.1\r\nHost: ", server.path);
        let bracketed = if server.host.contains(':') {
            format!("[{}]", server.host)
        } else {
            server.host.clone()
        };
        head.push_str(&format!(
            "{bracketed}:{}\r\nConnection: close\r\nAccept: application/json\r\n",
            server.port
        ));
        head.push_str(concat!("User-Agent: evenkeel/", env!("CARGO_PKG_VERSION"), "\r\n"));
        if let Some(token) = &self.bearer {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        let text = body.map(|(_, it)| it.to_string()).unwrap_or_default();
        if let Some((kind, _)) = body {
            head.push_str(&format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", text.len()));
        }
        let tcp = self.connect(&left)?;
        tcp.set_nodelay(true)?;
        let mut stream = match &self.tls {
            None => Stream::Plain(tcp),
            Some((config, name)) => {
                let session = ClientConnection::new(Arc::clone(config), name.clone());
                Stream::Tls(Box::new(StreamOwned::new(session.map_err(io::Error::other)?, tcp)))
            }
        };
        stream.tcp().set_write_timeout(Some(left()?))?;
        stream.tcp().set_read_timeout(Some(left()?))?;
        stream.write_all(format!("{head}\r\n{text}").as_bytes())?;
        let (mut heard, mut bytes) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            stream.tcp().set_read_timeout(Some(left()?))?;
            match stream.read(&mut bytes) {
                Ok(0) => return Ok(heard),
                Ok(read) => heard.extend(bytes.iter().take(read)),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {}
                    // Many end without a word of TLS; whether the answer is whole shows when it is read.
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                        return Ok(heard);
                    }
                    _ => return Err(error),
                },
            }
            if heard.len() > ANSWER_BYTES_MAX {
                return Err(io::Error::other("its answer does not end"));
            }
        }
    }

    fn connect(&self, left: &impl Fn() -> io::Result<Duration>) -> io::Result<TcpStream> {
        let server = &self.login.server;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (server.host.as_str(), server.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, left()?) {
                Ok(it) => return Ok(it),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(it) => it,
            Self::Tls(it) => it.get_ref(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(it) => it.read(bytes),
            Self::Tls(it) => it.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(it) => it.write(bytes),
            Self::Tls(it) => it.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(it) => it.flush(),
            Self::Tls(it) => it.flush(),
        }
    }
}
