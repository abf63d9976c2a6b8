//! The record of a game day: what was planned, what really happened, and what was seen of it.
//!
//! It is composed of the document, of the events of the run, and of its outcome. Observations are those that were
//! measured; what was learned stays empty, for the people who were there to write down.

use std::time::Duration;

use evenkeel_model::document::GameDay;
use evenkeel_model::outcome::{Check, CheckKind, CheckResult, FaultFigures, ProbeFigures, Verdict};
use evenkeel_model::plan::RunHead;
use evenkeel_model::{Entry, Event, Outcome, Plan};
use evenkeel_units::Moment;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::reaction::{self, Reaction, reaction};
use crate::{figure, mark};

mod html;
mod markdown;

pub use html::render as html;
pub use markdown::render as markdown;

/// How many lines of what happened are told; a probe that flutters for an hour has more.
const TOLD: usize = 200;

/// What became of a game day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// What had been agreed on.
    pub game_day: GameDay,
    /// The run.
    pub run: RunHead,
    /// Name of the experiment or drill.
    pub scenario: String,
    /// How the run ended.
    pub verdict: Verdict,
    /// What was said or asked before.
    pub prerequisites: Vec<Confirmed>,
    /// What really happened, in order.
    pub happened: Vec<Happened>,
    /// What was seen of it.
    pub observations: Vec<String>,
    /// The figures that had to hold.
    pub figures: Vec<Check>,
    /// What people wrote down afterwards: nothing yet.
    pub learnings: Vec<String>,
}

/// A prerequisite that was so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confirmed {
    /// What.
    pub what: String,
    /// Who says so: a person, or what a probe saw.
    pub how: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// On the clocks of the zone of the game day, such as `10:00:03`.
    pub at: String,
    /// After the start of the run.
    #[serde(rename = "after_seconds")]
    pub after: Moment,
    /// What.
    pub what: String,
}

impl Record {
    /// The record of a run whose events these are.
    pub fn new(day: &GameDay, confirmed: Vec<Confirmed>, all: &[Entry], outcome: &Outcome) -> Self {
        let is_figure = |it: &&Check| {
            !matches!(it.kind, CheckKind::Evidence | CheckKind::Undo | CheckKind::SteadyState)
                && it.result != CheckResult::Info
        };
        Self {
            game_day: day.clone(),
            run: outcome.run.clone(),
            scenario: outcome.plan.drill.clone(),
            verdict: outcome.verdict.clone(),
            prerequisites: confirmed,
            happened: happened(day, all, outcome),
            observations: observations(outcome),
            figures: outcome.checks.iter().filter(is_figure).cloned().collect(),
            learnings: Vec::new(),
        }
    }

    /// What it is called.
    pub fn title(&self) -> &str {
        self.game_day.title.as_deref().unwrap_or(&self.game_day.name)
    }

    /// As a program reads it.
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.unwrap_or_else(|_| unreachable!("a record is made of texts, numbers and lists"))
    }
}

fn happened(day: &GameDay, all: &[Entry], outcome: &Outcome) -> Vec<Happened> {
    let zone = TimeZone::get(&day.time_zone).unwrap_or(TimeZone::UTC);
    let started: Option<Timestamp> = outcome.run.started.parse().ok();
    let clock = |after: Moment| {
        let after = SignedDuration::try_from(after.elapsed()).ok();
        let at = started.zip(after).and_then(|(it, after)| it.checked_add(after).ok());
        at.map(|it| it.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()).unwrap_or_default()
    };
    let mut held = vec![None; outcome.plan.steady_state.len()];
    let told = all.iter().filter_map(|it| Some((it.at, told(&outcome.plan, it, &mut held)?)));
    let line = |(after, what)| Happened { at: clock(after), after, what };
    let mut lines: Vec<Happened> = told.map(line).collect();
    if lines.len() > TOLD {
        let more = lines.len() - TOLD;
        lines.truncate(TOLD);
        let after = lines.last().map(|it| it.after).unwrap_or_default();
        lines.push(line((
            after,
            format!("{more} more events, which are in the journal of the run"),
        )));
    }
    let end = all.last().map(|it| it.at).unwrap_or_default();
    lines.push(line((end, format!("over: {}", outcome.verdict.headline))));
    lines
}

