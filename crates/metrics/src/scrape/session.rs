//! Session: one target through time. What its text becomes, which series are new, and which have ended.
//!
//! A target writes the same series in the same order, scrape after scrape. So the series that are known are walked along
//! with the text: where the next one is the next that was known, nothing is looked up, let alone made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_series::{Labels, METRIC_NAME, Point, STALE};

use crate::config::{Limits, Scrape};
use crate::exposition::{ExpositionError, Format, Kind, Parser, Said};
use crate::intake::{Batch, Intake, IntakeError, Meaning};
use crate::relabel::{Pairs, Rule, relabel};

/// The series that say how a scrape went, in this order.
const REPORT: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];
/// Series that have not been seen for a while are forgotten once they are the greater part of at least so many.
const FORGET_FROM: usize = 1_000;

/// How the samples of a job are taken in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Terms {
    honor_labels: bool,
    honor_timestamps: bool,
    relabel: Vec<Rule>,
    limits: Limits,
}

impl Terms {
    pub(super) fn of(scrape: &Scrape) -> Self {
        Self {
            honor_labels: scrape.honor_labels,
            honor_timestamps: scrape.honor_timestamps,
            relabel: scrape.metric_relabel.clone(),
            limits: scrape.limits,
        }
    }
}

/// What came of a scrape.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Scraped {
    /// Samples that the target said.
    pub samples: usize,
    /// Those that the rules kept.
    pub kept: usize,
    /// Series that were not there before.
    pub added: usize,
}

/// Why a scrape failed, though the target answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Text(#[from] ExpositionError),
    #[error("more than {0} samples are left after relabelling")]
    Samples(usize),
    #[error(transparent)]
    Store(#[from] IntakeError),
}

/// A series of the target, by what the target calls it.
struct Known<S> {
    text: Arc<str>,
    /// `None` when the rules drop it.
    series: Option<S>,
    /// The last scrape in which it was, counted from 1, …
    seen: u64,
    /// … and the one before that.
    before: u64,
    /// Whether it came without a moment of its own, so that its absence is its end.
    is_ours: bool,
}

/// One target, scrape after scrape.
pub(super) struct Session<S> {
    terms: Terms,
    target: Labels,
    known: Vec<Known<S>>,
    places: BTreeMap<Arc<str>, usize>,
    /// How many scrapes there have been, …
    number: u64,
    /// … and which was the last that was taken in.
    last: u64,
    /// When all that the target says was seen last: whatever it has begun to count since was nothing then. `None` after a scrape
    /// that failed, and where some of it was forgotten.
    complete: Option<i64>,
    /// Whether series were forgotten, so that one that seems new may have been there before.
    has_forgotten: bool,
    /// In which scrape each counter or histogram was last.
    families: BTreeMap<String, u64>,
    report: Option<[S; 5]>,
    /// The series of the last scrape, when that was under other terms: some of them may be dropped or called otherwise now.
    former: BTreeSet<S>,
    meanings: BTreeMap<String, Meaning>,
}

