//! Retry: try again a little later, but never so often that the retries are the outage.
//!
//! ```text
//!  attempt 1 ──fails──▶ budget has a token? ──no──▶ give up, the error stands
//!                              │ yes
//!                              ▼
//!              wait random(0 … min(cap, base · 2ⁿ)) ──▶ attempt 2 …
//! ```
//!
//! Two independent parts. [`Backoff`] says how long to wait: exponential with *full jitter*, because
//! clients that failed together must not come back together (Brooker, "Exponential Backoff And
//! Jitter", AWS Architecture Blog, 2015). [`RetryBudget`] says whether to try at all: second
//! attempts stay a fixed share of first ones, so that a dependency at its limit is not asked three
//! times for everything (the design of Finagle's `RetryBudget`).
//!
//! When not to retry: what is not idempotent and was sent without an idempotency key; an answer that
//! says the request itself is wrong (4xx other than 408 and 429); when the caller's deadline is over.

use std::time::Duration;

use evenkeel_units::{Moment, Ratio};
use rand::Rng;

/// How long to wait before each further attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the second attempt; doubles for each one after.
    pub base: Duration,
    /// No wait is longer than this.
    pub cap: Duration,
    /// Attempts in all, the first included. 1 means never again.
    pub attempts: u32,
}

impl Default for Backoff {
    /// Three attempts, waits up to 50 ms and 100 ms, never more than 2 s.
    fn default() -> Self {
        Self { base: Duration::from_millis(50), cap: Duration::from_secs(2), attempts: 3 }
    }
}

impl Backoff {
    /// The wait after `made` attempts have failed; `None` when there should be no other.
    pub fn wait(&self, made: u32, rng: &mut impl Rng) -> Option<Duration> {
        (made < self.attempts).then(|| {
            // The upper 53 bits make a number in [0, 1) without bias a person could notice.
            let part = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            self.ceiling(made).mul_f64(part)
        })
    }

    /// The longest wait that may follow after `made` failed attempts.
    pub fn ceiling(&self, made: u32) -> Duration {
        let doublings = made.saturating_sub(1);
        let factor = 2u32.checked_pow(doublings).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }
}

/// How many retries are affordable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetPolicy {
    /// Retries earned by each request. 20 % by default.
    pub share: Ratio,
    /// Retries granted every second whatever the traffic, so that a quiet client may retry too.
    pub floor_per_second: u32,
    /// The most retries that can be saved up: idle hours must not finance a storm.
    pub saved_max: u32,
}

impl Default for BudgetPolicy {
    /// 20 % of the requests and 10 a second on top; at most 100 saved.
    fn default() -> Self {
        Self { share: Ratio::percent(20), floor_per_second: 10, saved_max: 100 }
    }
}

/// A token bucket that requests and time fill and that retries empty.
///
/// Over any stretch of time, `retries ≤ share · requests + floor · seconds + saved_max`.
#[derive(Debug)]
pub struct RetryBudget {
    policy: BudgetPolicy,
    /// In billionths of a token, so that shares of a request add up exactly.
    saved: u64,
    filled_at: Moment,
}

const TOKEN: u64 = 1_000_000_000;

impl RetryBudget {
    /// A budget with one second of its floor already saved.
    pub fn new(policy: BudgetPolicy) -> Self {
        let saved = u64::from(policy.floor_per_second.min(policy.saved_max)) * TOKEN;
        Self { policy, saved, filled_at: Moment::START }
    }

    /// Tells the budget that a first attempt was made.
    pub fn deposit(&mut self, now: Moment) {
        self.fill(now);
        self.save(u64::from(self.policy.share.billionths()));
    }

    /// Takes the token of one retry; false when there is none and the error should stand.
    #[must_use = "a retry without a token is how retry storms start"]
    pub fn withdraw(&mut self, now: Moment) -> bool {
        self.fill(now);
        match self.saved.checked_sub(TOKEN) {
            Some(rest) => {
                self.saved = rest;
                true
            }
            None => false,
        }
    }

    fn fill(&mut self, now: Moment) {
        // A billionth of a second at one token a second is a billionth of a token.
        let nanos = u64::try_from((now - self.filled_at).as_nanos()).unwrap_or(u64::MAX);
        self.save(nanos.saturating_mul(u64::from(self.policy.floor_per_second)));
        self.filled_at = self.filled_at.max(now);
    }

