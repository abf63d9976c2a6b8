//! Intake: the store, as those see it who bring samples.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use evenkeel_metrics::exposition::Kind;
use evenkeel_metrics::intake::{Batch, Intake, IntakeError, Meaning, Refused};
use evenkeel_tsdb::{Metadata, MetricKind, Rejection, SeriesRef, Store};

/// A store that samples are brought to.
#[derive(Debug)]
pub(crate) struct Stored {
    store: Arc<Store>,
    /// Whether samples are taken in however old they are.
    is_history: bool,
    /// Of what was taken in since somebody asked.
    earliest: AtomicI64,
}

impl Stored {
    /// For samples that are new, or a little late.
    pub(crate) const fn of(store: Arc<Store>) -> Self {
        Self { store, is_history: false, earliest: AtomicI64::new(i64::MAX) }
    }

    /// For samples of any age.
    pub(crate) fn for_history(store: Arc<Store>) -> Self {
        Self { is_history: true, ..Self::of(store) }
    }

    /// The earliest moment of what was taken in since this was asked last; `i64::MAX` of nothing. A snapshot that is taken
    /// afterwards may hold more, which is told the next time.
    pub(crate) fn earliest(&self) -> i64 {
        self.earliest.swap(i64::MAX, Ordering::Relaxed)
    }
}

impl Intake for Stored {
    type Series = SeriesRef;

    fn series(&self, labels: &[(&str, &str)]) -> Result<SeriesRef, IntakeError> {
        self.store.intern_sorted(labels).map_err(|it| IntakeError(it.to_string()))
    }

    fn append(&self, batch: &Batch<SeriesRef>) -> Result<Refused, IntakeError> {
        if batch.is_empty() {
            return Ok(Refused::default());
        }
        let mut into = evenkeel_tsdb::Batch::default();
        into.samples.reserve(batch.len());
        for (series, point) in &batch.points {
            into.float(*series, point.at, point.value);
        }
        for (series, at, histogram) in &batch.histograms {
            into.histogram(*series, *at, Arc::clone(histogram));
        }
        let appended = match self.is_history {
            true => self.store.backfill(&into),
            false => self.store.append(&into),
        };
        let appended = appended.map_err(|it| IntakeError(it.to_string()))?;
        let mut rejected = appended.rejected.iter().map(|it| it.0).peekable();
        let samples = into.samples.iter().enumerate();
        let taken = samples.filter(|it| rejected.next_if_eq(&it.0).is_none()).map(|it| it.1.at);
        self.earliest.fetch_min(taken.min().unwrap_or(i64::MAX), Ordering::Relaxed);
        let mut refused = Refused::default();
        for (_, why) in appended.rejected {
            match why {
                Rejection::OutOfOrder => refused.out_of_order += 1,
                Rejection::TooOld => refused.too_old += 1,
                Rejection::TooNew => refused.too_new += 1,
                Rejection::Conflict => refused.duplicate += 1,
                Rejection::Malformed => refused.malformed += 1,
                Rejection::Forgotten => refused.forgotten += 1,
            }
        }
        Ok(refused)
    }

    fn describe(&self, metric: &str, meaning: &Meaning) {
        let Meaning { kind, help, unit } = meaning.clone();
        let metadata = Metadata { kind: kind_of(kind), help, unit };
        // A log that cannot be written says so to whoever appends.
        self.store.describe(metric, &metadata).unwrap_or_default();
    }
}

fn kind_of(kind: Kind) -> MetricKind {
    MetricKind::of(kind.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_metric_keeps_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind_of(kind).name(), kind.name());
        }
    }
}
