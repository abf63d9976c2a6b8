//! Threads that stand still because we trace them, as a debugger does: the kernel lets them go on when we are gone.
//!
//! ```text
//! seize      from here on their stops are told to us, and nothing else changes for them
//! interrupt  they stop; nobody but us is told, and SIGCONT does not move them
//! we end     whether in order or not, they go on: there is no step that could be missed
//! ```
//!
//! A thread that stands still starts no other, so looking again until there is no new one finds them all. A signal
//! that was on its way is handed over before; one that comes later waits. SIGKILL does not wait: a process that is
//! killed meanwhile is seen off at once, because its parent hears of its end only after us.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::time::Duration;

use evenkeel_units::{Clock, SystemClock};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::{Counters, Life, counters};
use crate::process::{Process, State};

/// The kernel stops a thread within microseconds, unless it waits for a device.
const STOP_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether a thread has stopped.
const LOOK: Duration = Duration::from_millis(1);
/// How often it is looked whether somebody has been killed.
const SEE_OFF: Duration = Duration::from_millis(20);

/// Stop every thread of these processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Whom.
    pub processes: Vec<Process>,
}

impl Trace {
    pub(super) fn run(self, life: &Life) -> io::Result<Counters> {
        let mut stopped = BTreeSet::new();
        for process in &self.processes {
            stop(process, &mut stopped, life)?;
        }
        let first = self.standing();
        let clock = SystemClock::start();
        life.ready()?;
        while !life.wait_for(SEE_OFF)? {
            see_off();
        }
        let last = self.standing();
        Ok(counters([
            ("processes_stopped", self.processes.len() as f64),
            ("processes_stopped_to_the_end", self.still() as f64),
            ("threads_stopped", first as f64),
            ("threads_stopped_to_the_end", last as f64),
            ("stopped_seconds", clock.now().elapsed().as_secs_f64()),
        ]))
    }

    /// How many threads stand still because they are traced.
    fn standing(&self) -> usize {
        let threads = self.processes.iter().flat_map(Process::threads);
        threads.filter(|(_, state)| *state == 't').count()
    }

    /// How many processes of which every thread does.
    fn still(&self) -> usize {
        let still = |it: &&Process| {
            let threads = it.threads();
            !threads.is_empty() && threads.iter().all(|(_, state)| matches!(state, 't' | 'Z' | 'X'))
        };
        self.processes.iter().filter(still).filter(|it| it.state() == State::Stopped).count()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.processes.iter().map(Process::to_string).collect();
        write!(f, "stop {} by tracing", names.join(", "))
    }
}

/// Stops every thread of a process, also those that it starts meanwhile.
fn stop(process: &Process, stopped: &mut BTreeSet<i32>, life: &Life) -> io::Result<()> {
    loop {
        let mut is_new = false;
        for (id, _) in
            process.threads().into_iter().filter(|(_, state)| !matches!(state, 'Z' | 'X'))
        {
            if stopped.contains(&id) {
                continue;
            }
            is_new = true;
            let thread = Pid::from_raw(id);
            match ptrace::seize(thread, ptrace::Options::empty()) {
                Ok(()) => {}
                Err(Errno::ESRCH) => continue,
                // What has ended meanwhile is not permitted either.
                Err(_)
                    if !process.threads().iter().any(|(it, state)| *it == id && *state != 'Z') =>
                {
                    continue;
                }
                Err(error) => {
                    return Err(io::Error::other(format!("cannot trace {process}: {error}")));
                }
            }
            // Seized first, compared second: from here on the number cannot mean anybody else.
            if !process.is_alive() {
                return Err(io::Error::other(format!("{process} is not there any more")));
            }
            stopped.insert(id);
            match ptrace::interrupt(thread) {
                Ok(()) => until_stopped(thread, process, life)?,
                Err(Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !is_new {
            return Ok(());
        }
    }
}

fn until_stopped(thread: Pid, process: &Process, life: &Life) -> io::Result<()> {
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
                if life.wait_for(LOOK)? || clock.now().elapsed() > STOP_MAX {
                    let message = format!("{process} did not stop: it waits for a device, perhaps");
                    return Err(io::Error::other(message));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Lets the parents of those who were killed know.
fn see_off() {
    let any = || waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG));
    while !matches!(any(), Ok(WaitStatus::StillAlive) | Err(_)) {}
}
