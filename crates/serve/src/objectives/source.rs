//! Source: where the series are that objectives are counted on.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use evenkeel_promql::{Element, Options, Query, Sample, Value};
use evenkeel_series::Source as Series;
use evenkeel_slo::asking::parts::Rows;
use evenkeel_slo::asking::{Answer, Asking, Frame, Question, When};
use evenkeel_slo::{Coverage, History, Interval, Objective};
use evenkeel_tsdb::{Missing, OpenError, Recovery, Snapshot};
use jiff::Timestamp;

use super::judging::{Ask, Asked};
use super::remote::{Access, Remote, RemoteError};

/// Why a source did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no such directory.
    #[error(
        "there is no store at `{0}`: name its directory, or the URL of a server such as `http://127.0.0.1:9090`"
    )]
    NoStore(String),
    /// The store could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Some of the store is lost: whatever it says may be wrong.
    #[error("{0}; `evenkeel metrics serve` sets aside what is damaged, and goes on with the rest")]
    Damaged(String),
    /// The server could not be asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The query is none.
    #[error("`{query}` is no query: {why}")]
    Query {
        /// It.
        query: String,
        /// What is wrong with it.
        why: String,
    },
    /// The query does not end in one number.
    #[error("`{query}` finds {what}, and one number is expected: add them up, or choose one")]
    Shape {
        /// It.
        query: String,
        /// What it finds.
        what: String,
    },
}

/// Where series are.
#[derive(Debug)]
pub enum Source {
    /// A store as it was at one moment, so that all answers are of the same samples; whether somebody serves it does not
    /// matter.
    Snapshot(Box<Snapshot>),
    /// A server.
    Remote(Box<Remote>),
    /// What was counted of each objective, by its name; no series.
    Record(BTreeMap<String, Recorded>),
}

/// What was counted of an objective by somebody who saw its requests.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// All of them.
    pub all: History,
    /// Those of each route, where there are several.
    pub routes: BTreeMap<String, History>,
}

impl Source {
    /// Opens what `place` names: a URL, or the directory of a store that is there.
    ///
    /// # Errors
    /// When there is neither.
    pub fn open(place: &str, access: Access) -> Result<Self, AskError> {
        if place.starts_with("http://") || place.starts_with("https://") {
            return Ok(Self::Remote(Box::new(Remote::open(place, access)?)));
        }
        if !Path::new(place).is_dir() {
            return Err(AskError::NoStore(place.to_owned()));
        }
        let (snapshot, found) = Snapshot::of(place).map_err(|error| match error {
            OpenError::NoStore(_) => AskError::NoStore(place.to_owned()),
            other => other.into(),
        })?;
        match lost(&found) {
            Some(what) => Err(AskError::Damaged(what)),
            None => Ok(Self::Snapshot(Box::new(snapshot))),
        }
    }

    /// The routes of an objective, where somebody counted them by themselves.
    pub(super) fn routes(&self, of: &Objective) -> Option<&BTreeMap<String, History>> {
        match self {
            Self::Record(all) => all.get(&of.name).map(|it| &it.routes),
            Self::Snapshot(_) | Self::Remote(_) => None,
        }
    }

    /// What a query is worth at a moment, for each series; histograms are passed over.
    ///
    /// # Errors
    /// When nobody answers, or with something else than a number for each.
    pub async fn rows(&self, query: &str, at: Timestamp) -> Result<Rows, AskError> {
        match self {
            Self::Snapshot(snapshot) => rows(&**snapshot, query, at),
            Self::Remote(remote) => remote.rows(query, at).await,
            Self::Record(_) => Ok(Rows::new()),
        }
    }
}

impl Ask for Source {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        match self {
            Self::Snapshot(snapshot) => evaluated(&**snapshot, question),
            Self::Remote(remote) => remote.ask(question).await,
            Self::Record(_) => Ok(vec![None; question.when.count()]),
        }
    }

    async fn whole(&self, of: &Objective, over: Interval) -> Result<Asked, AskError> {
        match self {
            Self::Record(all) => {
                let answers = all.get(&of.name).map(|it| Asking::recorded(&it.all, over));
                Ok(Asked { questions: Vec::new(), answers: answers.unwrap_or_default() })
            }
            _ => Asked::by(self, of.asking.whole(over)).await,
        }
    }

    async fn slices(&self, of: &Objective, frame: Frame) -> Result<Asked, AskError> {
        match self {
            Self::Record(all) => {
                let answers = all.get(&of.name).map(|it| Asking::recorded_slices(&it.all, frame));
                Ok(Asked { questions: Vec::new(), answers: answers.unwrap_or_default() })
            }
            _ => Asked::by(self, of.asking.slices(frame)).await,
        }
    }

    fn coverage(&self, of: &Objective, over: Interval) -> Option<Coverage> {
        match self {
            Self::Record(all) => all.get(&of.name).map(|it| it.all.coverage(over)),
            Self::Snapshot(_) | Self::Remote(_) => None,
        }
    }
}

