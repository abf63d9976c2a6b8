//! Limits of a control group on how fast its processes use disks.
//!
//! They are written where a service manager or a container engine writes its own: in the group that the processes are
//! in already. To move processes into a group of ours would take them out of the sight of those who count on the group
//! (systemd knows the processes of a unit by it), and in version 2 a group with processes can have no such child at all.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{read_to_string, write};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use evenkeel_model::document::IoLimits;
use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

use crate::need::PlanError;
use crate::plan::quoted;
use crate::process::{Process, stat};

/// Limits of one group, and how they were before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    /// The folder of the group.
    pub group: PathBuf,
    /// Tells it from another one that got its name later.
    pub inode: u64,
    /// Each limit on each disk.
    pub settings: Vec<Setting>,
}

/// One limit on one disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The file in the group's folder.
    pub file: String,
    /// The disk, as `254:0`.
    pub device: String,
    /// The word before the number, in version 2.
    pub key: Option<String>,
    /// What we write.
    pub ours: u64,
    /// What was there; none is no limit.
    pub before: Option<u64>,
}

/// Where a group is, and how its files are called.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Throttle {
    /// What has to be written so that these processes, and nobody else, are limited.
    pub(crate) fn of(processes: &[&Process], limits: &IoLimits) -> Result<Vec<Self>, PlanError> {
        let mounts = read_to_string("/proc/self/mountinfo")?;
        let mut groups = BTreeSet::new();
        for process in processes {
            let cgroups = match read_to_string(format!("/proc/{}/cgroup", process.pid)) {
                Ok(it) => it,
                // It has ended since it was found.
                Err(_) if !process.is_alive() => continue,
                Err(error) => return Err(error.into()),
            };
            groups.insert(group(&mounts, &cgroups).ok_or_else(|| missing(process))?);
        }
        let disks = disks()?;
        groups.iter().map(|it| Self::on(it, processes, limits, &disks)).collect()
    }

    fn on(
        group: &(PathBuf, bool),
        processes: &[&Process],
        limits: &IoLimits,
        disks: &[String],
    ) -> Result<Self, PlanError> {
        let (folder, version) = (&group.0, if group.1 { Version::Two } else { Version::One });
        let shown = folder.display();
        for pid in members(folder, version)? {
            if !is_of(pid, processes)
                && let Some(other) = Process::of(pid)
            {
                return Err(PlanError::Unfit(format!(
                    "{other} is in the control group {shown}, too, and would be as slow: aim at everybody in it \
                     (`mode: all`), or give the service a group of its own"
                )));
            }
        }
        let mut settings = Vec::new();
        for device in disks {
            for (file, key, ours) in names(version, limits) {
                let mut it = Setting { file, device: device.clone(), key, ours, before: None };
                it.before = it.read(folder)?;
                access(folder.join(&it.file), Access::WRITE_OK).map_err(|_| unwritable(folder))?;
                if it.before.is_none_or(|before| before > ours) {
                    settings.push(it);
                }
            }
        }
        if settings.is_empty() {
            return Err(PlanError::Unfit(format!(
                "{shown} is as slow already, or there is no disk"
            )));
        }
        Ok(Self { group: folder.clone(), inode: folder.metadata()?.ino(), settings })
    }

    fn is_there(&self) -> bool {
        self.group.metadata().is_ok_and(|it| it.ino() == self.inode)
    }

    /// Writes every limit, and reads it back.
    pub(crate) fn apply(&self) -> io::Result<()> {
        if !self.is_there() {
            return Err(other("it is another group by now"));
        }
        for it in &self.settings {
            if it.read(&self.group)? != it.before {
                return Err(other("its limits have changed since the fault was planned"));
            }
        }
        for it in &self.settings {
            it.write(&self.group, Some(it.ours))?;
        }
        match self.held()? {
            true => Ok(()),
            false => Err(other("a limit was written and does not hold")),
        }
    }

    /// Whether every limit is ours.
    pub(crate) fn held(&self) -> io::Result<bool> {
        for it in &self.settings {
            if it.read(&self.group)? != Some(it.ours) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes back what was there, where it is ours still. `false`: nothing was ours.
    pub(crate) fn undo(&self) -> io::Result<bool> {
        let mut undone = false;
        for it in self.settings.iter().filter(|_| self.is_there()) {
            if it.read(&self.group)? == Some(it.ours) && it.before != Some(it.ours) {
                it.write(&self.group, it.before)?;
                undone = true;
                if it.read(&self.group)? != it.before {
                    return Err(other("a limit was written back and does not hold"));
                }
            }
        }
        Ok(undone)
    }

    /// Bytes that have gone through the limits so far: those that the group read, or wrote, from and to their disks.
    pub(crate) fn bytes(&self) -> io::Result<u64> {
        let two = self.settings.iter().any(|it| it.key.is_some());
        let file = if two { "io.stat" } else { "blkio.throttle.io_service_bytes" };
        let text = read_to_string(self.group.join(file))?;
        let lines = text.lines().filter_map(|it| it.split_once(' '));
        let counted = lines.flat_map(|(device, rest)| {
            let limited: BTreeSet<&str> = self
                .settings
                .iter()
                .filter(|it| it.device == device)
                .map(Setting::counter)
                .collect();
            let rest = rest.replace('=', " ");
            let words: Vec<&str> = rest.split_ascii_whitespace().collect();
            let pairs = words.windows(2).filter(|it| limited.contains(it[0]));
            pairs.filter_map(|it| it[1].parse::<u64>().ok()).collect::<Vec<_>>()
        });
        Ok(counted.sum())
    }

    /// What a person would type to take it back.
    pub(crate) fn by_hand(&self) -> String {
        let line = |it: &Setting| {
            format!("echo '{}' > {}", it.line(it.before), quoted(&self.group.join(&it.file)))
        };
        self.settings.iter().map(line).collect::<Vec<_>>().join(" && ")
    }
}

impl Setting {
    /// How the kernel calls what goes through it.
    fn counter(&self) -> &'static str {
        match self.key.as_deref() {
            Some(key) if key.starts_with('r') => "rbytes",
            Some(_) => "wbytes",
            None if self.file.contains("read") => "Read",
            None => "Write",
        }
    }

    /// In version 1 no limit is 0, in version 2 it is a word.
    fn line(&self, value: Option<u64>) -> String {
        match (&self.key, value) {
            (None, value) => format!("{} {}", self.device, value.unwrap_or(0)),
            (Some(key), Some(value)) => format!("{} {key}={value}", self.device),
            (Some(key), None) => format!("{} {key}=max", self.device),
        }
    }

    fn write(&self, group: &Path, value: Option<u64>) -> io::Result<()> {
        write(group.join(&self.file), self.line(value))
    }

    fn read(&self, group: &Path) -> io::Result<Option<u64>> {
        let text = read_to_string(group.join(&self.file))?;
        let mut lines = text.lines().filter_map(|it| it.split_once(' '));
        let rest = lines.find(|it| it.0 == self.device).map(|it| it.1.to_owned());
        Ok(rest.and_then(|rest| match &self.key {
            None => rest.trim().parse().ok(),
            Some(key) => {
                rest.split(' ').find_map(|it| it.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
            }
        }))
    }
}

impl fmt::Display for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self
            .settings
            .iter()
            .map(|it| format!("{} {}", it.file, it.line(Some(it.ours))))
            .collect();
        write!(f, "{}: {}", self.group.display(), lines.join("; "))
    }
}

