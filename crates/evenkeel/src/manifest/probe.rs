//! Probe: one probe, read as strictly as the API server does, with the defaults of the API.
//!
//! The numbers and names are those of `io.k8s.api.core.v1.Probe`. What is left out here is checked by the server alone: the headers
//! of a request.

use evenkeel_model::decode::{Code, Findings, codes, nearest};
use evenkeel_model::yaml::{Entry, Node, Place, Sort};

use super::workload::items;

/// What is asked for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Startup,
    Readiness,
    Liveness,
}

impl Purpose {
    pub(super) const ALL: [Self; 3] = [Self::Startup, Self::Readiness, Self::Liveness];

    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Startup => "startupProbe",
            Self::Readiness => "readinessProbe",
            Self::Liveness => "livenessProbe",
        }
    }
}

/// A probe with everything that a kubelet would fill in.
#[derive(Clone, Debug)]
pub(super) struct Probe<'a> {
    pub(super) node: &'a Node,
    /// Where its key stands.
    pub(super) place: Place,
    pub(super) asks: Option<Asks<'a>>,
    /// In seconds, as everything in Kubernetes.
    pub(super) initial_delay: u64,
    pub(super) period: u64,
    pub(super) timeout: u64,
    pub(super) failures: u64,
}

/// How it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asks<'a> {
    Http { path: &'a str, port: &'a str, scheme: &'a str, host: Option<&'a str> },
    Tcp { port: &'a str, host: Option<&'a str> },
    Grpc { port: &'a str, service: &'a str },
    Exec { command: Vec<&'a str> },
}

const FIELDS: [&str; 10] = [
    "httpGet",
    "tcpSocket",
    "grpc",
    "exec",
    "initialDelaySeconds",
    "periodSeconds",
    "timeoutSeconds",
    "successThreshold",
    "failureThreshold",
    "terminationGracePeriodSeconds",
];
const HANDLERS: [&str; 4] = ["httpGet", "tcpSocket", "grpc", "exec"];

impl<'a> Probe<'a> {
    /// Reads the probe of a container; `None` if it has none. What the API server would refuse goes to `found`.
    pub(super) fn read(
        container: &'a Node,
        purpose: Purpose,
        found: &mut Findings,
    ) -> Option<Self> {
        let entry = container.entry(purpose.key())?;
        let (node, place) = (&entry.value, entry.key_place);
        if node.sort() != Sort::Map {
            let message =
                format!("`{}` is {}, and a map belongs here", entry.key, node.sort().name());
            found.report(codes::TYPE, node.place, message, "");
            return None;
        }
        known(node, &FIELDS, found);
        let asks = asks(node, entry, found);
        let successes = number(node, "successThreshold", 1, 1, found);
        if successes != 1 && purpose != Purpose::Readiness {
            let message =
                format!("`successThreshold` of a `{}` is 1 and nothing else", purpose.key());
            let help =
                "Take it out: one success is enough here. More than one is for readiness alone.";
            found.report(codes::PROBE_REFUSED, node.locate("successThreshold"), message, help);
        }
        let own_grace = node.entry("terminationGracePeriodSeconds");
        number(node, "terminationGracePeriodSeconds", 1, 1, found);
        if let Some(it) = own_grace.filter(|_| purpose == Purpose::Readiness) {
            let message =
                "a `readinessProbe` ends nothing, so it has no `terminationGracePeriodSeconds`";
            let help = "Take it out, or put it into the `livenessProbe`.";
            found.report(codes::PROBE_REFUSED, it.key_place, message, help);
        }
        Some(Self {
            node,
            place,
            asks,
            initial_delay: number(node, "initialDelaySeconds", 0, 0, found),
            period: number(node, "periodSeconds", 10, 1, found),
            timeout: number(node, "timeoutSeconds", 1, 1, found),
            failures: number(node, "failureThreshold", 3, 1, found),
        })
    }

    /// From the moment something breaks until enough probes have failed at once, in seconds.
    pub(super) const fn notices_after(&self) -> u64 {
        self.period.saturating_mul(self.failures)
    }
}

/// Says what no probe has.
fn known(node: &Node, fields: &[&str], found: &mut Findings) {
    for entry in node.entries().iter().filter(|it| !fields.contains(&it.key.as_str())) {
        let short: String = entry.key.chars().take(40).collect();
        let message = format!("there is no field `{short}` here");
        let help = nearest(&entry.key, fields.iter().copied()).map_or_else(
            || format!("There is {}.", fields.join(", ")),
            |it| format!("Did you mean `{it}`?"),
        );
        found.report(codes::UNKNOWN_FIELD, entry.key_place, message, help);
    }
}

