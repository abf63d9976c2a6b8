//! Guard: an abort condition, watched second by second.
//!
//! `error_rate > 10% for 3s` trips when the figure was beyond the limit in each of three seconds in a
//! row. A figure is read off the last second, or off up to five when fewer than ten requests came in.
//!
//! Where probes stand for load, each answer is judged at once, with those of the seconds before it: a condition that
//! came true waits for the end of no second.
//!
//! Seconds after the planned end of the load are not judged: what still comes in then are the slowest answers,
//! and silence is as it should be. Throughput is judged where the plan asks for at least its limit, in this
//! second and the one before: answers to what was asked for come a little later.

use std::collections::VecDeque;
use std::time::Duration;

use evenkeel_model::document::{Criterion, Metric, OnNoData};
use evenkeel_model::plan::PlannedPhase;
use evenkeel_model::{Frame, Plan};
use evenkeel_units::Moment;

use crate::asked::asks_for;
use crate::probing;
use crate::tally::Tally;

/// Fewer requests than this say nothing about one second.
const ENOUGH: u64 = 10;
/// How many seconds are taken together at most; of probes that are asked seldom, more.
const WINDOW: usize = 5;
const SECOND: Duration = Duration::from_secs(1);

/// The abort conditions of a run.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    each: Vec<Guard>,
    phases: Vec<PlannedPhase>,
    on_no_data: OnNoData,
    last: VecDeque<Frame>,
    silent: usize,
    /// How many seconds are taken together at most.
    window: usize,
}

/// One condition and what it saw.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The condition.
    pub condition: Criterion,
    /// Since when it holds, after the start of the load.
    pub since: Option<Moment>,
    /// Whether it has held for long enough.
    pub trips: bool,
    /// The figure now.
    pub value: Option<f64>,
    /// The figure nearest to the limit, or furthest beyond it.
    pub worst: Option<f64>,
}

/// Why a run must stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trip {
    /// A condition held for long enough.
    Condition {
        /// Which.
        guard: usize,
    },
    /// Requests were due, and nothing was heard of any.
    NoData,
}

impl Guards {
    /// Watches the abort conditions of `plan`.
    pub fn of(plan: &Plan) -> Self {
        let watch = |condition: &Criterion| Guard {
            condition: *condition,
            since: None,
            trips: false,
            value: None,
            worst: None,
        };
        Self {
            each: plan.safety.abort.iter().map(watch).collect(),
            phases: plan.phases.clone(),
            on_no_data: plan.safety.on_no_data,
            last: VecDeque::new(),
            silent: 0,
            window: WINDOW.max(probing::window(plan)),
        }
    }

    /// The conditions, in order.
    pub fn each(&self) -> &[Guard] {
        &self.each
    }

    /// Takes in a second; says whether the run must stop.
    pub fn on(&mut self, frame: &Frame) -> Option<Trip> {
        if self.phases.last().is_none_or(|it| it.to <= frame.from()) {
            return None;
        }
        self.last.push_back(frame.clone());
        if self.last.len() > self.window {
            self.last.pop_front();
        }
        let due = frame.planned > 0 || frame.in_flight > 0 || frame.waiting > 0;
        let heard = frame.good() + frame.failed() + frame.missed > 0;
        self.silent = if due && !heard { self.silent + 1 } else { 0 };

        let tally = recent(self.last.iter().rev());
        for guard in &mut self.each {
            let Criterion { metric, limit, .. } = guard.condition;
            let judged = metric != Metric::Throughput || gives(&self.phases, frame.second, limit);
            let value = tally.figure(metric).filter(|_| judged);
            guard.on(value, frame.from(), frame.from() + SECOND);
        }
        let tripped = self.each.iter().position(|it| it.trips);
        let blind =
            !self.each.is_empty() && self.on_no_data == OnNoData::Abort && self.silent >= WINDOW;
        tripped.map(|guard| Trip::Condition { guard }).or(blind.then_some(Trip::NoData))
    }

    /// Looks at a second that is not over, at this moment after the start of the load; says whether the run must stop.
    pub fn glance(&mut self, at: Moment, open: &Frame) -> Option<Trip> {
        let before = self.last.iter().rev().take(self.window - 1);
        let tally = recent(std::iter::once(open).chain(before));
        for guard in self.each.iter_mut().filter(|it| it.condition.metric != Metric::Throughput) {
            guard.on(tally.figure(guard.condition.metric), at, at);
        }
        self.each.iter().position(|it| it.trips).map(|guard| Trip::Condition { guard })
    }
}

/// Some seconds, the last one first, up to where there are enough requests.
fn recent<'a>(seconds: impl Iterator<Item = &'a Frame>) -> Tally {
    let mut tally = Tally::default();
    for frame in seconds {
        tally.add(frame);
        if tally.total() >= ENOUGH {
            break;
        }
    }
    tally
}

/// Whether a throughput of `limit` could be seen in a second: as much is asked for, and was before.
fn gives(phases: &[PlannedPhase], second: u64, limit: f64) -> bool {
    let whole = phases.last().is_some_and(|it| second < it.to.elapsed().as_secs());
    whole && second > 0 && [second - 1, second].iter().all(|it| asks_for(phases, *it, limit, 1.0))
}

