//! Stop: thresholds that end a load as soon as they have not held for long enough.
//!
//! `p99 < 300ms` with `stop: true` ends the load when p99 was at 300 ms or more in each of ten seconds in a row, or
//! in as many as its `for` says. Guards keep a service from harm and abort the run; a threshold that stops it has
//! failed, and the run is judged as one that came to its end.

use std::collections::VecDeque;
use std::time::Duration;

use evenkeel_model::document::{Metric, Role, Threshold};
use evenkeel_model::plan::PlannedPhase;
use evenkeel_model::{Frame, Plan};

use crate::asked::asks_for;
use crate::tally::Tally;

/// So long must a criterion not hold when it does not say.
const BROKEN_FOR: Duration = Duration::from_secs(10);
/// Fewer requests than this say nothing about one second.
const ENOUGH: u64 = 10;
/// How many seconds are taken together at most.
const WINDOW: usize = 5;

/// How long a threshold must be broken before the load ends.
pub(crate) fn patience(of: &Threshold) -> Duration {
    of.criterion.sustained.unwrap_or(BROKEN_FOR).max(Duration::from_secs(1))
}

/// The thresholds of a plan that end its load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stops {
    each: Vec<Stop>,
    phases: Vec<PlannedPhase>,
    last: VecDeque<Frame>,
}

#[derive(Clone, Debug)]
struct Stop {
    /// Index among the success criteria.
    threshold: usize,
    of: Threshold,
    route: Option<usize>,
    phase: Option<usize>,
    /// Seconds in a row in which it did not hold.
    broken: u64,
}

impl Stops {
    /// Watches the thresholds of `plan`. One that names a route or a phase that is not there is never broken.
    pub(crate) fn of(plan: &Plan) -> Self {
        let stop = |(threshold, of): (usize, &Threshold)| {
            let route = match &of.route {
                Some(name) => Some(plan.route(name)?),
                None => None,
            };
            let phase = match &of.phase {
                Some(name) => Some(plan.phases.iter().position(|it| it.name == *name)?),
                None => None,
            };
            Some(Stop { threshold, of: of.clone(), route, phase, broken: 0 })
        };
        let stops = plan.success.iter().enumerate().filter(|(_, it)| it.stop);
        Self {
            each: stops.filter_map(stop).collect(),
            phases: plan.phases.clone(),
            last: VecDeque::new(),
        }
    }

    /// Takes in a second; says which success criterion ends the load.
    pub(crate) fn on(&mut self, frame: &Frame) -> Option<usize> {
        let at = self
            .phases
            .iter()
            .position(|it| it.from <= frame.middle() && frame.middle() < it.to)?;
        if self.each.is_empty() || self.phases[at].role == Role::Warmup {
            return None;
        }
        if self.last.len() == WINDOW {
            self.last.pop_front();
        }
        self.last.push_back(frame.clone());
        for it in &mut self.each {
            if it.phase.is_some_and(|phase| phase != at) {
                it.broken = 0;
                continue;
            }
            let criterion = it.of.criterion;
            let asked = criterion.metric != Metric::Throughput
                || it.route.is_some()
                || asks_for(&self.phases, frame.second, criterion.limit, 1.0);
            let value = Some(recent(&self.last, it.route)).filter(|_| asked);
            let holds =
                value.and_then(|it| it.figure(criterion.metric)).map(|it| criterion.holds(it));
            it.broken = if holds == Some(false) { it.broken + 1 } else { 0 };
        }
        let over = |it: &&Stop| patience(&it.of).as_secs_f64().ceil() as u64 <= it.broken;
        self.each.iter().find(over).map(|it| it.threshold)
    }
}

/// The last second, or up to five when fewer than ten requests came in.
fn recent(last: &VecDeque<Frame>, route: Option<usize>) -> Tally {
    let mut sum = Tally::default();
    for frame in last.iter().rev() {
        sum = match route {
            Some(route) => sum.plus_route([frame], route),
            None => sum.plus([frame]),
        };
        if sum.total() >= ENOUGH {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use crate::sample::{frame_at, judged, load_plan, play};
    use evenkeel_model::document::{Criterion, Shape, Threshold};
    use evenkeel_model::outcome::{CheckResult, Ending};
    use evenkeel_model::{Outcome, Plan};
    use evenkeel_units::Rate;
    use std::time::Duration;

    fn plan(text: &str) -> Plan {
        let [rate, seconds] = [100.0, 60.0];
        let mut plan = load_plan(Shape::Constant {
            rate: Rate::per_second(rate).unwrap(),
            duration: Duration::from_secs_f64(seconds),
        });
        plan.success = vec![Threshold { stop: true, ..Criterion::parse(text).unwrap().into() }];
        plan
    }

    /// Slow from second 20 on, for `seconds`.
    fn slow(plan: Plan, seconds: u64) -> Outcome {
        let world = move |second, _: &[bool]| {
            let millis = if (20..20 + seconds).contains(&second) { 900 } else { 12 };
            frame_at(second, millis, 100, 0)
        };
        judged(&play(plan, &world, |_| None))
    }

    #[test]
    fn a_threshold_ends_the_load_and_the_run_has_failed() {
        let outcome = slow(plan("p99 < 300ms"), 40);
        assert_eq!((outcome.duration.as_secs(), outcome.verdict.exit_code), (30, 1));
        assert_eq!(outcome.verdict.headline, "Failed: stopped early by p99 < 300ms");
        assert_eq!(outcome.checks[0].result, CheckResult::Fail);
    }

    #[test]
    fn it_fails_also_when_the_whole_run_would_have_held() {
        let outcome = slow(plan("p50 < 300ms for 5s"), 5);
        assert_eq!((outcome.duration.as_secs(), outcome.verdict.result), (25, Ending::Fail));
        assert_eq!(outcome.checks[0].measured, "12ms, not kept for 5s");
    }

    #[test]
    fn shorter_than_its_time_it_stops_nothing() {
        let outcome = slow(plan("p50 < 300ms for 5s"), 4);
        assert_eq!((outcome.duration.as_secs(), outcome.verdict.result), (60, Ending::Pass));
    }

    #[test]
    fn only_its_route_and_its_phase_count() {
        for (route, phase, seconds) in [
            (Some("list"), None, 25),
            (Some("nobody"), None, 60),
            (None, Some("load"), 25),
            (None, Some("nobody"), 60),
        ] {
            let mut plan = plan("p50 < 300ms for 5s");
            plan.success[0].route = route.map(str::to_owned);
            plan.success[0].phase = phase.map(str::to_owned);
            let outcome = slow(plan, 40);
            assert_eq!(outcome.duration.as_secs(), seconds, "{route:?} {phase:?}");
        }
    }
}
