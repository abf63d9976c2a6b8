//! Recovery: when did a fault show, and when was the service well again?
//!
//! A second is *unwell* when, counted alone, it spends the error budget of an objective at least ten
//! times as fast as the objective allows (a burn rate of 10), by two bad requests or more. Without
//! objectives, a second is unwell when more than 1 % of its requests fail, or when its median is over three
//! times the undisturbed p95.
//!
//! - **Time to detect**: from the start of a fault to the end of the first unwell second while it acts.
//! - **Time to recover**: from the end of a fault to the end of the last unwell second after it, up to the
//!   next fault. Faults that act once are timed from their start.

use std::time::Duration;

use evenkeel_model::Frame;
use evenkeel_model::document::Indicator;
use evenkeel_slo::{Budget, count};
use evenkeel_units::{Moment, Ratio};

use crate::objective::{implied, series_of};
use crate::run::Run;
use crate::tally::Tally;

/// Burn rate from which a second is unwell.
const BURN: f64 = 10.0;
/// Fewer bad requests than this are chance.
const LEAST_BAD: u64 = 2;
const SECOND: Duration = Duration::from_secs(1);

/// How the service answered to one fault.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// Time to detect; `None` when it never showed.
    pub detected_after: Option<Duration>,
    /// Time to recover; zero when it never showed; `None` when it did not recover within the run.
    pub recovered_after: Option<Duration>,
}

/// For each second of load in order, whether the service was unwell.
pub(crate) fn unwell(run: &Run) -> Vec<bool> {
    let calm = Tally::of(run.undisturbed());
    let slow = calm.good_times().quantile(0.95).map(|it| it * 3);
    run.frames
        .iter()
        .map(|frame| match run.plan.objectives.is_empty() {
            false => run.plan.objectives.iter().any(|slo| breaks(run, frame, slo)),
            true => {
                let tally = Tally::of([frame]);
                let bad = tally.total() - tally.good();
                let failing = bad >= LEAST_BAD && bad * 100 > tally.total();
                let median = tally.good_times().quantile(0.5);
                failing || matches!((median, slow), (Some(median), Some(slow)) if median > slow)
            }
        })
        .collect()
}

fn breaks(run: &Run, frame: &Frame, slo: &evenkeel_model::document::Slo) -> bool {
    if let Indicator::Throughput { min } = slo.indicator {
        // Judged only where as much was asked for.
        return frame.planned as f64 >= min.get() && (frame.good() as f64) < min.get() * 0.9;
    }
    let missed = if slo.route.is_none() { frame.missed } else { 0 };
    let counts = count(slo.indicator, series_of(&run.plan, frame, slo), missed);
    let objective = implied(slo).unwrap_or(Ratio::percent(99));
    let spent = Budget { objective, counts }.spent();
    // Beyond a tenth of bad requests no objective is met, however low its promise.
    let share = counts.bad() as f64 / counts.total.max(1) as f64;
    counts.bad() >= LEAST_BAD
        && (spent.is_some_and(|it| it >= BURN) || share > objective.rest().get().max(0.1))
}

/// How the service answered to each fault of `run`.
pub(crate) fn recoveries(run: &Run) -> Vec<Recovery> {
    let unwell = unwell(run);
    let sick: Vec<Moment> = run
        .frames
        .iter()
        .zip(&unwell)
        .filter(|(_, it)| **it)
        .map(|(frame, _)| frame.from())
        .collect();
    let end = run.frames.last().map_or(Moment::START, |it| it.from() + SECOND);
    let one = |index: usize| {
        let track = &run.faults[index];
        let one_shot = run.plan.faults[index].fault.is_one_shot();
        let from = track.from?;
        let over = if one_shot { from } else { track.to.unwrap_or(end) };
        let next =
            run.faults.iter().filter_map(|it| it.from).filter(|it| *it > over).min().unwrap_or(end);
        let acting_until = if one_shot { next } else { over };
        let detected = sick
            .iter()
            .find(|at| from < **at + SECOND && **at < acting_until)
            .map(|at| *at + SECOND - from);
        // Seconds in which another fault still acts say nothing about the recovery from this one.
        let others = |at: Moment| {
            run.faults.iter().enumerate().any(|(other, it)| {
                let lasting = !run.plan.faults[other].fault.is_one_shot();
                other != index
                    && lasting
                    && it.from.is_some_and(|f| f < at + SECOND)
                    && it.to.is_none_or(|t| at < t)
            })
        };
        let last = sick.iter().rfind(|at| over < **at + SECOND && **at < next && !others(**at));
        let recovered = match last {
            None => Some(Duration::ZERO),
            Some(at) if *at + SECOND >= end => None,
            Some(at) => Some(*at + SECOND - over),
        };
        Some(Recovery { detected_after: detected, recovered_after: recovered })
    };
    (0..run.faults.len()).map(|index| one(index).unwrap_or_default()).collect()
}
