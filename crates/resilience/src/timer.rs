//! Timer: one timer for all limits of a call, armed when something has to be waited for.
//!
//! Limits nest: a call has a total one, each attempt its own, and between attempts there are waits. A timer for each would be
//! registered and removed with every attempt, which costs more than all else here together. So what stands outermost opens a
//! *scope* for as long as it polls what is inside; there, whoever waits says until when, and the outermost arms one timer at the
//! earliest moment that was said. When it fires, it polls inwards once more and says that the moment has come.
//!
//! That holds only while a wake-up of the task that armed the timer reaches who waits. So a scope is bound to the waker it
//! was opened with: within something that polls by wakers of its own (a spawned task, a set of futures), a timer of its own is used,
//! and only the deadline is inherited.

use std::cell::Cell;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, RawWakerVTable, Waker, ready};
use std::time::Duration;

use evenkeel_units::{Moment, nanos};
use tokio::time::{Sleep, sleep_until};

use crate::time::{instant, now};

/// Later than any process lives, so that it need not be waited for: ten years. Moments are nanoseconds here, which are
/// compared and kept for a fraction of what a [`Moment`] takes.
pub(crate) const NEVER: u64 = 10 * 365 * 86_400 * 1_000_000_000;

pub(crate) const fn moment(nanos: u64) -> Moment {
    Moment::at(Duration::from_nanos(nanos))
}

thread_local! {
    static SCOPE: Cell<Frame> = const { Cell::new(Frame::NONE) };
    /// What ends so long after it begins to wait, but has not begun to.
    static ALLOWED: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// What whoever is polled now has to know of what stands around it. It is kept, and put back, as a whole.
#[derive(Copy, Clone)]
struct Frame {
    /// When all of it ends.
    deadline: u64,
    /// The earliest moment somebody inside waits for.
    wake: u64,
    /// The moment that has come, if the timer has fired.
    fired: u64,
    /// The present, if somebody inside has asked the clock; else 0.
    present: u64,
    waker: Identity,
}

/// Which waker a scope was opened with, to be compared, never to be used.
type Identity = (*const (), *const RawWakerVTable);

fn identity(waker: &Waker) -> Identity {
    (waker.data(), ptr::from_ref(waker.vtable()))
}

impl Frame {
    const NONE: Self = Self {
        deadline: NEVER,
        wake: NEVER,
        fired: 0,
        present: 0,
        waker: (ptr::null(), ptr::null()),
    };

    #[inline]
    fn now() -> Self {
        SCOPE.with(Cell::get)
    }

    #[inline]
    fn is_of(&self, waker: &Waker) -> bool {
        let (data, vtable) = identity(waker);
        ptr::eq(self.waker.0, data) && ptr::eq(self.waker.1, vtable)
    }
}

/// For as long as it lives, what is polled is inside a limit. Dropped, also by a panic, it leaves what was before.
pub(crate) struct Scope {
    around: Frame,
    _allowed: Allowed,
}

impl Scope {
    /// One that ends at `deadline`, or `allowed` from when it waits, but not later than the one around. `fired` is what
    /// has come.
    #[inline]
    pub(crate) fn open(waker: &Waker, deadline: u64, allowed: u64, fired: u64) -> Self {
        SCOPE.with(|it| {
            let around = it.get();
            it.set(Frame {
                deadline: deadline.min(around.deadline),
                wake: NEVER,
                fired,
                present: 0,
                waker: identity(waker),
            });
            Self { around, _allowed: Allowed::set(allowed) }
        })
    }

    /// Closes it, and says the earliest moment that was waited for, and the present if it is known: who waits inside has just
    /// asked the clock, which costs more than the rest.
    #[inline]
    pub(crate) fn close(self) -> (u64, Option<u64>) {
        let Frame { wake, present, .. } = Frame::now();
        drop(self);
        (wake, (present > 0).then_some(present))
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        SCOPE.set(self.around);
    }
}

/// The present, for this scope and those around.
#[inline]
pub(crate) fn present(known: Option<u64>) -> u64 {
    let present = known.unwrap_or_else(|| nanos(now().elapsed()));
    SCOPE.set(Frame { present, ..Frame::now() });
    present
}

/// For as long as it lives, what is made may take so long from when it waits. Nothing waits meanwhile.
pub(crate) struct Allowed(u64);

impl Allowed {
    #[inline]
    pub(crate) fn set(nanos: u64) -> Self {
        Self(ALLOWED.replace(nanos.min(ALLOWED.get())))
    }
}

impl Drop for Allowed {
    #[inline]
    fn drop(&mut self) {
        ALLOWED.set(self.0);
    }
}

/// When what is polled now has to have ended, if it has to.
pub(crate) fn deadline() -> Option<Moment> {
    let Frame { deadline, .. } = Frame::now();
    let until = match ALLOWED.get() {
        u64::MAX => deadline,
        allowed => deadline.min(nanos(now().elapsed()).saturating_add(allowed)),
    };
    (until < NEVER).then(|| moment(until))
}

/// The moment that has come in the scope around, if its timer has fired.
#[inline]
pub(crate) fn fired(waker: &Waker) -> u64 {
    let frame = Frame::now();
    if frame.is_of(waker) { frame.fired } else { 0 }
}

/// Ends at a moment.
pub(crate) fn until(at: Moment) -> Until {
    Until { at, timer: Timer::new() }
}

/// The wait until a moment.
#[derive(Debug)]
pub(crate) struct Until {
    at: Moment,
    timer: Timer,
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        self.timer.poll_until(context, at).map(|_| ())
    }
}

/// A timer that may never be armed. Few of those that stand around a call ever are, and one that is takes a hundred bytes: it
/// lies on the heap from then on, so that futures stay small and are cheap to move.
#[derive(Debug)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Drop for Timer {
    /// Most were never armed.
    #[inline]
    fn drop(&mut self) {
        if let Some(sleep) = self.0.take() {
            disarm(sleep);
        }
    }
}

#[cold]
fn disarm(sleep: Pin<Box<Sleep>>) {
    drop(sleep);
}

impl Timer {
    /// One that is not armed.
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    #[cfg(test)]
    pub(crate) const fn is_armed(&self) -> bool {
        self.0.is_some()
    }

    /// Ready, with the present, when `at` has come. Once it is pending, the task is woken then.
    pub(crate) fn poll_until(&mut self, context: &mut Context<'_>, at: Moment) -> Poll<Moment> {
        self.poll(context, nanos(at.elapsed())).map(moment)
    }

    /// The same in nanoseconds.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, at: u64) -> Poll<u64> {
        let frame = Frame::now();
        if frame.is_of(context.waker()) {
            if frame.fired >= at {
                return Poll::Ready(frame.fired);
            }
            SCOPE.set(Frame { wake: at.min(frame.wake), ..frame });
            return Poll::Pending;
        }
        if at >= NEVER {
            return Poll::Pending;
        }
        let end = instant(moment(at));
        let mut sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(end))).as_mut();
        // One that fires too early is cheaper than one that is set anew each time.
        if end < sleep.deadline() {
            sleep.as_mut().reset(end);
        }
        loop {
            ready!(sleep.as_mut().poll(context));
            let present = nanos(now().elapsed());
            if present >= at {
                return Poll::Ready(present);
            }
            sleep.as_mut().reset(end);
        }
    }
}
