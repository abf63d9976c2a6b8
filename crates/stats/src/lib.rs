//! Histograms and tests of significance, each citing its source.
//!
//! ```text
//! histogram  counts of times that merge without loss; quantiles by nearest rank
//! rank_sum   is one sample larger than another, without assuming a distribution?
//! ```
//!
//! Deliberately absent: input and output, clocks, and any averaging of percentiles. Forecasts and
//! trend tests come with the capacity organ.

pub mod histogram;
pub mod rank_sum;

pub use histogram::Histogram;
pub use rank_sum::{RankSum, rank_sum};
