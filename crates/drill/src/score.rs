//! Score: one number for how a service stood a drill, and what it is made of.
//!
//! Availability weighs 0.4, performance 0.3, quality 0.2, recovery 0.1. A part without data is left out,
//! and the others grow to fill the whole; a report shows which.
//!
//! Parts that have a limit are scored by the share of it that was used, on the scale of [`scorecard`](evenkeel_slo::scorecard).

use evenkeel_model::document::{Indicator, Metric};
use evenkeel_model::outcome::{BudgetFigures, Check, CheckKind, CheckResult, Score, ScorePart};
use evenkeel_slo::scorecard::{grade, of_spent};

use crate::conductor::Finish;
use crate::recovery::Recovery;
use crate::run::Run;

/// A recovery is measured by this time when no criterion names one.
const RECOVERY_SECONDS: f64 = 30.0;

/// Scores a run.
pub(crate) fn score(
    run: &Run,
    checks: &[Check],
    budgets: &[BudgetFigures],
    recoveries: &[Recovery],
    baseline: Option<f64>,
) -> Score {
    let parts = vec![
        ScorePart {
            name: "availability".into(),
            weight: 0.4,
            ..of_budgets(run, budgets, is_availability)
        },
        ScorePart {
            name: "performance".into(),
            weight: 0.3,
            ..of_budgets(run, budgets, |it| !is_availability(it))
        },
        ScorePart { name: "quality".into(), weight: 0.2, ..quality(checks) },
        ScorePart { name: "recovery".into(), weight: 0.1, ..recovery(run, recoveries) },
    ];
    let weight: f64 = parts.iter().filter(|it| it.value.is_some()).map(|it| it.weight).sum();
    let sum: f64 = parts.iter().filter_map(|it| it.value.map(|value| value * it.weight)).sum();
    let value = (weight > 0.0).then(|| sum / weight);
    Score { value, grade: value.map(|it| grade(it).to_owned()), parts, baseline }
}

/// Share of a limit that was used; of a limit of nothing, all or endlessly much.
fn used(value: f64, limit: f64) -> f64 {
    match limit > 0.0 {
        true => value / limit,
        false if value > 0.0 => f64::INFINITY,
        false => 1.0,
    }
}

const fn is_availability(indicator: &Indicator) -> bool {
    matches!(indicator, Indicator::Availability | Indicator::ErrorRate { .. })
}

fn empty(basis: &str) -> ScorePart {
    ScorePart { name: String::new(), weight: 0.0, value: None, basis: basis.to_owned() }
}

/// The worst of the budgets whose objective is of a kind.
fn of_budgets(
    run: &Run,
    budgets: &[BudgetFigures],
    kind: impl Fn(&Indicator) -> bool,
) -> ScorePart {
    let of_kind = |it: &&BudgetFigures| {
        run.plan.objectives.iter().any(|slo| slo.name == it.objective && kind(&slo.indicator))
            && it.total > 0
    };
    match budgets.iter().filter(of_kind).max_by(|a, b| a.spent_ratio.total_cmp(&b.spent_ratio)) {
        None => empty("no objective with data"),
        Some(worst) => ScorePart {
            value: Some(of_spent(worst.spent_ratio)),
            ..empty(&format!(
                "{} spent {:.0}% of its budget",
                worst.objective,
                worst.spent_ratio * 100.0
            ))
        },
    }
}

/// Share of the checks that held, beside objectives and recovery, which have parts of their own.
fn quality(checks: &[Check]) -> ScorePart {
    let judged: Vec<_> = checks
        .iter()
        .filter(|it| {
            it.phase.is_none() && it.kind != CheckKind::Objective && it.result != CheckResult::Info
        })
        .filter(|it| it.name != Metric::RecoveryTime.to_string())
        .collect();
    let held = judged.iter().filter(|it| it.result == CheckResult::Pass).count();
    match judged.len() {
        0 => empty("no check beside the objectives"),
        all => ScorePart {
            value: Some(100.0 * held as f64 / all as f64),
            ..empty(&format!("{held} of {all} checks beside the objectives held"))
        },
    }
}

fn recovery(run: &Run, recoveries: &[Recovery]) -> ScorePart {
    let limit = run
        .plan
        .success
        .iter()
        .map(|it| &it.criterion)
        .find(|it| it.metric == Metric::RecoveryTime)
        .map_or(RECOVERY_SECONDS, |it| it.limit);
    let began = recoveries.iter().zip(&run.faults).filter(|(_, it)| it.from.is_some());
    let worst = began
        .map(|(it, _)| it.recovered_after.map_or(f64::INFINITY, |it| it.as_secs_f64()))
        .max_by(f64::total_cmp);
    match worst {
        None => empty("no fault acted"),
        // Who was stopped has had no time to recover in.
        Some(_) if run.finish != Some(Finish::Completed) => {
            empty("the run ended before it could be seen")
        }
        Some(seconds) if seconds.is_infinite() => {
            ScorePart { value: Some(0.0), ..empty("a fault was not recovered from") }
        }
        Some(seconds) => ScorePart {
            value: Some(of_spent(used(seconds, limit))),
            ..empty(&format!(
                "slowest recovery {} of {}",
                Metric::RecoveryTime.show(seconds),
                Metric::RecoveryTime.show(limit)
            ))
        },
    }
}
