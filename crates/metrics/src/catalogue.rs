//! Catalogue: every metric that is written, once. Both outputs and the page of the manual follow from it.
//!
//! The dotted names are OpenTelemetry's. Those of Prometheus follow by its own rule for translating them:
//! dots become underscores, then comes the unit, and then `_total` when it counts.

/// What a metric is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A count that only grows.
    Counter,
    /// A level that goes up and down.
    Gauge,
    /// Counts of times.
    Times,
}

/// A metric.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its dotted name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its unit as OpenTelemetry writes it (UCUM); what stands in braces is no unit but a word.
    pub unit: &'static str,
    /// Its labels beside [`RUN`] and [`TEST`].
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// Label of every metric: the name of the run.
pub const RUN: &str = "run";
/// Label of every metric: the name of the load test.
pub const TEST: &str = "test";
/// Label: the name of a route.
pub const ROUTE: &str = "route";
/// Label: what became of a request, such as `ok` or `timeout`.
pub const ANSWER: &str = "answer";
/// Label: the name of a transaction.
pub const TRANSACTION: &str = "transaction";

const fn counter(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Counter, unit, labels, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: "{request}", labels: &[], help }
}

const fn times(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Times, unit: "s", labels, help }
}

pub(crate) const PLANNED: Metric = counter(
    "evenkeel.load.planned",
    "{request}",
    &[],
    "Requests that were due; those that depend on answers count when they are sent.",
);
pub(crate) const SENT: Metric =
    counter("evenkeel.load.sent", "{request}", &[], "Requests that were sent.");
pub(crate) const MISSED: Metric = counter(
    "evenkeel.load.missed",
    "{request}",
    &[],
    "Requests that were given up unsent, because no connection was free in time.",
);
pub(crate) const REQUESTS: Metric = counter(
    "evenkeel.load.requests",
    "{request}",
    &[ROUTE],
    "Requests whose outcome is known, good or bad.",
);
pub(crate) const FAILED: Metric = counter(
    "evenkeel.load.failed",
    "{request}",
    &[ROUTE, ANSWER],
    "Those of them that failed, by what became of them.",
);
pub(crate) const IN_FLIGHT: Metric =
    gauge("evenkeel.load.in_flight", "Requests under way at the end of the second.");
pub(crate) const WAITING: Metric = gauge(
    "evenkeel.load.waiting",
    "Requests that were due and waited for a connection at the end of the second.",
);
pub(crate) const RECEIVED: Metric =
    counter("evenkeel.load.received", "By", &[], "Bytes that came from the target.");
pub(crate) const TRANSMITTED: Metric =
    counter("evenkeel.load.transmitted", "By", &[], "Bytes that went to the target.");
pub(crate) const CONNECTIONS: Metric =
    counter("evenkeel.load.connections", "{connection}", &[], "Connections that were made.");
pub(crate) const RESUMED: Metric = counter(
    "evenkeel.load.resumed",
    "{connection}",
    &[],
    "Those of them that resumed a TLS session.",
);
pub(crate) const RESPONSE: Metric = times(
    "evenkeel.load.response",
    &[ROUTE, ANSWER],
    "Response times, from when a request was due until its outcome was known.",
);
pub(crate) const SERVICE: Metric = times(
    "evenkeel.load.service",
    &[ROUTE, ANSWER],
    "Service times, from when a request was sent until its outcome was known.",
);
pub(crate) const SEND_LAG: Metric = times(
    "evenkeel.load.send_lag",
    &[],
    "From when a request was due until it was sent: how late the generator was.",
);
pub(crate) const TRANSACTION_TIME: Metric = times(
    "evenkeel.load.transaction",
    &[TRANSACTION, ANSWER],
    "Times of transactions, without the time that users think.",
);

/// Every metric, in the order in which the manual lists them.
pub const ALL: [Metric; 15] = [
    PLANNED,
    SENT,
    MISSED,
    REQUESTS,
    FAILED,
    IN_FLIGHT,
    WAITING,
    RECEIVED,
    TRANSMITTED,
    CONNECTIONS,
    RESUMED,
    RESPONSE,
    SERVICE,
    SEND_LAG,
    TRANSACTION_TIME,
];

impl Metric {
    /// Its name in Prometheus.
    pub fn prometheus_name(&self) -> String {
        let unit = match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        let end = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{end}", self.name.replace('.', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        assert_eq!(REQUESTS.prometheus_name(), "evenkeel_load_requests_total");
        assert_eq!(RECEIVED.prometheus_name(), "evenkeel_load_received_bytes_total");
        assert_eq!(RESPONSE.prometheus_name(), "evenkeel_load_response_seconds");
        assert_eq!(IN_FLIGHT.prometheus_name(), "evenkeel_load_in_flight");
    }

    #[test]
    fn no_two_metrics_have_one_name() {
        for (index, metric) in ALL.iter().enumerate() {
            let name = metric.prometheus_name();
            let rest = ALL.iter().skip(index + 1);
            assert!(rest.clone().all(|it| it.prometheus_name() != name), "{name}");
            assert!(rest.clone().all(|it| it.name != metric.name), "{}", metric.name);
        }
    }
}
