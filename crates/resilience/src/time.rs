//! Time: where the async shells of the patterns get the present from.
//!
//! The machines are told the time. What is called under tokio reads tokio's clock, so that `tokio::time::pause` and
//! `tokio::time::advance` drive every pattern, and one clock serves all of a process.

use std::sync::LazyLock;
use std::time::Duration;

use evenkeel_units::Moment;

use crate::breaker::Stopwatch;

/// From here on all moments are counted: a day before the first question, as the clock of a runtime that was paused then
/// stands earlier, and what is before the origin cannot be told apart.
#[expect(clippy::disallowed_methods, reason = "the one place that reads a clock")]
static ORIGIN: LazyLock<std::time::Instant> = LazyLock::new(|| {
    let now = std::time::Instant::now();
    now.checked_sub(Duration::from_hours(24)).unwrap_or(now)
});

/// The present, as tokio's clock says it: one that stands still while it is paused, and jumps when it is advanced. It never
/// goes back within a runtime.
#[inline]
pub fn now() -> Moment {
    TokioClock.moment(TokioClock.read())
}

/// Tokio's clock, of which [`now`] is the present, to time calls with.
#[derive(Copy, Clone, Debug, Default)]
pub struct TokioClock;

impl Stopwatch for TokioClock {
    type Reading = tokio::time::Instant;

    #[inline]
    fn read(&self) -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    #[inline]
    fn moment(&self, reading: tokio::time::Instant) -> Moment {
        Moment::at(reading.into_std().saturating_duration_since(*ORIGIN))
    }

    #[inline]
    fn between(&self, begin: tokio::time::Instant, end: tokio::time::Instant) -> Duration {
        end.saturating_duration_since(begin)
    }
}

/// When a moment of [`now`] is, for the timers of tokio.
pub(crate) fn instant(of: Moment) -> tokio::time::Instant {
    tokio::time::Instant::from_std(*ORIGIN + of.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_stands_still_until_it_is_advanced() {
        let before = now();
        assert_eq!(now(), before);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(now() - before, Duration::from_hours(1));
        assert_eq!(instant(now()), tokio::time::Instant::now());
    }
}
