//! Indicators: what is measured of a service, as data, and what turns it into counts.
//!
//! ```text
//!   kind                     becomes                                                unit
//!   ratio                    good or bad events of all                              events
//!   latency                  answers within a threshold, of all                     events
//!   quantile                 nothing: it is shown, and promises no share            —
//!   freshness                slices in which the stalest key is fresh enough        time
//!   throughput               slices with enough events a second                     time
//!   threshold                slices in which a gauge keeps a limit                  time
//!   raw                      the share that a query says, slice by slice            time
//!   slices                   slices in which another indicator does well enough     time
//!   composite                the weighted mean, or the worst, of others             time
//! ```
//!
//! The window of the objective and the slice of the indicator are two things: see [`Window`](crate::Window) and
//! [`History`](crate::History).
//!
//! ```text
//! statuses   which answers are bad
//! events     counts of slices from increases of counters
//! latency    how many of the answers of a histogram were within a threshold
//! slices     slices that are good or bad as a whole: freshness, throughput, gauges
//! composite  several indicators as one
//! ```

pub mod composite;
pub mod events;
pub mod latency;
pub mod slices;
pub mod statuses;

use std::time::Duration;

use evenkeel_model::document::Limit;
use evenkeel_series::Matcher;
use evenkeel_units::{Rate, Ratio};

use crate::Unit;

/// Which series are meant.
#[derive(Clone, Debug)]
pub enum Selection {
    /// The sum of those that meet every matcher, one of which names the metric.
    Series(Vec<Matcher>),
    /// What a query says, in PromQL. `{{.window}}` in it stands for the time it is asked of.
    Query(String),
}

/// Which events of a ratio are selected.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Those that kept the promise.
    Good,
    /// Those that broke it.
    Bad,
}

/// How a histogram is kept.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A counter for each bound, in the label `le`.
    Classic,
    /// One series of native histograms.
    Native,
}

/// Which samples of a slice must keep a limit.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Across {
    /// Every one: the worst counts.
    Every,
    /// One at least: the best counts.
    Any,
    /// Their mean.
    Mean,
    /// The last.
    Last,
}

/// How others make one indicator.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Merge {
    /// The mean of their shares, by their weights.
    Weighted,
    /// The worst share.
    Worst,
}

/// A part of a composite.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it is called.
    pub name: String,
    /// How much it weighs beside the others.
    pub weight: u32,
    /// What it measures.
    pub sli: Sli,
}

/// What is measured of a service.
#[derive(Clone, Debug)]
pub enum Sli {
    /// Good or bad events of all.
    Ratio {
        /// Which are selected.
        side: Side,
        /// Those.
        selected: Selection,
        /// All of them.
        total: Selection,
    },
    /// Answers within a threshold, of all. Failures are bad, however fast they were.
    Latency {
        /// The times of the answers that were right.
        times: Selection,
        /// How they are kept.
        form: Form,
        /// The slowest answer that is good.
        threshold: Duration,
        /// All requests, failed ones among them; `None` where the histogram counts nothing else.
        total: Option<Selection>,
    },
    /// A quantile of times, to look at. A percentile is no budget: "p95 within 300 ms" is latency with an objective of
    /// 95 %.
    Quantile {
        /// The times.
        times: Selection,
        /// How they are kept.
        form: Form,
        /// Which.
        quantile: Ratio,
    },
    /// How old the data of the stalest key is.
    Freshness {
        /// When each was last renewed, in seconds since 1970.
        renewed: Selection,
        /// The label that names the key.
        key: String,
        /// The oldest that is fresh enough.
        age_max: Duration,
    },
    /// Enough events a second.
    Throughput {
        /// The events.
        events: Selection,
        /// How many are enough.
        min: Rate,
    },
    /// A gauge within a limit.
    Threshold {
        /// The gauge.
        gauge: Selection,
        /// The limit.
        limit: Limit,
        /// Which samples of a slice must keep it.
        across: Across,
    },
    /// The share that a query says.
    Raw {
        /// The query.
        query: String,
        /// Which side it is the share of.
        side: Side,
    },
    /// Slices in which another indicator does well enough.
    Slices {
        /// The other one.
        of: Box<Self>,
        /// The share of good events from which on a slice is good.
        good_from: Ratio,
    },
    /// Several as one.
    Composite {
        /// How.
        merge: Merge,
        /// Which.
        parts: Vec<Part>,
    },
    /// Counts that somebody hands in: a load test's, a recorder's in process.
    Recorded,
}

/// How deep indicators may be within each other.
pub const DEPTH_MAX: usize = 4;
/// Parts that a composite may have.
pub const PARTS_MAX: usize = 64;

/// Why an indicator is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SliError {
    /// A percentile and an objective are two promises.
    #[error("a quantile is to look at: promise a share of answers within a threshold")]
    QuantileOfBudget,
    /// There is a limit.
    #[error("indicators are more than {DEPTH_MAX} deep within each other")]
    TooDeep,
    /// There is a limit.
    #[error("a composite has {0} parts: between 1 and {PARTS_MAX} with a weight are meant")]
    Parts(usize),
}

impl Sli {
    /// What its counts are of; `None` of what only is to look at.
    pub const fn unit(&self) -> Option<Unit> {
        match self {
            Self::Ratio { .. } | Self::Latency { .. } | Self::Recorded => Some(Unit::Events),
            Self::Quantile { .. } => None,
            Self::Freshness { .. }
            | Self::Throughput { .. }
            | Self::Threshold { .. }
            | Self::Raw { .. }
            | Self::Slices { .. }
            | Self::Composite { .. } => Some(Unit::Time),
        }
    }

    /// Refuses what can promise nothing.
    pub fn check(&self) -> Result<(), SliError> {
        self.check_within(DEPTH_MAX)
    }

    fn check_within(&self, depth: usize) -> Result<(), SliError> {
        let depth = depth.checked_sub(1).ok_or(SliError::TooDeep)?;
        match self {
            Self::Quantile { .. } => Err(SliError::QuantileOfBudget),
            Self::Slices { of, .. } => of.check_within(depth),
            Self::Composite { parts, .. } => {
                let weighty = parts.iter().filter(|it| it.weight > 0).count();
                if weighty == 0 || parts.len() > PARTS_MAX {
                    return Err(SliError::Parts(parts.len()));
                }
                parts.iter().try_for_each(|it| it.sli.check_within(depth))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> Sli {
        Sli::Raw { query: "up".to_owned(), side: Side::Good }
    }

    fn composite(parts: usize, weight: u32) -> Sli {
        let part = |_| Part { name: "it".to_owned(), weight, sli: raw() };
        Sli::Composite { merge: Merge::Worst, parts: (0..parts).map(part).collect() }
    }

    #[test]
    fn a_quantile_promises_nothing() {
        let times = Selection::Query("x".to_owned());
        let it = Sli::Quantile { times, form: Form::Native, quantile: Ratio::percent(95) };
        assert_eq!((it.unit(), it.check()), (None, Err(SliError::QuantileOfBudget)));
    }

    #[test]
    fn composites_have_parts_with_weight_and_an_end() {
        assert_eq!(composite(2, 1).check(), Ok(()));
        assert_eq!(composite(0, 1).check(), Err(SliError::Parts(0)));
        assert_eq!(composite(2, 0).check(), Err(SliError::Parts(2)));
        assert_eq!(composite(65, 1).check(), Err(SliError::Parts(65)));
        let deep =
            (0..9).fold(raw(), |of, _| Sli::Slices { of: Box::new(of), good_from: Ratio::ONE });
        assert_eq!(deep.check(), Err(SliError::TooDeep));
    }
}
