//! Asked: how much load a plan asks for in a second.
//!
//! Throughput says something about a service only where as much was asked of it: not while load ramps up to
//! the limit, and not after its end.

use std::time::Duration;

use evenkeel_model::plan::PlannedPhase;
use evenkeel_units::Moment;

/// Arrivals that `phases` plan for a second of the load; `None` when users of the closed model send in it,
/// who ask for as much as the service gives.
pub(crate) fn asked(phases: &[PlannedPhase], second: u64) -> Option<f64> {
    let (from, to) =
        (Moment::at(Duration::from_secs(second)), Moment::at(Duration::from_secs(second + 1)));
    let of_phase = |phase: &PlannedPhase| {
        let due = |moment: Moment| phase.due(moment.clamp(phase.from, phase.to) - phase.from);
        Some(due(to)? - due(from)?)
    };
    phases.iter().filter(|it| it.from < to && from < it.to).map(of_phase).sum()
}

/// Whether `phases` ask for at least `rate` requests in a second, of which `share` is looked at.
pub(crate) fn asks_for(phases: &[PlannedPhase], second: u64, rate: f64, share: f64) -> bool {
    // A staircase adds up to whole numbers only nearly.
    asked(phases, second).is_none_or(|it| it * share + 1e-6 >= rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::plan;

    #[test]
    fn a_plan_asks_for_its_rate_and_for_nothing_after_its_end() {
        let phases = plan().phases;
        let first = asked(&phases, 9).unwrap();
        assert!((first - 100.0).abs() < 1e-9, "{first}");
        assert_eq!(asked(&phases, 40), Some(0.0));
        assert!(asks_for(&phases, 39, 50.0, 0.5) && !asks_for(&phases, 39, 51.0, 0.5));
    }
}
