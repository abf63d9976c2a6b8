//! Account: where the budget of an objective stands at a moment of its window.
//!
//! ```text
//!   burn rate   = (bad / total) / (1 − objective)                    1: the budget lasts as long as its window
//!   spent       = mean burn rate × elapsed / window                  of the budget of the whole window
//!   left        = 1 − spent                                          not clamped: −0.5 is half as much again
//!   exhausted   = after left × window / burn rate                    from what is left, not from a full budget
//! ```
//! (Google, "The Site Reliability Workbook", chapter 5: at a burn rate of 14.4, a full budget of 30 days lasts 50 hours.)
//!
//! A rolling window has always elapsed. Of a calendar window, the events to come are expected at the mean of those so
//! far: one bad event of ten on the first of the month has not spent ten months' worth.
//!
//! What is counted is events, or time: in milliseconds, so that the budget is minutes of the window, whatever the traffic.

use std::time::Duration;

use evenkeel_units::Ratio;
use jiff::{SignedDuration, Timestamp};

use crate::interval::{Interval, after, between, millis};
use crate::window::Window;
use crate::{Budget, Counts, Share};

/// What the counts of an objective are counts of.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Requests, records, jobs.
    Events,
    /// Milliseconds: slices of time are good or bad as a whole, or by the share of them that was good.
    Time,
}

/// How well a budget stands.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Nothing was counted, which is neither good nor bad.
    NoData,
    /// More is left than the threshold of a warning.
    Healthy,
    /// More is left than the threshold of critical.
    Warning,
    /// Something is left.
    Critical,
    /// Nothing is left, or less.
    Exhausted,
}

impl Status {
    /// As it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoData => "NO DATA",
            Self::Healthy => "HEALTHY",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Exhausted => "EXHAUSTED",
        }
    }
}

/// What must be left of a budget, and more than that, to be well.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// At this much left, and less, it is a warning.
    pub warning: Ratio,
    /// At this much left, and less, it is critical.
    pub critical: Ratio,
}

impl Default for Thresholds {
    /// A warning at a half, critical at a quarter.
    fn default() -> Self {
        Self { warning: Ratio::percent(50), critical: Ratio::percent(25) }
    }
}

impl Thresholds {
    /// How well it stands with so much left; `None` is no data.
    pub fn status(self, left: Option<Share>) -> Status {
        match left {
            None => Status::NoData,
            Some(it) if it <= Share::ZERO => Status::Exhausted,
            Some(it) if it <= self.critical.into() => Status::Critical,
            Some(it) if it <= self.warning.into() => Status::Warning,
            Some(_) => Status::Healthy,
        }
    }
}

/// When a budget will be spent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Exhaustion {
    /// It is.
    Already,
    /// Not at this burn rate, which is nothing.
    Never,
    /// Not before the window ends, and the budget is whole again.
    NotInWindow,
    /// Then, if it goes on like this.
    After {
        /// How much longer it lasts.
        lasts: Duration,
        /// The moment it is spent.
        at: Timestamp,
    },
}

/// The budget of an objective at a moment.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Account {
    /// The promise, and what was counted in the part of the window that has passed.
    pub budget: Budget,
    /// What the counts are of.
    pub unit: Unit,
    /// From when to when the whole window goes.
    pub bounds: Interval,
    /// The moment.
    pub at: Timestamp,
    /// Whether the window rolls on, and so never resets.
    pub rolling: bool,
    /// How much of the part that has passed does not count.
    pub excluded: Duration,
}

impl Account {
    /// What `counts` of the elapsed part of `window` mean at `at`.
    pub fn of(
        objective: Ratio,
        window: &Window,
        unit: Unit,
        counts: Counts,
        at: Timestamp,
    ) -> Self {
        Self {
            budget: Budget { objective, counts },
            unit,
            bounds: window.bounds(at),
            at,
            rolling: matches!(window, Window::Rolling(_)),
            excluded: Duration::ZERO,
        }
    }

    /// The same where so much of the part that has passed does not count: neither it nor a budget for it.
    #[must_use]
    pub fn without(self, excluded: Duration) -> Self {
        Self { excluded, ..self }
    }

    /// The part of the window that has passed, and counts.
    pub fn elapsed(&self) -> Duration {
        let passed = between(self.bounds.from, self.bounds.to.min(self.at));
        passed.saturating_sub(self.excluded)
    }

