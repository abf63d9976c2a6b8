//! Standing: how a load stands while it goes on, second by second.
//!
//! A fold: what every second brought is added, so that a picture of an hour costs as much as one of a minute.
//! At the end of the load it says what the judge says of the same figures.

use evenkeel_model::document::{Metric, Role, Slo, Threshold};
use evenkeel_model::outcome::{Check, CheckKind, CheckResult, Figures, RouteFigures};
use evenkeel_model::{Frame, Plan};

use crate::check::{figure, plain, promise, threshold_name};
use crate::objective::{Accrued, Measured};
use crate::tally::Tally;

/// What a load has come to so far.
#[derive(Clone, Debug)]
pub struct Standing {
    totals: Tally,
    routes: Vec<(String, Tally)>,
    objectives: Vec<(Slo, Accrued)>,
    thresholds: Vec<Scope>,
}

/// A success criterion, and the requests that it is about.
#[derive(Clone, Debug)]
struct Scope {
    of: Threshold,
    route: Option<usize>,
    phase: Option<usize>,
    tally: Tally,
}

impl Standing {
    /// Nothing so far.
    pub fn of(plan: &Plan) -> Self {
        let empty = || Tally::within(plan.length());
        // One that names a route or a phase that is not there stays without data.
        let at = |found: Option<usize>| found.unwrap_or(usize::MAX);
        let scope = |of: &Threshold| Scope {
            of: of.clone(),
            route: of.route.as_ref().map(|name| at(plan.route(name))),
            phase: of
                .phase
                .as_ref()
                .map(|name| at(plan.phases.iter().position(|it| it.name == *name))),
            tally: empty(),
        };
        // Times of faults and of breakdowns are known when the run is over.
        let is_of_load = |it: &&Threshold| {
            !matches!(
                it.criterion.metric,
                Metric::RecoveryTime
                    | Metric::DetectionTime
                    | Metric::BreakdownUsers
                    | Metric::BreakdownRate
            )
        };
        Self {
            totals: empty(),
            routes: plan.routes().into_iter().map(|it| (it, empty())).collect(),
            objectives: plan.objectives.iter().map(|it| (it.clone(), Accrued::of(plan))).collect(),
            thresholds: plan.success.iter().filter(is_of_load).map(scope).collect(),
        }
    }

    /// Takes in a second of the load of `plan`. Warm-ups count for nothing but criteria of their own.
    pub fn add(&mut self, plan: &Plan, frame: &Frame) {
        let phase = plan.phase_at(frame.middle());
        let judged = phase.is_none_or(|it| plan.phases[it].role != Role::Warmup);
        if judged {
            self.totals.add(frame);
            for (route, (_, tally)) in self.routes.iter_mut().enumerate() {
                tally.add_route(frame, route);
            }
            self.objectives.iter_mut().for_each(|(slo, it)| it.add(plan, slo, frame));
        }
        for it in &mut self.thresholds {
            let counts = it.phase.map_or(judged, |wanted| Some(wanted) == phase);
            match it.route {
                _ if !counts => {}
                Some(route) => it.tally.add_route(frame, route),
                None => it.tally.add(frame),
            }
        }
    }

    /// The judged seconds so far.
    pub fn totals(&self) -> Figures {
        self.totals.figures()
    }

    /// The same by route.
    pub fn routes(&self) -> Vec<RouteFigures> {
        let figures = |(name, it): &(String, Tally)| RouteFigures {
            name: name.clone(),
            figures: it.figures(),
        };
        self.routes.iter().map(figures).collect()
    }

    /// Objectives and success criteria, as they would be judged by what there is so far.
    pub fn checks(&self) -> Vec<Check> {
        let objective = |(slo, it): &(Slo, Accrued)| {
            let name = format!("{}: {}", slo.name, promise(slo));
            figure(name, CheckKind::Objective, &it.measured(slo), None)
        };
        let success = |it: &Scope| {
            let criterion = plain(&it.of.criterion);
            let value = it.tally.figure(criterion.metric);
            let kept = value.map(|it| criterion.holds(it));
            let measured = Measured { criterion, value, kept };
            figure(threshold_name(&it.of), CheckKind::Success, &measured, None)
        };
        let objectives = self.objectives.iter().map(objective);
        let mut checks: Vec<_> = objectives.chain(self.thresholds.iter().map(success)).collect();
        checks.sort_by_key(|it| it.result == CheckResult::Pass);
        checks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{fragile, judged, plan, play};
    use evenkeel_model::Event;
    use evenkeel_model::document::Criterion;

    #[test]
    fn at_the_end_it_says_what_the_judge_says() {
        let mut plan = plan();
        plan.safety.abort.clear();
        let criterion = |text: &str| Threshold::from(Criterion::parse(text).unwrap());
        plan.success = vec![
            criterion("p99 < 100ms"),
            Threshold { phase: Some("baseline".to_owned()), ..criterion("error_rate < 1%") },
            Threshold { route: Some("list".to_owned()), ..criterion("throughput > 10/s") },
            Threshold { route: Some("nobody".to_owned()), ..criterion("p50 < 1s") },
            criterion("recovery_time < 10s"),
        ];
        let journal = play(plan.clone(), &fragile, |_| None);
        let mut standing = Standing::of(&plan);
        for entry in &journal {
            if let Event::Second { frame } = &entry.event {
                standing.add(&plan, frame);
            }
        }
        let outcome = judged(&journal);
        assert_eq!(standing.totals(), outcome.totals);
        assert_eq!(standing.routes(), outcome.routes);
        let key = |it: &Check| (it.name.clone(), it.result, it.measured.clone());
        let (checks, judged) = (standing.checks(), outcome.checks);
        assert_eq!(checks.len(), 5, "{checks:#?}");
        for it in &checks {
            assert!(judged.iter().any(|other| key(other) == key(it)), "{it:#?} in {judged:#?}");
        }
    }

    #[test]
    fn what_does_not_hold_comes_first() {
        let mut plan = plan();
        let limits = ["p50 < 1s", "p99 < 1ms"].map(|it| Criterion::parse(it).unwrap().into());
        (plan.objectives, plan.success) = (Vec::new(), limits.to_vec());
        let mut standing = Standing::of(&plan);
        standing.add(&plan, &crate::tally::tests::frame(0, &[10; 100], 0));
        let names: Vec<_> = standing.checks().into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["p99", "p50"]);
    }
}
