//! Lint: what the probes of a pod do that nobody wants.
//!
//! The numbers in messages are those that a kubelet goes by, defaults included.

use std::time::Duration;

use evenkeel_model::decode::{Findings, codes};
use evenkeel_model::yaml::{Node, Place};
use evenkeel_units::parse_duration;

use super::DRAIN_DELAY;
use super::probe::{Asks, Probe, Purpose};
use super::workload::{Container, Pod, Role, containers, items};
use evenkeel_health::DrainPolicy;

/// From which wait on a service is one that starts slowly, in seconds.
const SLOW_START: u64 = 20;
/// How long a kubelet gives a pod to end unless told otherwise, in seconds.
const GRACE: u64 = 30;

/// Everything that is wrong with the probes of a pod.
pub(super) fn lint(pod: &Pod<'_>, found: &mut Findings) {
    let delay = declared_delay(pod, found);
    for container in containers(pod) {
        let [startup, readiness, liveness] =
            Purpose::ALL.map(|it| Probe::read(container.node, it, found));
        if container.role == Role::Init {
            let probes = [&startup, &readiness, &liveness];
            probes.into_iter().flatten().for_each(|it| of_init(&container, it, found));
            continue;
        }
        for probe in [&startup, &readiness, &liveness].into_iter().flatten() {
            of_any(pod, &container, probe, found);
        }
        if let Some(liveness) = &liveness {
            of_liveness(liveness, readiness.as_ref(), startup.as_ref(), found);
        }
        if container.role == Role::Main && !pod.is_batch() {
            let takes_requests = container.ports().next().is_some();
            if takes_requests && readiness.is_none() {
                no_readiness(&container, found);
            }
            if takes_requests || readiness.is_some() {
                of_end(pod, &container, readiness.as_ref(), delay, found);
            }
        }
    }
}

/// What the pod says of itself: how long it goes on to take requests after SIGTERM.
fn declared_delay(pod: &Pod<'_>, found: &mut Findings) -> Option<Duration> {
    let entry = pod.metadata?.entry("annotations")?.value.entry(DRAIN_DELAY)?;
    match parse_duration(entry.value.text().unwrap_or_default()) {
        Ok(delay) => Some(delay),
        Err(error) => {
            let message = format!("`{DRAIN_DELAY}` is no duration: {error}");
            found.report(codes::UNIT, entry.value.place, message, "Write `15s`.");
            None
        }
    }
}

fn of_init(container: &Container<'_>, probe: &Probe<'_>, found: &mut Findings) {
    let message = format!(
        "the init container `{}` runs to its end before anything asks, so it has no probes",
        container.name()
    );
    let help = "Take the probe out; or make it a sidecar with `restartPolicy: Always`.";
    found.report(codes::PROBE_REFUSED, probe.place, message, help);
}

fn of_any(pod: &Pod<'_>, container: &Container<'_>, probe: &Probe<'_>, found: &mut Findings) {
    if probe.timeout > probe.period {
        let message = format!(
            "one answer may take {}s, and the next is asked for after {}s",
            probe.timeout, probe.period
        );
        let help = "A probe is not asked twice at once, so the period is not kept. Wait less, or ask less often.";
        found.report(codes::PROBE_TIMEOUT, probe.node.locate("timeoutSeconds"), message, help);
    }
    match &probe.asks {
        Some(Asks::Exec { command }) => of_command(probe, command, found),
        Some(Asks::Http { path, port, host, .. }) => {
            of_port(container, probe, port, found);
            of_host(pod, probe, *host, found);
            let sums_up = ["/health", "/actuator/health"].contains(&path.trim_end_matches('/'));
            if sums_up && is_default_timeout(probe) {
                let message =
                    format!("`{path}` sums up dependencies, and has 1s, the default, to answer");
                let help = "Say `timeoutSeconds`; or ask what answers from memory, such as `/health/ready`.";
                found.report(codes::DEFAULT_TIMEOUT, probe.place, message, help);
            }
        }
        Some(Asks::Tcp { port, host }) => {
            of_port(container, probe, port, found);
            of_host(pod, probe, *host, found);
        }
        Some(Asks::Grpc { port, .. }) => of_port(container, probe, port, found),
        None => {}
    }
}

fn is_default_timeout(probe: &Probe<'_>) -> bool {
    probe.node.entry("timeoutSeconds").is_none()
}

