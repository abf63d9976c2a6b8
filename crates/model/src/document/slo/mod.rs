//! `SLO`: what is promised about a service, and how it is measured.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: SLO
//! metadata: {name: checkout-fast}
//! spec:
//!   service: shop
//!   sli:
//!     latency: {threshold: 300ms, histogram: 'http_request_duration_seconds{job="shop"}'}
//!   objective: 99%
//!   window: 30d
//!   alerting: {page: {labels: {team: payments}}}
//! ```
//!
//! One document is judged in two places. In a drill the requests of its load are counted; elsewhere time series are, of
//! the store or of a Prometheus. What a request is to be is said once, by the [`Indicator`]; where it is counted on
//! series, by the [`Measure`].

use std::fmt;
use std::time::Duration;

use evenkeel_units::duration::seconds;
use evenkeel_units::{Rate, Ratio};
use serde::{Deserialize, Serialize};

mod alerting;
mod exclusion;
mod measure;
mod promised;
mod queries;
mod selector;
mod window;

pub use self::alerting::{Alerting, Alerts, Notice};
pub use self::exclusion::{Exclusion, ExclusionEnd, ExclusionTime, Recurrence, RecurrenceError};
pub use self::measure::{
    Bucketed, Component, Counted, Events, Expression, Figure, HistogramForm, Measure, Query,
    QueryError, RatioQuery,
};
pub use self::selector::{LabelMatcher, MatchOperation, SeriesSelector, SeriesSelectorError};
pub use self::window::{Calendar, CalendarPeriod, Window};
use super::Labels;

/// A service level objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// `metadata.name`.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The service it is about.
    pub service: Option<String>,
    /// Only requests of this route count. Default: all.
    pub route: Option<String>,
    /// What is measured.
    pub indicator: Indicator,
    /// The share of good events promised; below 1, since a promise of everything has no error budget.
    /// Indicators that carry their own limit (`percentile`, `errorRate`, `throughput`) imply it.
    pub objective: Option<Ratio>,
    /// The time over which the promise holds. Default 30 days.
    #[serde(rename = "window_seconds")]
    pub window: Window,
    /// Where it is measured on time series; `None`: requests of a load alone are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Measure>,
    /// Slices of time are counted instead of events; `None`: events are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_slices: Option<TimeSlices>,
    /// What time without data means.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_data: NoData,
    /// Percentiles of a histogram that are shown beside the indicator, and judge nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quantiles: Vec<Quantile>,
    /// Who is told that the budget burns; `None`: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerting: Option<Alerting>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What is written on everything that comes of it.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Times that do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusions: Vec<Exclusion>,
}

fn is_default<T: Default + PartialEq>(it: &T) -> bool {
    *it == T::default()
}

impl Slo {
    /// The window of those who name none.
    pub const WINDOW: Duration = Duration::from_hours(30 * 24);

    /// Of an indicator of requests, over 30 days, with nothing else said.
    pub fn of(name: &str, indicator: Indicator, objective: Option<Ratio>) -> Self {
        Self {
            name: name.to_owned(),
            description: None,
            service: None,
            route: None,
            indicator,
            objective,
            window: Window::Rolling(Self::WINDOW),
            series: None,
            time_slices: None,
            no_data: NoData::default(),
            quantiles: Vec::new(),
            alerting: None,
            owner: None,
            labels: Labels::new(),
            exclusions: Vec::new(),
        }
    }

    /// The share of good events that it promises: its own, or the one its limit implies. A p99 within 500 ms is a promise
    /// of 99 %; an error rate of at most 1 % is one as well. `None` of a throughput that promises no share of time.
    pub fn promise(&self) -> Option<Ratio> {
        match self.indicator {
            Indicator::Percentile { quantile, .. } => Some(quantile.ratio()),
            Indicator::ErrorRate { max } => Some(max.rest()),
            Indicator::Availability
            | Indicator::Latency { .. }
            | Indicator::Throughput { .. }
            | Indicator::OfSeries => self.objective,
        }
    }

    /// What a run is judged by: the promise about requests, over a window of so many seconds. Series, alerts and times
    /// that do not count are nothing to it.
    pub fn of_requests(&self) -> Self {
        // Of a run's throughput all of it is judged, and no share of its time.
        let of_time = matches!(self.indicator, Indicator::Throughput { .. });
        let objective = self.objective.filter(|_| !of_time);
        Self {
            description: self.description.clone(),
            service: self.service.clone(),
            route: self.route.clone(),
            window: Window::Rolling(self.window.length()),
            ..Self::of(&self.name, self.indicator, objective)
        }
    }
}

/// Time is counted, in slices of equal length.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeSlices {
    /// How long each is.
    #[serde(rename = "length_seconds", with = "seconds")]
    pub length: Duration,
    /// A slice is good when at least this share of its events is; `None`: each slice counts by its share of good events,
    /// however many they are. Figures with a limit are good or bad in a slice, and have none.
    pub target: Option<Ratio>,
}

impl TimeSlices {
    /// The length of those who name none.
    pub const LENGTH: Duration = Duration::from_mins(1);
}

/// What time without data means.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoData {
    /// Nothing: it is left out, and shows as time without data.
    #[default]
    Ignore,
    /// That all is as it was when there was data last.
    Hold,
    /// That all was bad.
    Bad,
}

impl NoData {
    /// The words for them.
    pub const NAMES: [(&'static str, Self); 3] =
        [("hold", Self::Hold), ("ignore", Self::Ignore), ("bad", Self::Bad)];
}

/// What an objective measures: a service level indicator.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Indicator {
    /// Share of requests that were answered, and answered right. Missed arrivals count as bad.
    Availability,
    /// Share of requests that were answered right and within the threshold. Failures count as bad.
    Latency {
        /// The slowest answer that still counts as good.
        #[serde(rename = "threshold_seconds", with = "seconds")]
        threshold: Duration,
    },
    /// The time within which a share of the requests is answered: p99 ≤ 500 ms is the latency SLO of
    /// 99 % within 500 ms.
    Percentile {
        /// Which percentile.
        quantile: Quantile,
        /// The limit on it.
        #[serde(rename = "threshold_seconds", with = "seconds")]
        threshold: Duration,
    },
    /// Share of requests that failed.
    ErrorRate {
        /// The limit on it.
        max: Ratio,
    },
    /// Requests answered right, each second.
    Throughput {
        /// The limit on it.
        min: Rate,
    },
    /// Nothing that a load could count: it is measured on time series alone.
    OfSeries,
}

/// A percentile between p0 and p100, exclusive.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantile(Ratio);

impl Quantile {
    /// Of `ratio`; `None` at 0 and 1, which are the minimum and the maximum.
    pub fn new(ratio: Ratio) -> Option<Self> {
        (ratio > Ratio::ZERO && ratio < Ratio::ONE).then_some(Self(ratio))
    }

    /// Reads `p99` or `p99.9`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('p')?;
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        plain.then(|| format!("{digits}%").parse().ok().and_then(Self::new)).flatten()
    }

    /// As a share.
    pub const fn ratio(self) -> Ratio {
        self.0
    }

    /// Between 0 and 1.
    pub fn get(self) -> f64 {
        self.0.get()
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0.to_string();
        f.pad(&format!("p{}", percent.trim_end_matches('%')))
    }
}
