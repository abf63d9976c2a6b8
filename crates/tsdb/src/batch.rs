//! Batch: samples that are taken in together, and what became of them.

use std::sync::Arc;

use evenkeel_series::Histogram;

use crate::SeriesRef;
use crate::chunk::histogram::BUCKETS_MAX;
use crate::error::Rejection;

/// A value of a sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A float, or a stale marker.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

/// A sample of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The series.
    pub series: SeriesRef,
    /// Milliseconds since 1970.
    pub at: i64,
    /// What was measured.
    pub value: Value,
}

/// Samples that are taken in together: a snapshot has all of them or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// One after the other; those of a series best in order of time.
    pub samples: Vec<Sample>,
}

impl Batch {
    /// Adds a float, or a stale marker.
    pub fn float(&mut self, series: SeriesRef, at: i64, value: f64) {
        self.samples.push(Sample { series, at, value: Value::Float(value) });
    }

    /// Adds a native histogram.
    pub fn histogram(&mut self, series: SeriesRef, at: i64, value: Arc<Histogram>) {
        self.samples.push(Sample { series, at, value: Value::Histogram(value) });
    }

    /// Forgets all, and keeps the room.
    pub fn clear(&mut self) {
        self.samples.clear();
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// How many samples were taken in.
    pub accepted: u64,
    /// How many were there already, the very same.
    pub duplicates: u64,
    /// Which were not taken in, by their place in the batch, and why.
    pub rejected: Vec<(usize, Rejection)>,
}

/// Whether a histogram has the buckets that it says it has, and not too many.
pub(crate) fn is_well_formed(it: &Histogram) -> bool {
    let sides = [(&it.positive_runs, &it.positive), (&it.negative_runs, &it.negative)];
    sides.iter().all(|(runs, counts)| {
        let said: u64 = runs.iter().map(|run| u64::from(run.length)).sum();
        said == counts.len() as u64 && runs.len() <= BUCKETS_MAX && counts.len() <= BUCKETS_MAX
    }) && it.bounds.len() <= BUCKETS_MAX
}
