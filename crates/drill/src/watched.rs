//! Watched: what the target's side looked like during the load, figure by figure.

use std::collections::BTreeMap;

use evenkeel_model::outcome::{Check, CheckKind, CheckResult, WatchFigures, WatchPoint};
use evenkeel_units::Moment;

use crate::run::Run;

/// A reading of a watch, after the start of the load.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Index among the load test's watches.
    pub watch: usize,
    /// When.
    pub at: Moment,
    /// By name of the figure; empty when it could not be read.
    pub values: BTreeMap<String, f64>,
    /// Why it could not be read.
    pub error: Option<String>,
}

/// Every figure of every watch. A watch that was never read is there by the figures that have limits, or by one
/// without a name: silence would look like health.
pub(crate) fn figures(run: &Run) -> Vec<WatchFigures> {
    let of_watch = |(index, watch): (usize, &evenkeel_model::document::Watch)| {
        let readings: Vec<_> = run.readings.iter().filter(|it| it.watch == index).collect();
        let mut names: Vec<&str> =
            readings.iter().flat_map(|it| it.values.keys()).map(String::as_str).collect();
        names.extend(watch.limits.iter().map(|it| it.0.as_str()));
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            names.push("");
        }
        let unread = readings.iter().filter(|it| it.values.is_empty()).count() as u64;
        let error = readings.iter().rev().find_map(|it| it.error.clone());
        let figures = |name: &str| WatchFigures {
            watch: watch.name.clone(),
            figure: name.to_owned(),
            limit: watch.limits.iter().find(|it| it.0 == name).map(|it| it.1),
            points: readings
                .iter()
                .filter_map(|it| Some(WatchPoint { at: it.at, value: *it.values.get(name)? }))
                .filter(|it| it.value.is_finite())
                .collect(),
            unread,
            error: error.clone(),
        };
        names.into_iter().map(figures).collect::<Vec<_>>()
    };
    run.plan.watches().iter().enumerate().flat_map(of_watch).collect()
}

/// A check for each limit: no reading during the load may be beyond it.
pub(crate) fn checks(watches: &[WatchFigures]) -> Vec<Check> {
    watches.iter().filter_map(limit).collect()
}

fn limit(of: &WatchFigures) -> Option<Check> {
    let limit = of.limit?;
    let worst = of.points.iter().map(|it| it.value).max_by(f64::total_cmp);
    Some(Check {
        name: format!("{} of {}", of.figure, of.watch),
        kind: CheckKind::Watch,
        phase: None,
        result: match worst {
            Some(worst) if worst > limit => CheckResult::Fail,
            Some(_) => CheckResult::Pass,
            None => CheckResult::Inconclusive,
        },
        limit: format!("≤ {}", of.show(limit)),
        measured: match (worst, &of.error) {
            (Some(worst), _) => of.show(worst),
            (None, Some(error)) => format!("not read: {error}"),
            (None, None) => "not read".to_owned(),
        },
        baseline: String::new(),
        margin: match worst {
            Some(worst) if limit > 0.0 => format!("{:+.0}%", (worst / limit - 1.0) * 100.0),
            _ => String::new(),
        },
        measured_value: worst,
        limit_value: Some(limit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{fragile, judged, plan, play, watching};
    use evenkeel_model::Event;
    use evenkeel_model::outcome::Ending;

    fn outcome(value: Option<f64>) -> evenkeel_model::Outcome {
        let mut plan = plan();
        (plan.objectives, plan.faults) = (Vec::new(), Vec::new());
        plan.success.clear();
        plan.load.as_mut().unwrap().watch = vec![watching("shop", &[("memory_bytes", 2e9)])];
        let read = |second: u64| {
            let values = value.map(|it| ("memory_bytes".to_owned(), it * second as f64));
            let error = value.is_none().then(|| "no such process".to_owned());
            let values = values.into_iter().collect();
            (second < 1_000).then_some(Event::Watched { watch: 0, values, error })
        };
        judged(&play(plan, &|second, _: &[bool]| fragile(second, &[]), read))
    }

    #[test]
    fn what_goes_beyond_its_limit_fails_by_its_worst_reading() {
        let outcome = outcome(Some(1e8));
        assert_eq!(outcome.verdict.result, Ending::Fail);
        let check = &outcome.checks[0];
        assert_eq!(
            (check.name.as_str(), check.result),
            ("memory_bytes of shop", CheckResult::Fail)
        );
        assert_eq!(check.measured_value, Some(3.9e9));
        assert_eq!(outcome.watches[0].points.len(), 39);
    }

    #[test]
    fn what_could_not_be_read_is_never_within_its_limit() {
        let outcome = outcome(None);
        assert_eq!(outcome.verdict.result, Ending::Inconclusive);
        assert_eq!(outcome.checks[0].measured, "not read: no such process");
        assert_eq!((outcome.watches[0].unread, outcome.watches[0].points.len()), (39, 0));
    }
}
