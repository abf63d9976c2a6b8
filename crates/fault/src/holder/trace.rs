//! Threads that stand still because we trace them ([`Still`]): the kernel lets them go on when we are gone.
//!
//! No step could be missed: whether we end in order or not, they go on. SIGKILL does not wait for that: a process that
//! is killed meanwhile is seen off at once, because its parent hears of its end only after us.

use std::fmt;
use std::io;
use std::time::Duration;

use evenkeel_units::{Clock, SystemClock};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use serde::{Deserialize, Serialize};

use super::{Counters, Life, counters};
use crate::process::still::Still;
use crate::process::{Process, State};

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
        for process in &self.processes {
            Still::of(process, |time| life.wait_for(time))?.stay();
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

/// Lets the parents of those who were killed know.
fn see_off() {
    let any = || waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG));
    while !matches!(any(), Ok(WaitStatus::StillAlive) | Err(_)) {}
}
