//! Server: a port of its own that answers probes, for services without an HTTP stack, and for those who keep probes apart.
//!
//! It speaks as much of HTTP/1.1 as probes do: GET and HEAD, connections that stay, several questions at once. What strangers hear
//! is rendered when it starts, head and all, so that an answer is one load and one write. It can live in a thread and a runtime of
//! its own: then it answers, and tells, when the runtime of the service is stuck.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::Health;
use crate::answer::{Endpoint, JSON, Question, Reply, is_of_a_proxy};
use crate::said::Said;

/// Longest head of a request, in bytes.
const HEAD_MAX: usize = 8 * 1_024;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// Most connections at once. One more, and the oldest ends: whoever keeps many open keeps nobody's probe out.
const CONNECTIONS_MAX: usize = 256;
/// How long a connection may say nothing, or take in nothing: longer than any probe's period.
const PATIENCE: Duration = Duration::from_secs(75);

/// A port that answers probes.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use evenkeel_health::{Health, Server};
///
/// let health = Health::builder().start()?;
/// let server = Server::bind("0.0.0.0:8081", health.clone()).await?;
/// tokio::spawn(server.serve());
/// # Ok(())
/// # }
/// ```
///
/// In a thread of its own it answers when the runtime of the service is stuck, and says so
/// ([`stall_after`](crate::Builder::stall_after)):
///
/// ```no_run
/// use evenkeel_health::{Health, Server};
///
/// # fn run(health: Health) {
/// std::thread::spawn(move || {
///     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
///     runtime.block_on(async {
///         Server::bind("0.0.0.0:8081", health).await?.serve().await;
///         Ok::<_, std::io::Error>(())
///     })
/// });
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    health: Health,
}

impl Server {
    /// Listens at an address. Strangers hear whether the service is well and nothing else, so that it may be one that others reach.
    ///
    /// # Errors
    /// The address is taken, or not ours.
    pub async fn bind(address: impl tokio::net::ToSocketAddrs, health: Health) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, health })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until the future is dropped, which ends its connections too.
    pub async fn serve(self) {
        let mut connections = JoinSet::new();
        let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
        let rendered = Arc::new(Rendered::new());
        loop {
            let Ok((stream, peer)) = self.listener.accept().await else {
                // No descriptor is free, or the other end is gone: both pass.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            // Small answers go out at once; without it they are only later.
            drop(stream.set_nodelay(true));
            let (health, rendered) = (self.health.clone(), Arc::clone(&rendered));
            while connections.try_join_next().is_some() {}
            oldest_first.retain(|it| !it.is_finished());
            if oldest_first.len() >= CONNECTIONS_MAX
                && let Some(oldest) = oldest_first.pop_front()
            {
                oldest.abort();
            }
            oldest_first.push_back(connections.spawn(async move {
                // A probe that hangs up owes us no reason.
                drop(converse(stream, peer.ip(), &health, &rendered).await);
            }));
        }
    }
}

/// Whole answers for strangers, in the order of [`Said`].
struct Rendered(Vec<Box<[u8]>>);

impl Rendered {
    fn new() -> Self {
        let whole = |it: Said| {
            let mut answer = Vec::new();
            write_reply(&mut answer, it.code(), JSON, it.body(), Body::Sent);
            answer.into_boxed_slice()
        };
        Self(Said::all().map(whole).collect())
    }

    fn of(&self, said: Said) -> &[u8] {
        self.0.get(said as usize).map_or(&[], |it| it)
    }
}

/// Answers one connection until either end has enough.
async fn converse<S>(
    mut stream: S,
    peer: IpAddr,
    health: &Health,
    rendered: &Rendered,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut heard = Vec::with_capacity(1_024);
    let mut answers = Vec::with_capacity(512);
    loop {
        let read =
            timeout(PATIENCE, stream.read_buf(&mut heard)).await.map_err(io::Error::other)??;
        if read == 0 {
            return Ok(());
        }
        let mut taken = 0;
        let next = loop {
            match answer_one(
                heard.get(taken..).unwrap_or_default(),
                peer,
                health,
                rendered,
                &mut answers,
            ) {
                Next::Another(length) => taken += length,
                it => break it,
            }
        };
        heard.drain(..taken);
        timeout(PATIENCE, stream.write_all(&answers)).await.map_err(io::Error::other)??;
        answers.clear();
        if matches!(next, Next::End) {
            return stream.shutdown().await;
        }
    }
}

