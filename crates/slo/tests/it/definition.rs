//! Definition: what the records and alerts of `exact` rules have to be, by what was counted.
//!
//! Records are compared with the true number of events of their window, and alerts with the engine's own burn rules, which
//! are told these numbers. Prometheus extrapolates, so that what half a percent of the bad events decides is not asked.

use std::time::Duration;

use anyhow::{Context as _, Result};
use evenkeel_series::{Labels, Memory, Point, is_stale};
use evenkeel_slo::Counts;
use evenkeel_slo::burn::{Reading, Rule};
use evenkeel_slo::rules::exact::BURN_LABEL;
use evenkeel_slo::rules::{Group, Makes, PromRule, Subject, duration, exact};
use evenkeel_units::parse_duration;

use crate::mutant::{Mutant, mutants};
use crate::play::{Made, Moments, World, evaluate, extend};
use crate::scenario::{END, HOUR, Scenario};
use crate::shop::{BAD, TOTAL};

/// Records are made in steps of five minutes, and sums are of these.
const TILE: i64 = 300_000;

/// What counts: all there was, or what a range of samples shows of it. It does not hold what came before its first sample, and
/// takes that for as much as the rest.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Sees {
    All,
    Samples,
}

/// An objective in a scenario, with everything that its exact rules make.
pub(crate) struct Case<'a> {
    subject: &'a Subject,
    scenario: &'a Scenario,
    world: World<'a>,
}

impl<'a> Case<'a> {
    pub(crate) fn play(
        subject: &'a Subject,
        groups: &[Group],
        scenario: &'a Scenario,
        series: &'a Memory,
    ) -> Result<Self> {
        let mut world = World { measured: series, made: Memory::new() };
        // What sums are made of is there from the beginning, and everything else at the moments that are asked.
        let tiles = tiles(groups);
        let moments = Moments { from: END - scenario.length(), until: END, step: TILE };
        extend(&mut world, &[tiles], moments)?;
        extend(&mut world, groups, scenario.moments)?;
        Ok(Self { subject, scenario, world })
    }

    /// What a rule makes here that is not as defined.
    pub(crate) fn wrong(&self, rule: &PromRule) -> Result<Option<String>> {
        let made = evaluate(rule, &self.world, self.scenario.moments)?;
        Ok(match &rule.makes {
            Makes::Record(name) => self.wrong_record(name, rule, &made),
            Makes::Alert { .. } => self.wrong_alert(rule, &made)?,
        })
    }

    fn wrong_record(&self, name: &str, rule: &PromRule, made: &Made) -> Option<String> {
        let window = rule.labels.get("sloth_window").and_then(|it| parse_duration(it).ok());
        self.scenario.moments.iter().find_map(|at| {
            let [truth, seen] =
                [Sees::All, Sees::Samples].map(|it| self.expected(name, window, at, it));
            let found = value(made, at);
            let both = truth.zip(seen);
            let (low, high) = (both.map(|it| it.0.min(it.1)), both.map(|it| it.0.max(it.1)));
            let near = |found: f64| {
                let off = |it: f64| it.abs() * self.scenario.tolerance + 1e-9;
                low.is_some_and(|it| found >= it - off(it))
                    && high.is_some_and(|it| found <= it + off(it))
            };
            let is_right = found.map_or(truth.is_none(), near);
            (!is_right).then(|| {
                let before = (END - at) / 1_000;
                format!(
                    "{}: {name} is {found:?} and not {truth:?}, {before} s before the end",
                    self.scenario.name
                )
            })
        })
    }

    /// What a record has to be; `None` where it has to have no value.
    fn expected(&self, name: &str, window: Option<Duration>, at: i64, sees: Sees) -> Option<f64> {
        let subject = self.subject;
        let budget = subject.objective.rest().get();
        let counted = |window| self.is_seen(window, at).then(|| self.counted(window, at, sees));
        let ratio = |window| {
            let (all, bad) = counted(window)?;
            (all > 0.0).then(|| bad / all)
        };
        let shortest = Duration::from_mins(5);
        match (name, window) {
            ("slo:objective:ratio", _) => Some(subject.objective.get()),
            ("slo:error_budget:ratio", _) => Some(budget),
            ("slo:time_period:days", _) => Some(subject.window.as_secs_f64() / 86_400.0),
            ("sloth_slo_info", _) => Some(1.0),
            ("slo:current_burn_rate:ratio", _) => Some(ratio(shortest)? / budget),
            ("slo:period_burn_rate:ratio", _) => Some(ratio(subject.window)? / budget),
            ("slo:period_error_budget_remaining:ratio", _) => {
                Some(1.0 - ratio(subject.window)? / budget)
            }
            (name, Some(it)) if name.starts_with("slo:sli_bad:") => Some(counted(it)?.1),
            (name, Some(it)) if name.starts_with("slo:sli_total:") => Some(counted(it)?.0),
            (_, Some(it)) => ratio(it),
            (_, None) => None,
        }
    }

