//! Fleet: one load from several machines, counted as if it came from one.
//!
//! ```text
//! token        what coordinator and agents both know, and how they show it
//! meeting      how they find each other: the coordinator calls its agents, or they call it
//! postgres     bytes over the tables of a database, for those who reach nothing else
//! link         an encrypted way between two who have shown the token; message: what is said on it
//! share        one order → one for each agent
//! deal         who sends which share up to when, and who sends that of an agent that is lost
//! clock        what the clock of an agent says, so that all start together
//! assembly     from agents that come one by one to a crew that is ready
//! agent        sends a share of whatever a coordinator orders
//! roll         who is there, and what all have counted together
//! coordinator  ties them together, and looks like a load of one machine
//! ```
//!
//! An agent sends every `n`-th arrival of the same schedule, from the same seed, so that all of them together send
//! what one machine would have sent, each arrival once. Times are measured by the clock of the agent alone; only
//! which second a frame belongs to depends on how well the start was agreed upon. Frames add up, so thresholds are
//! judged once, over all machines.
//!
//! An agent that breaks off, is silent for five seconds or falls ten behind is lost: it is named, the others go on, and
//! take over what it had to send when that is asked for. What becomes of the verdict is decided elsewhere. A coordinator
//! that is gone stops its agents.
//!
//! Deliberately absent: coming back after a connection broke (a frame is said once, on a connection that loses none).

mod agent;
mod assembly;
mod clock;
mod coordinator;
mod deal;
mod link;
mod meeting;
mod message;
mod postgres;
mod roll;
mod share;
mod token;

use std::fmt::Display;
use std::io;
use std::time::Duration;

use evenkeel_model::Frame;
use evenkeel_units::Moment;

use self::link::LinkError;

pub use agent::{Agent, LookUp, Notice};
pub use coordinator::{Assembled, Fleet, Handle};
pub use meeting::Meeting;
pub use postgres::Database;
pub use token::{Token, TokenError};

/// More machines than anybody has for this.
const AGENTS_MAX: u32 = 1_000;

/// An agent of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it listens, as it was named; of one that came by itself, what it calls itself.
    pub address: String,
    /// What it calls itself.
    pub name: String,
    /// How long a message and its answer took at least: it starts as much too early or late as half of it.
    pub round_trip: Duration,
}

/// What becomes of the share of an agent that is lost.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// Nobody sends it.
    #[default]
    Fail,
    /// The others send it, from some seconds later on.
    Redistribute,
}

/// What a fleet says while it works.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The seconds of the load count from here.
    Started,
    /// A second of all agents that were there in it.
    Second(Frame),
    /// How an agent sent its part of a second; outcomes are only in those of all.
    Part {
        /// Which.
        agent: Member,
        /// What it counted.
        frame: Frame,
    },
    /// An agent is lost.
    Lost {
        /// Which.
        agent: Member,
        /// How many of its seconds were heard.
        second: u64,
        /// How it was noticed.
        reason: String,
    },
    /// What a lost agent had to send is sent by others.
    HandedOn {
        /// Which was lost.
        agent: Member,
        /// Who sends it.
        by: Vec<Member>,
        /// Nothing of it that was due before this moment of the load.
        from: Moment,
        /// How many arrivals were due between its last second and then.
        missed: u64,
    },
    /// Nothing more is sent. The last that is said.
    Ended {
        /// Why it ended early, when it did.
        error: Option<String>,
    },
}

/// Why a fleet cannot send a load.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The list of agents is wrong.
    #[error("the agents cannot be used: {reason}")]
    Agents {
        /// What is wrong with it.
        reason: String,
    },
    /// Agents cannot be waited for.
    #[error("cannot wait for agents at {address}")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No agent can come.
    #[error("cannot meet agents: {reason}")]
    Database {
        /// What is wrong with the database.
        reason: String,
    },
    /// Too few agents have come.
    #[error("{} of {expected} agents came to {place} within 25 s{}", came.len(), who(came, gone.as_deref()))]
    Few {
        /// Where they were waited for.
        place: String,
        /// How many were to come.
        expected: usize,
        /// Who came.
        came: Vec<String>,
        /// Who was turned away or left again last, and why.
        gone: Option<String>,
    },
    /// An agent cannot be had, or cannot do it.
    #[error("the agent {agent} cannot take part: {reason}")]
    Agent {
        /// Its address.
        agent: String,
        /// Why.
        reason: String,
    },
    /// Some agent would have none.
    #[error("the load has fewer connections ({connections}) than agents ({agents})")]
    Connections {
        /// How many the test has.
        connections: u32,
        /// How many agents there are.
        agents: u32,
    },
    /// Others cannot go on where an agent was lost.
    #[error("the share of a lost agent cannot be handed on: {reason}")]
    Redistribute {
        /// Why not.
        reason: String,
    },
    /// Data that the agents need cannot be read.
    #[error("cannot prepare the load: {reason}")]
    Data {
        /// Which, and why.
        reason: String,
    },
    /// It took too long.
    #[error("not every agent was ready within 25 s: {waited_for}")]
    Late {
        /// Who was not.
        waited_for: String,
    },
    /// The operating system refused something.
    #[error("cannot start the fleet")]
    System(#[source] io::Error),
}

impl FleetError {
    fn of(agent: &str, reason: &impl Display) -> Self {
        Self::Agent { agent: agent.to_owned(), reason: reason.to_string() }
    }

    fn database(error: LinkError) -> Self {
        Self::Database { reason: error.to_string() }
    }
}

/// Who came, and what became of somebody else.
fn who(came: &[String], gone: Option<&str>) -> String {
    let came = (!came.is_empty()).then(|| format!(": {}", came.join(", ")));
    let gone = gone.map(|it| format!("; turned away or gone again: {it}"));
    [came, gone].into_iter().flatten().collect()
}
