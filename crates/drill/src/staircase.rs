//! Staircase: load in steps, up to where the service breaks down; what it bore, and how it scales.
//!
//! A step is judged by its own seconds as soon as it is over. When one of the shape's conditions holds over it
//! (`error_rate > 5%`), the service has broken down: no further step is made, and the run is complete, since this is
//! what it was to find out.

use std::time::Duration;

use evenkeel_model::document::{Criterion, Metric, Offered, Role, Segment, Shape};
use evenkeel_model::outcome::{Borne, Breakdown, Broke, LoadLevel, Scalability, ScalePoint, Usl};
use evenkeel_model::{Frame, Plan};
use evenkeel_units::Moment;

use crate::run::Run;
use crate::tally::Tally;

/// A step of a staircase.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Level {
    /// When it begins, after the start of the load.
    pub(crate) from: Moment,
    /// When it ends.
    pub(crate) to: Moment,
    /// How much is offered.
    pub(crate) load: LoadLevel,
    /// The service has broken down when one of these holds.
    until: Vec<Criterion>,
}

/// The steps of a plan: those within its phases, or, when the load test is a staircase whose steps are phases, these.
pub(crate) fn levels(plan: &Plan) -> Vec<Level> {
    let stairs = |it: &&Shape| matches!(it, Shape::Step { .. } | Shape::Scale { .. });
    let whole = plan.load.as_ref().and_then(|it| it.shape.as_ref()).filter(stairs);
    let phases = plan.phases.iter().filter(|it| it.role != Role::Warmup);
    let of_phase = |phase: &evenkeel_model::plan::PlannedPhase| {
        let shape = phase.shape.as_ref()?;
        let until = Some(shape).filter(stairs).or(whole)?.until();
        let mut at = phase.from;
        let level = |it: Segment| {
            let from = at;
            at = from + it.length;
            let load = level_of(it.offered)?;
            Some(Level { from, to: at, load, until: until.to_vec() })
        };
        Some(shape.segments().into_iter().filter_map(level).collect::<Vec<_>>())
    };
    phases.filter_map(of_phase).flatten().collect()
}

/// How much a segment offers, when it is the same all the time.
fn level_of(offered: Offered) -> Option<LoadLevel> {
    match offered {
        Offered::Rate(from, to) => ((from - to).abs() < 1e-9).then_some(LoadLevel::Rate(from)),
        Offered::Users { from, to, .. } => (from == to).then_some(LoadLevel::Users(from)),
    }
}

/// The condition that holds over a step, and what was measured.
fn broke(level: &Level, tally: &Tally) -> Option<(Criterion, f64)> {
    let measured = |it: &Criterion| Some((*it, tally.figure(it.metric)?));
    level.until.iter().filter_map(measured).find(|(it, value)| it.holds(*value))
}

/// Watches a staircase while it is climbed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Climb {
    levels: Vec<Level>,
    at: usize,
    step: Tally,
}

impl Climb {
    /// Watches the staircase of a plan, if it has one.
    pub(crate) fn of(plan: &Plan) -> Self {
        Self { levels: levels(plan), at: 0, step: Tally::default() }
    }

    /// Takes in a second; says, by its index, at which step the service has broken down.
    pub(crate) fn on(&mut self, frame: &Frame) -> Option<usize> {
        let level = self.levels.get(self.at)?;
        if level.from <= frame.middle() && frame.middle() < level.to {
            self.step.add(frame);
        }
        if frame.from() + Duration::from_secs(1) < level.to {
            return None;
        }
        let found = broke(level, &self.step).map(|_| self.at);
        self.step = Tally::default();
        self.at += 1;
        found
    }
}

/// The steps that came to their end, with their seconds added up.
fn climbed<'a>(run: &'a Run, levels: &'a [Level]) -> impl Iterator<Item = (&'a Level, Tally)> {
    let over = |it: &&Level| it.to <= run.frames.end();
    levels.iter().take_while(over).map(|it| (it, Tally::of(run.frames.between(it.from, it.to))))
}

