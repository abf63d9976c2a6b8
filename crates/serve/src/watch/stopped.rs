//! Stopped: a clock that goes on when it is told to, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use evenkeel_units::{Clock, Moment};
use jiff::Timestamp;

/// A clock that shows some milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Stopped(Arc<AtomicI64>);

impl Stopped {
    pub(crate) fn at(millis: i64) -> Self {
        Self(Arc::new(AtomicI64::new(millis)))
    }

    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::Relaxed);
    }
}

impl Clock for Stopped {
    fn now(&self) -> Moment {
        Moment::START
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::Relaxed)).unwrap()
    }
}
