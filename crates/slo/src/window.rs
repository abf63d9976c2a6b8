//! Window: the time an objective is about.
//!
//! A rolling window is the last days before a moment; a calendar window is the week, month, quarter or year that a
//! moment lies in, on the clocks of a zone. A rolling window forgets a bad hour when it leaves; a calendar window
//! forgets everything at once. The slice by which an indicator is measured is another thing: see
//! [`History`](crate::History).

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::interval::{Interval, before, between};

/// A period of the calendar.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// From midnight to midnight: 23, 24 or 25 hours.
    Day,
    /// Seven days, from Monday.
    Week,
    /// From the first of a month: 28 to 31 days.
    Month,
    /// Three months, from January, April, July and October.
    Quarter,
    /// From the first of January: 365 or 366 days.
    Year,
}

impl Period {
    /// As it is named.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    const fn months(self) -> Option<i64> {
        match self {
            Self::Day | Self::Week => None,
            Self::Month => Some(1),
            Self::Quarter => Some(3),
            Self::Year => Some(12),
        }
    }
}

/// A window that follows the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// How long it is.
    pub period: Period,
    /// When one of the windows began, on the clocks of the zone: others begin whole periods before and after.
    pub anchor: DateTime,
    /// Whose clocks.
    pub zone: TimeZone,
}

impl Calendar {
    /// Weeks from Monday, months from the first, quarters from January, years from January.
    pub fn new(period: Period, zone: TimeZone) -> Self {
        // A Monday, a first of a month, of a quarter and of a year at once.
        Self { period, anchor: DateTime::constant(2024, 1, 1, 0, 0, 0, 0), zone }
    }

    /// The window that a moment lies in.
    pub fn bounds(&self, at: Timestamp) -> Interval {
        let here = at.to_zoned(self.zone.clone()).datetime();
        let mut turn = self.near(here);
        // What is near is one too early or too late at most: days of a month, and hours before the anchor's.
        while self.start(turn) > at && turn > i64::MIN / 2 {
            turn -= 1;
        }
        while self.start(turn + 1) <= at && self.start(turn + 1) > self.start(turn) {
            turn += 1;
        }
        Interval::new(self.start(turn), self.start(turn + 1))
    }

    fn near(&self, here: DateTime) -> i64 {
        let anchor = self.anchor;
        match self.period.months() {
            Some(each) => {
                let months = |it: DateTime| i64::from(it.year()) * 12 + i64::from(it.month());
                (months(here) - months(anchor)).div_euclid(each)
            }
            None => {
                let days = here.date().duration_since(anchor.date()).as_hours() / 24;
                days.div_euclid(if self.period == Period::Week { 7 } else { 1 })
            }
        }
    }

    /// When the window number `turn` begins. The ends of time stand for what lies beyond them.
    fn start(&self, turn: i64) -> Timestamp {
        let beyond = if turn < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let span = match (self.period.months(), self.period) {
            (Some(each), _) => 0.months().try_months(turn.saturating_mul(each)),
            (None, Period::Week) => 0.weeks().try_weeks(turn),
            (None, _) => 0.days().try_days(turn),
        };
        let there = span.and_then(|it| self.anchor.checked_add(it));
        // A midnight that clocks skip is the first moment after it.
        there.and_then(|it| it.to_zoned(self.zone.clone())).map_or(beyond, |it| it.timestamp())
    }
}

/// The time an objective is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last so long.
    Rolling(Duration),
    /// A period of the calendar.
    Calendar(Calendar),
}

impl Window {
    /// From when to when it goes at a moment. What lies after the moment is still to come.
    pub fn bounds(&self, at: Timestamp) -> Interval {
        match self {
            Self::Rolling(length) => Interval::new(before(at, *length), at),
            Self::Calendar(calendar) => calendar.bounds(at),
        }
    }

    /// The window that was over when the one of a moment began; none of those that roll.
    pub fn last(&self, at: Timestamp) -> Option<Interval> {
        match self {
            Self::Rolling(_) => None,
            Self::Calendar(calendar) => {
                let began = calendar.bounds(at).from;
                let last = calendar.bounds(before(began, Duration::from_nanos(1)));
                (last.to == began && !last.is_empty()).then_some(last)
            }
        }
    }

    /// The part of it that has passed.
    pub fn elapsed(&self, at: Timestamp) -> Interval {
        let bounds = self.bounds(at);
        Interval::new(bounds.from, bounds.to.min(at))
    }

    /// How much of it is still to come; nothing of a rolling window.
    pub fn remaining(&self, at: Timestamp) -> Duration {
        between(at, self.bounds(at).to)
    }

