//! Watch: asks endpoints in the background how they are, and finds out when one fails or heals.
//!
//! ```text
//!              unhealthy_threshold probes in a row fail
//!   Unknown ────────────────────────────────────────────▶ Unhealthy ◀───┐
//!      │ the first probe passes                             │           │ as from Unknown, or somebody
//!      ▼                                                    ▼           │ could not reach it
//!   Healthy ◀──── healthy_threshold probes in a row pass ───┘           │
//!      └────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Each endpoint is asked once in every `interval`, counted from start to start, for at most `timeout`; all of them at the same
//! time, so that one that hangs delays nobody. What breaks is therefore known within
//! `interval` × `unhealthy_threshold` + `timeout` ([`Policy::detects_within`]), whether it refuses or hangs, and one timer of the
//! runtime (a millisecond with tokio) later at the most.
//!
//! **When to use it**: before endpoints that take no calls until another fails (a standby that nobody asks has often been
//! broken for weeks), and where few calls come: then nobody else notices. **When not**: as the only judge of an endpoint
//! that answers probes and fails calls; what calls say (a [`breaker`](crate::breaker) for each endpoint) is the better witness where
//! there are many.
//!
//! What a probe is says a closure, so that nothing here speaks a protocol. A good one asks what would make a call fail, and
//! nothing that all endpoints share: else they all fail together, and there is nobody left to go to.
//!
//! ```
//! use std::time::Duration;
//! use evenkeel_resilience::watch::{Health, Policy, Watched};
//! use evenkeel_resilience::Moment;
//!
//! let at = |seconds| Moment::at(Duration::from_secs(seconds));
//! let policy = Policy::default();
//! let mut primary = Watched::new(&policy);
//! assert_eq!(primary.probed(at(0), true), Some(Health::Healthy));
//! assert_eq!(primary.probed(at(5), false), None); // one lost packet is no outage
//! assert_eq!(primary.probed(at(10), false), None);
//! assert_eq!(primary.probed(at(15), false), Some(Health::Unhealthy));
//! assert_eq!(policy.detects_within(), Duration::from_secs(17));
//! ```
//!
//! [`Watched`] is one endpoint, told the time. [`Watch`] is the loop that asks: it starts tasks of tokio, and ends with what it
//! returns.

#[cfg(feature = "tower")]
mod run;

use std::fmt;
use std::time::Duration;

use evenkeel_units::{Human, Moment};

#[cfg(feature = "tower")]
pub use self::run::{Told, Watch};

/// How an endpoint is asked, and what its answers mean.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Policy {
    /// From the start of one probe to that of the next. 5 s by default: often enough for people to wait, and seldom enough for
    /// a hundred clients to cost their endpoint 20 requests a second.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub interval: Duration,
    /// What takes longer than this has failed; not longer than `interval`, so that probes never pile up. 2 s by default.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub timeout: Duration,
    /// So many probes in a row must fail before the endpoint is unhealthy. 3 by default, as in HAProxy and a kubelet: one lost
    /// packet and one slow answer are no outage.
    pub unhealthy_threshold: u32,
    /// So many probes in a row must pass before it is healthy again. 2 by default, as in HAProxy: one that answers once while it
    /// starts is not back.
    pub healthy_threshold: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            unhealthy_threshold: 3,
            healthy_threshold: 2,
        }
    }
}

/// The longest interval: what is asked less often than once a day is not watched.
const INTERVAL_MAX: Duration = Duration::from_hours(24);
const THRESHOLD_MAX: u32 = 1_000;

impl Policy {
    /// Whether it can be followed.
    ///
    /// # Errors
    /// The field that does not fit, and what to write instead.
    pub fn check(&self) -> Result<(), PolicyError> {
        let Self { interval, timeout, unhealthy_threshold, healthy_threshold } = *self;
        if interval < Duration::from_millis(1) || interval > INTERVAL_MAX {
            return Err(PolicyError::Interval { interval });
        }
        if timeout.is_zero() {
            return Err(PolicyError::NoTimeout);
        }
        if timeout > interval {
            return Err(PolicyError::TimeoutExceedsInterval { timeout, interval });
        }
        let thresholds = [
            ("unhealthy_threshold", unhealthy_threshold),
            ("healthy_threshold", healthy_threshold),
        ];
        match thresholds.into_iter().find(|it| !(1..=THRESHOLD_MAX).contains(&it.1)) {
            Some((field, threshold)) => Err(PolicyError::Threshold { field, threshold }),
            None => Ok(()),
        }
    }

