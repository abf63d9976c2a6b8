//! Asking: what an objective asks of time series, as PromQL, and what the answers count.
//!
//! ```text
//!   kind                   for the counts of an interval                                     unit
//!   events, histogram      sum(increase(SERIES[interval])) of one side and of all            events
//!   ratio                  the query over the interval, once                                 time
//!   figure                 is the limit kept at the end of each slice                        time
//!   events in slices       the share of each slice, or whether it reaches the target         time
//!   composite              the mean of the shares of others, by weight                       time
//! ```
//!
//! An interval of events is one question a side, exactly as long as the interval, whatever the scrape interval is: a month
//! costs no more questions than an hour. What is good or bad slice by slice is asked slice by slice, and its counts come of
//! a [`History`]; so do those of any objective where its course is wanted.
//!
//! The queries are put by somebody else, to whatever understands PromQL: nothing here asks anybody.
//!
//! ```text
//! question   Question and When
//! text       the queries of a measure
//! shares     the share of bad events as one query, for rules
//! parts      the events told apart by a label
//! blamed     bad time told apart by a label
//! record     the answers of who counted the events by himself
//! ```

mod blamed;
pub mod parts;
mod question;
mod record;
mod shares;
mod text;

use std::time::Duration;

use evenkeel_model::document::{
    Counted, Figure, Limit, Measure, NoData, RatioQuery, Slo, TimeSlices,
};
use evenkeel_units::Ratio;

use self::text::Sum;
use crate::history::SLICES_MAX;
use crate::interval::{Interval, before, millis};
use crate::sli::{Merge, Side, composite, events, slices};
use crate::{Counts, Gaps, History, HistoryError, Share, Unit};

pub use self::question::{Answer, Question, When};

/// How deep objectives may be made of others.
pub const DEPTH_MAX: usize = 4;
/// Others that an objective may be made of.
pub const PARTS_MAX: usize = 64;
/// The slices of a history of what has none of its own: as long as the shortest window of the usual alerts.
pub const SLICE: Duration = Duration::from_mins(5);

/// Why nothing can be asked for an objective.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskingError {
    /// It is counted on the requests of a load alone.
    #[error("`{0}` does not say where it is counted on series: name them in its `sli`")]
    NoSeries(String),
    /// A run has requests, and no series.
    #[error(
        "`{0}` is not counted by requests that are good or bad: a run of a load says nothing of it"
    )]
    NotOfRequests(String),
    /// It promises no share of anything.
    #[error("`{0}` promises no share: give it an `objective`")]
    NoPromise(String),
    /// It is made of one that is not there.
    #[error("`{of}` is made of `{part}`, which is not among the documents")]
    NoPart {
        /// The composite.
        of: String,
        /// Its part.
        part: String,
    },
    /// There is a limit, also on those made of themselves.
    #[error("`{0}` is made of others, more than {DEPTH_MAX} deep")]
    TooDeep(String),
    /// There is a limit.
    #[error("`{0}` is made of {1} others: between 1 and {PARTS_MAX} are meant")]
    Parts(String, usize),
    /// Buckets are found by the name of their metric.
    #[error("the histogram of `{0}` is selected by labels alone: name its metric")]
    NamelessHistogram(String),
    /// Rules divide one by the other.
    #[error(
        "one side of `{0}` counts events a second and the other events: use `rate()` in both, or in none"
    )]
    Mixed(String),
}

/// What an objective asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Asking {
    name: String,
    kind: Kind,
    slices: Option<TimeSlices>,
    gaps: Gaps,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Events {
        side: Side,
        selected: Sum,
        total: Sum,
        /// Whether there are series of the selected as soon as there are any of all.
        is_paired: bool,
    },
    Share {
        side: Side,
        /// With `$window`.
        query: String,
    },
    Figure {
        /// Of the worst of its series, with `$window`, which is a slice, and its seconds.
        query: String,
        /// The same of each of them; `None` where none of them by itself is judged.
        each: Option<String>,
        limit: Limit,
    },
    Composite(Vec<(u32, Asking)>),
}

