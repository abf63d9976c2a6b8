//! Retry budget: how many further attempts the dependency can bear.
//!
//! A token bucket that calls and time fill and that retries empty. While a dependency is well, it is full, and a call finds that
//! out by reading one word. When it fails, retries stay a fixed share of calls, so that a dependency at its limit is not asked
//! three times for everything: without that bound, retries keep an outage alive after its cause is gone (N. Bronson et al.,
//! "Metastable Failures in Distributed Systems", HotOS 2021). The bucket is that of Finagle's `RetryBudget` (20 % and 10 a
//! second); it fills by arithmetic, so that a look at it costs the same after a second and after a month.
//!
//! One budget belongs to one dependency: share it (`Arc`) between everything that calls it.

use evenkeel_units::{Moment, Ratio, nanos};

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many retries there may be.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct BudgetPolicy {
    /// Retries that each call earns. Default: 20 %.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub share: Ratio,
    /// Retries granted every second whatever the traffic, so that a quiet client may retry too. Default: 10.
    pub floor_per_second: u32,
    /// The most retries that are saved up: idle hours must not finance a storm. At least 1. Default: 100, which is ten
    /// seconds of the floor.
    pub saved_max: u32,
}

impl Default for BudgetPolicy {
    /// 20 % of the calls and 10 a second on top; at most 100 saved.
    fn default() -> Self {
        Self { share: Ratio::percent(20), floor_per_second: 10, saved_max: 100 }
    }
}

/// What a budget has and what it did, for dashboards.
#[derive(Copy, Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BudgetSnapshot {
    /// Retries that could be made now.
    pub saved: f64,
    /// The most that can be saved.
    pub saved_max: u32,
    /// Retries that were granted, ever.
    pub granted: u64,
    /// Retries that were refused, ever.
    pub refused: u64,
}

/// A budget of retries, shared by all calls to a dependency.
///
/// Over any stretch of time, `retries ≤ share · calls + floor · seconds + saved_max`.
///
/// ```
/// use std::time::Duration;
/// use evenkeel_resilience::retry::{BudgetPolicy, RetryBudget};
/// use evenkeel_resilience::Moment;
///
/// let budget = RetryBudget::new(BudgetPolicy { floor_per_second: 0, ..BudgetPolicy::default() });
/// let now = Moment::at(Duration::from_secs(1));
/// (0..5).for_each(|_| budget.deposit()); // five calls …
/// assert!(budget.withdraw(now)); // … earn one retry
/// assert!(!budget.withdraw(now));
/// ```
#[derive(Debug)]
pub struct RetryBudget {
    /// In billionths of a token, so that shares of a call add up exactly.
    saved: AtomicU64,
    /// Until when time has been paid out, in nanoseconds, or [`UNTOLD`]. Whoever moves it forward pays what lies between.
    filled_at: AtomicU64,
    /// The policy, in the units of `saved`: what a call earns, what a nanosecond earns, and the most there is.
    share: AtomicU64,
    floor: AtomicU64,
    most: AtomicU64,
    granted: AtomicU64,
    refused: AtomicU64,
}

const TOKEN: u64 = 1_000_000_000;

/// Nobody has told the time yet. How long the clock ran before says nothing.
const UNTOLD: u64 = u64::MAX;

