//! Policy: between which limits, by which rule, and from how much knowledge.

use std::time::Duration;

use evenkeel_units::Ratio;

use crate::bulkhead::{self, PLACES_MAX};

/// How the number of calls at once is found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Policy {
    /// Calls at once before anything is known.
    pub initial: u32,
    /// Calls at once that are let through however slow they are, at least 1.
    pub min: u32,
    /// Calls at once that are never exceeded, at most 2,147,483,647.
    pub max: u32,
    /// Calls that may wait for a place; 0 rejects at once.
    pub queue: u32,
    /// For how long each of them may wait.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub wait: Duration,
    /// How often the limit is looked at. From 10 ms to an hour.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub window: Duration,
    /// A window lasts until so many calls have ended in it. At least 1.
    pub samples_min: u32,
    /// By which rule.
    pub algorithm: Algorithm,
}

impl Default for Policy {
    /// From 20, which Netflix begins with, down to 5 and up to 1,000. Nobody waits, since a limit that is full says that the
    /// neighbour is. Four looks a second, each at 10 calls at least, so that a neighbour that becomes slow is felt within seconds and
    /// one slow call is not.
    fn default() -> Self {
        Self {
            initial: 20,
            min: 5,
            max: 1_000,
            queue: 0,
            wait: Duration::ZERO,
            window: Duration::from_millis(250),
            samples_min: 10,
            algorithm: Algorithm::Gradient(Gradient::default()),
        }
    }
}

/// The rule by which the limit follows what was seen.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub enum Algorithm {
    /// By how much longer calls take than they usually do: before anything fails.
    Gradient(Gradient),
    /// Up by one while all is well, down by a share when calls time out, are rejected or take too long.
    Aimd(Aimd),
}

/// Gradient2 of Netflix: the limit shrinks with `usual latency / latency now`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Gradient {
    /// By how much calls may take longer than usual before the limit shrinks.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub tolerance: Ratio,
    /// How far the limit goes to where it should be, in each window. Not 0 %.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub smoothing: Ratio,
    /// By how much it may always grow: so many, or the square root of the limit where that is more. At least 1. Some calls have to
    /// queue at the neighbour, or nobody finds out that it can do more.
    pub headroom: u32,
    /// Over how many windows "usual" is an average.
    pub long_windows: u32,
    /// How often what is usual is measured anew, with few calls at once. From ten windows to a day.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub probe_every: Duration,
}

impl Default for Gradient {
    /// Half as long again, a fifth of the way, 4 and 600 windows are Netflix' values. A probe every 30 s costs about 1 % of the
    /// calls, and bounds for how long a neighbour that is slower for good is taken for one that is overloaded.
    fn default() -> Self {
        Self {
            tolerance: Ratio::percent(50),
            smoothing: Ratio::percent(20),
            headroom: 4,
            long_windows: 600,
            probe_every: Duration::from_secs(30),
        }
    }
}

/// Additive increase, multiplicative decrease.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Aimd {
    /// To which share the limit shrinks. Not 0 %, and less than 100 %.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub backoff: Ratio,
    /// The mean latency of a window that is too long. Not zero.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub latency_max: Duration,
}

impl Default for Aimd {
    /// To nine tenths, which TCP's CUBIC and Netflix come near to; 5 s, so that without a better value only what is broken counts.
    /// Write what your callers can wait for.
    fn default() -> Self {
        Self { backoff: Ratio::percent(90), latency_max: Duration::from_secs(5) }
    }
}

impl Policy {
    /// By additive increase and multiplicative decrease, when the mean latency exceeds this one.
    pub fn aimd(latency_max: Duration) -> Self {
        let algorithm = Algorithm::Aimd(Aimd { latency_max, ..Aimd::default() });
        Self { algorithm, ..Self::default() }
    }

    /// Whether the values go together.
    ///
    /// # Errors
    /// The field that does not fit, and what to write instead.
    pub fn check(&self) -> Result<(), PolicyError> {
        let Self { initial, min, max, window, .. } = *self;
        match () {
            () if min == 0 => return Err(PolicyError::NoMin),
            () if max > PLACES_MAX => return Err(PolicyError::Max { max }),
            () if !(min..=max).contains(&initial) => {
                return Err(PolicyError::Initial { initial, min, max });
            }
            () if !(WINDOW_MIN..=WINDOW_MAX).contains(&window) => {
                return Err(PolicyError::Window { window });
            }
            () if self.samples_min == 0 => return Err(PolicyError::NoSamples),
            () => {}
        }
        self.bulkhead(initial).check()?;
        match self.algorithm {
            Algorithm::Gradient(it) => it.check(window),
            Algorithm::Aimd(it) => it.check(),
        }
    }