/// How much of its staircase the service bore; `None` when there is none that ends where it breaks.
pub(crate) fn breakdown(run: &Run) -> Option<Breakdown> {
    let levels = levels(&run.plan);
    let mut conditions: Vec<String> = Vec::new();
    for it in levels.iter().flat_map(|it| &it.until).map(ToString::to_string) {
        if !conditions.contains(&it) {
            conditions.push(it);
        }
    }
    if conditions.is_empty() {
        return None;
    }
    let mut found = Breakdown { conditions, steps: levels.len() as u64, borne: None, broke: None };
    for (step, (level, tally)) in (1..).zip(climbed(run, &levels)) {
        if let Some((condition, value)) = broke(level, &tally) {
            found.broke = Some(Broke {
                step,
                load: level.load,
                at: level.to,
                condition: condition.to_string(),
                measured: condition.metric.show(value),
            });
            break;
        }
        // Of a step in which nothing was answered nobody can say that it was borne.
        if tally.total() > 0 {
            found.borne = Some(Borne { step, load: level.load });
        }
    }
    Some(found)
}

/// The load that a service bore, in the unit of a metric; `None` when the staircase is of the other unit, or nothing
/// was seen.
pub(crate) fn borne(breakdown: &Breakdown, metric: Metric) -> Option<f64> {
    let of = |load: LoadLevel| match (load, metric) {
        (LoadLevel::Users(users), Metric::BreakdownUsers) => Some(f64::from(users)),
        (LoadLevel::Rate(rate), Metric::BreakdownRate) => Some(rate),
        _ => None,
    };
    match (&breakdown.borne, &breakdown.broke) {
        (Some(it), _) => of(it.load),
        // Broken at the first step: nothing was borne.
        (None, Some(it)) => of(it.load).map(|_| 0.0),
        (None, None) => None,
    }
}

