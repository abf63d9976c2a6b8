//! Sync: what threads share, by the standard library, or by loom where every interleaving is tried.

#[cfg(not(feature = "loom"))]
pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, atomic};

#[cfg(not(feature = "loom"))]
pub(crate) use evenkeel_units::locked;

#[cfg(feature = "loom")]
pub(crate) use loom::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, atomic};

/// As [`evenkeel_units::locked`].
#[cfg(feature = "loom")]
pub(crate) fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