    /// When the budget is whole again; never all at once in a rolling window.
    pub fn resets(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Rolling(_) => None,
            Self::Calendar(calendar) => Some(calendar.bounds(at).to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn bounds(period: Period, zone: TimeZone, moment: &str) -> String {
        let it = Calendar::new(period, zone).bounds(at(moment));
        format!("{} {}", it.from, it.to)
    }

    #[test]
    fn a_rolling_window_ends_now() {
        let window = Window::Rolling(Duration::from_hours(24));
        let now = at("2026-03-02T12:00:00Z");
        assert_eq!(window.bounds(now), Interval::new(at("2026-03-01T12:00:00Z"), now));
        assert_eq!((window.remaining(now), window.resets(now)), (Duration::ZERO, None));
        assert_eq!(window.last(now), None);
    }

    #[test]
    fn the_month_before_ends_where_this_one_begins() {
        let window = Window::Calendar(Calendar::new(Period::Month, berlin()));
        let last = Interval::new(at("2026-01-31T23:00:00Z"), at("2026-02-28T23:00:00Z"));
        assert_eq!(window.last(at("2026-02-28T23:00:00Z")), Some(last));
        assert_eq!(window.last(at("2026-03-31T21:59:59Z")), Some(last));
        assert_eq!(window.last(Timestamp::MIN), None);
    }

    #[test]
    fn calendar_windows_begin_where_people_expect_it() {
        for (period, expected) in [
            (Period::Day, "2026-05-20T00:00:00Z 2026-05-21T00:00:00Z"),
            (Period::Week, "2026-05-18T00:00:00Z 2026-05-25T00:00:00Z"),
            (Period::Month, "2026-05-01T00:00:00Z 2026-06-01T00:00:00Z"),
            (Period::Quarter, "2026-04-01T00:00:00Z 2026-07-01T00:00:00Z"),
            (Period::Year, "2026-01-01T00:00:00Z 2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(bounds(period, TimeZone::UTC, "2026-05-20T13:14:15Z"), expected);
        }
    }

    #[test]
    fn midnight_is_that_of_the_zone_on_either_side_of_summer_time() {
        let expected = "2026-02-28T23:00:00Z 2026-03-31T22:00:00Z";
        assert_eq!(bounds(Period::Month, berlin(), "2026-03-10T00:00:00Z"), expected);
        let month = Calendar::new(Period::Month, berlin()).bounds(at("2026-03-10T00:00:00Z"));
        assert_eq!(month.length(), Duration::from_hours(31 * 24 - 1));
        // The last hour of March in Berlin is still April nowhere.
        assert_eq!(bounds(Period::Month, berlin(), "2026-03-31T21:59:59Z"), expected);
        assert_ne!(bounds(Period::Month, berlin(), "2026-03-31T22:00:00Z"), expected);
    }

    #[test]
    fn an_anchor_moves_the_beginning_of_every_window() {
        let anchor = "2020-01-19T12:30".parse().unwrap();
        let weeks = Calendar { period: Period::Week, anchor, zone: TimeZone::UTC };
        let it = weeks.bounds(at("2026-05-20T13:14:15Z"));
        assert_eq!(it.from, at("2026-05-17T12:30:00Z"));
        assert_eq!(weeks.bounds(at("2026-05-17T12:29:59Z")).to, it.from);
        let anchor = "2020-01-31T00:00".parse().unwrap();
        let months = Calendar { period: Period::Month, anchor, zone: TimeZone::UTC };
        assert_eq!(months.bounds(at("2026-02-28T00:00:00Z")).from, at("2026-02-28T00:00:00Z"));
        assert_eq!(months.bounds(at("2026-03-30T00:00:00Z")).to, at("2026-03-31T00:00:00Z"));
    }

    #[test]
    fn what_has_passed_and_what_is_to_come_is_the_window() {
        let window = Window::Calendar(Calendar::new(Period::Month, berlin()));
        let now = at("2026-03-10T00:00:00Z");
        assert_eq!(
            window.elapsed(now).length() + window.remaining(now),
            window.bounds(now).length()
        );
    }

    #[test]
    fn the_ends_of_time_have_windows() {
        for period in [Period::Day, Period::Week, Period::Month, Period::Quarter, Period::Year] {
            for end in [Timestamp::MIN, Timestamp::MAX] {
                let it = Calendar::new(period, berlin()).bounds(end);
                assert!(it.from <= end && end <= it.to, "{period:?} {it:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn windows_follow_one_another_without_gap_or_overlap(
            second in -2_000_000_000i64..4_000_000_000, which in 0usize..5, days in 0i64..400
        ) {
            let period = [Period::Day, Period::Week, Period::Month, Period::Quarter, Period::Year][which];
            let anchor = DateTime::constant(2020, 1, 1, 5, 0, 0, 0).checked_add(days.days()).unwrap();
            let calendar = Calendar { period, anchor, zone: berlin() };
            let now = Timestamp::from_second(second).unwrap();
            let it = calendar.bounds(now);
            prop_assert!(it.holds(now), "{it:?}");
            prop_assert_eq!(calendar.bounds(it.to).from, it.to);
            prop_assert_eq!(calendar.bounds(it.from), it);
        }
    }
}
