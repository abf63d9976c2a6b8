//! Memory: how much is left of what we may use.
//!
//! In a container that is what its cgroup and those around it allow, whatever the host has: the kernel kills by these limits. Pages of
//! files that the kernel can drop at once (`inactive_file`) count as free, as a kubelet has it in its working set.

use std::fs;
use std::path::Path;

use evenkeel_units::{Bytes, Ratio};

use super::cgroup::{VERSION_2, field, groups, number};
use super::judge_share;
use crate::{Check, Finding};

/// The share that is taken of the memory that we may use: that of our cgroup, or of one around it, if any has a limit (versions 2 and
/// 1), else that of the host.
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
        Some(Self::of_groups(root, host).unwrap_or(host))
    }

    fn of_host(root: &Path) -> Option<Self> {
        let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
        let kib = |name: &str| field(&text, name)?.checked_mul(1_024);
        let limit = kib("MemTotal:")?;
        Some(Self { used: limit.saturating_sub(kib("MemAvailable:")?), limit })
    }

    /// Of our group and those around it, the one of which the largest share is taken: whichever is full first, the kernel kills.
    fn of_groups(root: &Path, host: Self) -> Option<Self> {
        let one = groups(root, "sys/fs/cgroup/memory", "memory").into_iter().filter_map(|it| {
            let names = ["memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file"];
            Self::of_group(&it, names)
        });
        let two = groups(root, VERSION_2, "").into_iter().filter_map(|it| {
            Self::of_group(&it, ["memory.current", "memory.max", "inactive_file"])
        });
        // A limit beyond what the host has is none: version 1 writes "no limit" as a huge one.
        let limited = two.chain(one).filter(|it| it.limit < host.limit);
        limited.max_by(|a, b| a.taken().total_cmp(&b.taken()))
    }

    fn of_group(group: &Path, [used, limit, droppable]: [&str; 3]) -> Option<Self> {
        let (used, limit): (u64, u64) = (number(group, used)?, number(group, limit)?);
        let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        Some(Self { used: used.saturating_sub(field(&stat, droppable).unwrap_or(0)), limit })
    }
}

#[cfg(test)]
mod tests {
    use super::super::cgroup::world;
    use super::*;
    use crate::Status;

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
    fn the_limit_of_a_group_around_ours_counts_where_more_of_it_is_taken() {
        let root = world(&[
            HOST,
            ("proc/self/cgroup", "0::/pods/a\n"),
            ("sys/fs/cgroup/pods/a/memory.max", "max\n"),
            ("sys/fs/cgroup/pods/a/memory.current", "40000\n"),
            ("sys/fs/cgroup/pods/memory.max", "100000\n"),
            ("sys/fs/cgroup/pods/memory.current", "90000\n"),
        ]);
        assert_eq!(Usage::read(root.path()), Some(Usage { used: 90_000, limit: 100_000 }));
        fs::write(root.path().join("sys/fs/cgroup/pods/a/memory.max"), "41000\n").unwrap();
        assert_eq!(Usage::read(root.path()), Some(Usage { used: 40_000, limit: 41_000 }));
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
