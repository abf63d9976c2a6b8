//! Reaction: what became of a fault, told in the same words by every report.
//!
//! A fault that never began has no evidence to lack, and a service that nobody watched has not failed
//! to recover: what is not known is neither good nor bad.

use std::time::Duration;

use evenkeel_model::outcome::FaultFigures;

use crate::figure;
use crate::mark::Tone;

/// How the service took a fault.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// The fault never began.
    NotBegun,
    /// The run ended before anything could be said.
    NotObserved,
    /// It was unwell, and still was at the end of the run.
    NotRecovered,
    /// It was never unwell.
    Unharmed,
    /// It was well again after this long.
    Recovered(Duration),
}

/// How the service took a fault.
pub(crate) const fn reaction(it: &FaultFigures) -> Reaction {
    match (it.from, it.detected_after, it.recovered_after) {
        (None, _, _) => Reaction::NotBegun,
        (Some(_), None, None) => Reaction::NotObserved,
        (Some(_), Some(_), None) => Reaction::NotRecovered,
        (Some(_), None, Some(_)) => Reaction::Unharmed,
        (Some(_), Some(_), Some(time)) => Reaction::Recovered(time),
    }
}

impl Reaction {
    /// For how many seconds it was seen mending; `rest` stands for the rest of the run.
    pub(crate) fn mending(self, rest: f64) -> f64 {
        match self {
            Self::NotBegun | Self::NotObserved | Self::Unharmed => 0.0,
            Self::NotRecovered => rest,
            Self::Recovered(time) => time.as_secs_f64(),
        }
    }
}

/// Whether it acted, in a tone and a word.
pub(crate) const fn evidence(it: &FaultFigures) -> (Tone, &'static str) {
    match (&it.error, it.from, it.evidence.acted) {
        (Some(_), _, _) => (Tone::Bad, "error"),
        (None, _, true) => (Tone::Good, "acted"),
        (None, None, false) => (Tone::Plain, "not begun"),
        (None, Some(_), false) => (Tone::Doubt, "not shown"),
    }
}

/// What shows that it acted, in a sentence; empty when there is nothing to say.
pub(crate) fn shown(it: &FaultFigures) -> &str {
    match (&it.error, it.from) {
        (None, Some(_)) if it.evidence.summary.is_empty() => "nothing shows that it acted",
        _ => &it.evidence.summary,
    }
}

/// After which time the service was first seen unwell.
pub(crate) fn showed_after(it: &FaultFigures) -> String {
    match (reaction(it), it.detected_after) {
        (Reaction::NotBegun | Reaction::NotObserved, _) => figure::NONE.to_owned(),
        (_, Some(time)) => figure::span(time),
        (_, None) => "never".to_owned(),
    }
}
