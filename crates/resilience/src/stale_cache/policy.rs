//! Policy: how long an answer is good, how long it is better than none, and how many are kept.

use std::time::Duration;

use evenkeel_units::nanos;

/// How long answers are kept and used. All ages count from when an answer was *asked for*, which is never later than when it was
/// true.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(try_from = "super::written::Written")
)]
pub struct Policy {
    /// Answers that are kept, at most 2³¹; 0 keeps none, and still makes one call of many at once.
    pub capacity: usize,
    /// For how long an answer is fresh: used without asking.
    pub ttl: Duration,
    /// For how long after that it is still used at once, while it is asked for anew (RFC 5861, section 3).
    pub stale_while_revalidate: Duration,
    /// For how long after its `ttl` it is used if asking fails (RFC 5861, section 4).
    pub stale_if_error: Duration,
    /// For how long after a call failed its key is not asked for again: callers get the stale answer, or the error, at once. Calls that
    /// were not made ([`Error::is_rejection`](crate::Error::is_rejection)) are not remembered: to refuse again costs nothing.
    pub negative_ttl: Duration,
    /// How eagerly an answer is refreshed before its `ttl` is over, so that not all that was filled at once, or by many processes,
    /// is asked for at once: it is due earlier by the time its call took × this × an exponentially distributed number with mean 1,
    /// and by half of its `ttl` at most. 1 is the optimum of Vattani et al.; 0 turns it off. Up to 1,000.
    pub early_refresh: f64,
    /// The longest that a call may take which others may wait for; then it has failed with
    /// [`Timeout(Total)`](crate::TimeLimit::Total). Not zero.
    pub call_max: Duration,
}

impl Default for Policy {
    /// 10,000 answers, which is megabytes. Fresh for 5 s: a page asks once instead of hundreds of times a second, and a change is
    /// seen while somebody still remembers having made it. Used for 30 s more while it is asked for anew, so that nobody waits for what is
    /// asked for often; for 10 minutes if asking fails, which outlives a restart or a rollback. A failure counts for 1 s: a broken neighbour
    /// is asked once a second for each key. No early refresh, as to revalidate does the same for keys in use. No call longer than 30 s.
    fn default() -> Self {
        Self {
            capacity: 10_000,
            ttl: Duration::from_secs(5),
            stale_while_revalidate: Duration::from_secs(30),
            stale_if_error: Duration::from_mins(10),
            negative_ttl: Duration::from_secs(1),
            early_refresh: 0.0,
            call_max: Duration::from_secs(30),
        }
    }
}

/// More could not be numbered.
const CAPACITY_MAX: usize = 1 << 31;
/// Beyond it, every answer would be due after half of its `ttl`.
const EARLY_MAX: f64 = 1_000.0;

impl Policy {
    /// Whether the values go together.
    ///
    /// # Errors
    /// The field that does not fit, and what to write instead.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.capacity > CAPACITY_MAX {
            return Err(PolicyError::TooMany { capacity: self.capacity });
        }
        if !(0.0..=EARLY_MAX).contains(&self.early_refresh) {
            return Err(PolicyError::Early { early_refresh: self.early_refresh });
        }
        if self.call_max.is_zero() {
            return Err(PolicyError::NoTime);
        }
        Ok(())
    }
}

/// Why a [`Policy`] cannot be followed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// More answers than can be kept.
    #[error("`capacity` is {capacity}, more than can be kept: write at most {CAPACITY_MAX}")]
    TooMany {
        /// What was asked for.
        capacity: usize,
    },
    /// No eagerness.
    #[error(
        "`early_refresh` is {early_refresh}: write 0 (off), 1, or what is needed up to {EARLY_MAX}"
    )]
    Early {
        /// What was asked for.
        early_refresh: f64,
    },
    /// Calls that end before they begin.
    #[error(
        "`call_max` is zero, which ends every call that has to wait: write the longest that one may take"
    )]
    NoTime,
}

/// A policy in nanoseconds, with the ages at which something ends.
#[derive(Copy, Clone, Debug)]
pub(super) struct Ages {
    /// Until which it is fresh.
    pub(super) fresh: u64,
    /// Until which it is used at once.
    pub(super) at_once: u64,
    /// Until which it is used at all.
    pub(super) usable: u64,
    /// For how long a failure is remembered.
    pub(super) failure: u64,
    pub(super) early: f64,
    pub(super) call_max: Duration,
}

impl Ages {
    pub(super) fn of(policy: &Policy) -> Self {
        let at_once = policy.ttl.saturating_add(policy.stale_while_revalidate);
        let if_error = policy.ttl.saturating_add(policy.stale_if_error);
        Self {
            fresh: nanos(policy.ttl),
            at_once: nanos(at_once),
            usable: nanos(at_once.max(if_error)),
            failure: nanos(policy.negative_ttl),
            early: policy.early_refresh,
            call_max: policy.call_max,
        }
    }

    /// How much earlier than its `ttl` an answer is due whose call took `took`, by 64 random bits.
    ///
    /// The exponential gap of XFetch (A. Vattani, F. Chierichetti, K. Lowenstein, "Optimal Probabilistic Cache Stampede Prevention",
    /// VLDB 2015). There it is drawn at every request; here once for each answer, so that a hit costs no chance, and what is asked for more
    /// often is not refreshed more often.
    pub(super) fn early_by(&self, took: u64, bits: u64) -> u64 {
        // In (0, 1], by the 53 bits that a float can hold.
        let share = ((bits >> 11) + 1) as f64 / (1u64 << 53) as f64;
        let early = took as f64 * self.early * -share.ln();
        (early as u64).min(self.fresh / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_followed_is_told_by_its_field() {
        let told = |policy: Policy| policy.check().unwrap_err().to_string();
        let default = Policy::default;
        assert_eq!(default().check(), Ok(()));
        assert!(told(Policy { capacity: usize::MAX, ..default() }).starts_with("`capacity`"));
        for early_refresh in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(told(Policy { early_refresh, ..default() }).starts_with("`early_refresh`"));
        }
        assert!(told(Policy { call_max: Duration::ZERO, ..default() }).starts_with("`call_max`"));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn it_is_read_from_a_file() {
        let text = r#"{"ttl": "1m", "stale_if_error": "1h", "early_refresh": 1}"#;
        let read: Policy = serde_json::from_str(text).unwrap();
        let (ttl, stale_if_error) = (Duration::from_mins(1), Duration::from_hours(1));
        assert_eq!(read, Policy { ttl, stale_if_error, early_refresh: 1.0, ..Policy::default() });
        let unknown = serde_json::from_str::<Policy>(r#"{"fresh": "1m"}"#).unwrap_err();
        assert!(unknown.to_string().contains("unknown field `fresh`"), "{unknown}");
    }

    #[test]
    fn an_answer_is_due_earlier_by_the_time_its_call_takes_on_the_average() {
        let ttl = Duration::from_secs(100);
        let ages = Ages::of(&Policy { ttl, early_refresh: 1.0, ..Policy::default() });
        let choices = evenkeel_units::Seed(7).choices("early");
        let sum: u64 = (0..10_000).map(|n| ages.early_by(1_000_000, choices.bits(n)) / 1_000).sum();
        assert!((9_700_000..10_300_000).contains(&sum), "{sum}");
        assert_eq!(ages.early_by(u64::MAX, 0), ages.fresh / 2);
        assert_eq!(ages.early_by(1_000_000, u64::MAX), 0);
    }
}
