//! Burn-down: how a budget came to be what it is.
//!
//! ```text
//!   left at t = 1 − spent × bad events until t / bad events until now
//! ```
//!
//! It begins whole where the window begins, also where that rolls: what is looked at is how this window was spent. How much
//! is spent now is not what the slices add up to, because an increase over slices is extrapolated slice by slice; so the
//! slices say when, the account says how much, and the last point is what is left.

use jiff::Timestamp;

use crate::{Account, History, Interval};

/// What was left of the budget of the whole window at the end of each of `steps` equally long parts of the time that has
/// passed: negative when overspent, `None` of a part without data. Nothing where nothing was counted.
pub fn burndown(
    account: &Account,
    history: &History,
    steps: &[Interval],
) -> Vec<(Timestamp, Option<f64>)> {
    let Some(spent) = account.spent() else { return Vec::new() };
    let spent = spent.get();
    let bad = |of: Interval| history.counts(of).map(crate::Counts::bad);
    let all: u64 = steps.iter().filter_map(|it| bad(*it)).fold(0, u64::saturating_add);
    let mut so_far: u64 = 0;
    let level = |step: &Interval| {
        let here = bad(*step);
        so_far = so_far.saturating_add(here.unwrap_or(0));
        let share = if all == 0 { 0.0 } else { so_far as f64 / all as f64 };
        // A promise of everything is endlessly overspent by the first bad event, and whole before it.
        let left = if share > 0.0 { 1.0 - spent * share } else { 1.0 };
        (step.to, here.map(|_| left))
    };
    steps.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Counts, Unit, Window};

    const HOUR: Duration = Duration::from_hours(1);

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    /// Ten hours of a hundred events each; so many of them bad, `None` for no data.
    fn walk(bad: [Option<u64>; 10]) -> Vec<Option<f64>> {
        let slices: Vec<_> = bad.iter().map(|it| it.map(|it| Counts::with_bad(it, 100))).collect();
        let history = History::new(at(0), HOUR, slices).unwrap();
        let counts = history.counts(Interval::new(at(0), at(10))).unwrap_or_default();
        let window = Window::Rolling(10 * HOUR);
        let promise = "99%".parse().unwrap();
        let account = Account::of(promise, &window, Unit::Events, counts, at(10));
        let steps: Vec<_> = (0..10).map(|it| Interval::new(at(it), at(it + 1))).collect();
        burndown(&account, &history, &steps).into_iter().map(|it| it.1).collect()
    }

    #[test]
    fn it_falls_when_something_is_bad_and_ends_at_what_is_left() {
        let mut bad = [Some(0); 10];
        (bad[2], bad[7]) = (Some(4), Some(1));
        let left = walk(bad);
        let near = |at: usize, wanted: f64| (left[at].unwrap() - wanted).abs() < 1e-9;
        assert!(near(1, 1.0) && near(2, 0.6) && near(6, 0.6) && near(9, 0.5), "{left:?}");
    }

    #[test]
    fn what_is_overspent_is_negative_and_a_gap_is_a_gap() {
        let mut bad = [Some(0); 10];
        (bad[4], bad[5]) = (None, Some(18));
        let left = walk(bad);
        assert_eq!(left[4], None);
        assert!((left[9].unwrap() + 1.0).abs() < 1e-9, "{left:?}");
    }

    #[test]
    fn nothing_counted_is_no_course() {
        assert_eq!(walk([None; 10]), []);
    }
}
