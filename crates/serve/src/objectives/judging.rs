//! Judging: an objective's questions are put, and what the answers mean is said.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_slo::asking::{Answer, Frame, Question, SLICE};
use evenkeel_slo::standing::Counted;
use evenkeel_slo::{Counts, Coverage, History, Interval, Objective, Standing};
use jiff::Timestamp;

use super::source::AskError;

/// A window is looked at in so many slices, to see where there is data.
pub(crate) const SLICES: u32 = 720;
/// An objective with more times that do not count is judged by its history.
const PIECES_MAX: usize = 64;

/// How an objective stands, and what it was judged by.
#[derive(Clone, Debug)]
pub struct Judged {
    /// How it stands.
    pub standing: Standing,
    /// Its course, in slices, with gaps and with the times that do not count.
    pub history: Arc<History>,
    /// What was asked for the window.
    pub queries: Vec<String>,
    /// What is wrong with what was asked.
    pub flaw: Option<String>,
}

/// Who answers questions.
pub trait Ask {
    /// Puts a question.
    ///
    /// # Errors
    /// When nobody answers, or with something else than a number for each moment.
    fn ask(&self, question: &Question) -> impl Future<Output = Result<Answer, AskError>>;

    /// What an objective asks for the counts of an interval, answered.
    ///
    /// # Errors
    /// When nobody answers.
    fn whole(
        &self,
        of: &Objective,
        over: Interval,
    ) -> impl Future<Output = Result<Asked, AskError>> {
        Asked::by(self, of.asking.whole(over))
    }

    /// What an objective asks for its history, answered.
    ///
    /// # Errors
    /// When nobody answers.
    fn slices(
        &self,
        of: &Objective,
        frame: Frame,
    ) -> impl Future<Output = Result<Asked, AskError>> {
        Asked::by(self, of.asking.slices(frame))
    }

    /// How much of an interval there is data of, where that is known better than a history in slices tells.
    fn coverage(&self, _of: &Objective, _over: Interval) -> Option<Coverage> {
        None
    }
}

/// Answers, and what was asked for them; whoever counted by himself is asked nothing.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// What was asked.
    pub questions: Vec<Question>,
    /// What was answered.
    pub answers: Vec<Answer>,
}

impl Asked {
    /// Puts questions.
    pub(super) async fn by<A: Ask + ?Sized>(
        source: &A,
        questions: Vec<Question>,
    ) -> Result<Self, AskError> {
        let mut answers = Vec::new();
        for question in &questions {
            answers.push(source.ask(question).await?);
        }
        Ok(Self { questions, answers })
    }
}

/// Judges an objective at a moment.
///
/// # Errors
/// When the source does not answer.
pub async fn judge(source: &impl Ask, of: &Objective, at: Timestamp) -> Result<Judged, AskError> {
    let over = if is_by_pieces(of, at) { of.elapsed(at) } else { of.reach(at) };
    let told = told(source, of, over, slice(of, of.intervals(at).len(), over)).await?;
    judge_by(source, of, at, &told).await
}

/// Whether the intervals that matter are each asked for as a whole. Otherwise their counts come of the history.
pub(crate) fn is_by_pieces(of: &Objective, at: Timestamp) -> bool {
    are_asked_for(of, of.intervals(at).len())
}

fn are_asked_for(of: &Objective, intervals: usize) -> bool {
    of.asking.is_whole() && intervals <= PIECES_MAX
}

/// The slices of a history from which, or beside which, so many intervals are counted.
fn slice(of: &Objective, intervals: usize, over: Interval) -> Duration {
    match are_asked_for(of, intervals) {
        true => SLICE.max(over.length() / SLICES),
        false => SLICE,
    }
}

/// Judges an objective at a moment of which the history is known, up to a slice before it.
///
/// # Errors
/// When the source does not answer.
pub(crate) async fn judge_by(
    source: &impl Ask,
    of: &Objective,
    at: Timestamp,
    told: &Told,
) -> Result<Judged, AskError> {
    let elapsed = of.elapsed(at);
    let Found { counted, queries, flaw } =
        found(source, of, told, elapsed, of.intervals(at)).await?;
    let history = Arc::clone(&told.history);
    let behind = at.duration_since(history.bounds().to);
    let back = |it: Timestamp| it.checked_sub(behind).unwrap_or(it);
    let seen = || history.coverage(Interval::new(back(elapsed.from), back(elapsed.to)));
    let coverage = source.coverage(of, elapsed).unwrap_or_else(seen);
    let standing = of.standing(at, &counted, coverage);
    Ok(Judged { standing, history, queries, flaw })
}