impl<S: Copy + Ord + Send + Sync + 'static> Session<S> {
    pub(super) const fn new(terms: Terms, target: Labels) -> Self {
        Self {
            terms,
            target,
            known: Vec::new(),
            places: BTreeMap::new(),
            number: 0,
            last: 0,
            complete: None,
            has_forgotten: false,
            families: BTreeMap::new(),
            report: None,
            former: BTreeSet::new(),
            meanings: BTreeMap::new(),
        }
    }

    /// Goes on under some terms. When these are others, nothing that is known of the series holds any more.
    pub(super) fn under(mut self, terms: &Terms) -> Self {
        if self.terms != *terms {
            let former: Vec<S> = self.last_seen().collect();
            self.former.extend(former);
            self.known.clear();
            self.places.clear();
            self.complete = None;
            self.terms = terms.clone();
        }
        self
    }

    /// Takes in what the target said at a moment. After an error the scrape counts as failed, and `batch` is empty.
    pub(super) fn take(
        &mut self,
        body: &[u8],
        format: Format,
        at: i64,
        store: &impl Intake<Series = S>,
        batch: &mut Batch<S>,
    ) -> Result<Scraped, Failed> {
        batch.clear();
        self.number += 1;
        let read = self.read(body, format, at, store, batch);
        self.complete = None;
        match read {
            Ok(scraped) => {
                self.end_unseen(at, batch);
                self.last = self.number;
                self.forget(scraped.samples);
                self.complete = Some(at).filter(|_| !self.has_forgotten);
                Ok(scraped)
            }
            Err(error) => {
                batch.clear();
                for known in self.known.iter_mut().filter(|it| it.seen == self.number) {
                    known.seen = known.before;
                }
                Err(error)
            }
        }
    }

    /// Ends every series of the last scrape: this one failed.
    pub(super) fn lose(&mut self, at: i64, batch: &mut Batch<S>) {
        batch.clear();
        self.number += 1;
        self.complete = None;
        self.end_unseen(at, batch);
        self.last = self.number;
    }

    /// Adds how the scrape went.
    pub(super) fn report(
        &mut self,
        at: i64,
        took: Duration,
        scraped: Option<Scraped>,
        store: &impl Intake<Series = S>,
        batch: &mut Batch<S>,
    ) -> Result<(), IntakeError> {
        let series = match self.report {
            Some(it) => it,
            None => *self.report.insert(report(&self.target, store)?),
        };
        let up = f64::from(u8::from(scraped.is_some()));
        let Scraped { samples, kept, added } = scraped.unwrap_or_default();
        let values = [up, took.as_secs_f64(), samples as f64, kept as f64, added as f64];
        batch
            .points
            .extend(series.into_iter().zip(values).map(|(it, value)| (it, Point { at, value })));
        Ok(())
    }

    /// Forgets the handles of all series: the store no longer knows some of them.
    pub(super) fn renew(&mut self) {
        self.known.clear();
        self.places.clear();
        self.former.clear();
        self.complete = None;
        self.report = None;
    }

    /// Ends everything: the target is no more.
    pub(super) fn end(&mut self, at: i64, batch: &mut Batch<S>) {
        self.lose(at, batch);
        let stale = Point { at, value: STALE };
        batch.points.extend(self.report.into_iter().flatten().map(|it| (it, stale)));
    }

    fn read(
        &mut self,
        body: &[u8],
        format: Format,
        at: i64,
        store: &impl Intake<Series = S>,
        batch: &mut Batch<S>,
    ) -> Result<Scraped, Failed> {
        let mut parser = Parser::new(Parser::utf8(body)?, format);
        let mut scraped = Scraped::default();
        let mut cursor = 0;
        let mut family = Family::default();
        let begun = self.complete.filter(|_| !self.terms.honor_labels);
        while let Some(said) = parser.next() {
            let sample = match said? {
                Said::Sample(sample) => sample,
                other => {
                    if let Said::Type(metric, kind) = &other {
                        let was_there = self.families.get(&**metric) == Some(&self.last);
                        family = Family::of(metric, *kind, was_there);
                    }
                    self.learn(&other, store);
                    continue;
                }
            };
            scraped.samples += 1;
            let place = self.place(sample.series, cursor);
            let place = match place {
                Some(place) => place,
                None => self.add(sample.series, &parser, store)?,
            };
            cursor = place + 1;
            let own = sample.at.filter(|_| self.terms.honor_timestamps);
            let Some(known) = self.known.get_mut(place) else { continue };
            let is_new = known.seen == 0 || known.seen < self.last;
            let is_first = known.seen == 0;
            if known.seen < self.number {
                (known.before, known.seen) = (known.seen, self.number);
            }
            known.is_ours = own.is_none();
            let Some(series) = known.series else { continue };
            scraped.kept += 1;
            scraped.added += usize::from(is_new);
            if let Some(limit) = self.terms.limits.samples.filter(|it| scraped.kept > *it) {
                return Err(Failed::Samples(limit));
            }
            if !family.is_there && family.counts(sample.series) {
                family.is_there = true;
                match self.families.get_mut(&family.name) {
                    Some(last) => *last = self.number,
                    None => drop(self.families.insert(family.name.clone(), self.number)),
                }
            }
            // Nobody counts an error before the first. Without this, all that came before the next scrape would count for nothing.
            let is_birth = is_first && family.was_there && sample.at.is_none();
            if let Some(at) = begun.filter(|_| is_birth && sample.value > 0.0)
                && family.counts(sample.series)
            {
                batch.points.push((series, Point { at, value: 0.0 }));
            }
            batch.points.push((series, Point { at: own.unwrap_or(at), value: sample.value }));
        }
        Ok(scraped)
    }

    /// Where a series is known, most likely at the cursor.
    fn place(&self, text: &str, cursor: usize) -> Option<usize> {
        match self.known.get(cursor) {
            Some(known) if *known.text == *text => Some(cursor),
            _ => self.places.get(text).copied(),
        }
    }

    fn add(
        &mut self,
        text: &str,
        parser: &Parser<'_>,
        store: &impl Intake<Series = S>,
    ) -> Result<usize, Failed> {
        let series = match self.labels(parser)? {
            Some(pairs) => Some(handle(&pairs, store)?),
            None => None,
        };
        let text: Arc<str> = text.into();
        let place = self.known.len();
        self.known.push(Known {
            text: Arc::clone(&text),
            series,
            seen: 0,
            before: 0,
            is_ours: true,
        });
        self.places.insert(text, place);
        Ok(place)
    }

    /// The labels under which a sample is stored; `None` when the rules drop it.
    fn labels(&self, parser: &Parser<'_>) -> Result<Option<Pairs>, ExpositionError> {
        let mut pairs = Pairs::new();
        for (name, value) in parser.labels() {
            if pairs.contains_key(&*name) {
                return Err(parser.error(format!("the label `{name}` is there twice")));
            }
            pairs.insert(name.into_owned(), value.into_owned());
        }
        for label in &self.target {
            let own = pairs.get(&*label.name).cloned();
            match own.filter(|_| self.terms.honor_labels) {
                Some(_) => continue,
                None => self.expose(&mut pairs, &label.name),
            }
            pairs.insert(label.name.to_string(), label.value.to_string());
        }
        pairs.retain(|_, value| !value.is_empty());
        if !relabel(&self.terms.relabel, &mut pairs) {
            return Ok(None);
        }
        pairs.retain(|_, value| !value.is_empty());
        if !pairs.contains_key(METRIC_NAME) {
            return Err(parser.error("the rules leave no name of a metric"));
        }
        self.check(&pairs).map_err(|problem| parser.error(problem))?;
        Ok(Some(pairs))
    }

    /// A label that a target has is kept under a name that says so, when the target itself is to have it.
    fn expose(&self, pairs: &mut Pairs, name: &str) {
        let Some(value) = pairs.remove(name).filter(|it| !it.is_empty()) else { return };
        let mut exposed = format!("exported_{name}");
        while pairs.contains_key(&exposed) || !self.target.get(&exposed).is_empty() {
            exposed.insert_str(0, "exported_");
        }
        pairs.insert(exposed, value);
    }

    fn check(&self, pairs: &Pairs) -> Result<(), String> {
        let limits = self.terms.limits;
        if let Some(limit) = limits.labels.filter(|it| pairs.len() > *it) {
            return Err(format!("{} labels, and {limit} are allowed", pairs.len()));
        }
        let longer = |text: &str, limit: Option<usize>| limit.is_some_and(|it| text.len() > it);
        for (name, value) in pairs {
            if longer(name, limits.label_name) {
                return Err(format!("the name of the label `{name}` is longer than is allowed"));
            }
            if longer(value, limits.label_value) {
                return Err(format!("the value of the label `{name}` is longer than is allowed"));
            }
        }
        Ok(())
    }

    /// Ends what was in the last scrape and is not in this one.
    fn end_unseen(&mut self, at: i64, batch: &mut Batch<S>) {
        let stale = |it: S| (it, Point { at, value: STALE });
        if !self.former.is_empty() {
            let mut ended = std::mem::take(&mut self.former);
            batch.points.iter().for_each(|it| _ = ended.remove(&it.0));
            batch.points.extend(ended.into_iter().map(stale));
        }
        batch.points.extend(self.last_seen().map(stale));
    }

    /// The series of the last scrape that are not in this one.
    fn last_seen(&self) -> impl Iterator<Item = S> {
        let is_of_last = |it: &&Known<S>| it.is_ours && it.seen > 0 && it.seen == self.last;
        self.known.iter().filter(is_of_last).filter_map(|it| it.series)
    }

    /// Forgets series that have gone, when they are many.
    fn forget(&mut self, samples: usize) {
        if self.known.len() < FORGET_FROM || self.known.len() / 2 < samples {
            return;
        }
        self.known.retain(|it| it.seen == self.last);
        self.has_forgotten = true;
        let texts = self.known.iter().enumerate();
        self.places = texts.map(|(at, it)| (Arc::clone(&it.text), at)).collect();
    }

    fn learn(&mut self, said: &Said<'_>, store: &impl Intake<Series = S>) {
        let (Said::Type(metric, _) | Said::Help(metric, _) | Said::Unit(metric, _)) = said else {
            return;
        };
        let before = self.meanings.get(&**metric);
        let mut after = before.cloned().unwrap_or_default();
        match said {
            Said::Type(_, kind) => after.kind = *kind,
            Said::Help(_, help) => (**help).clone_into(&mut after.help),
            Said::Unit(_, unit) => (**unit).clone_into(&mut after.unit),
            Said::Sample(_) => {}
        }
        if before != Some(&after) {
            store.describe(metric, &after);
            self.meanings.insert((**metric).to_owned(), after);
        }
    }
}

