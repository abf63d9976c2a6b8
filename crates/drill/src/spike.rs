//! Spike: how a service stands a burst of load, and how soon it is well again.
//!
//! *Before* is the steady time before the burst. A second after it is well when its 95th percentile and its share of
//! bad requests are within what the seconds before it showed: no more than the worst of them, or than half as much
//! again as all of them together. The service has recovered at the beginning of the first three well seconds in a row
//! (one good second in the middle of trouble is luck). As with faults, requests count in the second in which they were
//! *due*: an answer to a request of the burst says nothing about the time after it.

use std::time::Duration;

use evenkeel_model::document::{Metric, Role, Shape};
use evenkeel_model::outcome::SpikeFigures;
use evenkeel_model::{Frame, Plan};
use evenkeel_units::Moment;

use crate::frames::Frames;
use crate::recovery::by_due;
use crate::run::Run;
use crate::tally::Tally;

/// So many well seconds in a row are a recovery.
const IN_A_ROW: usize = 3;
/// As much more than before is still as before.
const SLACK: f64 = 1.5;
/// So many bad requests in a hundred, beyond those before, are chance.
const CHANCE: f64 = 0.01;

/// Moments of a spike: when the time before it begins, when it begins and ends, and when the time after it ends.
type Moments = [Moment; 4];

/// The spikes of a plan: those within its phases, or, when the load test is one whose parts are phases, this one.
fn spikes(plan: &Plan) -> Vec<Moments> {
    let within = |phase: &evenkeel_model::plan::PlannedPhase| match &phase.shape {
        Some(Shape::Spike { lead, hold, tail, .. }) => {
            let begin = phase.from + *lead;
            let end = begin + *hold;
            Some([phase.from, begin, end, end + *tail])
        }
        _ => None,
    };
    let found: Vec<_> = plan.phases.iter().filter_map(within).collect();
    let judged: Vec<_> = plan.phases.iter().filter(|it| it.role != Role::Warmup).collect();
    match (plan.load.as_ref().and_then(|it| it.shape.as_ref()), &*judged) {
        (Some(Shape::Spike { .. }), [before, spike, after]) if found.is_empty() => {
            vec![[before.from, spike.from, spike.to, after.to]]
        }
        _ => found,
    }
}

/// How the service stood each spike of a run.
pub(crate) fn stood(run: &Run) -> Vec<SpikeFigures> {
    let spikes = spikes(&run.plan);
    if spikes.is_empty() {
        return Vec::new();
    }
    let due = by_due(run);
    spikes.into_iter().filter_map(|it| one(run, &due, it)).collect()
}

fn one(run: &Run, due: &Frames, [lead, from, to, end]: Moments) -> Option<SpikeFigures> {
    let before = || due.between(lead, from);
    let during = Tally::of(run.frames.between(from, to));
    if during.total() == 0 {
        return None; // The run ended before its time came.
    }
    let calm = Tally::of(before());
    let worst = |metric| {
        let each = before().filter_map(|it| Tally::of([it]).figure(metric));
        each.fold(0.0, f64::max)
    };
    let errors =
        worst(Metric::ErrorRate).max(calm.figure(Metric::ErrorRate).unwrap_or(0.0) + CHANCE);
    let p95_before = calm.figures().p95_seconds;
    let slowest = before().filter_map(|it| Tally::of([it]).figures().p95_seconds);
    let slowest = slowest.fold(p95_before.unwrap_or(f64::INFINITY) * SLACK, f64::max);
    let well = |frame: &Frame| {
        let tally = Tally::of([frame]);
        let failing = tally.figure(Metric::ErrorRate).is_none_or(|it| it > errors);
        !failing && tally.figures().p95_seconds.is_some_and(|it| it <= slowest)
    };
    let after: Vec<_> = due.between(to, end).map(|it| (it.from(), well(&it))).collect();
    // Fewer seconds than that at the end of the run are enough when all of them are well.
    let row = IN_A_ROW.min(after.len().max(1));
    let recovered = after.windows(row).find(|it| it.iter().all(|(_, well)| *well));
    let at = recovered.and_then(|it| it.first()).map(|(at, _)| *at);
    Some(SpikeFigures {
        from,
        to,
        p95_before_seconds: p95_before,
        p95_during_seconds: during.figures().p95_seconds,
        error_ratio_during: during.figure(Metric::ErrorRate),
        recovered_after: at.map(|it| it.elapsed().saturating_sub(to.elapsed())),
    })
}

/// The slowest recovery from a spike, in seconds; endless when there was none.
pub(crate) fn slowest(spikes: &[SpikeFigures]) -> Option<f64> {
    let each = spikes
        .iter()
        .map(|it| it.recovered_after.as_ref().map_or(f64::INFINITY, Duration::as_secs_f64));
    each.max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use crate::sample::{frame_at, judged, load_plan, play, spike, split};
    use evenkeel_model::document::Criterion;
    use evenkeel_model::outcome::{CheckResult, Ending};
    use evenkeel_model::{Outcome, Plan};
    use std::time::Duration;

    /// Ten seconds before, five of the spike, fifteen after; slow in the spike and for `longer` seconds after it.
    fn outcome(mut plan: Plan, longer: u64) -> Outcome {
        plan.success = vec![Criterion::parse("recovery_time < 5s").unwrap().into()];
        let world = move |second, _: &[bool]| {
            let millis = if (10..15 + longer).contains(&second) { 700 } else { 12 + second % 3 };
            let failed = usize::from((10..15).contains(&second)) * 10;
            frame_at(second, millis, 100, failed as u64)
        };
        judged(&play(plan, &world, |_| None))
    }

    #[test]
    fn recovery_is_timed_from_the_end_of_the_spike_and_judged() {
        let outcome = outcome(load_plan(spike()), 4);
        let found = &outcome.spikes[0];
        assert_eq!(found.recovered_after, Some(Duration::from_secs(4)));
        assert!(
            found.p95_during_seconds.unwrap() > 0.69 && found.p95_before_seconds.unwrap() < 0.015
        );
        assert_eq!(outcome.checks[0].name, "recovery_time");
        assert_eq!(
            (outcome.checks[0].measured.as_str(), outcome.verdict.result),
            ("4s", Ending::Pass)
        );
    }

    #[test]
    fn its_parts_may_be_phases() {
        let whole = outcome(load_plan(spike()), 4);
        assert_eq!(outcome(split(spike(), &["before", "spike", "after"]), 4).spikes, whole.spikes);
    }

    #[test]
    fn a_service_that_stays_slow_has_not_recovered() {
        let outcome = outcome(load_plan(spike()), 99);
        assert_eq!(outcome.spikes[0].recovered_after, None);
        assert_eq!(outcome.checks[0].result, CheckResult::Fail);
        assert_eq!(outcome.checks[0].measured, "did not recover");
    }

    #[test]
    fn a_service_that_did_not_care_recovered_at_once() {
        let mut plan = load_plan(spike());
        plan.success = Vec::new();
        let world = |second, _: &[bool]| frame_at(second, 12, 100, 0);
        let outcome = judged(&play(plan, &world, |_| None));
        assert_eq!(outcome.spikes[0].recovered_after, Some(Duration::ZERO));
    }
}
