//! Exclusions: times that do not count, once or again and again.
//!
//! ```yaml
//! exclusions:
//!   - {reason: move of the database, from: "2026-03-01T00:00Z", until: "2026-03-01T04:00Z"}
//!   - reason: weekly maintenance
//!     from: "2026-01-04T02:00"
//!     duration: 1h
//!     rrule: FREQ=WEEKLY;BYDAY=SU
//!     timeZone: Europe/Berlin
//! ```

use std::fmt;
use std::time::Duration;

use evenkeel_units::duration::seconds;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

/// A time that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Why, for the ledger.
    pub reason: Option<String>,
    /// Who entered it.
    #[serde(default)]
    pub by: Option<String>,
    /// When they did, so that what was announced is told from what was entered after the fact.
    #[serde(default)]
    pub entered: Option<ExclusionTime>,
    /// When it begins; for the first time, when it recurs.
    pub from: ExclusionTime,
    /// When it ends.
    pub end: ExclusionEnd,
    /// When it begins again; `None`: it does not.
    pub rule: Option<Recurrence>,
    /// IANA name of the zone of times that say none. Default UTC.
    pub time_zone: String,
}

/// A moment, as somebody wrote it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExclusionTime {
    /// On the clocks of the exclusion's zone.
    Local(DateTime),
    /// With an offset of its own.
    Instant(Timestamp),
}

impl ExclusionTime {
    /// Reads `2026-03-01T02:00`, and with `Z` or `+01:00` behind it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // A date alone may mean its first moment or its last.
        if !text.contains(['T', 't', ' ']) {
            return None;
        }
        match text.parse::<Timestamp>() {
            Ok(it) => Some(Self::Instant(it)),
            Err(_) => text.parse().ok().map(Self::Local),
        }
    }
}

/// When an exclusion ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExclusionEnd {
    /// At a moment.
    Until(ExclusionTime),
    /// So long after it began.
    #[serde(rename = "after_seconds")]
    After(#[serde(with = "seconds")] Duration),
}

/// When something recurs, as RFC 5545 writes it: `FREQ=WEEKLY;BYDAY=SU`. Read for its form; what it says is for those who
/// expand it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Recurrence {
    parts: Vec<(String, String)>,
}

/// Why a text is no recurrence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecurrenceError {
    /// A part that is not `NAME=VALUE`.
    #[error("`{0}` is not of the form NAME=VALUE")]
    Part(String),
    /// A name that RFC 5545 does not have.
    #[error("there is no part `{0}`")]
    Name(String),
    /// A name that stands there twice.
    #[error("`{0}` stands there twice")]
    Twice(String),
    /// It does not say how often.
    #[error("FREQ is missing")]
    NoFrequency,
    /// How often, in a word that nobody knows.
    #[error("`{0}` is no frequency")]
    Frequency(String),
    /// An end by a moment and by a number.
    #[error("UNTIL beside COUNT")]
    TwoEnds,
    /// Nobody writes so much.
    #[error("it is too long")]
    Long,
}

impl Recurrence {
    const FREQUENCIES: [&'static str; 7] =
        ["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"];
    const NAMES: [&'static str; 14] = [
        "FREQ",
        "UNTIL",
        "COUNT",
        "INTERVAL",
        "BYSECOND",
        "BYMINUTE",
        "BYHOUR",
        "BYDAY",
        "BYMONTHDAY",
        "BYYEARDAY",
        "BYWEEKNO",
        "BYMONTH",
        "BYSETPOS",
        "WKST",
    ];
    const LONGEST: usize = 500;

    /// Reads `FREQ=WEEKLY;BYDAY=SU`, with `RRULE:` before it or not.
    ///
    /// # Errors
    /// When a part is none that RFC 5545 knows, or `FREQ` is missing.
    pub fn parse(text: &str) -> Result<Self, RecurrenceError> {
        if text.len() > Self::LONGEST {
            return Err(RecurrenceError::Long);
        }
        let upper = text.trim().to_ascii_uppercase();
        let body = upper.strip_prefix("RRULE:").unwrap_or(&upper);
        let mut parts: Vec<(String, String)> = Vec::new();
        for part in body.split(';').filter(|it| !it.is_empty()) {
            let Some((name, value)) = part.split_once('=').filter(|(_, it)| !it.is_empty()) else {
                return Err(RecurrenceError::Part(part.to_owned()));
            };
            if !Self::NAMES.contains(&name) {
                return Err(RecurrenceError::Name(name.to_owned()));
            }
            if parts.iter().any(|(it, _)| it == name) {
                return Err(RecurrenceError::Twice(name.to_owned()));
            }
            if name == "FREQ" && !Self::FREQUENCIES.contains(&value) {
                return Err(RecurrenceError::Frequency(value.to_owned()));
            }
            parts.push((name.to_owned(), value.to_owned()));
        }
        let it = Self { parts };
        if it.get("FREQ").is_none() {
            return Err(RecurrenceError::NoFrequency);
        }
        if it.get("UNTIL").is_some() && it.get("COUNT").is_some() {
            return Err(RecurrenceError::TwoEnds);
        }
        Ok(it)
    }

    /// The value of a part, in capitals.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parts.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.parts.iter().map(|(name, it)| format!("{name}={it}")).collect();
        f.write_str(&parts.join(";"))
    }
}

impl From<Recurrence> for String {
    fn from(it: Recurrence) -> Self {
        it.to_string()
    }
}

impl TryFrom<String> for Recurrence {
    type Error = RecurrenceError;

    fn try_from(text: String) -> Result<Self, RecurrenceError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recurrence_is_read_in_any_case_and_written_in_capitals() {
        let it = Recurrence::parse("RRULE:freq=weekly;byday=su").unwrap();
        assert_eq!(it.to_string(), "FREQ=WEEKLY;BYDAY=SU");
        assert_eq!(it.get("BYDAY"), Some("SU"));
    }

    #[test]
    fn what_is_wrong_with_a_recurrence_is_said() {
        for (text, expected) in [
            ("", "FREQ is missing"),
            ("FREQ=OFTEN", "`OFTEN` is no frequency"),
            ("FREQ=DAILY;FREQ=DAILY", "`FREQ` stands there twice"),
            ("FREQ=DAILY;BYDAYS=SU", "there is no part `BYDAYS`"),
            ("FREQ=DAILY;UNTIL=20260101;COUNT=2", "UNTIL beside COUNT"),
            ("DAILY", "`DAILY` is not of the form NAME=VALUE"),
        ] {
            assert_eq!(Recurrence::parse(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_time_is_local_unless_it_says_an_offset_and_a_date_alone_is_none() {
        assert!(matches!(ExclusionTime::parse("2026-03-01T02:00"), Some(ExclusionTime::Local(_))));
        for text in ["2026-03-01T02:00Z", "2026-03-01 02:00:00+01:00"] {
            assert!(
                matches!(ExclusionTime::parse(text), Some(ExclusionTime::Instant(_))),
                "{text}"
            );
        }
        assert_eq!(ExclusionTime::parse("2026-03-01"), None);
        assert_eq!(ExclusionTime::parse("2026-02-30T00:00"), None);
    }
}
