//! Watch: what a server does at intervals, whoever asks or not.
//!
//! ```text
//! documents  the objectives that are judged, as they were read
//! round      all of them judged at one moment
//! figures    what a round says of each, as series
//! written    the series that are written at intervals, and ended when they are no longer there
//! moment     reckoning with moments in milliseconds
//! ```
//!
//! One thread does all of it, one thing after the other. The first round is at the start, the others are at multiples of
//! the interval, which is `evaluation_interval` of the configuration.

mod documents;
mod figures;
mod moment;
mod round;
mod written;

use evenkeel_metrics::exposition::Writer;
use evenkeel_units::Clock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch::Receiver;

pub use self::documents::Documents;
use self::moment::{between, next};
pub use self::round::{Round, Stood};
use self::written::Written;
use crate::server::World;

/// What is watched, and what was seen last.
#[derive(Debug)]
pub(crate) struct Watch {
    documents: Arc<Documents>,
    last: Mutex<Option<Arc<Round>>>,
}

impl Watch {
    /// Nothing was judged yet.
    pub(crate) fn new(documents: Documents) -> Self {
        Self { documents: Arc::new(documents), last: Mutex::default() }
    }

    /// The documents that are judged by.
    pub(crate) fn documents(&self) -> Arc<Documents> {
        Arc::clone(&self.documents)
    }

    /// What was judged last; `None` before the end of the first round.
    pub(crate) fn last(&self) -> Option<Arc<Round>> {
        locked(&self.last).clone()
    }

    /// Writes what was judged last in the text of metrics.
    pub(crate) fn write(&self, to: &mut Writer) {
        if let Some(round) = self.last() {
            figures::write(&round, to);
        }
    }
}

/// Watches until it is told to stop.
pub(crate) fn run<C: Clock>(world: &World<C>, told: Receiver<bool>) {
    // Without a runtime nothing can be waited for, and nothing is judged, which whoever looks for a round sees.
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() {
        runtime.block_on(rounds(world, told));
    }
}

async fn rounds<C: Clock>(world: &World<C>, mut told: Receiver<bool>) {
    let mut written = Written::default();
    while !*told.borrow() {
        let watch = &world.watch;
        let documents = watch.documents();
        if !documents.objectives.is_empty() {
            let round = Round::of(&documents, world.store.snapshot(), &world.clock).await;
            let figures = figures::samples(&figures::of(&round));
            if written.write(&world.store, round.at.as_millisecond(), figures).is_err() {
                world.counts.failure();
            }
            *locked(&watch.last) = Some(Arc::new(round));
        }
        let now = world.now();
        let wait = between(now, next(now, world.evaluation_every, 0));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = told.wait_for(|it| *it) => return,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept here is whole after every step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
