//! Indicators: what turns what was measured into counts.
//!
//! What is measured is said by a document's [`Measure`](evenkeel_model::document::Measure), and asked for as
//! [`asking`](crate::asking) says. The window of the objective and the slice of the indicator are two things: see
//! [`Window`](crate::Window) and [`History`](crate::History).
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

/// Which events of a ratio are selected.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Those that kept the promise.
    Good,
    /// Those that broke it.
    Bad,
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
