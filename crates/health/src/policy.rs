//! Policy: when a check is asked, how long it may take, and what its answers mean.

use std::time::Duration;

use evenkeel_units::Human;

/// What it means for the service when a check fails.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Weight {
    /// The service is degraded and goes on to take requests.
    ///
    /// The default, on purpose: a dependency that all instances share fails for all of them at once, and if each takes itself
    /// out of the balancer then nothing is left to answer from a cache or with an error that says why.
    #[default]
    Degrading,
    /// The service is not ready: without this it can do nothing useful.
    Critical,
}

/// When a check is asked, how long it may take, and what its answers mean.
///
/// ```
/// use std::time::Duration;
/// use evenkeel_health::Policy;
///
/// let often = Policy { every: Duration::from_secs(2), ..Policy::critical() };
/// often.check()?;
/// let hasty = Policy { timeout: Duration::from_secs(20), ..Policy::default() };
/// let error = hasty.check().unwrap_err();
/// assert_eq!(error.to_string(), "`timeout` of 20s is longer than `every` of 10s: ask less often, or wait less");
/// # Ok::<(), evenkeel_health::PolicyError>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What a failure means for the service.
    pub weight: Weight,
    /// How long after the start of one run the next one starts; the first starts at once. 10 s: the period of a kubelet.
    pub every: Duration,
    /// How long one run may take; one that takes longer failed. 2 s: what the checks of most services wait for a database.
    pub timeout: Duration,
    /// How many successes in a row bring a failed check back. 2, as in HAProxy.
    pub rise: u32,
    /// How many failures in a row fail a check that passed. 3, as in HAProxy and a kubelet: one lost packet is no outage.
    pub fall: u32,
    /// How old the last answer may get. What is as old says nothing of the present: the check is unknown, and the next answer decides
    /// alone. So it is longer than `every` and `timeout` together, the age of the last answer when the next one takes its time. 30 s:
    /// three runs.
    pub stale_after: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            weight: Weight::Degrading,
            every: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            rise: 2,
            fall: 3,
            stale_after: Duration::from_secs(30),
        }
    }
}

/// Why a policy cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A duration or a number is zero.
    #[error("`{0}` is zero: it must be at least one")]
    Zero(&'static str),
    /// A run would be due before the last one may be given up.
    #[error(
        "`timeout` of {} is longer than `every` of {}: ask less often, or wait less",
        Human(*timeout), Human(*every)
    )]
    TimeoutExceedsEvery {
        /// How long a run may take.
        timeout: Duration,
        /// How far apart runs are.
        every: Duration,
    },
    /// Every answer would be too old before the next one can be there.
    #[error(
        "`stale_after` of {} is no longer than `every` and `timeout` together, {}: answers would be unknown in between",
        Human(*stale_after), Human(*least)
    )]
    AlwaysStale {
        /// How old an answer may be.
        stale_after: Duration,
        /// How old the last answer gets when all is well.
        least: Duration,
    },
}

impl Policy {
    /// The default of a check without which the service is not ready.
    pub fn critical() -> Self {
        Self { weight: Weight::Critical, ..Self::default() }
    }

    /// Whether it can be.
    ///
    /// # Errors
    /// The field that is wrong, and what to do.
    pub fn check(&self) -> Result<(), PolicyError> {
        let zero = [
            ("every", self.every.is_zero()),
            ("timeout", self.timeout.is_zero()),
            ("rise", self.rise == 0),
            ("fall", self.fall == 0),
        ];
        if let Some((name, _)) = zero.into_iter().find(|(_, is)| *is) {
            return Err(PolicyError::Zero(name));
        }
        let Self { timeout, every, stale_after, .. } = *self;
        if timeout > every {
            return Err(PolicyError::TimeoutExceedsEvery { timeout, every });
        }
        let least = every.saturating_add(timeout);
        if stale_after <= least {
            return Err(PolicyError::AlwaysStale { stale_after, least });
        }
        Ok(())
    }

    /// The longest time from the moment something breaks, or heals, until the check says so: as many runs as it takes, each of
    /// them due once in [`every`](Self::every), and the last one at its [`timeout`](Self::timeout).
    pub fn detects_within(&self) -> Duration {
        let runs = self.fall.max(self.rise);
        self.every.saturating_mul(runs).saturating_add(self.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be() {
        assert_eq!(Policy::default().check(), Ok(()));
        assert_eq!(Policy::critical().check(), Ok(()));
        assert_eq!(Policy::default().detects_within(), Duration::from_secs(32));
        let slow = Policy { rise: 5, ..Policy::default() };
        assert_eq!(slow.detects_within(), Duration::from_secs(52));
    }

    #[test]
    fn a_policy_names_the_field_that_is_wrong() {
        let none = Policy { fall: 0, ..Policy::default() };
        assert_eq!(none.check(), Err(PolicyError::Zero("fall")));
        let blind = Policy { stale_after: Duration::from_secs(12), ..Policy::default() };
        let said = blind.check().unwrap_err().to_string();
        assert!(said.starts_with("`stale_after` of 12s is no longer than"), "{said}");
        let sees = Policy { stale_after: Duration::from_secs(13), ..Policy::default() };
        assert_eq!(sees.check(), Ok(()));
    }
}
