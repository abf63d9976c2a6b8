//! Schedule: when an experiment runs by itself, as cron says it or every so often.
//!
//! ```text
//! 0 14 * * Mon-Fri                  minute, hour, day of the month, month, day of the week
//! 0 14 * * Mon-Fri Europe/Paris     likewise, in a zone of its own
//! @daily                            also @hourly, @weekly, @monthly, @yearly
//! @every 2h                         counted from when somebody begins to wait
//! ```
//!
//! Where both days are restricted, either will do, as in every cron. An hour that a zone skips does not come, and
//! one that it repeats comes twice.

use std::fmt;
use std::time::Duration;

use evenkeel_units::{Human, parse_duration};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Times at which an experiment runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Schedule {
    times: Times,
    /// IANA name; `None`: that of the experiment's hours.
    zone: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Times {
    /// As it was written: five fields, or a word for them.
    Cron(String),
    Every(Duration),
}

/// Words for five fields.
pub(crate) const WORDS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// The longest text that is read.
const LONGEST: usize = 200;

/// The shortest time between two runs.
const SHORTEST: Duration = Duration::from_secs(1);

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It has too few or too many parts.
    #[error("there are {count} fields where cron has five")]
    Fields {
        /// How many there are.
        count: usize,
    },
    /// A word after `@` that nobody knows.
    #[error("`{word}` is no word for times")]
    Word {
        /// As written.
        word: String,
    },
    /// A field says something that it cannot.
    #[error("{reason}")]
    Field {
        /// What is wrong with it.
        reason: String,
    },
    /// It names no zone of the IANA data base.
    #[error("`{zone}` is not a time zone")]
    Zone {
        /// As written.
        zone: String,
    },
    /// What follows `@every` is no duration, or too short a one.
    #[error("{reason}")]
    Every {
        /// What is wrong with it.
        reason: String,
    },
    /// Such as the 31st of February.
    #[error("that day never comes")]
    Never,
    /// Nobody writes so much.
    #[error("it is too long")]
    Long,
}

impl Schedule {
    /// Every so often.
    pub const fn every(length: Duration) -> Self {
        Self { times: Times::Every(length), zone: None }
    }

    /// Reads `0 14 * * Mon-Fri`, with a zone behind it or none, `@daily` and `@every 2h`.
    ///
    /// # Errors
    /// When it is none of these, or says a day that never comes.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        if text.len() > LONGEST {
            return Err(ScheduleError::Long);
        }
        let parts: Vec<&str> = text.split_whitespace().collect();
        if let Some(("@every", rest)) = parts.split_first().map(|(first, rest)| (*first, rest)) {
            let refuse = |reason| Err(ScheduleError::Every { reason });
            return match parse_duration(&rest.concat()) {
                Err(error) => refuse(error.problem),
                Ok(it) if it < SHORTEST => refuse(format!("`{}` is too often", Human(it))),
                Ok(it) => Ok(Self::every(it)),
            };
        }
        let count = match parts.first() {
            Some(word) if word.starts_with('@') => 1,
            _ => 5,
        };
        let zone = match parts.get(count..) {
            Some([]) => None,
            Some([zone]) if TimeZone::get(zone).is_ok() => Some((*zone).to_owned()),
            Some([zone]) => return Err(ScheduleError::Zone { zone: (*zone).to_owned() }),
            _ => return Err(ScheduleError::Fields { count: parts.len() }),
        };
        let written = parts.iter().take(count).copied().collect::<Vec<_>>().join(" ");
        let made = Self { times: Times::Cron(written), zone };
        made.crontab()?;
        // A year with a 29th of February and three without lie behind it.
        let since = Timestamp::from_second(1_704_067_200).unwrap_or_default();
        made.next(since).ok_or(ScheduleError::Never)?;
        Ok(made)
    }

    /// Whether it counts from when somebody begins to wait.
    pub const fn is_interval(&self) -> bool {
        matches!(self.times, Times::Every(_))
    }

    /// Whether nobody has to say in which zone it is.
    pub const fn has_zone(&self) -> bool {
        self.is_interval() || self.zone.is_some()
    }

    /// In this zone, unless it names one itself.
    pub fn in_zone(mut self, zone: &str) -> Self {
        if matches!(self.times, Times::Cron(_)) {
            self.zone.get_or_insert_with(|| zone.to_owned());
        }
        self
    }

    /// IANA name of its zone.
    pub fn zone(&self) -> &str {
        self.zone.as_deref().unwrap_or("UTC")
    }

    /// The first time after a moment; `None` when there is none that a calendar has.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.times {
            Times::Every(length) => after.checked_add(SignedDuration::try_from(*length).ok()?).ok(),
            Times::Cron(_) => {
                let next = self.crontab().ok()?.find_next(after).ok()?;
                Some(next.timestamp())
            }
        }
    }

    /// The times after a moment.
    pub fn times(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next(after), |it| self.next(*it))
    }

    /// A moment on the clocks of its zone, for people.
    pub fn shown(&self, moment: Timestamp) -> String {
        let zone = TimeZone::get(self.zone()).unwrap_or(TimeZone::UTC);
        let format = match self.times {
            Times::Every(_) => "%a %F %T %Z",
            Times::Cron(_) => "%a %F %H:%M %Z",
        };
        moment.to_zoned(zone).strftime(format).to_string()
    }

    fn crontab(&self) -> Result<cronexpr::Crontab, ScheduleError> {
        let Times::Cron(written) = &self.times else {
            return Err(ScheduleError::Word { word: self.to_string() });
        };
        let word = WORDS.iter().find(|(word, _)| word == written);
        let fields = match word {
            Some((_, fields)) => fields,
            None if written.starts_with('@') => {
                return Err(ScheduleError::Word { word: written.clone() });
            }
            None => written.as_str(),
        };
        cronexpr::parse_crontab(&format!("{fields} {}", self.zone())).map_err(|error| {
            let message = error.to_string();
            // The crate draws an arrow below the text; the document has a place of its own.
            let reason = message.rsplit_once("^ ").map_or(message.as_str(), |(_, it)| it);
            ScheduleError::Field { reason: reason.to_owned() }
        })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.times, &self.zone) {
            (Times::Every(length), _) => write!(f, "@every {}", Human(*length)),
            (Times::Cron(written), Some(zone)) => write!(f, "{written} {zone}"),
            (Times::Cron(written), None) => f.write_str(written),
        }
    }
}

