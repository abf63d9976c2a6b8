//! Frame: one second of load, as counted.
//!
//! Frames are the only thing the load hand says while it works. They hold counts, not figures: counts
//! of two seconds can be added, percentiles cannot.

use evenkeel_units::Moment;
use serde::{Deserialize, Serialize};

/// What became of one request.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Answered, and every check held.
    Ok,
    /// No connection could be made.
    Connect,
    /// Not answered in time.
    Timeout,
    /// The connection broke before the answer was whole.
    Reset,
    /// Answered with a status that is not right.
    Status,
    /// Answered with a body that is not right, or with bytes that are no HTTP.
    Body,
}

impl Answer {
    /// Every class, the good one first.
    pub const ALL: [Self; 6] =
        [Self::Ok, Self::Connect, Self::Timeout, Self::Reset, Self::Status, Self::Body];

    /// Name in reports and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Status => "status",
            Self::Body => "body",
        }
    }

    /// Whether the request counts as good.
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }
}

/// Counts of times: pairs of microseconds and how often, ascending. The values are those a histogram
/// with three significant digits tells apart, so that adding distributions loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Distribution {
    /// Microseconds and count.
    pub micros: Vec<(u64, u64)>,
}

impl Distribution {
    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.micros.iter().map(|(_, count)| count).sum()
    }
}

/// Requests of one route with one outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Index of the route in the load test.
    pub route: usize,
    /// What became of them.
    pub answer: Answer,
    /// Response times, from when each request was due until its outcome was known.
    pub response_micros: Distribution,
}

/// One second of load. Requests are counted in the second in which their outcome became known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Which second of the load: the frame covers `[second, second + 1)` after its start.
    pub second: u64,
    /// Arrivals that were due in it; in the closed model, those that were sent.
    pub planned: u64,
    /// Requests that were sent in it.
    pub sent: u64,
    /// Arrivals of it that were given up unsent, because no connection was free before their timeout.
    pub missed: u64,
    /// Requests under way at its end.
    pub in_flight: u64,
    /// Arrivals that wait for a connection at its end.
    pub waiting: u64,
    /// From when a request was due until it was sent.
    pub lag_micros: Distribution,
    /// Outcomes.
    pub series: Vec<Series>,
}

impl Frame {
    /// When the frame begins, after the start of the load.
    pub const fn from(&self) -> Moment {
        Moment::at(std::time::Duration::from_secs(self.second))
    }

    /// Requests answered right.
    pub fn good(&self) -> u64 {
        self.series.iter().filter(|it| it.answer.is_ok()).map(|it| it.response_micros.count()).sum()
    }

    /// Requests that failed in any way; missed arrivals are counted apart.
    pub fn failed(&self) -> u64 {
        self.series
            .iter()
            .filter(|it| !it.answer.is_ok())
            .map(|it| it.response_micros.count())
            .sum()
    }
}
