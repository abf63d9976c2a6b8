//! Objectives, as a run is judged by them.

use std::borrow::Borrow;

use evenkeel_model::document::{Criterion, Indicator, Metric, Slo};
use evenkeel_model::{Answer, Distribution, Frame, Plan};
use evenkeel_slo::{Budget, Counts, count};
use evenkeel_units::{Moment, Ratio};

use crate::asked::asks_for;
use crate::tally::Tally;

/// The answers of a second that an objective is about.
pub(crate) fn series_of<'a>(
    plan: &'a Plan,
    frame: &'a Frame,
    slo: &'a Slo,
) -> impl Iterator<Item = (Answer, &'a Distribution)> {
    let wanted = slo.route.as_ref().map(|name| plan.route(name));
    let of_route = move |route: usize| wanted.is_none_or(|it| it == Some(route));
    frame
        .series
        .iter()
        .filter(move |it| of_route(it.route))
        .map(|it| (it.answer, &it.response_micros))
}

/// Whether the plan asks for at least `min` requests a second of what an objective is about.
pub(crate) fn asks_for_throughput(plan: &Plan, frame: &Frame, slo: &Slo, min: f64) -> bool {
    let weight = |of: Option<&str>| -> f64 {
        let routes = plan
            .load
            .iter()
            .flat_map(|it| &it.routes)
            .filter(|it| of.is_none_or(|name| it.name == name));
        routes.map(|it| f64::from(it.weight)).sum()
    };
    let share = weight(slo.route.as_deref()) / weight(None).max(1.0);
    asks_for(&plan.phases, frame.second, min, share)
}

/// Good and all events of an objective in `frames`.
pub(crate) fn counts(
    plan: &Plan,
    slo: &Slo,
    frames: impl IntoIterator<Item: Borrow<Frame>>,
) -> Counts {
    let mut sum = Counts::default();
    for frame in frames {
        let frame = frame.borrow();
        let missed = if slo.route.is_none() { frame.missed } else { 0 };
        sum += count(slo.indicator, series_of(plan, frame, slo), missed);
    }
    sum
}

/// The budget of an objective in `frames`; `None` for throughput, which promises no share.
pub(crate) fn budget(
    plan: &Plan,
    slo: &Slo,
    frames: impl IntoIterator<Item: Borrow<Frame>>,
) -> Option<Budget> {
    slo.promise().map(|objective| Budget { objective, counts: counts(plan, slo, frames) })
}

/// What an objective asks for, and what was measured of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    /// The limit.
    pub criterion: Criterion,
    /// The figure in the base unit; `None` without data.
    pub value: Option<f64>,
    /// Whether the promise was kept; `None` without data.
    pub kept: Option<bool>,
}

/// What an objective is measured by, added up second by second.
#[derive(Clone, Debug)]
pub(crate) struct Accrued {
    counts: Counts,
    tally: Tally,
}

impl Accrued {
    /// Nothing so far.
    pub(crate) fn of(plan: &Plan) -> Self {
        Self { counts: Counts::default(), tally: Tally::within(plan.length()) }
    }

    /// Adds a second.
    pub(crate) fn add(&mut self, plan: &Plan, slo: &Slo, frame: &Frame) {
        self.counts += counts(plan, slo, [frame]);
        if let Indicator::Throughput { min } = slo.indicator {
            // A ramp on its way to the limit is no fault of the service.
            let over = frame.from() >= Moment::at(plan.length());
            if !over && !asks_for_throughput(plan, frame, slo, min.get()) {
                return;
            }
        }
        // A route that is not sent has no answers, and not everybody's.
        match &slo.route {
            Some(name) => {
                self.tally.add_route(frame, plan.route(name).unwrap_or(usize::MAX));
            }
            None => self.tally.add(frame),
        }
    }

    /// What it comes to.
    pub(crate) fn measured(&self, slo: &Slo) -> Measured {
        use evenkeel_model::document::Comparison::{AtLeast, AtMost};
        let limit =
            |metric, comparison, limit| Criterion { metric, comparison, limit, sustained: None };
        let budget = slo.promise().map(|objective| Budget { objective, counts: self.counts });
        let ratio = budget.and_then(|it| it.counts.ratio());
        let kept = budget.and_then(Budget::kept);
        let objective = slo.promise().map_or(0.0, Ratio::get);
        match slo.indicator {
            // What is measured on series alone has no value in a run.
            Indicator::Availability | Indicator::Latency { .. } | Indicator::OfSeries => Measured {
                criterion: limit(Metric::Availability, AtLeast, objective),
                value: ratio,
                kept,
            },
            Indicator::Percentile { quantile, threshold } => Measured {
                criterion: limit(Metric::Percentile(quantile), AtMost, threshold.as_secs_f64()),
                value: self.tally.answered_within(quantile.ratio()),
                kept,
            },
            Indicator::ErrorRate { max } => Measured {
                criterion: limit(Metric::ErrorRate, AtMost, max.get()),
                value: ratio.map(|it| 1.0 - it),
                kept,
            },
            Indicator::Throughput { min } => {
                let value = self.tally.figure(Metric::Throughput);
                Measured {
                    criterion: limit(Metric::Throughput, AtLeast, min.get()),
                    value,
                    kept: value.map(|it| it >= min.get()),
                }
            }
        }
    }
}

/// Measures an objective in `frames`.
pub(crate) fn measure(
    plan: &Plan,
    slo: &Slo,
    frames: impl IntoIterator<Item: Borrow<Frame>>,
) -> Measured {
    let mut sum = Accrued::of(plan);
    frames.into_iter().for_each(|frame| sum.add(plan, slo, frame.borrow()));
    sum.measured(slo)
}