/// What was counted over a time, without what does not count of it.
#[derive(Clone, Debug)]
pub struct Counting {
    /// It; `None` without data.
    pub counts: Option<Counts>,
    /// Its course, in slices, with gaps and with the times that do not count.
    pub history: Arc<History>,
    /// What was asked for it.
    pub queries: Vec<String>,
    /// What is wrong with what was asked.
    pub flaw: Option<String>,
}

/// Counts what an objective counts, over a time that need not be its window.
///
/// # Errors
/// When the source does not answer.
pub async fn count(
    source: &impl Ask,
    of: &Objective,
    over: Interval,
) -> Result<Counting, AskError> {
    let pieces: Vec<_> = of.counted_of(over).into_iter().collect();
    let told = told(source, of, over, slice(of, pieces.len(), over)).await?;
    let Found { counted, queries, flaw } = found(source, of, &told, over, pieces).await?;
    let known: Vec<_> = counted.into_values().flatten().collect();
    let counts = (!known.is_empty()).then(|| known.into_iter().sum());
    Ok(Counting { counts, history: told.history, queries, flaw })
}

/// The counts of intervals, and what was asked for them.
struct Found {
    counted: Counted,
    queries: Vec<String>,
    flaw: Option<String>,
}

async fn found(
    source: &impl Ask,
    of: &Objective,
    told: &Told,
    window: Interval,
    intervals: Vec<Interval>,
) -> Result<Found, AskError> {
    let mut flaw = told.flaw.clone();
    let mut counted = Counted::new();
    let mut queries = told.queries.clone();
    if are_asked_for(of, intervals.len()) {
        for interval in intervals {
            let answers = source.whole(of, interval).await?.answers;
            flaw = flaw.or_else(|| of.asking.flaw(&answers));
            counted.insert(interval, of.asking.counted(interval, &answers));
        }
        // Who counted by himself was asked nothing.
        if !queries.is_empty() {
            queries = of.asking.whole(window).into_iter().map(|it| it.query).collect();
        }
    } else {
        let filled = told.history.filled(of.asking.gaps(), of.asking.unit());
        let counts = |it: &Interval| -> Option<Counts> { filled.counts(*it) };
        counted.extend(intervals.into_iter().map(|it| (it, counts(&it))));
    }
    Ok(Found { counted, queries, flaw })
}

/// The course of an objective over an interval, in slices of `slice` or of its own, without the times that do not count and
/// with what gaps mean.
///
/// # Errors
/// When the source does not answer.
pub async fn history(
    source: &impl Ask,
    of: &Objective,
    over: Interval,
    slice: Duration,
) -> Result<History, AskError> {
    let told = told(source, of, over, slice).await?;
    let excluded = of.exclusions.iter().flat_map(|it| it.within(over)).collect();
    let filled = told.history.filled(of.asking.gaps(), of.asking.unit());
    Ok(filled.without(&excluded))
}

/// The course of an objective, with its gaps.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) history: Arc<History>,
    /// What was asked for it.
    queries: Vec<String>,
    /// What is wrong with what was asked.
    flaw: Option<String>,
}

impl Told {
    /// What the answers for a frame tell.
    ///
    /// # Errors
    /// When there are more slices than a history has.
    pub(crate) fn of(
        objective: &Objective,
        frame: Frame,
        questions: &[Question],
        answers: &[Answer],
    ) -> Result<Self, AskError> {
        let queries: Vec<_> = questions.iter().map(|it| it.query.clone()).collect();
        let history = objective.asking.history(frame, answers);
        let history = history
            .map_err(|it| AskError::Query { query: queries.join("; "), why: it.to_string() })?;
        let flaw = objective.asking.flaw(answers);
        Ok(Self { history: Arc::new(history), queries, flaw })
    }
}

/// Asks for the course of an objective over an interval, in slices of `slice` or of its own.
///
/// # Errors
/// When the source does not answer.
async fn told(
    source: &impl Ask,
    of: &Objective,
    over: Interval,
    slice: Duration,
) -> Result<Told, AskError> {
    let frame = of.asking.frame(over, slice);
    let Asked { questions, answers } = source.slices(of, frame).await?;
    Told::of(of, frame, &questions, &answers)
}
