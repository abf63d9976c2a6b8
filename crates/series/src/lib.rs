//! Time series: what they are called, what they hold, and how a source of them is asked.
//!
//! ```text
//! labels     Labels: the name of a series, as sorted pairs
//! matcher    Matcher: which series are meant
//! sample     Span, Point, Samples: what a series holds between two moments
//! histogram  Histogram: a native histogram, whose buckets grow by a constant factor
//! memory     Memory: a source that holds all it has in memory
//! digest     Digest: what a stretch of points adds up to, so that it need not be read
//! compensated  Compensated: a sum that loses nothing to the size of its parts
//! source     Source and Series: what the store gives, and what the query language asks
//! ```
//!
//! Moments are whole milliseconds since 1970, as in Prometheus: they may lie before it. A series holds at most one
//! sample a moment, a float or a histogram. That a series has ended is said by a sample of its own, the
//! [stale marker](sample::STALE).
//!
//! Deliberately absent: where samples are kept, and what a query means.

pub mod compensated;
pub mod digest;
pub mod histogram;
pub mod labels;
pub mod matcher;
pub mod memory;
pub mod sample;
pub mod source;

pub use compensated::Compensated;
pub use digest::Digest;
pub use histogram::Histogram;
pub use labels::{Label, Labels, METRIC_NAME};
pub use matcher::{Matcher, MatcherError, Operation};
pub use memory::Memory;
pub use sample::{Point, STALE, Samples, Span, is_stale};
pub use source::{Series, Source, SourceError, Summed};