enum Next {
    /// This many bytes were a question, and there may be another behind it.
    Another(usize),
    /// The next question is not complete.
    Wait,
    /// Nothing more is answered here.
    End,
}

fn answer_one(
    heard: &[u8],
    peer: IpAddr,
    health: &Health,
    rendered: &Rendered,
    answers: &mut Vec<u8>,
) -> Next {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(heard) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if heard.len() < HEAD_MAX => return Next::Wait,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return refuse(answers, 431);
        }
        Err(_) => return refuse(answers, 400),
    };
    let (Some(method), Some(target)) = (request.method, request.path) else { return Next::Wait };
    let (path, query) =
        target.split_once('?').map_or((target, None), |(it, query)| (it, Some(query)));
    let mut question = Question { method, query, peer: Some(peer), ..Question::get(path) };
    let mut stays = request.version == Some(1);
    for header in request.headers.iter() {
        let value = std::str::from_utf8(header.value).ok();
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("authorization") {
            question.authorization = value;
        } else if is("accept") {
            question.accept = value;
        } else if is_of_a_proxy(header.name) {
            question.forwarded = true;
        } else if is("connection") {
            stays &= !value
                .is_some_and(|it| it.split(',').any(|it| it.trim().eq_ignore_ascii_case("close")));
        } else if is("transfer-encoding")
            || (is("content-length") && header.value.trim_ascii() != b"0")
        {
            // A probe sends no body; where the next question would begin is nothing to guess at.
            return refuse(answers, 400);
        }
    }
    let endpoint = Endpoint::at(path);
    let is_plain = method == "GET" && query.is_none() && !question.wants_draft();
    match endpoint {
        Some(it) if is_plain && it != Endpoint::Overall => {
            answers.extend_from_slice(rendered.of(health.said(it)));
        }
        _ => {
            let none = Reply {
                status: 404,
                content_type: JSON,
                body: r#"{"error":"no such probe"}"#.into(),
            };
            let reply = health.answer(&question).unwrap_or(none);
            let body = if method == "HEAD" { Body::Omitted } else { Body::Sent };
            write_reply(answers, reply.status, reply.content_type, &reply.body, body);
        }
    }
    if stays { Next::Another(length) } else { Next::End }
}

