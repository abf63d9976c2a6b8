//! Processes: finding those that a fault is aimed at, and telling them from all others.
//!
//! ```text
//! find      pid, program, listening port, command line, control group or unit → families of processes,
//!           never ourselves
//! Process   pid + start time: names one process for as long as the host is up
//! family    a process and those of its children that were found with it: nginx and its workers
//! ```
//!
//! Never found: pid 1, threads of the kernel, this process, its ancestors (the shell, the terminal, the
//! CI agent), our own guardian and burners, and whoever listens on port 22: the way in by which people mend. A signal goes through a pidfd that is opened first and
//! compared second, so it cannot reach a stranger who got the number in between.

pub(crate) mod cgroup;
mod files;
pub(crate) mod first;
pub(crate) mod namespace;
mod port;
pub(crate) mod stat;
pub(crate) mod still;
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use evenkeel_model::document::{Finder, fits};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use self::stat::Stat;

/// Set in the environment of our own helpers, so that no fault is ever aimed at them.
pub const HELPER: &str = "EVENKEEL_HELPER";

/// Where people come in to mend.
const SSH: u16 = 22;

/// One process of this host, until the host reboots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the host booted.
    pub start_time: u64,
    /// What it calls itself.
    pub name: String,
}

/// How a process is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs, or waits for something.
    Running,
    /// It was stopped, by us or by somebody else.
    Stopped,
    /// It has ended, and its parent has not looked yet.
    Zombie,
    /// It is not there, or its number belongs to another one.
    Gone,
}

impl Process {
    /// The process that has this number now.
    pub fn of(pid: u32) -> Option<Self> {
        Stat::of(pid).map(Self::from)
    }

    /// This process.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// How it is.
    pub fn state(&self) -> State {
        match self.stat().map(|it| it.state) {
            None | Some('X' | 'x') => State::Gone,
            Some('Z') => State::Zombie,
            Some('T' | 't') => State::Stopped,
            Some(_) => State::Running,
        }
    }

    /// Whether it is there and has not ended.
    pub fn is_alive(&self) -> bool {
        matches!(self.state(), State::Running | State::Stopped)
    }

    /// Its figures, unless its number belongs to another process by now.
    pub(crate) fn stat(&self) -> Option<Stat> {
        Stat::of(self.pid).filter(|it| it.start_time == self.start_time)
    }

    /// Sends a signal. `false`: there was nobody left to send it to.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<bool> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(false);
        };
        let door = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(door) => door,
            Err(Errno::SRCH) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        // Opened first, compared second: from here on the descriptor cannot mean anybody else.
        if !self.is_alive() {
            return Ok(false);
        }
        match pidfd_send_signal(door, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl From<Stat> for Process {
    fn from(stat: Stat) -> Self {
        Self { pid: stat.pid, start_time: stat.start_time, name: stat.name }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// Every living process that matches, in the order of their numbers.
pub fn find(finder: &Finder) -> io::Result<Vec<Process>> {
    let all = stat::all()?;
    let own = ourselves(&all);
    let listeners = match finder {
        Finder::Port(port) => port::listeners(*port)?,
        _ => BTreeSet::new(),
    };
    let found = all.into_iter().filter(|it| {
        let hit = match finder {
            Finder::Pid(pid) => it.pid == *pid,
            Finder::Executable(program) => runs(it, program),
            Finder::Port(_) => listeners.contains(&it.pid),
            Finder::CommandLine(pattern) => {
                let line = stat::command_line(it.pid);
                !line.is_empty() && fits(pattern, &line)
            }
            Finder::Cgroup(path) => cgroup::paths(it.pid).iter().any(|it| cgroup::below(it, path)),
            Finder::Unit(name) => cgroup::in_unit(it.pid, name),
        };
        let spared = it.pid == 1 || it.is_kernel_thread || own.contains(&it.pid);
        hit && it.is_alive() && !spared && stat::variable(it.pid, HELPER).is_none()
    });
    let mut found: Vec<Process> = found.map(Process::from).collect();
    // The table of sockets may be long; most searches in vain need not read it.
    if !found.is_empty() {
        let doors = port::sockets(SSH)?;
        found.retain(|it| doors.is_empty() || !port::holds(it.pid, &doors));
    }
    Ok(found)
}

/// Splits what was found into families: each process that has no ancestor among the others leads one.
pub fn families(found: Vec<Process>) -> Vec<Vec<Process>> {
    let parents: BTreeMap<u32, u32> =
        stat::all().unwrap_or_default().into_iter().map(|it| (it.pid, it.parent)).collect();
    let members: BTreeSet<u32> = found.iter().map(|it| it.pid).collect();
    let mut families: BTreeMap<u32, Vec<Process>> = BTreeMap::new();
    for process in found {
        let head = ancestors(process.pid, &parents)
            .into_iter()
            .rfind(|it| members.contains(it))
            .unwrap_or(process.pid);
        let family = families.entry(head).or_default();
        // The head leads, whatever its number: pids wrap around.
        if process.pid == head { family.insert(0, process) } else { family.push(process) }
    }
    families.into_values().collect()
}

/// Those of them that have no ancestor among the others.
pub(crate) fn heads(found: Vec<Process>) -> Vec<Process> {
    families(found).into_iter().filter_map(|it| it.into_iter().next()).collect()
}

/// From the parent upwards. Bounded, because a table that is read while it changes may hold a ring.
fn ancestors(pid: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let up = |it: &u32| parents.get(it).copied().filter(|it| *it > 0);
    std::iter::successors(up(&pid), up).take(parents.len()).collect()
}

/// This process and those it came from: the shell, the terminal, the agent of the CI.
fn ourselves(all: &[Stat]) -> BTreeSet<u32> {
    let parents = all.iter().map(|it| (it.pid, it.parent)).collect();
    let own = std::process::id();
    ancestors(own, &parents).into_iter().chain([own]).collect()
}

fn runs(stat: &Stat, program: &str) -> bool {
    let path = stat::executable(stat.pid);
    if program.contains('/') {
        return path.is_some_and(|it| it == Path::new(program));
    }
    if let Some(name) = path.as_deref().and_then(Path::file_name)
        && name.as_bytes() == program.as_bytes()
    {
        return true;
    }
    // The name a process was called by, for links such as `python3`, and for programs that only their
    // owner may look up.
    let arguments = stat::arguments(stat.pid);
    let called = arguments.first().map(Path::new).and_then(Path::file_name);
    called.is_some_and(|it| it.as_bytes() == program.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_we_nor_our_ancestors_nor_init_are_ever_found() {
        let parent = Stat::of(std::process::id()).unwrap().parent;
        for pid in [1, std::process::id(), parent] {
            assert_eq!(find(&Finder::Pid(pid)).unwrap(), []);
        }
    }

    #[test]
    fn a_process_with_another_start_time_is_gone_and_gets_no_signal() {
        let mut foreign = Process::own().unwrap();
        foreign.start_time += 1;
        assert_eq!(foreign.state(), State::Gone);
        assert!(!foreign.signal(Signal::STOP).unwrap());
    }
}