/// Throughput and latency against load, from three steps on.
pub(crate) fn scalability(run: &Run) -> Option<Scalability> {
    let levels = levels(&run.plan);
    let point = |(level, tally): (&Level, Tally)| {
        let figures = tally.figures();
        ScalePoint {
            load: level.load,
            throughput_per_second: figures.throughput_per_second,
            p50_seconds: figures.p50_seconds,
            p95_seconds: figures.p95_seconds,
        }
    };
    let mut points: Vec<_> = climbed(run, &levels).map(point).collect();
    points.sort_by(|a, b| a.load.get().total_cmp(&b.load.get()));
    let users = |it: &ScalePoint| matches!(it.load, LoadLevel::Users(_));
    let alike = points.iter().all(users) || !points.iter().any(users);
    if points.len() < 3 || !alike {
        return None;
    }
    // A rate is what we send, and not what the service takes: only users wait for it.
    let fitted = points.iter().all(users).then(|| {
        let pairs: Vec<_> =
            points.iter().map(|it| (it.load.get(), it.throughput_per_second)).collect();
        evenkeel_stats::fit(&pairs)
    });
    let fit = fitted.flatten().map(|law| {
        let knee = law.knee();
        Usl {
            lambda: law.lambda,
            sigma: law.sigma,
            kappa: law.kappa,
            r_squared: law.r_squared,
            knee_users: knee.map(|it| it.0),
            peak_per_second: knee.map(|it| it.1),
        }
    });
    Some(Scalability { points, fit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Stairs, frame_at, judged, load_plan, play, stairs};
    use evenkeel_model::Outcome;
    use evenkeel_model::outcome::{CheckKind, CheckResult, Ending};

    fn outcome(plan: Plan, failed_from: u64) -> Outcome {
        let world = |second, _: &[bool]| match second < failed_from {
            true => frame_at(second, 12, 100, 0),
            false => frame_at(second, 12, 80, 20),
        };
        judged(&play(plan, &world, |_| None))
    }

    #[test]
    fn a_staircase_ends_where_the_service_breaks_and_the_run_is_complete() {
        let mut plan = stairs(Stairs::Phases, "error_rate > 5%");
        plan.success = vec![Criterion::parse("breakdown_rate > 100/s").unwrap().into()];
        let outcome = outcome(plan, 25);
        let found = outcome.breakdown.unwrap();
        assert_eq!(found.borne.map(|it| (it.step, it.load)), Some((2, LoadLevel::Rate(200.0))));
        let broke = found.broke.unwrap();
        assert_eq!((broke.step, broke.load), (3, LoadLevel::Rate(300.0)));
        assert_eq!(
            (broke.condition.as_str(), broke.measured.as_str()),
            ("error_rate > 5%", "10.00%")
        );
        assert_eq!(outcome.duration.as_secs(), 30, "the fourth step was not made");
        let check = outcome.checks.iter().find(|it| it.kind == CheckKind::Success).unwrap();
        assert_eq!((check.result, check.measured.as_str()), (CheckResult::Pass, "200/s"));
        assert_eq!(outcome.verdict.result, Ending::Pass, "{:#?}", outcome.checks);
        let load = outcome.checks.iter().find(|it| it.name == "planned load reached").unwrap();
        assert_eq!(load.result, CheckResult::Pass, "what was not to be sent is not missed");
    }

    #[test]
    fn steps_within_one_phase_are_steps_as_well() {
        let whole = outcome(stairs(Stairs::OnePhase, "error_rate > 5%"), 25);
        let phases = outcome(stairs(Stairs::Phases, "error_rate > 5%"), 25);
        assert_eq!(whole.breakdown, phases.breakdown);
        assert_eq!(whole.breakdown.unwrap().broke.map(|it| it.step), Some(3));
    }

    #[test]
    fn a_service_that_never_broke_is_known_to_bear_the_last_step_and_no_more() {
        let result = |asked: &str| {
            let mut plan = stairs(Stairs::Phases, "error_rate > 5%");
            plan.success = vec![Criterion::parse(asked).unwrap().into()];
            let outcome = outcome(plan, 99);
            assert_eq!(outcome.breakdown.unwrap().broke, None);
            let check = outcome.checks.into_iter().find(|it| it.kind == CheckKind::Success);
            check.map(|it| (it.result, it.measured))
        };
        let most = Some((CheckResult::Pass, "≥ 400/s".to_owned()));
        assert_eq!(result("breakdown_rate >= 400/s"), most);
        let unknown = Some((CheckResult::Inconclusive, "≥ 400/s".to_owned()));
        assert_eq!(result("breakdown_rate > 400/s"), unknown);
        assert_eq!(result("breakdown_users > 4").unwrap().0, CheckResult::Inconclusive);
    }

    #[test]
    fn throughput_of_users_is_fitted_and_that_of_rates_is_only_shown() {
        let law = |n: f64| 100.0 * n / (1.0 + 0.05 * (n - 1.0) + 0.01 * n * (n - 1.0));
        let world = move |second: u64, _: &[bool]| {
            let users = 2f64.powi((second / 10) as i32);
            frame_at(second, 12, law(users).round() as usize, 0)
        };
        let plan = load_plan(Shape::Scale {
            users: vec![1, 2, 4, 8, 16],
            hold: Duration::from_secs(10),
            think_time: Duration::ZERO,
            until: Vec::new(),
        });
        let outcome = judged(&play(plan, &world, |_| None));
        let found = outcome.scalability.unwrap();
        let fit = found.fit.unwrap();
        assert_eq!(found.points.len(), 5);
        assert!((fit.knee_users.unwrap() / 95f64.sqrt() - 1.0).abs() < 0.05, "{fit:?}");
        assert!(fit.r_squared > 0.99);
        let rates = self::outcome(stairs(Stairs::Phases, "error_rate > 5%"), 99);
        assert_eq!(rates.scalability.map(|it| (it.points.len(), it.fit)), Some((4, None)));
    }
}
