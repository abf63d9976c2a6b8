//! Outcome: how a run ended, and the figures behind it.
//!
//! Everything a report shows is in here, so every report says the same. Serialised, it is
//! `report.json`; times are seconds, shares are ratios between 0 and 1, and keys end with the unit.

use std::collections::BTreeMap;

use evenkeel_units::Moment;
use evenkeel_units::duration::{seconds, seconds_option};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::document::{Release, Role};
use crate::event::Evidence;
use crate::plan::{Footprint, Plan, RunHead};

mod comparison;
mod load;

pub use self::comparison::{Change, Changed, Comparison, Severity};
pub use self::load::{
    Borne, Breakdown, Broke, LoadLevel, Sample, Scalability, ScalePoint, SendingFigures,
    SpikeFigures, Times, Usl, WatchFigures, WatchPoint,
};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which run.
    pub run: RunHead,
    /// What was to be done.
    pub plan: Plan,
    /// How long load was sent.
    #[serde(rename = "duration_seconds", with = "seconds")]
    pub duration: Duration,
    /// The verdict.
    pub verdict: Verdict,
    /// The reliability score.
    pub score: Score,
    /// What decided the verdict, the failed ones first.
    pub checks: Vec<Check>,
    /// Over all judged phases.
    pub totals: Figures,
    /// By phase, in order.
    pub phases: Vec<PhaseFigures>,
    /// By route, in the order of the load test.
    pub routes: Vec<RouteFigures>,
    /// By transaction of the load test's scenarios.
    #[serde(default)]
    pub transactions: Vec<RouteFigures>,
    /// How the load was sent, and what sending it cost.
    #[serde(default)]
    pub sending: SendingFigures,
    /// By fault, in order of time.
    pub faults: Vec<FaultFigures>,
    /// How much of a staircase the service bore; `None` without one that ends where it breaks.
    #[serde(default)]
    pub breakdown: Option<Breakdown>,
    /// How the service stood spikes.
    #[serde(default)]
    pub spikes: Vec<SpikeFigures>,
    /// Throughput and latency against load, when it was offered in steps.
    #[serde(default)]
    pub scalability: Option<Scalability>,
    /// What was watched beside the load, in the order of the load test, figure by figure.
    #[serde(default)]
    pub watches: Vec<WatchFigures>,
    /// What the objectives' error budgets lost.
    pub budgets: Vec<BudgetFigures>,
    /// By steady-state probe.
    pub steady_state: Vec<ProbeFigures>,
    /// By guard: how near each abort condition came.
    pub guards: Vec<GuardFigures>,
    /// By second of load.
    pub seconds: Vec<SecondFigures>,
    /// Response times by second.
    pub heatmap: Heatmap,
    /// Response time by percentile: the baseline's and the run's.
    pub curves: Vec<Curve>,
    /// The judged load in stretches, so that later runs can be told apart from chance.
    #[serde(default)]
    pub samples: Vec<Sample>,
    /// Of a stored baseline: the figures of the runs that were accepted before it, the oldest first. How they
    /// differ among each other is noise.
    #[serde(default)]
    pub accepted: Vec<Figures>,
    /// The run it was compared with.
    pub baseline_run: Option<String>,
    /// What the run itself cost.
    pub footprint: Option<Footprint>,
}

/// The verdict of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// In one word.
    pub result: Ending,
    /// The exit code of the command.
    pub exit_code: u8,
    /// One sentence without a full stop: "Hypothesis disproved: 2 of 6 checks failed".
    pub headline: String,
    /// The likely cause, or what was seen, in one to three sentences.
    pub cause: String,
}

/// How a run ended, in one word.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Everything held.
    Pass,
    /// An objective, a check or a comparison failed.
    Fail,
    /// It could not be run.
    CouldNotRun,
    /// A safety guard stopped it.
    Aborted,
    /// A rule refused it.
    Refused,
    /// Too little was seen to say.
    Inconclusive,
    /// Somebody stopped it.
    Interrupted,
}

impl Ending {
    /// The exit code that stands for it.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::CouldNotRun => 3,
            Self::Aborted => 4,
            Self::Refused => 5,
            Self::Inconclusive => 6,
            Self::Interrupted => 130,
        }
    }

    /// For people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::CouldNotRun => "could not run",
            Self::Aborted => "aborted",
            Self::Refused => "refused",
            Self::Inconclusive => "inconclusive",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The reliability score: weighted parts, each from 0 to 100. Parts without data are left out, and the