/// A number of seconds or of times; what is wrong is said, and counts as the default.
fn number(node: &Node, key: &str, default: u64, least: u64, found: &mut Findings) -> u64 {
    let Some(entry) = node.entry(key) else { return default };
    let place = entry.value.place;
    let text = entry.value.text().unwrap_or_default();
    // As large as the API takes it.
    let given = text.parse::<i32>().ok().and_then(|it| u64::try_from(it).ok());
    match (entry.value.sort(), given) {
        (Sort::Null, _) => default,
        (Sort::Number(_), Some(it)) if it >= least => it,
        (Sort::Number(_), _) => {
            let message = format!("`{key}` is a whole number from {least} on");
            found.report(codes::RANGE, place, message, "");
            default
        }
        (sort, _) => {
            let message = format!("`{key}` is {}, and a number belongs here", sort.name());
            let help = "Kubernetes counts in seconds and times, without a unit and without quotes.";
            found.report(codes::TYPE, place, message, help);
            default
        }
    }
}

fn asks<'a>(probe: &'a Node, at: &Entry, found: &mut Findings) -> Option<Asks<'a>> {
    let mut all = HANDLERS.iter().filter_map(|it| probe.entry(it));
    let Some(handler) = all.next() else {
        let message = format!("the `{}` does not say what to ask", at.key);
        let help = "Give it one of `httpGet`, `grpc`, `tcpSocket` and `exec`.";
        found.report(codes::MISSING_FIELD, at.key_place, message, help);
        return None;
    };
    for second in all {
        let message =
            format!("a probe asks in one way, and this is one more beside `{}`", handler.key);
        found.report(codes::EXCLUSIVE, second.key_place, message, "Take one of them out.");
    }
    let node = &handler.value;
    let mut needs_port = || port(handler, found);
    match handler.key.as_str() {
        "httpGet" => {
            let port = needs_port();
            known(node, &["path", "port", "scheme", "host", "httpHeaders"], found);
            let scheme = text(node, "scheme", "HTTP");
            if !matches!(scheme, "HTTP" | "HTTPS") {
                let message = "`scheme` is `HTTP` or `HTTPS`, in capitals";
                found.report(codes::CHOICE, node.locate("scheme"), message, "");
            }
            let host =
                node.entry("host").and_then(|it| it.value.text()).filter(|it| !it.is_empty());
            Some(Asks::Http { path: text(node, "path", "/"), port: port?, scheme, host })
        }
        "tcpSocket" => {
            let port = needs_port();
            known(node, &["port", "host"], found);
            let host =
                node.entry("host").and_then(|it| it.value.text()).filter(|it| !it.is_empty());
            Some(Asks::Tcp { port: port?, host })
        }
        "grpc" => {
            let port = needs_port()?;
            known(node, &["port", "service"], found);
            if port.parse::<u16>().is_err() {
                let message = "`port` of a `grpc` probe is a number: it takes no name of a port";
                found.report(codes::TYPE, node.locate("port"), message, "");
                return None;
            }
            Some(Asks::Grpc { port, service: text(node, "service", "") })
        }
        _ => {
            known(node, &["command"], found);
            let command = node.entry("command").map(|it| items(&it.value)).unwrap_or_default();
            let command: Vec<_> = command.iter().filter_map(Node::text).collect();
            if command.is_empty() {
                let message = "`exec` has no `command`";
                let help = "Give it a list: the program, and each argument as an item.";
                found.report(codes::MISSING_FIELD, handler.key_place, message, help);
                return None;
            }
            Some(Asks::Exec { command })
        }
    }
}

fn text<'a>(node: &'a Node, key: &str, default: &'a str) -> &'a str {
    let given = node.entry(key).and_then(|it| it.value.text());
    given.filter(|it| !it.is_empty()).unwrap_or(default)
}

/// The port that every handler over a network needs.
fn port<'a>(handler: &'a Entry, found: &mut Findings) -> Option<&'a str> {
    let mut wrong = |code: Code, place, message: String, help| {
        found.report(code, place, message, help);
        None
    };
    let Some(port) = handler.value.entry("port").and_then(|it| it.value.text()) else {
        let message = format!("`{}` has no `port`", handler.key);
        let help = "Give the port of the container; there is no default.";
        return wrong(codes::MISSING_FIELD, handler.key_place, message, help);
    };
    let place = handler.value.locate("port");
    let is_number = matches!(handler.value.at("port").map(Node::sort), Some(Sort::Number(_)));
    if is_number && !port.parse::<u16>().is_ok_and(|it| it > 0) {
        let message = "a port is a number from 1 to 65535".to_owned();
        return wrong(codes::RANGE, place, message, "");
    }
    if !is_number && !is_port_name(port) {
        let message = "this is no name of a port".to_owned();
        let help = "Write a number without quotes; a name has 1 to 15 of a-z, 0-9 and single `-` in between, and a letter.";
        return wrong(codes::PROBE_REFUSED, place, message, help);
    }
    Some(port)
}

/// Whether the API takes it for the name of a port.
fn is_port_name(text: &str) -> bool {
    let is_word = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    text.len() <= 15
        && text.bytes().any(|it| it.is_ascii_lowercase())
        && text.split('-').all(|part| !part.is_empty() && part.bytes().all(is_word))
}
