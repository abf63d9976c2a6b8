//! What `/proc` says about one process.
//!
//! A pid alone names nobody: the kernel hands it out again. A pid together with the moment at which its
//! process started, in clock ticks since the host booted, names one process for as long as the host is
//! up. Everything here reads and nothing waits.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::param::clock_ticks_per_second;

/// Set in the kernel for its own threads, which nobody may stop or kill.
const PF_KTHREAD: u64 = 0x0020_0000;

/// The fields of `/proc/<pid>/stat` that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    /// 0 where it was begun outside of the pid namespace.
    pub(crate) session: u32,
    pub(crate) is_kernel_thread: bool,
    pub(crate) cpu_ticks: u64,
    pub(crate) start_time: u64,
}

impl Stat {
    /// Reads it; `None` when there is no such process.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::read(Path::new(&format!("/proc/{pid}/stat")))
    }

    /// Reads that of this very process, in the numbers of whoever mounted `/proc`.
    pub(crate) fn own() -> Option<Self> {
        Self::read(Path::new("/proc/self/stat"))
    }

    /// Reads one of the files that say it. The kernel cuts names after 15 bytes, within a character or not.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        Self::parse(&String::from_utf8_lossy(&std::fs::read(path).ok()?))
    }

    /// The name stands in parentheses and may itself hold spaces and parentheses, so fields are counted
    /// from the last one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // `proc(5)` counts from 1, and the state is its field 3.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let small = |field: usize| u32::try_from(number(field)?).ok();
        Some(Self {
            pid: pid.parse().ok()?,
            // Everybody may name a process as they like, and people read it on a terminal.
            name: name.replace(char::is_control, "\u{fffd}"),
            state: fields.first()?.chars().next()?,
            parent: small(4)?,
            group: small(5)?,
            session: small(6)?,
            is_kernel_thread: number(9)? & PF_KTHREAD != 0,
            cpu_ticks: number(14)? + number(15)?,
            start_time: number(22)?,
        })
    }

    /// CPU time that the process has used.
    pub(crate) fn cpu_time(&self) -> Duration {
        ticks(self.cpu_ticks)
    }

    /// Whether it still is a process at all: a zombie only waits to be counted by its parent.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Every process of this host.
pub(crate) fn all() -> io::Result<Vec<Stat>> {
    Ok(pids()?.into_iter().filter_map(Stat::of).collect())
}

/// Every pid of this host, in order.
pub(crate) fn pids() -> io::Result<Vec<u32>> {
    let mut pids: Vec<u32> = std::fs::read_dir("/proc")?
        .filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    Ok(pids)
}

/// The program that a process runs; `None` when it is gone or not ours to read.
pub(crate) fn executable(pid: u32) -> Option<PathBuf> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    // An upgraded program goes on under its old name with this mark.
    Some(match path.to_str().and_then(|it| it.strip_suffix(" (deleted)")) {
        Some(before) => PathBuf::from(before),
        None => path,
    })
}

/// The arguments of a process, its name first.
pub(crate) fn arguments(pid: u32) -> Vec<OsString> {
    zero_separated(&format!("/proc/{pid}/cmdline"))
}

/// The arguments of a process with one blank in between; empty for threads of the kernel.
pub(crate) fn command_line(pid: u32) -> String {
    let arguments = arguments(pid);
    arguments.iter().map(|it| it.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The numbers that stand behind a name in `/proc/<pid>/status`.
pub(crate) fn field(status: &str, name: &str) -> Vec<u32> {
    let line = status.lines().find_map(|it| it.strip_prefix(name)).unwrap_or_default();
    line.split_ascii_whitespace().filter_map(|it| it.parse().ok()).collect()
}

/// The environment a process was started with; empty when it is not ours to read.
pub(crate) fn environment(pid: u32) -> Vec<OsString> {
    zero_separated(&format!("/proc/{pid}/environ"))
}

/// The value of one variable in the environment a process was started with.
pub(crate) fn variable(pid: u32, name: &str) -> Option<String> {
    environment(pid).into_iter().find_map(|it| {
        let it = it.into_string().ok()?;
        it.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
    })
}

fn zero_separated(path: &str) -> Vec<OsString> {
    let Ok(bytes) = std::fs::read(path) else { return Vec::new() };
    let mut parts: Vec<OsString> =
        bytes.split(|it| *it == 0).map(|it| OsString::from_vec(it.to_vec())).collect();
    if parts.last().is_some_and(|it| it.is_empty()) {
        parts.pop();
    }
    parts
}

/// Names this boot of this host: pids and start times mean nothing in another.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|it| it.trim().to_owned())
        .unwrap_or_default()
}

/// Whether this boot has that name. Where the name of this one cannot be read nobody can tell, and it is.
pub(crate) fn is_of_this_boot(boot: &str) -> bool {
    let own = boot_id();
    own.is_empty() || own == boot
}

/// A number of clock ticks as a duration.
pub(crate) fn ticks(count: u64) -> Duration {
    Duration::from_secs_f64(count as f64 / clock_ticks_per_second() as f64)
}

/// How long the host has been up, on the clock that start times are told in.
pub(crate) fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

/// Now, in clock ticks since boot: what starts from here on has a start time not below it.
pub(crate) fn ticks_since_boot() -> u64 {
    (since_boot().as_secs_f64() * clock_ticks_per_second() as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    #[test]
    fn a_name_may_hold_spaces_and_parentheses() {
        let stat = Stat::parse(
            "42 (a (b) c) T 7 42 7 0 -1 4194304 1 2 3 4 500 60 0 0 20 0 1 0 123456 1000 25 99",
        )
        .unwrap();
        assert_eq!((stat.pid, stat.name.as_str(), stat.state), (42, "a (b) c", 'T'));
        assert_eq!((stat.parent, stat.cpu_ticks, stat.start_time), (7, 560, 123_456));
    }

    #[test]
    fn a_name_that_is_no_text_or_moves_the_cursor_is_a_name_all_the_same() {
        let script = r"printf '\033[2J\320\277\321' > /proc/$$/comm; echo named; read go";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let stat = Stat::of(child.id()).unwrap();
        assert_eq!((stat.name.as_str(), stat.is_alive()), ("\u{fffd}[2Jп\u{fffd}", true));
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn this_very_process_is_there_and_runs() {
        let stat = Stat::of(std::process::id()).unwrap();
        assert!(stat.is_alive() && !stat.is_kernel_thread);
        assert!(ticks(stat.start_time) <= since_boot());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,120}") {
            // Text without a name in parentheses is no process.
            prop_assert!(Stat::parse(&text).is_none() || text.contains(") "));
        }
    }
}
