//! Burn-rate alerts: rules that say when a budget burns too fast, and what they need to see before they do.
//!
//! ```text
//!   factor = share of the budget × window / long window           2 % in 1 h of 30 d: 14.4
//!   holds  = burn rate(long) > factor  and  burn rate(short) > factor
//! ```
//!
//! The long window says that it matters, the short one that it still goes on (Google, "The Site Reliability Workbook",
//! chapter 5, "Multiwindow, Multi-Burn-Rate Alerts"). All comparisons are exact.
//!
//! Where there is little traffic, one failure is a high rate. Such a rule needs some bad events, whatever the rate, and
//! until there is plenty of traffic the lower bound of what the rate may truly be (see [`LowTraffic`]).
//!
//! ```text
//! catalogue  the sets of rules that people use
//! alert      Alert: pending, firing and resolved, told the moment
//! board      Board: the alerts of an objective, and which of them make others superfluous
//! ```

pub mod alert;
pub mod board;
pub mod catalogue;

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_stats::wilson;
use evenkeel_units::Ratio;

use crate::interval::millis;
use crate::{Budget, Counts, Gaps, Share};

/// Whom an alert is for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Somebody reads it when they look.
    Info,
    /// Somebody looks at it in the next days.
    Ticket,
    /// Somebody is woken.
    Page,
}

impl Severity {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }
}

/// What a rule needs to see where there is little traffic. None of it delays an alert where there is plenty.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct LowTraffic {
    /// Bad events in the long window that it takes to fire, however much traffic there is.
    pub bad_min: u64,
    /// A short window with fewer events cannot tell, and is not asked.
    pub short_min: u64,
    /// Events in the long window from which on the rate is taken as it is. Below, the lower end of its score interval
    /// must be over the limit.
    pub plenty: u64,
    /// How many standard deviations wide the interval is.
    pub z: f64,
}

impl Default for LowTraffic {
    /// Three bad events; three in the short window; an interval of 95 % below 1,000 events.
    fn default() -> Self {
        Self { bad_min: 3, short_min: 3, plenty: 1_000, z: 1.96 }
    }
}

/// When an alert fires.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What it is called.
    pub name: String,
    /// Whom it is for.
    pub severity: Severity,
    /// The window that says that it matters.
    pub long: Duration,
    /// The window that says that it still goes on.
    pub short: Option<Duration>,
    /// The burn rate that it takes to be above in each.
    pub factor: Share,
    /// How long it must hold before it fires.
    pub pending: Duration,
    /// How long it fires on after it no longer holds.
    pub keep_firing: Duration,
    /// Hysteresis: while it fires, it holds above this share of the factor. One for none.
    pub clear: Ratio,
    /// What it needs to see where there is little traffic; `None` where what is counted is time.
    pub low_traffic: Option<LowTraffic>,
    /// What is written on its alerts, beside what all alerts of the objective have.
    pub labels: BTreeMap<String, String>,
    /// What no data in the long window means: that nothing changes, that it does not hold, or that it does.
    pub gaps: Gaps,
}

/// The burn rate at which `share` of the budget of a window is spent in `long`. Endless for a time of nothing.
pub fn factor(share: Ratio, window: Duration, long: Duration) -> Share {
    Share::from(share).times(Share::of(millis(window), millis(long)))
}

/// What was counted in the windows of a rule.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// In the long window; `None` without data.
    pub long: Option<Counts>,
    /// In the short window.
    pub short: Option<Counts>,
}

impl Rule {
    /// A rule that fires at once and has no hysteresis. No data changes nothing.
    pub fn new(
        name: impl Into<String>,
        severity: Severity,
        long: Duration,
        short: Option<Duration>,
        factor: Share,
    ) -> Self {
        Self {
            name: name.into(),
            severity,
            long,
            short,
            factor,
            pending: Duration::ZERO,
            keep_firing: Duration::ZERO,
            clear: Ratio::ONE,
            low_traffic: Some(LowTraffic::default()),
            labels: BTreeMap::new(),
            gaps: Gaps::Hold,
        }
    }

    /// Which share of the budget of a window is spent when the rule just holds for its long window.
    pub fn share_of(&self, window: Duration) -> Share {
        self.factor.times(Share::of(millis(self.long), millis(window)))
    }

    /// Reads its windows with `counts`, which is told how long each is.
    pub fn read(&self, mut counts: impl FnMut(Duration) -> Option<Counts>) -> Reading {
        Reading { long: counts(self.long), short: self.short.and_then(counts) }
    }

    /// Whether it holds: to begin with, or still. `None`: nobody can tell, and nothing changes.
    pub fn holds(&self, objective: Ratio, reading: Reading, firing: bool) -> Option<bool> {
        let Some(long) = reading.long.filter(|it| it.total > 0) else {
            return match self.gaps {
                Gaps::Hold => None,
                Gaps::Ignore => Some(false),
                Gaps::Bad => Some(true),
            };
        };
        let limit = match firing {
            true => self.factor.times(self.clear.into()),
            false => self.factor,
        };
        let above = |counts| Budget { objective, counts }.burn_rate().is_some_and(|it| it > limit);
        let proven = firing || self.low_traffic.is_none_or(|it| it.proves(objective, limit, long));
        Some(above(long) && proven && self.goes_on(reading.short).is_none_or(above))
    }