    /// The longest time from the moment an endpoint breaks until that is known, but for the coarseness of timers: as many probes
    /// as it takes, one in each interval, and the last of them hangs.
    pub fn detects_within(&self) -> Duration {
        self.interval.saturating_mul(self.unhealthy_threshold).saturating_add(self.timeout)
    }
}

/// Why a [`Policy`] cannot be followed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Too short or too long.
    #[error("`interval` is {}, and nothing can be asked so often or so seldom: write 1ms to 24h", Human(*interval))]
    Interval {
        /// As given.
        interval: Duration,
    },
    /// No time to answer.
    #[error("`timeout` is 0, which every probe exceeds: write at least 1ms")]
    NoTimeout,
    /// The next probe would start before this one ends.
    #[error(
        "`timeout` of {} is longer than `interval` of {}: ask less often, or wait less",
        Human(*timeout), Human(*interval)
    )]
    TimeoutExceedsInterval {
        /// How long a probe may take.
        timeout: Duration,
        /// How far apart probes start.
        interval: Duration,
    },
    /// None, or more than anybody waits for.
    #[error("`{field}` is {threshold}: write 1 to {THRESHOLD_MAX}")]
    Threshold {
        /// Which of both.
        field: &'static str,
        /// As given.
        threshold: u32,
    },
}

/// How an endpoint is.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Health {
    /// It has not been asked, or too little was said yet. It may be called, as nobody says that it should not.
    #[default]
    Unknown = 0,
    /// It answers.
    Healthy = 1,
    /// It does not.
    Unhealthy = 2,
}

impl Health {
    /// As in metrics and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name())
    }
}

/// One endpoint, and what its probes add up to. Of one owner: threads share what holds it, as [`Failover`](crate::Failover) does.
#[derive(Clone, Debug)]
pub struct Watched {
    unhealthy_threshold: u32,
    healthy_threshold: u32,
    health: Health,
    since: Moment,
    /// Probes in a row that contradict `health`.
    against: u32,
    passed: u64,
    failed: u64,
}

impl Watched {
    /// Of an endpoint that has not been asked yet.
    pub const fn new(policy: &Policy) -> Self {
        Self {
            unhealthy_threshold: policy.unhealthy_threshold,
            healthy_threshold: policy.healthy_threshold,
            health: Health::Unknown,
            since: Moment::START,
            against: 0,
            passed: 0,
            failed: 0,
        }
    }

    /// Tells how a probe ended. Gives how the endpoint is from now on, if that has changed.
    pub fn probed(&mut self, now: Moment, passed: bool) -> Option<Health> {
        let total = if passed { &mut self.passed } else { &mut self.failed };
        *total += 1;
        let (to, needed) = match (self.health, passed) {
            (Health::Healthy, true) | (Health::Unhealthy, false) => {
                self.against = 0;
                return None;
            }
            (Health::Unknown, true) => (Health::Healthy, 1),
            (Health::Unhealthy, true) => (Health::Healthy, self.healthy_threshold),
            (Health::Unknown | Health::Healthy, false) => {
                (Health::Unhealthy, self.unhealthy_threshold)
            }
        };
        self.against += 1;
        (self.against >= needed).then(|| self.become_(now, to))
    }

    /// Somebody else found out that it cannot be reached, and probes need not confirm it. They say when it is back.
    pub fn failed(&mut self, now: Moment) -> Option<Health> {
        match self.health {
            Health::Unhealthy => {
                self.against = 0;
                None
            }
            Health::Unknown | Health::Healthy => Some(self.become_(now, Health::Unhealthy)),
        }
    }

    /// Forgets what was said, as if it had not been asked yet.
    pub fn forget(&mut self, now: Moment) -> Option<Health> {
        self.against = 0;
        (self.health != Health::Unknown).then(|| self.become_(now, Health::Unknown))
    }

    fn become_(&mut self, now: Moment, health: Health) -> Health {
        (self.health, self.since, self.against) = (health, now, 0);
        health
    }