/// Files and words of the limits that are asked for.
fn names(version: Version, limits: &IoLimits) -> Vec<(String, Option<String>, u64)> {
    let asked = [
        ("read_bps", "rbps", limits.read_rate.map(|it| it.0)),
        ("write_bps", "wbps", limits.write_rate.map(|it| it.0)),
        ("read_iops", "riops", limits.read_operations),
        ("write_iops", "wiops", limits.write_operations),
    ];
    let name = |(first, second, value): (&str, &str, Option<u64>)| match version {
        Version::One => Some((format!("blkio.throttle.{first}_device"), None, value?)),
        Version::Two => Some(("io.max".to_owned(), Some(second.to_owned()), value?)),
    };
    asked.into_iter().filter_map(name).collect()
}

/// The folder of the group that limits a process, and whether it is of version 2. The root of a hierarchy is nobody's.
fn group(mounts: &str, cgroups: &str) -> Option<(PathBuf, bool)> {
    let mounted = mounts.lines().filter_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        let mut head = head.split(' ').skip(3);
        let (root, at) = (head.next()?, head.next()?);
        let kind = tail.split(' ').next()?;
        let has_io = tail.split(' ').next_back()?.split(',').any(|it| it == "blkio");
        Some((root, at, kind, has_io))
    });
    let path_of = |is: &dyn Fn(&str) -> bool| {
        let mut lines = cgroups.lines().map(|it| it.splitn(3, ':').skip(1));
        lines.find_map(|mut it| it.next().filter(|it| is(it)).and(it.next()))
    };
    let mut found = mounted.filter_map(|(root, at, kind, has_io)| {
        let path = match kind {
            "cgroup2" => path_of(&str::is_empty)?,
            "cgroup" if has_io => path_of(&|it| it.split(',').any(|it| it == "blkio"))?,
            _ => return None,
        };
        let below = if root == "/" { path } else { path.strip_prefix(root)? };
        let below = below.trim_start_matches('/');
        let folder = Path::new(at).join(below);
        let two = kind == "cgroup2";
        let file = if two { "io.max" } else { "blkio.throttle.read_bps_device" };
        // The root of all has no owner, and a group outside of our namespace of groups is not to be seen.
        let is_named = !below.is_empty() && !below.split('/').any(|it| it == "..");
        (is_named && folder.join(file).is_file()).then_some((folder, two))
    });
    found.next()
}

fn missing(process: &Process) -> PlanError {
    let help = "let it run as a unit of systemd or in a container; in version 2 the parents have to hand the controller \
                down (`echo +io > …/cgroup.subtree_control`)";
    let what = format!("a control group of {process}'s own, with the controller `io` or `blkio`");
    PlanError::Missing { what, help: help.to_owned() }
}