    fn save(&mut self, amount: u64) {
        let most = u64::from(self.policy.saved_max) * TOKEN;
        self.saved = self.saved.saturating_add(amount).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_units::Seed;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::at(Duration::from_millis(millis))
    }

    /// Plays `script` (`<millisecond> request|retry`) and renders which retries were affordable.
    fn play(policy: BudgetPolicy, script: &str) -> String {
        let mut budget = RetryBudget::new(policy);
        let mut out = Vec::new();
        for line in script.lines().map(str::trim) {
            let (millis, what) = line.split_once(' ').unwrap();
            let now = at(millis.parse().unwrap());
            match what {
                "request" => budget.deposit(now),
                _ => out.push(format!("{millis} {}", budget.withdraw(now))),
            }
        }
        out.join("\n")
    }

    #[test]
    fn five_requests_earn_one_retry_when_there_is_no_floor() {
        let policy = BudgetPolicy { floor_per_second: 0, ..BudgetPolicy::default() };
        let script =
            "0 request\n0 request\n0 request\n0 request\n0 retry\n1 request\n1 retry\n1 retry";
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
    fn an_idle_day_does_not_finance_a_storm() {
        let mut budget = RetryBudget::new(BudgetPolicy::default());
        let day = at(86_400_000);
        assert_eq!((0..1000).filter(|_| budget.withdraw(day)).count(), 100);
    }

    #[test]
    fn waits_double_up_to_the_cap_and_end_with_the_attempts() {
        let backoff = Backoff {
            base: Duration::from_millis(100),
            cap: Duration::from_millis(350),
            attempts: 5,
        };
        let ceilings: Vec<_> = (1..5).map(|made| backoff.ceiling(made).as_millis()).collect();
        assert_eq!(ceilings, [100, 200, 350, 350]);
        assert_eq!(backoff.wait(5, &mut Seed(1).stream("retry")), None);
    }

    #[test]
    fn full_jitter_spreads_over_the_whole_wait() {
        let backoff = Backoff { base: Duration::from_secs(1), ..Backoff::default() };
        let mut rng = Seed(7).stream("retry");
        let waits: Vec<_> =
            (0..1000).map(|_| backoff.wait(1, &mut rng).unwrap().as_secs_f64()).collect();
        let mean = waits.iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!(waits.iter().any(|it| *it < 0.05) && waits.iter().any(|it| *it > 0.95));
    }

    proptest! {
        #[test]
        fn a_wait_never_exceeds_its_ceiling_nor_the_cap(
            base in 0u64..10_000, cap in 0u64..10_000, made in 0u32..200, seed: u64,
        ) {
            let backoff = Backoff {
                base: Duration::from_millis(base),
                cap: Duration::from_millis(cap),
                attempts: u32::MAX,
            };
            let wait = backoff.wait(made, &mut Seed(seed).stream("retry")).unwrap();
            prop_assert!(wait <= backoff.ceiling(made) && wait <= backoff.cap);
        }

        #[test]
        fn retries_never_exceed_what_requests_and_time_have_earned(
            steps in prop::collection::vec((0u64..50, any::<bool>()), 1..400),
            percent in 0u32..=100, floor in 0u32..50, saved_max in 0u32..200,
        ) {
            let policy = BudgetPolicy {
                share: Ratio::percent(percent), floor_per_second: floor, saved_max,
            };
            let mut budget = RetryBudget::new(policy);
            let (mut millis, mut requests, mut retries) = (0, 0u32, 0u32);
            for (wait, is_request) in steps {
                millis += wait;
                if is_request {
                    requests += 1;
                    budget.deposit(at(millis));
                } else if budget.withdraw(at(millis)) {
                    retries += 1;
                }
                let earned = f64::from(requests * percent) / 100.0
                    + f64::from(floor) * millis as f64 / 1000.0
                    + f64::from(saved_max);
                prop_assert!(f64::from(retries) <= earned + 1e-6);
            }
        }

        #[test]
        fn a_clock_that_steps_back_earns_nothing(back in 1u64..1000) {
            let policy = BudgetPolicy { floor_per_second: 1, saved_max: 1, ..BudgetPolicy::default() };
            let mut budget = RetryBudget::new(policy);
            prop_assert!(budget.withdraw(at(1000)));
            prop_assert!(!budget.withdraw(at(1000 - back)));
            prop_assert!(!budget.withdraw(at(1000)));
        }
    }
}
