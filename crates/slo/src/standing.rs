//! Standing: how an objective stands at a moment, of what was counted.
//!
//! Who asks is told which intervals matter: the part of the window that has passed, and the windows of the alerts, each
//! without the times that do not count. Everything else follows from their counts.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::account::{Account, Exhaustion, Status, Thresholds};
use crate::burn::board::Board;
use crate::burn::{Reading, Rule};
use crate::history::Coverage;
use crate::interval::{Interval, before};
use crate::reading::Objective;
use crate::{Budget, Counts, Share};

/// What was counted in intervals; `None` of one without data.
pub type Counted = BTreeMap<Interval, Option<Counts>>;

/// What an alert says at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Burning {
    /// Its rule.
    pub rule: Rule,
    /// What was counted in its windows.
    pub reading: Reading,
    /// The burn rate of the long window; `None` without data.
    pub long: Option<Share>,
    /// The burn rate of the short window.
    pub short: Option<Share>,
    /// Whether the rule holds; `None` when nobody can tell.
    pub holds: Option<bool>,
    /// The faster rule, by its name, that makes its alert superfluous.
    pub inhibited_by: Option<String>,
}

/// How an objective stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Its budget.
    pub account: Account,
    /// How well that is.
    pub status: Status,
    /// Its alerts, in the order of their rules.
    pub burning: Vec<Burning>,
    /// When the budget is spent at the rate of the shortest of the long windows, or at the mean of the window where
    /// there are no alerts; `None` without data.
    pub exhaustion: Option<Exhaustion>,
    /// That rate, and the time it is of.
    pub recent: Option<(Share, Interval)>,
    /// How much of the passed part of the window there is data of.
    pub coverage: Coverage,
}

impl Objective {
    /// The part of the window that has passed, with the times that do not count.
    pub fn elapsed(&self, at: Timestamp) -> Interval {
        self.window.elapsed(at)
    }

    /// Everything that matters at a moment, as one interval.
    pub fn reach(&self, at: Timestamp) -> Interval {
        let longest = self.burn.iter().map(|it| it.long).max().unwrap_or_default();
        let elapsed = self.elapsed(at);
        Interval::new(elapsed.from.min(before(at, longest)), at)
    }

    /// The intervals whose counts matter at a moment, in pieces between the times that do not count.
    pub fn intervals(&self, at: Timestamp) -> Vec<Interval> {
        let lengths = self.burn.iter().flat_map(|it| it.short.into_iter().chain([it.long]));
        let windows = lengths.map(|it| Interval::new(before(at, it), at));
        let all = windows.chain([self.elapsed(at)]);
        let mut pieces: Vec<_> = all.flat_map(|it| self.counted_of(it)).collect();
        pieces.sort_unstable();
        pieces.dedup();
        pieces
    }

    /// How it stands at a moment, where `counted` holds what was counted in its
    /// [`intervals`](Self::intervals).
    pub fn standing(&self, at: Timestamp, counted: &Counted, coverage: Coverage) -> Standing {
        let counts = |of: Interval| {
            let pieces = self.counted_of(of);
            let pieces: Vec<_> =
                pieces.iter().filter_map(|it| counted.get(it).copied().flatten()).collect();
            (!pieces.is_empty()).then(|| pieces.into_iter().sum::<Counts>())
        };
        let last = |length: Duration| counts(Interval::new(before(at, length), at));
        let elapsed = counts(self.elapsed(at)).unwrap_or_default();
        let passed = self.elapsed(at);
        let excluded = passed.length().saturating_sub(self.counted_of(passed).length());
        let account = Account::of(self.promise, &self.window, self.asking.unit(), elapsed, at)
            .without(excluded);
        let shortest = self.burn.iter().map(|it| it.long).min();
        let recent = match shortest {
            Some(it) => self.rate(last(it)).zip(Some(Interval::new(before(at, it), at))),
            None => account.mean_burn().zip(Some(self.elapsed(at))),
        };
        Standing {
            status: account.status(Thresholds::default()),
            burning: self.burning(at, last),
            exhaustion: recent.and_then(|(rate, _)| account.exhaustion(rate)),
            recent,
            account,
            coverage,
        }
    }

    fn rate(&self, counts: Option<Counts>) -> Option<Share> {
        Budget { objective: self.promise, counts: counts? }.burn_rate()
    }