impl Asking {
    /// What `slo` asks. Those it is made of are looked for with `find`; of those, the exclusions do not count.
    ///
    /// # Errors
    /// When it says nothing of series, or is made of what is not there.
    pub fn of<'a>(
        slo: &'a Slo,
        find: &dyn Fn(&str) -> Option<&'a Slo>,
    ) -> Result<Self, AskingError> {
        Self::within(slo, find, DEPTH_MAX)
    }

    fn within<'a>(
        slo: &'a Slo,
        find: &dyn Fn(&str) -> Option<&'a Slo>,
        depth: usize,
    ) -> Result<Self, AskingError> {
        let name = || slo.name.clone();
        let depth = depth.checked_sub(1).ok_or_else(|| AskingError::TooDeep(name()))?;
        let kind = match slo.series.as_ref().ok_or_else(|| AskingError::NoSeries(name()))? {
            Measure::Events(it) => {
                let (side, selected) = match &it.counted {
                    Counted::Good(it) => (Side::Good, it),
                    Counted::Bad(it) => (Side::Bad, it),
                };
                let (selected, total) = (Sum::of(selected), Sum::of(&it.total));
                Kind::Events { side, selected, total, is_paired: false }
            }
            Measure::Histogram(it) => {
                let (selected, of_histogram) =
                    text::bucketed(it).ok_or_else(|| AskingError::NamelessHistogram(name()))?;
                let total = it.total.as_ref().map_or(of_histogram, Sum::of);
                Kind::Events { side: Side::Good, selected, total, is_paired: it.total.is_none() }
            }
            Measure::Ratio(it) => {
                let (side, query) = match it {
                    RatioQuery::Good(it) => (Side::Good, it),
                    RatioQuery::Bad(it) => (Side::Bad, it),
                };
                Kind::Share { side, query: query.text().to_owned() }
            }
            Measure::Figure(it) => figure(it),
            Measure::Composite(parts) => {
                if parts.is_empty() || parts.len() > PARTS_MAX {
                    return Err(AskingError::Parts(name(), parts.len()));
                }
                let part = |it: &evenkeel_model::document::Component| {
                    let missing =
                        || AskingError::NoPart { of: slo.name.clone(), part: it.slo.clone() };
                    let found = find(&it.slo).ok_or_else(missing)?;
                    Ok((it.weight, Self::within(found, find, depth)?))
                };
                Kind::Composite(parts.iter().map(part).collect::<Result<_, _>>()?)
            }
        };
        Ok(Self { name: name(), kind, slices: slo.time_slices, gaps: slo.no_data.into() })
    }

    /// What its counts are of.
    pub const fn unit(&self) -> Unit {
        match (&self.kind, self.slices) {
            (Kind::Events { .. }, None) => Unit::Events,
            _ => Unit::Time,
        }
    }

    /// What a gap means to it.
    pub const fn gaps(&self) -> Gaps {
        self.gaps
    }

    /// Whether the counts of an interval are asked for at once. Otherwise they come of its history.
    pub fn is_whole(&self) -> bool {
        let at_once = match &self.kind {
            Kind::Events { .. } | Kind::Share { .. } => self.slices.is_none(),
            Kind::Figure { .. } => false,
            Kind::Composite(parts) => parts.iter().all(|(_, it)| it.is_whole()),
        };
        // What a gap means can only be told where gaps are seen.
        at_once && self.gaps == Gaps::Ignore
    }

    /// How long its slices are, where it has some of its own.
    pub fn slice(&self) -> Option<Duration> {
        match &self.kind {
            Kind::Composite(parts) => parts.iter().filter_map(|(_, it)| it.slice()).max(),
            Kind::Figure { .. } => Some(self.slices.map_or(TimeSlices::LENGTH, |it| it.length)),
            Kind::Events { .. } | Kind::Share { .. } => self.slices.map(|it| it.length),
        }
    }

    /// What to ask for the counts of an interval, if [it is whole](Self::is_whole).
    pub fn whole(&self, of: Interval) -> Vec<Question> {
        let at = |query| Question { query, when: When::At(of.to) };
        match &self.kind {
            Kind::Events { selected, total, .. } => {
                [selected, total].map(|it| at(it.over(of.length()))).into()
            }
            Kind::Share { query, .. } | Kind::Figure { query, .. } => {
                vec![at(text::over(query, of.length()))]
            }
            Kind::Composite(parts) => parts.iter().flat_map(|(_, it)| it.whole(of)).collect(),
        }
    }

    /// What the answers to [`whole`](Self::whole) count; `None` without data.
    pub fn counted(&self, of: Interval, answers: &[Answer]) -> Option<Counts> {
        self.counted_of(of, &mut answers.iter())
    }

    fn counted_of<'a>(
        &self,
        of: Interval,
        answers: &mut impl Iterator<Item = &'a Answer>,
    ) -> Option<Counts> {
        match &self.kind {
            Kind::Events { .. } | Kind::Share { .. } | Kind::Figure { .. } => {
                self.slices_of(of.length(), answers).into_iter().next().flatten()
            }
            Kind::Composite(parts) => {
                let parts: Vec<_> = parts
                    .iter()
                    .map(|(weight, it)| (*weight, it.counted_of(of, answers)))
                    .collect();
                let shares = parts.into_iter().filter_map(|(weight, counts)| {
                    let Counts { good, total } = counts.filter(|it| it.total > 0)?;
                    Some((weight, Share::of(good, total)))
                });
                let share = composite::share(Merge::Weighted, shares)?;
                let total = millis(of.length());
                let good = (share.get() * total as f64).round().clamp(0.0, total as f64);
                Some(Counts { good: good as u64, total })
            }
        }
    }

    /// The slices of a history of an interval: of `wanted` length, or of its own where they are longer; as many as fit,
    /// the last of which ends with the interval.
    pub fn frame(&self, of: Interval, wanted: Duration) -> Frame {
        let own = self.slice().unwrap_or_default();
        let slice = match self.kind {
            Kind::Composite(_) => own.max(wanted),
            // What is judged slice by slice is judged by its own slices.
            _ if self.slice().is_some() => own,
            _ => wanted,
        };
        Frame::new(of, slice)
    }

    /// What to ask for the history of an interval.
    pub fn slices(&self, frame: Frame) -> Vec<Question> {
        let every = |query| Question { query, when: frame.when() };
        match &self.kind {
            Kind::Events { selected, total, .. } => {
                [selected, total].map(|it| every(it.over(frame.slice))).into()
            }
            Kind::Share { query, .. } | Kind::Figure { query, .. } => {
                vec![every(text::over(query, frame.slice))]
            }
            Kind::Composite(parts) => {
                let each = |(_, it): &(u32, Self)| it.slices(it.frame(frame.bounds(), frame.slice));
                parts.iter().flat_map(each).collect()
            }
        }
    }

    /// The history that the answers to [`slices`](Self::slices) tell, with its gaps.
    ///
    /// # Errors
    /// When there are more slices than a history has.
    pub fn history(&self, frame: Frame, answers: &[Answer]) -> Result<History, HistoryError> {
        self.history_of(frame, &mut answers.iter())
    }

    fn history_of(
        &self,
        frame: Frame,
        answers: &mut dyn Iterator<Item = &Answer>,
    ) -> Result<History, HistoryError> {
        let counts = match &self.kind {
            Kind::Composite(parts) => {
                let mut histories = Vec::new();
                for (weight, it) in parts {
                    let own = it.frame(frame.bounds(), frame.slice);
                    let history = it.history_of(own, answers)?.filled(it.gaps, it.unit());
                    let as_framed = frame.intervals().map(|it| history.counts(it)).collect();
                    let history = History::new(frame.from(), frame.slice, as_framed)?;
                    histories.push((*weight, history));
                }
                let parts: Vec<_> = histories.iter().map(|(weight, it)| (*weight, it)).collect();
                composite::slices(Merge::Weighted, &parts)
            }
            _ => self.slices_of(frame.slice, answers),
        };
        History::new(frame.from(), frame.slice, counts)
    }

    /// The counts of slices, of what is no composite.
    fn slices_of(
        &self,
        slice: Duration,
        answers: &mut dyn Iterator<Item = &Answer>,
    ) -> Vec<Option<Counts>> {
        const NOTHING: &Answer = &Answer::new();
        match &self.kind {
            Kind::Events { side, is_paired, .. } => {
                let selected = answers.next().unwrap_or(NOTHING);
                let total = answers.next().unwrap_or(NOTHING);
                let mut total = total.clone();
                if *is_paired {
                    // The bucket that is asked for is none of the histogram's: that all were slow is not known.
                    let has = |at: usize| selected.get(at).copied().flatten().is_some();
                    let lacks = |(at, it): (usize, &mut Option<f64>)| {
                        *it = it.filter(|_| has(at));
                    };
                    total.iter_mut().enumerate().for_each(lacks);
                }
                let counts = events::slices(*side, selected, &total);
                match self.slices {
                    None => counts,
                    Some(TimeSlices { target: Some(target), .. }) => {
                        reaching(target, slice, counts)
                    }
                    Some(TimeSlices { target: None, .. }) => {
                        let share = |it: &Option<Counts>| it.and_then(Counts::ratio);
                        let shares: Vec<_> = counts.iter().map(share).collect();
                        events::shares(Side::Good, slice, &shares)
                    }
                }
            }
            Kind::Share { side, .. } => {
                let shares = answers.next().unwrap_or(NOTHING);
                let counts = events::shares(*side, slice, shares);
                match self.slices.and_then(|it| it.target) {
                    Some(target) => reaching(target, slice, counts),
                    None => counts,
                }
            }
            Kind::Figure { limit, .. } => {
                let figures = answers.next().unwrap_or(NOTHING).iter();
                slices::of(
                    slice,
                    figures.map(|it| it.filter(|it| !it.is_nan()).map(|it| limit.holds(it))),
                )
            }
            Kind::Composite(_) => Vec::new(),
        }
    }

    /// What is wrong with what was asked, as its answers show: a bound that is none of the histogram's.
    pub fn flaw(&self, answers: &[Answer]) -> Option<String> {
        let Kind::Events { is_paired: true, .. } = self.kind else { return None };
        let some = |it: Option<&Answer>| it.is_some_and(|it| it.iter().any(Option::is_some));
        (some(answers.get(1)) && !some(answers.first())).then(|| {
            format!("the histogram of `{}` has no bucket whose bound is the threshold", self.name)
        })
    }
}

