//! Budget: what an objective allows, and what was spent of it.
//!
//! The error budget of an objective is `1 − objective`. The burn rate is the share of bad events
//! divided by it: at 1 the budget lasts exactly as long as its window (Google, "The Site Reliability
//! Workbook", chapter 5).

use std::time::Duration;

use evenkeel_units::Ratio;

use crate::{Counts, Share};

/// An error budget and what some events took of it.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Budget {
    /// The promise. A promise of everything has no budget: the first bad event breaks it.
    pub objective: Ratio,
    /// The events.
    pub counts: Counts,
}

impl Budget {
    /// Bad events that the objective allows among these.
    pub fn allowed_bad(self) -> f64 {
        self.counts.total as f64 * f64::from(self.objective.rest().billionths()) / 1e9
    }

    /// Share of the allowance that was spent: above 1 when overspent; `None` without events or when
    /// nothing is allowed. The same number is the burn rate while these events came in.
    pub fn spent(self) -> Option<f64> {
        let rest = f64::from(self.objective.rest().billionths());
        // Both sides in whole billionths of events, so that exactly half reads as 0.5.
        (self.counts.total > 0 && rest > 0.0)
            .then(|| self.counts.bad() as f64 * 1e9 / (self.counts.total as f64 * rest))
    }

    /// The same as [`spent`](Self::spent), exact. Where nothing is allowed, any bad event is endlessly much, and
    /// none is nothing. `None` without events.
    pub fn burn_rate(self) -> Option<Share> {
        let bad = Share::of(self.counts.bad(), self.counts.total);
        match self.counts {
            Counts { total: 0, .. } => None,
            it if it.bad() == 0 => Some(Share::ZERO),
            _ => Some(bad.times(Share::from(self.objective.rest()).inverse())),
        }
    }

    /// Share of the allowance that is left, exact: negative when overspent. `None` without events.
    pub fn left(self) -> Option<Share> {
        self.burn_rate().map(Share::rest)
    }

    /// Whether the promise was kept: the share of good events reaches the objective, compared in whole
    /// numbers. `None` without events.
    pub fn kept(self) -> Option<bool> {
        let Counts { good, total } = self.counts;
        (total > 0).then(|| {
            u128::from(good) * 1_000_000_000
                >= u128::from(total) * u128::from(self.objective.billionths())
        })
    }

    /// The whole budget of a window, as time of full outage: 43.2 min for 99.9 % of 30 days.
    pub fn of_window(self, window: Duration) -> Duration {
        window.mul_f64(f64::from(self.objective.rest().billionths()) / 1e9)
    }

    /// What these events took of it when they came in over `elapsed`, as time of full outage at the same
    /// traffic.
    pub fn outage(self, elapsed: Duration) -> Duration {
        match self.counts.total {
            0 => Duration::ZERO,
            total => elapsed.mul_f64(self.counts.bad() as f64 / total as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn budget(percent: &str, good: u64, total: u64) -> Budget {
        Budget { objective: percent.parse().unwrap(), counts: Counts { good, total } }
    }

    #[test]
    fn three_nines_of_thirty_days_are_43_minutes() {
        let month = Duration::from_hours(30 * 24);
        let minutes = budget("99.9%", 0, 0).of_window(month).as_secs_f64() / 60.0;
        assert!((minutes - 43.2).abs() < 1e-9, "{minutes}");
    }

    #[test]
    fn attaining_99_92_of_99_9_percent_leaves_a_fifth_of_the_budget() {
        assert_eq!(budget("99.9%", 9_992, 10_000).spent(), Some(0.8));
    }

    #[test]
    fn what_is_left_is_exact() {
        assert_eq!(budget("99.9%", 9_992, 10_000).left(), Some(Share::of(2, 10)));
        assert_eq!(budget("99.9%", 9_985, 10_000).left(), Some(Share::new(-1, 2)));
        assert_eq!(budget("99.9%", 0, 0).left(), None);
    }

    #[test]
    fn a_promise_of_everything_is_whole_until_the_first_bad_event() {
        assert_eq!(budget("100%", 10, 10).left(), Some(Share::ONE));
        assert!(budget("100%", 9, 10).left().unwrap() < Share::new(i128::MIN, 1));
    }

    #[test]
    fn exactly_the_objective_is_kept_and_one_less_is_not() {
        assert_eq!(budget("99.9%", 999, 1_000).kept(), Some(true));
        assert_eq!(budget("99.9%", 998, 1_000).kept(), Some(false));
    }

    #[test]
    fn no_events_are_no_answer() {
        assert_eq!(budget("99%", 0, 0).kept(), None);
        assert_eq!(budget("99%", 0, 0).spent(), None);
    }

    proptest! {
        #[test]
        fn a_promise_is_kept_exactly_when_its_budget_is_not_overspent(
            parts in 0u32..1_000_000_000, good in 0u64..100_000, bad in 0u64..1_000
        ) {
            prop_assume!(good + bad > 0);
            let objective = Ratio::new(f64::from(parts) / 1e9).unwrap();
            let it = Budget { objective, counts: Counts { good, total: good + bad } };
            let spent = it.spent().unwrap();
            // Where they differ, the spending is one within the rounding of a floating number.
            prop_assert!(it.kept().unwrap() == (spent <= 1.0) || (spent - 1.0).abs() < 1e-12);
        }

        #[test]
        fn what_was_spent_is_the_same_in_events_in_shares_and_in_time(
            parts in 0u32..1_000_000_000, good in 0u64..100_000, bad in 0u64..1_000, seconds in 1u64..100_000
        ) {
            prop_assume!(good + bad > 0);
            let objective = Ratio::new(f64::from(parts) / 1e9).unwrap();
            let it = Budget { objective, counts: Counts { good, total: good + bad } };
            let (elapsed, spent) = (Duration::from_secs(seconds), it.spent().unwrap());
            prop_assert!((it.allowed_bad() * spent - bad as f64).abs() < 1e-6 * (1.0 + bad as f64));
            let time = it.outage(elapsed);
            prop_assert!(time <= elapsed);
            let share = it.of_window(elapsed).as_secs_f64() * spent;
            // A moment of the window is at best a billionth of a second.
            prop_assert!((share - time.as_secs_f64()).abs() < 1e-6 + 1e-9 * (1.0 + spent));
        }

        #[test]
        fn more_bad_events_never_spend_less(good in 0u64..100_000, bad in 1u64..1_000) {
            let objective: Ratio = "99.5%".parse().unwrap();
            let spent = |bad| Budget { objective, counts: Counts { good, total: good + bad } }.spent();
            prop_assert!(spent(bad).unwrap_or(0.0) >= spent(bad - 1).unwrap_or(0.0));
        }
    }
}