    pub(super) const fn bulkhead(&self, limit: u32) -> bulkhead::Policy {
        bulkhead::Policy { limit, queue: self.queue, wait: self.wait }
    }
}

impl Gradient {
    fn check(self, window: Duration) -> Result<(), PolicyError> {
        let Self { smoothing, headroom, long_windows, probe_every, .. } = self;
        let shortest = window * 10;
        match () {
            () if smoothing == Ratio::ZERO => Err(PolicyError::NoSmoothing),
            () if headroom == 0 => Err(PolicyError::NoHeadroom),
            () if long_windows == 0 => Err(PolicyError::NoLongWindows),
            () if !(shortest..=PROBE_MAX).contains(&probe_every) => {
                Err(PolicyError::ProbeEvery { probe_every, shortest })
            }
            () => Ok(()),
        }
    }
}

impl Aimd {
    fn check(self) -> Result<(), PolicyError> {
        let Self { backoff, latency_max } = self;
        match () {
            () if backoff == Ratio::ZERO || backoff == Ratio::ONE => {
                Err(PolicyError::Backoff { backoff })
            }
            () if latency_max.is_zero() => Err(PolicyError::NoLatency),
            () => Ok(()),
        }
    }
}

const WINDOW_MIN: Duration = Duration::from_millis(10);
const WINDOW_MAX: Duration = Duration::from_hours(1);
const PROBE_MAX: Duration = Duration::from_hours(24);

/// Why a [`Policy`] cannot be followed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The queue and the wait do not go together.
    #[error(transparent)]
    Bulkhead(#[from] bulkhead::PolicyError),
    /// A limit of nothing would never learn that all is well again.
    #[error("`min` is 0, from which no call could tell that all is well again: write at least 1")]
    NoMin,
    /// More places than are counted.
    #[error("`max` is {max}, more than can be counted: write at most {PLACES_MAX}")]
    Max {
        /// What was asked for.
        max: u32,
    },
    /// It begins outside of its bounds.
    #[error("`initial` is {initial}: write one from `min` ({min}) to `max` ({max})")]
    Initial {
        /// Where it begins.
        initial: u32,
        /// The lower bound.
        min: u32,
        /// The upper bound.
        max: u32,
    },
    /// Too short to know anything in, or too long to do anything about it.
    #[error("`window` is {window:?}: write one between `10ms` and `1h`")]
    Window {
        /// What was asked for.
        window: Duration,
    },
    /// A window of nothing.
    #[error("`samples_min` is 0, and nothing can be said of no call: write at least 1")]
    NoSamples,
    /// A limit that never moves.
    #[error("`algorithm.gradient.smoothing` is 0%, with which the limit never moves: write `20%`")]
    NoSmoothing,
    /// A limit that only shrinks.
    #[error(
        "`algorithm.gradient.headroom` is 0, with which the limit never grows: write at least 1"
    )]
    NoHeadroom,
    /// An average over nothing.
    #[error(
        "`algorithm.gradient.long_windows` is 0: write over how many windows the usual latency is an average"
    )]
    NoLongWindows,
    /// Mostly probes, or none.
    #[error(
        "`algorithm.gradient.probe_every` is {probe_every:?}: write one from ten windows ({shortest:?}) to `24h`"
    )]
    ProbeEvery {
        /// What was asked for.
        probe_every: Duration,
        /// Ten windows.
        shortest: Duration,
    },
    /// A limit that goes to nothing, or never shrinks.
    #[error(
        "`algorithm.aimd.backoff` is {backoff}: write to which share the limit shrinks, such as `90%`"
    )]
    Backoff {
        /// What was asked for.
        backoff: Ratio,
    },
    /// Every call would be too slow.
    #[error(
        "`algorithm.aimd.latency_max` is 0, which every call exceeds: write what callers can wait for"
    )]
    NoLatency,
}