    /// What its alerts say. One that has to hold for a while is told by whether it holds now.
    fn burning(
        &self,
        at: Timestamp,
        mut last: impl FnMut(Duration) -> Option<Counts>,
    ) -> Vec<Burning> {
        let at_once = |it: &Rule| Rule { pending: Duration::ZERO, ..it.clone() };
        let mut board = Board::new(self.promise, self.burn.iter().map(at_once));
        board.on(at, &mut last);
        let inhibitors: BTreeMap<_, _> = board.firing().collect();
        let name = |place: usize| self.burn.get(place).map(|it| it.name.clone());
        let each = |(place, rule): (usize, &Rule)| {
            let reading = rule.read(&mut last);
            let inhibitor = inhibitors.get(&place).copied().flatten();
            Burning {
                rule: rule.clone(),
                reading,
                long: self.rate(reading.long),
                short: self.rate(reading.short),
                holds: rule.holds(self.promise, reading, false),
                inhibited_by: inhibitor.filter(|_| self.inhibits).and_then(name),
            }
        };
        self.burn.iter().enumerate().map(each).collect()
    }
}

impl Standing {
    /// The alerts that hold and that nobody else's makes superfluous.
    pub fn firing(&self) -> impl Iterator<Item = &Burning> {
        self.burning.iter().filter(|it| it.holds == Some(true) && it.inhibited_by.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_model::Library;
    use jiff::tz::TimeZone;

    const HOUR: Duration = Duration::from_hours(1);

    fn objective(more: &str) -> Objective {
        let text = format!(
            "apiVersion: evenkeel.dev/v1\nkind: SLO\nmetadata: {{name: it}}\nspec:\n  objective: 99%\n  sli: {{availability: {{bad: bad, total: all}}}}\n  window: 1d\n{more}"
        );
        let (library, wrong) = Library::read([("it.yaml".to_owned(), text.into())]);
        assert!(wrong.is_empty(), "{wrong:?}");
        let zones = |name: &str| (name == "UTC").then_some(TimeZone::UTC);
        Objective::of(library.slo("it").unwrap(), &library, zones).unwrap()
    }

    fn at() -> Timestamp {
        Timestamp::from_second(864_000).unwrap()
    }

    /// Each interval with a thousand events an hour, of which so many are bad in the last hour.
    fn standing(of: &Objective, bad: u64) -> Standing {
        let counts = |it: Interval| {
            let last = it.common(Interval::new(before(at(), HOUR), at())).length();
            let events = |it: Duration, an_hour: u64| it.as_secs() * an_hour / 3600;
            Some(Counts::with_bad(events(last, bad), events(it.length(), 1_000)))
        };
        let counted = of.intervals(at()).into_iter().map(|it| (it, counts(it))).collect();
        of.standing(at(), &counted, Coverage { present: HOUR, of: 24 * HOUR })
    }

    fn said(of: &Standing) -> Vec<(Option<bool>, Option<&str>)> {
        of.burning.iter().map(|it| (it.holds, it.inhibited_by.as_deref())).collect()
    }

    #[test]
    fn alerts_hold_by_their_own_windows_and_the_fastest_silences_the_others() {
        let it = standing(&objective(""), 50);
        // Five times the rate in the hour, which is below the factor of the page; twice the rate in that of the ticket.
        assert_eq!(said(&it), [(Some(false), None), (Some(true), None)]);
        let it = standing(&objective(""), 200);
        // 200 of 24,000 in the day.
        assert_eq!(it.account.left(), Some(Share::of(1, 6)));
        assert_eq!(it.status, Status::Critical);
        assert_eq!(said(&it), [(Some(true), None), (Some(true), Some("page 1h"))]);
        let it = standing(&objective(""), 900);
        assert_eq!(it.firing().count(), 1);
        assert_eq!(it.exhaustion, Some(Exhaustion::Already));
    }

    #[test]
    fn what_is_excluded_is_in_no_window() {
        let more = "  exclusions: [{from: '1970-01-10T23:00Z', duration: 1h}]\n";
        let it = standing(&objective(more), 900);
        assert_eq!(it.account.budget.counts, Counts::with_bad(0, 23_000));
        assert!(it.burning.iter().take(1).all(|it| it.holds.is_none()), "{it:?}");
    }

    #[test]
    fn nothing_counted_is_no_data_and_nobody_can_tell() {
        let it =
            objective("").standing(at(), &Counted::new(), Coverage { present: HOUR, of: HOUR });
        assert_eq!((it.status, it.exhaustion, it.recent), (Status::NoData, None, None));
        assert!(said(&it).iter().all(|it| it.0.is_none()));
    }

    #[test]
    fn where_nobody_is_told_the_rate_is_that_of_the_window() {
        let it = standing(&objective("  alerting: none\n"), 240);
        assert_eq!(it.recent.map(|it| it.0), Some(Share::ONE));
    }
}
