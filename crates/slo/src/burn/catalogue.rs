//! Catalogue: the sets of burn-rate rules that people use.
//!
//! Each is given as shares of the budget, so that its factors follow from the window of the objective: 14.4 is right for
//! 30 days only.

use std::time::Duration;

use evenkeel_model::document::{self, AlertPolicy, BurnWindow};
use evenkeel_units::Ratio;

use super::{Rule, Severity, factor};
use crate::Share;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A line of a set: share of the budget in percent, long window, short window.
type Line = (&'static str, Severity, u32, Duration, Duration);

/// 2 % in an hour and 5 % in six page, 10 % in three days is a ticket: 14.4, 6 and 1 for 30 days. Google, "The Site
/// Reliability Workbook", chapter 5, table 5-8; short windows are a twelfth.
pub fn workbook(window: Duration) -> Vec<Rule> {
    let names = ["fast", "slow", "trickle"].into_iter();
    let rule = |(name, (severity, share, long)): (&str, (document::Severity, Ratio, Duration))| {
        let factor = factor(share, window, long);
        Rule::new(name, severity.into(), long, Some(long / BurnWindow::SHORT), factor)
    };
    names.zip(AlertPolicy::WORKBOOK).map(rule).collect()
}

/// The same, and 10 % in a day is a ticket as well: 3 for 30 days. The set of Sloth.
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

/// Which windows of a set are at least so long as the objective's, and so can never hold before its budget is spent.
pub fn too_long(rules: &[Rule], window: Duration) -> impl Iterator<Item = &Rule> {
    rules.iter().filter(move |it| it.long >= window)
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
    use crate::Unit;
    use crate::reading::burn_rules;

    fn factors(rules: &[Rule]) -> Vec<String> {
        rules.iter().map(|it| it.factor.to_string()).collect()
    }

    #[test]
    fn factors_follow_the_window() {
        assert_eq!(factors(&workbook(30 * DAY)), ["14.4", "6", "1"]);
        assert_eq!(factors(&sloth(30 * DAY)), ["14.4", "6", "3", "1"]);
        assert_eq!(factors(&sloth(28 * DAY)), ["13.44", "5.6", "2.8", "0.933333"]);
        assert_eq!(factors(&hour_to_day(30 * DAY)), ["14.4", "6", "3"]);
        assert_eq!(factors(&workbook(7 * DAY)), ["3.36", "1.4", "0.233333"]);
    }

    #[test]
    fn alerts_that_nobody_chose_are_those_of_the_workbook_for_thirty_days() {
        let usual = burn_rules(&AlertPolicy::standard(), 30 * DAY, Unit::Events);
        let known = |rules: Vec<Rule>| -> Vec<_> {
            rules.into_iter().map(|it| (it.severity, it.factor, it.long, it.short)).collect()
        };
        assert_eq!(known(usual), known(workbook(30 * DAY)));
    }

    #[test]
    fn short_windows_are_a_twelfth() {
        for rules in [workbook(30 * DAY), sloth(30 * DAY), hour_to_day(30 * DAY)] {
            assert!(rules.iter().all(|it| it.short == Some(it.long / 12)));
        }
        let own = custom("own", Severity::Info, 6 * MINUTE, Share::ONE);
        assert_eq!(own.short, Some(MINUTE));
    }

    #[test]
    fn a_window_longer_than_the_objectives_is_found() {
        let rules = workbook(DAY);
        assert_eq!(
            too_long(&rules, DAY).map(|it| it.name.as_str()).collect::<Vec<_>>(),
            ["trickle"]
        );
    }
}
