//! Retry budget: tokens that are earned, paid out by time and taken at once are neither lost nor made.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_resilience::retry::{BudgetPolicy, RetryBudget};
use evenkeel_units::{Moment, Ratio};
use loom::thread;

fn at(seconds: u64) -> Moment {
    Moment::at(Duration::from_secs(seconds))
}

#[test]
fn every_token_is_granted_once_or_left() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let policy = BudgetPolicy { share: Ratio::ONE, floor_per_second: 1, saved_max: 10 };
        let budget = Arc::new(RetryBudget::new(policy));
        assert!(budget.withdraw(at(1)), "what it begins with");
        let takes = [(); 2].map(|()| {
            let budget = Arc::clone(&budget);
            thread::spawn(move || u32::from(budget.withdraw(at(2))))
        });
        budget.deposit();
        let granted: u32 = takes.into_iter().map(|it| it.join().unwrap()).sum();
        // One of the call, and one of the second that has passed.
        let seen = budget.snapshot(at(2));
        assert!((seen.saved - f64::from(2 - granted)).abs() < 1e-9, "{granted}: {seen:?}");
        assert_eq!((seen.granted, seen.refused), (1 + u64::from(granted), 2 - u64::from(granted)));
    });
}
