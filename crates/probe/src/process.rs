//! Process: is one of those that were found running.
//!
//! ```yaml
//! process: {port: 7401}
//! ```
//!
//! A process that is stopped (SIGSTOP) still holds its port and its memory, and answers nobody; a
//! zombie is only a number. Neither runs.

use std::time::Duration;

use crate::Seen;

/// A process that was found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ProcessSeen {
    /// Its number.
    pub pid: u32,
    /// What it does.
    pub state: ProcessState,
}

/// What a process does, as far as a probe cares.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// It runs, or waits for work.
    Runs,
    /// It is stopped by a signal or a debugger.
    Stopped,
    /// It has ended, and nobody has collected it.
    Zombie,
}

pub(crate) fn judge(found: &[ProcessSeen]) -> Seen {
    let running = found.iter().filter(|it| it.state == ProcessState::Runs).count();
    let detail = match found {
        [] => "no such process".to_owned(),
        [one] => one.in_words(),
        _ if running == found.len() => format!("{running} processes run"),
        many => {
            let idle: Vec<_> = many
                .iter()
                .filter(|it| it.state != ProcessState::Runs)
                .map(|it| it.in_words())
                .collect();
            format!("{running} of {} processes run: {}", many.len(), idle.join(", "))
        }
    };
    // Looking takes no time that the service has to answer for.
    Seen { held: running > 0, detail, took: Duration::ZERO }
}

impl ProcessSeen {
    fn in_words(self) -> String {
        let state = match self.state {
            ProcessState::Runs => "runs",
            ProcessState::Stopped => "is stopped",
            ProcessState::Zombie => "is a zombie",
        };
        format!("pid {} {state}", self.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProcessState::{Runs, Stopped, Zombie};

    #[test]
    fn one_running_process_is_enough() {
        for (states, held, detail) in [
            (&[][..], false, "no such process"),
            (&[Runs], true, "pid 10 runs"),
            (&[Stopped], false, "pid 10 is stopped"),
            (&[Zombie], false, "pid 10 is a zombie"),
            (&[Runs, Runs], true, "2 processes run"),
            (&[Runs, Stopped], true, "1 of 2 processes run: pid 11 is stopped"),
            (
                &[Zombie, Stopped],
                false,
                "0 of 2 processes run: pid 10 is a zombie, pid 11 is stopped",
            ),
        ] {
            let found: Vec<_> =
                (10..).zip(states).map(|(pid, &state)| ProcessSeen { pid, state }).collect();
            let seen = judge(&found);
            assert_eq!((seen.held, &*seen.detail), (held, detail));
        }
    }
}
