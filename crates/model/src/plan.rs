//! Plan: a drill with every reference resolved; what will be done, before anything is done.
//!
//! A dry run prints it, the conductor runs it, the journal begins with it, and a replay judges by it.

use std::time::Duration;

use evenkeel_units::duration::seconds;
use evenkeel_units::{Moment, Seed};
use serde::{Deserialize, Serialize};

use crate::document::{
    Fault, LoadTest, Monkey, Probe, RegressionLimits, Role, Safety, Schedule, Service, Shape, Slo,
    Target, Threshold, Watch,
};

/// Everything a run needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the drill, or of what runs by itself.
    pub drill: String,
    /// For people.
    pub description: Option<String>,
    /// What is believed.
    pub hypothesis: Option<String>,
    /// The service.
    pub service: Service,
    /// The promises it is judged by.
    pub objectives: Vec<Slo>,
    /// The requests; `None` when an experiment runs by itself, and nothing is sent but its probes.
    #[serde(default)]
    pub load: Option<LoadTest>,
    /// When each phase begins and ends, after the start of the load.
    pub phases: Vec<PlannedPhase>,
    /// When each fault acts, after the start of the load; in order of time.
    pub faults: Vec<PlannedFault>,
    /// Questions about the steady state.
    pub steady_state: Vec<Probe>,
    /// The strictest of all limits.
    pub safety: Safety,
    /// What must hold.
    pub success: Vec<Threshold>,
    /// How much worse than the stored baseline is a regression.
    pub regression: RegressionLimits,
    /// The seed of every random choice.
    pub seed: Seed,
    /// When it is run by itself, with its zone.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Chance and groups, when it is left to chance whether it breaks anything.
    #[serde(default)]
    pub monkey: Option<Monkey>,
}

/// A phase with its times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedPhase {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The load in it; `None` when nothing is sent.
    #[serde(default)]
    pub shape: Option<Shape>,
    /// When it begins.
    #[serde(rename = "from_seconds")]
    pub from: Moment,
    /// When it ends.
    #[serde(rename = "to_seconds")]
    pub to: Moment,
}

/// A fault with its times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// For people: what and where, such as `latency +800ms · payment`. Unique within the plan.
    pub label: String,
    /// Name of the experiment it belongs to.
    pub experiment: String,
    /// What is done.
    pub fault: Fault,
    /// To what; `None` for faults of this host.
    pub target: Option<Target>,
    /// When it begins.
    #[serde(rename = "from_seconds")]
    pub from: Moment,
    /// When it is taken back. For one-shot faults: the end of its phase, until when recovery is awaited.
    #[serde(rename = "to_seconds")]
    pub to: Moment,
}

impl Plan {
    /// Whether it breaks anything, where that is left to chance: the seed says so.
    pub fn is_drawn(&self) -> bool {
        self.monkey.as_ref().is_none_or(|it| it.draws(self.seed))
    }

    /// How long load is sent.
    pub fn length(&self) -> Duration {
        self.phases.last().map_or(Duration::ZERO, |it| it.to.elapsed())
    }

    /// What runs, for sentences.
    pub const fn noun(&self) -> &'static str {
        if self.load.is_some() { "drill" } else { "experiment" }
    }

    /// What time is counted in, for sentences.
    pub const fn course(&self) -> &'static str {
        if self.load.is_some() { "load" } else { "run" }
    }

    /// What is answered right or not, for sentences.
    pub const fn asked(&self) -> &'static str {
        if self.load.is_some() { "request" } else { "probe" }
    }

    /// What will be done, as a text that is the same for the same plan whatever its seed: what an approval is bound to.
    pub fn canonical(&self) -> String {
        let written = serde_json::to_value(self).map(|mut it| {
            // Sorted by name, whatever the order in which a version writes its fields.
            it.as_object_mut().into_iter().for_each(|it| drop(it.remove("seed")));
            it.to_string()
        });
        written.unwrap_or_else(|_| unreachable!("a plan is made of texts, numbers and lists"))
    }

    /// The phase at a moment after the start of the load.
    pub fn phase_at(&self, moment: Moment) -> Option<usize> {
        self.phases.iter().position(|it| it.from <= moment && moment < it.to)
    }

    /// Arrivals planned for the whole run; `None` when a phase is of the closed model.
    pub fn arrivals(&self) -> Option<f64> {
        self.phases.iter().map(|it| it.due(it.to - it.from)).sum()
    }

    /// What requests are told apart by: the routes of the load. Without load each probe's question is one.
    pub fn routes(&self) -> Vec<String> {
        match &self.load {
            Some(load) => load.routes.iter().map(|it| it.name.clone()).collect(),
            None => self.steady_state.iter().map(|it| it.kind.to_string()).collect(),
        }
    }

    /// The route of that name, by its place.
    pub fn route(&self, name: &str) -> Option<usize> {
        self.routes().iter().position(|it| it == name)
    }

    /// What is watched beside the load.
    pub fn watches(&self) -> &[Watch] {
        self.load.as_ref().map_or(&[], |it| &it.watch)
    }
}

impl PlannedPhase {
    /// Arrivals that are due in its first `elapsed`; `None` in the closed model.
    pub fn due(&self, elapsed: Duration) -> Option<f64> {
        self.shape.as_ref().map_or(Some(0.0), |it| it.due(elapsed))
    }
}

/// How a run is told apart from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHead {
    /// Name of its folder: the drill's name and when it began.
    pub id: String,
    /// When it began, on people's clocks.
    pub started: String,
    /// Version of Evenkeel.
    pub version: String,
}

/// Where a replay finds an earlier run's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Footprint {
    /// Share of a core that conducting took, beside the load and the proxy.
    pub conducting_cpu_ratio: f64,
    /// CPU time that sending the load took.
    #[serde(rename = "load_cpu_seconds", with = "seconds")]
    pub load_cpu: Duration,
    /// CPU time that the proxy took.
    #[serde(rename = "proxy_cpu_seconds", with = "seconds")]
    pub proxy_cpu: Duration,
    /// Most memory the process had resident.
    pub peak_memory_bytes: u64,
}