    /// Whether there are as many samples as an increase takes.
    fn is_seen(&self, window: Duration, at: i64) -> bool {
        let length = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        self.scenario.samples(at - length, at) >= 2
    }

    /// Events, and bad ones, of a window.
    fn counted(&self, window: Duration, at: i64, sees: Sees) -> (f64, f64) {
        let length = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        let within =
            |length| self.scenario.counted(self.subject.objective.rest().get(), at - length, at);
        let every = self.scenario.every();
        if sees == Sees::All || length > HOUR {
            return within(length);
        }
        let (all, bad) = within(length - every);
        let more = length as f64 / (length - every) as f64;
        (all * more, bad * more)
    }

    fn wrong_alert(&self, rule: &PromRule, made: &Made) -> Result<Option<String>> {
        let burn = rule.labels.get(BURN_LABEL).context("an alert of no window")?;
        let of = self.subject.burn.iter().find(|it| duration(it.long) == *burn);
        let of = of.context("an alert of no rule")?;
        let wrong = self.scenario.moments.iter().find(|at| {
            let fires = value(made, *at).is_some();
            self.holds(of, *at).is_some_and(|holds| holds != fires)
        });
        Ok(wrong.map(|at| {
            let before = (END - at) / 1_000;
            format!(
                "{}: the alert of {burn} is wrong {before} s before the end",
                self.scenario.name
            )
        }))
    }

    /// Whether a burn rule holds, where little more or less does not decide it.
    fn holds(&self, rule: &Rule, at: i64) -> Option<bool> {
        let with = |factor: f64, more: f64| {
            let counts = |window| {
                let (all, bad) = self.counted(window, at, Sees::All);
                let (all, bad) = ((all + more).round(), (bad * factor).round());
                Counts::with_bad(bad.min(all) as u64, all as u64)
            };
            let reading = Reading { long: Some(counts(rule.long)), short: rule.short.map(counts) };
            rule.holds(self.subject.objective, reading, false).unwrap_or(false)
        };
        let around = [(0.995, 0.0), (1.005, 0.0), (1.0, 0.3), (1.0, -0.3)];
        let holds = with(1.0, 0.0);
        around.into_iter().all(|(factor, more)| with(factor, more) == holds).then_some(holds)
    }
}

/// The group of the records that sums are made of.
fn tiles(groups: &[Group]) -> Group {
    let is_tile = |it: &&PromRule| match &it.makes {
        Makes::Record(name) => name.ends_with(":increase5m"),
        Makes::Alert { .. } => false,
    };
    let rules = groups.iter().flat_map(|it| &it.rules).filter(is_tile).cloned().collect();
    Group { name: "tiles".to_owned(), interval: None, rules }
}

fn value(made: &Made, at: i64) -> Option<f64> {
    let point = |points: &Vec<Point>| {
        let place = points.binary_search_by_key(&at, |it| it.at).ok()?;
        points.get(place).map(|it| it.value).filter(|it| !is_stale(*it))
    };
    made.iter().find_map(|(_, points): &(Labels, Vec<Point>)| point(points))
}

/// How much evidence it takes is proven to one event by the tests that rules are written with; here are no events so few.
const EVIDENCE: [&str; 6] = ["2.5", "1000", "1.9208", "1.96", "0.9604", "3.8416"];

/// How exact rules fare in scenarios.
#[derive(Debug, Default)]
pub(crate) struct Fared {
    /// What is not as defined.
    pub(crate) wrong: Vec<String>,
    /// How many wrong rules there are that differ from ours by one number or window.
    pub(crate) mutants: usize,
    /// Those that nothing shows to be wrong.
    pub(crate) survivors: Vec<String>,
}

/// Plays the exact rules of an objective, and every wrong version of them, and compares with the definition.
pub(crate) fn fare(subject: &Subject, scenarios: &[Scenario]) -> Result<Fared> {
    let groups = exact::rules(subject);
    let rules = groups.iter().flat_map(|it| &it.rules);
    let meant = |it: &Mutant| !EVIDENCE.contains(&it.was());
    let wrong = |it: &PromRule| mutants(it).into_iter().filter(meant).collect::<Vec<_>>();
    let mut alive: Vec<_> = rules.map(|it| (it, wrong(it))).collect();
    let mut fared = Fared { mutants: alive.iter().map(|it| it.1.len()).sum(), ..Fared::default() };
    for scenario in scenarios {
        let series = scenario.series(subject.objective.rest().get(), &format!("{BAD} {TOTAL}"));
        let case = Case::play(subject, &groups, scenario, &series)?;
        for (rule, mutants) in &mut alive {
            fared.wrong.extend(case.wrong(rule)?);
            let mut left = Vec::new();
            for it in mutants.drain(..) {
                left.extend(case.wrong(&it.rule)?.is_none().then_some(it));
            }
            *mutants = left;
        }
    }
    let left = alive.iter().flat_map(|(_, left)| left.iter().map(Mutant::described));
    fared.survivors = left.collect();
    Ok(fared)
}
