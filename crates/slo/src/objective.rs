//! Objective: a promise about a service, and how it is judged.
//!
//! ```text
//!   history of the indicator ─ gaps get their meaning ─ exclusions are taken out ─▶ account, alerts, status
//! ```
//!
//! Gaps come before exclusions: time that does not count is not bad for having no data.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_units::{Human, Ratio};
use jiff::Timestamp;

use crate::account::{Account, Exhaustion, Status, Thresholds, Unit};
use crate::burn::{Reading, Rule};
use crate::exclusion::{Exclusion, Ledger, ledger};
use crate::explain::{Explained, account};
use crate::gate::Facts;
use crate::history::{Coverage, Gaps, History, SLICES_MAX};
use crate::interval::{Interval, before};
use crate::policy::Scope;
use crate::sli::{Sli, SliError};
use crate::{Budget, Counts, Share, Window};

/// A promise about a service.
#[derive(Clone, Debug)]
pub struct Objective {
    /// What it is called.
    pub name: String,
    /// Which service.
    pub service: String,
    /// The share of what is counted that is to be good.
    pub target: Ratio,
    /// The time it is about.
    pub window: Window,
    /// What is measured.
    pub sli: Sli,
    /// The step by which it is measured: a minute is usual.
    pub slice: Duration,
    /// What no data means.
    pub gaps: Gaps,
    /// When the budget is low.
    pub thresholds: Thresholds,
    /// Time that does not count.
    pub exclusions: Vec<Exclusion>,
    /// When the budget burns too fast.
    pub alerts: Vec<Rule>,
    /// For whoever sorts objectives: team, tier, journey.
    pub labels: BTreeMap<String, String>,
}

/// Why an objective is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Nothing can be promised about it.
    #[error(transparent)]
    Sli(#[from] SliError),
    /// A promise of nothing is always kept.
    #[error("an objective of 0% promises nothing")]
    Nothing,
    /// A window has to be longer than what it is made of.
    #[error("a slice of {} does not fit {SLICES_MAX} times at most into a window of {}", Human(*slice), Human(*window))]
    Slice {
        /// The slice.
        slice: Duration,
        /// The window.
        window: Duration,
    },
    /// An alert that looks further back than the objective would look at a budget that is no longer there.
    #[error("the alert `{rule}` looks at {}, and the window is {}", Human(*long), Human(*window))]
    AlertTooLong {
        /// The rule.
        rule: String,
        /// Its long window.
        long: Duration,
        /// The window of the objective.
        window: Duration,
    },
    /// A short window says whether it still goes on.
    #[error("the short window of the alert `{rule}` is not shorter than the long one")]
    ShortNotShorter {
        /// The rule.
        rule: String,
    },
    /// A slice is all or nothing of such a window.
    #[error("the alert `{rule}` looks at less than a slice of {}", Human(*slice))]
    AlertTooShort {
        /// The rule.
        rule: String,
        /// The slice.
        slice: Duration,
    },
    /// All requests cannot fail faster than that.
    #[error("the alert `{rule}` can never fire: {factor} times the budget is more than everything")]
    OutOfReach {
        /// The rule.
        rule: String,
        /// Its factor.
        factor: Share,
    },
}

/// How fast the budget burns in the windows of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burning<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// What was counted in its windows.
    pub reading: Reading,
    /// The burn rate in the long one; `None` without data.
    pub long: Option<Share>,
    /// The burn rate in the short one.
    pub short: Option<Share>,
    /// Whether it holds now; `None` when nobody can tell. An alert knows since when.
    pub holds: Option<bool>,
}

/// How a promise stands at a moment.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    /// The budget.
    pub account: Account,
    /// How well it stands.
    pub status: Status,
    /// What was taken out.
    pub ledger: Ledger<'a>,
    /// How much of the elapsed window, but for what was taken out, there was data of. Gaps are no data, whatever they mean.
    pub coverage: Coverage,
    /// How fast it burns, in the order of the rules.
    pub burning: Vec<Burning<'a>>,
}

