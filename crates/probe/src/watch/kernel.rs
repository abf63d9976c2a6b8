//! Kernel: what the files of `/proc` say.
//!
//! The folder is a field, so that tests bring one of their own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

/// The kernel's files, and the units in which it counts.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    pub(super) root: PathBuf,
    pub(super) ticks_per_second: f64,
    pub(super) page_bytes: f64,
}

/// What `/proc/PID/stat` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Of the processor, in user and system mode, in ticks. That of children is theirs.
    pub(super) cpu_ticks: u64,
    pub(super) threads: u64,
    /// In ticks since the host booted.
    pub(super) start_ticks: u64,
    pub(super) resident_pages: u64,
}

/// Bytes that went to and came from disks.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) read: u64,
    pub(super) written: u64,
}

/// Bytes of a network interface.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// Time of all processors, in ticks.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Processors {
    pub(super) idle: u64,
    pub(super) total: u64,
}

impl Kernel {
    pub(super) fn of_this_host() -> Self {
        Self {
            root: PathBuf::from("/proc"),
            ticks_per_second: rustix::param::clock_ticks_per_second() as f64,
            page_bytes: rustix::param::page_size() as f64,
        }
    }

    /// `None` when there is no such process.
    pub(super) fn stat(&self, pid: u32) -> Option<Stat> {
        stat(&self.text(&format!("{pid}/stat")).ok()?)
    }

    pub(super) fn disk(&self, pid: u32) -> io::Result<Disk> {
        disk(&self.text(&format!("{pid}/io"))?).ok_or_else(unexpected)
    }

    pub(super) fn open_files(&self, pid: u32) -> io::Result<u64> {
        let files = fs::read_dir(self.root.join(format!("{pid}/fd")))?;
        Ok(files.count() as u64)
    }

    /// Which network a process is in; `None` when that is not ours to know.
    pub(super) fn network(&self, pid: u32) -> Option<String> {
        let link = fs::read_link(self.root.join(format!("{pid}/ns/net"))).ok()?;
        Some(link.display().to_string())
    }

    /// By name of the interface.
    pub(super) fn interfaces(&self, pid: u32) -> io::Result<BTreeMap<String, Traffic>> {
        Ok(interfaces(&self.text(&format!("{pid}/net/dev"))?))
    }

    /// For how long the host has been up, in seconds.
    pub(super) fn uptime(&self) -> io::Result<f64> {
        first_number(&self.text("uptime")?).ok_or_else(unexpected)
    }

    pub(super) fn processors(&self) -> io::Result<Processors> {
        processors(&self.text("stat")?).ok_or_else(unexpected)
    }

    /// The share of the memory that nobody could have without something being put aside.
    pub(super) fn memory_ratio(&self) -> io::Result<f64> {
        memory_ratio(&self.text("meminfo")?).ok_or_else(unexpected)
    }

    /// How many processes ran or waited for a processor or a disk, on average over a minute.
    pub(super) fn load(&self) -> io::Result<f64> {
        first_number(&self.text("loadavg")?).ok_or_else(unexpected)
    }

    fn text(&self, file: &str) -> io::Result<String> {
        // A process may call itself by any bytes.
        Ok(String::from_utf8_lossy(&fs::read(self.root.join(file))?).into_owned())
    }
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel writes it in another way than expected")
}

/// The name stands in parentheses and may itself hold spaces and parentheses, so fields are counted from the
/// last one. `proc_pid_stat(5)` counts from 1, and the state after the name is its field 3.
fn stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        cpu_ticks: number(14)?.checked_add(number(15)?)?,
        threads: number(20)?,
        start_ticks: number(22)?,
        resident_pages: number(24)?,
    })
}

fn disk(text: &str) -> Option<Disk> {
    let number = |name: &str| {
        text.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
    };
    Some(Disk { read: number("read_bytes")?, written: number("write_bytes")? })
}

