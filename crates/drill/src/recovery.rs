//! Recovery: when did a fault show, and when was the service well again?
//!
//! A second is *unwell* when, counted alone, it spends the error budget of an objective at least ten
//! times as fast as the objective allows (a burn rate of 10), by two bad requests or more. Without
//! objectives, a second is unwell when more than 1 % of its requests fail, or when its median is over three
//! times the undisturbed p95.
//!
//! Where probes stand for load, it is tenths of a second: the service is unwell from an answer that does not hold to
//! the next of that probe that does. A probe says itself what is too late, and one answer of it is no chance.
//!
//! - **Time to detect**: from the start of a fault to the end of the first unwell second while it acts, or
//!   while requests that it held up can still come back.
//! - **Time to recover**: from the end of a fault to the end of the last unwell second after it, up to the
//!   next fault. Faults that act once are timed from their start.
//!
//! A user notices when an answer comes; so detection goes by when outcomes were known. A service has recovered
//! when new requests are answered well; so recovery goes by when requests were *due*: a request that hung in a
//! fault and runs into its timeout half a minute later says nothing about the service then.
//!
//! A fault that ends while another one acts is not timed: what follows is the wake of the other. Faults that
//! end within the same second share it.

use std::collections::VecDeque;
use std::mem::take;
use std::time::Duration;

use evenkeel_model::document::{Indicator, When};
use evenkeel_model::{Distribution, Frame, Series};
use evenkeel_slo::Budget;
use evenkeel_units::{Moment, Ratio};

use crate::frames::Frames;
use crate::objective::{asks_for_throughput, counts, series_of};
use crate::probing::{answered_within, counted};
use crate::run::{FaultTrack, ProbeAnswer, Run};
use crate::tally::Tally;

/// Burn rate from which a second is unwell.
const BURN: f64 = 10.0;
/// Fewer bad requests than this are chance.
const LEAST_BAD: u64 = 2;
/// When the next fault begins sooner than after this, being unwell until then is no proof that the
/// service would have stayed so.
const LEAST_WATCHED: Duration = Duration::from_secs(3);
const SECOND: Duration = Duration::from_secs(1);
const TENTH: Duration = Duration::from_millis(100);

/// How the service answered to one fault.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// Time to detect; `None` when it never showed.
    pub detected_after: Option<Duration>,
    /// Time to recover; zero when it never showed; `None` when it did not recover within the run.
    pub recovered_after: Option<Duration>,
}

/// For each of `frames`, when it begins and whether the service was unwell in it.
fn unwell(run: &Run, frames: &Frames) -> Vec<(Moment, bool)> {
    let calm = Tally::of(run.undisturbed());
    let slow = calm.good_times().quantile(0.95).map(|it| it * 3);
    frames
        .iter()
        .map(|frame| {
            let unwell = match run.plan.objectives.is_empty() {
                false => run.plan.objectives.iter().any(|slo| breaks(run, &frame, slo)),
                true => {
                    let tally = Tally::of([&frame]);
                    let bad = tally.total() - tally.good();
                    let failing = bad >= LEAST_BAD && bad * 100 > tally.total();
                    let median = tally.good_times().quantile(0.5);
                    failing || matches!((median, slow), (Some(median), Some(slow)) if median > slow)
                }
            };
            (frame.from(), unwell)
        })
        .collect()
}

fn breaks(run: &Run, frame: &Frame, slo: &evenkeel_model::document::Slo) -> bool {
    if let Indicator::Throughput { min } = slo.indicator {
        // Judged only where as much was asked for.
        let good: u64 = series_of(&run.plan, frame, slo)
            .filter(|(answer, _)| answer.is_ok())
            .map(|(_, times)| times.count())
            .sum();
        return asks_for_throughput(&run.plan, frame, slo, min.get())
            && (good as f64) < min.get() * 0.9;
    }
    let counts = counts(&run.plan, slo, [frame]);
    let objective = slo.promise().unwrap_or(Ratio::percent(99));
    let spent = Budget { objective, counts }.spent();
    // Beyond a tenth of bad requests no objective is met, however low its promise.
    let share = counts.bad() as f64 / counts.total.max(1) as f64;
    counts.bad() >= LEAST_BAD
        && (spent.is_some_and(|it| it >= BURN) || share > objective.rest().get().max(0.1))
}