impl Guard {
    /// The figure was this from one moment to another.
    fn on(&mut self, value: Option<f64>, from: Moment, to: Moment) {
        self.value = value;
        let holds = value.is_some_and(|it| self.condition.holds(it));
        self.since = holds.then(|| self.since.unwrap_or(from));
        let sustained = self.condition.sustained.unwrap_or_default();
        self.trips = self.since.is_some_and(|since| to - since >= sustained);
        let Some(value) = value else { return };
        // The comparison names the bad side: with `>` the largest value is the worst.
        let worse = |worst: f64| {
            if self.condition.comparison.wants_less() { value < worst } else { value > worst }
        };
        if self.worst.is_none_or(worse) {
            self.worst = Some(value);
        }
    }

    /// How far the figure is from the limit: 1 when nothing is wrong, 0 at the limit; `None` without data.
    pub fn distance(&self) -> Option<f64> {
        let (value, limit) = (self.value?, self.condition.limit);
        let part = match self.condition.comparison.wants_less() {
            false if limit > 0.0 => 1.0 - value / limit,
            true if limit < 1.0 && limit > 0.0 => (value - limit) / (1.0 - limit),
            true if limit > 0.0 => value / limit - 1.0,
            _ => f64::from(u8::from(!self.condition.holds(value))),
        };
        Some(part.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::tests::frame;
    use proptest::prelude::*;

    fn guards(text: &str) -> Guards {
        let mut plan = crate::sample::plan();
        plan.safety.abort = vec![Criterion::parse(text).unwrap()];
        plan.safety.on_no_data = OnNoData::Abort;
        Guards::of(&plan)
    }

    #[test]
    fn the_last_answers_after_the_end_of_the_load_trip_nothing() {
        let mut guards = guards("error_rate > 10%");
        assert_eq!(guards.on(&frame(39, &[1; 100], 0)), None);
        let late = |second| Frame { planned: 0, sent: 0, in_flight: 9, ..frame(second, &[], 20) };
        assert_eq!(guards.on(&late(40)), None, "timeouts of the last seconds");
        let silent = |second| Frame { second, in_flight: 9, ..Frame::default() };
        assert!((41..60).all(|second| guards.on(&silent(second)).is_none()));
    }

    #[test]
    fn throughput_is_watched_where_as_much_is_asked_for() {
        let (mut below, mut above) = (guards("throughput < 90/s"), guards("throughput < 101/s"));
        assert_eq!(below.on(&frame(0, &[1; 60], 0)), None, "the first answers are still to come");
        assert_eq!(below.on(&frame(1, &[1; 100], 0)), None);
        assert_eq!(below.on(&frame(2, &[1; 80], 0)), Some(Trip::Condition { guard: 0 }));
        assert_eq!(above.on(&frame(5, &[1; 100], 0)), None, "100/s is all that is sent");
    }

    #[test]
    fn trips_only_after_the_condition_held_for_its_time_without_a_break() {
        let mut guards = guards("error_rate > 10% for 3s");
        let script = [20, 20, 0, 20, 20, 20];
        let trips: Vec<_> = (0..)
            .zip(script)
            .map(|(second, failed)| guards.on(&frame(second, &[1; 80], failed)).is_some())
            .collect();
        assert_eq!(trips, [false, false, false, false, false, true]);
    }

    #[test]
    fn one_failure_among_few_requests_waits_for_more() {
        let mut guards = guards("error_rate > 10%");
        assert_eq!(guards.on(&frame(0, &[1; 40], 0)), None);
        assert_eq!(guards.on(&frame(1, &[1; 2], 1)), None, "1 of 43, not 1 of 3");
    }

    #[test]
    fn five_silent_seconds_are_no_data_and_stop_the_run() {
        let mut guards = guards("error_rate > 10%");
        let silent = |second| Frame { second, planned: 10, in_flight: 10, ..Frame::default() };
        let answers: Vec<_> = (0..5).map(|second| guards.on(&silent(second))).collect();
        assert_eq!(answers[3], None);
        assert_eq!(answers[4], Some(Trip::NoData));
    }

    proptest! {
        #[test]
        fn never_trips_while_every_second_is_within_the_limit(failures in prop::collection::vec(0u64..10, 1..60)) {
            let mut guards = guards("error_rate > 10%");
            for (second, failed) in (0..40).zip(failures) {
                prop_assert_eq!(guards.on(&frame(second, &[1; 91], failed)), None);
            }
        }

        #[test]
        fn always_trips_when_the_condition_holds_long_enough(calm in 0usize..20, needed in 1u64..6) {
            let mut guards = guards(&format!("error_rate > 10% for {needed}s"));
            let mut tripped = None;
            for second in 0..(calm as u64 + needed) {
                let failed = if second < calm as u64 { 0 } else { 50 };
                if guards.on(&frame(second, &[1; 50], failed)).is_some() {
                    tripped.get_or_insert(second);
                }
            }
            prop_assert_eq!(tripped, Some(calm as u64 + needed - 1));
        }
    }
}
