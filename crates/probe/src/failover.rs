//! Failover: the members of a `load_balancer:`, asked over HTTP in the background, and who of them is active.
//!
//! ```no_run
//! # async fn example(document: &evenkeel_model::document::LoadBalancer) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use evenkeel_probe::failover;
//!
//! let failover = Arc::new(failover::of(document)?);
//! let watch = failover::watch(&failover, |member, seen| println!("{member}: {}", seen.detail));
//! let active = failover.pick(evenkeel_resilience::time::now()).member().value.authority();
//! println!("calls go to {active}");
//! // … later, when somebody has seen why the primary failed:
//! failover.failback(evenkeel_resilience::time::now())?;
//! # drop(watch);
//! # Ok(()) }
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_model::document;
use evenkeel_resilience::failover::{
    Backend, Failback, Failover, HealthCheck, LoadBalancer, Policy, PolicyError, Snapshot,
};
use evenkeel_resilience::watch::{self, Watch};
use evenkeel_units::Moment;

use crate::{Seen, dial, http};

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

/// Asks a member once for its `endpoint`, on a fresh connection; 200 in time holds. `None` for one without a `health_check`.
pub fn ask(member: &Backend) -> impl Future<Output = Option<Seen>> + Send + use<> {
    let question = member.health_check.as_ref().map(|check| {
        (format!("http://{}{}", member.authority(), check.endpoint), check.watch.timeout)
    });
    async move {
        let (url, within) = question?;
        let wanted = http::Wanted { status: 200, contains: None };
        Some(http::ask(&url, wanted, within, dial).await)
    }
}

/// [Asks](ask()) the members by their health checks, for as long as what this gives is held; `heard` is told each answer, by the number of its
/// member, before the failover is.
///
/// # Panics
/// Outside of a runtime of tokio.
pub fn watch(
    failover: &Arc<Failover<Backend>>,
    heard: impl Fn(usize, &Seen) + Send + Sync + 'static,
) -> Watch {
    let heard = Arc::new(heard);
    let numbers: BTreeMap<_, _> =
        (0..).zip(failover.members()).map(|(nth, it)| (Arc::clone(&it.name), nth)).collect();
    failover.watch(move |member| {
        let (asked, heard) = (ask(&member.value), Arc::clone(&heard));
        let number = numbers.get(&member.name).copied();
        async move {
            let seen = asked.await.zip(number);
            if let Some((seen, number)) = &seen {
                heard(*number, seen);
            }
            seen.filter(|it| it.0.held).ok_or(())
        }
    })
}

/// The failover as it will be if the members go on to answer like this: whether each, by its number, passed, or `None` for who was not
/// asked. Nobody is left for a single answer, so that this is not what happens at once.
///
/// # Errors
/// As of [`of`].
pub fn foreseen(
    document: &document::LoadBalancer,
    answers: &[Option<bool>],
) -> Result<Snapshot, PolicyError> {
    let failover = of(document)?;
    // Who is well first, as all happens at the same time and nobody is called blindly for the order in which it is told.
    for wanted in [true, false] {
        for (nth, (member, answer)) in failover.members().iter().zip(answers).enumerate() {
            let Some(check) = member.watch.filter(|_| *answer == Some(wanted)) else { continue };
            let times = check.unhealthy_threshold.max(check.healthy_threshold);
            (0..times).for_each(|_| failover.probed(Moment::START, nth, wanted));
        }
    }
    Ok(failover.snapshot())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use evenkeel_model::Library;
    use evenkeel_resilience::failover::{Refused, Stuck};
    use evenkeel_resilience::time::now;
    use evenkeel_resilience::watch::Health::{self, Healthy, Unhealthy, Unknown};
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

    #[test]
    fn what_would_come_of_answers_is_foreseen() {
        let check = "health_check: {endpoint: /health}";
        let asked = PAIR.replace("enabled: false", &format!("enabled: false, {check}"));
        let of = |text: &str, answers: [Option<bool>; 2]| {
            let it = foreseen(&read(text), &answers).unwrap();
            (it.active.to_string(), it.stuck, it.members.iter().map(|it| it.health).collect())
        };
        let is = |active: &str, stuck, health: [Health; 2]| {
            (active.to_owned(), stuck, Vec::from(health))
        };
        let lost = Some(Stuck::NobodyLeft);
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(of(&asked, [yes, no]), is("primary", None, [Healthy, Unhealthy]));
        assert_eq!(of(&asked, [no, yes]), is("secondary", None, [Unhealthy, Healthy]));
        assert_eq!(of(&asked, [no, no]).1, lost);
        assert_eq!(of(PAIR, [no, None]), is("secondary", None, [Unhealthy, Unknown]));
        let by_hand = asked.replace("automatic: true", "automatic: false");
        let stays = is("primary", Some(Stuck::ByHand), [Unhealthy, Healthy]);
        assert_eq!(of(&by_hand, [no, yes]), stays);
        let both = asked.replace("enabled: false", "enabled: true");
        let in_turn = is("primary, secondary", None, [Unhealthy, Healthy]);
        assert_eq!(of(&both, [no, yes]), in_turn);
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
        let asked = watch(&failover, |_, _| ());
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