/// Good and bad slices by the share that each reaches.
fn reaching(target: Ratio, slice: Duration, counts: Vec<Option<Counts>>) -> Vec<Option<Counts>> {
    let kept = |it: Option<Counts>| crate::Budget { objective: target, counts: it? }.kept();
    slices::of(slice, counts.into_iter().map(kept))
}

fn figure(of: &Figure) -> Kind {
    use evenkeel_model::document::Comparison;
    match of {
        Figure::Gauge { query, limit } => {
            // Every series keeps the limit when the worst one does.
            let worst = if limit.comparison.wants_less() { "max" } else { "min" };
            let each = query.clone();
            Kind::Figure { query: format!("{worst}(\n{each}\n)"), each: Some(each), limit: *limit }
        }
        Figure::Freshness { timestamp, by, max_age } => {
            let limit = Limit { comparison: Comparison::AtMost, limit: max_age.as_secs_f64() };
            let each = text::age(timestamp, by, *max_age);
            Kind::Figure { query: format!("max({each})"), each: Some(each), limit }
        }
        Figure::Throughput { total, min } => {
            let limit = Limit { comparison: Comparison::AtLeast, limit: min.get() };
            Kind::Figure { query: Sum::of(total).a_second(), each: None, limit }
        }
    }
}

impl From<NoData> for Gaps {
    fn from(it: NoData) -> Self {
        match it {
            NoData::Ignore => Self::Ignore,
            NoData::Hold => Self::Hold,
            NoData::Bad => Self::Bad,
        }
    }
}

