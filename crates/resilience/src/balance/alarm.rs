//! Alarm: when who may be called has to be thought over again.
//!
//! One word: the moment in nanoseconds at which something is due. Whoever has news sets it to 0, which is always due. Who thinks over
//! *disarms* it first and arms it last, and only if nobody rang meanwhile: so news are seen either by the thought under way or by
//! the next one, and none is lost. The model in `tests/loom` tries every interleaving.

#[cfg(feature = "tower")]
mod waiting;

use evenkeel_units::Moment;

use crate::sync::atomic::{AtomicU64, Ordering};

#[cfg(feature = "tower")]
pub(crate) use self::waiting::Waiting;

const DISARMED: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Alarm {
    due: AtomicU64,
    #[cfg(feature = "tower")]
    waiters: waiting::Waiters,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            due: AtomicU64::new(DISARMED),
            #[cfg(feature = "tower")]
            waiters: waiting::Waiters::default(),
        }
    }
}

impl Alarm {
    /// There is news.
    pub(super) fn ring(&self) {
        self.due.swap(0, Ordering::AcqRel);
        #[cfg(feature = "tower")]
        self.wake();
    }

    #[inline]
    pub(super) fn is_due(&self, now: Moment) -> bool {
        let due = self.due.load(Ordering::Relaxed);
        due != DISARMED && nanos(now) >= due
    }

    /// Before news are read.
    pub(super) fn disarm(&self) {
        self.due.swap(DISARMED, Ordering::AcqRel);
    }

    /// After they were, unless there are others; `None` for never.
    pub(super) fn arm(&self, due: Option<Moment>) {
        let due = due.map_or(DISARMED, nanos);
        let armed = self.due.compare_exchange(DISARMED, due, Ordering::AcqRel, Ordering::Relaxed);
        debug_assert!(
            matches!(armed, Ok(_) | Err(0)),
            "only who rings interferes, and stays heard"
        );
    }
}

fn nanos(of: Moment) -> u64 {
    evenkeel_units::nanos(of.elapsed()).min(DISARMED - 1)
}
