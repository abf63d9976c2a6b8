//! Keeper: two threads that keep a store, one that syncs and one that tends.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_units::Clock;

use crate::error::WriteError;
use crate::store::Store;

/// Keeps a store while it is there. What fails is told, and tried again in the next round.
pub struct Keeper {
    ended: Arc<(Mutex<bool>, Condvar)>,
    threads: Vec<JoinHandle<()>>,
}

/// How often a store is tended.
const TEND_EVERY: Duration = Duration::from_secs(1);

impl Keeper {
    /// Begins. `fails` is told of every error.
    pub fn start(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        fails: impl Fn(WriteError) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let ended = Arc::new((Mutex::new(false), Condvar::new()));
        let mut keeper = Self { ended, threads: Vec::new() };
        let fails = Arc::new(fails);
        let (its, tell, time) = (store.clone(), fails.clone(), clock.clone());
        let tell_time = move |store: &Store| store.tell_time(time.wall().as_millisecond());
        // Who brings samples before the first round is asked of which time they are, too.
        tell_time(&store);
        keeper.every(store.options().sync_every, "tsdb-sync", move || {
            tell_time(&its);
            its.sync().unwrap_or_else(|error| tell(error));
        })?;
        keeper.every(TEND_EVERY, "tsdb-tend", move || {
            if let Err(error) = store.tend(clock.wall().as_millisecond()) {
                fails(error);
            }
        })?;
        Ok(keeper)
    }

    fn every(
        &mut self,
        pause: Duration,
        name: &str,
        work: impl Fn() + Send + 'static,
    ) -> std::io::Result<()> {
        let ended = self.ended.clone();
        let rounds = move || {
            loop {
                let (is_ended, told) = &*ended;
                let guard = is_ended.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = told.wait_timeout_while(guard, pause, |ended| !*ended);
                let over = *waited.unwrap_or_else(PoisonError::into_inner).0;
                // One more round at the end, so that what came last is on disk.
                work();
                if over {
                    return;
                }
            }
        };
        self.threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(rounds)?);
        Ok(())
    }
}

impl Drop for Keeper {
    /// Ends both threads after a last round.
    fn drop(&mut self) {
        let (is_ended, told) = &*self.ended;
        *is_ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        told.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so itself.
            drop(thread.join());
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Keeper").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batch, Options};
    use evenkeel_series::Labels;
    use evenkeel_units::SystemClock;

    #[test]
    fn what_came_last_is_synced_when_the_keeper_ends() {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { sync_every: Duration::from_hours(1), ..Options::default() };
        let store = Arc::new(Store::open(directory.path(), options).unwrap());
        let clock = Arc::new(SystemClock::start());
        let keeper = Keeper::start(store.clone(), clock, |error| panic!("{error}")).unwrap();
        let mut batch = Batch::default();
        batch.float(store.intern(&Labels::of([("a", "1")])).unwrap(), 1, 1.0);
        store.append(&batch).unwrap();
        drop(keeper);
        let state = store.lock();
        assert!(state.now.is_some() && state.log.is_synced());
    }
}
