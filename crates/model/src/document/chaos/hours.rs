//! Hours of a day, on some days of the week.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::document::DayTime;

/// Hours, written `18:00-06:00` or `Mon-Fri 09:00-17:00`; the end is excluded and may lie past midnight. A night belongs
/// to the day on which it begins.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hours {
    days: Days,
    /// First minute of the day, 0 to 1439.
    from_minute: u16,
    /// The minute after the last, 0 to 1440.
    to_minute: u16,
}

/// Days of the week; Monday is the first.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Days([bool; 7]);

const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MINUTES: u16 = 24 * 60;

impl Days {
    const ALL: Self = Self([true; 7]);

    /// Reads `Mon-Fri`, `Sat,Sun`, or both in one.
    fn parse(text: &str) -> Option<Self> {
        let day = |name: &str| NAMES.iter().position(|it| it.eq_ignore_ascii_case(name.trim()));
        let mut days = [false; 7];
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (day(first)?, day(last)?);
            // Over a weekend, too: `Fri-Mon`.
            (0..=(last + 7 - first) % 7).for_each(|it| days[(first + it) % 7] = true);
        }
        Some(Self(days))
    }
}

impl Hours {
    /// Hours of every day; `None` when they are no time at all.
    pub const fn daily(from_minute: u16, to_minute: u16) -> Option<Self> {
        let fits = from_minute < MINUTES && to_minute <= MINUTES && from_minute != to_minute;
        if fits { Some(Self { days: Days::ALL, from_minute, to_minute }) } else { None }
    }

    /// Reads `18:00-06:00` and `Mon-Fri 09:00-17:00`.
    pub fn parse(text: &str) -> Option<Self> {
        // The end of a day is no time of one, and ends hours all the same.
        let minute = |text: &str| match text.trim() {
            "24:00" => Some(MINUTES),
            text => DayTime::parse(text).map(DayTime::minute),
        };
        let text = text.trim();
        let (days, hours) = match text.split_once(' ') {
            Some((days, hours)) if days.starts_with(|it: char| it.is_ascii_alphabetic()) => {
                (Days::parse(days)?, hours)
            }
            _ => (Days::ALL, text),
        };
        let (from, to) = hours.split_once('-')?;
        Some(Self { days, ..Self::daily(minute(from)?, minute(to)?)? })
    }

    /// Whether a minute of a day of the week lies within; Monday is day 0.
    pub const fn contains(self, day: usize, minute: u16) -> bool {
        let Self { days: Days(days), from_minute: from, to_minute: to } = self;
        let (today, yesterday) = (days[day % 7], days[(day + 6) % 7]);
        if from < to {
            today && from <= minute && minute < to
        } else {
            today && from <= minute || yesterday && minute < to
        }
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(days) = self;
        let mut parts = Vec::new();
        let mut day = 0;
        while day < 7 {
            let end = (day..7).find(|it| !days[*it]).unwrap_or(7);
            match end - day {
                0 => {}
                1 => parts.push(NAMES[day].to_owned()),
                _ => parts.push(format!("{}-{}", NAMES[day], NAMES[end - 1])),
            }
            day = end + 1;
        }
        f.write_str(&parts.join(","))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { days, from_minute: from, to_minute: to } = *self;
        if days != Days::ALL {
            write!(f, "{days} ")?;
        }
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl From<Hours> for String {
    fn from(it: Hours) -> Self {
        it.to_string()
    }
}

impl TryFrom<String> for Hours {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` are no hours of a day"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hours_go_past_midnight() {
        let night = Hours::parse("18:00-06:00").unwrap();
        assert!([23 * 60, 0, 5 * 60 + 59].iter().all(|it| night.contains(3, *it)));
        assert!(!night.contains(3, 6 * 60) && !night.contains(3, 17 * 60 + 59));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let nights = Hours::parse("Fri,Sat 22:00-02:00").unwrap();
        assert!(nights.contains(4, 23 * 60) && nights.contains(5, 60) && nights.contains(6, 60));
        assert!(!nights.contains(4, 60) && !nights.contains(6, 23 * 60));
    }

    #[test]
    fn hours_that_are_none_are_refused() {
        for text in [
            "18:00",
            "25:00-26:00",
            "18:00-18:00",
            "6:00-7:00",
            "18:60-19:00",
            "a-b",
            "Foo 09:00-17:00",
            "Mon- 09:00-17:00",
            "Mon-Fri",
        ] {
            assert_eq!(Hours::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(days: [bool; 7], from in 0u16..1440, to in 0u16..=1440) {
            prop_assume!(from != to && days.contains(&true));
            let hours = Hours { days: Days(days), from_minute: from, to_minute: to };
            prop_assert_eq!(Hours::parse(&hours.to_string()), Some(hours));
        }
    }
}