/// weights of the others grow to fill the whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// From 0 to 100; `None` when no part has data.
    pub value: Option<f64>,
    /// A from 90, B from 80, C from 70, D from 60, F below.
    pub grade: Option<String>,
    /// The parts.
    pub parts: Vec<ScorePart>,
    /// The score of the run it was compared with.
    pub baseline: Option<f64>,
}

/// A part of the score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScorePart {
    /// `availability`, `performance`, `quality` or `recovery`.
    pub name: String,
    /// Its weight before parts without data were left out.
    pub weight: f64,
    /// From 0 to 100; `None` without data.
    pub value: Option<f64>,
    /// What it was computed from, for people.
    pub basis: String,
}

/// Something that had to hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What, for people: `checkout-fast: p99`, `recovery_time`.
    pub name: String,
    /// What kind of check it is.
    pub kind: CheckKind,
    /// The phase it is about; `None` for the whole run.
    pub phase: Option<String>,
    /// Whether it held.
    pub result: CheckResult,
    /// The limit, for people, such as `≤ 300ms`.
    pub limit: String,
    /// What was measured, for people.
    pub measured: String,
    /// The same figure in the run's own baseline phase, or in the stored baseline for regressions;
    /// empty without one.
    pub baseline: String,
    /// How far it was from the limit, for people, such as `+37%`; empty when that says nothing.
    pub margin: String,
    /// What was measured, in the base unit of the figure.
    pub measured_value: Option<f64>,
    /// The limit, in the base unit of the figure.
    pub limit_value: Option<f64>,
}

/// Where a check comes from.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// An objective (SLO).
    Objective,
    /// A success criterion.
    Success,
    /// The steady state, before or after.
    SteadyState,
    /// The comparison with a stored baseline.
    Regression,
    /// Planned load was reached, and the generator kept up.
    Load,
    /// Nothing drifts or leaks as time passes.
    Trend,
    /// What was watched beside the load stayed within its limits.
    Watch,
    /// A fault showed that it acted.
    Evidence,
    /// Everything that was broken was mended.
    Undo,
}

/// Whether a check held.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// It did not.
    Fail,
    /// Too little data to say.
    Inconclusive,
    /// It did.
    Pass,
    /// Shown, and not judged: an objective in a single phase.
    Info,
}

/// Figures of some requests. Times are `None` when no request was answered right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Arrivals that were due.
    pub planned: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests answered right.
    pub good: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Arrivals that were never sent.
    pub missed: u64,
    /// Failures by class.
    pub errors: BTreeMap<String, u64>,
    /// `good / (good + failed + missed)`.
    pub availability_ratio: Option<f64>,
    /// Requests answered right, each second.
    pub throughput_per_second: f64,
    /// Most requests answered right in one second.
    pub peak_per_second: f64,
    /// Mean response time of requests answered right.
    pub mean_seconds: Option<f64>,
    /// Median.
    pub p50_seconds: Option<f64>,
    /// 90th percentile.
    pub p90_seconds: Option<f64>,
    /// 95th percentile.
    pub p95_seconds: Option<f64>,
    /// 99th percentile.
    pub p99_seconds: Option<f64>,
    /// 99.9th percentile.
    pub p999_seconds: Option<f64>,
    /// Longest.
    pub max_seconds: Option<f64>,
    /// Service times of requests answered right: from when each was sent.
    #[serde(default)]
    pub service: Times,
    /// Response times of all answers, and of requests that were given up.
    #[serde(default)]
    pub all: Times,
}

impl Figures {
    /// Response times of requests answered right: from when each was due.
    pub const fn response(&self) -> Times {
        Times {
            mean_seconds: self.mean_seconds,
            p50_seconds: self.p50_seconds,
            p90_seconds: self.p90_seconds,
            p95_seconds: self.p95_seconds,
            p99_seconds: self.p99_seconds,
            p999_seconds: self.p999_seconds,
            max_seconds: self.max_seconds,
        }
    }
}