fn interfaces(text: &str) -> BTreeMap<String, Traffic> {
    let interface = |line: &str| {
        let (name, numbers) = line.rsplit_once(':')?;
        let numbers: Vec<&str> = numbers.split_ascii_whitespace().collect();
        // Eight columns about what came, then eight about what went.
        let (received, sent) = (numbers.first()?.parse().ok()?, numbers.get(8)?.parse().ok()?);
        Some((name.trim().to_owned(), Traffic { received, sent }))
    };
    text.lines().filter_map(interface).collect()
}

/// Time for guests is within that of users, so the first eight columns are everything. Waiting for disks is
/// idle; what a hypervisor took (steal) is not, because nobody here could have used it.
fn processors(text: &str) -> Option<Processors> {
    let line = text.lines().find_map(|it| it.strip_prefix("cpu "))?;
    let ticks: Vec<u64> =
        line.split_ascii_whitespace().take(8).map(|it| it.parse().ok()).collect::<Option<_>>()?;
    let idle = ticks.get(3)?.checked_add(ticks.get(4).copied().unwrap_or_default())?;
    let total = ticks.iter().try_fold(0_u64, |sum, it| sum.checked_add(*it))?;
    Some(Processors { idle, total })
}

fn memory_ratio(text: &str) -> Option<f64> {
    let kibibytes = |name: &str| {
        let value = text.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().trim_end_matches("kB").trim().parse::<f64>().ok()
    };
    let (total, available) = (kibibytes("MemTotal")?, kibibytes("MemAvailable")?);
    (total > 0.0).then(|| (1.0 - available / total).clamp(0.0, 1.0))
}

fn first_number(text: &str) -> Option<f64> {
    let number: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_moves_no_field() {
        let text = "1201 (a) b (c)) S 1 1201 1201 0 -1 4194560 5012 90 1 0 217 43 8 9 20 0 6 0 \
                    88123 230191104 3051 18446744073709551615 1 1 0\n";
        let expected =
            Stat { cpu_ticks: 260, threads: 6, start_ticks: 88_123, resident_pages: 3051 };
        assert_eq!(stat(text), Some(expected));
        for broken in
            ["", "12 (x", "12 (x) S 1", "12 (x) S a b c d e f g h i j k l m n o p q r s t u v"]
        {
            assert_eq!(stat(broken), None, "{broken}");
        }
    }

    #[test]
    fn disks_count_what_reached_them() {
        let text = "rchar: 323934931\nwchar: 323929600\nsyscr: 632687\nsyscw: 632675\n\
                    read_bytes: 4096\nwrite_bytes: 323932160\ncancelled_write_bytes: 0\n";
        assert_eq!(disk(text), Some(Disk { read: 4096, written: 323_932_160 }));
        assert_eq!(disk("read_bytes: 1\n"), None);
    }

    #[test]
    fn interfaces_are_read_whatever_their_names() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
            face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n    \
            lo: 2776770   11307    0    0    0     0          0         0  2776770   11307    0    0\n  \
            eth0:1215645    2751    0    0    0     0          0         0  1782404    4324    0    0\n\
            eth0:1: 5 1 0 0 0 0 0 0 7 1 0 0\n";
        let found = interfaces(text);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["eth0", "eth0:1", "lo"]);
        assert_eq!(found["eth0"], Traffic { received: 1_215_645, sent: 1_782_404 });
        assert_eq!(found["eth0:1"], Traffic { received: 5, sent: 7 });
    }

    #[test]
    fn waiting_for_disks_is_idle_and_stolen_time_is_not() {
        let text = "cpu  100 10 40 800 30 5 5 10 60 4\ncpu0 100 10 40 800 30 5 5 10 60 4\n";
        assert_eq!(processors(text), Some(Processors { idle: 830, total: 1000 }));
        assert_eq!(processors("cpu  1 2 x 4\n"), None);
        assert_eq!(processors(&format!("cpu  {} 1 1 1\n", u64::MAX)), None);
    }

    #[test]
    fn memory_that_can_be_had_is_not_used() {
        let text = "MemTotal:       8000000 kB\nMemFree:          100000 kB\nMemAvailable:    6000000 kB\n";
        assert_eq!(memory_ratio(text), Some(0.25));
        assert_eq!(memory_ratio("MemTotal: 0 kB\nMemAvailable: 0 kB\n"), None);
    }
}
