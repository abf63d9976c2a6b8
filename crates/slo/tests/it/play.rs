//! Playing: what rules make of series, as a Prometheus that evaluates them would keep it.
//!
//! All moments of a rule are evaluated before the next rule is, in an order in which whatever a rule asks for is there: at
//! one moment that is what a Prometheus does whose groups come one after the other, and much cheaper.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use evenkeel_promql::{Options, Query, Value};
use evenkeel_series::{
    Labels, METRIC_NAME, Matcher, Memory, Point, STALE, Series, Source, SourceError, Span,
};
use evenkeel_slo::rules::{Group, Makes, PromRule};

/// The moments at which rules are evaluated: both ends and every step between, in milliseconds.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Moments {
    pub(crate) from: i64,
    pub(crate) until: i64,
    pub(crate) step: i64,
}

impl Moments {
    pub(crate) fn iter(self) -> impl Iterator<Item = i64> {
        let count = (self.until - self.from) / self.step;
        (0..=count).map(move |it| self.from + it * self.step)
    }
}

/// What a rule makes, series by series.
pub(crate) type Made = Vec<(Labels, Vec<Point>)>;

/// The series that were measured, and those that rules have made of them.
pub(crate) struct World<'a> {
    pub(crate) measured: &'a Memory,
    pub(crate) made: Memory,
}

impl Source for World<'_> {
    fn select<'a>(
        &'a self,
        matchers: &[Matcher],
        span: Span,
    ) -> Result<Vec<Box<dyn Series + 'a>>, SourceError> {
        let mut found = self.measured.select(matchers, span)?;
        found.extend(self.made.select(matchers, span)?);
        found.sort_by(|a, b| a.labels().cmp(b.labels()));
        Ok(found)
    }
}

/// Plays every rule at the moments.
pub(crate) fn play<'a>(
    groups: &[Group],
    measured: &'a Memory,
    moments: Moments,
) -> Result<World<'a>> {
    let mut world = World { measured, made: Memory::new() };
    extend(&mut world, groups, moments)?;
    Ok(world)
}

/// Plays every rule at more moments.
pub(crate) fn extend(world: &mut World<'_>, groups: &[Group], moments: Moments) -> Result<()> {
    for rule in in_order(groups) {
        for (labels, points) in evaluate(rule, world, moments)? {
            points.into_iter().for_each(|point| world.made.push(&labels, point));
        }
    }
    Ok(())
}

/// Rules behind those whose series they ask for.
fn in_order(groups: &[Group]) -> Vec<&PromRule> {
    let mut waiting: Vec<&PromRule> = groups.iter().flat_map(|it| &it.rules).collect();
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let needs = |it: &PromRule| waiting.iter().any(|other| asks_for(it, other));
        let (later, ready): (Vec<_>, Vec<_>) = waiting.iter().partition(|it| needs(it));
        // Rules that wait for each other are evaluated as they stand.
        let stuck = ready.is_empty();
        ordered.extend(if stuck { later.clone() } else { ready });
        waiting = if stuck { Vec::new() } else { later };
    }
    ordered
}

fn asks_for(rule: &PromRule, other: &PromRule) -> bool {
    let Makes::Record(name) = &other.makes else { return false };
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
    rule.expr.match_indices(name.as_str()).any(|(at, _)| {
        let (before, after) = (rule.expr.get(..at), rule.expr.get(at + name.len()..));
        !before.is_some_and(|it| it.ends_with(is_name))
            && !after.is_some_and(|it| it.starts_with(is_name))
    })
}