/// What of a store is lost, if anything is.
fn lost(found: &Recovery) -> Option<String> {
    let damaged = found.damaged.iter().map(|(path, why)| format!("{}: {why}", path.display()));
    let torn = found.torn.iter().map(|(path, bytes)| {
        format!("{}: {bytes} bytes at its end are no records", path.display())
    });
    let orphans = || format!("{} samples are of series that are lost", found.orphans);
    let missing = found.missing.iter().map(missed);
    missing.chain(damaged).chain(torn).next().or_else(|| (found.orphans > 0).then(orphans))
}

/// What is said of a segment that is missing.
pub fn missed(of: &Missing) -> String {
    let date =
        |at| Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |it| it.to_string());
    let Missing { path, samples, from, to } = of;
    format!(
        "{}: somebody else has removed it, and {samples} samples from {} to {} are missing",
        path.display(),
        date(*from),
        date(*to),
    )
}

fn rows(series: &dyn Series, text: &str, at: Timestamp) -> Result<Rows, AskError> {
    let query = parsed(text)?;
    let answer = query.instant(series, at.as_millisecond(), &Options::default());
    let wrong = |why: String| AskError::Query { query: text.to_owned(), why };
    let Value::Vector(elements) = answer.map_err(|it| wrong(it.to_string()))?.value else {
        return Err(shape(text, "no numbers of series"));
    };
    let row = |it: Element| match it.sample {
        Sample::Float(value) => Some((it.labels, value)),
        Sample::Histogram(_) => None,
    };
    Ok(elements.into_iter().filter_map(row).collect())
}

/// What a query is worth over series at hand.
fn evaluated(series: &dyn Series, question: &Question) -> Result<Answer, AskError> {
    answered(series, &parsed(&question.query)?, question.when, &Options::default())
}

/// A query, read.
pub(crate) fn parsed(text: &str) -> Result<Query, AskError> {
    Query::parse(text).map_err(|problems| {
        let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
        AskError::Query { query: text.to_owned(), why: said.join("; ") }
    })
}

/// What a query that was read is worth over series at hand.
pub(crate) fn answered(
    series: &dyn Series,
    query: &Query,
    when: When,
    options: &Options<'_>,
) -> Result<Answer, AskError> {
    let text = query.text();
    let wrong = |why: String| AskError::Query { query: text.to_owned(), why };
    match when {
        When::At(at) => {
            let answer = query.instant(series, at.as_millisecond(), options);
            single(text, answer.map_err(|it| wrong(it.to_string()))?.value)
        }
        When::Every { steps: 0, .. } => Ok(Answer::new()),
        When::Every { first, step, steps } => {
            let mut all = Answer::with_capacity(steps);
            for part in when.split(PART) {
                let When::Every { first, steps, .. } = part else { continue };
                let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
                let from = first.as_millisecond();
                let until = from + step * (steps.cast_signed() as i64 - 1);
                let answer = query.range(series, (from, until), step, options);
                let value = answer.map_err(|it| wrong(it.to_string()))?.value;
                let Value::Matrix(mut lines) = value else {
                    return Err(shape(text, "no range of numbers"));
                };
                let line = lines.pop();
                if !lines.is_empty() {
                    return Err(shape(text, &format!("{} series", lines.len() + 1)));
                }
                let mut row = Row::new(first, part_step(part), steps);
                for it in line.iter().flat_map(|it| &it.samples.points) {
                    row.put(it.at, it.value);
                }
                all.extend(row.values);
            }
            debug_assert_eq!(all.len(), steps, "from {first}");
            Ok(all)
        }
    }
}

/// Steps of a range that are asked for at once.
const PART: usize = 50_000;

const fn part_step(of: When) -> Duration {
    match of {
        When::At(_) => Duration::ZERO,
        When::Every { step, .. } => step,
    }
}

fn shape(query: &str, what: &str) -> AskError {
    AskError::Shape { query: query.to_owned(), what: what.to_owned() }
}

fn single(query: &str, value: Value) -> Result<Answer, AskError> {
    let mut elements = match value {
        Value::Scalar(it) => return Ok(vec![Some(it)]),
        Value::Vector(it) => it,
        Value::Text(_) | Value::Matrix(_) => return Err(shape(query, "no number")),
    };
    let element = elements.pop();
    if !elements.is_empty() {
        return Err(shape(query, &format!("{} series", elements.len() + 1)));
    }
    match element.map(|it| it.sample) {
        None => Ok(vec![None]),
        Some(Sample::Float(it)) => Ok(vec![Some(it)]),
        Some(Sample::Histogram(_)) => Err(shape(query, "a histogram")),
    }
}

/// Numbers at moments that are equally far apart.
pub(super) struct Row {
    first: i64,
    step: i64,
    pub(super) values: Answer,
}

impl Row {
    pub(super) fn new(first: Timestamp, step: Duration, steps: usize) -> Self {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        Self { first: first.as_millisecond(), step, values: vec![None; steps] }
    }

    /// Puts a number at a moment, in milliseconds since 1970.
    pub(super) fn put(&mut self, at: i64, value: f64) {
        let place = at.saturating_sub(self.first) / self.step;
        if let Some(it) = usize::try_from(place).ok().and_then(|it| self.values.get_mut(it)) {
            *it = Some(value);
        }
    }
}
