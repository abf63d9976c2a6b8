//! Catalogue: the sets of burn-rate rules that people use.
//!
//! Each is given as shares of the budget, so that its factors follow from the window of the objective: where the windows of
//! alerts stay as they are, 14.4 is right for 30 days only.

use std::time::Duration;

use evenkeel_model::document::AlertPolicy;
use evenkeel_units::Ratio;

use super::{Rule, Severity, factor};
use crate::Share;
use crate::reading::burn_rule;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A line of a set: share of the budget in percent, long window, short window.
type Line = (&'static str, Severity, u32, Duration, Duration);

/// 2 % in an hour and 5 % in six page, 10 % in three days is a ticket: 14.4, 6 and 1 for 30 days. For other windows these
/// are longer or shorter, see [`AlertPolicy::standard`]. Google, "The Site Reliability Workbook", chapter 5, table 5-8; short
/// windows are a twelfth.
pub fn workbook(window: Duration) -> Vec<Rule> {
    AlertPolicy::standard(window).windows.iter().map(|it| burn_rule(it, window)).collect()
}

/// 2 % in an hour and 5 % in six page, 10 % in a day and in three are tickets: 14.4, 6, 3 and 1 for 30 days. The set of Sloth.
pub fn sloth(window: Duration) -> Vec<Rule> {
    of_lines(
        window,
        &[
            ("page quick", Severity::Page, 2, HOUR, Duration::from_mins(5)),
            ("page slow", Severity::Page, 5, Duration::from_hours(6), Duration::from_mins(30)),
            ("ticket quick", Severity::Ticket, 10, DAY, Duration::from_hours(2)),
            (
                "ticket slow",
                Severity::Ticket,
                10,
                Duration::from_hours(72),
                Duration::from_hours(6),
            ),
        ],
    )
}

/// 2 % in an hour and 5 % in six page, 10 % in a day is a ticket: 14.4, 6 and 3 for 30 days, with short windows of a
/// twelfth, without which an alert goes on for a day after all is well.
pub fn hour_to_day(window: Duration) -> Vec<Rule> {
    of_lines(
        window,
        &[
            ("1h", Severity::Page, 2, HOUR, Duration::from_mins(5)),
            ("6h", Severity::Page, 5, Duration::from_hours(6), Duration::from_mins(30)),
            ("24h", Severity::Ticket, 10, DAY, Duration::from_hours(2)),
        ],
    )
}

/// A rule of one's own by its factor, with a short window of a twelfth (a minute at least).
pub fn custom(name: &str, severity: Severity, long: Duration, factor: Share) -> Rule {
    Rule::new(name, severity, long, Some((long / 12).max(MINUTE)), factor)
}

fn of_lines(window: Duration, lines: &[Line]) -> Vec<Rule> {
    let rule = |&(name, severity, percent, long, short): &Line| {
        let factor = factor(Ratio::percent(percent), window, long);
        Rule::new(name, severity, long, Some(short), factor)
    };
    lines.iter().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(rules: &[Rule]) -> Vec<String> {
        rules.iter().map(|it| it.factor.to_string()).collect()
    }

    #[test]
    fn factors_follow_the_window() {
        assert_eq!(factors(&workbook(30 * DAY)), ["14.4", "6", "1"]);
        assert_eq!(factors(&sloth(30 * DAY)), ["14.4", "6", "3", "1"]);
        assert_eq!(factors(&sloth(28 * DAY)), ["13.44", "5.6", "2.8", "0.933333"]);
        assert_eq!(factors(&hour_to_day(30 * DAY)), ["14.4", "6", "3"]);
    }

    #[test]
    fn the_windows_of_the_workbook_follow_instead() {
        assert_eq!(factors(&workbook(90 * DAY)), ["14.4", "6", "1"]);
        let names = |rules: Vec<Rule>| -> Vec<_> { rules.into_iter().map(|it| it.name).collect() };
        assert_eq!(names(workbook(90 * DAY)), ["page 3h", "page 18h", "ticket 9d"]);
        assert_eq!(names(workbook(7 * DAY)), ["page 1h24m", "ticket 16h48m"]);
    }

    #[test]
    fn short_windows_are_a_twelfth() {
        for rules in [workbook(30 * DAY), sloth(30 * DAY), hour_to_day(30 * DAY)] {
            assert!(rules.iter().all(|it| it.short == Some(it.long / 12)));
        }
        let own = custom("own", Severity::Info, 6 * MINUTE, Share::ONE);
        assert_eq!(own.short, Some(MINUTE));
    }
}
