//! Metadata: what a family of metrics is said to be.

use std::fmt;

/// What kind of metric it is.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only ever grows, or begins again.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
    /// Observations in buckets that may go down.
    GaugeHistogram,
    /// Quantiles that the target worked out itself.
    Summary,
    /// Says something by its labels.
    Info,
    /// Which of some states hold.
    StateSet,
    /// Nobody said.
    #[default]
    Unknown,
}

impl MetricKind {
    const ALL: [Self; 8] = [
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Summary,
        Self::Info,
        Self::StateSet,
        Self::Unknown,
    ];

    /// As OpenMetrics writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Unknown => "unknown",
        }
    }

    /// What is written so; unknown for what is not.
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or_default()
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name())
    }
}

/// What a family of metrics is said to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// What kind it is.
    pub kind: MetricKind,
    /// What it says, for people.
    pub help: String,
    /// In which unit, `""` when nobody said.
    pub unit: String,
}
