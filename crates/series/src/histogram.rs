//! Native histograms: buckets whose bounds grow by a constant factor, or custom ones.
//!
//! The bounds of schema `s` (−4 to 8) are the powers of `2^(2^-s)`; bucket `i` goes from bound `i − 1`, excluded, to
//! bound `i`, included. Schema −53 takes its bounds from [`Histogram::bounds`], and has no negative buckets and no
//! zero bucket. Counts are floats, as in Prometheus' queries, whatever was on the wire.

/// Buckets that follow one another without a gap.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Empty buckets before the first: from index 0 at the first run, else from the end of the run before.
    pub offset: i32,
    /// How many buckets there are.
    pub length: u32,
}

/// Whether a histogram counts on from the one before.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// Nothing is known: whoever needs it looks at the counts.
    #[default]
    Unknown,
    /// It began again.
    Yes,
    /// It counts on.
    No,
    /// It is no counter.
    Gauge,
}

/// A native histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// How fine the buckets are: −4 to 8, or [`CUSTOM`].
    pub schema: i32,
    /// Up to where an observation, of either sign, is in the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// Which buckets of positive observations there are, …
    pub positive_runs: Vec<Run>,
    /// … and what is in each.
    pub positive: Vec<f64>,
    /// Which buckets of negative observations there are, …
    pub negative_runs: Vec<Run>,
    /// … and what is in each.
    pub negative: Vec<f64>,
    /// The upper bounds of custom buckets, but for the last, which is infinite.
    pub bounds: Vec<f64>,
    /// Whether it counts on.
    pub reset: Reset,
}

/// The schema of custom buckets.
pub const CUSTOM: i32 = -53;