    /// The whole window, but for what does not count.
    pub fn whole(&self) -> Duration {
        self.bounds.length().saturating_sub(self.excluded)
    }

    /// The mean burn rate since the window began. `None` without data.
    pub fn mean_burn(&self) -> Option<Share> {
        self.budget.burn_rate()
    }

    /// Share of the budget of the whole window that is spent, exact. `None` without data.
    pub fn spent(&self) -> Option<Share> {
        let whole = millis(self.whole()).max(1);
        let passed = match self.unit {
            Unit::Events => Share::of(millis(self.elapsed()).min(whole), whole),
            // Time that was not measured has spent nothing.
            Unit::Time => Share::of(self.budget.counts.total.min(whole), whole),
        };
        Some(self.mean_burn()?.times(passed))
    }

    /// Share of it that is left, exact: from minus endless to one.
    pub fn left(&self) -> Option<Share> {
        self.spent().map(Share::rest)
    }

    /// How well it stands.
    pub fn status(&self, thresholds: Thresholds) -> Status {
        thresholds.status(self.left())
    }

    /// The whole budget: events that the window allows, with those to come expected at the mean of those so far; or
    /// milliseconds of it.
    pub fn allowed(&self) -> f64 {
        let whole = millis(self.whole()) as f64;
        let total = match (self.unit, self.elapsed().as_millis()) {
            (Unit::Time, _) => whole,
            (Unit::Events, 0) => 0.0,
            (Unit::Events, elapsed) => self.budget.counts.total as f64 * whole / elapsed as f64,
        };
        total * self.budget.objective.rest().get()
    }

    /// What is left of it, in the same unit; negative when overspent.
    pub fn left_amount(&self) -> f64 {
        self.allowed() - self.budget.counts.bad() as f64
    }

    /// What is left of it as time; `None` where events are counted, whose bad ones are not minutes.
    pub fn left_time(&self) -> Option<SignedDuration> {
        let allowed = self.budget.of_window(self.whole());
        let bad = Duration::from_millis(self.budget.counts.bad());
        let signed = |it| SignedDuration::try_from(it).unwrap_or(SignedDuration::MAX);
        (self.unit == Unit::Time).then(|| signed(allowed).saturating_sub(signed(bad)))
    }

