//! View: what every section looks at.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::Outcome;
use evenkeel_model::document::{Criterion, Indicator, Metric, Probe, ProbeKind, Role, Threshold};
use evenkeel_model::outcome::{Check, CheckKind, CheckResult, FaultFigures, Figures};
use evenkeel_units::Moment;

use crate::chart::{Band, Mark, Scale, Tag, TagKind, Tick};
use crate::figure;
use crate::steps::Steps;

/// The most steps of a chart.
pub(super) const STEPS: u64 = 240;

/// An outcome, ready to be drawn.
pub(super) struct View<'a> {
    pub(super) outcome: &'a Outcome,
    pub(super) steps: Steps,
    /// The axis of time of every chart, in seconds after the start of the load: as long as the run was
    /// planned, also when it was cut short.
    pub(super) time: Scale,
    pub(super) limits: Vec<Limit>,
    /// Of a run that is under way: for how long load has been sent.
    pub(super) elapsed: Option<Duration>,
}

/// A limit on response times.
pub(super) struct Limit {
    pub(super) seconds: f64,
    /// Such as `p99 ≤ 300ms`.
    pub(super) label: String,
}

impl<'a> View<'a> {
    pub(super) fn new(outcome: &'a Outcome) -> Self {
        let steps = Steps::new(&outcome.seconds, STEPS);
        let shown = outcome.seconds.iter().map(|it| it.second as f64 + 1.0);
        let hot = [outcome.heatmap.columns.len() as f64];
        let phases = outcome.phases.iter().map(|it| it.to.as_secs_f64());
        let end = shown.chain(hot).chain(phases).fold(outcome.duration.as_secs_f64(), f64::max);
        Self {
            outcome,
            steps,
            time: Scale::linear(0.0, end),
            limits: limits(outcome),
            elapsed: None,
        }
    }

    /// Whether anything was measured over time.
    pub(super) fn has_time(&self) -> bool {
        !self.steps.steps.is_empty()
    }

    /// Whether anything was sent but probes, whose answers stand for it otherwise.
    pub(super) const fn has_load(&self) -> bool {
        self.outcome.plan.load.is_some()
    }

    /// Whether answers took time that anybody waited for: a look for a process takes none.
    pub(super) fn has_waits(&self) -> bool {
        let waits = |it: &Probe| matches!(it.kind, ProbeKind::Http { .. } | ProbeKind::Tcp { .. });
        self.has_load() || self.outcome.plan.steady_state.iter().any(waits)
    }

    /// Figures of the baseline phase.
    pub(super) fn baseline(&self) -> Option<&Figures> {
        self.outcome.phases.iter().find(|it| it.role == Role::Baseline).map(|it| &it.figures)
    }

    /// The limit on a figure over the whole run that weighs most: what failed before what held.
    pub(super) fn check_on(&self, words: &[&str]) -> Option<&Check> {
        let about = |it: &&Check| {
            it.phase.is_none()
                && it.result != CheckResult::Info
                && matches!(it.kind, CheckKind::Objective | CheckKind::Success)
                // Those of one route or one phase have more in their names.
                && !it.name.contains(" · ")
                && words.iter().any(|word| it.name.contains(word))
        };
        self.outcome.checks.iter().filter(about).min_by_key(|it| it.result)
    }

    /// Ticks of the axis of time.
    pub(super) fn time_ticks(&self, wanted: usize) -> Vec<Tick> {
        let ticks = self.time.time_ticks(wanted).into_iter();
        ticks.map(|it| Tick { at: self.time.at(it), label: figure::clock(it) }).collect()
    }

    /// When faults acted, as bands.
    pub(super) fn bands(&self) -> Vec<Band> {
        let acted = self.outcome.faults.iter().filter_map(|it| Some((it.from?, it.to)));
        acted
            .map(|(from, to)| Band {
                from: self.time.at(from.as_secs_f64()),
                to: self.time.at(to.unwrap_or(from).as_secs_f64()),
                class: "band bad",
            })
            .collect()
    }

    /// Faults that acted, with their numbers on this page.
    pub(super) fn acted(&self) -> impl Iterator<Item = (usize, f64, &'a FaultFigures)> {
        let all = self.outcome.faults.iter().enumerate();
        all.filter_map(|(index, it)| Some((index + 1, it.from?.as_secs_f64(), it)))
    }

    /// Faults as labels above a chart.
    pub(super) fn fault_tags(&self) -> Vec<Tag> {
        let tag = |(number, from, it): (usize, f64, &FaultFigures)| Tag {
            at: self.time.at(from),
            to: self.time.at(it.to.map_or(from, Moment::as_secs_f64)),
            kind: TagKind::Event { sign: number.to_string(), class: "bad" },
            text: it.label.clone(),
        };
        self.acted().map(tag).collect()
    }

    /// Phases as labels above a chart.
    pub(super) fn phase_tags(&self) -> Vec<Tag> {
        let each = self.outcome.phases.iter();
        each.map(|it| Tag {
            at: self.time.at(it.from.as_secs_f64()),
            to: self.time.at(it.to.as_secs_f64()),
            kind: TagKind::Phase,
            text: it.name.clone(),
        })
        .collect()
    }

    /// Where phases begin.
    pub(super) fn phase_marks(&self) -> Vec<Mark> {
        let begins = self.outcome.phases.iter().skip(1).map(|it| it.from.as_secs_f64());
        begins.map(|it| Mark { at: self.time.at(it), class: "mk" }).collect()
    }

    /// Such as `every second` or `in steps of 30s, each with its worst second`.
    pub(super) fn pace(&self) -> String {
        match self.steps.width {
            1 => "second by second".to_owned(),
            width => {
                format!("in steps of {}, each with its worst second", figure::time(width as f64))
            }
        }
    }
}

/// Limits on response times, from objectives and success criteria; those at the same height share a
/// line.
fn limits(outcome: &Outcome) -> Vec<Limit> {
    let mut found: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut put = |seconds: f64, what: String| {
        let labels = found.entry((seconds * 1e6).max(0.0) as u64).or_default();
        if !labels.contains(&what) {
            labels.push(what);
        }
    };
    for it in &outcome.plan.objectives {
        match it.indicator {
            Indicator::Latency { threshold } => {
                let share = it.objective.map_or_else(|| it.name.clone(), |it| it.to_string());
                put(threshold.as_secs_f64(), share);
            }
            Indicator::Percentile { quantile, threshold } => {
                put(threshold.as_secs_f64(), quantile.to_string());
            }
            Indicator::Availability
            | Indicator::ErrorRate { .. }
            | Indicator::Throughput { .. }
            | Indicator::OfSeries => {}
        }
    }
    let whole = |it: &&Threshold| it.route.is_none() && it.phase.is_none();
    for it in outcome.plan.success.iter().filter(whole).map(|it| &it.criterion) {
        if let Criterion { metric: metric @ Metric::Percentile(_), comparison, limit, .. } = it
            && comparison.wants_less()
        {
            put(*limit, metric.to_string());
        }
    }
    let limit = |(micros, what): (u64, Vec<String>)| {
        let seconds = micros as f64 / 1e6;
        Limit { seconds, label: format!("{} ≤ {}", what.join(" · "), figure::time(seconds)) }
    };
    found.into_iter().map(limit).collect()
}
