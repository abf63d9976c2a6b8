//! Downtime: how long a service may be down in a day, a week, a month.
//!
//! A month has 28 to 31 days, and tables that do not say which they mean contradict one another: 99.9 % is 43.2 minutes
//! of 30 days, 44.64 of May, 43.83 of the twelfth of a mean year. So each line says what it is of, and those of the
//! calendar are of the one that a moment lies in, on the clocks of a zone.
//!
//! Minutes are what an objective of time allows. One of events allows bad events, and as many minutes only while traffic
//! is even.

use std::time::Duration;

use evenkeel_units::Ratio;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::window::{Calendar, Period};
use crate::{Budget, Counts};

/// A line of the table.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Of what.
    pub of: Of,
    /// How long that is.
    pub length: Duration,
    /// How long the service may be down in it.
    pub allowed: Duration,
}

/// What a line is of.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// So many days of 24 hours.
    Days(u32),
    /// The period of the calendar that the moment lies in.
    Calendar(Period),
}

/// Downtime in a day, a week and 30 days, and in the month, the quarter and the year that `at` lies in.
pub fn table(objective: Ratio, at: Timestamp, zone: &TimeZone) -> Vec<Line> {
    let budget = Budget { objective, counts: Counts::default() };
    let line = |of, length| Line { of, length, allowed: budget.of_window(length) };
    let days = [1, 7, 30].map(|it| line(Of::Days(it), it * Duration::from_hours(24)));
    let calendar = [Period::Month, Period::Quarter, Period::Year]
        .map(|it| line(Of::Calendar(it), Calendar::new(it, zone.clone()).bounds(at).length()));
    days.into_iter().chain(calendar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_nines_are_what_each_period_says() {
        let at = "2026-05-20T00:00:00Z".parse().unwrap();
        let lines = table("99.9%".parse().unwrap(), at, &TimeZone::UTC);
        let minutes: Vec<_> =
            lines.iter().map(|it| format!("{:.2}", it.allowed.as_secs_f64() / 60.0)).collect();
        assert_eq!(minutes, ["1.44", "10.08", "43.20", "44.64", "131.04", "525.60"]);
    }

    #[test]
    fn a_promise_of_everything_allows_nothing() {
        let lines = table(Ratio::ONE, Timestamp::UNIX_EPOCH, &TimeZone::UTC);
        assert!(lines.iter().all(|it| it.allowed.is_zero()));
    }
}
