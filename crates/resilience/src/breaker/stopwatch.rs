//! Stopwatch: how long a call takes, at the price of one look at a clock when it begins and one when it ends.

use std::fmt;
use std::time::Duration;

use evenkeel_units::Moment;

/// A clock that is read when a call begins and when it ends. Any closure that gives a [`Moment`] is one.
///
/// What it reads stays as the clock has it until somebody wants a moment: to turn every look into one costs as much again as
/// the look.
pub trait Stopwatch {
    /// What it reads.
    type Reading: Copy + fmt::Debug;

    /// The present.
    fn read(&self) -> Self::Reading;

    /// The moment that was read.
    fn moment(&self, reading: Self::Reading) -> Moment;

    /// The time from one reading to a later one; zero if the clock stepped back.
    fn between(&self, begin: Self::Reading, end: Self::Reading) -> Duration;
}

impl<F: Fn() -> Moment> Stopwatch for F {
    type Reading = Moment;

    #[inline]
    fn read(&self) -> Moment {
        self()
    }

    #[inline]
    fn moment(&self, reading: Moment) -> Moment {
        reading
    }

    #[inline]
    fn between(&self, begin: Moment, end: Moment) -> Duration {
        end - begin
    }
}