/// The seconds of load with every outcome moved to the last second in which its request can have been due.
/// A frame knows when an outcome came and how long it took, which tells the due time to within a second.
pub(crate) fn by_due(run: &Run) -> Frames {
    // Arrivals are given up when their timeout has passed.
    let given_up = whole_seconds(answered_within(&run.plan));
    let longest = run.frames.iter().map(|it| longest(&it, given_up)).max().unwrap_or(0);
    let mut moved = run.frames.alike();
    // The seconds that something can still be moved to, the oldest first.
    let mut open: VecDeque<Frame> = VecDeque::new();
    for mut frame in &run.frames {
        let (all, missed) = (take(&mut frame.series), take(&mut frame.missed));
        open.push_back(frame);
        let last = open.len() - 1;
        open[last.saturating_sub(given_up)].missed += missed;
        for series in &all {
            for (micros, count) in &series.response_micros.micros {
                let back = whole_seconds(Duration::from_micros(*micros));
                let to = &mut open[last.saturating_sub(back)].series;
                match to
                    .iter_mut()
                    .find(|it| (it.route, it.answer) == (series.route, series.answer))
                {
                    Some(it) => it.response_micros.micros.push((*micros, *count)),
                    None => to.push(Series {
                        route: series.route,
                        answer: series.answer,
                        response_micros: Distribution { micros: vec![(*micros, *count)] },
                        service_micros: Distribution::default(),
                    }),
                }
            }
        }
        if last >= longest {
            open.pop_front().iter().for_each(|it| moved.push(it));
        }
    }
    open.iter().for_each(|it| moved.push(it));
    moved
}

/// How many seconds before this one something of it was due.
fn longest(frame: &Frame, given_up: usize) -> usize {
    let times = frame.series.iter().flat_map(|it| &it.response_micros.micros).map(|it| it.0);
    let longest = whole_seconds(Duration::from_micros(times.max().unwrap_or(0)));
    if frame.missed > 0 { longest.max(given_up) } else { longest }
}

fn whole_seconds(of: Duration) -> usize {
    usize::try_from(of.as_secs()).unwrap_or(usize::MAX)
}

/// How the service answered to each fault of `run`.
pub(crate) fn recoveries(run: &Run) -> Vec<Recovery> {
    if run.faults.is_empty() {
        return Vec::new();
    }
    let course = match &run.plan.load {
        Some(_) => {
            Course { step: SECOND, seen: unwell(run, &run.frames), due: unwell(run, &by_due(run)) }
        }
        None => Course {
            step: TENTH,
            seen: told(run, |it| it.at),
            due: told(run, |it| Moment::at(it.at.elapsed().saturating_sub(it.took))),
        },
    };
    (0..run.faults.len()).map(|fault| one(run, fault, &course).unwrap_or_default()).collect()
}

/// How the service was, step by step.
struct Course {
    /// How long each step is.
    step: Duration,
    /// When each step begins, and whether the service was seen unwell in it.
    seen: Vec<(Moment, bool)>,
    /// Likewise, by when requests were due.
    due: Vec<(Moment, bool)>,
}

/// For each tenth of a second, when it begins and whether the last answer of a probe, at the moment that `when` says, did
/// not hold.
fn told(run: &Run, when: impl Fn(&ProbeAnswer) -> Moment) -> Vec<(Moment, bool)> {
    let counts = counted(&run.plan);
    let is_asked = |it: &&ProbeAnswer| it.when == When::During && counts[it.probe].is_some();
    let answers = run.probes.iter().filter(is_asked);
    let mut answers: Vec<_> = answers.map(|it| (when(it), it.probe, it.held)).collect();
    answers.sort();
    let mut answers = answers.into_iter().peekable();
    let mut held = vec![true; counts.len()];
    let steps = run.duration().as_millis().div_ceil(TENTH.as_millis());
    (0..u32::try_from(steps).unwrap_or(u32::MAX))
        .map(|step| {
            let (from, to) = (Moment::at(TENTH * step), Moment::at(TENTH * (step + 1)));
            let mut unwell = held.contains(&false);
            while let Some((_, probe, holds)) = answers.next_if(|it| it.0 < to) {
                held[probe] = holds;
                unwell |= !holds;
            }
            (from, unwell)
        })
        .collect()
}

