//! TCP: does a connection stand in time.
//!
//! ```yaml
//! tcp: {address: "127.0.0.1:5432", within: 300ms}
//! ```
//!
//! Says that somebody listens, and nothing more: the kernel completes a connection also for a
//! process that is stopped. Ask over HTTP where the service can answer.

use std::future::Future;
use std::io;
use std::time::Duration;

use evenkeel_units::Human;
use tokio::time::{Instant, timeout};

use crate::{Seen, in_words};

pub(crate) async fn ask<S, F>(
    address: &str,
    within: Duration,
    connect: impl FnOnce(String) -> F,
) -> Seen
where
    F: Future<Output = io::Result<S>>,
{
    let began = Instant::now();
    let stream = timeout(within, connect(address.to_owned())).await;
    let took = began.elapsed();
    let (held, detail) = match stream {
        Ok(Ok(_)) => (true, format!("connected after {}", Human(took))),
        Ok(Err(error)) => (false, in_words(&error)),
        Err(_) => (false, format!("no connection within {}", Human(within))),
    };
    Seen { held, detail, took }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_connection_in_time_holds() {
        let connect = |_| async {
            sleep(Duration::from_millis(7)).await;
            Ok(())
        };
        let seen = ask("shop:80", SECOND, connect).await;
        assert!(seen.held && seen.detail == "connected after 7ms", "{seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_takes_too_long_does_not_hold() {
        let never = |_| std::future::pending::<io::Result<()>>();
        let seen = ask("shop:80", SECOND, never).await;
        let detail = "no connection within 1s".to_owned();
        assert_eq!(seen, Seen { held: false, detail, took: SECOND });
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_told_in_words() {
        for (kind, detail) in [
            (io::ErrorKind::ConnectionRefused, "connection refused"),
            (io::ErrorKind::ConnectionReset, "connection reset"),
            (io::ErrorKind::HostUnreachable, "host unreachable"),
        ] {
            let connect = |_| async move { Err::<(), _>(io::Error::from(kind)) };
            let seen = ask("shop:80", SECOND, connect).await;
            assert!(!seen.held && seen.detail == detail, "{seen:?}");
        }
    }
}
