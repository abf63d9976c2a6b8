//! HTTP: GET a URL, and compare what comes back with what was asked for.
//!
//! ```yaml
//! http: {url: "http://127.0.0.1:7400/health/ready", status: 200, within: 300ms, contains: ok}
//! ```
//!
//! The time is that of the whole question, from the first packet of the connection to the last byte
//! of the body: a server that stalls half-way through its answer has not answered.

use std::future::Future;
use std::io;
use std::time::Duration;

use evenkeel_units::Human;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::Seen;
use crate::address::Address;
use crate::exchange::{self, Body, Deadline, Trouble};

/// What the answer must be.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) status: u16,
    pub(crate) contains: Option<&'a str>,
}

pub(crate) async fn ask<S, F>(
    url: &str,
    wanted: Wanted<'_>,
    within: Duration,
    connect: impl FnOnce(Address) -> F,
) -> Seen
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Future<Output = io::Result<S>>,
{
    let began = Instant::now();
    let answer = visit(url, Deadline::in_(within), connect).await;
    let took = began.elapsed();
    match answer {
        Ok((status, body)) => {
            let (held, detail) = judge(status, &body, wanted, took);
            Seen { held, detail, took }
        }
        Err(trouble) => Seen { held: false, detail: trouble.to_string(), took },
    }
}

async fn visit<S, F>(
    url: &str,
    deadline: Deadline,
    connect: impl FnOnce(Address) -> F,
) -> Result<(u16, Body), Trouble>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Future<Output = io::Result<S>>,
{
    let address = Address::of_document(url)?;
    let answer = exchange::get(&address, deadline, connect).await?;
    Ok((answer.status, answer.body(deadline).await?))
}

fn judge(status: u16, body: &Body, wanted: Wanted<'_>, took: Duration) -> (bool, String) {
    let answered = format!("{status} after {}", Human(took));
    if status != wanted.status {
        return (false, answered);
    }
    match wanted.contains {
        Some(text) if !String::from_utf8_lossy(&body.bytes).contains(text) => {
            let where_ = if body.is_cut { "the first 1 MiB of its body" } else { "its body" };
            (false, format!("{answered}, without `{text}` in {where_}"))
        }
        _ => (true, answered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::BODY_BYTES_MAX;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);
    const WANTED: Wanted<'_> = Wanted { status: 200, contains: None };

    /// A server at the other end of a pipe in memory: waits for the request, then sends each part
    /// after its pause, and hangs up, or holds the line for ever.
    fn server(script: Vec<(u64, Vec<u8>)>, hangs_up: bool) -> DuplexStream {
        let (ours, mut theirs) = duplex(64 * 1024);
        tokio::spawn(async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(theirs.read_u8().await.unwrap());
            }
            for (pause_ms, part) in script {
                sleep(Duration::from_millis(pause_ms)).await;
                if theirs.write_all(&part).await.is_err() {
                    return;
                }
            }
            if !hangs_up {
                std::future::pending::<()>().await;
            }
        });
        ours
    }

    async fn asked(wanted: Wanted<'_>, script: &[(u64, &str)], hangs_up: bool) -> Seen {
        let script = script.iter().map(|(ms, part)| (*ms, part.as_bytes().to_vec())).collect();
        let line = server(script, hangs_up);
        ask("http://shop/", wanted, SECOND, |_| async { Ok(line) }).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_expected_status_in_time_holds() {
        let script = [(12, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")];
        let seen = asked(WANTED, &script, false).await;
        let took = Duration::from_millis(12);
        assert_eq!(seen, Seen { held: true, detail: "200 after 12ms".to_owned(), took });
    }

    #[tokio::test(start_paused = true)]
    async fn another_status_does_not_hold() {
        let script = [(12, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")];
        let seen = asked(WANTED, &script, false).await;
        assert!(!seen.held && seen.detail == "503 after 12ms", "{seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_in_time_does_not_hold() {
        let late = [(1001, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")];
        let seen = asked(WANTED, &late, false).await;
        let detail = "no answer within 1s".to_owned();
        assert_eq!(seen, Seen { held: false, detail, took: SECOND });
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_does_not_hold() {
        let script = [(5, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")];
        let seen = asked(WANTED, &script, false).await;
        let detail = "200, but the body did not end within 1s";
        assert!(!seen.held && seen.detail == detail, "{seen:?}");
        assert_eq!(seen.took, SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_never_stands_does_not_hold() {
        let never = |_| std::future::pending::<io::Result<DuplexStream>>();
        let seen = ask("http://shop/", WANTED, SECOND, never).await;
        assert!(!seen.held && seen.detail == "no connection within 1s", "{seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_is_cut_does_not_hold() {
        for (script, detail) in [
            (vec![], "the connection was closed half-way"),
            (
                vec![(0, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")],
                "200, but the connection was closed half-way",
            ),
            (vec![(0, "SSH-2.0-OpenSSH_9.2\r\n\r\n")], "the answer is not HTTP"),
        ] {
            let seen = asked(WANTED, &script, true).await;
            assert!(!seen.held && seen.detail == detail, "{seen:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_the_text_does_not_hold() {
        let script = [(5, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nDOWN")];
        let wanted = Wanted { status: 200, contains: Some("UP") };
        let seen = asked(wanted, &script, false).await;
        let detail = "200 after 5ms, without `UP` in its body";
        assert!(!seen.held && seen.detail == detail, "{seen:?}");
        let wanted = Wanted { status: 200, contains: Some("DOW") };
        assert!(asked(wanted, &script, false).await.held);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_end_is_read_up_to_its_limit() {
        let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        let script = vec![(0, head), (0, vec![b'x'; BODY_BYTES_MAX + 1]), (0, b"UP".to_vec())];
        let line = server(script, false);
        let wanted = Wanted { status: 200, contains: Some("UP") };
        let seen = ask("http://shop/", wanted, SECOND, |_| async { Ok(line) }).await;
        assert!(!seen.held && seen.detail.ends_with("in the first 1 MiB of its body"), "{seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_url_that_cannot_be_asked_says_so() {
        let never = |_| std::future::pending::<io::Result<DuplexStream>>();
        let seen = ask("ftp://shop/", WANTED, SECOND, never).await;
        assert!(!seen.held && seen.detail.starts_with("`ftp` is not spoken"), "{seen:?}");
        assert_eq!(seen.took, Duration::ZERO);
    }
}
