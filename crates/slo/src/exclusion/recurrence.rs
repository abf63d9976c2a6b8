//! Recurrence: something that happens again and again, on the clocks of a zone.
//!
//! A start, how long it lasts, and a rule of iCalendar: every Sunday from two to four, on the first Tuesday of the month.
//! It begins at the same time of the clock in summer and in winter; where clocks skip that time, as much later; where they
//! show it twice, the first time.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::rule::{End, Frequency, Rule};
use crate::interval::{Interval, Intervals, before};

/// Occurrences that are looked at for one answer: a daily one of 100 years.
pub const OCCURRENCES_MAX: usize = 40_000;

/// Days, weeks or months that are looked at for one answer, whether something occurs in them or not.
const TURNS_MAX: i64 = 40_000;

/// Why a text is no recurrence rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecurrenceError {
    /// A part has no value.
    #[error("`{0}` is no part of a rule: write `NAME=VALUE`, with `;` between two")]
    NoPart(String),
    /// A value does not fit.
    #[error("`{value}` is no value of {name}")]
    Value {
        /// The part.
        name: String,
        /// Its value.
        value: String,
    },
    /// A part is there twice.
    #[error("{0} is there twice")]
    Twice(String),
    /// Both ends are there.
    #[error("COUNT and UNTIL are there: a rule has one end")]
    TwoEnds,
    /// A part of the standard that is not understood.
    #[error(
        "{0} is not understood: there are FREQ, INTERVAL, BYDAY, BYMONTHDAY, COUNT, UNTIL and WKST"
    )]
    Unknown(String),
    /// How often is missing.
    #[error("FREQ is missing: DAILY, WEEKLY or MONTHLY")]
    NoFrequency,
    /// The standard does not have this with the frequency.
    #[error("{0} does not go with the frequency")]
    Together(&'static str),
    /// It takes no time.
    #[error("it must last some time, and a year at most")]
    Length,
}

/// Something that happens again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    start: DateTime,
    zone: TimeZone,
    lasts: Duration,
    rule: Rule,
}

impl Recurrence {
    /// From `start` on the clocks of `zone`, each time for `lasts` (a year at most), by a rule such as
    /// `FREQ=WEEKLY;BYDAY=SU`.
    pub fn new(
        start: DateTime,
        zone: TimeZone,
        lasts: Duration,
        rule: &str,
    ) -> Result<Self, RecurrenceError> {
        if lasts.is_zero() || lasts > Duration::from_hours(366 * 24) {
            return Err(RecurrenceError::Length);
        }
        Ok(Self { start, zone, lasts, rule: rule.parse()? })
    }

    /// What it covers of a time.
    pub fn within(&self, bounds: Interval) -> Intervals {
        let reach = before(bounds.from, self.lasts);
        let mut found = Vec::new();
        let mut number = 0;
        let first = self.first_turn(reach);
        for turn in first..first.saturating_add(TURNS_MAX) {
            let Some(days) = self.days(turn) else { break };
            for day in days {
                let local = day.to_datetime(self.start.time());
                // A day before the beginning of time, in one of the zones.
                let Ok(start) = local.to_zoned(self.zone.clone()).map(|it| it.timestamp()) else {
                    continue;
                };
                let over = start >= bounds.to || self.rule.is_over(number, local, start);
                if over || found.len() >= OCCURRENCES_MAX {
                    return Intervals::from_iter(found).within(bounds);
                }
                number = number.saturating_add(1);
                if start >= reach {
                    found.push(Interval::lasting(start, self.lasts));
                }
            }
        }
        Intervals::from_iter(found).within(bounds)
    }

    /// The first day, week or month that matters. A rule that counts is counted from its beginning.
    fn first_turn(&self, reach: Timestamp) -> i64 {
        if matches!(self.rule.end, End::Count(_)) {
            return 0;
        }
        let there = reach.to_zoned(self.zone.clone()).datetime();
        let days = there.date().duration_since(self.start.date()).as_hours() / 24;
        let each = i64::from(self.rule.interval)
            * match self.rule.frequency {
                Frequency::Daily => 1,
                Frequency::Weekly => 7,
                // No month is longer.
                Frequency::Monthly => 31,
            };
        // Two early, so that neither weeks nor zones matter.
        (days / each - 2).max(0)
    }

