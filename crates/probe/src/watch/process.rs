//! Process: what some processes use, added up.
//!
//! | figure | what it is |
//! |---|---|
//! | `cpu_cores` | processor time in a second: 1 is one core that is kept busy |
//! | `memory_bytes` | resident memory; what processes share counts for each of them |
//! | `threads` | threads |
//! | `open_files` | open descriptors, sockets among them |
//! | `disk_read_bytes_per_second`, `disk_write_bytes_per_second` | what came from and went to disks; what the page cache answered is not in it, and what is written counts when it is handed to the cache |
//! | `network_bytes_per_second` | received and sent over every interface but `lo` |
//! | `loopback_bytes_per_second` | sent over `lo`, where all that is sent is received |
//!
//! Traffic is counted by the kernel for a network as a whole, not for a process: both figures are those of
//! the network (namespace) that a process is in, and of several networks when processes are in several. For
//! a container of its own that is its traffic; for a process of the host it is that of the whole host, where
//! a packet that crosses a bridge counts on every interface it passes.
//!
//! A process is known by its number and the moment it started, so that one which got an old number is a new
//! one. What a process used that started after the reading before counts from its start; what one used after
//! its last reading and before its end is not seen.

use std::collections::BTreeMap;

use evenkeel_units::Moment;

use super::kernel::{Disk, Kernel, Stat, Traffic};
use super::{Figures, Notes};

/// Remembers the reading before.
#[derive(Debug, Default)]
pub(super) struct Processes {
    before: Option<Reading>,
}

#[derive(Debug, Default)]
struct Reading {
    at: Moment,
    /// For how long the host had been up, in seconds.
    uptime: f64,
    /// By number and start.
    processes: BTreeMap<(u32, u64), Process>,
    /// By network and interface.
    traffic: Option<BTreeMap<(Option<String>, String), Traffic>>,
}

#[derive(Debug)]
struct Process {
    stat: Stat,
    disk: Option<Disk>,
    files: Option<u64>,
}

impl Processes {
    pub(super) fn read(
        &mut self,
        kernel: &Kernel,
        now: Moment,
        pids: &[u32],
        notes: &mut Notes,
    ) -> Result<Figures, String> {
        let reading = reading(kernel, now, pids, notes)?;
        if reading.processes.is_empty() {
            // The counters of those that come next are compared with the last ones that were there.
            return Err("no such process".to_owned());
        }
        let mut figures = reading.levels(kernel);
        if let Some(before) = &self.before {
            figures.extend(reading.rates(before, kernel));
        }
        self.before = Some(reading);
        Ok(figures)
    }
}

fn reading(
    kernel: &Kernel,
    at: Moment,
    pids: &[u32],
    notes: &mut Notes,
) -> Result<Reading, String> {
    let uptime = kernel
        .uptime()
        .map_err(|error| format!("the figures of processes cannot be read: {error}"))?;
    let mut reading = Reading { at, uptime, traffic: Some(BTreeMap::new()), ..Reading::default() };
    let mut networks = Vec::new();
    for &pid in pids {
        let (disk, files) = (kernel.disk(pid), kernel.open_files(pid));
        let network = kernel.network(pid);
        let traffic = match networks.contains(&network) {
            true => Ok(BTreeMap::new()),
            false => kernel.interfaces(pid),
        };
        // Asked last: who is there now was there all the while, and nothing else failed for that reason.
        let Some(stat) = kernel.stat(pid) else { continue };
        let mut why = |what, error: &std::io::Error| {
            notes.add(what, &format!("that of pid {pid} cannot be read ({error})"));
        };
        if let Err(error) = &disk {
            why("what goes to and comes from disks", error);
        }
        if let Err(error) = &files {
            why("open_files", error);
        }
        match (traffic, &mut reading.traffic) {
            (Ok(found), Some(all)) => {
                all.extend(found.into_iter().map(|(name, it)| ((network.clone(), name), it)));
                networks.push(network);
            }
            (Ok(_), None) => {}
            (Err(error), all) => {
                why("what goes over the network", &error);
                *all = None;
            }
        }
        let key = (pid, stat.start_ticks);
        reading.processes.insert(key, Process { stat, disk: disk.ok(), files: files.ok() });
    }
    Ok(reading)
}

impl Reading {
    /// What can be said of one moment.
    fn levels(&self, kernel: &Kernel) -> Figures {
        let stats = || self.processes.values().map(|it| &it.stat);
        let sum = |of: fn(&Stat) -> u64| stats().map(of).sum::<u64>() as f64;
        let mut figures = Figures::from([
            ("memory_bytes".to_owned(), sum(|it| it.resident_pages) * kernel.page_bytes),
            ("threads".to_owned(), sum(|it| it.threads)),
        ]);
        // A sum that leaves somebody out would look like a small one.
        if let Some(files) = self.processes.values().map(|it| it.files).sum::<Option<u64>>() {
            figures.insert("open_files".to_owned(), files as f64);
        }
        figures
    }

