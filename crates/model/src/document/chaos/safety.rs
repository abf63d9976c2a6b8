//! Safety: the limits within which faults may act, and when everything is mended at once.

use std::fmt;
use std::time::Duration;

use evenkeel_units::Ratio;
use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

use super::Release;
use crate::document::Criterion;

/// The limits within which an experiment may act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Safety {
    /// No fault of the experiment lives longer. Default 5 min.
    #[serde(rename = "max_duration_seconds", with = "seconds")]
    pub max_duration: Duration,
    /// How much may be hit at once.
    pub blast_radius: BlastRadius,
    /// The weakest release class that faults may have, when there is a limit.
    pub min_release: Option<Release>,
    /// Faults may act only within these hours, when any are given.
    pub allowed_hours: Vec<Hours>,
    /// Faults may not act within these hours.
    pub restricted_hours: Vec<Hours>,
    /// IANA name of the zone of those hours. Default UTC.
    pub time_zone: String,
    /// The run is aborted, and everything mended, as soon as one of these holds.
    pub abort: Vec<Criterion>,
    /// What silence means.
    pub on_no_data: OnNoData,
}

impl Safety {
    /// The default of `maxDuration`.
    pub const MAX_DURATION: Duration = Duration::from_mins(5);
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            max_duration: Self::MAX_DURATION,
            blast_radius: BlastRadius::default(),
            min_release: None,
            allowed_hours: Vec::new(),
            restricted_hours: Vec::new(),
            time_zone: "UTC".to_owned(),
            abort: Vec::new(),
            on_no_data: OnNoData::default(),
        }
    }
}

/// How much may be hit at once; `None` where there is no limit.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlastRadius {
    /// Share of the candidates of a target.
    pub max_instances: Option<Ratio>,
    /// How many services.
    pub max_services: Option<u32>,
    /// How many candidates must stay untouched.
    pub min_healthy: Option<u32>,
}

/// What to do when a guard gets no data (no request was answered or failed in its window).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNoData {
    /// Stop: what cannot be seen cannot be kept safe.
    #[default]
    Abort,
    /// Go on.
    Continue,
}

/// Hours of a day, written `18:00-06:00`; the end is excluded and may lie past midnight.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// First minute of the day, 0 to 1439.
    pub from_minute: u16,
    /// The minute after the last, 0 to 1440.
    pub to_minute: u16,
}

impl Hours {
    /// Reads `18:00-06:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let minute = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let two = |it: &str| {
                (it.len() == 2 && it.bytes().all(|b| b.is_ascii_digit()))
                    .then(|| it.parse::<u16>().ok())?
            };
            let (hour, minute) = (two(hour)?, two(minute)?);
            (hour < 24 && minute < 60 || hour == 24 && minute == 0).then_some(hour * 60 + minute)
        };
        let (from, to) = text.split_once('-')?;
        let (from_minute, to_minute) = (minute(from)?, minute(to)?);
        (from_minute < 1440 && from_minute != to_minute).then_some(Self { from_minute, to_minute })
    }

    /// Whether a minute of the day lies within.
    pub const fn contains(self, minute: u16) -> bool {
        if self.from_minute < self.to_minute {
            self.from_minute <= minute && minute < self.to_minute
        } else {
            self.from_minute <= minute || minute < self.to_minute
        }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from_minute: from, to_minute: to } = *self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_go_past_midnight() {
        let night = Hours::parse("18:00-06:00").unwrap();
        assert!(night.contains(23 * 60) && night.contains(0) && night.contains(5 * 60 + 59));
        assert!(!night.contains(6 * 60) && !night.contains(17 * 60 + 59));
    }

    #[test]
    fn hours_that_are_none_are_refused() {
        for text in ["18:00", "25:00-26:00", "18:00-18:00", "6:00-7:00", "18:60-19:00", "a-b"] {
            assert_eq!(Hours::parse(text), None, "{text}");
        }
    }
}
