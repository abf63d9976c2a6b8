//! Asks a service how it is: over HTTP, gRPC, TCP, UDP and ICMP, as a client of PostgreSQL or Redis, by looking for its process, and by
//! what a Prometheus knows of it.
//!
//! There are two ways to ask. [`ask`] takes a [`ProbeKind`] of a document and gives a [`Seen`]: whether it held, what was
//! seen in words for people, and how long it took. A question that cannot even be asked has not
//! held: an unknown host or a malformed address is a detail, never an error. [`Call`] takes an [`Address`], which people write on a
//! command line, and gives a [`Reading`]: everything that was learned on the way.
//!
//! ```text
//! call      one question of one address, by phases, in the protocol of its URL
//! http      GET a URL: status, time, and a text in the body
//! tcp       connect to an address in time
//! promql    one number of a server that speaks the HTTP API of Prometheus
//! process   is one of the processes that were found running
//! ready     ask again and again until a service that was just started answers 2xx
//! address   what a URL says, and what of it is spoken here
//! exchange  one GET on one fresh connection
//! failover  the members of a `load_balancer:`, asked in the background, and who of them is active
//! tls       who is trusted, and what a server shows
//! watch     figures of the target's side: of processes, of the host, and by `promql`
//! ```
//!
//! Deliberately absent: schedules (the conductor says when to ask, and a `load_balancer:` itself), connection pools (a probe that
//! reuses a connection misses what a new client meets), redirects, and the search for
//! processes: that belongs to the fault hand, and hands are strangers to one another, so the
//! conductor lends its eyes to [`ask`] as a closure.

use std::time::Duration;

use evenkeel_model::document::{ErrorBudget, Finder, ProbeKind};
use tokio::net::TcpStream;

mod address;
mod call;
mod certificate;
mod exchange;
pub mod failover;
mod http;
mod process;
mod promql;
mod ready;
mod tcp;
mod tls;
pub mod watch;

pub use address::{Address, AddressError, Scheme};
#[cfg(any(test, feature = "fuzzing"))]
pub use call::fuzzing::probe as fuzz;
pub use call::{
    Call, Expectation, ExpectationError, HeaderError, PayloadError, Phase, Reading, Series,
    Verdict, repeat, wait,
};
pub use certificate::Certificate;
pub use process::{ProcessSeen, ProcessState};
pub use ready::{NotReady, ready};
pub use tls::{Trust, TrustError};

/// What a probe saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether what was asked for holds.
    pub held: bool,
    /// What was seen, for people, such as `503 after 12ms` or `connection refused`.
    pub detail: String,
    /// How long the question took.
    pub took: Duration,
}

/// Asks once. `look` finds the processes that a [`Finder`] describes.
///
/// `None` for [`ProbeKind::Load`]: what the load says, only the conductor knows.
///
/// Never takes longer than the probe's `within`, and leaves neither a connection nor a task behind,
/// also when the future is dropped half-way.
pub async fn ask(kind: &ProbeKind, look: impl Fn(&Finder) -> Vec<ProcessSeen>) -> Option<Seen> {
    match kind {
        ProbeKind::Http { url, status, within, contains } => {
            let wanted = http::Wanted { status: *status, contains: contains.as_deref() };
            Some(http::ask(url, wanted, *within, dial).await)
        }
        ProbeKind::Tcp { address, within } => {
            Some(tcp::ask(address, *within, TcpStream::connect).await)
        }
        ProbeKind::Process { find } => Some(process::judge(&look(find))),
        ProbeKind::Promql { url, query, value, within } => Some(
            promql::holds((url, query), *within, |it| value.holds(it), |it| it.to_string()).await,
        ),
        ProbeKind::ErrorBudget(ErrorBudget { url, query, min }) => {
            let is_left = |it: f64| it >= min.get();
            let show = |it: f64| format!("{:.2}% is left", it * 100.0);
            Some(promql::holds((url, query), ErrorBudget::WITHIN, is_left, show).await)
        }
        ProbeKind::Load { .. } => None,
    }
}

/// Opens a connection over the network; tests pass a pipe in memory instead.
async fn dial(address: Address) -> std::io::Result<call::Stream> {
    let stream = TcpStream::connect((&*address.host, address.port)).await?;
    if !address.scheme.is_secure() {
        return Ok(Box::new(stream));
    }
    let secured = Trust::System.secure(stream, &address.host, &[b"http/1.1"]).await;
    Ok(Box::new(secured.stream.map_err(std::io::Error::other)?))
}

/// An IO error in the words that people use for it.
fn in_words(error: &std::io::Error) -> String {
    use std::io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable,
        NetworkUnreachable, TimedOut,
    };
    match error.kind() {
        ConnectionRefused => "connection refused".to_owned(),
        ConnectionReset | ConnectionAborted | BrokenPipe => "connection reset".to_owned(),
        HostUnreachable => "host unreachable".to_owned(),
        NetworkUnreachable => "network unreachable".to_owned(),
        TimedOut => "connection timed out".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_model::document::Criterion;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpSocket};

    /// Long enough that only a hang reaches it: these tests meet the real clock.
    const PATIENT: Duration = Duration::from_secs(30);

    fn nobody(_: &Finder) -> Vec<ProcessSeen> {
        Vec::new()
    }

    fn http(url: String) -> ProbeKind {
        ProbeKind::Http { url, status: 200, within: PATIENT, contains: Some("ok".to_owned()) }
    }

    #[tokio::test]
    async fn a_service_that_answers_right_holds() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let seen = ask(&http(format!("http://{address}/health?deep=1")), nobody).await.unwrap();
        assert!(seen.held && seen.detail.starts_with("200 after "), "{seen:?}");
        let request = server.await.unwrap();
        assert!(request.starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("host: {address}\r\n")), "{request}");
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_refuses_both_ways_of_asking() {
        // Bound but not listening: the port refuses, and nobody else can take it meanwhile.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        for kind in [
            http(format!("http://{address}")),
            ProbeKind::Tcp { address: address.to_string(), within: PATIENT },
        ] {
            let seen = ask(&kind, nobody).await.unwrap();
            assert!(!seen.held && seen.detail == "connection refused", "{seen:?}");
        }
    }

    #[tokio::test]
    async fn a_port_where_somebody_listens_holds() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = ask(&ProbeKind::Tcp { address, within: PATIENT }, nobody).await.unwrap();
        assert!(seen.held && seen.detail.starts_with("connected after "), "{seen:?}");
    }

    #[tokio::test]
    async fn processes_are_looked_for_by_the_eyes_that_were_lent() {
        let find = Finder::Port(7401);
        let look = |asked: &Finder| {
            assert_eq!(asked, &Finder::Port(7401));
            vec![ProcessSeen { pid: 4711, state: ProcessState::Runs }]
        };
        let seen = ask(&ProbeKind::Process { find }, look).await.unwrap();
        assert!(seen.held && seen.detail == "pid 4711 runs", "{seen:?}");
    }

    #[tokio::test]
    async fn what_the_load_says_is_not_asked_here() {
        let criterion = Criterion::parse("error_rate < 1%").unwrap();
        assert_eq!(ask(&ProbeKind::Load { criterion }, nobody).await, None);
    }

    #[test]
    fn a_question_can_travel_between_threads() {
        fn travels(_: impl Send) {}
        let kind = http("http://127.0.0.1:1".to_owned());
        travels(ask(&kind, nobody));
        travels(ready("http://127.0.0.1:1", PATIENT, PATIENT));
    }
}