    /// What happened in a second since `before`.
    fn rates(&self, before: &Self, kernel: &Kernel) -> Figures {
        let mut figures = Figures::new();
        let seconds = (self.at - before.at).as_secs_f64();
        if seconds <= 0.0 {
            return figures;
        }
        let mut say = |name: &str, count: u64| {
            figures.insert(name.to_owned(), count as f64 / seconds);
        };
        say(
            "cpu_cores",
            self.grown(before, kernel, |it| Some(it.stat.cpu_ticks)).unwrap_or_default(),
        );
        for (name, of) in [
            ("disk_read_bytes_per_second", (|it| it.read) as fn(Disk) -> u64),
            ("disk_write_bytes_per_second", |it| it.written),
        ] {
            if let Some(count) = self.grown(before, kernel, |it| it.disk.map(of)) {
                say(name, count);
            }
        }
        if let (Some(now), Some(before)) = (&self.traffic, &before.traffic) {
            let (network, loopback) = passed(now, before);
            say("network_bytes_per_second", network);
            say("loopback_bytes_per_second", loopback);
        }
        // Ticks, not seconds, have been counted.
        figures.entry("cpu_cores".to_owned()).and_modify(|it| *it /= kernel.ticks_per_second);
        figures
    }

    /// By how much a counter of all processes has grown; `None` when one of them cannot be read.
    fn grown(
        &self,
        before: &Self,
        kernel: &Kernel,
        of: impl Fn(&Process) -> Option<u64>,
    ) -> Option<u64> {
        let one = |(key, process): (&(u32, u64), &Process)| {
            let now = of(process)?;
            let start = match before.processes.get(key) {
                Some(then) => of(then).unwrap_or(now),
                // All of it happened since.
                None if key.1 as f64 / kernel.ticks_per_second >= before.uptime => 0,
                // It was there before, and was not among those that were found.
                None => now,
            };
            Some(now.saturating_sub(start))
        };
        self.processes.iter().map(one).sum()
    }
}