/// The metric whose series are read.
#[derive(Default)]
struct Family {
    name: String,
    /// How the names of its series end that begin at nothing and grow.
    endings: &'static [&'static str],
    /// Whether it had series in the scrape before: otherwise who speaks for another may have had no answer from it.
    was_there: bool,
    /// Whether it has one in this.
    is_there: bool,
}

impl Family {
    fn of(name: &str, kind: Kind, was_there: bool) -> Self {
        let endings: &[_] = match kind {
            Kind::Counter => &["", "_total"],
            Kind::Histogram => &["_bucket", "_count", "_sum"],
            Kind::Summary => &["_count", "_sum"],
            // Nothing is asked of the name of what does not grow.
            _ => return Self::default(),
        };
        Self { name: name.to_owned(), endings, was_there, is_there: false }
    }

    /// Whether a series is one of it that begins at nothing and grows.
    fn counts(&self, series: &str) -> bool {
        if self.endings.is_empty() {
            return false;
        }
        let Some(rest) = series.strip_prefix(&*self.name) else { return false };
        self.endings.contains(&rest.split('{').next().unwrap_or_default().trim_end())
    }
}

fn report<S: Copy>(
    target: &Labels,
    store: &impl Intake<Series = S>,
) -> Result<[S; 5], IntakeError> {
    let of = |metric: &str| {
        let mut pairs: Pairs =
            target.iter().map(|it| (it.name.to_string(), it.value.to_string())).collect();
        pairs.insert(METRIC_NAME.to_owned(), metric.to_owned());
        handle(&pairs, store)
    };
    let [up, duration, samples, kept, added] = REPORT;
    Ok([of(up)?, of(duration)?, of(samples)?, of(kept)?, of(added)?])
}

fn handle<S>(pairs: &Pairs, store: &impl Intake<Series = S>) -> Result<S, IntakeError> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    store.series(&pairs)
}

#[cfg(test)]
mod tests;
