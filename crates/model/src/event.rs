//! Event: something that happened during a run. The journal is a list of them, one a line.
//!
//! The conductor decides by events alone, so a journal replays to the same verdict.

use std::collections::BTreeMap;

use evenkeel_units::Moment;
use serde::{Deserialize, Serialize};

use crate::document::Release;
use crate::frame::Frame;
use crate::outcome::Outcome;
use crate::plan::{Footprint, Plan, RunHead};

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// After the start of the run.
    #[serde(rename = "at_seconds")]
    pub at: Moment,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Go: the first event of every run.
    Started {
        /// Which run.
        run: RunHead,
        /// What will be done.
        plan: Box<Plan>,
    },
    /// The run will be compared with an earlier one; right behind [`Event::Started`].
    Baseline {
        /// How that one ended. Its heatmap is left out.
        outcome: Box<Outcome>,
    },
    /// What the run needs could not be had: the service did not start, a port was taken, a target is
    /// not there.
    PreflightFailed {
        /// Why, as a sentence for people.
        reason: String,
        /// Whether a rule refused it (blast radius, hours, `allowFaults`), rather than the world.
        refused: bool,
    },
    /// Everything the run needs is there: the service answers, links are open, targets are known.
    Ready,
    /// A probe was answered.
    Probed {
        /// Index in the plan's steady state.
        probe: usize,
        /// Whether it held.
        held: bool,
        /// What was seen, for people.
        detail: String,
        /// How long the question took.
        #[serde(default)]
        took_seconds: f64,
    },
    /// The service that the run had started ended by itself.
    ServiceEnded {
        /// How, such as `exit status: 1`.
        how: String,
    },
    /// A machine is ready to send its share of the load; none does where the load is sent from here.
    AgentJoined {
        /// Where it listens, or what it is called where it came by itself.
        agent: String,
        /// What it calls itself.
        name: String,
        /// How long a message and its answer took at least; its seconds are off by up to half of it.
        round_trip_seconds: f64,
    },
    /// Load is being sent; its seconds count from here.
    LoadStarted,
    /// A second of load.
    Second {
        /// As counted.
        frame: Frame,
    },
    /// How a machine sent its part of a second of load.
    AgentSecond {
        /// As in [`Event::AgentJoined`].
        agent: String,
        /// As it counted, but for the outcomes, which are among those of all in [`Event::Second`].
        frame: Frame,
    },
    /// A machine that sent a share of the load is lost.
    AgentLost {
        /// As in [`Event::AgentJoined`].
        agent: String,
        /// How many of its seconds were heard.
        second: u64,
        /// How it was noticed.
        reason: String,
    },
    /// What a lost machine had to send is sent by others.
    ShareHandedOn {
        /// Where the lost one listened.
        agent: String,
        /// Where those listen that send it now.
        by: Vec<String>,
        /// From which moment of the load on: nothing of it that was due before.
        #[serde(rename = "from_seconds")]
        from: Moment,
        /// How many arrivals nobody sent, which were due between its last second and then.
        missed: u64,
    },
    /// No more load is sent, and every request has its outcome.
    LoadEnded {
        /// Why it ended early, when it did.
        error: Option<String>,
    },
    /// A fault acts.
    FaultBegan {
        /// Index in the plan.
        fault: usize,
        /// What ends it when the tool is gone.
        release: Release,
        /// What it hit, by name, such as `gateway-2 (pid 4711)`.
        targets: Vec<String>,
    },
    /// A fault could not be brought about. It has been taken back as far as it went.
    FaultFailed {
        /// Index in the plan.
        fault: usize,
        /// Why.
        error: String,
    },
    /// A fault has been taken back.
    FaultEnded {
        /// Index in the plan.
        fault: usize,
        /// What shows that it acted.
        evidence: Evidence,
        /// Why it could not be taken back, when it could not.
        error: Option<String>,
    },
    /// Something that is watched beside the load was read.
    Watched {
        /// Index among the load test's watches.
        watch: usize,
        /// By name of the figure, in base units; empty when it could not be read.
        values: BTreeMap<String, f64>,
        /// Why it could not be read.
        error: Option<String>,
    },
    /// A moment came that the conductor had asked to be woken at.
    Tick,
    /// Somebody or something asked the run to end.
    Interrupted {
        /// Name of the signal, such as `SIGINT`.
        signal: String,
    },
    /// The guardian is gone; without it nothing may be broken.
    GuardianLost,
    /// Something is still broken after everything was tried; `evenkeel chaos recover` tries again.
    NotMended {
        /// What and why, as a sentence for people.
        reason: String,
    },
    /// What the run itself cost: the last event of every run.
    Measured {
        /// As measured.
        footprint: Footprint,
    },
}

/// What shows that a fault acted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Whether it did.
    pub acted: bool,
    /// For people, such as `1 204 segments delayed by 803 ms in the median`.
    pub summary: String,
    /// The counters behind it, with the unit in each name.
    pub counters: BTreeMap<String, f64>,
}