fn refuse(answers: &mut Vec<u8>, status: u16) -> Next {
    write_reply(answers, status, JSON, r#"{"error":"this is no probe"}"#, Body::Sent);
    Next::End
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum Body {
    Sent,
    /// Its length is said and it is not sent, as HEAD wants it.
    Omitted,
}

fn write_reply(answers: &mut Vec<u8>, status: u16, content_type: &str, body: &str, sent: Body) {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed\r\nallow: GET, HEAD",
        431 => "Request Header Fields Too Large",
        _ => "Service Unavailable",
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
         cache-control: no-store\r\n\r\n",
    );
    answers.extend_from_slice(head.as_bytes());
    if sent == Body::Sent {
        answers.extend_from_slice(body.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a connection from loopback hears when it says all of this at once.
    async fn hears(health: &Health, said: &[u8]) -> String {
        hears_from("127.0.0.1", health, said).await
    }

    async fn hears_from(peer: &str, health: &Health, said: &[u8]) -> String {
        let (mut ours, theirs) = tokio::io::duplex(1 << 20);
        ours.write_all(said).await.unwrap();
        ours.shutdown().await.unwrap();
        converse(theirs, peer.parse().unwrap(), health, &Rendered::new()).await.unwrap();
        let mut heard = String::new();
        ours.read_to_string(&mut heard).await.unwrap();
        heard
    }

    fn health() -> Health {
        Health::builder().start().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_gets_its_word() {
        let heard = hears(&health(), b"GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let wanted = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 18\r\n\
                      cache-control: no-store\r\n\r\n{\"status\":\"ready\"}";
        assert_eq!(heard, wanted);
    }

    #[tokio::test(start_paused = true)]
    async fn several_questions_at_once_are_answered_in_order_until_one_closes() {
        let said = b"GET /health/live HTTP/1.1\r\n\r\nHEAD /health/ready HTTP/1.1\r\n\r\nGET /cart HTTP/1.1\r\n\r\n\
                     POST /health HTTP/1.1\r\ncontent-length: 0\r\n\r\nGET /health/startup HTTP/1.1\r\nConnection: close\r\n\r\n\
                     GET /health/live HTTP/1.1\r\n\r\n";
        let heard = hears(&health(), said).await;
        let codes: Vec<_> =
            heard.split("HTTP/1.1 ").skip(1).map(|it| it.get(..3).unwrap()).collect();
        assert_eq!(codes, ["200", "200", "404", "405", "200"]);
        assert_eq!(heard.matches(r#"{"status":"#).count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn details_are_for_loopback_and_not_for_strangers() {
        let health = Health::builder()
            .check("db", crate::Policy::critical(), async || true)
            .start()
            .unwrap();
        health.ready().await;
        let said = b"GET /health HTTP/1.1\r\n\r\nGET /health/ready?verbose HTTP/1.1\r\n\r\n";
        assert_eq!(hears(&health, said).await.matches("\"db\"").count(), 2);
        let heard = hears_from("10.0.0.7", &health, said).await;
        assert!(!heard.contains("db") && heard.contains(r#"{"status":"healthy"}"#), "{heard}");
        for header in ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP"] {
            let by_proxy = format!("GET /health HTTP/1.1\r\n{header}: a\r\n\r\n");
            assert!(!hears(&health, by_proxy.as_bytes()).await.contains("db"), "{header}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_probe_is_refused_and_the_connection_ends() {
        let long = format!("GET /health/live HTTP/1.1\r\na: {}", "x".repeat(HEAD_MAX));
        let many =
            format!("GET /health/live HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        let body = "GET /health/live HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc";
        for (said, code) in
            [(long.as_str(), "431"), (&many, "431"), (body, "400"), ("\x16\x03\x01\r\n", "400")]
        {
            let heard = hears(&health(), said.as_bytes()).await;
            assert!(heard.starts_with(&format!("HTTP/1.1 {code} ")), "{heard}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_ends() {
        let (_ours, theirs) = tokio::io::duplex(64);
        let ended =
            converse(theirs, "127.0.0.1".parse().unwrap(), &health(), &Rendered::new()).await;
        assert!(ended.is_err());
    }

    #[tokio::test]
    async fn a_probe_gets_in_however_many_sit_there_and_say_nothing() {
        let server = Server::bind("127.0.0.1:0", health()).await.unwrap();
        let address = server.address().unwrap();
        let served = tokio::spawn(server.serve());
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
        }
        let mut probe = tokio::net::TcpStream::connect(address).await.unwrap();
        probe.write_all(b"GET /health/live HTTP/1.0\r\n\r\n").await.unwrap();
        let mut heard = String::new();
        let answered = timeout(Duration::from_secs(20), probe.read_to_string(&mut heard)).await;
        assert!(answered.is_ok() && heard.starts_with("HTTP/1.1 200 "), "{heard}");
        // The oldest made room for it.
        assert_eq!(silent[0].read(&mut [0; 1]).await.unwrap(), 0);
        served.abort();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However a question is cut into pieces, its answer is the same; and no bytes at all are the end of us.
        #[test]
        fn any_bytes_are_survived(said in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..28) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let health = health();
                hears(&health, &said).await;
                let question = b"GET /health/live HTTP/1.1\r\n\r\n";
                let mut answers = Vec::new();
                let rendered = Rendered::new();
                let peer = "127.0.0.1".parse().unwrap();
                let first = answer_one(&question[..at], peer, &health, &rendered, &mut answers);
                assert!(matches!(first, Next::Wait) && answers.is_empty());
                let whole = answer_one(question, peer, &health, &rendered, &mut answers);
                assert!(matches!(whole, Next::Another(29)));
            });
        }
    }
}
