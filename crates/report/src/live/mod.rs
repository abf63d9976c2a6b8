//! Live: what is shown while a run is under way.
//!
//! ```text
//! picture  everything in its place, on a terminal of any size
//! charts   the load against its plan, and response times, over time
//! lines    the figures of this second
//! budgets  how objectives stand, as levels and bars
//! lists    limits, faults, guards, routes, what is watched, and what has happened
//! ```
//!
//! A pure picture of a moment, drawn into the cells of a buffer. Whoever knows the terminal draws it once a
//! second; without a terminal, [`quiet_line`] says the same in one line every ten seconds.

mod budgets;
mod charts;
mod lines;
mod lists;
mod picture;

use std::time::Duration;

use evenkeel_model::outcome::{Check, Figures, RouteFigures, SecondFigures, WatchFigures};

pub use self::budgets::{BudgetView, BudgetsView, BurnView, Tone, budget_lines, draw_budgets};
pub use self::picture::draw;
use crate::figure::{self, plain};

/// A run at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveView {
    /// Name of the drill or of the load test.
    pub name: String,
    /// Name of the phase under way, or what is being done beside the load, such as `preparing`.
    pub phase: String,
    /// Load has been sent for this long.
    pub elapsed: Duration,
    /// Load will be sent for this long.
    pub length: Duration,
    /// Every phase.
    pub phases: Vec<LivePhase>,
    /// Arrivals a second that the plan asks for, in equal parts of its whole length; empty where arrivals depend
    /// on answers.
    pub planned: Vec<f64>,
    /// Each second of load so far.
    pub seconds: Vec<SecondFigures>,
    /// The load so far.
    pub totals: Figures,
    /// How it is being sent.
    pub sending: LiveSending,
    /// Objectives and success criteria by what there is so far, those that do not hold first.
    pub checks: Vec<Check>,
    /// By route, so far.
    pub routes: Vec<RouteFigures>,
    /// What is watched beside the load, with its latest readings.
    pub watches: Vec<WatchFigures>,
    /// Faults that act now.
    pub faults: Vec<LiveFault>,
    /// The abort conditions.
    pub guards: Vec<LiveGuard>,
    /// What has happened, the latest last.
    pub news: Vec<String>,
}

/// A phase on the bar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LivePhase {
    /// Its name.
    pub name: String,
    /// When it begins, after the start of the load.
    pub from: Duration,
    /// When it ends.
    pub to: Duration,
}

/// How load was sent in the last second.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct LiveSending {
    /// Arrivals that wait for a connection.
    pub waiting: u64,
    /// Connections that were made so far.
    pub connected: u64,
    /// From when a request was due until it was sent: median.
    pub lag_p50: Option<Duration>,
    /// The same, 99th percentile.
    pub lag_p99: Option<Duration>,
    /// Share of a core that each sending thread took.
    pub busy_ratio: Option<f64>,
}

/// A fault that acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveFault {
    /// What and where.
    pub label: String,
    /// When it will be taken back; `None` for one that acts once.
    pub remaining: Option<Duration>,
}

/// An abort condition and how near it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveGuard {
    /// The condition, for people.
    pub condition: String,
    /// The value now, for people.
    pub value: String,
    /// From 0, all is well, to 1, the run is stopped; `None` without data.
    pub closeness: Option<f64>,
}

impl LiveGuard {
    /// How near it is, from 0 to 1; below 0 without data.
    fn rank(&self) -> f64 {
        self.closeness.filter(|it| !it.is_nan()).map_or(-1.0, |it| it.clamp(0.0, 1.0))
    }
}

/// The run at a moment in one line.
pub fn quiet_line(view: &LiveView) -> String {
    let now = lines::Now::of(view);
    let mut parts = vec![
        format!("{} of {}", clock(view.elapsed), clock(view.length)),
        view.phase.clone(),
        now.rate(),
        format!("p50 {} p99 {}", now.p50(), now.p99()),
        format!("errors {}", figure::share_or_none(now.error_ratio())),
    ];
    if !view.faults.is_empty() {
        let labels: Vec<_> = view.faults.iter().map(|it| it.label.as_str()).collect();
        parts.push(format!("active: {}", labels.join(", ")));
    }
    let nearest = view.guards.iter().max_by(|a, b| a.rank().total_cmp(&b.rank()));
    if let Some(guard) = nearest.filter(|it| it.rank() >= 0.5) {
        parts.push(format!("near {} (now {})", guard.condition, guard.value));
    }
    plain(&parts.join(" · "))
}

fn clock(it: Duration) -> String {
    figure::clock(it.as_secs_f64())
}