impl From<Schedule> for String {
    fn from(it: Schedule) -> Self {
        it.to_string()
    }
}

impl TryFrom<String> for Schedule {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, ScheduleError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str, moment: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(text).unwrap();
        let moment = moment.parse().unwrap();
        schedule.times(moment).take(count).map(|it| it.to_string()).collect()
    }

    #[test]
    fn weekdays_pass_over_the_weekend() {
        let due = after("0 14 * * 1-5", "2026-03-13T13:59:59Z", 3);
        assert_eq!(due, ["2026-03-13T14:00:00Z", "2026-03-16T14:00:00Z", "2026-03-17T14:00:00Z"]);
        assert_eq!(due, after("0  14 * * Mon-Fri", "2026-03-13T13:59:59Z", 3));
        assert_eq!(after("0 14 * * 1-5", "2026-03-13T14:00:00Z", 1), ["2026-03-16T14:00:00Z"]);
    }

    #[test]
    fn times_are_those_of_a_zone_summer_and_winter() {
        let text = "30 2 * * * Europe/Paris";
        assert_eq!(
            after(text, "2026-03-27T12:00:00Z", 3),
            // In the night to the 29th there is no half past two.
            ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"]
        );
        let winter = Schedule::parse("0 9 * * *").unwrap().in_zone("Europe/Paris");
        let due = winter.next("2026-01-01T00:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(due.to_string(), "2026-01-01T08:00:00Z");
        assert_eq!(winter.shown(due), "Thu 2026-01-01 09:00 CET");
        assert_eq!(winter.in_zone("UTC").zone(), "Europe/Paris");
    }

    #[test]
    fn words_and_intervals_are_read() {
        assert_eq!(after("@daily", "2026-03-13T13:00:00Z", 1), ["2026-03-14T00:00:00Z"]);
        assert_eq!(after("@hourly", "2026-03-13T13:00:00Z", 1), ["2026-03-13T14:00:00Z"]);
        assert_eq!(
            after("@every 1h30m", "2026-03-13T13:00:05Z", 2),
            ["2026-03-13T14:30:05Z", "2026-03-13T16:00:05Z"]
        );
        assert_eq!(after("0 0 29 2 *", "2026-03-13T13:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for text in ["0 14 * * 1-5", "*/5 9-17 1,15 Jan-Mar * Asia/Tokyo", "@daily", "@every 2h"] {
            let schedule = Schedule::parse(text).unwrap();
            assert_eq!(schedule.to_string(), text);
            assert_eq!(Schedule::parse(&schedule.to_string()), Ok(schedule));
        }
    }

    #[test]
    fn what_is_none_says_why() {
        for (text, expected) in [
            ("", "there are 0 fields where cron has five"),
            ("0 14 * *", "there are 4 fields where cron has five"),
            ("0 0 14 * * 1-5 UTC", "there are 7 fields where cron has five"),
            ("0 25 * * *", "value must be in range 0..=23; found 25"),
            ("0 14 * * Fri-Mon", "range must be in ascending order; found 5-1"),
            ("0 14 * * * Europe/Pariss", "`Europe/Pariss` is not a time zone"),
            ("0 0 31 2 *", "that day never comes"),
            ("@often", "`@often` is no word for times"),
            ("@every", "a duration is missing"),
            ("@every 2", "`2` has no unit"),
            ("@every 10ms", "`10ms` is too often"),
        ] {
            let error = Schedule::parse(text).unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        }
        assert_eq!(Schedule::parse(&"1,".repeat(500)), Err(ScheduleError::Long));
    }
}