fn of_command(probe: &Probe<'_>, command: &[&str], found: &mut Findings) {
    let program = command.first().and_then(|it| it.rsplit('/').next()).unwrap_or_default();
    let place = probe.node.locate("exec");
    if matches!(program, "sh" | "bash" | "ash" | "dash" | "zsh") {
        let message = format!(
            "each probe starts a shell, every {}s for as long as the pod lives",
            probe.period
        );
        let help =
            "Name the program itself; or ask over `httpGet` or `grpc`, which starts no process.";
        found.report(codes::SHELL_PROBE, place, message, help);
    }
    if is_default_timeout(probe) {
        let message = "a process must start and end within 1s, the default";
        let help = "Say `timeoutSeconds`: on a busy node a start alone can take as long.";
        found.report(codes::DEFAULT_TIMEOUT, place, message, help);
    }
}

fn of_port(container: &Container<'_>, probe: &Probe<'_>, port: &str, found: &mut Findings) {
    let is_name = port.parse::<u16>().is_err();
    let is_there = |(name, number): (Option<&str>, Option<&str>)| {
        if is_name { name == Some(port) } else { number == Some(port) }
    };
    let mut ports = container.ports().peekable();
    if (ports.peek().is_none() && !is_name) || ports.any(is_there) {
        return;
    }
    let handler = ["httpGet/port", "tcpSocket/port", "grpc/port"];
    let place = handler.iter().find(|it| probe.node.at(it).is_some());
    let place = place.map_or(probe.place, |it| probe.node.locate(it));
    let known: Vec<_> = container
        .ports()
        .take(10)
        .filter_map(|(name, number)| match (name, number) {
            (Some(name), Some(number)) => Some(format!("{name} ({number})")),
            (name, number) => name.or(number).map(str::to_owned),
        })
        .collect();
    let shown: String = port.chars().take(40).collect();
    let name = container.name();
    let (code, message) = match is_name {
        true => (codes::PROBE_PORT, format!("container `{name}` has no port `{shown}`")),
        // A number needs no entry; where there are others, it is more often a slip than a wish.
        false => (
            codes::UNLISTED_PORT,
            format!("container `{name}` does not say that it has port {shown}"),
        ),
    };
    let help = match known.as_slice() {
        [] => "It has no `ports` at all; a name must be one of them.".to_owned(),
        some => format!("Its `ports` are {}.", some.join(", ")),
    };
    found.report(code, place, message, help);
}

fn of_host(pod: &Pod<'_>, probe: &Probe<'_>, host: Option<&str>, found: &mut Findings) {
    let on_host = pod.spec.entry("hostNetwork").and_then(|it| it.value.text()) == Some("true");
    let Some(host) =
        host.filter(|it| !(on_host && matches!(*it, "127.0.0.1" | "localhost" | "::1")))
    else {
        return;
    };
    let place = ["httpGet/host", "tcpSocket/host"].iter().find(|it| probe.node.at(it).is_some());
    let place = place.map_or(probe.place, |it| probe.node.locate(it));
    let shown: String = host.chars().take(60).collect();
    let message = format!("the probe asks `{shown}` and not the pod");
    let help = "Take `host` out: the kubelet asks the pod's own address. For a virtual host give the header `Host` under `httpHeaders`.";
    found.report(codes::PROBE_HOST, place, message, help);
}

fn of_liveness(
    liveness: &Probe<'_>,
    readiness: Option<&Probe<'_>>,
    startup: Option<&Probe<'_>>,
    found: &mut Findings,
) {
    if startup.is_none() && liveness.initial_delay >= SLOW_START {
        let message = format!(
            "for {}s nobody sees that it does not live, and a start that takes longer is killed",
            liveness.initial_delay
        );
        let help = "Give a slow start a `startupProbe`: the others wait for it, and begin as soon as it is there.";
        found.report(
            codes::NO_STARTUP_PROBE,
            liveness.node.locate("initialDelaySeconds"),
            message,
            help,
        );
    }
    let restarts = liveness.notices_after();
    if let Some(Asks::Http { path, .. }) = &liveness.asks
        && says_ready(path)
    {
        let message = format!(
            "`{path}` says whether requests are welcome; failing it, {restarts}s later the container is killed"
        );
        let help = "Ask for liveness what looks at no dependency, such as `/health/live`: a restart brings no database back.";
        return found.report(
            codes::LIVENESS_AS_READINESS,
            liveness.node.locate("httpGet/path"),
            message,
            help,
        );
    }
    let Some(readiness) = readiness.filter(|it| it.asks.is_some() && it.asks == liveness.asks)
    else {
        return;
    };
    // To open a connection looks at no dependency; the same question twice is then no harm.
    if matches!(liveness.asks, Some(Asks::Tcp { .. })) {
        return;
    }
    let leaves = readiness.notices_after();
    let help = "Ask for liveness what looks at no dependency, such as `/health/live`: a restart brings no database back.";
    if restarts <= leaves {
        let message = format!(
            "liveness asks what readiness asks, and kills after {restarts}s what is taken out after {leaves}s"
        );
        found.report(codes::LIVENESS_AS_READINESS, liveness.place, message, help);
    } else {
        let message = format!(
            "liveness asks what readiness asks: what is not ready for {restarts}s is killed, whatever it waits for"
        );
        found.report(codes::SHARED_PROBE, liveness.place, message, help);
    }
}

