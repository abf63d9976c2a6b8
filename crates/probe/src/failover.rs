//! Failover: the members of a `load_balancer:`, asked over HTTP in the background, and who of them is active.
//!
//! ```no_run
//! # async fn example(document: &evenkeel_model::document::LoadBalancer) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use evenkeel_probe::failover;
//!
//! let failover = Arc::new(failover::of(document)?);
//! let watch = failover::watch(&failover);
//! let active = failover.pick(evenkeel_resilience::time::now()).member().value.authority();
//! println!("calls go to {active}");
//! // … later, when somebody has seen why the primary failed:
//! failover.failback(evenkeel_resilience::time::now())?;
//! # drop(watch);
//! # Ok(()) }
//! ```

use std::sync::Arc;

use evenkeel_model::document;
use evenkeel_resilience::failover::{
    Backend, Failback, Failover, HealthCheck, LoadBalancer, Policy, PolicyError,
};
use evenkeel_resilience::watch::{self, Watch};

use crate::{dial, http};

/// What a document describes: its members, called `primary` and `secondary`, of which those that are enabled are active first.
/// Nobody is asked yet: that does [`watch()`].
///
/// # Errors
/// Of a document that was not read from a file, as reading refuses all of these.
pub fn of(document: &document::LoadBalancer) -> Result<Failover<Backend>, PolicyError> {
    let rules = &document.failover;
    let failback = match rules.failback {
        document::Failback::Manual => Failback::Manual,
        document::Failback::Automatic { after } => Failback::Automatic { after },
    };
    let failover =
        Policy { automatic: rules.automatic, failback, hold: rules.hold, ..Policy::default() };
    let (primary, secondary) = (backend(&document.primary), backend(&document.secondary));
    LoadBalancer { primary, secondary, failover }.failover()
}

fn backend(it: &document::Backend) -> Backend {
    let check = |it: &document::HealthCheck| HealthCheck {
        endpoint: it.endpoint.clone(),
        watch: watch::Policy {
            interval: it.interval,
            timeout: it.timeout,
            unhealthy_threshold: it.unhealthy_threshold,
            healthy_threshold: it.healthy_threshold,
        },
    };
    Backend {
        enabled: Some(it.enabled),
        health_check: it.health_check.as_ref().map(check),
        ..Backend::new(it.host.clone(), it.port)
    }
}

/// Asks each member for its `endpoint`, on a fresh connection, for as long as what this gives is held. 200 in time is a pass.
///
/// # Panics
/// Outside of a runtime of tokio.
pub fn watch(failover: &Arc<Failover<Backend>>) -> Watch {
    failover.watch(|member| {
        let backend = &member.value;
        let question = backend.health_check.as_ref().map(|check| {
            (format!("http://{}{}", backend.authority(), check.endpoint), check.watch.timeout)
        });
        async move {
            // Who has no check is not asked; if it were, nothing would be known.
            let Some((url, within)) = question else { return Err("nobody asks it".to_owned()) };
            let wanted = http::Wanted { status: 200, contains: None };
            let seen = http::ask(&url, wanted, within, dial).await;
            if seen.held { Ok(()) } else { Err(seen.detail) }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use evenkeel_model::Library;
    use evenkeel_resilience::failover::Refused;
    use evenkeel_resilience::time::now;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::Notify;

    use super::*;

    fn read(text: &str) -> document::LoadBalancer {
        let (library, found) = Library::check([("it.yaml".to_owned(), text.into())]);
        assert!(found.iter().all(|it| !it.is_error()), "{found:?}");
        library.load_balancers().next().unwrap().clone()
    }

    const PAIR: &str = "\
load_balancer:
  primary:
    host: primary.example.com
    port: 8080
    health_check: {endpoint: /health, interval: 5s, timeout: 2s, unhealthy_threshold: 3}
  secondary: {host: secondary.example.com, port: 8080, enabled: false}
  failover: {automatic: true, failback: manual}
";

    #[test]
    fn a_document_is_a_failover_with_its_figures() {
        let failover = of(&read(PAIR)).unwrap();
        let [primary, secondary] = failover.members() else { panic!("a pair") };
        assert_eq!(primary.watch, Some(watch::Policy::default()), "the figures that are usual");
        assert_eq!((primary.rank, secondary.rank, secondary.watch), (0, 1, None));
        assert_eq!(primary.value.authority(), "primary.example.com:8080");
        let both = of(&read(&PAIR.replace("enabled: false", "enabled: true"))).unwrap();
        assert_eq!(&*both.snapshot().active, "primary, secondary");
        let back = of(&read(&PAIR.replace("failback: manual", "failback: automatic"))).unwrap();
        (0..3).for_each(|_| back.probed(now(), 0, false));
        let said = back.explain(now()).to_string();
        assert!(said.ends_with("goes back to primary when that was healthy for 1m"), "{said}");
    }

    /// Answers 200 or 503, as it is told; gives its port.
    async fn server(is_well: Arc<AtomicBool>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let Ok(it) = stream.read_u8().await else { break };
                    request.push(it);
                }
                let is_asked = request.starts_with(b"GET /health ");
                let status = match is_asked && is_well.load(Ordering::Relaxed) {
                    true => "200 OK",
                    false => "503 Service Unavailable",
                };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        port
    }

    #[tokio::test]
    async fn two_servers_fail_over_by_themselves_and_back_by_hand() {
        let (first, second) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
        let ports = [server(Arc::clone(&first)).await, server(second).await];
        // Long enough that only a hang reaches it: this test meets the real clock.
        let check = "{endpoint: /health, interval: 300ms, timeout: 300ms, unhealthy_threshold: 1, healthy_threshold: 1}";
        let member = |port, enabled| {
            format!("{{host: 127.0.0.1, port: {port}, enabled: {enabled}, health_check: {check}}}")
        };
        let [primary, secondary] = [member(ports[0], true), member(ports[1], false)];
        let document =
            read(&format!("load_balancer:\n  primary: {primary}\n  secondary: {secondary}\n"));
        let happened = Arc::new(Notify::new());
        let tell = Arc::clone(&happened);
        let failover = of(&document).unwrap().listener(Arc::new(move |_| tell.notify_one()));
        let failover = Arc::new(failover);
        let asked = watch(&failover);
        first.store(false, Ordering::Relaxed);
        while &*failover.snapshot().active != "secondary" {
            happened.notified().await;
        }
        assert!(matches!(failover.failback(now()), Err(Refused::Unhealthy { .. })));
        first.store(true, Ordering::Relaxed);
        while &*failover.snapshot().active != "primary" {
            if failover.failback(now()).is_err() {
                happened.notified().await;
            }
        }
        assert_eq!(failover.pick(now()).member().value.port, ports[0]);
        drop(asked);
    }
}
