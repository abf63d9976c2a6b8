//! Shown: groups of rules as they are told to whoever asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_metrics::exposition::{Format, Kind as MetricKind, Writer};

use super::alerts::Alert;
use super::pace::Pace;

/// A group. Moments are in milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) file: String,
    /// How much a rule may make; 0 is any.
    pub(crate) limit: usize,
    pub(super) pace: Pace,
    /// When it was evaluated last.
    pub(crate) at: Option<i64>,
    pub(crate) took: Duration,
    /// How many times a rule was evaluated, …
    pub(crate) evaluations: u64,
    /// … and how many times one could not be.
    pub(crate) failures: u64,
    pub(crate) rules: Vec<ShownRule>,
}

impl Shown {
    /// How often it is evaluated.
    pub(crate) const fn every(&self) -> Duration {
        self.pace.every()
    }
}

/// What a number says, and how it is read off a group.
type Metric = (&'static str, &'static str, fn(&Shown) -> f64);

/// What counts from the start on, by the names of Prometheus without `_total`.
const COUNTERS: [Metric; 4] = [
    ("prometheus_rule_evaluations", "Rules that were evaluated.", |it| it.evaluations as f64),
    ("prometheus_rule_evaluation_failures", "Rules that could not be evaluated.", |it| {
        it.failures as f64
    }),
    (
        "prometheus_rule_group_iterations",
        "Moments at which a group was due, those that it missed among them.",
        |it| it.pace.iterations as f64,
    ),
    (
        "prometheus_rule_group_iterations_missed",
        "Moments at which a group was due and still at work on an earlier one.",
        |it| it.pace.missed as f64,
    ),
];

/// What goes up and down, by the names of Prometheus.
const GAUGES: [Metric; 4] = [
    ("prometheus_rule_group_interval_seconds", "How often a group is due.", |it| {
        it.every().as_secs_f64()
    }),
    (
        "prometheus_rule_group_last_duration_seconds",
        "How long the last evaluation of a group took.",
        |it| it.took.as_secs_f64(),
    ),
    (
        "prometheus_rule_group_last_evaluation_timestamp_seconds",
        "As of when a group was evaluated last.",
        |it| it.at.map_or(0.0, |at| at as f64 / 1000.0),
    ),
    ("prometheus_rule_group_rules", "Rules of a group.", |it| it.rules.len() as f64),
];

/// What became of groups, in the text of metrics.
pub(super) fn write(groups: &[Arc<Shown>], to: &mut Writer, format: Format) {
    if groups.is_empty() {
        return;
    }
    let counters = COUNTERS.iter().map(|it| (MetricKind::Counter, "_total", it));
    let gauges = GAUGES.iter().map(|it| (MetricKind::Gauge, "", it));
    for (kind, ending, (name, help, read)) in counters.chain(gauges) {
        let sample = format!("{name}{ending}");
        // In OpenMetrics, the name of a counter is that of its sample without `_total`.
        to.family(if format == Format::Text { &sample } else { name }, kind, help);
        for it in groups {
            let group = format!("{};{}", it.file, it.name);
            to.sample(&sample, [("rule_group", &*group)], read(it), None);
        }
    }
}

/// A rule.
#[derive(Clone, Debug)]
pub(crate) struct ShownRule {
    pub(crate) name: String,
    pub(crate) query: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) health: Health,
    pub(crate) at: Option<i64>,
    pub(crate) took: Duration,
    pub(crate) kind: Kind,
}

/// What a rule makes.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Records,
    Alerts {
        pending: Duration,
        keep_firing: Duration,
        annotations: BTreeMap<String, String>,
        alerts: Vec<Alert>,
    },
}

/// How a rule was evaluated last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Health {
    /// It was not, yet.
    #[default]
    Unknown,
    Fine,
    /// Why it could not be.
    Failing(String),
}
