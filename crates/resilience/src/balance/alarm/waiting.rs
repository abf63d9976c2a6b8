//! Waiting: who is woken when others may be called.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use super::Alarm;
use crate::sync::{Mutex, MutexGuard, locked};

/// Wakers of all who wait, by a number for each.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    wakers: Mutex<(u64, BTreeMap<u64, Waker>)>,
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Waker>)> {
        // Nothing that can panic runs under the lock.
        locked(&self.wakers)
    }
}

impl Alarm {
    /// Wakes all who wait; each of them looks again.
    pub(in crate::balance) fn wake(&self) {
        let wakers = mem::take(&mut self.waiters.lock().1);
        wakers.into_values().for_each(Waker::wake);
    }

    /// Wakes `waker` at the next news, as long as the answer is held.
    pub(in crate::balance) fn wait(self: &Arc<Self>, waker: &Waker) -> Waiting {
        let waker = waker.clone();
        let mut waiters = self.waiters.lock();
        let id = waiters.0;
        waiters.0 += 1;
        waiters.1.insert(id, waker);
        drop(waiters);
        Waiting { alarm: Arc::clone(self), id }
    }
}

/// Being woken at news, until it is dropped: who waits no more must not be kept alive by its waker.
#[derive(Debug)]
pub(crate) struct Waiting {
    alarm: Arc<Alarm>,
    id: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // The waker is dropped after the lock is free, as the task that ends with it may wait here, too.
        let waker = self.alarm.waiters.lock().1.remove(&self.id);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_waits_is_woken_once_and_forgotten_when_it_waits_no_more() {
        let (alarm, woken) = (Arc::new(Alarm::default()), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let [gone, stays] = [(); 2].map(|()| alarm.wait(&waker));
        drop(gone);
        alarm.ring();
        alarm.ring();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        drop(stays);
        drop((0..100).map(|_| alarm.wait(&waker)).collect::<Vec<_>>());
        drop(waker);
        assert_eq!(Arc::strong_count(&woken), 1);
    }
}
