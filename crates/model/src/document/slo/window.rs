//! Window: the time over which a promise holds, rolling or of the calendar.

use std::time::Duration;

use evenkeel_units::duration::seconds;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

/// The time over which a promise holds. In JSON a number of seconds, or what a calendar says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Window {
    /// The last so long.
    Rolling(#[serde(with = "seconds")] Duration),
    /// A period of the calendar, at whose end the budget is whole again.
    Calendar(Calendar),
}

impl Window {
    /// How long it is: of the calendar a day, 7, 30, 90 or 365 days, since no two months need be as long.
    pub const fn length(&self) -> Duration {
        match self {
            Self::Rolling(length) => *length,
            Self::Calendar(calendar) => calendar.period.length(),
        }
    }
}

/// A window that follows the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// How long it is.
    pub period: CalendarPeriod,
    /// IANA name of the zone whose clocks say when it ends. Default UTC.
    pub time_zone: String,
    /// When one of the windows began, on the clocks of the zone; others begin whole periods before and after. Default:
    /// Mondays, the first of a month, January, April, July and October.
    pub from: Option<DateTime>,
}

/// A period of the calendar.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalendarPeriod {
    /// From midnight to midnight.
    Day,
    /// Seven days.
    Week,
    /// 28 to 31 days.
    Month,
    /// Three months.
    Quarter,
    /// 365 or 366 days.
    Year,
}

impl CalendarPeriod {
    /// The words for them.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("quarter", Self::Quarter),
        ("year", Self::Year),
    ];

    /// How long it is, where one number has to do: 1, 7, 30, 90 and 365 days.
    pub const fn length(self) -> Duration {
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
            Self::Quarter => 90,
            Self::Year => 365,
        };
        Duration::from_hours(days * 24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_survives_the_journey_through_json() {
        let rolling = Window::Rolling(Duration::from_hours(720));
        assert_eq!(serde_json::to_value(&rolling).unwrap(), serde_json::json!(2_592_000.0));
        let from = Some("2026-01-31T06:00".parse().unwrap());
        let (period, time_zone) = (CalendarPeriod::Month, "Europe/Paris".to_owned());
        let month = Window::Calendar(Calendar { period, time_zone, from });
        for it in [rolling, month] {
            let text = serde_json::to_string(&it).unwrap();
            assert_eq!(serde_json::from_str::<Window>(&text).unwrap(), it, "{text}");
        }
    }
}