/// Whether a path is by its name one of readiness.
fn says_ready(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    matches!(path.rsplit('/').next(), Some("ready" | "readyz" | "readiness"))
}

fn no_readiness(container: &Container<'_>, found: &mut Findings) {
    let message =
        format!("container `{}` gets requests as soon as its process runs", container.name());
    let help = "Give it a `readinessProbe`; `evenkeel health manifest` writes one.";
    found.report(codes::NO_READINESS, container.place(), message, help);
}

/// What is known of a hook before SIGTERM.
enum PreStop {
    None,
    /// It takes as long as it takes.
    Unknown,
    Sleeps(Duration),
}

fn pre_stop(container: &Container<'_>) -> PreStop {
    let Some(hook) = container.node.at("lifecycle/preStop") else { return PreStop::None };
    let seconds = |it: &str| it.trim_end_matches('s').parse().ok().map(Duration::from_secs);
    let slept = hook.at("sleep/seconds").and_then(Node::text).and_then(seconds);
    let said = || {
        let command = items(hook.at("exec/command")?);
        let words = command.iter().filter_map(Node::text).flat_map(str::split_whitespace);
        let mut words = words.skip_while(|it| it.rsplit('/').next() != Some("sleep")).skip(1);
        seconds(words.next()?.trim_end_matches(';'))
    };
    slept.or_else(said).map_or(PreStop::Unknown, PreStop::Sleeps)
}

/// Whether requests that are sent while the pod ends are answered.
fn of_end(
    pod: &Pod<'_>,
    container: &Container<'_>,
    readiness: Option<&Probe<'_>>,
    delay: Option<Duration>,
    found: &mut Findings,
) {
    let hook = match pre_stop(container) {
        PreStop::Unknown => return,
        PreStop::None => None,
        PreStop::Sleeps(it) => Some(it),
    };
    let place = readiness.map_or(container.place(), |it| it.place);
    if hook.is_none() && delay.is_none() {
        let message = format!(
            "nothing says that container `{}` goes on to answer while balancers still send it requests after SIGTERM",
            container.name()
        );
        let help = format!(
            "If it does, as `DrainPolicy {{ delay, .. }}` of evenkeel-health has it, annotate the pod with `{DRAIN_DELAY}: 15s`; else let a `preStop` hook sleep as long."
        );
        return found.report(codes::NO_DRAIN, place, message, help);
    }
    let waits = hook.unwrap_or_default().saturating_add(delay.unwrap_or_default());
    let grace = pod.spec.entry("terminationGracePeriodSeconds");
    let given = grace.and_then(|it| it.value.text()?.parse().ok()).unwrap_or(GRACE);
    let reserve = DrainPolicy::default().reserve;
    let needed = waits.saturating_add(reserve);
    let (waits, needed) = (waits.as_secs_f64(), needed.as_secs_f64());
    if needed >= given as f64 {
        let message = format!(
            "after {waits}s of going on, and {}s to end, nothing of the {given}s is left for requests that are under way",
            reserve.as_secs()
        );
        let place = grace.map_or(place, |it| it.value.place);
        let help = "Make `terminationGracePeriodSeconds` that much longer than the longest request may take.";
        found.report(codes::SHORT_GRACE, place, message, help);
    }
    let Some(readiness) = readiness else { return };
    let leaves = readiness.notices_after();
    if leaves as f64 > waits {
        let message = format!(
            "who goes by readiness sends requests for {leaves}s after SIGTERM ({}s x {}), and they are taken for {waits}s",
            readiness.period, readiness.failures
        );
        let help = "Ask more often, count to fewer, or go on longer. The endpoints of a cluster hear of the end at once; balancers outside of it do not.";
        found.report(codes::SHORT_DRAIN, first_of(readiness), message, help);
    }
}

/// Where a probe says how often it asks.
fn first_of(probe: &Probe<'_>) -> Place {
    let said =
        ["periodSeconds", "failureThreshold"].into_iter().find(|it| probe.node.at(it).is_some());
    said.map_or(probe.place, |it| probe.node.locate(it))
}
