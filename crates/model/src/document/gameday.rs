//! `GameDay`: people who watch an experiment together, and what they agreed on before.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: GameDay
//! metadata: {name: database-failover}
//! spec:
//!   title: Database Failover
//!   objective: the application survives the loss of its primary database
//!   participants:
//!     - {name: Backend team}
//!     - {name: Ann, role: observer}
//!   prerequisites:
//!     - the rollback plan has been reviewed
//!     - http: {url: "http://127.0.0.1:3000/api/health"}
//!   scenario:
//!     steps: [Stop the primary, Watch the failover]
//!     experiment: primary-stops     # or `drill: NAME`; an experiment may stand inline
//!   success: [No data is lost]      # what people judge; figures belong to the experiment
//!   timeline:
//!     - {at: "09:45", what: Team assembles}
//!     - {at: "10:00", until: "10:05", what: Watch}
//!   timeZone: Europe/Paris
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ProbeKind;

/// An experiment or a drill with the people around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GameDay {
    /// `metadata.name`.
    pub name: String,
    /// What it is called in sentences.
    pub title: Option<String>,
    /// What shall be learned.
    pub objective: Option<String>,
    /// Who takes part.
    pub participants: Vec<Participant>,
    /// What has to be so before anything is broken.
    pub prerequisites: Vec<Prerequisite>,
    /// What happens, for people.
    pub steps: Vec<String>,
    /// What is run.
    pub runs: Scenario,
    /// What has to hold, judged by people.
    pub success: Vec<String>,
    /// What is planned when, in order.
    pub timeline: Vec<Planned>,
    /// IANA name of the zone of those times. Default UTC.
    pub time_zone: String,
}

/// Somebody who takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// A person or a team.
    pub name: String,
    /// What they do.
    pub role: Option<String>,
}

/// What has to be so before anything is broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prerequisite {
    /// Somebody has to say that it is.
    Text(String),
    /// Asked when the day begins.
    Probe(ProbeKind),
}

/// What a game day runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// Name of a `ChaosExperiment`.
    Experiment(String),
    /// Name of a `Drill`.
    Drill(String),
}

impl Scenario {
    /// Kind and name of the document.
    pub fn document(&self) -> (&'static str, &str) {
        match self {
            Self::Experiment(name) => ("ChaosExperiment", name),
            Self::Drill(name) => ("Drill", name),
        }
    }
}

/// Something that is planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// When it begins.
    pub at: DayTime,
    /// When it ends, if it takes time.
    pub until: Option<DayTime>,
    /// What.
    pub what: String,
}

/// A minute of a day, written `09:45`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DayTime {
    minute: u16,
}

impl DayTime {
    /// Reads `09:45`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.trim().split_once(':')?;
        let two = |it: &str| {
            (it.len() == 2 && it.bytes().all(|b| b.is_ascii_digit())).then(|| it.parse().ok())?
        };
        let (hour, minute): (u16, u16) = (two(hour)?, two(minute)?);
        (hour < 24 && minute < 60).then_some(Self { minute: hour * 60 + minute })
    }

    /// Which minute of the day, 0 to 1439.
    pub const fn minute(self) -> u16 {
        self.minute
    }
}

impl fmt::Display for DayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

impl From<DayTime> for String {
    fn from(it: DayTime) -> Self {
        it.to_string()
    }
}

impl TryFrom<String> for DayTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is no time of a day"))
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.until {
            Some(until) => write!(f, "{}-{until} {}", self.at, self.what),
            None => write!(f, "{} {}", self.at, self.what),
        }
    }
}

impl fmt::Display for Participant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.role {
            Some(role) => write!(f, "{} ({role})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Prerequisite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Probe(probe) => probe.fmt(f),
        }
    }
}
