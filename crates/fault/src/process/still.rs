//! Threads that stand still because we trace them, as a debugger does: the kernel lets them go on when we are gone.
//!
//! ```text
//! seize      from here on their stops are told to us, and nothing else changes for them
//! interrupt  they stop; nobody but us is told, and SIGCONT does not move them
//! detach     they go on; so they do when we end, whether in order or not
//! ```
//!
//! A thread that stands still starts no other, so looking again until there is no new one finds them all. A signal
//! that was on its way is handed over before; one that comes later waits. To the kernel it is the thread that traces,
//! not the process, so whoever has stopped somebody also has to let them go.

use std::collections::BTreeSet;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use evenkeel_units::{Clock, SystemClock};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::event::{Timespec, poll};

use super::Process;

/// The kernel stops a thread within microseconds, unless it waits for a device.
const STOP_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether a thread has stopped.
const LOOK: Duration = Duration::from_millis(1);

/// Every thread of a process stands still until this is dropped.
pub(crate) struct Still {
    threads: BTreeSet<i32>,
    /// Another thread of ours could not let them go.
    _of_this_thread: PhantomData<*const ()>,
}

impl Still {
    /// Stops them, also those that are started meanwhile. `wait` waits for so long, and says whether it is time to
    /// give up.
    pub(crate) fn of(
        process: &Process,
        mut wait: impl FnMut(Duration) -> io::Result<bool>,
    ) -> io::Result<Self> {
        let mut still = Self { threads: BTreeSet::new(), _of_this_thread: PhantomData };
        loop {
            let known = &still.threads;
            let new = living(process).filter(|it| !known.contains(it)).collect::<Vec<_>>();
            if new.is_empty() {
                return Ok(still);
            }
            // All at once, so that nobody waits for long who stands already.
            for id in &new {
                still.interrupt(process, *id)?;
            }
            for id in new.iter().filter(|it| still.threads.contains(it)) {
                until_stopped(Pid::from_raw(*id), process, &mut wait)?;
            }
        }
    }

    fn interrupt(&mut self, process: &Process, id: i32) -> io::Result<()> {
        let thread = Pid::from_raw(id);
        match ptrace::seize(thread, ptrace::Options::empty()) {
            Ok(()) => {}
            Err(Errno::ESRCH) => return Ok(()),
            // What has ended meanwhile is not permitted either.
            Err(_) if !living(process).any(|it| it == id) => return Ok(()),
            Err(error) => {
                return Err(io::Error::other(format!("cannot trace {process}: {error}")));
            }
        }
        self.threads.insert(id);
        // Seized first, compared second: from here on the number cannot mean anybody else.
        if !process.is_alive() {
            return Err(io::Error::other(format!("{process} is not there any more")));
        }
        match ptrace::interrupt(thread) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// They stand still for as long as this process of ours is there.
    pub(crate) fn stay(mut self) {
        self.threads.clear();
    }

    /// Those that stand still.
    pub(crate) fn threads(&self) -> impl Iterator<Item = Pid> {
        self.threads.iter().copied().map(Pid::from_raw)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        let clock = SystemClock::start();
        for thread in self.threads() {
            // Who does not stand yet, or was killed meanwhile, cannot be let go at once. The parent of one that was
            // killed hears of its end only after us.
            while ptrace::detach(thread, None).is_err() && clock.now().elapsed() < STOP_MAX {
                match waitpid(thread, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
                    Ok(WaitStatus::Stopped(_, signal)) => {
                        ptrace::detach(thread, signal).unwrap_or_default();
                        break;
                    }
                    Ok(WaitStatus::StillAlive) => pause(LOOK),
                    Ok(WaitStatus::PtraceEvent(..)) | Err(Errno::EINTR) => {}
                    Ok(_) | Err(_) => break,
                }
            }
        }
    }
}

/// The threads that have not ended.
fn living(process: &Process) -> impl Iterator<Item = i32> {
    let living = |state| !matches!(state, 'Z' | 'X');
    process.threads().into_iter().filter(move |it| living(it.1)).map(|it| it.0)
}

fn until_stopped(
    thread: Pid,
    process: &Process,
    wait: &mut impl FnMut(Duration) -> io::Result<bool>,
) -> io::Result<()> {
    let clock = SystemClock::start();
    loop {
        match waitpid(thread, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
            // It stands still, or has ended.
            Ok(WaitStatus::PtraceEvent(..) | WaitStatus::Exited(..) | WaitStatus::Signaled(..))
            | Err(Errno::ECHILD) => return Ok(()),
            // It takes a signal that was on its way first, and stops after it.
            Ok(WaitStatus::Stopped(_, signal)) => match ptrace::cont(thread, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            },
            Ok(_) | Err(Errno::EINTR) => {
                if wait(LOOK)? || clock.now().elapsed() > STOP_MAX {
                    let message = format!("{process} did not stop: it waits for a device, perhaps");
                    return Err(io::Error::other(message));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits, on a thread that may.
pub(crate) fn pause(time: Duration) {
    let time = Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    poll(&mut [], Some(&time)).map(drop).unwrap_or_default();
}
