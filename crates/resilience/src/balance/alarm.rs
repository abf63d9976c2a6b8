//! Alarm: when who may be called has to be thought over again.
//!
//! One word: the moment in nanoseconds at which something is due. Whoever has news sets it to 0, which is always due. Who thinks over
//! *disarms* it first and arms it last, and only if nobody rang meanwhile: so news are seen either by the thought under way or by
//! the next one, and none is lost. The model in `tests/loom` tries every interleaving.

use evenkeel_units::Moment;

use crate::sync::atomic::{AtomicU64, Ordering};
#[cfg(feature = "tower")]
use crate::sync::{Mutex, MutexGuard};

const DISARMED: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Alarm {
    due: AtomicU64,
    /// Who waits for an endpoint that may be called.
    #[cfg(feature = "tower")]
    wakers: Mutex<Vec<std::task::Waker>>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            due: AtomicU64::new(DISARMED),
            #[cfg(feature = "tower")]
            wakers: Mutex::new(Vec::new()),
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

#[cfg(feature = "tower")]
impl Alarm {
    /// Wakes all who wait; each of them looks again.
    pub(super) fn wake(&self) {
        let wakers = std::mem::take(&mut *self.wakers());
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// Wakes `waker` at the next news, once.
    pub(super) fn wait(&self, waker: &std::task::Waker) {
        let mut wakers = self.wakers();
        if !wakers.iter().any(|it| it.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    fn wakers(&self) -> MutexGuard<'_, Vec<std::task::Waker>> {
        // Nothing that can panic runs under the lock.
        self.wakers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn nanos(of: Moment) -> u64 {
    u64::try_from(of.elapsed().as_nanos()).unwrap_or(DISARMED - 1)
}
