//! Memory: how much is left of what we may use.
//!
//! In a container that is what its cgroup allows, whatever the host has: the kernel kills by that limit. Pages of files that the
//! kernel can drop at once (`inactive_file`) count as free, as a kubelet has it in its working set.

use std::fs;
use std::path::Path;

use evenkeel_units::{Bytes, Ratio};

use super::judge_share;
use crate::{Check, Finding};

/// The share that is taken of the memory that we may use: that of our cgroup if it has a limit (version 2, then 1), else that
/// of the host.
///
/// Warns from 80 % on and fails from 90 % on: the last tenth goes in one burst, and then the kernel kills without a word.
///
/// **When**: there is a limit, and some time to act before it. **When not**: as critical where a cache fills what there is, on purpose: an
/// instance that leaves the balancer for it gives nothing back.
#[derive(Clone, Debug)]
pub struct Memory {
    warn: Ratio,
    fail: Ratio,
}

impl Default for Memory {
    fn default() -> Self {
        Self { warn: Ratio::percent(80), fail: Ratio::percent(90) }
    }
}

impl Memory {
    /// Warns and fails from these shares on.
    pub const fn from(warn: Ratio, fail: Ratio) -> Self {
        Self { warn, fail }
    }
}

impl Check for Memory {
    async fn ask(&self) -> Finding {
        match Usage::read(Path::new("/")) {
            Some(it) => {
                let all = Bytes(it.limit);
                judge_share(it.taken(), self.warn.get(), self.fail.get(), &all.to_string())
            }
            None => Finding::fail("/proc/meminfo cannot be read, so nobody knows"),
        }
    }
}

/// Bytes in use, and how many there may be.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Usage {
    used: u64,
    limit: u64,
}

impl Usage {
    fn taken(self) -> f64 {
        self.used as f64 / self.limit.max(1) as f64
    }

    /// As the kernel says under a root; tests have one of their own.
    fn read(root: &Path) -> Option<Self> {
        let host = Self::of_host(root)?;
        let own = Self::of_group_2(root).or_else(|| Self::of_group_1(root));
        // A limit beyond what the host has is none: version 1 writes "no limit" as a huge one.
        Some(own.filter(|it| it.limit < host.limit).unwrap_or(host))
    }

    fn of_host(root: &Path) -> Option<Self> {
        let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
        let kib = |name: &str| field(&text, name)?.checked_mul(1_024);
        let limit = kib("MemTotal:")?;
        Some(Self { used: limit.saturating_sub(kib("MemAvailable:")?), limit })
    }

    fn of_group_2(root: &Path) -> Option<Self> {
        let own = group(root, "").map(|it| root.join("sys/fs/cgroup").join(it));
        let top = root.join("sys/fs/cgroup");
        Self::of_files(
            &own.unwrap_or_else(|| top.clone()),
            "memory.current",
            "memory.max",
            "inactive_file",
        )
        .or_else(|| Self::of_files(&top, "memory.current", "memory.max", "inactive_file"))
    }

    fn of_group_1(root: &Path) -> Option<Self> {
        let top = root.join("sys/fs/cgroup/memory");
        let own = group(root, "memory").map_or_else(|| top.clone(), |it| top.join(it));
        let names = ("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file");
        Self::of_files(&own, names.0, names.1, names.2)
            .or_else(|| Self::of_files(&top, names.0, names.1, names.2))
    }

    fn of_files(at: &Path, used: &str, limit: &str, droppable: &str) -> Option<Self> {
        let number =
            |name: &str| fs::read_to_string(at.join(name)).ok()?.trim().parse::<u64>().ok();
        let stat = fs::read_to_string(at.join("memory.stat")).unwrap_or_default();
        let droppable = field(&stat, droppable).unwrap_or(0);
        Some(Self { used: number(used)?.saturating_sub(droppable), limit: number(limit)? })
    }
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut words = text.lines().map(str::split_ascii_whitespace);
    words.find_map(|mut it| (it.next() == Some(name)).then(|| it.next()?.parse().ok()).flatten())
}

/// Where our own cgroup of a controller is, below the root of its hierarchy. Version 2 has one hierarchy, without a name.
pub(super) fn group(root: &Path, controller: &str) -> Option<String> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let path = text.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|it| it == controller).then_some(path)
    })?;
    Some(path.trim_start_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    fn world(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const HOST: (&str, &str) =
        ("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 5 kB\nMemAvailable:    250 kB\n");

    #[test]
    fn without_a_limit_of_ours_that_of_the_host_counts() {
        let root = world(&[
            HOST,
            ("proc/self/cgroup", "0::/a\n"),
            ("sys/fs/cgroup/a/memory.max", "max\n"),
        ]);
        let usage = Usage::read(root.path()).unwrap();
        assert_eq!(usage, Usage { used: 750 * 1_024, limit: 1_000 * 1_024 });
    }

    #[test]
    fn in_a_container_its_limit_counts_without_what_can_be_dropped() {
        let root = world(&[
            HOST,
            ("proc/self/cgroup", "0::/pods/a\n"),
            ("sys/fs/cgroup/pods/a/memory.max", "100000\n"),
            ("sys/fs/cgroup/pods/a/memory.current", "95000\n"),
            ("sys/fs/cgroup/pods/a/memory.stat", "anon 1\ninactive_file 15000\n"),
        ]);
        assert_eq!(Usage::read(root.path()), Some(Usage { used: 80_000, limit: 100_000 }));
    }

    #[test]
    fn inside_a_namespace_the_own_group_is_the_root() {
        let root = world(&[
            HOST,
            ("proc/self/cgroup", "0::/../elsewhere\n"),
            ("sys/fs/cgroup/memory.max", "100000\n"),
            ("sys/fs/cgroup/memory.current", "50000\n"),
        ]);
        assert_eq!(Usage::read(root.path()), Some(Usage { used: 50_000, limit: 100_000 }));
    }

    #[test]
    fn version_1_counts_too_and_its_huge_limit_is_none() {
        let limit = "sys/fs/cgroup/memory/a/memory.limit_in_bytes";
        let files = [
            HOST,
            ("proc/self/cgroup", "5:cpu,memory:/a\n"),
            ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "60\n"),
            ("sys/fs/cgroup/memory/a/memory.stat", "total_inactive_file 10\n"),
            (limit, "100\n"),
        ];
        let root = world(&files);
        assert_eq!(Usage::read(root.path()), Some(Usage { used: 50, limit: 100 }));
        fs::write(root.path().join(limit), "9223372036854771712\n").unwrap();
        assert_eq!(Usage::read(root.path()).unwrap().limit, 1_000 * 1_024);
    }

    #[tokio::test]
    async fn this_machine_has_memory() {
        let found = Memory::from(Ratio::ONE, Ratio::ONE).ask().await;
        assert!(found.value().is_some_and(|(it, _)| it > 0.0), "{found:?}");
        let tight = Memory::from(Ratio::ZERO, Ratio::ZERO).ask().await;
        assert_eq!(tight.status(), Status::Fail);
    }
}