    /// When it is spent if it burns on at `burn`, the rate of a recent stretch. What a rolling window gains back when
    /// bad hours leave it is not counted on. `None` without data.
    pub fn exhaustion(&self, burn: Share) -> Option<Exhaustion> {
        let left = self.left()?;
        if left <= Share::ZERO {
            return Some(Exhaustion::Already);
        }
        if burn <= Share::ZERO {
            return Some(Exhaustion::Never);
        }
        let seconds = left.get() * self.whole().as_secs_f64() / burn.get();
        let lasts = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let at = after(self.at, lasts);
        Some(match !self.rolling && at >= self.bounds.to {
            true => Exhaustion::NotInWindow,
            false => Exhaustion::After { lasts, at },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::{Calendar, Period};
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_hours(24);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn rolling(good: u64, total: u64) -> Account {
        let counts = Counts { good, total };
        let window = Window::Rolling(30 * DAY);
        let now = at("2026-05-20T00:00:00Z");
        Account::of("99.9%".parse().unwrap(), &window, Unit::Events, counts, now)
    }

    fn june(unit: Unit, counts: Counts, now: &str) -> Account {
        let window = Window::Calendar(Calendar::new(Period::Month, TimeZone::UTC));
        Account::of("99.9%".parse().unwrap(), &window, unit, counts, at(now))
    }

    #[test]
    fn a_full_budget_lasts_fifty_hours_at_fourteen_point_four() {
        let full = rolling(1_000_000, 1_000_000);
        let burn = Share::decimal(14.4).unwrap();
        let hours = Duration::from_hours(50);
        let expected = Exhaustion::After { lasts: hours, at: after(full.at, hours) };
        assert_eq!(full.exhaustion(burn), Some(expected));
        assert_eq!(full.exhaustion(Share::ZERO), Some(Exhaustion::Never));
    }

    #[test]
    fn exhaustion_counts_from_what_is_left() {
        let fifth = rolling(9_992, 10_000);
        let Some(Exhaustion::After { lasts, .. }) = fifth.exhaustion(Share::of(6, 1)) else {
            panic!()
        };
        assert_eq!(lasts, DAY);
        assert_eq!(rolling(999, 1_000).exhaustion(Share::ONE), Some(Exhaustion::Already));
    }

    #[test]
    fn statuses_follow_what_is_left_and_their_edges_belong_to_the_worse() {
        let thresholds = Thresholds::default();
        for (good, expected) in [
            (10_000, Status::Healthy),
            (9_996, Status::Healthy),
            (9_995, Status::Warning),
            (9_993, Status::Warning),
            (9_992, Status::Critical),
            (9_991, Status::Critical),
            (9_990, Status::Exhausted),
            (9_980, Status::Exhausted),
        ] {
            assert_eq!(rolling(good, 10_000).status(thresholds), expected, "{good}");
        }
        assert_eq!(rolling(0, 0).status(thresholds), Status::NoData);
    }

    #[test]
    fn overspending_shows() {
        assert_eq!(rolling(9_985, 10_000).left(), Some(Share::new(-1, 2)));
        assert!((rolling(9_985, 10_000).left_amount() + 5.0).abs() < 1e-9);
    }

    #[test]
    fn the_first_days_of_a_month_do_not_spend_all_of_it() {
        // Burning at twice the allowance for three of thirty days.
        let it = june(Unit::Events, Counts::with_bad(2, 1_000), "2026-06-04T00:00:00Z");
        assert_eq!(it.mean_burn(), Some(Share::of(2, 1)));
        assert_eq!(it.spent(), Some(Share::of(2, 10)));
        assert!((it.allowed() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_calendar_budget_that_outlasts_its_window_is_not_exhausted() {
        let it = june(Unit::Events, Counts::with_bad(0, 1_000), "2026-06-29T00:00:00Z");
        assert_eq!(it.exhaustion(Share::of(2, 1)), Some(Exhaustion::NotInWindow));
        assert!(matches!(it.exhaustion(Share::of(20, 1)), Some(Exhaustion::After { .. })));
    }

    #[test]
    fn a_budget_of_time_is_minutes_of_the_whole_window() {
        let minute = 60_000;
        let bad = Counts::with_bad(60 * minute, 24 * 60 * minute);
        let it = june(Unit::Time, bad, "2026-06-02T00:00:00Z");
        assert_eq!(it.left_time(), Some(SignedDuration::from_secs(-1008)));
        assert_eq!(it.spent(), Some(Share::of(600, 432)));
        assert_eq!(it.mean_burn().map(|it| it.get().round()), Some(42.0));
    }

    #[test]
    fn what_does_not_count_has_no_budget_either() {
        let minute = 60_000;
        let bad = Counts::with_bad(20 * minute, 20 * 24 * 60 * minute);
        let it = june(Unit::Time, bad, "2026-07-01T00:00:00Z").without(10 * DAY);
        let it = Account { bounds: june(Unit::Time, bad, "2026-06-02T00:00:00Z").bounds, ..it };
        assert_eq!(it.spent(), Some(Share::of(200, 288)));
        assert_eq!(it.left_time(), Some(SignedDuration::from_secs(528)));
        let events = Account { unit: Unit::Events, ..it };
        assert_eq!(events.spent(), events.mean_burn());
    }

    proptest! {
        #[test]
        fn amounts_and_shares_of_what_is_left_agree(
            parts in 0u32..1_000_000_000, good in 0u64..1_000_000, bad in 0u64..100_000, hours in 1i64..720
        ) {
            prop_assume!(good + bad > 0);
            let objective = Ratio::new(f64::from(parts) / 1e9).unwrap();
            let window = Window::Calendar(Calendar::new(Period::Month, TimeZone::UTC));
            let now = at("2026-06-01T00:00:00Z").checked_add(SignedDuration::from_hours(hours)).unwrap();
            let it = Account::of(objective, &window, Unit::Events, Counts { good, total: good + bad }, now);
            let share = it.left().unwrap().get();
            let amount = it.left_amount() / it.allowed();
            prop_assert!((share - amount).abs() <= 1e-6 * (1.0 + share.abs()), "{share} {amount}");
        }
    }
}
