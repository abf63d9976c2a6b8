//! Judging: an objective's questions are put, and what the answers mean is said.

use std::time::Duration;

use evenkeel_slo::asking::SLICE;
use evenkeel_slo::standing::Counted;
use evenkeel_slo::{Counts, History, Interval, Objective, Standing};
use jiff::Timestamp;

use super::source::{AskError, Source, Told};

/// A window is looked at in so many slices, to see where there is data.
const SLICES: u32 = 720;
/// An objective with more times that do not count is judged by its history.
const PIECES_MAX: usize = 64;

/// How an objective stands, and what it was judged by.
#[derive(Clone, Debug)]
pub struct Judged {
    /// How it stands.
    pub standing: Standing,
    /// Its course, in slices, with gaps and with the times that do not count.
    pub history: History,
    /// What was asked for the window.
    pub queries: Vec<String>,
    /// What is wrong with what was asked.
    pub flaw: Option<String>,
}

/// Judges an objective at a moment.
///
/// # Errors
/// When the source does not answer.
pub async fn judge(source: &Source, of: &Objective, at: Timestamp) -> Result<Judged, AskError> {
    let (elapsed, intervals) = (of.elapsed(at), of.intervals(at));
    let Answered { counted, history, queries, flaw } =
        answered(source, of, (elapsed, of.reach(at)), intervals).await?;
    let coverage = source.coverage(of, elapsed).unwrap_or_else(|| history.coverage(elapsed));
    let standing = of.standing(at, &counted, coverage);
    Ok(Judged { standing, history, queries, flaw })
}

/// What was counted over a time, without what does not count of it.
#[derive(Clone, Debug)]
pub struct Counting {
    /// It; `None` without data.
    pub counts: Option<Counts>,
    /// Its course, in slices, with gaps and with the times that do not count.
    pub history: History,
    /// What was asked for it.
    pub queries: Vec<String>,
    /// What is wrong with what was asked.
    pub flaw: Option<String>,
}

/// Counts what an objective counts, over a time that need not be its window.
///
/// # Errors
/// When the source does not answer.
pub async fn count(source: &Source, of: &Objective, over: Interval) -> Result<Counting, AskError> {
    let pieces: Vec<_> = of.counted_of(over).into_iter().collect();
    let answered = answered(source, of, (over, over), pieces).await?;
    let Answered { counted, history, queries, flaw } = answered;
    let known: Vec<_> = counted.into_values().flatten().collect();
    let counts = (!known.is_empty()).then(|| known.into_iter().sum());
    Ok(Counting { counts, history, queries, flaw })
}

struct Answered {
    counted: Counted,
    history: History,
    queries: Vec<String>,
    flaw: Option<String>,
}

/// The counts of intervals, and the course of a window; `reach` is everything that one of them needs.
async fn answered(
    source: &Source,
    of: &Objective,
    (window, reach): (Interval, Interval),
    intervals: Vec<Interval>,
) -> Result<Answered, AskError> {
    let by_pieces = of.asking.is_whole() && intervals.len() <= PIECES_MAX;
    let (reach, slice) = match by_pieces {
        true => (window, SLICE.max(window.length() / SLICES)),
        false => (reach, SLICE),
    };
    let Course { history, mut queries, mut flaw } = course(source, of, reach, slice).await?;
    let mut counted = Counted::new();
    if by_pieces {
        for interval in intervals {
            let told = source.whole(of, interval).await?;
            flaw = flaw.or_else(|| of.asking.flaw(&told.answers));
            counted.insert(interval, of.asking.counted(interval, &told.answers));
        }
        if !queries.is_empty() {
            queries = of.asking.whole(window).into_iter().map(|it| it.query).collect();
        }
    } else {
        let filled = history.filled(of.asking.gaps(), of.asking.unit());
        let counts = |it: &Interval| -> Option<Counts> { filled.counts(*it) };
        counted.extend(intervals.into_iter().map(|it| (it, counts(&it))));
    }
    Ok(Answered { counted, history, queries, flaw })
}

/// The course of an objective over an interval, in slices of `slice` or of its own, without the times that do not count and
/// with what gaps mean.
///
/// # Errors
/// When the source does not answer.
pub async fn history(
    source: &Source,
    of: &Objective,
    over: Interval,
    slice: Duration,
) -> Result<History, AskError> {
    let told = course(source, of, over, slice).await?;
    let excluded = of.exclusions.iter().flat_map(|it| it.within(over)).collect();
    let filled = told.history.filled(of.asking.gaps(), of.asking.unit());
    Ok(filled.without(&excluded))
}

struct Course {
    history: History,
    queries: Vec<String>,
    flaw: Option<String>,
}

async fn course(
    source: &Source,
    of: &Objective,
    over: Interval,
    slice: Duration,
) -> Result<Course, AskError> {
    let frame = of.asking.frame(over, slice);
    let Told { answers, queries } = source.slices(of, frame).await?;
    let history = of.asking.history(frame, &answers);
    let history =
        history.map_err(|it| AskError::Query { query: queries.join("; "), why: it.to_string() })?;
    Ok(Course { history, flaw: of.asking.flaw(&answers), queries })
}
