//! Machine: what has numbers to show.

use std::ops::Deref;

use evenkeel_units::Moment;

use super::Measures;

mod guards;
mod kept;
mod ways;

/// What has numbers to show: every machine of a pattern, and yours.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use evenkeel_resilience::observe::{Machine, Measures, Metric, Registry, Format};
/// use evenkeel_resilience::Moment;
///
/// struct Pool { opened: AtomicU64 }
///
/// const OPENED: Metric = Metric::counter("pool", "opened_connections", "Connections that were ever opened.");
///
/// impl Machine for Pool {
///     fn pattern(&self) -> &'static str {
///         "pool"
///     }
///
///     fn measure(&self, _now: Moment, to: &mut Measures) {
///         to.count(OPENED, self.opened.load(Ordering::Relaxed));
///     }
/// }
///
/// let registry = Registry::new();
/// registry.add("prices", Pool { opened: AtomicU64::new(3) })?;
/// let text = registry.text(Moment::START, Format::Prometheus);
/// assert!(text.contains("resilience_pool_opened_connections_total{name=\"prices\"} 3\n"));
/// # Ok::<(), evenkeel_resilience::observe::Taken>(())
/// ```
pub trait Machine: Send + Sync {
    /// The pattern, as in the names of its metrics; it has not two machines of one name.
    fn pattern(&self) -> &'static str;

    /// Says its numbers.
    fn measure(&self, now: Moment, to: &mut Measures);
}

impl<M: Machine + ?Sized> Machine for std::sync::Arc<M> {
    fn pattern(&self) -> &'static str {
        self.deref().pattern()
    }

    fn measure(&self, now: Moment, to: &mut Measures) {
        self.deref().measure(now, to);
    }
}

/// Every metric there is.
#[cfg(any(test, feature = "opentelemetry"))]
pub(super) fn all() -> impl Iterator<Item = super::Metric> {
    guards::ALL.iter().chain(ways::ALL).chain(kept::ALL).copied()
}
