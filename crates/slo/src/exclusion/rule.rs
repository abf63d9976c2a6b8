//! Rule: the part of the recurrence rules of iCalendar that maintenance is written in.
//!
//! `FREQ=DAILY|WEEKLY|MONTHLY` with `INTERVAL`, `BYDAY` (with `1SU` and `-1FR` of a month), `BYMONTHDAY` (with `-1`, the
//! last), `COUNT`, `UNTIL` and `WKST`: RFC 5545, section 3.3.10. What is not among these is refused by name, because a
//! rule that is read half excludes the wrong time.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

use super::RecurrenceError as Error;

/// How often.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Frequency {
    Daily,
    Weekly,
    Monthly,
}

/// When it ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Never,
    /// After so many occurrences.
    Count(u32),
    /// At a moment, included.
    Until(Timestamp),
    /// At a moment on the clocks of the zone, included.
    UntilLocal(DateTime),
}

/// A recurrence rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub frequency: Frequency,
    /// Every so many days, weeks or months. At least 1.
    pub interval: u32,
    /// Weekdays, those of a month with which of them: 1 is the first, −1 the last.
    pub days: Vec<(Option<i8>, Weekday)>,
    /// Days of the month; −1 is the last.
    pub month_days: Vec<i8>,
    pub end: End,
    pub week_start: Weekday,
}

/// Nobody writes more; a limit on what one text can ask.
const LIST_MAX: usize = 64;
const INTERVAL_MAX: u32 = 10_000;

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut rule = Self {
            frequency: Frequency::Daily,
            interval: 1,
            days: Vec::new(),
            month_days: Vec::new(),
            end: End::Never,
            week_start: Weekday::Monday,
        };
        let mut frequency = None;
        let mut seen: Vec<&str> = Vec::new();
        for part in text.trim().trim_start_matches("RRULE:").split(';') {
            let (name, value) =
                part.split_once('=').ok_or_else(|| Error::NoPart(part.to_owned()))?;
            let wrong = || Error::Value { name: name.to_owned(), value: value.to_owned() };
            if seen.contains(&name) {
                return Err(Error::Twice(name.to_owned()));
            }
            seen.push(name);
            let number = || value.parse::<u32>().ok().filter(|it| *it > 0).ok_or_else(wrong);
            match name {
                "FREQ" => {
                    frequency = Some(match value {
                        "DAILY" => Frequency::Daily,
                        "WEEKLY" => Frequency::Weekly,
                        "MONTHLY" => Frequency::Monthly,
                        _ => return Err(wrong()),
                    });
                }
                "INTERVAL" => {
                    rule.interval = number()?;
                    if rule.interval > INTERVAL_MAX {
                        return Err(wrong());
                    }
                }
                "COUNT" if rule.end == End::Never => rule.end = End::Count(number()?),
                "UNTIL" if rule.end == End::Never => rule.end = until(value).ok_or_else(wrong)?,
                "COUNT" | "UNTIL" => return Err(Error::TwoEnds),
                "BYDAY" => rule.days = list(value, day).ok_or_else(wrong)?,
                "BYMONTHDAY" => rule.month_days = list(value, month_day).ok_or_else(wrong)?,
                "WKST" => rule.week_start = weekday(value).ok_or_else(wrong)?,
                _ => return Err(Error::Unknown(name.to_owned())),
            }
        }
        rule.frequency = frequency.ok_or(Error::NoFrequency)?;
        rule.fits()
    }
}

impl Rule {
    /// Refuses combinations that the standard does.
    fn fits(self) -> Result<Self, Error> {
        let ordinal = self.days.iter().any(|(nth, _)| nth.is_some());
        match self.frequency {
            Frequency::Weekly if !self.month_days.is_empty() => Err(Error::Together("BYMONTHDAY")),
            Frequency::Daily | Frequency::Weekly if ordinal => Err(Error::Together("BYDAY=1SU")),
            _ => Ok(self),
        }
    }

    /// Whether a day of a month is meant; a rule that says nothing of days means every one.
    pub(super) fn means(&self, date: Date) -> bool {
        let last = date.days_in_month();
        let of_month =
            |it: &i8| if *it > 0 { date.day() == *it } else { date.day() == last + 1 + *it };
        let of_week = |(nth, weekday): &(Option<i8>, Weekday)| {
            let which = match nth {
                Some(it) if *it > 0 => (date.day() - 1) / 7 + 1 == *it,
                Some(it) => (last - date.day()) / 7 + 1 == -*it,
                None => true,
            };
            date.weekday() == *weekday && which
        };
        (self.month_days.is_empty() || self.month_days.iter().any(of_month))
            && (self.days.is_empty() || self.days.iter().any(of_week))
    }

    /// Whether what begins at `start`, as the number `number` from 0, is after the end.
    pub(super) fn is_over(&self, number: u32, local: DateTime, start: Timestamp) -> bool {
        match self.end {
            End::Never => false,
            End::Count(count) => number >= count,
            End::Until(last) => start > last,
            End::UntilLocal(last) => local > last,
        }
    }
}

fn list<T>(text: &str, one: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let all: Vec<_> = text.split(',').take(LIST_MAX + 1).map(one).collect::<Option<_>>()?;
    (all.len() <= LIST_MAX).then_some(all)
}

fn month_day(text: &str) -> Option<i8> {
    text.parse().ok().filter(|it: &i8| *it != 0 && (-31..=31).contains(it))
}

fn day(text: &str) -> Option<(Option<i8>, Weekday)> {
    let (nth, name) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let nth = match nth {
        "" => None,
        it => Some(it.parse().ok().filter(|it: &i8| *it != 0 && (-5..=5).contains(it))?),
    };
    Some((nth, weekday(name)?))
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}

/// `20261231T235959Z`, or the same on the clocks of the zone, or a day, the last of which counts.
fn until(text: &str) -> Option<End> {
    if let Some(local) = text.strip_suffix('Z') {
        let moment =
            DateTime::strptime("%Y%m%dT%H%M%S", local).ok()?.to_zoned(TimeZone::UTC).ok()?;
        return Some(End::Until(moment.timestamp()));
    }
    let moment = DateTime::strptime("%Y%m%dT%H%M%S", text);
    let day = || Date::strptime("%Y%m%d", text).map(|it| it.at(23, 59, 59, 0));
    Some(End::UntilLocal(moment.or_else(|_| day()).ok()?))
}
