//! Windows of OpenSLO: `timeWindow` of v1 and v2alpha, `timeWindows` of v1alpha.

use std::time::Duration;

use evenkeel_model::document::{Calendar, CalendarPeriod, Slo, Window};
use evenkeel_model::yaml::Place;
use jiff::civil::DateTime;

use super::super::draft::Draft;
use super::super::values::{calendar, period, span};
use crate::fields::Fields;
use crate::notes::cut;

/// The window; `None` when it is one that ours cannot be.
pub(super) fn window(fields: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Window> {
    for (key, is_alpha) in [("timeWindow", false), ("timeWindows", true)] {
        let Some(item) = fields.items(key).first() else { continue };
        let mut window = Fields::of(item, item.place, draft);
        let duration = match is_alpha {
            true => alpha(&mut window, draft),
            false => window.text("duration", draft).map(str::to_owned),
        };
        let rolls = window.text("isRolling", draft);
        let dates = window.map("calendar", draft);
        let duration = duration.unwrap_or_default();
        let made = match (dates, rolls) {
            (Some(dates), _) => of_calendar(&duration, dates, draft),
            (None, Some("false")) if !is_alpha => period(&duration).map(|it| calendar(it, None)),
            (None, _) => rolling(&duration, item.place, draft),
        };
        window.finish(draft);
        if made.is_none() {
            let why = "windows roll, or are a day, week, month, quarter or year";
            draft.leave_at(item.place, format!("a window of `{}`", cut(&duration)), why);
        }
        return made;
    }
    draft.leave_at(place, "its window", "it does not say: 30d is written");
    Some(Window::Rolling(Slo::WINDOW))
}

/// `count` and `unit`, as v1 writes them.
fn alpha(fields: &mut Fields<'_>, draft: &mut Draft) -> Option<String> {
    let count = fields.take("count").and_then(|it| draft.count(it))?;
    let unit = match fields.text("unit", draft)? {
        "Second" => "s",
        "Minute" => "m",
        "Hour" => "h",
        "Day" => "d",
        "Week" => "w",
        "Month" => "M",
        "Quarter" => "Q",
        "Year" => "Y",
        _ => return None,
    };
    Some(format!("{count}{unit}"))
}

fn rolling(duration: &str, place: Place, draft: &mut Draft) -> Option<Window> {
    if let Some(it) = span(duration).filter(|it| !it.is_zero()) {
        return Some(Window::Rolling(it));
    }
    let length = period(duration).map(CalendarPeriod::length)?;
    let days = length.as_secs() / 86_400;
    let why = format!("no two are as long: {days}d is written");
    draft.leave_at(place, format!("a rolling window of `{duration}`"), why);
    Some(Window::Rolling(Duration::from_secs(length.as_secs())))
}

fn of_calendar(duration: &str, mut dates: Fields<'_>, draft: &mut Draft) -> Option<Window> {
    let start = dates.take("startTime");
    let zone = dates.text("timeZone", draft).unwrap_or("UTC").to_owned();
    dates.finish(draft);
    let period = period(duration)?;
    let from = start.and_then(|it| {
        let text = it.value.text().unwrap_or_default();
        let read = text.parse::<DateTime>();
        if read.is_err() {
            draft.wrong(
                it.key_place,
                "`startTime` is no date",
                "Write one such as `2020-01-21 12:30:00`.",
            );
        }
        read.ok()
    });
    let from = from.filter(|it| !begins_anyway(period, *it));
    Some(Window::Calendar(Calendar { period, time_zone: zone, from }))
}

/// Whether windows begin there without saying so.
fn begins_anyway(period: CalendarPeriod, at: DateTime) -> bool {
    let midnight = at.time() == jiff::civil::Time::midnight();
    let first = at.day() == 1;
    midnight
        && match period {
            CalendarPeriod::Day => true,
            CalendarPeriod::Week => at.weekday() == jiff::civil::Weekday::Monday,
            CalendarPeriod::Month => first,
            CalendarPeriod::Quarter => first && matches!(at.month(), 1 | 4 | 7 | 10),
            CalendarPeriod::Year => first && at.month() == 1,
        }
}
