//! Panel: questions put to one state of the store, again and again.
//!
//! A round asks thousands of questions: of each objective the same two sums over eight windows. So series are looked up once
//! for all of them: they are remembered by what selects them. Of each series the last hours are read once, too: every window
//! ends in them, and what is not sealed yet would be read for each anew. The queries themselves are parsed each time, which costs
//! little, where they would take more room than all that objectives know.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use evenkeel_promql::{Cancel, Options};
use evenkeel_series::{
    Digest, Labels, Matcher, Samples, Series, Source, SourceError, Span, Summed,
};
use evenkeel_slo::asking::{Answer, Question};
use evenkeel_tsdb::Snapshot;
use evenkeel_units::locked;

use super::moment::millis;
use crate::objectives::{Ask, AskError, answered, parsed};

/// So many series are remembered before all are forgotten, …
const SERIES_MAX: usize = 200_000;
/// … and so many of their samples.
const POINTS_MAX: usize = 1 << 16;
/// How much of each is read once: most windows of alerts are within.
const RECENT: Duration = Duration::from_hours(6);

/// One state of the store.
pub(super) struct Panel<'s> {
    snapshot: &'s Snapshot,
    options: Options<'static>,
    found: Mutex<Found<'s>>,
    /// Samples that are remembered.
    points: AtomicUsize,
}

type Selected<'s> = Arc<[Known<'s>]>;

/// A series that was looked up, and its last hours once they were read.
struct Known<'s> {
    series: Box<dyn Series + 's>,
    recent: OnceLock<(Span, Samples)>,
}

/// Series by what selects them, each with the span that they were looked up for.
#[derive(Default)]
struct Found<'s> {
    all: BTreeMap<String, (Span, Selected<'s>)>,
    series: usize,
}

impl<'s> Panel<'s> {
    /// By `cancel`, what is asked is given up.
    pub(super) fn new(snapshot: &'s Snapshot, cancel: Cancel) -> Self {
        let options = Options { cancel: Some(cancel), ..Options::default() };
        Self { snapshot, options, found: Mutex::default(), points: AtomicUsize::new(0) }
    }

    /// The series that meet every matcher and may have samples in a span; perhaps some more that meet every matcher.
    fn selected(&self, matchers: &[Matcher], span: Span) -> Result<Selected<'s>, SourceError> {
        let mut key = String::new();
        for it in matchers {
            // A text takes whatever is written.
            write!(key, "{it}\0").unwrap_or_default();
        }
        let mut found = locked(&self.found);
        if let Some((known, series)) = found.all.get(&key)
            && known.after <= span.after
            && span.until <= known.until
        {
            return Ok(Arc::clone(series));
        }
        let known = |series| Known { series, recent: OnceLock::new() };
        let series: Selected<'s> =
            self.snapshot.select(matchers, span)?.into_iter().map(known).collect();
        let is_full = self.points.load(Ordering::Relaxed) > POINTS_MAX;
        if is_full || found.series + series.len() > SERIES_MAX {
            *found = Found::default();
            self.points.store(0, Ordering::Relaxed);
        }
        found.series += series.len();
        found.all.insert(key, (span, Arc::clone(&series)));
        Ok(series)
    }
}

impl Ask for Panel<'_> {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        answered(self, &parsed(&question.query)?, question.when, &self.options)
    }
}

impl Source for Panel<'_> {
    fn select<'a>(
        &'a self,
        matchers: &[Matcher],
        span: Span,
    ) -> Result<Vec<Box<dyn Series + 'a>>, SourceError> {
        let all = self.selected(matchers, span)?;
        let one = |at| -> Box<dyn Series + 'a> {
            Box::new(Remembered { all: Arc::clone(&all), at, points: &self.points })
        };
        Ok((0..all.len()).map(one).collect())
    }
}

/// One of the series that were looked up.
struct Remembered<'a, 's> {
    all: Selected<'s>,
    at: usize,
    points: &'a AtomicUsize,
}

impl Remembered<'_, '_> {
    /// The samples of the last hours before a moment; `None` when those of another moment are remembered.
    fn recent(&self, until: i64) -> Result<Option<(Span, &Samples)>, SourceError> {
        let Known { series, recent } = &self.all[self.at];
        if recent.get().is_none() {
            let span = Span { after: until.saturating_sub(millis(RECENT)), until };
            let mut samples = Samples::default();
            series.read(span, &mut samples)?;
            self.points.fetch_add(samples.points.len(), Ordering::Relaxed);
            // Who else has read it meanwhile has read the same.
            recent.set((span, samples)).unwrap_or_default();
        }
        let known = recent.get().filter(|it| it.0.until == until && it.1.histograms.is_empty());
        Ok(known.map(|it| (it.0, &it.1)))
    }
}

impl Series for Remembered<'_, '_> {
    fn labels(&self) -> &Labels {
        self.all[self.at].series.labels()
    }

    fn read(&self, span: Span, into: &mut Samples) -> Result<(), SourceError> {
        self.all[self.at].series.read(span, into)
    }

    fn digest(&self, span: Span) -> Result<Summed, SourceError> {
        let series = &self.all[self.at].series;
        let Some((known, samples)) = self.recent(span.until)? else { return series.digest(span) };
        let begin = samples.points.partition_point(|it| it.at <= span.after);
        let last = Digest::of_all(samples.points.iter().skip(begin).copied());
        let before = match known.after > span.after {
            true => series.digest(Span { after: span.after, until: known.after })?,
            false => Summed::Empty,
        };
        Ok(match (before, last) {
            (Summed::Unknown, _) => Summed::Unknown,
            (before, None) => before,
            (Summed::Empty, Some(last)) => Summed::To(last),
            (Summed::To(mut all), Some(last)) => {
                all.append(&last);
                Summed::To(all)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_series::STALE;
    use evenkeel_tsdb::{Batch, Options as StoreOptions, Store};

    use super::*;

    #[test]
    fn what_is_remembered_adds_up_to_what_the_store_says() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        let series = store.intern(&Labels::of([("__name__", "a_total")])).unwrap();
        let mut batch = Batch::default();
        for minute in 0..3_000_i64 {
            // It begins again now and then, and is not there for a while.
            if minute % 700 < 650 {
                batch.float(series, minute * 60_000, (minute % 411) as f64);
            } else if minute % 700 == 650 {
                batch.float(series, minute * 60_000, STALE);
            }
        }
        store.append(&batch).unwrap();
        let snapshot = store.snapshot();
        let panel = Panel::new(&snapshot, Cancel::default());
        let all = Span { after: -1, until: 3_000 * 60_000 };
        let remembered = panel.select(&[], all).unwrap();
        let stored = snapshot.select(&[], all).unwrap();
        for until in [3_000, 3_000, 2_000] {
            for length in [5, 60, 359, 360, 361, 1_440, 3_000] {
                let span = Span { after: (until - length) * 60_000, until: until * 60_000 };
                let said = remembered[0].digest(span).unwrap();
                assert_eq!(said, stored[0].digest(span).unwrap(), "{length} before {until}");
            }
        }
    }
}
