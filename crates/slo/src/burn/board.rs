//! Board: the alerts of an objective, and which of them make others superfluous.
//!
//! When the budget burns at 20 times its rate, the rules for 14.4, for 6 and for 1 all hold before long. Whoever was woken
//! by the first need not hear of the others: an alert is inhibited while one fires that looks at a shorter time and is at
//! least as severe.

use std::time::Duration;

use evenkeel_units::Ratio;
use jiff::Timestamp;

use super::Rule;
use super::alert::{Alert, Change, State};
use crate::Counts;

/// Something changed on the board.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Of which rule, by its place.
    pub rule: usize,
    /// What became of it.
    pub change: Change,
    /// The rule that makes it superfluous.
    pub inhibited_by: Option<usize>,
}

/// The alerts of one objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    objective: Ratio,
    alerts: Vec<(Rule, Alert)>,
}

impl Board {
    /// Nothing fires yet.
    pub fn new(objective: Ratio, rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { objective, alerts: rules.into_iter().map(|it| (it, Alert::default())).collect() }
    }

    /// The rules, in their order, and where the alert of each is.
    pub fn alerts(&self) -> impl Iterator<Item = (&Rule, State)> {
        self.alerts.iter().map(|(rule, alert)| (rule, alert.state()))
    }

    /// Puts the alert of a rule, by its place, where it was before a restart.
    pub fn restore(&mut self, rule: usize, state: State) {
        if let Some((_, alert)) = self.alerts.get_mut(rule) {
            *alert = Alert::at(state);
        }
    }

    /// Looks at every rule at `now`. `counts` is told how long before `now` the window begins.
    pub fn on(
        &mut self,
        now: Timestamp,
        mut counts: impl FnMut(Duration) -> Option<Counts>,
    ) -> Vec<Notice> {
        let mut changes = Vec::new();
        for (number, (rule, alert)) in self.alerts.iter_mut().enumerate() {
            let holds = rule.holds(self.objective, rule.read(&mut counts), alert.is_firing());
            changes.extend(alert.on(rule, now, holds).map(|change| (number, change)));
        }
        // Only now is it known who fires at this moment.
        let notice = |(rule, change)| Notice { rule, change, inhibited_by: self.inhibitor(rule) };
        changes.into_iter().map(notice).collect()
    }

    /// The rules that fire, by their places, and which rule makes each superfluous.
    pub fn firing(&self) -> impl Iterator<Item = (usize, Option<usize>)> {
        let firing = self.alerts.iter().enumerate().filter(|(_, (_, alert))| alert.is_firing());
        firing.map(|(number, _)| (number, self.inhibitor(number)))
    }

    /// The fastest rule that fires and makes another superfluous.
    fn inhibitor(&self, of: usize) -> Option<usize> {
        let (slow, _) = self.alerts.get(of)?;
        let fires = |(_, (rule, alert)): &(usize, &(Rule, Alert))| {
            alert.is_firing() && rule.long < slow.long && rule.severity >= slow.severity
        };
        let faster = self.alerts.iter().enumerate().filter(fires);
        faster.min_by_key(|(_, (rule, _))| rule.long).map(|(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::burn::{LowTraffic, catalogue};
    use crate::interval::before;
    use crate::{History, Interval};

    const MINUTE: Duration = Duration::from_mins(1);
    const DAY: Duration = Duration::from_hours(24);

    /// Minutes of `(bad, total)` from the first on, looked at each minute: what fired when, in minutes.
    fn fired(rules: Vec<Rule>, minutes: Vec<(u64, u64)>) -> Vec<(usize, usize, Option<usize>)> {
        let slices =
            minutes.iter().map(|&(bad, total)| Some(Counts::with_bad(bad, total))).collect();
        let history = History::new(Timestamp::UNIX_EPOCH, MINUTE, slices).unwrap();
        let mut board = Board::new("99.9%".parse().unwrap(), rules);
        let mut said = Vec::new();
        for (number, (slice, _)) in history.slices().enumerate() {
            let now = slice.to;
            let window = |length| history.counts(Interval::new(before(now, length), now));
            let notices = board.on(now, window).into_iter();
            let fired = notices.filter(|it| it.change == Change::Fired);
            said.extend(fired.map(|it| (it.rule, number, it.inhibited_by)));
        }
        said
    }

    /// Ten requests an hour; `bad` says of each whether it fails.
    fn sparse(hours: usize, bad: impl Fn(usize) -> bool) -> Vec<(u64, u64)> {
        let minute = |it: usize| {
            (u64::from(it.is_multiple_of(6) && bad(it / 6)), u64::from(it.is_multiple_of(6)))
        };
        (0..hours * 60).map(minute).collect()
    }

    #[test]
    fn slow_alerts_are_inhibited_by_faster_ones_that_are_as_severe() {
        let outage = (0..600).map(|_| (100, 100)).collect();
        let said = fired(catalogue::workbook(30 * DAY), outage);
        let first = said.first().copied();
        assert!(matches!(first, Some((0, _, None))), "{said:?}");
        assert!(said.iter().filter(|it| it.0 > 0).all(|it| it.2 == Some(0)), "{said:?}");
    }

    #[test]
    fn a_ticket_never_silences_a_page() {
        let mut rules = catalogue::workbook(30 * DAY);
        rules[0].severity = crate::burn::Severity::Ticket;
        let said = fired(rules, (0..600).map(|_| (100, 100)).collect());
        assert!(said.iter().any(|it| it.0 == 1 && it.2.is_none()), "{said:?}");
    }

    #[test]
    fn one_failure_in_ten_requests_an_hour_never_pages() {
        let said = fired(catalogue::workbook(30 * DAY), sparse(96, |request| request == 300));
        assert_eq!(said, []);
    }

    #[test]
    fn half_of_ten_requests_an_hour_failing_pages_within_three_hours() {
        for odd in [0, 1] {
            let broken = |request: usize| request >= 480 && request % 2 == odd;
            let said = fired(catalogue::workbook(30 * DAY), sparse(60, broken));
            let first = said.iter().find(|it| it.0 < 2).map(|it| it.1 - 48 * 60);
            assert!(first.is_some_and(|it| it <= 180), "{said:?}");
        }
    }

    #[test]
    fn with_plenty_of_traffic_nothing_is_detected_later_than_by_the_plain_rules() {
        for bad in [16, 20, 50, 1000] {
            let burst: Vec<_> =
                (0..1440).map(|minute| (if minute >= 720 { bad } else { 0 }, 1000)).collect();
            let careful = catalogue::workbook(30 * DAY);
            let plain: Vec<_> =
                careful.iter().map(|it| Rule { low_traffic: None, ..it.clone() }).collect();
            assert_eq!(fired(careful, burst.clone()), fired(plain, burst), "{bad}");
        }
        assert_eq!(LowTraffic::default().plenty, 1_000);
    }
}
