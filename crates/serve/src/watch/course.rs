//! Course: the history of an objective, which grows by a slice now and then.
//!
//! To ask for a month in 720 slices takes a hundred times what a round may take. The slices are therefore those that end at
//! multiples of their length: in a round in which none has ended nothing is asked, else the slices that have, and those
//! for which samples may still have come. These are asked for anyway while the last slice is without data, and when samples
//! have come for what is known.

use std::time::Duration;

use evenkeel_series::{STALE, is_stale};
use evenkeel_slo::asking::{Answer, Question, SLICE, When};
use evenkeel_slo::{Interval, Objective};
use jiff::Timestamp;

use super::moment::millis;
use crate::objectives::{Ask, AskError, Judged, SLICES, Told, is_by_pieces, judge_by};

/// The course of an objective, and the answers that it will grow from.
#[derive(Debug)]
pub(super) struct Course {
    told: Told,
    asked: Vec<(Question, Packed)>,
}

/// An answer in half the room: there are two of each of thousands of objectives. No query answers with the mark of what has
/// ended, so that it stands for nothing.
#[derive(Debug)]
struct Packed(Box<[f64]>);

impl Packed {
    fn of(answer: &Answer) -> Self {
        Self(answer.iter().map(|it| it.unwrap_or(STALE)).collect())
    }

    fn unpacked(&self) -> Answer {
        self.0.iter().map(|it| (!is_stale(*it)).then_some(*it)).collect()
    }
}

/// What may have come since the last round.
#[derive(Copy, Clone, Debug)]
pub(super) struct Arrivals {
    /// So far behind the latest of its series.
    pub(super) late: Duration,
    /// The earliest that did, in milliseconds since 1970: a series that was silent may go on where it was, hours ago.
    pub(super) earliest: i64,
}

/// Judges an objective at a moment, and keeps its course for the next time. What is judged slice by slice is judged as of the
/// end of a slice.
pub(super) async fn judge(
    source: &impl Ask,
    of: &Objective,
    at: Timestamp,
    arrivals: Arrivals,
    kept: &mut Option<Course>,
) -> Result<Judged, AskError> {
    let by_pieces = is_by_pieces(of, at);
    let slice = match by_pieces {
        true => SLICE.max(of.length / SLICES),
        false => of.asking.frame(of.reach(at), SLICE).slice(),
    };
    let end = whole(at, slice);
    let over = if by_pieces { of.elapsed(end) } else { of.reach(end) };
    let over = Interval::new(whole(over.from, slice), end);
    let known = kept.take().filter(|it| it.told.history.slice() == slice);
    let course = match known {
        // Where nothing has come yet, what comes is seen at once.
        Some(known)
            if known.told.history.bounds().to == end
                && !ends_in_a_gap(&known)
                && arrivals.earliest > end.as_millisecond() =>
        {
            known
        }
        known => {
            let frame = of.asking.frame(over, slice);
            let questions = of.asking.slices(frame);
            let mut answers = Vec::with_capacity(questions.len());
            let mut known = known.map(|it| it.asked).unwrap_or_default().into_iter();
            for question in &questions {
                answers.push(answer(source, question, known.next(), arrivals).await?);
            }
            let told = Told::of(of, frame, &questions, &answers)?;
            let asked = questions.into_iter().zip(answers.iter().map(Packed::of)).collect();
            Course { told, asked }
        }
    };
    let judged = judge_by(source, of, if by_pieces { at } else { end }, &course.told).await;
    *kept = Some(course);
    judged
}

fn ends_in_a_gap(known: &Course) -> bool {
    known.told.history.slices().last().is_some_and(|it| it.1.is_none())
}

/// The answer to a question, of which the beginning may be known.
async fn answer(
    source: &impl Ask,
    question: &Question,
    known: Option<(Question, Packed)>,
    arrivals: Arrivals,
) -> Result<Answer, AskError> {
    let known = known.and_then(|known| beginning(question, known, arrivals));
    let Some((mut answer, rest)) = known else { return source.ask(question).await };
    let rest = source.ask(&Question { query: question.query.clone(), when: rest }).await?;
    answer.extend(rest);
    Ok(answer)
}

/// What of an answer is known, and which moments are still to be asked of.
fn beginning(
    question: &Question,
    (before, known): (Question, Packed),
    Arrivals { late, earliest }: Arrivals,
) -> Option<(Answer, When)> {
    let When::Every { first, step, steps } = question.when else { return None };
    let When::Every { first: known_first, step: known_step, .. } = before.when else { return None };
    if before.query != question.query || known_step != step || first < known_first {
        return None;
    }
    let apart = first.duration_since(known_first).as_millis();
    let step_ms = i128::from(millis(step).max(1));
    if apart % step_ms != 0 {
        return None;
    }
    let gone = usize::try_from(apart / step_ms).ok()?;
    let unsure = usize::try_from(late.as_millis().div_ceil(step_ms.unsigned_abs())).ok()?;
    let mut known = known.unpacked();
    known.truncate(known.len().saturating_sub(unsure));
    // What came at a moment counts from there on.
    let before = earliest.saturating_sub(known_first.as_millisecond()).max(0);
    let sure = i128::from(before).unsigned_abs().div_ceil(step_ms.unsigned_abs());
    known.truncate(usize::try_from(sure).unwrap_or(usize::MAX));
    let answer = known.split_off(gone.min(known.len()));
    let sure = answer.len().min(steps);
    let begin = first.checked_add(step.saturating_mul(u32::try_from(sure).ok()?)).ok()?;
    let rest = When::Every { first: begin, step, steps: steps - sure };
    (sure == answer.len()).then_some((answer, rest))
}

/// The last multiple of a length up to a moment.
fn whole(at: Timestamp, slice: Duration) -> Timestamp {
    let (at, slice) = (at.as_millisecond(), millis(slice).max(1));
    Timestamp::from_millisecond(at.div_euclid(slice) * slice).unwrap_or(Timestamp::MIN)
}
