//! Exposition: what a target says of itself, as text.
//!
//! Two forms are read: the text format 0.0.4 of Prometheus, with the quoted names of its version 3, and OpenMetrics
//! 1.0. Names may be any text where they are quoted. What is read borrows from what came: a scrape of series that are
//! known already makes no copy of any of them.
//!
//! ```
//! use evenkeel_metrics::exposition::{Format, Parser, Said};
//!
//! let mut parser = Parser::new("up{job=\"shop\"} 1\n", Format::Text);
//! let Some(Ok(Said::Sample(sample))) = parser.next() else { panic!() };
//! assert_eq!((sample.series, sample.value), ("up{job=\"shop\"}", 1.0));
//! let labels: Vec<_> = parser.labels().collect();
//! assert_eq!(labels[1], ("job".into(), "shop".into()));
//! ```
//!
//! Exemplars are checked and passed over, and so are the comments of the text format. Deliberately absent: the
//! protobuf format, and any judgement of whether the buckets of a classic histogram fit together.

mod parser;
#[cfg(test)]
mod tests;
mod writer;

use std::borrow::Cow;

pub use parser::Parser;
pub use writer::Writer;

/// How a target says it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus, version 0.0.4 and later.
    Text,
    /// OpenMetrics 1.0 as text.
    OpenMetrics,
}

impl Format {
    /// What a target is asked for.
    pub const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,\
        text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

    /// By the type of content that a target says. One that says nothing, or another text, says the text format, as
    /// targets always have; what is not text at all is not read.
    pub fn of(content_type: Option<&str>) -> Option<Self> {
        let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        match media.trim().to_ascii_lowercase().as_str() {
            "application/openmetrics-text" => Some(Self::OpenMetrics),
            "application/vnd.google.protobuf" => None,
            _ => Some(Self::Text),
        }
    }

    /// The type of content that says it.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What a metric is.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nobody said.
    #[default]
    Unknown,
    /// It only grows, but for restarts.
    Counter,
    /// A level.
    Gauge,
    /// Counts in buckets.
    Histogram,
    /// Counts in buckets that may shrink.
    GaugeHistogram,
    /// Quantiles that the target has computed.
    Summary,
    /// Facts, as labels; the value is 1.
    Info,
    /// Which of several states it is in.
    StateSet,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Summary,
        Self::Info,
        Self::StateSet,
    ];

    /// As OpenMetrics and the HTTP API of Prometheus have it; the text format says `untyped` for `unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }

    /// Reads the name of a kind.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "untyped" => Some(Self::Unknown),
            _ => Self::ALL.into_iter().find(|it| it.name() == name),
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub enum Said<'a> {
    /// What a metric is.
    Type(Cow<'a, str>, Kind),
    /// What it is for.
    Help(Cow<'a, str>, Cow<'a, str>),
    /// What it is counted in.
    Unit(Cow<'a, str>, Cow<'a, str>),
    /// A sample; [`Parser::labels`] has its labels.
    Sample(Sample<'a>),
}

/// A value of a series.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Its name and labels as they are written. A target writes one series the same every time, so this may be looked up.
    pub series: &'a str,
    /// The value. A NaN is always the same one, and so no stale marker.
    pub value: f64,
    /// When it was measured, in milliseconds since 1970, where the target says so.
    pub at: Option<i64>,
}

/// A text that is not what it is said to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct ExpositionError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong there: lowercase, no full stop.
    pub problem: String,
}