    /// What the short window says; `None` when it is not asked.
    fn goes_on(&self, short: Option<Counts>) -> Option<Counts> {
        self.short?;
        let few = self.low_traffic.map_or(1, |it| it.short_min.max(1));
        match self.low_traffic {
            // Where no event is due in five minutes, none of them says that all is well again.
            Some(_) => short.filter(|it| it.total >= few),
            None => Some(short.unwrap_or_default()),
        }
    }
}

impl LowTraffic {
    fn proves(&self, objective: Ratio, factor: Share, long: Counts) -> bool {
        let limit = factor.times(objective.rest().into());
        // Where next to everything may fail, only everything failing is above; which no interval can reach.
        long.bad() >= self.bad_min
            && (long.total >= self.plenty
                || wilson(long.bad(), long.total, self.z).low > limit.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn three_nines() -> Ratio {
        "99.9%".parse().unwrap()
    }

    fn plain() -> Rule {
        let fast = factor(Ratio::percent(2), 720 * HOUR, HOUR);
        let short = Some(Duration::from_mins(5));
        Rule { low_traffic: None, ..Rule::new("fast", Severity::Page, HOUR, short, fast) }
    }

    fn both(bad: u64, total: u64) -> Reading {
        let counts = Some(Counts::with_bad(bad, total));
        Reading { long: counts, short: counts }
    }

    #[test]
    fn factors_are_those_of_the_workbook() {
        let month = 720 * HOUR;
        for (percent, long, expected) in [(2, HOUR, 14.4), (5, 6 * HOUR, 6.0), (10, 72 * HOUR, 1.0)]
        {
            let it = factor(Ratio::percent(percent), month, long);
            assert_eq!(Some(it), Share::decimal(expected));
        }
        assert_eq!(Some(factor(Ratio::percent(2), 672 * HOUR, HOUR)), Share::decimal(13.44));
        assert_eq!(plain().share_of(month), Share::of(2, 100));
    }

    #[test]
    fn exactly_the_factor_does_not_hold_and_one_event_more_does() {
        let rule = plain();
        assert_eq!(rule.holds(three_nines(), both(144, 10_000), false), Some(false));
        assert_eq!(rule.holds(three_nines(), both(145, 10_000), false), Some(true));
    }

    #[test]
    fn what_is_over_in_the_short_window_is_over() {
        let reading = Reading { short: Some(Counts::with_bad(0, 100)), ..both(500, 10_000) };
        assert_eq!(plain().holds(three_nines(), reading, true), Some(false));
        let silent = Reading { short: None, ..both(500, 10_000) };
        assert_eq!(plain().holds(three_nines(), silent, true), Some(false));
    }

    #[test]
    fn hysteresis_keeps_a_firing_rule_above_a_share_of_its_factor() {
        let rule = Rule { clear: Ratio::percent(80), ..plain() };
        for (bad, starts, goes_on) in [(150, true, true), (120, false, true), (115, false, false)] {
            assert_eq!(rule.holds(three_nines(), both(bad, 10_000), false), Some(starts), "{bad}");
            assert_eq!(rule.holds(three_nines(), both(bad, 10_000), true), Some(goes_on), "{bad}");
        }
    }

    #[test]
    fn no_data_means_what_the_rule_says() {
        for (gaps, expected) in
            [(Gaps::Hold, None), (Gaps::Ignore, Some(false)), (Gaps::Bad, Some(true))]
        {
            let rule = Rule { gaps, ..plain() };
            assert_eq!(rule.holds(three_nines(), Reading::default(), false), expected);
            assert_eq!(rule.holds(three_nines(), both(0, 0), false), expected);
        }
    }

    #[test]
    fn one_failure_of_ten_proves_nothing_and_half_of_ten_does() {
        let rule = Rule { low_traffic: Some(LowTraffic::default()), ..plain() };
        for objective in ["99%", "99.9%", "99.999%"] {
            let objective = objective.parse().unwrap();
            assert_eq!(rule.holds(objective, both(1, 10), false), Some(false));
            assert_eq!(rule.holds(objective, both(1, 100_000), false), Some(false));
        }
        let sparse = Reading { short: None, ..both(5, 10) };
        assert_eq!(rule.holds(three_nines(), sparse, false), Some(true));
    }

    #[test]
    fn the_first_bad_event_breaks_a_promise_of_everything() {
        assert_eq!(plain().holds(Ratio::ONE, both(1, 1_000_000), false), Some(true));
        assert_eq!(plain().holds(Ratio::ONE, both(0, 1_000_000), false), Some(false));
    }

    proptest! {
        #[test]
        fn little_traffic_only_ever_needs_more_to_fire(bad in 0u64..200, good in 0u64..2_000) {
            let careful = Rule { low_traffic: Some(LowTraffic::default()), ..plain() };
            let reading = both(bad, bad + good);
            if careful.holds(three_nines(), reading, false) == Some(true) {
                prop_assert_eq!(plain().holds(three_nines(), reading, false), Some(true));
            }
        }
    }
}