/// What passed since over all interfaces but `lo`, and over `lo`. An interface that is new begins with what
/// it has; one whose counters went back has begun anew.
fn passed(
    now: &BTreeMap<(Option<String>, String), Traffic>,
    before: &BTreeMap<(Option<String>, String), Traffic>,
) -> (u64, u64) {
    let (mut network, mut loopback) = (0, 0);
    for (key, it) in now {
        let Some(then) = before.get(key) else { continue };
        let since = |now: u64, then: u64| now.checked_sub(then).unwrap_or(now);
        let (received, sent) = (since(it.received, then.received), since(it.sent, then.sent));
        match key.1.as_str() {
            "lo" => loopback += sent,
            _ => network += received + sent,
        }
    }
    (network, loopback)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;
    use tempfile::TempDir;

    /// A folder that looks like `/proc`, with processes that are written as the test wants them.
    struct World {
        folder: TempDir,
        processes: Processes,
        notes: Notes,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self { folder, processes: Processes::default(), notes: Notes::default() }
        }

        fn process(&self, pid: u32, start: u64, ticks: u64) -> &Self {
            let folder = self.folder.path().join(pid.to_string());
            fs::create_dir_all(folder.join("fd")).unwrap();
            fs::create_dir_all(folder.join("net")).unwrap();
            fs::create_dir_all(folder.join("ns")).unwrap();
            fs::write(folder.join("fd/0"), "").unwrap();
            let stat = format!(
                "{pid} (shop) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 2 0 {start} 0 10 0\n"
            );
            fs::write(folder.join("stat"), stat).unwrap();
            self.disk(pid, 0).network(pid, "net:[1]", 0, 0)
        }

        fn disk(&self, pid: u32, bytes: u64) -> &Self {
            let text = format!("read_bytes: {bytes}\nwrite_bytes: {}\n", bytes * 2);
            fs::write(self.folder.path().join(format!("{pid}/io")), text).unwrap();
            self
        }

        fn network(&self, pid: u32, namespace: &str, lo: u64, eth0: u64) -> &Self {
            let text =
                format!("lo: {lo} 0 0 0 0 0 0 0 {lo} 0\neth0: {eth0} 0 0 0 0 0 0 0 {eth0} 0\n");
            let folder = self.folder.path().join(pid.to_string());
            fs::write(folder.join("net/dev"), text).unwrap();
            drop(fs::remove_file(folder.join("ns/net")));
            std::os::unix::fs::symlink(namespace, folder.join("ns/net")).unwrap();
            self
        }

        /// Reads `second` seconds after the start, when the host has been up for 100 seconds more.
        fn read(&mut self, second: u64, pids: &[u32]) -> Result<Figures, String> {
            fs::write(self.folder.path().join("uptime"), format!("{}.00 5.00\n", 100 + second))
                .unwrap();
            let root = self.folder.path().to_owned();
            let kernel = Kernel { root, ticks_per_second: 100.0, page_bytes: 4096.0 };
            let now = Moment::at(Duration::from_secs(second));
            self.processes.read(&kernel, now, pids, &mut self.notes)
        }
    }

    fn close(figures: &Figures, name: &str, expected: f64) {
        let found = figures.get(name).copied();
        assert!(
            found.is_some_and(|it| (it - expected).abs() < 1e-9),
            "{name}: {found:?} for {expected}"
        );
    }

    #[test]
    fn figures_of_several_processes_are_added_up() {
        let mut world = World::new();
        world.process(7, 50, 1000).process(8, 50, 400);
        let first = world.read(1, &[7, 8]).unwrap();
        close(&first, "memory_bytes", 2.0 * 10.0 * 4096.0);
        close(&first, "threads", 4.0);
        close(&first, "open_files", 2.0);
        assert_eq!(first.len(), 3, "what needs two readings is left out: {first:?}");
        world.process(7, 50, 1200).disk(7, 4096).process(8, 50, 500).disk(8, 1024);
        let second = world.read(3, &[7, 8]).unwrap();
        close(&second, "cpu_cores", 1.5);
        close(&second, "disk_read_bytes_per_second", 2560.0);
        close(&second, "disk_write_bytes_per_second", 5120.0);
    }

    #[test]
    fn one_that_got_an_old_number_is_a_new_one() {
        let mut world = World::new();
        world.process(7, 50, 90_000);
        world.read(1, &[7]).unwrap();
        // It started half a second after the reading, and has used three tenths of a second since.
        world.process(7, 10_150, 30);
        close(&world.read(3, &[7]).unwrap(), "cpu_cores", 0.15);
    }

    #[test]
    fn what_one_used_before_it_was_found_is_not_counted() {
        let mut world = World::new();
        world.process(7, 50, 100);
        world.read(1, &[7]).unwrap();
        world.process(7, 50, 200).process(8, 60, 90_000);
        close(&world.read(2, &[7, 8]).unwrap(), "cpu_cores", 1.0);
        world.process(8, 60, 90_050);
        close(&world.read(3, &[7, 8]).unwrap(), "cpu_cores", 0.5);
    }

    #[test]
    fn processes_come_and_go() {
        let mut world = World::new();
        assert_eq!(world.read(1, &[]).unwrap_err(), "no such process");
        assert_eq!(world.read(2, &[7]).unwrap_err(), "no such process");
        world.process(7, 50, 100).process(8, 50, 100);
        world.read(3, &[7, 8]).unwrap();
        fs::remove_dir_all(world.folder.path().join("8")).unwrap();
        world.process(7, 50, 120);
        close(&world.read(4, &[7, 8]).unwrap(), "cpu_cores", 0.2);
        assert!(world.notes.unsaid.is_empty(), "who is gone is not unreadable: {:?}", world.notes);
    }

    #[test]
    fn a_network_counts_once_however_many_processes_are_in_it() {
        let mut world = World::new();
        world.process(7, 50, 0).process(8, 50, 0).process(9, 50, 0).network(9, "net:[2]", 0, 0);
        world.read(1, &[7, 8, 9]).unwrap();
        world.network(7, "net:[1]", 300, 1000).network(8, "net:[1]", 300, 1000);
        world.network(9, "net:[2]", 5, 10);
        let figures = world.read(2, &[7, 8, 9]).unwrap();
        close(&figures, "network_bytes_per_second", 2020.0);
        close(&figures, "loopback_bytes_per_second", 305.0);
        world.network(7, "net:[1]", 40, 50).network(8, "net:[1]", 40, 50);
        let figures = world.read(3, &[7, 8, 9]).unwrap();
        close(&figures, "network_bytes_per_second", 100.0);
        close(&figures, "loopback_bytes_per_second", 40.0);
    }

    #[test]
    fn what_may_not_be_read_is_left_out_and_said_once() {
        let mut world = World::new();
        world.process(7, 50, 0).process(8, 50, 0);
        fs::remove_file(world.folder.path().join("8/io")).unwrap();
        fs::remove_dir_all(world.folder.path().join("8/fd")).unwrap();
        world.read(1, &[7, 8]).unwrap();
        let figures = world.read(2, &[7, 8]).unwrap();
        for name in ["open_files", "disk_read_bytes_per_second", "disk_write_bytes_per_second"] {
            assert!(!figures.contains_key(name), "{name}");
        }
        close(&figures, "cpu_cores", 0.0);
        assert_eq!(world.notes.unsaid.len(), 2, "{:?}", world.notes);
        assert!(world.notes.unsaid[1].starts_with("open_files is left out: that of pid 8"));
    }

    #[test]
    fn a_moment_that_has_not_passed_has_no_rates() {
        let mut world = World::new();
        world.process(7, 50, 0);
        world.read(1, &[7]).unwrap();
        assert!(!world.read(1, &[7]).unwrap().contains_key("cpu_cores"));
    }
}
