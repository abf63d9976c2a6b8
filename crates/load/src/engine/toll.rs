//! Toll: what the thread of a worker costs.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::Moment;
use rustix::time::{ClockId, clock_gettime};

use crate::hand::Wire;

/// How often the thread writes down what it costs.
const EVERY: Duration = Duration::from_millis(100);

/// The processor time of this thread, and who has been told of it.
pub(crate) struct Toll {
    wire: Arc<Wire>,
    next: Moment,
    /// What earlier seconds have been told of.
    told: Duration,
}

impl Toll {
    pub(crate) fn new(wire: &Arc<Wire>) -> Self {
        Self { wire: Arc::clone(wire), next: Moment::START, told: Duration::ZERO }
    }

    /// Writes it down, now and then.
    pub(crate) fn note(&mut self, now: Moment) {
        if now >= self.next {
            self.next = now + EVERY;
            self.wire.spent(own_cpu());
        }
    }

    /// What the thread has cost since this was asked for last.
    pub(crate) fn of_second(&mut self) -> Duration {
        let cpu = own_cpu();
        cpu.saturating_sub(std::mem::replace(&mut self.told, cpu))
    }
}

impl Drop for Toll {
    fn drop(&mut self) {
        self.wire.spent(own_cpu());
    }
}

fn own_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