impl Objective {
    /// Everything that is wrong with it.
    pub fn flaws(&self) -> Vec<Flaw> {
        let window = self.window.bounds(Timestamp::UNIX_EPOCH).length();
        let mut found: Vec<_> = self.sli.check().err().map(Flaw::Sli).into_iter().collect();
        if self.target == Ratio::ZERO {
            found.push(Flaw::Nothing);
        }
        let slices = window.as_millis().checked_div(self.slice.as_millis());
        if !slices.is_some_and(|it| (1..=SLICES_MAX as u128).contains(&it)) {
            found.push(Flaw::Slice { slice: self.slice, window });
        }
        found.extend(self.alerts.iter().flat_map(|it| self.flaws_of(it, window)));
        found
    }

    fn flaws_of(&self, it: &Rule, window: Duration) -> Vec<Flaw> {
        let mut found = Vec::new();
        let rule = it.name.clone();
        if it.long >= window {
            found.push(Flaw::AlertTooLong { rule: rule.clone(), long: it.long, window });
        }
        if it.short.is_some_and(|short| short >= it.long) {
            found.push(Flaw::ShortNotShorter { rule: rule.clone() });
        }
        if it.short.unwrap_or(it.long) < self.slice {
            found.push(Flaw::AlertTooShort { rule: rule.clone(), slice: self.slice });
        }
        if it.factor.times(self.target.rest().into()) >= Share::ONE {
            found.push(Flaw::OutOfReach { rule, factor: it.factor });
        }
        found
    }

    /// What its counts are of.
    pub const fn unit(&self) -> Unit {
        match self.sli.unit() {
            Some(it) => it,
            None => Unit::Time,
        }
    }

    /// How it stands at a moment, by the history of its indicator.
    pub fn judge(&self, measured: &History, at: Timestamp) -> Standing<'_> {
        let elapsed = self.window.elapsed(at);
        let filled = measured.filled(self.gaps, self.unit());
        let ledger = ledger(&self.exclusions, elapsed, &filled);
        let counts = ledger.history.counts(elapsed).unwrap_or_default();
        let excluded = ledger.length();
        let account =
            Account::of(self.target, &self.window, self.unit(), counts, at).without(excluded);
        let present = measured.without(&ledger.time).coverage(elapsed).present;
        let of = elapsed.length().saturating_sub(excluded);
        Standing {
            status: account.status(self.thresholds),
            account,
            coverage: Coverage { present: present.min(of), of },
            burning: self.alerts.iter().map(|it| self.burning(it, &ledger.history, at)).collect(),
            ledger,
        }
    }

    fn burning<'a>(&self, rule: &'a Rule, history: &History, at: Timestamp) -> Burning<'a> {
        let reading = rule.read(|length| history.counts(Interval::new(before(at, length), at)));
        let rate =
            |counts: Option<Counts>| Budget { objective: self.target, counts: counts? }.burn_rate();
        Burning {
            rule,
            reading,
            long: rate(reading.long),
            short: rate(reading.short),
            holds: rule.holds(self.target, reading, false),
        }
    }

    /// How its standing came to be.
    pub fn explain(&self, standing: &Standing<'_>) -> Explained {
        let it = standing;
        let burn = it.recent().and_then(|burning| {
            let from = before(it.account.at, burning.rule.long);
            Some((burning.long?, Interval::new(from, it.account.at)))
        });
        account(&it.account, self.thresholds, burn, it.coverage, Some(&it.ledger))
    }
}

