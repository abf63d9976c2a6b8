//! Alarms that ring when they should: one timer of the kernel for all connections, instead of the runtime's wheel,
//! whose spokes are a millisecond apart and which always rings on the spoke after.
//!
//! ```text
//!  connections ─ due at ─▶ alarms of their thread ─ the next one, a little early ─▶ timer
//!       ▲                                                                             │ rings
//!       └──────────── woken when it is time ◀── awake until then (crate::waking) ◀────┘
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, Sleep};

use crate::waking::Waking;

/// A timer that is set to nothing does not ring.
const AT_ONCE: Duration = Duration::from_nanos(1);

thread_local! {
    static ALARMS: RefCell<Alarms> = const { RefCell::new(Alarms::new()) };
}

/// What one connection waits for.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    /// As it stands among all of this thread.
    set: Option<Key>,
    /// Without a descriptor to spare, the wheel has to do.
    wheel: Option<Pin<Box<Sleep>>>,
}

/// When, and whose, by number.
type Key = (Instant, u64);

/// All alarms of a thread, which has one runtime.
struct Alarms {
    set: BTreeMap<Key, Waker>,
    /// Numbers so far.
    count: u64,
    timer: Option<Arc<AsyncFd<OwnedFd>>>,
    armed: Option<Armed>,
    waking: Waking<Instant>,
}

/// What the timer is set to.
struct Armed {
    due: Instant,
    rings: Instant,
    has_rung: bool,
}

/// What is left to do until something is due.
enum Until {
    /// The timer rings.
    Asleep,
    /// It has rung: it is soon.
    Awake,
}

impl Alarm {
    /// Ready at that moment; never without one. What was waited for before is forgotten.
    pub(crate) fn poll(&mut self, then: Option<Instant>, context: &mut Context<'_>) -> Poll<()> {
        let Some(then) = then.filter(|it| *it > Instant::now()) else {
            self.forget();
            return if then.is_some() { Poll::Ready(()) } else { Poll::Pending };
        };
        if self.set.is_none_or(|(due, _)| due != then) {
            self.forget();
        }
        let set = ALARMS.with_borrow_mut(|it| it.set(self.set, then, context.waker()));
        match set {
            Ok(key) => {
                self.set = Some(key);
                Poll::Pending
            }
            Err(_) => {
                let wheel =
                    self.wheel.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(then)));
                wheel.as_mut().poll(context)
            }
        }
    }

    fn forget(&mut self) {
        self.wheel = None;
        if let Some(key) = self.set.take() {
            // A thread that ends has forgotten all.
            ALARMS.try_with(|it| it.borrow_mut().set.remove(&key)).map(drop).unwrap_or_default();
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Alarms {
    const fn new() -> Self {
        let waking = Waking::new();
        Self { set: BTreeMap::new(), count: 0, timer: None, armed: None, waking }
    }

    /// Sets an alarm, or one that is set on whoever waits for it now.
    fn set(&mut self, known: Option<Key>, then: Instant, waker: &Waker) -> io::Result<Key> {
        if let Some(key) = known
            && let Some(set) = self.set.get_mut(&key)
        {
            set.clone_from(waker);
            return Ok(key);
        }
        if self.timer.is_none() {
            let timer = Arc::new(open()?);
            self.timer = Some(Arc::clone(&timer));
            tokio::spawn(ring(timer));
        }
        self.count += 1;
        let key = (then, self.count);
        self.set.insert(key, waker.clone());
        match self.arm(Instant::now()) {
            Ok(_) => Ok(key),
            Err(error) => {
                self.set.remove(&key);
                Err(error)
            }
        }
    }

    /// The one that is due by now and has been for longest.
    fn due(&mut self, now: Instant) -> Option<Waker> {
        let first = self.set.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Sets the timer for what is due next, unless it is.
    fn arm(&mut self, now: Instant) -> io::Result<Until> {
        if let Some(armed) = &mut self.armed
            && armed.rings <= now
            && !std::mem::replace(&mut armed.has_rung, true)
        {
            self.waking.woke(now - armed.rings);
        }
        let Some(&(due, _)) = self.set.keys().next() else {
            self.armed = None;
            return Ok(Until::Asleep);
        };
        if let Some(armed) = self.armed.as_ref().filter(|it| it.due == due) {
            return Ok(if armed.has_rung { Until::Awake } else { Until::Asleep });
        }
        let pause = self.waking.pause(due.saturating_duration_since(now), due).max(AT_ONCE);
        let value = Timespec {
            tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: pause.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        if let Some(timer) = &self.timer {
            timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
        }
        self.armed = Some(Armed { due, rings: now + pause, has_rung: false });
        Ok(Until::Asleep)
    }
}

/// Wakes whoever is due, as long as the runtime lives.
async fn ring(timer: Arc<AsyncFd<OwnedFd>>) -> io::Result<()> {
    loop {
        while let Some(waker) = ALARMS.with_borrow_mut(|it| it.due(Instant::now())) {
            waker.wake();
        }
        match ALARMS.with_borrow_mut(|it| it.arm(Instant::now()))? {
            // What it tells is not read: it is set anew for each ring, and the clock says which one it was.
            Until::Asleep => timer.readable().await?.clear_ready(),
            // Others have their turns meanwhile.
            Until::Awake => tokio::task::yield_now().await,
        }
    }
}

#[expect(deprecated, reason = "it asks for a descriptor that stays the same, as an owned one does")]
fn open() -> io::Result<AsyncFd<OwnedFd>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    async fn until(then: Instant) -> Instant {
        let mut alarm = Alarm::default();
        poll_fn(|it| alarm.poll(Some(then), it)).await;
        Instant::now()
    }

    #[tokio::test]
    async fn several_alarms_ring_and_none_of_them_early() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let (late, soon) = tokio::join!(until(after(30)), until(after(10)));
        assert!(late >= after(30) && soon >= after(10));
        // A moment that is over is none to wait for.
        assert!(until(start).await >= late);
    }

    #[tokio::test]
    async fn one_that_is_given_up_holds_nobody_up() {
        let start = Instant::now();
        let mut given_up = Alarm::default();
        let soon = Some(start + Duration::from_millis(1));
        poll_fn(|it| Poll::Ready(given_up.poll(soon, it))).await.is_pending();
        drop(given_up);
        let then = start + Duration::from_millis(20);
        assert!(until(then).await >= then);
        assert!(ALARMS.with_borrow(|it| it.set.is_empty()));
    }
}
