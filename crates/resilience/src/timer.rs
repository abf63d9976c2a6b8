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
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use crate::time::{instant, now};

/// Later than any process lives, so that it need not be waited for: ten years. Moments are nanoseconds here, which are
/// compared and kept for a fraction of what a [`Moment`] takes.
pub(crate) const NEVER: u64 = 10 * 365 * 86_400 * 1_000_000_000;

pub(crate) const fn moment(nanos: u64) -> Moment {
    Moment::at(Duration::from_nanos(nanos))
}

thread_local! {
    static SCOPE: Cells = const { Cells::none() };
}

/// What whoever is polled now has to know of what stands around it.
struct Cells {
    /// When all of it ends.
    deadline: Cell<u64>,
    /// What ends so long after it begins to wait, but has not begun to.
    allowed: Cell<u64>,
    /// The earliest moment somebody inside waits for.
    wake: Cell<u64>,
    /// The moment that has come, if the timer has fired.
    fired: Cell<u64>,
    /// The waker of who opened it, to be compared, never to be used.
    waker: Cell<(*const (), *const RawWakerVTable)>,
}

impl Cells {
    const fn none() -> Self {
        Self {
            deadline: Cell::new(NEVER),
            allowed: Cell::new(u64::MAX),
            wake: Cell::new(NEVER),
            fired: Cell::new(0),
            waker: Cell::new((ptr::null(), ptr::null())),
        }
    }

    #[inline]
    fn is_of(&self, waker: &Waker) -> bool {
        let (data, vtable) = self.waker.get();
        ptr::eq(data, waker.data()) && ptr::eq(vtable, waker.vtable())
    }
}

/// For as long as it lives, what is polled is inside a limit. Dropped, also by a panic, it leaves what was before.
pub(crate) struct Scope {
    deadline: u64,
    allowed: u64,
    wake: u64,
    fired: u64,
    waker: (*const (), *const RawWakerVTable),
}

impl Scope {
    /// One that ends at `deadline`, or `allowed` from when it waits, but not later than the one around. `fired` is what
    /// has come.
    #[inline]
    pub(crate) fn open(waker: &Waker, deadline: u64, allowed: u64, fired: u64) -> Self {
        SCOPE.with(|it| Self {
            deadline: it.deadline.replace(deadline.min(it.deadline.get())),
            allowed: it.allowed.replace(allowed.min(it.allowed.get())),
            wake: it.wake.replace(NEVER),
            fired: it.fired.replace(fired),
            waker: it.waker.replace((waker.data(), ptr::from_ref(waker.vtable()))),
        })
    }

    /// Closes it, and says the earliest moment that was waited for.
    pub(crate) fn close(self) -> u64 {
        let wake = SCOPE.with(|it| it.wake.get());
        drop(self);
        wake
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        SCOPE.with(|it| {
            it.deadline.set(self.deadline);
            it.allowed.set(self.allowed);
            it.wake.set(self.wake);
            it.fired.set(self.fired);
            it.waker.set(self.waker);
        });
    }
}

/// For as long as it lives, what is made may take so long from when it waits. Nothing waits meanwhile.
pub(crate) struct Allowed(u64);

impl Allowed {
    #[inline]
    pub(crate) fn set(nanos: u64) -> Self {
        SCOPE.with(|it| Self(it.allowed.replace(nanos.min(it.allowed.get()))))
    }
}

impl Drop for Allowed {
    #[inline]
    fn drop(&mut self) {
        SCOPE.with(|it| it.allowed.set(self.0));
    }
}

/// When what is polled now has to have ended, if it has to.
pub(crate) fn deadline() -> Option<Moment> {
    SCOPE.with(|it| {
        let until = match it.allowed.get() {
            u64::MAX => it.deadline.get(),
            allowed => it.deadline.get().min(nanos(now().elapsed()).saturating_add(allowed)),
        };
        (until < NEVER).then(|| moment(until))
    })
}

/// The moment that has come in the scope around, if its timer has fired.
#[inline]
pub(crate) fn fired(waker: &Waker) -> u64 {
    SCOPE.with(|it| if it.is_of(waker) { it.fired.get() } else { 0 })
}

/// Ends at a moment.
pub(crate) fn until(at: Moment) -> Until {
    Until { at, timer: Timer::new() }
}

pin_project! {
    /// The wait until a moment.
    #[derive(Debug)]
    pub(crate) struct Until {
        at: Moment,
        #[pin]
        timer: Timer,
    }
}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.timer.poll_until(context, *this.at).map(|_| ())
    }
}

pin_project! {
    /// A timer that may never be armed.
    #[derive(Debug)]
    pub(crate) struct Timer {
        armed: u64,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Timer {
    /// One that is not armed.
    pub(crate) const fn new() -> Self {
        Self { armed: 0, sleep: None }
    }

    #[cfg(test)]
    pub(crate) const fn is_armed(&self) -> bool {
        self.sleep.is_some()
    }

    /// Ready, with the present, when `at` has come. Once it is pending, the task is woken then.
    pub(crate) fn poll_until(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        at: Moment,
    ) -> Poll<Moment> {
        self.poll(context, nanos(at.elapsed())).map(moment)
    }

    /// The same in nanoseconds.
    pub(crate) fn poll(self: Pin<&mut Self>, context: &mut Context<'_>, at: u64) -> Poll<u64> {
        let in_scope = SCOPE.with(|it| {
            it.is_of(context.waker()).then(|| {
                if it.fired.get() >= at {
                    return Poll::Ready(it.fired.get());
                }
                it.wake.set(at.min(it.wake.get()));
                Poll::Pending
            })
        });
        if let Some(poll) = in_scope {
            return poll;
        }
        if at >= NEVER {
            return Poll::Pending;
        }
        let mut this = self.project();
        loop {
            match this.sleep.as_mut().as_pin_mut() {
                None => {
                    this.sleep.set(Some(sleep_until(instant(moment(at)))));
                    *this.armed = at;
                }
                Some(mut sleep) => {
                    // One that fires too early is cheaper than one that is set anew each time.
                    if at < *this.armed {
                        sleep.as_mut().reset(instant(moment(at)));
                        *this.armed = at;
                    }
                    ready!(sleep.as_mut().poll(context));
                    let present = nanos(now().elapsed()).max(*this.armed);
                    if present >= at {
                        return Poll::Ready(present);
                    }
                    sleep.reset(instant(moment(at)));
                    *this.armed = at;
                }
            }
        }
    }
}
