//! Guard: an abort condition, watched second by second.
//!
//! `error_rate > 10% for 3s` trips when the figure was beyond the limit in each of three seconds in a
//! row. A figure is read off the last second, or off up to five when fewer than ten requests came in.

use std::collections::VecDeque;

use evenkeel_model::Frame;
use evenkeel_model::document::{Criterion, OnNoData};

use crate::tally::Tally;

/// Fewer requests than this say nothing about one second.
const ENOUGH: u64 = 10;
/// How many seconds are taken together at most.
const WINDOW: usize = 5;

/// The abort conditions of a run.
#[derive(Clone, Debug)]
pub struct Guards {
    each: Vec<Guard>,
    on_no_data: OnNoData,
    last: VecDeque<Frame>,
    silent: usize,
}

/// One condition and what it saw.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The condition.
    pub condition: Criterion,
    /// Seconds in a row in which it held.
    pub streak: u64,
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
    /// Watches `conditions`.
    pub fn new(conditions: &[Criterion], on_no_data: OnNoData) -> Self {
        let watch = |condition: &Criterion| Guard {
            condition: *condition,
            streak: 0,
            value: None,
            worst: None,
        };
        Self {
            each: conditions.iter().map(watch).collect(),
            on_no_data,
            last: VecDeque::new(),
            silent: 0,
        }
    }

    /// The conditions, in order.
    pub fn each(&self) -> &[Guard] {
        &self.each
    }

    /// Takes in a second; says whether the run must stop.
    pub fn on(&mut self, frame: &Frame) -> Option<Trip> {
        self.last.push_back(frame.clone());
        if self.last.len() > WINDOW {
            self.last.pop_front();
        }
        let due = frame.planned > 0 || frame.in_flight > 0 || frame.waiting > 0;
        let heard = frame.good() + frame.failed() + frame.missed > 0;
        self.silent = if due && !heard { self.silent + 1 } else { 0 };

        let mut tally = Tally::default();
        for frame in self.last.iter().rev() {
            tally.add(frame);
            if tally.total() >= ENOUGH {
                break;
            }
        }
        for guard in &mut self.each {
            guard.on(tally.figure(guard.condition.metric));
        }
        let tripped = self.each.iter().position(Guard::trips);
        let blind =
            !self.each.is_empty() && self.on_no_data == OnNoData::Abort && self.silent >= WINDOW;
        tripped.map(|guard| Trip::Condition { guard }).or(blind.then_some(Trip::NoData))
    }
}

impl Guard {
    fn on(&mut self, value: Option<f64>) {
        self.value = value;
        let Some(value) = value else {
            self.streak = 0;
            return;
        };
        self.streak = if self.condition.holds(value) { self.streak + 1 } else { 0 };
        // The comparison names the bad side: with `>` the largest value is the worst.
        let worse = |worst: f64| {
            if self.condition.comparison.wants_less() { value < worst } else { value > worst }
        };
        if self.worst.is_none_or(worse) {
            self.worst = Some(value);
        }
    }

    fn trips(&self) -> bool {
        let needed = self.condition.sustained.map_or(1, |it| it.as_secs_f64().ceil() as u64).max(1);
        self.streak >= needed
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
        Guards::new(&[Criterion::parse(text).unwrap()], OnNoData::Abort)
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
            for (second, failed) in (0..).zip(failures) {
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
