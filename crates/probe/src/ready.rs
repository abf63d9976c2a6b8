//! Ready: asks a service that was just started, again and again, until it answers 2xx.

use std::future::Future;
use std::io;
use std::time::Duration;

use evenkeel_units::Human;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use crate::address::{Address, AddressError};
use crate::exchange::{self, Deadline};

/// One question of a series waits no longer: a service that hung while it started must not use up
/// the whole of its time on the first question.
const ATTEMPT_MAX: Duration = Duration::from_secs(2);

/// A service did not become ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The address cannot be asked; waiting does not help.
    #[error("readiness cannot be asked for: {0}")]
    Address(String),
    /// The time is over.
    #[error("{url} was not ready within {}; the last answer was: {last}", Human(*.timeout))]
    InTime {
        /// Who was asked.
        url: String,
        /// How long.
        timeout: Duration,
        /// What came back last, for people.
        last: String,
    },
}

impl From<AddressError> for NotReady {
    fn from(error: AddressError) -> Self {
        Self::Address(error.to_string())
    }
}

/// Asks `url` every `poll_every` until it answers 2xx, at most for `timeout`.
///
/// # Errors
/// When the time is over, or at once when the URL cannot be asked.
pub async fn ready(url: &str, timeout: Duration, poll_every: Duration) -> Result<(), NotReady> {
    poll(url, timeout, poll_every, crate::dial).await
}

async fn poll<S, F>(
    url: &str,
    timeout: Duration,
    poll_every: Duration,
    mut connect: impl FnMut(Address) -> F,
) -> Result<(), NotReady>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Future<Output = io::Result<S>>,
{
    let address = Address::of_document(url)?;
    // A service that is asked without a pause cannot start for all the questions.
    let poll_every = poll_every.max(Duration::from_millis(1));
    let end = Instant::now() + timeout;
    loop {
        let began = Instant::now();
        let attempt = Deadline::in_(ATTEMPT_MAX.min(end - began));
        let last = match exchange::get(&address, attempt, &mut connect).await {
            Ok(answer) if (200..300).contains(&answer.status) => return Ok(()),
            Ok(answer) => answer.status.to_string(),
            Err(trouble) => trouble.to_string(),
        };
        let next = Instant::now().max(began + poll_every);
        if next >= end {
            sleep_until(end).await;
            return Err(NotReady::InTime { url: url.to_owned(), timeout, last });
        }
        sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    const SECOND: Duration = Duration::from_secs(1);
    const POLL: Duration = Duration::from_millis(100);

    /// A line on which each request gets `status`; 0 holds the line and says nothing.
    fn line(status: u16) -> io::Result<DuplexStream> {
        let (ours, mut theirs) = duplex(4096);
        tokio::spawn(async move {
            let mut request = [0; 4096];
            while theirs.read(&mut request).await.is_ok_and(|read| read > 0) {
                if status > 0 {
                    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
                    theirs.write_all(head.as_bytes()).await.unwrap();
                }
            }
        });
        Ok(ours)
    }

    fn refused() -> io::Result<DuplexStream> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_starts_becomes_ready() {
        let began = Instant::now();
        let mut attempts = 0;
        let connect = |_| {
            attempts += 1;
            let line = match attempts {
                1 | 2 => refused(),
                3 => line(503),
                _ => line(204),
            };
            async { line }
        };
        assert_eq!(poll("http://shop/", SECOND, POLL, connect).await, Ok(()));
        assert_eq!((attempts, began.elapsed()), (4, 3 * POLL));
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_never_starts_is_given_up_in_time_with_the_last_answer() {
        let began = Instant::now();
        let error = poll("http://shop/", SECOND, POLL, |_| async { refused() }).await;
        let text = error.unwrap_err().to_string();
        let expected =
            "http://shop/ was not ready within 1s; the last answer was: connection refused";
        assert_eq!((&*text, began.elapsed()), (expected, SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_hangs_is_asked_again() {
        let began = Instant::now();
        let mut attempts = 0;
        let connect = |_| {
            attempts += 1;
            let line = line(if attempts == 1 { 0 } else { 200 });
            async { line }
        };
        assert_eq!(poll("http://shop/", 10 * SECOND, POLL, connect).await, Ok(()));
        assert_eq!((attempts, began.elapsed()), (2, ATTEMPT_MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_url_that_cannot_be_asked_is_given_up_at_once() {
        let began = Instant::now();
        let error = ready("ftp://shop/", SECOND, POLL).await.unwrap_err();
        assert!(error.to_string().contains("`ftp` is not spoken"), "{error}");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
