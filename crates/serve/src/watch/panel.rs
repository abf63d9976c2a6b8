//! Panel: questions put to one state of the store, again and again.
//!
//! A round asks thousands of questions: of each objective the same two sums over eight windows, and the same as in the round before.
//! So a query is read once for as long as it is asked, and series are looked up once a round: they are remembered by
//! what selects them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use evenkeel_promql::{Cancel, Options, Query};
use evenkeel_series::{Labels, Matcher, Samples, Series, Source, SourceError, Span, Summed};
use evenkeel_slo::asking::{Answer, Question};
use evenkeel_tsdb::Snapshot;

use super::locked;
use crate::objectives::{Ask, AskError, answered, parsed};

/// So many series are remembered before all are forgotten.
const SERIES_MAX: usize = 200_000;

/// Queries that were read, and whether they were asked in this round.
#[derive(Debug, Default)]
pub(super) struct Queries(BTreeMap<String, (Arc<Query>, bool)>);

impl Queries {
    fn read(&mut self, text: &str) -> Result<Arc<Query>, AskError> {
        if let Some((query, is_asked)) = self.0.get_mut(text) {
            *is_asked = true;
            return Ok(Arc::clone(query));
        }
        let query = Arc::new(parsed(text)?);
        self.0.insert(text.to_owned(), (Arc::clone(&query), true));
        Ok(query)
    }

    /// Forgets what was not asked since the last time.
    pub(super) fn forget(&mut self) {
        self.0.retain(|_, it| std::mem::take(&mut it.1));
    }
}

/// One state of the store.
pub(super) struct Panel<'s> {
    snapshot: &'s Snapshot,
    queries: Mutex<&'s mut Queries>,
    options: Options<'static>,
    found: Mutex<Found<'s>>,
}

type Selected<'s> = Arc<[Box<dyn Series + 's>]>;

/// Series by what selects them, each with the span that they were looked up for.
#[derive(Default)]
struct Found<'s> {
    all: BTreeMap<String, (Span, Selected<'s>)>,
    series: usize,
}

impl<'s> Panel<'s> {
    /// By `cancel`, what is asked is given up.
    pub(super) fn new(snapshot: &'s Snapshot, queries: &'s mut Queries, cancel: Cancel) -> Self {
        let options = Options { cancel: Some(cancel), ..Options::default() };
        Self { snapshot, queries: Mutex::new(queries), options, found: Mutex::default() }
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
        let series: Selected<'s> = self.snapshot.select(matchers, span)?.into();
        if found.series + series.len() > SERIES_MAX {
            *found = Found::default();
        }
        found.series += series.len();
        found.all.insert(key, (span, Arc::clone(&series)));
        Ok(series)
    }
}

impl Ask for Panel<'_> {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let query = locked(&self.queries).read(&question.query)?;
        answered(self, &query, question.when, &self.options)
    }
}

impl Source for Panel<'_> {
    fn select<'a>(
        &'a self,
        matchers: &[Matcher],
        span: Span,
    ) -> Result<Vec<Box<dyn Series + 'a>>, SourceError> {
        let all = self.selected(matchers, span)?;
        let one =
            |at| -> Box<dyn Series + 'a> { Box::new(Remembered { all: Arc::clone(&all), at }) };
        Ok((0..all.len()).map(one).collect())
    }
}

/// One of the series that were looked up.
struct Remembered<'s> {
    all: Selected<'s>,
    at: usize,
}

impl Series for Remembered<'_> {
    fn labels(&self) -> &Labels {
        self.all[self.at].labels()
    }

    fn read(&self, span: Span, into: &mut Samples) -> Result<(), SourceError> {
        self.all[self.at].read(span, into)
    }

    fn digest(&self, span: Span) -> Result<Summed, SourceError> {
        self.all[self.at].digest(span)
    }
}
