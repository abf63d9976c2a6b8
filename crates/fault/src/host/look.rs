//! Looking: what this host has. Files are read; what only trying tells is tried in a network namespace of its own,
//! which is gone afterwards. The kernel may load a module for that, as it would for the fault itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use evenkeel_model::document;
use nix::sched::{CloneFlags, unshare};

use super::{ContainerEngine, HostFacts, Netfilter};
use crate::engine::Engine;
use crate::kubernetes::Cluster;
use crate::need;
use crate::netlink;

/// Programs that something here may run.
const PROGRAMS: [&str; 7] = ["docker", "fusermount3", "ip", "nft", "podman", "systemctl", "tc"];

/// Queueing disciplines, with the least that each needs.
const QDISCS: [(&str, &[&str]); 3] = [("htb", &[]), ("netem", &["delay", "1ms"]), ("prio", &[])];

/// Bits of `CapEff`, as in capabilities(7), of what faults may need.
const CAPABILITIES: [(&str, u32); 7] = [
    ("CAP_DAC_OVERRIDE", 1),
    ("CAP_KILL", 5),
    ("CAP_NET_ADMIN", 12),
    ("CAP_SYS_PTRACE", 19),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_SYS_NICE", 23),
    ("CAP_SYS_RESOURCE", 24),
];

/// Looks at this host.
pub fn look() -> HostFacts {
    let found = |name: &&str| Some(((*name).to_owned(), need::program(name, "").ok()?));
    let programs: BTreeMap<String, PathBuf> = PROGRAMS.iter().filter_map(found).collect();
    let tc = programs.get("tc").cloned();
    let tried = apart(move || (tried(), tc.map(|it| qdiscs(&it))));
    let (netfilter, qdiscs) = tried.map_or((None, None), |(netfilter, it)| (Some(netfilter), it));
    let (cgroup_v1, cgroup_v2) = cgroups(&read("/proc/self/mountinfo"));
    HostFacts {
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        capabilities: capabilities(&read("/proc/self/status")),
        programs,
        netfilter,
        qdiscs,
        cgroup_v1,
        cgroup_v2,
        fuse: Path::new("/dev/fuse").exists(),
        ptrace_scope: read("/proc/sys/kernel/yama/ptrace_scope").trim().parse().ok(),
        // As sd_booted(3) has it.
        systemd: Path::new("/run/systemd/system").is_dir(),
        container_engine: container_engine(),
        cluster: Cluster::find(&document::Cluster::default()).ok().map(|it| it.server),
    }
}

/// The engine that is asked when none is named.
fn container_engine() -> Option<ContainerEngine> {
    let engine = Engine::at(None).ok()?;
    let (product, trouble) = match engine.product() {
        Ok(it) => (Some(it), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Some(ContainerEngine { socket: engine.socket, product, trouble })
}

/// A file that may not be there.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Does something in a network namespace that ends with it; `None` where that is not allowed.
fn apart<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    // Only the thread goes there, and what it starts.
    let there = move || unshare(CloneFlags::CLONE_NEWNET).is_ok().then(act);
    thread::Builder::new().spawn(there).ok()?.join().ok()?
}

fn tried() -> Netfilter {
    Netfilter { owned_tables: netlink::has_owned_tables(), queue: netlink::queue_words() }
}

/// Queueing disciplines that the kernel has. What could not be tried is taken for missing.
pub(crate) fn disciplines(tc: &Path) -> BTreeSet<String> {
    let tc = tc.to_owned();
    apart(move || qdiscs(&tc)).unwrap_or_default()
}

fn qdiscs(tc: &Path) -> BTreeSet<String> {
    let works = |name: &str, words: &[&str]| {
        let mut command = Command::new(tc);
        command.args(["qdisc", "replace", "dev", "lo", "root", name]).args(words);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|it| it.success())
    };
    let found = QDISCS.iter().filter(|(name, words)| works(name, words));
    found.map(|(name, _)| (*name).to_owned()).collect()
}

fn capabilities(status: &str) -> BTreeSet<String> {
    let line = status.lines().find_map(|it| it.strip_prefix("CapEff:"));
    let mask = line.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).unwrap_or(0);
    let held = CAPABILITIES.iter().filter(|(_, bit)| mask >> bit & 1 == 1);
    held.map(|(name, _)| (*name).to_owned()).collect()
}

/// Controllers by version, of what is mounted.
fn cgroups(mountinfo: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut first, mut second) = (BTreeSet::new(), BTreeSet::new());
    for line in mountinfo.lines() {
        let Some((mount, file_system)) = line.split_once(" - ") else { continue };
        let mut words = file_system.split(' ');
        match (words.next(), words.next_back()) {
            // Controllers are options of the mount, beside a few others.
            (Some("cgroup"), Some(options)) => {
                let known = options.split(',').filter(|it| CONTROLLERS.contains(it));
                first.extend(known.map(str::to_owned));
            }
            (Some("cgroup2"), Some(_)) => {
                let folder = mount.split(' ').nth(4).unwrap_or_default();
                let text = read(&format!("{folder}/cgroup.controllers"));
                second.extend(text.split_ascii_whitespace().map(str::to_owned));
            }
            _ => {}
        }
    }
    (first, second)
}

const CONTROLLERS: [&str; 6] = ["blkio", "cpu", "cpuset", "freezer", "memory", "pids"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_named_after_their_bits() {
        let of = |text: &str| capabilities(text).into_iter().collect::<Vec<_>>();
        assert_eq!(of("Name:\tx\nCapEff:\t0000000000001020\n"), ["CAP_KILL", "CAP_NET_ADMIN"]);
        assert!(of("CapEff:\tnonsense\n").is_empty() && of("").is_empty());
    }

    #[test]
    fn controllers_are_found_among_the_options_of_mounts() {
        let text = "\
            30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n\
            31 25 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
            32 25 0:28 / /nowhere/at/all rw - cgroup2 cgroup2 rw,nsdelegate\n\
            33 25 0:29 / /tmp rw - tmpfs tmpfs rw,memory\n\
            nonsense\n";
        let (first, second) = cgroups(text);
        assert_eq!(first.into_iter().collect::<Vec<_>>(), ["cpu", "pids"]);
        assert!(second.is_empty());
    }

    #[test]
    fn looking_leaves_no_network_behind_and_says_what_it_could_try() {
        let network = || fs::read_link("/proc/thread-self/ns/net").unwrap();
        let before = network();
        let facts = look();
        assert_eq!(network(), before);
        assert!(!facts.kernel.is_empty());
        let may = facts.capabilities.contains("CAP_SYS_ADMIN");
        assert_eq!(facts.netfilter.is_some(), may, "{facts:?}");
        assert_eq!(facts.qdiscs.is_some(), may && facts.programs.contains_key("tc"), "{facts:?}");
    }

    #[test]
    fn facts_survive_their_json() {
        let facts = look();
        let json = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<HostFacts>(&json).unwrap(), facts);
    }
}