/// What one rule makes, with a stale marker where a series of it ends.
pub(crate) fn evaluate(rule: &PromRule, world: &World<'_>, moments: Moments) -> Result<Made> {
    let query =
        Query::parse(&rule.expr).map_err(|problems| anyhow!("{}: {problems:?}", rule.expr))?;
    let Moments { from, until, step } = moments;
    let options = Options::default();
    let answer = query.range(world, (from, until), step, &options);
    let answer = answer.map_err(|error| anyhow!("{}: {error}", rule.expr))?;
    let Value::Matrix(lines) = answer.value else { return Err(anyhow!("no series")) };
    let mut made = Made::new();
    for line in lines {
        ensure!(line.samples.histograms.is_empty(), "{} makes histograms", rule.expr);
        let held: Vec<_> = line.samples.points;
        match &rule.makes {
            Makes::Record(name) => {
                let labels = labelled(&line.labels, rule).with(METRIC_NAME, name);
                made.push((labels, ended(&held, moments)));
            }
            Makes::Alert { name, pending, keep_firing, .. } => {
                ensure!(*keep_firing == Duration::ZERO, "alerts that fire on are not played");
                let (waits, fires) = states(&held, *pending, moments);
                for (state, points) in [("pending", waits), ("firing", fires)] {
                    let labels = labelled(&line.labels, rule).with("alertname", name);
                    let labels = labels.with("alertstate", state).with(METRIC_NAME, "ALERTS");
                    made.extend((!points.is_empty()).then(|| (labels, ended(&points, moments))));
                }
            }
        }
    }
    Ok(made)
}

fn labelled(of: &Labels, rule: &PromRule) -> Labels {
    let bare = of.filter(|name| name != METRIC_NAME);
    rule.labels.iter().fold(bare, |labels, (name, value)| labels.with(name, value))
}

/// When an alert waits and when it fires, of the moments at which its query has a value.
fn states(held: &[Point], pending: Duration, moments: Moments) -> (Vec<Point>, Vec<Point>) {
    let pending = i64::try_from(pending.as_millis()).unwrap_or(i64::MAX);
    let (mut since, mut last) = (None, None);
    held.iter().map(|it| it.at).map(|at| Point { at, value: 1.0 }).partition(|it| {
        if last != Some(it.at - moments.step) {
            since = Some(it.at);
        }
        last = Some(it.at);
        since.is_some_and(|since| it.at - since < pending)
    })
}

fn ended(points: &[Point], moments: Moments) -> Vec<Point> {
    let has = |at: i64| points.binary_search_by_key(&at, |it| it.at).ok();
    let each = |at: i64| match has(at) {
        Some(place) => points.get(place).copied(),
        None => has(at - moments.step).map(|_| Point { at, value: STALE }),
    };
    moments.iter().filter_map(each).collect()
}

/// How two rules' series differ, in words; `None` where they are the same but for what is lost in decimals.
pub(crate) fn difference(one: &Made, other: &Made) -> Option<String> {
    let unmatched = |of: &Made, to: &Made, what| {
        let missing = of.iter().find(|it| !to.iter().any(|other| other.0 == it.0));
        missing.map(|it| format!("{:?} is {what}", it.0))
    };
    let both = |(labels, points): &(Labels, Vec<Point>)| {
        let (_, others) = other.iter().find(|it| it.0 == *labels)?;
        let apart = |(a, b): &(&Point, &Point)| a.at != b.at || !is_near(a.value, b.value);
        if let Some((a, b)) = points.iter().zip(others).find(apart) {
            let (at, then) = (a.at, b.at);
            return Some(format!("{labels:?}: {} at {at}, {} at {then}", a.value, b.value));
        }
        let (one, other) = (points.len(), others.len());
        (one != other).then(|| format!("{labels:?}: {one} values, {other} values"))
    };
    unmatched(one, other, "missing")
        .or_else(|| unmatched(other, one, "too many"))
        .or_else(|| one.iter().find_map(both))
}

/// Whether two values are the same but for the last digits. What is left of a budget is a difference and may be next to
/// nothing.
fn is_near(one: f64, other: f64) -> bool {
    one.to_bits() == other.to_bits()
        || (one.is_nan() && other.is_nan())
        || (one - other).abs() <= 1e-9 * one.abs().max(other.abs()) + 1e-11
}