    /// The days of the number `turn` on which it occurs, from the start on; `None` at the end of time.
    fn days(&self, turn: i64) -> Option<Vec<Date>> {
        let first = self.start.date();
        let step = turn.checked_mul(i64::from(self.rule.interval))?;
        let mut days = Vec::new();
        match self.rule.frequency {
            Frequency::Daily => {
                let day = first.checked_add(0.days().try_days(step).ok()?).ok()?;
                days.extend(Some(day).filter(|it| self.rule.means(*it)));
            }
            Frequency::Weekly => {
                let into = i64::from(first.weekday().since(self.rule.week_start));
                let week = first.checked_sub(into.days()).ok()?;
                let week = week.checked_add(0.weeks().try_weeks(step).ok()?).ok()?;
                let of_week = (0i64..7).map_while(|it| week.checked_add(it.days()).ok());
                let by_day = !self.rule.days.is_empty();
                let means = |it: &Date| match by_day {
                    true => self.rule.means(*it),
                    false => it.weekday() == first.weekday(),
                };
                days.extend(of_week.filter(means));
            }
            Frequency::Monthly => {
                let month = first.first_of_month();
                let month = month.checked_add(0.months().try_months(step).ok()?).ok()?;
                let of_month = (0..i64::from(month.days_in_month()))
                    .map_while(|it| month.checked_add(it.days()).ok());
                let by_day = !(self.rule.days.is_empty() && self.rule.month_days.is_empty());
                let means = |it: &Date| match by_day {
                    true => self.rule.means(*it),
                    // A month without that day is passed over.
                    false => it.day() == first.day(),
                };
                days.extend(of_month.filter(means));
            }
        }
        days.retain(|it| *it >= first);
        Some(days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn every(start: &str, rule: &str, zone: TimeZone) -> Result<Recurrence, RecurrenceError> {
        Recurrence::new(start.parse().unwrap(), zone, Duration::from_hours(2), rule)
    }

    /// Beginnings in a year, as `MM-DD HH`.
    fn in_2026(start: &str, rule: &str, zone: TimeZone) -> Vec<String> {
        let year = Interval::new(
            "2026-01-01T00:00:00Z".parse().unwrap(),
            "2027-01-01T00:00:00Z".parse().unwrap(),
        );
        let all = every(start, rule, zone).unwrap().within(year);
        all.iter().map(|it| it.from.strftime("%m-%d %H").to_string()).collect()
    }

    #[test]
    fn every_sunday_is_at_the_same_time_of_the_clock_in_summer_and_winter() {
        let all = in_2026("2026-03-22T02:00", "FREQ=WEEKLY;BYDAY=SU;COUNT=3", berlin());
        // On the 29th clocks skip from two to three.
        assert_eq!(all, ["03-22 01", "03-29 01", "04-05 00"]);
    }

    #[test]
    fn rules_of_the_standard_say_what_its_examples_say() {
        for (start, rule, expected) in [
            (
                "2026-01-10T09:00",
                "FREQ=DAILY;INTERVAL=10;COUNT=4",
                ["01-10", "01-20", "01-30", "02-09"],
            ),
            (
                "2026-01-06T09:00",
                "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;COUNT=4",
                ["01-06", "01-08", "01-20", "01-22"],
            ),
            (
                "2026-01-01T09:00",
                "FREQ=MONTHLY;BYDAY=1FR;COUNT=4",
                ["01-02", "02-06", "03-06", "04-03"],
            ),
            (
                "2026-01-01T09:00",
                "FREQ=MONTHLY;BYDAY=-1MO;COUNT=4",
                ["01-26", "02-23", "03-30", "04-27"],
            ),
            (
                "2026-01-01T09:00",
                "FREQ=MONTHLY;BYMONTHDAY=-3;COUNT=4",
                ["01-29", "02-26", "03-29", "04-28"],
            ),
            ("2026-01-31T09:00", "FREQ=MONTHLY;COUNT=4", ["01-31", "03-31", "05-31", "07-31"]),
            (
                "2026-01-01T09:00",
                "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;UNTIL=20261113T090000Z",
                ["02-13", "03-13", "11-13", ""],
            ),
            (
                "2026-01-01T09:00",
                "RRULE:FREQ=DAILY;BYMONTHDAY=15;UNTIL=20260415",
                ["01-15", "02-15", "03-15", "04-15"],
            ),
        ] {
            let all = in_2026(start, rule, TimeZone::UTC);
            let days: Vec<_> = all.iter().map(|it| it.trim_end_matches(" 09")).collect();
            let expected: Vec<_> = expected.into_iter().filter(|it| !it.is_empty()).collect();
            assert_eq!(days, expected, "{rule}");
        }
    }

    /// The example of RFC 5545 in which the first day of the week matters.
    #[test]
    fn the_first_day_of_the_week_matters_every_other_week() {
        let days = |start| {
            let rule = format!("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST={start}");
            in_2026("2026-08-04T09:00", &rule, TimeZone::UTC)
        };
        assert_eq!(days("MO"), ["08-04 09", "08-09 09", "08-18 09", "08-23 09"]);
        assert_eq!(days("SU"), ["08-04 09", "08-16 09", "08-18 09", "08-30 09"]);
    }

    #[test]
    fn what_began_before_the_window_reaches_into_it() {
        let it = every("2026-01-01T23:00", "FREQ=DAILY", TimeZone::UTC).unwrap();
        let day = Interval::new(
            "2026-05-02T00:00:00Z".parse().unwrap(),
            "2026-05-03T00:00:00Z".parse().unwrap(),
        );
        assert_eq!(it.within(day).length(), Duration::from_hours(2));
        assert_eq!(it.within(day).pieces(), 2);
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let refused =
            |rule| every("2026-01-01T00:00", rule, TimeZone::UTC).unwrap_err().to_string();
        assert!(refused("FREQ=DAILY;BYHOUR=3").starts_with("BYHOUR is not understood"));
        assert_eq!(refused("FREQ=HOURLY"), "`HOURLY` is no value of FREQ");
        assert_eq!(
            refused("FREQ=DAILY;COUNT=1;UNTIL=20260101"),
            RecurrenceError::TwoEnds.to_string()
        );
        assert_eq!(refused("INTERVAL=2"), RecurrenceError::NoFrequency.to_string());
        assert_eq!(refused("FREQ=DAILY;FREQ=DAILY"), "FREQ is there twice");
        assert_eq!(refused("FREQ=WEEKLY;BYDAY=1SU"), "BYDAY=1SU does not go with the frequency");
        for rule in
            ["FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;BYDAY=6SU", "FREQ=DAILY;BYMONTHDAY=32", "", ";"]
        {
            assert!(every("2026-01-01T00:00", rule, TimeZone::UTC).is_err(), "{rule}");
        }
        let endless = Recurrence::new(
            "2026-01-01T00:00".parse().unwrap(),
            TimeZone::UTC,
            Duration::ZERO,
            "FREQ=DAILY",
        );
        assert_eq!(endless, Err(RecurrenceError::Length));
    }

    #[test]
    fn what_never_occurs_and_the_ends_of_time_have_an_answer() {
        let never =
            every("2026-01-01T00:00", "FREQ=MONTHLY;BYMONTHDAY=31;BYDAY=1MO", berlin()).unwrap();
        let all = Interval::new(Timestamp::MIN, Timestamp::MAX);
        assert!(never.within(all).is_empty());
        let daily = every("-009999-01-01T00:00", "FREQ=DAILY", berlin()).unwrap();
        assert!(daily.within(all).length() > Duration::ZERO);
    }

    proptest! {
        #[test]
        fn a_part_of_a_time_says_the_same_as_the_whole(
            which in 0usize..5, from in 0i64..700, length in 0i64..60
        ) {
            let rules = [
                "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SA", "FREQ=MONTHLY;BYDAY=2WE",
                "FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=DAILY;COUNT=50",
            ];
            let it = every("2026-01-03T22:30", rules[which], berlin()).unwrap();
            let day = |it: i64| Timestamp::from_second(1_767_225_600 + it * 86_400).unwrap();
            let whole = it.within(Interval::new(day(0), day(800)));
            let part = Interval::new(day(from), day(from + length));
            prop_assert_eq!(it.within(part), whole.within(part));
        }

        #[test]
        fn no_text_panics(text in "(FREQ=(DAILY|WEEKLY|MONTHLY))?[;=,A-Z0-9+-]{0,40}") {
            drop(every("2026-01-01T00:00", &text, berlin()));
        }
    }
}
