//! A bandwidth as a bucket of tokens, one a byte.

use std::time::Duration;

use tokio::time::Instant;

/// Whoever may pass nothing at all asks again after this, unless something changes before.
const AGES: Duration = Duration::from_hours(24);

/// What a bandwidth leaves to a direction.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// So many bytes, more than none.
    Pass(usize),
    /// None before this moment.
    Wait(Instant),
}

/// A token bucket that holds 20 ms of its rate, so that a fresh link brings no burst.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    tokens: f64,
    filled: Option<Instant>,
}

impl Bucket {
    /// How many of `wanted` bytes may pass at a rate of so many a second.
    pub(crate) fn take(&mut self, rate: u64, wanted: usize, now: Instant) -> Allowance {
        if rate == 0 {
            return Allowance::Wait(now + AGES);
        }
        let rate = rate as f64;
        let most = (rate / 50.0).max(64.0);
        let filled = self.filled.replace(now).unwrap_or(now);
        let fresh = rate * now.saturating_duration_since(filled).as_secs_f64();
        self.tokens = (self.tokens + fresh).min(most);
        // Half a bucket at a time: small enough to flow, large enough not to wake for every byte.
        let least = (wanted as f64).min(most / 2.0).max(1.0);
        if self.tokens < least {
            let wait = Duration::from_secs_f64((least - self.tokens) / rate);
            return Allowance::Wait(now + wait);
        }
        let granted = wanted.min(self.tokens as usize);
        self.tokens -= granted as f64;
        Allowance::Pass(granted)
    }

    /// Takes back what was allowed and not used.
    pub(crate) fn give_back(&mut self, unused: usize) {
        self.tokens += unused as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_never_passes_more_than_its_rate_and_one_bucket(
            rate in 1u64..10_000_000, steps in prop::collection::vec((0u64..50_000, 1usize..70_000), 1..60),
        ) {
            let mut bucket = Bucket::default();
            let start = Instant::now();
            let (mut now, mut passed) = (start, 0);
            for (micros, wanted) in steps {
                now += Duration::from_micros(micros);
                if let Allowance::Pass(bytes) = bucket.take(rate, wanted, now) {
                    prop_assert!(bytes >= 1 && bytes <= wanted);
                    passed += bytes;
                }
            }
            let most = rate as f64 * (now - start).as_secs_f64() + (rate as f64 / 50.0).max(64.0);
            prop_assert!(passed as f64 <= most + 1.0);
        }

        #[test]
        fn nothing_passes_without_a_rate(wanted in 1usize..70_000) {
            let now = Instant::now();
            prop_assert!(matches!(Bucket::default().take(0, wanted, now), Allowance::Wait(then) if then > now));
        }
    }
}