impl<'a> Standing<'a> {
    /// The rule that looks at the shortest time: how fast it burns now.
    pub fn recent(&self) -> Option<&Burning<'a>> {
        self.burning.iter().min_by_key(|it| it.rule.long)
    }

    /// What a gate needs to know of it, beside the freezes that are on.
    pub fn facts<'b>(&self, freezes: Vec<&'b Scope>) -> Facts<'b>
    where
        'a: 'b,
    {
        let firing = self.burning.iter().filter(|it| it.holds == Some(true));
        Facts {
            left: self.account.left(),
            firing: firing.map(|it| (it.rule.name.as_str(), it.rule.severity, it.long)).collect(),
            freezes,
        }
    }

    /// When the budget is spent if it burns on as it does now; `None` without data.
    pub fn exhaustion(&self) -> Option<Exhaustion> {
        self.account.exhaustion(self.recent()?.long?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::burn::catalogue;
    use crate::exclusion::When;
    use crate::window::{Calendar, Period};
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const DAY: Duration = Duration::from_hours(24);

    fn objective() -> Objective {
        Objective {
            name: "pay".to_owned(),
            service: "shop".to_owned(),
            target: "99%".parse().unwrap(),
            window: Window::Rolling(DAY),
            sli: Sli::Recorded,
            slice: MINUTE,
            gaps: Gaps::Ignore,
            thresholds: Thresholds::default(),
            exclusions: Vec::new(),
            alerts: vec![catalogue::workbook(DAY).remove(0)],
            labels: BTreeMap::new(),
        }
    }

    fn start() -> Timestamp {
        "2026-05-20T00:00:00Z".parse().unwrap()
    }

    fn now() -> Timestamp {
        "2026-05-21T00:00:00Z".parse().unwrap()
    }

    /// A day of a hundred requests a minute; nobody looked from 6 to 12, and a tenth failed in the last hour.
    fn day() -> History {
        let minute = |it| match it {
            360..720 => None,
            1380.. => Some(Counts::with_bad(10, 100)),
            _ => Some(Counts::with_bad(0, 100)),
        };
        History::new(start(), MINUTE, (0..1440).map(minute).collect()).unwrap()
    }

    fn maintenance(from: i64, minutes: u64) -> Exclusion {
        let from = start().checked_add(Duration::from_mins(from as u64)).unwrap();
        Exclusion {
            name: "move".to_owned(),
            who: "ada".to_owned(),
            why: "a new house".to_owned(),
            entered: start(),
            when: When::Once(Interval::lasting(from, Duration::from_mins(minutes))),
        }
    }

    #[test]
    fn it_stands_as_its_counts_say_and_says_how_much_was_seen() {
        let it = objective();
        let standing = it.judge(&day(), now());
        assert_eq!(standing.account.budget.counts, Counts::with_bad(600, 108_000));
        assert_eq!(standing.account.left(), Some(Share::of(480, 1080)));
        assert_eq!(standing.status, Status::Warning);
        assert_eq!(standing.coverage, Coverage { present: 18 * 60 * MINUTE, of: DAY });
        assert_eq!(standing.burning[0].long, Some(Share::of(10, 1)));
        assert!(matches!(standing.exhaustion(), Some(Exhaustion::After { .. })));
    }

    #[test]
    fn what_is_excluded_is_not_bad_for_having_no_data() {
        let gap = maintenance(360, 360);
        let it = Objective { gaps: Gaps::Bad, exclusions: vec![gap], ..objective() };
        let standing = it.judge(&day(), now());
        assert_eq!(standing.account.budget.counts, Counts::with_bad(600, 108_000));
        assert_eq!(standing.coverage, Coverage { present: 18 * 60 * MINUTE, of: 18 * 60 * MINUTE });
        let blamed = Objective { exclusions: Vec::new(), ..it.clone() };
        assert_eq!(blamed.judge(&day(), now()).status, Status::Exhausted);
    }

    #[test]
    fn alerts_do_not_look_at_what_is_excluded() {
        let it = Objective { exclusions: vec![maintenance(1380, 60)], ..objective() };
        let standing = it.judge(&day(), now());
        assert_eq!((standing.status, standing.burning[0].long), (Status::Healthy, None));
        assert_eq!(standing.ledger.entries[0].counts, Some(Counts::with_bad(600, 6_000)));
    }

    #[test]
    fn no_history_is_no_data() {
        let empty = History::new(start(), MINUTE, Vec::new()).unwrap();
        let it = objective();
        let standing = it.judge(&empty, now());
        assert_eq!((standing.status, standing.exhaustion()), (Status::NoData, None));
        assert_eq!(it.explain(&standing).value, "no data");
    }

    #[test]
    fn a_gate_is_closed_by_what_burns_now() {
        let mut fast = catalogue::workbook(30 * DAY).remove(0);
        fast.factor = Share::of(9, 1);
        let it = Objective { alerts: vec![fast], ..objective() };
        let standing = it.judge(&day(), now());
        let facts = standing.facts(Vec::new());
        assert_eq!(facts.firing, [("fast", crate::burn::Severity::Page, Some(Share::of(10, 1)))]);
        assert_eq!(facts.left, standing.account.left());
    }

    #[test]
    fn its_standing_is_explained_with_how_it_burns_now() {
        let it = objective();
        let text = it.explain(&it.judge(&day(), now())).to_string();
        assert!(text.contains("(18h of 1d present)") && text.contains("burn rate: 10\n"), "{text}");
    }

    #[test]
    fn everything_that_is_wrong_with_it_is_said_at_once() {
        assert_eq!(objective().flaws(), []);
        let mut slow =
            catalogue::custom("slow", crate::burn::Severity::Page, DAY, Share::of(100, 1));
        slow.short = Some(DAY);
        let times = crate::sli::Selection::Query(String::new());
        let sli =
            Sli::Quantile { times, form: crate::sli::Form::Native, quantile: Ratio::percent(95) };
        let alerts = vec![slow];
        let it = Objective { target: Ratio::ZERO, slice: 2 * DAY, sli, alerts, ..objective() };
        let said: Vec<_> = it.flaws().iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 7, "{said:?}");
        assert!(said[6].contains("can never fire: 100 times"), "{said:?}");
        let none = Objective { slice: Duration::ZERO, ..objective() };
        assert!(matches!(none.flaws()[..], [Flaw::Slice { .. }]));
    }

    proptest! {
        #[test]
        fn whatever_was_counted_what_is_seen_left_and_taken_out_fits_together(
            slices in prop::collection::vec(prop::option::of((0u64..50, 0u64..50)), 0..200),
            excluded in prop::collection::vec((0i64..200, 0u64..60), 0..4),
            minute in -10i64..300, gaps in 0usize..3, calendar in any::<bool>()
        ) {
            let slices: Vec<_> =
                slices.iter().map(|it| it.map(|(good, bad)| Counts { good, total: good + bad })).collect();
            let history = History::new(start(), MINUTE, slices).unwrap();
            let window = match calendar {
                true => Window::Calendar(Calendar::new(Period::Day, TimeZone::UTC)),
                false => Window::Rolling(2 * 60 * MINUTE),
            };
            let it = Objective {
                window,
                gaps: [Gaps::Ignore, Gaps::Hold, Gaps::Bad][gaps],
                exclusions: excluded.iter().map(|&(from, length)| maintenance(from, length)).collect(),
                ..objective()
            };
            let at = Timestamp::from_second(start().as_second() + minute * 60).unwrap();
            let standing = it.judge(&history, at);
            let account = standing.account;
            prop_assert_eq!(account.budget.counts.total == 0, standing.status == Status::NoData);
            prop_assert!(standing.coverage.present <= standing.coverage.of);
            prop_assert!(account.excluded + account.elapsed() <= account.bounds.length());
            prop_assert!(account.left().is_none_or(|it| it <= Share::ONE));
            // What is kept by a window that is over is not overspent.
            if account.elapsed() == account.whole() {
                prop_assert_eq!(account.budget.kept(), account.left().map(|it| it >= Share::ZERO));
            }
            prop_assert!(!it.explain(&standing).to_string().is_empty());
        }
    }
}