/// Figures of a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseFigures {
    /// Its name.
    pub name: String,
    /// What it was for.
    pub role: Role,
    /// When it began, after the start of the load.
    #[serde(rename = "from_seconds")]
    pub from: Moment,
    /// When it ended.
    #[serde(rename = "to_seconds")]
    pub to: Moment,
    /// The figures.
    pub figures: Figures,
}

/// Figures of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteFigures {
    /// Its name.
    pub name: String,
    /// The figures.
    pub figures: Figures,
}

/// What became of a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultFigures {
    /// What and where.
    pub label: String,
    /// Kind in documents.
    pub kind: String,
    /// What would have ended it, had the tool gone; `None` when it never began.
    pub release: Option<Release>,
    /// What it hit.
    pub targets: Vec<String>,
    /// When it began, after the start of the load; `None` when it never did.
    #[serde(rename = "from_seconds")]
    pub from: Option<Moment>,
    /// When it was taken back.
    #[serde(rename = "to_seconds")]
    pub to: Option<Moment>,
    /// What shows that it acted.
    pub evidence: Evidence,
    /// What went wrong with bringing it about or taking it back.
    pub error: Option<String>,
    /// From its start until the service was first seen unwell; `None` when it never was.
    #[serde(rename = "detected_after_seconds", with = "seconds_option")]
    pub detected_after: Option<Duration>,
    /// From its end until the service was well again for good; zero when it never was unwell; `None` when
    /// it did not recover within the run. For faults that act once: from their start.
    #[serde(rename = "recovered_after_seconds", with = "seconds_option")]
    pub recovered_after: Option<Duration>,
}

/// What an objective's error budget lost. Budgets are kept in counts, and never clamped: a negative rest
/// is overspent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetFigures {
    /// Name of the objective.
    pub objective: String,
    /// The promised share.
    pub target_ratio: f64,
    /// Good events.
    pub good: u64,
    /// All events.
    pub total: u64,
    /// Bad events that the objective allows among `total`.
    pub allowed_bad: f64,
    /// Share of that allowance which was used; above 1 when overspent.
    pub spent_ratio: f64,
    /// Burn rate: share of bad events divided by the share that is allowed.
    pub burn_rate: f64,
    /// The whole budget of the objective's window, in minutes of full outage.
    pub window_budget_minutes: f64,
    /// What this drill took of it, in minutes of full outage at this traffic.
    pub window_spent_minutes: f64,
    /// The window.
    #[serde(rename = "window_seconds", with = "seconds")]
    pub window: Duration,
}

/// What a probe of the steady state saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeFigures {
    /// What it asks, for people.
    pub question: String,
    /// Whether it held before anything was broken.
    pub before: Option<bool>,
    /// How often it was asked during the run.
    pub during_asked: u64,
    /// How often it held then.
    pub during_held: u64,
    /// Whether it held at the end.
    pub after: Option<bool>,
    /// What it saw last when it did not hold.
    pub detail: String,
}

/// How near an abort condition came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardFigures {
    /// The condition, for people.
    pub condition: String,
    /// The worst value seen, for people; empty without data.
    pub worst: String,
    /// When it stopped the run, after the start of the load.
    #[serde(rename = "tripped_at_seconds")]
    pub tripped_at: Option<Moment>,
}

/// Figures of one second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SecondFigures {
    /// Which second of the load.
    pub second: u64,
    /// Arrivals that were due.
    pub planned: u64,
    /// Requests answered right.
    pub good: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Arrivals that were never sent.
    pub missed: u64,
    /// Requests under way at its end.
    pub in_flight: u64,
    /// Mean response time of requests answered right; `None` without any.
    pub mean_seconds: Option<f64>,
    /// Median.
    pub p50_seconds: Option<f64>,
    /// 95th percentile.
    pub p95_seconds: Option<f64>,
    /// 99th percentile.
    pub p99_seconds: Option<f64>,
}

/// Response times by second: how many answers took how long, on a logarithmic scale. All outcomes count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heatmap {
    /// Edges of the rows, ascending; one more than there are rows.
    pub edges_seconds: Vec<f64>,
    /// For each second, the count in each row.
    pub columns: Vec<Vec<u64>>,
}

/// Response time by percentile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Whose: `baseline`, `faults`, or the name of a stored run.
    pub name: String,
    /// Pairs of share (0–1) and seconds, ascending.
    pub points: Vec<(f64, f64)>,
}