/// What people would tell of an event; nothing of most. `held` is the last answer of each probe, and when it was asked for.
fn told(plan: &Plan, entry: &Entry, held: &mut [Option<(Moment, bool)>]) -> Option<String> {
    let label = |fault: &usize| plan.faults.get(*fault).map_or("a fault", |it| it.label.as_str());
    Some(match &entry.event {
        Event::Started { .. } => "the run begins: the steady state is asked".to_owned(),
        Event::PreflightFailed { reason, .. } => format!("it could not begin: {reason}"),
        Event::LoadStarted if plan.load.is_some() => "load is sent".to_owned(),
        Event::LoadStarted => {
            "the steady state was seen; the clock of the experiment runs".to_owned()
        }
        Event::LoadEnded { error: Some(error) } => format!("the load ended early: {error}"),
        Event::Probed { probe, held: now, detail, took_seconds } => {
            let took = Duration::try_from_secs_f64(*took_seconds).unwrap_or_default();
            let asked = Moment::at(entry.at.elapsed().saturating_sub(took));
            let last = held.get_mut(*probe)?;
            // A later question that was answered sooner knows better.
            if last.is_some_and(|(later, _)| asked < later) {
                return None;
            }
            let before = last.replace((asked, *now)).map(|(_, it)| it);
            let question = &plan.steady_state.get(*probe)?.kind;
            match (before, *now) {
                (None | Some(true), false) => format!("no longer so: {question} ({detail})"),
                (Some(false), true) => format!("so again: {question}"),
                (None | Some(true), true) | (Some(false), false) => return None,
            }
        }
        Event::FaultBegan { fault, targets, .. } => {
            format!("broken: {} ({})", label(fault), targets.join(", "))
        }
        Event::FaultFailed { fault, error } => {
            format!("could not be broken: {}: {error}", label(fault))
        }
        Event::FaultEnded { fault, error: None, .. } => format!("over: {}", label(fault)),
        Event::FaultEnded { fault, error: Some(error), .. } => {
            format!("could not be taken back: {}: {error}", label(fault))
        }
        Event::ServiceEnded { how } => format!("the service ended by itself: {how}"),
        Event::Interrupted { signal } => format!("somebody ended it ({signal})"),
        Event::GuardianLost => "the guardian was lost, and everything mended".to_owned(),
        Event::NotMended { reason } => format!("still broken: {reason}"),
        _ => return None,
    })
}

fn observations(outcome: &Outcome) -> Vec<String> {
    let mut lines = Vec::new();
    if !outcome.verdict.cause.is_empty() {
        lines.push(outcome.verdict.cause.clone());
    }
    lines.extend(outcome.faults.iter().map(of_fault));
    lines.extend(outcome.steady_state.iter().map(of_probe));
    lines.extend(outcome.guards.iter().filter(|it| !it.worst.is_empty()).map(|it| {
        let came = match it.tripped_at {
            Some(at) => format!("ended the run after {}", figure::span(at.elapsed())),
            None => "did not come true".to_owned(),
        };
        format!("The abort condition {} {came}; the worst was {}.", it.condition, it.worst)
    }));
    let trouble = outcome.checks.iter().filter(|it| {
        matches!(it.kind, CheckKind::Evidence | CheckKind::Undo | CheckKind::SteadyState)
            && it.result < CheckResult::Pass
    });
    lines.extend(trouble.map(|it| format!("{}: {}", it.name, mark::word(it.result))));
    lines
}

fn of_fault(it: &FaultFigures) -> String {
    let (_, word) = reaction::evidence(it);
    let shown = it.error.as_deref().unwrap_or_else(|| reaction::shown(it));
    let shown = if shown.is_empty() { String::new() } else { format!(" ({shown})") };
    let took = match reaction(it) {
        Reaction::NotBegun => "it never began".to_owned(),
        Reaction::NotObserved => "how the service took it was not observed".to_owned(),
        Reaction::Unharmed => "the service was well all along".to_owned(),
        Reaction::NotRecovered => {
            format!(
                "it showed after {}, and the service did not recover",
                reaction::showed_after(it)
            )
        }
        Reaction::Recovered(time) => format!(
            "it showed after {}, and the service was well again {} after its end",
            reaction::showed_after(it),
            figure::span(time)
        ),
    };
    format!("{}: {word}{shown}; {took}.", it.label)
}

fn of_probe(it: &ProbeFigures) -> String {
    let word = |held: Option<bool>| match held {
        Some(true) => "held",
        Some(false) => "did not hold",
        None => "was not asked",
    };
    let last = if it.detail.is_empty() {
        String::new()
    } else {
        format!("; last seen otherwise: {}", it.detail)
    };
    format!(
        "{}: {} before, {} of {} times meanwhile, {} after{last}.",
        it.question,
        word(it.before),
        it.during_held,
        it.during_asked,
        word(it.after)
    )
}