/// Slices of equal length, one after the other.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The moment after the last.
    to: jiff::Timestamp,
    slice: Duration,
    slices: u32,
}

impl Frame {
    fn new(of: Interval, slice: Duration) -> Self {
        let (length, mut each) = (millis(of.length()), millis(slice).max(1));
        // So many that a history would not take them are made longer.
        each *= (length / each).div_ceil(SLICES_MAX as u64).max(1);
        let each = each.min(length.max(1));
        let slices = u32::try_from(length / each).unwrap_or(u32::MAX);
        Self { to: of.to, slice: Duration::from_millis(each), slices }
    }

    /// How long each is.
    pub const fn slice(self) -> Duration {
        self.slice
    }

    fn from(self) -> jiff::Timestamp {
        before(self.to, self.slice.saturating_mul(self.slices))
    }

    fn bounds(self) -> Interval {
        Interval::new(self.from(), self.to)
    }

    fn intervals(self) -> impl Iterator<Item = Interval> {
        let left = (0..self.slices).rev();
        left.map(move |left| {
            let to = before(self.to, self.slice.saturating_mul(left));
            Interval::new(before(to, self.slice), to)
        })
    }

    /// The ends of the slices.
    fn when(self) -> When {
        let first = before(self.to, self.slice.saturating_mul(self.slices.saturating_sub(1)));
        When::Every { first, step: self.slice, steps: self.slices as usize }
    }
}

#[cfg(test)]
mod tests;
