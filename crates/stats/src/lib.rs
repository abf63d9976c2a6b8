//! Histograms and tests of significance, each citing its source.
//!
//! ```text
//! histogram    counts of times that merge without loss; quantiles by nearest rank
//! bootstrap    between which values does the ratio of a figure of two runs lie?
//! rank_sum     is one sample larger than another, without assuming a distribution?
//! trend        does a figure grow as time passes, by more than chance?
//! usl          throughput against load: what users wait for, and what they cost one another
//! proportion   between which values the true share of something lies
//! normal       quantiles of the normal distribution
//! chi_squared  quantiles, by which means of exponential times are bounded
//! spread       how far figures of the same thing lie apart, and where the next one may lie
//! ```
//!
//! Deliberately absent: input and output, clocks, and any averaging of percentiles. Forecasts come with the
//! capacity organ.

pub mod bootstrap;
pub mod chi_squared;
pub mod histogram;
pub mod normal;
pub mod proportion;
pub mod rank_sum;
pub mod spread;
pub mod trend;
pub mod usl;

pub use bootstrap::{Interval, ratio};
pub use histogram::Histogram;
pub use proportion::{Proportion, wilson};
pub use rank_sum::{RankSum, rank_sum};
pub use spread::next;
pub use trend::{Trend, blocks, trend};
pub use usl::{Law, fit};