    /// How it is.
    pub const fn health(&self) -> Health {
        self.health
    }

    /// Since when.
    pub const fn since(&self) -> Moment {
        self.since
    }

    /// Probes in a row that contradict how it is: it is about to change.
    pub const fn against(&self) -> u32 {
        self.against
    }

    /// Probes that passed, since the beginning.
    pub const fn passed_total(&self) -> u64 {
        self.passed
    }

    /// Probes that failed, since the beginning.
    pub const fn failed_total(&self) -> u64 {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: u64) -> Moment {
        Moment::at(Duration::from_secs(second))
    }

    /// `+` passes, `-` fails, `!` somebody could not reach it; gives how it is after each.
    fn script(signs: &str) -> String {
        let mut watched = Watched::new(&Policy::default());
        let after = (0..).zip(signs.chars()).map(|(second, sign)| {
            match sign {
                '!' => watched.failed(at(second)),
                it => watched.probed(at(second), it == '+'),
            };
            match watched.health() {
                Health::Unknown => '?',
                Health::Healthy => '+',
                Health::Unhealthy => '-',
            }
        });
        after.collect()
    }

    #[test]
    fn the_first_pass_makes_it_healthy_and_three_failures_unhealthy() {
        assert_eq!(script("+--+---"), "++++++-");
        assert_eq!(script("--+"), "??+");
        assert_eq!(script("---"), "??-");
    }

    #[test]
    fn two_passes_in_a_row_bring_it_back() {
        assert_eq!(script("---+-++"), "??----+");
    }

    #[test]
    fn who_could_not_reach_it_need_not_wait_for_probes_but_only_they_bring_it_back() {
        assert_eq!(script("+!+!++"), "+----+");
        assert_eq!(script("!"), "-");
    }

    #[test]
    fn since_is_the_moment_of_the_last_change() {
        let mut watched = Watched::new(&Policy::default());
        for second in 1..=9 {
            watched.probed(at(second), second < 4);
        }
        assert_eq!((watched.health(), watched.since()), (Health::Unhealthy, at(6)));
        assert_eq!((watched.passed_total(), watched.failed_total()), (3, 6));
        assert_eq!(watched.forget(at(10)), Some(Health::Unknown));
        assert_eq!(watched.forget(at(11)), None);
    }

    #[test]
    fn a_policy_that_cannot_be_followed_names_its_field_and_what_to_write() {
        let good = Policy::default();
        assert_eq!(good.check(), Ok(()));
        let said = |it: Policy| it.check().unwrap_err().to_string();
        let long = Policy { timeout: Duration::from_secs(6), ..good };
        assert_eq!(
            said(long),
            "`timeout` of 6s is longer than `interval` of 5s: ask less often, or wait less"
        );
        let none = Policy { healthy_threshold: 0, ..good };
        assert_eq!(said(none), "`healthy_threshold` is 0: write 1 to 1000");
        assert!(said(Policy { interval: Duration::ZERO, ..good }).starts_with("`interval` is 0s"));
        assert!(said(Policy { timeout: Duration::ZERO, ..good }).starts_with("`timeout` is 0"));
    }

    proptest! {
        /// Reference: with every answer on file, look back.
        #[test]
        fn it_is_as_a_naive_look_back_says(
            answers in proptest::collection::vec(any::<bool>(), 1..80),
            rise in 1_u32..5,
            fall in 1_u32..5,
        ) {
            let policy =
                Policy { healthy_threshold: rise, unhealthy_threshold: fall, ..Policy::default() };
            let mut watched = Watched::new(&policy);
            let mut is = Health::Unknown;
            for end in 1..=answers.len() {
                let so_far = &answers[..end];
                let last = so_far[end - 1];
                let run = so_far.iter().rev().take_while(|it| **it == last).count() as u32;
                let before = is;
                is = match (is, last) {
                    (Health::Unknown, true) => Health::Healthy,
                    (Health::Unhealthy, true) if run >= rise => Health::Healthy,
                    (Health::Unknown | Health::Healthy, false) if run >= fall => Health::Unhealthy,
                    _ => is,
                };
                let changed = watched.probed(at(end as u64), last);
                prop_assert_eq!(watched.health(), is);
                prop_assert_eq!(changed, (before != is).then_some(is));
            }
        }
    }
}
