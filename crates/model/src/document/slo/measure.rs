//! Measure: where an objective is counted on time series.
//!
//! Events are counted by counters or by the buckets of a histogram. What is no event (how old a record is, how full a
//! disk, how many requests come in) is a figure that keeps a limit or not, and then time is counted, in slices.

use std::fmt;
use std::time::Duration;

use evenkeel_units::Rate;
use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

use super::{SeriesSelector, SeriesSelectorError};
use crate::document::Limit;

/// Where an objective is counted on time series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Good or bad events, and all.
    Events(Events),
    /// Events within a bound, by the buckets of a histogram.
    Histogram(Bucketed),
    /// A share that a query says.
    Ratio(RatioQuery),
    /// A figure that has to keep a limit; time is counted.
    Figure(Figure),
    /// Other objectives together.
    Composite(Vec<Component>),
}

/// Events, by counters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// Some of them.
    pub counted: Counted,
    /// All.
    pub total: Expression,
}

impl Events {
    /// Whether one side says how many events there were, and the other how many a second.
    pub fn mixes_rates(&self) -> bool {
        let (Counted::Good(counted) | Counted::Bad(counted)) = &self.counted;
        let a_second = |of: &Expression| match of {
            Expression::Selector(_) => Some(false),
            Expression::Query(it) if it.text().contains("rate(") => Some(true),
            Expression::Query(it) => it.text().contains("increase(").then_some(false),
        };
        let both = a_second(counted).zip(a_second(&self.total));
        both.is_some_and(|(one, other)| one != other)
    }
}

/// Which events are counted beside all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Those that kept the promise.
    Good(Expression),
    /// Those that broke it.
    Bad(Expression),
}

/// Events within a bound, by the buckets of a histogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucketed {
    /// Its series: the name of the metric without `_bucket` and `_count`.
    pub histogram: SeriesSelector,
    /// How its buckets are kept.
    pub form: HistogramForm,
    /// The largest good value, in the unit of the histogram: seconds, unless somebody says else.
    pub bound: f64,
    /// All events, where the histogram has those answered right alone; `None`: those of the histogram.
    pub total: Option<Expression>,
}

/// How buckets are kept.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistogramForm {
    /// A series for each, with the label `le`.
    Classic,
    /// All in one sample.
    Native,
}

/// A share of events, as one query says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RatioQuery {
    /// Of those that kept the promise.
    Good(Query),
    /// Of those that broke it.
    Bad(Query),
}

/// A figure that has to keep a limit in each slice of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Whatever a query says; every series of its answer has to keep the limit.
    Gauge {
        /// PromQL.
        query: String,
        /// What each value must be.
        limit: Limit,
    },
    /// How long ago something happened, of the worst key.
    Freshness {
        /// Series whose values are the Unix times at which it happened last.
        timestamp: SeriesSelector,
        /// Labels that tell keys apart: of the series of one key the latest counts. Empty: each series is a key.
        by: Vec<String>,
        /// The longest it may be ago.
        #[serde(rename = "max_age_seconds", with = "seconds")]
        max_age: Duration,
    },
    /// Events a second.
    Throughput {
        /// The events.
        total: Expression,
        /// The fewest.
        min: Rate,
    },
}

/// An objective that is part of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Component {
    /// Its name.
    pub slo: String,
    /// How much it counts beside the others, more than nothing. Default 1.
    pub weight: u32,
}

/// Series that are counters, or a query for the events within a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Expression {
    /// The increase of all of these together.
    Selector(SeriesSelector),
    /// Its value, or the sum of its values.
    Query(Query),
}

/// PromQL in which `$window` stands for the range: `sum(rate(http_requests_total[$window]))`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Query(String);

/// Why a text is no query, nor a selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Over which time it asks is fixed.
    #[error("no `$window` stands where the range belongs")]
    NoWindow,
    /// It is no selector either.
    #[error("neither a query with `$window` nor a selector of series: {0}")]
    Neither(SeriesSelectorError),
    /// Nobody writes so much.
    #[error("it is longer than {LONGEST} characters")]
    Long,
}

/// The longest query.
const LONGEST: usize = 16_384;

impl Query {
    /// What stands for the range.
    pub const WINDOW: &'static str = "$window";

    /// A text with `$window` in it.
    ///
    /// # Errors
    /// When there is none, or the text is too long.
    pub fn new(text: &str) -> Result<Self, QueryError> {
        if text.len() > LONGEST {
            return Err(QueryError::Long);
        }
        match text.contains(Self::WINDOW) {
            true => Ok(Self(text.trim().to_owned())),
            false => Err(QueryError::NoWindow),
        }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// PromQL, for a range such as `5m`.
    pub fn over(&self, range: &str) -> String {
        self.0.replace(Self::WINDOW, range)
    }
}

impl Expression {
    /// A query where it has `$window`, else a selector.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        match Query::new(text) {
            Ok(query) => Ok(Self::Query(query)),
            Err(QueryError::Long) => Err(QueryError::Long),
            Err(_) => SeriesSelector::parse(text).map(Self::Selector).map_err(QueryError::Neither),
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selector(it) => it.fmt(f),
            Self::Query(it) => it.fmt(f),
        }
    }
}

impl From<SeriesSelector> for Expression {
    fn from(it: SeriesSelector) -> Self {
        Self::Selector(it)
    }
}

impl From<Query> for String {
    fn from(it: Query) -> Self {
        it.0
    }
}

impl TryFrom<String> for Query {
    type Error = QueryError;

    fn try_from(text: String) -> Result<Self, QueryError> {
        Self::new(&text)
    }
}

impl From<Expression> for String {
    fn from(it: Expression) -> Self {
        it.to_string()
    }
}

impl TryFrom<String> for Expression {
    type Error = QueryError;

    fn try_from(text: String) -> Result<Self, QueryError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_not_divided_by_rates() {
        let mixed = |bad, total| {
            let of = |it| Expression::parse(it).unwrap();
            Events { counted: Counted::Bad(of(bad)), total: of(total) }.mixes_rates()
        };
        assert!(mixed("a", "sum(rate(b[$window]))"));
        assert!(mixed("sum(rate(a[$window]))", "sum(increase(b[$window]))"));
        assert!(!mixed("sum(irate(a[$window]))", "sum(rate(b[$window]))"));
        assert!(
            !mixed("a", "sum(increase(b[$window]))") && !mixed("a", "count_over_time(b[$window])")
        );
    }

    #[test]
    fn a_text_with_a_window_is_a_query_and_another_a_selector() {
        let query = Expression::parse("sum(rate(x[$window]))").unwrap();
        let Expression::Query(query) = query else { panic!("{query}") };
        assert_eq!(query.over("5m"), "sum(rate(x[5m]))");
        assert!(matches!(Expression::parse("x{a=\"b\"}"), Ok(Expression::Selector(_))));
        let error = Expression::parse("rate(x[5m])").unwrap_err().to_string();
        assert!(error.starts_with("neither a query with `$window`"), "{error}");
    }
}