fn one(run: &Run, fault: usize, course: &Course) -> Option<Recovery> {
    let Course { step, seen, due } = course;
    let step = *step;
    let end = Moment::at(run.duration());
    let track = &run.faults[fault];
    let one_shot = run.plan.faults[fault].fault.is_one_shot();
    let from = track.from?;
    let over = if one_shot { from } else { track.to.unwrap_or(end) };
    let next = run.faults.iter().filter_map(|it| it.from).filter(|it| *it > over).min();
    let shows_until = match (one_shot, next) {
        (true, next) => next,
        (false, next) => {
            // What it held up comes back by its timeout.
            let wake = over + answered_within(&run.plan) + step;
            Some(next.map_or(wake, |it| it.min(wake)))
        }
    };
    let lasting = |other: usize| other != fault && !run.plan.faults[other].fault.is_one_shot();
    let others = || (0..run.faults.len()).filter(|it| lasting(*it)).map(|it| &run.faults[it]);
    let outlasts = |it: &FaultTrack| it.to.is_none_or(|to| over + step < to);
    let disturbed = |at: Moment| {
        others().any(|it| {
            it.from.is_some_and(|from| from < at + step) && it.to.is_none_or(|to| at < to)
        })
    };
    let detected = seen
        .iter()
        .filter(|(at, sick)| *sick && from < *at + step && shows_until.is_none_or(|it| *at < it))
        .find(|(at, _)| one_shot || *at < over || !disturbed(*at))
        .map(|(at, _)| *at + step - from);
    let within = |it: &FaultTrack| it.from.is_some_and(|from| from <= over) && outlasts(it);
    if over < end && others().any(within) {
        return Some(Recovery { detected_after: detected, recovered_after: Some(Duration::ZERO) });
    }
    let until = next.unwrap_or(end).min(end);
    let watched: Vec<_> = due
        .iter()
        .filter(|(at, _)| over < *at + step && *at < end)
        .filter(|(at, _)| next.is_none_or(|next| *at + step <= next))
        .collect();
    let last_is_sick = watched.last().is_some_and(|(_, sick)| *sick);
    let cut_short =
        until < end && step * u32::try_from(watched.len()).unwrap_or(u32::MAX) < LEAST_WATCHED;
    let recovered_after = match watched.iter().rfind(|(_, sick)| *sick) {
        // Nothing was asked of the service after the fault: how it would have answered nobody knows.
        None if watched.is_empty() && until == end && detected.is_some() => None,
        None => Some(Duration::ZERO),
        Some(_) if last_is_sick && !cut_short => None,
        Some((at, _)) => Some(*at + step - over),
    };
    Some(Recovery { detected_after: detected, recovered_after })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{at, fragile, plan, play, run_of};
    use crate::tally::tests::frame;
    use evenkeel_model::{Answer, Plan};

    fn recovery(mut plan: Plan, world: crate::sample::World<'_>) -> Vec<Recovery> {
        plan.safety.abort.clear();
        recoveries(&run_of(&play(plan, world, |_| None)))
    }

    /// A second in which `count` requests were given up after five seconds.
    fn timeouts(second: u64, good: usize, count: u64) -> Frame {
        let response_micros = Distribution { micros: vec![(5_000_000, count)] };
        let mut frame = frame(second, &vec![12; good], 0);
        frame.planned += count;
        frame.series.push(crate::tally::tests::series(Answer::Timeout, response_micros));
        frame
    }

    #[test]
    fn requests_that_hung_in_a_fault_are_no_illness_after_it() {
        // Held up from 12 to 20; given up from 17 to 25.
        let hung = |second, acting: &[bool]| match second {
            12..=16 => Frame { planned: 100, sent: 100, ..frame(second, &[], 0) },
            17..=19 => timeouts(second, 0, 100),
            20..=23 => timeouts(second, 100, 100),
            _ => fragile(second, acting),
        };
        let latency = recovery(plan(), &hung)[0];
        assert_eq!(latency.detected_after, Some(Duration::from_secs(6)), "seen when it came");
        assert_eq!(latency.recovered_after, Some(Duration::ZERO));
    }

    #[test]
    fn a_fault_that_shows_only_after_its_end_was_detected() {
        let mut plan = plan();
        plan.faults[0].to = at(14);
        let late = |second, acting: &[bool]| match second {
            12 | 13 => Frame { planned: 100, sent: 100, ..frame(second, &[], 0) },
            17 | 18 => timeouts(second, 100, 100),
            _ => fragile(second, acting),
        };
        assert_eq!(recovery(plan, &late)[0].detected_after, Some(Duration::from_secs(6)));
    }

    #[test]
    fn a_fault_within_another_is_not_blamed_for_its_wake() {
        let mut plan = plan();
        (plan.faults[1].from, plan.faults[1].to) = (at(14), at(16));
        let ill = |second, _: &[bool]| match second {
            12..=22 => frame(second, &[820; 100], 0),
            _ => frame(second, &[12; 100], 0),
        };
        let both = recovery(plan, &ill);
        assert_eq!(both[0].recovered_after, Some(Duration::from_secs(3)));
        assert_eq!(both[1].recovered_after, Some(Duration::ZERO));
    }

    #[test]
    fn faults_over_the_same_seconds_share_their_wake() {
        let mut plan = plan();
        (plan.faults[1].from, plan.faults[1].to) = (at(12), at(20));
        let ill = |second, _: &[bool]| match second {
            12..=22 => frame(second, &[820; 100], 0),
            _ => frame(second, &[12; 100], 0),
        };
        for it in recovery(plan, &ill) {
            assert_eq!(it.recovered_after, Some(Duration::from_secs(3)));
        }
    }

    #[test]
    fn nobody_can_say_whether_a_service_recovered_from_a_fault_at_the_very_end() {
        let mut plan = plan();
        plan.faults[1].to = at(40);
        assert_eq!(recovery(plan, &fragile)[1].recovered_after, None);
    }

    #[test]
    fn a_fault_that_acts_once_is_timed_from_its_start() {
        let mut plan = plan();
        plan.faults.truncate(1);
        plan.faults[0].fault = evenkeel_model::document::Fault::Kill { every: None };
        let ill = |second, _: &[bool]| match second {
            12..=14 => frame(second, &[12; 60], 40),
            _ => frame(second, &[12; 100], 0),
        };
        let kill = recovery(plan, &ill)[0];
        assert_eq!(kill.detected_after, Some(Duration::from_secs(1)));
        assert_eq!(kill.recovered_after, Some(Duration::from_secs(3)));
    }
}
