//! Intake: what takes samples in, as seen by whoever brings them.
//!
//! Whoever brings samples names a series once, and then says numbers: the store gives a handle for labels, and takes
//! batches of handles and values. A batch is in the store as a whole when [`append`](Intake::append) returns, but for the
//! samples that it refused.

use std::sync::Arc;

use evenkeel_series::{Histogram, Point};

use crate::exposition::Kind;

/// What a metric is and means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    /// What it is.
    pub kind: Kind,
    /// What it is for.
    pub help: String,
    /// What it is counted in.
    pub unit: String,
}

/// Samples on their way into a store.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<S> {
    /// Floats; those of one series in order of time.
    pub points: Vec<(S, Point)>,
    /// Native histograms.
    pub histograms: Vec<(S, i64, Arc<Histogram>)>,
}

impl<S> Default for Batch<S> {
    fn default() -> Self {
        Self { points: Vec::new(), histograms: Vec::new() }
    }
}

impl<S> Batch<S> {
    /// Forgets all, and keeps the room.
    pub fn clear(&mut self) {
        self.points.clear();
        self.histograms.clear();
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.points.len() + self.histograms.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty() && self.histograms.is_empty()
    }
}

/// How many samples of a batch were not taken in, and why.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Further behind the latest of their series than samples may come late.
    pub out_of_order: usize,
    /// Older than what is kept.
    pub too_old: usize,
    /// Further ahead of the clock than is believed.
    pub too_new: usize,
    /// Of a moment of which there is another value.
    pub duplicate: usize,
    /// What contradicts itself, such as a histogram without the buckets that it says it has.
    pub malformed: usize,
    /// Of a series of which the store no longer knows the handle: ask for it again.
    pub forgotten: usize,
}

impl Refused {
    /// How many in all.
    pub const fn total(self) -> usize {
        let Self { out_of_order, too_old, too_new, duplicate, malformed, forgotten } = self;
        out_of_order + too_old + too_new + duplicate + malformed + forgotten
    }

    /// Together with others.
    pub const fn and(self, other: Self) -> Self {
        Self {
            out_of_order: self.out_of_order + other.out_of_order,
            too_old: self.too_old + other.too_old,
            too_new: self.too_new + other.too_new,
            duplicate: self.duplicate + other.duplicate,
            malformed: self.malformed + other.malformed,
            forgotten: self.forgotten + other.forgotten,
        }
    }
}

/// Why nothing was taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IntakeError(pub String);

/// What takes samples in.
pub trait Intake: Send + Sync + 'static {
    /// A handle of a series. The store forgets those of series that have been silent for long.
    type Series: Copy + Ord + Send + Sync + 'static;

    /// The series of these labels, which are sorted by name, each name once, none empty.
    ///
    /// # Errors
    /// When the store does not take such a series, or no more of them.
    fn series(&self, labels: &[(&str, &str)]) -> Result<Self::Series, IntakeError>;

    /// Takes in a batch.
    ///
    /// # Errors
    /// When the store can take in nothing at all.
    fn append(&self, batch: &Batch<Self::Series>) -> Result<Refused, IntakeError>;

    /// Takes in what a metric means.
    fn describe(&self, metric: &str, meaning: &Meaning);
}

#[cfg(test)]
pub(crate) mod memory {
    //! An intake that keeps what it is told.

    use std::sync::Mutex;

    use evenkeel_series::{Labels, is_stale};

    use super::*;

    /// Everything that was taken in, in order.
    #[derive(Debug, Default)]
    pub(crate) struct Memory {
        series: Mutex<Vec<Labels>>,
        taken: Mutex<Batch<usize>>,
        told: Mutex<Vec<(String, Meaning)>>,
    }

    impl Memory {
        /// A batch in words.
        pub(crate) fn shown(&self, batch: &Batch<usize>) -> Vec<String> {
            let series = self.series.lock().unwrap();
            let value = |it: f64| if is_stale(it) { "stale".to_owned() } else { it.to_string() };
            let points = batch.points.iter();
            points
                .map(|(of, Point { at, value: it })| {
                    format!("{} {} @{at}", series[*of], value(*it))
                })
                .collect()
        }

        /// Everything that was taken in, in words.
        pub(crate) fn all(&self) -> Vec<String> {
            self.shown(&self.taken.lock().unwrap().clone())
        }

        /// The histograms that were taken in.
        pub(crate) fn histograms(&self) -> Vec<(String, i64, Arc<Histogram>)> {
            let (series, taken) = (self.series.lock().unwrap(), self.taken.lock().unwrap());
            let named = taken.histograms.iter();
            named.map(|(of, at, it)| (series[*of].to_string(), *at, it.clone())).collect()
        }

        /// What metrics were said to mean.
        pub(crate) fn told(&self) -> Vec<(String, Meaning)> {
            self.told.lock().unwrap().clone()
        }
    }

    impl Intake for Memory {
        type Series = usize;

        fn series(&self, labels: &[(&str, &str)]) -> Result<usize, IntakeError> {
            assert!(labels.is_sorted_by(|one, other| one.0 < other.0), "{labels:?}");
            assert!(labels.iter().all(|it| !it.1.is_empty()), "{labels:?}");
            let labels = Labels::of(labels.iter().copied());
            let mut series = self.series.lock().unwrap();
            let known = series.iter().position(|it| *it == labels);
            Ok(known.unwrap_or_else(|| {
                series.push(labels);
                series.len() - 1
            }))
        }

        /// A sample that is not newer than the last of its series is refused.
        fn append(&self, batch: &Batch<usize>) -> Result<Refused, IntakeError> {
            let mut taken = self.taken.lock().unwrap();
            let mut refused = Refused::default();
            for (series, point) in &batch.points {
                let last = taken.points.iter().rev().find(|it| it.0 == *series).map(|it| it.1.at);
                match last {
                    Some(last) if point.at < last => refused.out_of_order += 1,
                    Some(last) if point.at == last => refused.duplicate += 1,
                    _ => taken.points.push((*series, *point)),
                }
            }
            taken.histograms.extend(batch.histograms.iter().cloned());
            Ok(refused)
        }

        fn describe(&self, metric: &str, meaning: &Meaning) {
            self.told.lock().unwrap().push((metric.to_owned(), meaning.clone()));
        }
    }
}