fn unwritable(folder: &Path) -> PlanError {
    let help =
        "run it as root; in a container, with `--cgroupns host` and a writable /sys/fs/cgroup";
    let what = format!("the right to write the limits of the control group {}", folder.display());
    PlanError::Missing { what, help: help.to_owned() }
}

fn other(message: &str) -> io::Error {
    io::Error::other(message)
}

/// Everybody whom limits of the group hold: in version 2 those in groups below it, too.
fn members(folder: &Path, version: Version) -> io::Result<Vec<u32>> {
    let text = read_to_string(folder.join("cgroup.procs"))?;
    let mut pids: Vec<u32> = text.lines().filter_map(|it| it.trim().parse().ok()).collect();
    if version == Version::Two {
        for entry in std::fs::read_dir(folder)?.filter_map(Result::ok) {
            if entry.file_type()?.is_dir() {
                pids.extend(members(&entry.path(), version)?);
            }
        }
    }
    Ok(pids)
}

/// Whether it is one of these, or came from one of them.
fn is_of(pid: u32, processes: &[&Process]) -> bool {
    let parent = |it: &u32| stat::Stat::of(*it).map(|it| it.parent).filter(|it| *it > 0);
    let mut line = std::iter::successors(Some(pid), parent).take(64);
    line.any(|it| processes.iter().any(|one| one.pid == it))
}

/// Whole disks that have room, by their numbers.
fn disks() -> io::Result<Vec<String>> {
    let mut disks = Vec::new();
    for entry in std::fs::read_dir("/sys/block")?.filter_map(Result::ok) {
        let of = |name: &str| {
            read_to_string(entry.path().join(name)).unwrap_or_default().trim().to_owned()
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        // What lies in memory, or on a disk that is limited already.
        let is_disk = !["ram", "zram", "loop"].iter().any(|it| name.starts_with(it));
        if is_disk && of("size") != "0" && !of("dev").is_empty() {
            disks.push(of("dev"));
        }
    }
    disks.sort_unstable();
    Ok(disks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_units::Bytes;

    #[test]
    fn in_each_version_a_limit_is_read_and_written_in_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let limits = IoLimits {
            write_rate: Some(Bytes(65_536)),
            read_operations: Some(20),
            ..IoLimits::default()
        };
        let text = "8:0 rbps=max wbps=2097152 riops=max wiops=max\n";
        write(folder.path().join("io.max"), text).unwrap();
        write(folder.path().join("cgroup.procs"), "").unwrap();
        let on =
            |two| Throttle::on(&(folder.path().to_owned(), two), &[], &limits, &["8:0".to_owned()]);
        let two = on(true).unwrap();
        let before: Vec<_> =
            two.settings.iter().map(|it| (it.line(Some(it.ours)), it.line(it.before))).collect();
        assert_eq!(before[0], ("8:0 wbps=65536".to_owned(), "8:0 wbps=2097152".to_owned()));
        assert_eq!(before[1], ("8:0 riops=20".to_owned(), "8:0 riops=max".to_owned()));
        for name in ["write_bps", "read_iops"] {
            write(folder.path().join(format!("blkio.throttle.{name}_device")), "254:0 5\n")
                .unwrap();
        }
        let one = on(false).unwrap();
        assert_eq!(one.settings[0].line(one.settings[0].before), "8:0 0");
        assert!(one.by_hand().ends_with("/blkio.throttle.read_iops_device"), "{}", one.by_hand());
        // Whoever has another limit by now keeps it.
        assert!(!one.undo().unwrap());
    }

    #[test]
    fn only_what_goes_through_the_limits_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let name = |it: &str| folder.path().join(it);
        let limits = IoLimits { write_rate: Some(Bytes(65_536)), ..IoLimits::default() };
        write(name("cgroup.procs"), "").unwrap();
        write(name("io.max"), "").unwrap();
        write(name("io.stat"), "8:0 rbytes=7 wbytes=11 rios=1 wios=1\n8:16 rbytes=1 wbytes=1\n")
            .unwrap();
        write(name("blkio.throttle.write_bps_device"), "").unwrap();
        let text = "8:0 Read 7\n8:0 Write 13\n8:0 Sync 13\n8:0 Total 20\n8:16 Write 1\nTotal 21\n";
        write(name("blkio.throttle.io_service_bytes"), text).unwrap();
        let bytes = |two| {
            let group = (folder.path().to_owned(), two);
            Throttle::on(&group, &[], &limits, &["8:0".to_owned()]).unwrap().bytes().unwrap()
        };
        assert_eq!((bytes(true), bytes(false)), (11, 13));
    }

    #[test]
    fn the_root_of_a_hierarchy_is_nobodys() {
        let mounts = "30 25 0:26 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n\
                      31 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        assert_eq!(group(mounts, "7:blkio:/\n0::/\n"), None);
        assert_eq!(group(mounts, "0::/no/such.service\n"), None);
        assert_eq!(group(mounts, "0::/../sys/fs/cgroup\n"), None);
    }
}
