//! Time: where this crate gets the present from.
//!
//! `evenkeel-resilience` has the same for its layers. What both could share would be `units`, which knows no runtime; and neither needs
//! the other for twenty lines.
//!
//! From tokio's clock, so that `tokio::time::pause` and `tokio::time::advance` drive every check in a test.

use evenkeel_units::Moment;
use tokio::time::Instant;

/// Moments from here on.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Origin(Instant);

impl Origin {
    /// Counts from now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The present.
    pub(crate) fn now(self) -> Moment {
        Moment::at(Instant::now().saturating_duration_since(self.0))
    }

    /// When that is for tokio's timers; the far future if there is no such instant.
    pub(crate) fn instant(self, of: Moment) -> Instant {
        let far = std::time::Duration::from_hours(8_760);
        self.0.checked_add(of.elapsed()).unwrap_or(self.0 + far)
    }
}
