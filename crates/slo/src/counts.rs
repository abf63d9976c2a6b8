//! Counts: good events of all events, as an objective counts them.
//!
//! One classifier serves every objective: a request is good when it was answered, answered right, and,
//! for latency, in time. Failures of any class and missed arrivals are bad: an answer that never came
//! was not fast.

use evenkeel_model::document::Indicator;
use evenkeel_model::{Answer, Distribution};
use serde::{Deserialize, Serialize};

/// Good events of all events.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Events that kept the promise.
    pub good: u64,
    /// All events.
    pub total: u64,
}

impl Counts {
    /// Events that broke the promise.
    pub const fn bad(self) -> u64 {
        self.total.saturating_sub(self.good)
    }

    /// Share of good events; `None` without events.
    pub fn ratio(self) -> Option<f64> {
        (self.total > 0).then(|| self.good as f64 / self.total as f64)
    }

    /// `bad` events of `total`; all of them when `bad` is more.
    pub const fn with_bad(bad: u64, total: u64) -> Self {
        Self { good: total.saturating_sub(bad), total }
    }

    /// What is left without other events, which were among these.
    pub const fn without(self, other: Self) -> Self {
        Self {
            good: self.good.saturating_sub(other.good),
            total: self.total.saturating_sub(other.total),
        }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.good = self.good.saturating_add(other.good);
        self.total = self.total.saturating_add(other.total);
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, it| {
            sum += it;
            sum
        })
    }
}

/// Makes whole events of measured ones.
///
/// Prometheus extrapolates: `increase` says that 1.0169 requests came in, and a rate over a minute may stand for 0.6 of
/// one. Rounded one by one, a day of such minutes would be two thirds too many. So what rounding leaves is carried
/// over: any stretch of slices adds up to what was measured of it, within one event of each kind.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Rounding {
    good: f64,
    bad: f64,
}

impl Rounding {
    /// The next slice: measured good and bad events. What is not a number of events is none.
    pub fn next(&mut self, good: f64, bad: f64) -> Counts {
        let (good, bad) = (carry(&mut self.good, good), carry(&mut self.bad, bad));
        Counts { good, total: good.saturating_add(bad) }
    }
}

/// Whole events of those measured and those left over.
fn carry(left: &mut f64, measured: f64) -> u64 {
    if !(measured >= 0.0 && measured.is_finite()) {
        return 0;
    }
    let sum = *left + measured;
    let whole = sum.round().max(0.0);
    *left = sum - whole;
    whole as u64
}

/// Answers of one class with their response times, as a frame holds them.
pub type RouteAnswers<'a> = (Answer, &'a Distribution);

/// Counts requests as `indicator` does; `missed` arrivals are bad.
///
/// `Throughput` has no good and bad requests; it is counted as availability.
pub fn count<'a>(
    indicator: Indicator,
    answers: impl IntoIterator<Item = RouteAnswers<'a>>,
    missed: u64,
) -> Counts {
    let limit = match indicator {
        Indicator::Latency { threshold } | Indicator::Percentile { threshold, .. } => {
            u64::try_from(threshold.as_micros()).unwrap_or(u64::MAX)
        }
        Indicator::Availability | Indicator::ErrorRate { .. } | Indicator::Throughput { .. } => {
            u64::MAX
        }
        // Requests say nothing about it.
        Indicator::OfSeries => return Counts::default(),
    };
    let mut counts = Counts { good: 0, total: missed };
    for (answer, times) in answers {
        for (micros, requests) in &times.micros {
            counts.total += requests;
            if answer.is_ok() && *micros <= limit {
                counts.good += requests;
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn slow_failed_and_missed_requests_are_all_bad_for_latency() {
        let ok = Distribution { micros: vec![(100_000, 90), (400_000, 5)] };
        let failed = Distribution { micros: vec![(1_000, 3)] };
        let latency = Indicator::Latency { threshold: Duration::from_millis(300) };
        let counts = count(latency, [(Answer::Ok, &ok), (Answer::Status, &failed)], 2);
        assert_eq!(counts, Counts { good: 90, total: 100 });
    }

    #[test]
    fn three_fifths_of_an_event_a_minute_are_three_in_five_minutes() {
        let mut rounding = Rounding::default();
        let sum: Counts = (0..5).map(|_| rounding.next(0.6, 0.0)).sum();
        assert_eq!(sum, Counts { good: 3, total: 3 });
    }

    #[test]
    fn what_is_no_number_of_events_is_none() {
        let mut rounding = Rounding::default();
        for odd in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(rounding.next(odd, odd), Counts::default());
        }
        assert_eq!(rounding.next(1.0, 1.0), Counts { good: 1, total: 2 });
    }

    #[test]
    fn counts_without_end_add_up_without_panic() {
        let all = Counts { good: u64::MAX, total: u64::MAX };
        assert_eq!([all, all].into_iter().sum::<Counts>(), all);
    }

    proptest! {
        #[test]
        fn any_stretch_of_rounded_slices_is_within_one_event_of_what_was_measured(
            measured in prop::collection::vec((0.0f64..50.0, 0.0f64..3.0), 1..60), from in 0usize..30
        ) {
            let mut rounding = Rounding::default();
            let whole: Vec<_> = measured.iter().map(|&(good, bad)| rounding.next(good, bad)).collect();
            let from = from.min(measured.len());
            let counted: Counts = whole[from..].iter().copied().sum();
            let (good, bad) =
                measured[from..].iter().fold((0.0, 0.0), |(good, bad), it| (good + it.0, bad + it.1));
            prop_assert!((counted.good as f64 - good).abs() <= 1.0 + 1e-9);
            prop_assert!((counted.bad() as f64 - bad).abs() <= 1.0 + 1e-9);
        }
    }
}
