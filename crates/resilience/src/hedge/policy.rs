//! Policy: how long a first attempt is waited for, and how many follow it.

use std::time::Duration;

use evenkeel_units::Ratio;

use crate::retry::BudgetPolicy;

/// When to ask a second time.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Policy {
    /// Attempts in all, the first included: 1 for no hedges, at most [`ATTEMPTS_MAX`].
    pub attempts: u32,
    /// How long each is waited for before the next begins.
    pub delay: Delay,
    /// What follows when an attempt fails before its delay is over.
    pub on_failure: OnFailure,
    /// How many further attempts there may be over all calls.
    pub budget: BudgetPolicy,
}

/// The most attempts of one call. Where the delay is the 95th percentile, one call in 8,000 would use a fourth.
pub const ATTEMPTS_MAX: u32 = 3;

impl Default for Policy {
    /// One hedge, after the 95th percentile of recent latencies, which is what Dean and Barroso propose: it adds about 5 % of
    /// load and cuts the tail. The budget is twice as much, and one a second for who calls rarely; at most 10 are saved, so that
    /// a service that becomes slow for everybody meets a tenth more calls and not twice as many.
    fn default() -> Self {
        Self {
            attempts: 2,
            delay: Delay::Percentile(Percentile::default()),
            on_failure: OnFailure::Stand,
            budget: BudgetPolicy { share: Ratio::percent(10), floor_per_second: 1, saved_max: 10 },
        }
    }
}

/// How long an attempt is waited for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub enum Delay {
    /// Always as long. For a neighbour with a promise on its latency, or that is called rarely.
    Fixed(
        #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))] Duration,
    ),
    /// As long as most calls took of late.
    Percentile(Percentile),
}

impl Delay {
    /// As short as it may become: what is shorter than that sees no hedge.
    pub const fn least(&self) -> Duration {
        match self {
            Self::Fixed(delay) => *delay,
            Self::Percentile(percentile) => percentile.least,
        }
    }
}

/// What share of the calls of late is to end without a hedge.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Percentile {
    /// The share of calls that took no longer. What is missing to 100 % is the share of calls that are hedged.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub share: Ratio,
    /// What "of late" means: latencies of between half this time and all of it count. From 1 s to a day.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub window: Duration,
    /// So many have to be known; until then the delay is `most`. At least 1.
    pub samples_min: u32,
    /// The delay is never shorter.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub least: Duration,
    /// The delay is never longer.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub most: Duration,
}

impl Default for Percentile {
    /// The 95th percentile of the last 30 s, which follows a deploy within a minute, once 100 latencies say where it is (five of
    /// them above it). Not below 1 ms, the grain of timers, and not above 1 s, which few callers wait for anyway.
    fn default() -> Self {
        Self {
            share: Ratio::percent(95),
            window: Duration::from_secs(30),
            samples_min: 100,
            least: Duration::from_millis(1),
            most: Duration::from_secs(1),
        }
    }
}

/// What follows when an attempt fails before its delay is over.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub enum OnFailure {
    /// Nothing: the error stands, unless another attempt is under way. Hedges are against slowness; who wants failures
    /// to be tried again puts a [retry](crate::retry) around, which waits before it does.
    #[default]
    Stand,
    /// The next attempt starts at once, as in gRPC: where attempts go to different servers, the next may well be better. An
    /// error that says when to come again ends that.
    Next,
}

impl Policy {
    /// A hedge after a fixed time.
    pub fn after(delay: Duration) -> Self {
        Self { delay: Delay::Fixed(delay), ..Self::default() }
    }

    /// Tells what contradicts itself.
    ///
    /// # Errors
    /// The first contradiction, with its remedy.
    pub fn check(&self) -> Result<(), PolicyError> {
        match self.attempts {
            0 => return Err(PolicyError::NoAttempts),
            1..=ATTEMPTS_MAX => {}
            attempts => return Err(PolicyError::TooManyAttempts { attempts }),
        }
        if self.budget.saved_max == 0 {
            return Err(PolicyError::NothingSaved);
        }
        match self.delay {
            Delay::Fixed(delay) if delay.is_zero() => Err(PolicyError::NoDelay),
            Delay::Fixed(_) => Ok(()),
            Delay::Percentile(it) => it.check(),
        }
    }
}

impl Percentile {
    fn check(self) -> Result<(), PolicyError> {
        let Self { share, window, samples_min, least, most } = self;
        match () {
            () if share == Ratio::ZERO || share == Ratio::ONE => Err(PolicyError::Share { share }),
            () if !(WINDOW_MIN..=WINDOW_MAX).contains(&window) => {
                Err(PolicyError::Window { window })
            }
            () if samples_min == 0 => Err(PolicyError::NoSamples),
            () if most.is_zero() => Err(PolicyError::NoDelay),
            () if most < least => Err(PolicyError::MostBelowLeast { least, most }),
            () => Ok(()),
        }
    }
}

const WINDOW_MIN: Duration = Duration::from_secs(1);
const WINDOW_MAX: Duration = Duration::from_hours(24);

/// What contradicts itself in a [`Policy`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not even a first attempt.
    #[error("`attempts` is 0: the first attempt counts, so write 1 for no hedges")]
    NoAttempts,
    /// More than one call ever needs.
    #[error(
        "`attempts` is {attempts}: write at most {ATTEMPTS_MAX}, which leaves one call in 8,000 of those that the 95th percentile lets wait"
    )]
    TooManyAttempts {
        /// What was asked for.
        attempts: u32,
    },
    /// Every call would be made twice.
    #[error("the delay is 0, which makes every call twice: write at least `1ms`")]
    NoDelay,
    /// A percentile that hedges every call, or none.
    #[error(
        "`share` is {share}, which hedges every call or none: write one between, such as `95%`"
    )]
    Share {
        /// What was asked for.
        share: Ratio,
    },
    /// Too short to know anything in, or too long to learn anything new.
    #[error("`window` is {window:?}: write one between `1s` and `24h`")]
    Window {
        /// What was asked for.
        window: Duration,
    },
    /// A percentile of nothing.
    #[error("`samples_min` is 0, and nothing can be said of no latency: write at least 1")]
    NoSamples,
    /// No delay lies between.
    #[error("`most` of {most:?} is shorter than `least` of {least:?}: raise `most`")]
    MostBelowLeast {
        /// The shortest delay.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// A budget that can never pay.
    #[error(
        "`budget.saved_max` is 0, which allows no hedge ever: write at least 1, or `attempts: 1`"
    )]
    NothingSaved,
}
