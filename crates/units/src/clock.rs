//! Time, as the rest of evenkeel is allowed to see it.
//!
//! Judging code never asks what time it is; it is told. A [`Moment`] is the
//! distance from the start of a run, so a recorded run replays to the same
//! verdict on any machine. Only this file may read the system clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long after the start of the run something happened. In JSON: seconds.
#[derive(
    Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(#[serde(with = "crate::duration::seconds")] Duration);

impl Moment {
    /// The instant the run began.
    pub const START: Self = Self(Duration::ZERO);

    /// The moment `elapsed` after the start.
    pub const fn at(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// Time passed since the start.
    pub const fn elapsed(self) -> Duration {
        self.0
    }

    /// Seconds passed since the start.
    pub const fn as_secs_f64(self) -> f64 {
        self.0.as_secs_f64()
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    /// Saturates: a drill that is asked to wait for ever waits for ever.
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// Zero when `earlier` is in fact later; clocks that step must not panic a judge.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", crate::Human(self.0))
    }
}

/// Where shells get the present from.
pub trait Clock: Send + Sync {
    /// The present moment; never goes backwards.
    fn now(&self) -> Moment;

    /// The time on people's clocks, for names of runs and for allowed hours; may step.
    fn wall(&self) -> jiff::Timestamp;
}

/// The operating system's clocks.
#[derive(Copy, Clone, Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
}

impl SystemClock {
    /// Starts a clock whose [`Moment::START`] is now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// The instant of [`Moment::START`], for shells that hand deadlines to the operating system.
    pub const fn origin(&self) -> std::time::Instant {
        self.origin
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment(self.origin.elapsed())
    }

    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}
