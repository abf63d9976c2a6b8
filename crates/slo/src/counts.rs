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
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.good += other.good;
        self.total += other.total;
    }
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
    use std::time::Duration;

    #[test]
    fn slow_failed_and_missed_requests_are_all_bad_for_latency() {
        let ok = Distribution { micros: vec![(100_000, 90), (400_000, 5)] };
        let failed = Distribution { micros: vec![(1_000, 3)] };
        let latency = Indicator::Latency { threshold: Duration::from_millis(300) };
        let counts = count(latency, [(Answer::Ok, &ok), (Answer::Status, &failed)], 2);
        assert_eq!(counts, Counts { good: 90, total: 100 });
    }
}
