//! Judging: an objective's questions are put, and what the answers mean is said.

use std::time::Duration;

use evenkeel_slo::asking::SLICE;
use evenkeel_slo::standing::Counted;
use evenkeel_slo::{Counts, History, Interval, Objective, Standing};
use jiff::Timestamp;

use super::source::{AskError, Source};

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
    let elapsed = of.elapsed(at);
    let intervals = of.intervals(at);
    let by_pieces = of.asking.is_whole() && intervals.len() <= PIECES_MAX;
    let (reach, slice) = match by_pieces {
        true => (elapsed, SLICE.max(elapsed.length() / SLICES)),
        false => (of.reach(at), SLICE),
    };
    let Told { history, queries: asked, mut flaw } = told(source, of, reach, slice).await?;
    let mut counted = Counted::new();
    let mut queries = asked;
    if by_pieces {
        queries = of.asking.whole(elapsed).into_iter().map(|it| it.query).collect();
        for interval in intervals {
            let mut answers = Vec::new();
            for question in of.asking.whole(interval) {
                answers.push(source.ask(&question).await?);
            }
            flaw = flaw.or_else(|| of.asking.flaw(&answers));
            counted.insert(interval, of.asking.counted(interval, &answers));
        }
    } else {
        let filled = history.filled(of.asking.gaps(), of.asking.unit());
        let counts = |it: &Interval| -> Option<Counts> { filled.counts(*it) };
        counted.extend(intervals.into_iter().map(|it| (it, counts(&it))));
    }
    let standing = of.standing(at, &counted, history.coverage(elapsed));
    Ok(Judged { standing, history, queries, flaw })
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
    let told = told(source, of, over, slice).await?;
    let excluded = of.exclusions.iter().flat_map(|it| it.within(over)).collect();
    let filled = told.history.filled(of.asking.gaps(), of.asking.unit());
    Ok(filled.without(&excluded))
}

struct Told {
    history: History,
    queries: Vec<String>,
    flaw: Option<String>,
}

async fn told(
    source: &Source,
    of: &Objective,
    over: Interval,
    slice: Duration,
) -> Result<Told, AskError> {
    let frame = of.asking.frame(over, slice);
    let (mut answers, mut queries) = (Vec::new(), Vec::new());
    for question in of.asking.slices(frame) {
        answers.push(source.ask(&question).await?);
        queries.push(question.query);
    }
    let history = of.asking.history(frame, &answers);
    let history =
        history.map_err(|it| AskError::Query { query: queries.join("; "), why: it.to_string() })?;
    Ok(Told { history, flaw: of.asking.flaw(&answers), queries })
}