impl RetryBudget {
    /// A budget with one second of its floor already saved; time counts from when it is first told. A `saved_max` of 0 is taken as 1.
    pub fn new(policy: BudgetPolicy) -> Self {
        let saved = u64::from(policy.floor_per_second.min(policy.saved_max.max(1))) * TOKEN;
        Self {
            saved: AtomicU64::new(saved),
            filled_at: AtomicU64::new(UNTOLD),
            share: AtomicU64::new(u64::from(policy.share.billionths())),
            // A billionth of a second at one token a second is a billionth of a token.
            floor: AtomicU64::new(u64::from(policy.floor_per_second)),
            most: AtomicU64::new(u64::from(policy.saved_max.max(1)) * TOKEN),
            granted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Tells the budget that a call was made: its first attempt, not the further ones.
    #[inline]
    pub fn deposit(&self) {
        // The time is paid out when somebody withdraws: what is cut at the most is the same in any order.
        self.save(self.share.load(Relaxed));
    }

    /// Takes the token of one retry; false when there is none and the error should stand.
    #[must_use = "a retry without a token is how retry storms start"]
    pub fn withdraw(&self, now: Moment) -> bool {
        self.fill(now);
        let mut saved = self.saved.load(Relaxed);
        while let Some(rest) = saved.checked_sub(TOKEN) {
            match self.saved.compare_exchange_weak(saved, rest, Relaxed, Relaxed) {
                Ok(_) => {
                    self.granted.fetch_add(1, Relaxed);
                    return true;
                }
                Err(other) => saved = other,
            }
        }
        self.refused.fetch_add(1, Relaxed);
        false
    }

    /// Goes on by another policy, with what is saved, but not more than it allows.
    pub fn reload(&self, now: Moment, policy: BudgetPolicy) {
        self.fill(now);
        self.share.store(u64::from(policy.share.billionths()), Relaxed);
        self.floor.store(u64::from(policy.floor_per_second), Relaxed);
        let most = u64::from(policy.saved_max.max(1)) * TOKEN;
        self.most.store(most, Relaxed);
        let mut saved = self.saved.load(Relaxed);
        while saved > most
            && let Err(other) = self.saved.compare_exchange_weak(saved, most, Relaxed, Relaxed)
        {
            saved = other;
        }
    }

    /// What there is, and what was granted and refused so far.
    pub fn snapshot(&self, now: Moment) -> BudgetSnapshot {
        self.fill(now);
        BudgetSnapshot {
            saved: self.saved.load(Relaxed) as f64 / TOKEN as f64,
            saved_max: (self.most.load(Relaxed) / TOKEN) as u32,
            granted: self.granted.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }

    fn fill(&self, now: Moment) {
        let now = nanos(now.elapsed());
        let mut filled_at = self.filled_at.load(Relaxed);
        while now > filled_at || filled_at == UNTOLD {
            match self.filled_at.compare_exchange_weak(filled_at, now, Relaxed, Relaxed) {
                Ok(_) => {
                    let passed = now.saturating_sub(filled_at);
                    return self.save(passed.saturating_mul(self.floor.load(Relaxed)));
                }
                Err(other) => filled_at = other,
            }
        }
    }

    #[inline]
    fn save(&self, amount: u64) {
        let most = self.most.load(Relaxed);
        let mut saved = self.saved.load(Relaxed);
        while amount > 0 && saved < most {
            let sum = saved.saturating_add(amount).min(most);
            match self.saved.compare_exchange_weak(saved, sum, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(other) => saved = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::at(Duration::from_millis(millis))
    }

    /// Plays `script` (`<millisecond> call|retry`) and renders which retries were affordable.
    fn play(policy: BudgetPolicy, script: &str) -> String {
        let budget = RetryBudget::new(policy);
        let mut out = Vec::new();
        for line in script.lines().map(str::trim) {
            let (millis, what) = line.split_once(' ').unwrap();
            let now = at(millis.parse().unwrap());
            match what {
                "call" => budget.deposit(),
                _ => out.push(format!("{millis} {}", budget.withdraw(now))),
            }
        }
        out.join("\n")
    }

    #[test]
    fn five_calls_earn_one_retry_when_there_is_no_floor() {
        let policy = BudgetPolicy { floor_per_second: 0, ..BudgetPolicy::default() };
        let script = "0 call\n0 call\n0 call\n0 call\n0 retry\n1 call\n1 retry\n1 retry";
        assert_eq!(play(policy, script), "0 false\n1 true\n1 false");
    }

    #[test]
    fn the_floor_grants_retries_to_a_quiet_client() {
        let policy = BudgetPolicy { floor_per_second: 1, ..BudgetPolicy::default() };
        assert_eq!(
            play(policy, "0 retry\n999 retry\n1000 retry\n1500 retry"),
            "0 true\n999 false\n1000 true\n1500 false"
        );
    }

    #[test]
    fn an_idle_month_does_not_finance_a_storm() {
        let budget = RetryBudget::new(BudgetPolicy::default());
        assert!(budget.withdraw(at(0)));
        let month = at(30 * 86_400_000);
        assert_eq!((0..1000).filter(|_| budget.withdraw(month)).count(), 100);
        let snapshot = budget.snapshot(month);
        assert_eq!((snapshot.granted, snapshot.refused), (101, 900));
    }

    #[test]
    fn a_clock_that_ran_before_finances_nothing() {
        let budget = RetryBudget::new(BudgetPolicy::default());
        let tomorrow = at(86_400_000);
        assert_eq!((0..1000).filter(|_| budget.withdraw(tomorrow)).count(), 10);
    }

    #[test]
    fn another_policy_goes_on_with_what_is_saved() {
        let budget = RetryBudget::new(BudgetPolicy::default());
        (0..100).for_each(|_| budget.deposit());
        budget.reload(at(0), BudgetPolicy { saved_max: 7, ..BudgetPolicy::default() });
        assert_eq!((0..100).filter(|_| budget.withdraw(at(0))).count(), 7);
    }

    #[test]
    fn time_before_another_policy_is_paid_by_the_one_before() {
        let budget = RetryBudget::new(BudgetPolicy::default());
        while budget.withdraw(at(0)) {}
        budget.reload(at(5_000), BudgetPolicy { floor_per_second: 0, ..BudgetPolicy::default() });
        assert!((budget.snapshot(at(9_000)).saved - 50.0).abs() < 1e-9);
    }

    #[test]
    fn threads_never_withdraw_more_than_there_is() {
        let policy = BudgetPolicy { floor_per_second: 50, ..BudgetPolicy::default() };
        let budget = RetryBudget::new(policy);
        let granted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..500).filter(|it| budget.withdraw(at(*it))).count()))
                .collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        });
        // 50 saved at first, and 50 a second for the 499 ms that the furthest thread has seen; one may have been cut off.
        assert!((73..=74).contains(&granted), "{granted}");
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_bucket(
            steps in prop::collection::vec((0u64..50, any::<bool>()), 1..400),
            percent in 0u32..=100, floor in 0u32..50, saved_max in 1u32..200,
        ) {
            let policy =
                BudgetPolicy { share: Ratio::percent(percent), floor_per_second: floor, saved_max };
            let budget = RetryBudget::new(policy);
            let most = u128::from(saved_max) * 1_000_000;
            // In millionths of a token, all of which are whole.
            let mut naive = u128::from(floor.min(saved_max)) * 1_000_000;
            let (mut millis, mut calls, mut retries) = (0, 0u32, 0u32);
            prop_assert!((budget.snapshot(at(0)).saved - f64::from(floor.min(saved_max))).abs() < 1e-9);
            for (wait, is_call) in steps {
                millis += wait;
                naive = most.min(naive + u128::from(wait) * u128::from(floor) * 1_000);
                if is_call {
                    calls += 1;
                    naive = most.min(naive + u128::from(percent) * 10_000);
                    budget.deposit();
                } else {
                    let affordable = naive >= 1_000_000;
                    naive -= if affordable { 1_000_000 } else { 0 };
                    prop_assert_eq!(budget.withdraw(at(millis)), affordable);
                    retries += u32::from(affordable);
                }
                let earned = f64::from(calls * percent) / 100.0
                    + f64::from(floor) * millis as f64 / 1000.0
                    + f64::from(saved_max);
                prop_assert!(f64::from(retries) <= earned + 1e-6);
            }
        }

        #[test]
        fn a_clock_that_steps_back_earns_nothing(back in 1u64..1000) {
            let policy = BudgetPolicy { floor_per_second: 1, saved_max: 1, ..BudgetPolicy::default() };
            let budget = RetryBudget::new(policy);
            prop_assert!(budget.withdraw(at(1000)));
            prop_assert!(!budget.withdraw(at(1000 - back)));
            prop_assert!(!budget.withdraw(at(1000)));
        }
    }
}
