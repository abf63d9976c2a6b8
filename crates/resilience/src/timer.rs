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

use evenkeel_units::Moment;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use crate::time::{instant, now};

/// Later than any process lives, so that it need not be waited for: ten years.
pub(crate) const NEVER: Moment = Moment::at(Duration::from_hours(87_600));

thread_local! {
    static SCOPE: Cell<Option<Scope>> = const { Cell::new(None) };
}

/// What whoever is polled now has to know of what stands around it.
#[derive(Copy, Clone)]
struct Scope {
    /// When all of it ends.
    deadline: Moment,
    /// What ends so long after it begins to wait, but has not begun to.
    allowed: Duration,
    /// The earliest moment somebody inside waits for.
    wake: Moment,
    /// The moment that has come, if the timer has fired.
    fired: Moment,
    /// The waker of who opened it, to be compared, never to be used.
    waker: (*const (), *const RawWakerVTable),
}

impl Scope {
    fn is_of(&self, waker: &Waker) -> bool {
        let (data, vtable) = self.waker;
        ptr::eq(data, waker.data()) && ptr::eq(vtable, waker.vtable())
    }
}

/// The scope before, which comes back whatever happens inside.
struct Restored(Option<Scope>);

impl Drop for Restored {
    fn drop(&mut self) {
        SCOPE.set(self.0);
    }
}

/// Does `work` in a scope that ends at `deadline`, or `allowed` from when it waits, but not later than the one around. Says also
/// the earliest moment that was waited for.
pub(crate) fn scoped<T>(
    waker: &Waker,
    deadline: Moment,
    allowed: Duration,
    fired: Moment,
    work: impl FnOnce() -> T,
) -> (T, Moment) {
    let outer = Restored(SCOPE.get());
    let (deadline, allowed) = match outer.0 {
        Some(it) => (deadline.min(it.deadline), allowed.min(it.allowed)),
        None => (deadline, allowed),
    };
    let waker = (waker.data(), ptr::from_ref(waker.vtable()));
    SCOPE.set(Some(Scope { deadline, allowed, wake: NEVER, fired, waker }));
    let done = work();
    let wake = SCOPE.get().map_or(NEVER, |it| it.wake);
    drop(outer);
    (done, wake)
}

/// When what is polled now has to have ended, if it has to.
pub(crate) fn deadline() -> Option<Moment> {
    let scope = SCOPE.get()?;
    let until = match scope.allowed {
        Duration::MAX => scope.deadline,
        allowed => scope.deadline.min(now() + allowed),
    };
    (until < NEVER).then_some(until)
}

/// The moment that has come in the scope around, if its timer has fired.
pub(crate) fn fired(waker: &Waker) -> Moment {
    SCOPE.get().filter(|it| it.is_of(waker)).map_or(Moment::START, |it| it.fired)
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
        armed: Moment,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Timer {
    /// One that is not armed.
    pub(crate) const fn new() -> Self {
        Self { armed: Moment::START, sleep: None }
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
        if let Some(scope) = SCOPE.get().filter(|it| it.is_of(context.waker())) {
            if scope.fired >= at {
                return Poll::Ready(scope.fired);
            }
            SCOPE.set(Some(Scope { wake: scope.wake.min(at), ..scope }));
            return Poll::Pending;
        }
        if at >= NEVER {
            return Poll::Pending;
        }
        let mut this = self.project();
        loop {
            match this.sleep.as_mut().as_pin_mut() {
                None => {
                    this.sleep.set(Some(sleep_until(instant(at))));
                    *this.armed = at;
                }
                Some(mut sleep) => {
                    // One that fires too early is cheaper than one that is set anew each time.
                    if at < *this.armed {
                        sleep.as_mut().reset(instant(at));
                        *this.armed = at;
                    }
                    ready!(sleep.as_mut().poll(context));
                    let present = now().max(*this.armed);
                    if present >= at {
                        return Poll::Ready(present);
                    }
                    sleep.reset(instant(at));
                    *this.armed = at;
                }
            }
        }
    }
}
