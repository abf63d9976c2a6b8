//! Means: what faults are made of on a host, what each needs, and how to get what is missing.

use serde::Serialize;

use super::{ContainerEngine, HostFacts};

/// One way to break something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Means {
    /// What it is.
    pub name: &'static str,
    /// What can be done with it, in words.
    pub does: &'static str,
    /// The faults that are made of it so far, by their names in documents.
    pub faults: &'static [&'static str],
    /// What is missing for it here; it works when nothing is.
    pub missing: Vec<Lack>,
}

impl Means {
    /// Whether it works here.
    pub fn works(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Something that a host, or a user, lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lack {
    /// What.
    pub what: String,
    /// How to get it.
    pub help: String,
}

/// What is done to a link.
const OF_LINKS: &[&str] = &[
    "latency",
    "bandwidth",
    "blackHole",
    "refuse",
    "reset",
    "httpErrors",
    "httpAbort",
    "httpDelay",
    "httpChange",
    "tls",
];

/// What is done by tables of nft.
const OF_TABLES: &[&str] = &[
    "loss",
    "blackHole",
    "refuse",
    "reset",
    "httpErrors",
    "httpAbort",
    "httpDelay",
    "httpChange",
    "tls",
    "partition",
    "dns",
];

/// All means, with what each lacks on a host.
pub fn means(host: &HostFacts) -> Vec<Means> {
    let net_admin = || host.capability("CAP_NET_ADMIN");
    let tc = || host.program("tc", "iproute2");
    let dev_fuse = "the kernel option CONFIG_FUSE_FS; in a container, `--device /dev/fuse`";
    vec![
        of("links", "disturb connections to dependencies that are declared as links", OF_LINKS, []),
        of(
            "children",
            "burn CPU; fill memory, disks, inodes and pids",
            &["cpu", "memory", "diskFill", "inodes", "pids"],
            [],
        ),
        of("programs", "run a command, and the one that takes it back", &["command"], []),
        of(
            "sessions",
            "end, take, lock and pause in a PostgreSQL or a Redis; their own rights are asked when it acts",
            &["terminateBackends", "takeConnections", "lockTable", "killClients", "pauseClients"],
            [],
        ),
        of(
            "signals",
            "kill, pause, restart and limit processes of other users, too",
            &["kill", "pause", "restart", "fileDescriptors"],
            [host.capability("CAP_KILL")],
        ),
        of(
            "nft",
            "lose, block, refuse and redirect packets; partitions",
            OF_TABLES,
            [net_admin(), host.program("nft", "nftables"), host.owned_tables()],
        ),
        of(
            "queue",
            "hold back, reorder and damage packets, and limit their bandwidth",
            &["latency", "bandwidth", "reorder", "corrupt"],
            [net_admin(), host.owned_tables(), host.queue()],
        ),
        of(
            "netem",
            "send packets twice",
            &["duplicate"],
            [net_admin(), tc(), host.qdisc("netem"), host.qdisc("prio")],
        ),
        of(
            "shaping",
            "limit the bandwidth of packets that leave",
            &["bandwidth"],
            [net_admin(), tc(), host.qdisc("htb")],
        ),
        of("tracing", "pause a process until the tool ends", &["pause"], [host.tracing()]),
        of(
            "clocks",
            "set the clocks of processes ahead or back",
            &["clockSkew"],
            [host.tracing(), machine()],
        ),
        of("cgroups", "limit a group's CPU and memory", &[], [host.control_groups()]),
        of(
            "throttling",
            "limit how fast a group uses disks",
            &["ioThrottle"],
            [host.io_controller()],
        ),
        of(
            "fuse",
            "errors and delays of files",
            &["ioErrors", "ioLatency"],
            [
                host.capability("CAP_SYS_ADMIN"),
                lack(host.fuse, "/dev/fuse", dev_fuse),
                host.program("fusermount3", "fuse3"),
            ],
        ),
        of(
            "containers",
            "kill, pause, restart and stop containers of Docker or Podman",
            &["kill", "pause", "restart", "stop"],
            [host.engine()],
        ),
        of_cluster(host),
        of(
            "systemd",
            "stop and start units",
            &["stopUnit"],
            [
                host.program("systemctl", "systemd"),
                lack(host.systemd, "systemd as PID 1", "the host has to be booted with it"),
            ],
        ),
    ]
}

fn of_cluster(host: &HostFacts) -> Means {
    let cluster = "name its kubeconfig (`KUBECONFIG`), or run in a pod that has an account";
    of(
        "kubernetes",
        "delete and evict pods, scale deployments, cordon nodes; the rights of the account are asked when it acts",
        &["podDelete", "podEvict", "scale", "cordon"],
        [lack(host.cluster.is_some(), "access to a cluster", cluster)],
    )
}

fn of<const N: usize>(
    name: &'static str,
    does: &'static str,
    faults: &'static [&'static str],
    needs: [Option<Lack>; N],
) -> Means {
    Means { name, does, faults, missing: needs.into_iter().flatten().collect() }
}

fn lack(is_there: bool, what: &str, help: &str) -> Option<Lack> {
    (!is_there).then(|| Lack { what: what.to_owned(), help: help.to_owned() })
}

impl HostFacts {
    fn capability(&self, name: &str) -> Option<Lack> {
        let help = format!(
            "run as root, or `setcap {}+ep` the binary; in a container, `--cap-add {}`",
            name.to_lowercase(),
            name.trim_start_matches("CAP_")
        );
        lack(self.capabilities.contains(name), name, &help)
    }

    fn program(&self, name: &str, package: &str) -> Option<Lack> {
        let help = format!("Debian: `apt install {package}`");
        lack(self.programs.contains_key(name), &format!("the program `{name}`"), &help)
    }

    fn owned_tables(&self) -> Option<Lack> {
        let Some(netfilter) = &self.netfilter else {
            return untried("tables of nft with an owner");
        };
        let help = "Linux 5.12 or later, with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET";
        lack(netfilter.owned_tables, "tables of nft with an owner", help)
    }

    fn queue(&self) -> Option<Lack> {
        let Some(netfilter) = &self.netfilter else {
            return untried("packets handed to a process");
        };
        let help = "the kernel options CONFIG_NETFILTER_NETLINK_QUEUE and CONFIG_NFT_QUEUE, or \
                    CONFIG_NFT_COMPAT with CONFIG_NETFILTER_XT_TARGET_NFQUEUE";
        lack(netfilter.queue.is_some(), "packets handed to a process", help)
    }

    fn qdisc(&self, name: &str) -> Option<Lack> {
        let what = format!("the queueing discipline `{name}`");
        let Some(qdiscs) = &self.qdiscs else { return untried(&what) };
        let help = format!("the kernel option CONFIG_NET_SCH_{}", name.to_uppercase());
        lack(qdiscs.contains(name), &what, &help)
    }

    fn engine(&self) -> Option<Lack> {
        let help =
            "start the engine (Debian: `apt install docker.io`), or name its socket in DOCKER_HOST";
        match &self.container_engine {
            None => lack(false, "the socket of Docker or Podman", help),
            Some(ContainerEngine { product: Some(_), .. }) => None,
            Some(ContainerEngine { socket, trouble, .. }) => lack(
                false,
                &format!("an answer of the container engine on {}", socket.display()),
                trouble.as_deref().unwrap_or(help),
            ),
        }
    }

    fn tracing(&self) -> Option<Lack> {
        match self.ptrace_scope {
            None | Some(0) => None,
            Some(3) => {
                lack(false, "ptrace", "kernel.yama.ptrace_scope is 3, which only a reboot changes")
            }
            Some(_) => self.capability("CAP_SYS_PTRACE"),
        }
    }

    fn io_controller(&self) -> Option<Lack> {
        let is_there = self.cgroup_v1.contains("blkio") || self.cgroup_v2.contains("io");
        let help = "the kernel option CONFIG_BLK_DEV_THROTTLING, and control groups mounted with the controller; in a \
                    container, `--cgroupns host` and a writable /sys/fs/cgroup";
        lack(is_there, "the controller `io` or `blkio`", help)
    }

    fn control_groups(&self) -> Option<Lack> {
        let has = |it: &str| self.cgroup_v1.contains(it) || self.cgroup_v2.contains(it);
        let help =
            "mount control groups; in a container, `--cgroupns host` and a writable /sys/fs/cgroup";
        lack(has("cpu") && has("memory"), "the controllers `cpu` and `memory`", help)
    }
}

/// The code that is put in front of the kernel's is of one machine, that of this program.
fn machine() -> Option<Lack> {
    let help = "clocks are set by code of x86-64";
    lack(cfg!(target_arch = "x86_64"), "a processor of x86-64", help)
}

/// Whether it is there is not known, because it could not be tried.
fn untried(what: &str) -> Option<Lack> {
    let help = "not known: this is tried in a network namespace, which needs CAP_SYS_ADMIN";
    lack(false, what, help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_model::document::Fault;
    use std::collections::BTreeSet;

    #[test]
    fn every_fault_is_made_of_something() {
        let means = means(&complete());
        let named: BTreeSet<&str> = means.iter().flat_map(|it| it.faults).copied().collect();
        assert_eq!(named, Fault::KINDS.into_iter().collect());
    }

    /// A host that has everything.
    fn complete() -> HostFacts {
        let text = r#"{
            "kernel": "6.12.0",
            "capabilities": ["CAP_KILL", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"],
            "programs": {
                "fusermount3": "/usr/bin/fusermount3", "nft": "/usr/sbin/nft", "systemctl": "/usr/bin/systemctl",
                "tc": "/usr/sbin/tc"
            },
            "netfilter": {"owned_tables": true, "queue": "nft"},
            "qdiscs": ["htb", "netem", "prio"],
            "cgroup_v2": ["cpu", "io", "memory", "pids"],
            "fuse": true, "ptrace_scope": 1, "systemd": true,
            "container_engine": {"socket": "/run/docker.sock", "product": "Docker 20.10.24"},
            "cluster": "https://10.0.0.1:6443"
        }"#;
        serde_json::from_str(text).unwrap()
    }

    /// What does not work, a line for each thing that is missing.
    fn missing(host: &HostFacts) -> String {
        let all = means(host);
        let line =
            |it: &Means, lack: &Lack| format!("{}: {} ({})\n", it.name, lack.what, lack.help);
        all.iter().flat_map(|it| it.missing.iter().map(move |lack| line(it, lack))).collect()
    }

    #[test]
    fn on_a_complete_host_everything_works() {
        assert!(means(&complete()).iter().all(Means::works), "{}", missing(&complete()));
    }

    #[test]
    fn without_root_the_capabilities_are_missing_and_what_was_not_tried_is_not_known() {
        let host =
            HostFacts { capabilities: [].into(), netfilter: None, qdiscs: None, ..complete() };
        insta::assert_snapshot!(missing(&host), @r"
        signals: CAP_KILL (run as root, or `setcap cap_kill+ep` the binary; in a container, `--cap-add KILL`)
        nft: CAP_NET_ADMIN (run as root, or `setcap cap_net_admin+ep` the binary; in a container, `--cap-add NET_ADMIN`)
        nft: tables of nft with an owner (not known: this is tried in a network namespace, which needs CAP_SYS_ADMIN)
        queue: CAP_NET_ADMIN (run as root, or `setcap cap_net_admin+ep` the binary; in a container, `--cap-add NET_ADMIN`)
        queue: tables of nft with an owner (not known: this is tried in a network namespace, which needs CAP_SYS_ADMIN)
        queue: packets handed to a process (not known: this is tried in a network namespace, which needs CAP_SYS_ADMIN)
        netem: CAP_NET_ADMIN (run as root, or `setcap cap_net_admin+ep` the binary; in a container, `--cap-add NET_ADMIN`)
        netem: the queueing discipline `netem` (not known: this is tried in a network namespace, which needs CAP_SYS_ADMIN)
        netem: the queueing discipline `prio` (not known: this is tried in a network namespace, which needs CAP_SYS_ADMIN)
        shaping: CAP_NET_ADMIN (run as root, or `setcap cap_net_admin+ep` the binary; in a container, `--cap-add NET_ADMIN`)
        shaping: the queueing discipline `htb` (not known: this is tried in a network namespace, which needs CAP_SYS_ADMIN)
        tracing: CAP_SYS_PTRACE (run as root, or `setcap cap_sys_ptrace+ep` the binary; in a container, `--cap-add SYS_PTRACE`)
        clocks: CAP_SYS_PTRACE (run as root, or `setcap cap_sys_ptrace+ep` the binary; in a container, `--cap-add SYS_PTRACE`)
        fuse: CAP_SYS_ADMIN (run as root, or `setcap cap_sys_admin+ep` the binary; in a container, `--cap-add SYS_ADMIN`)
        ");
    }

    #[test]
    fn without_nft_only_its_faults_are_missing() {
        let mut host = complete();
        host.programs.remove("nft");
        assert_eq!(missing(&host), "nft: the program `nft` (Debian: `apt install nftables`)\n");
    }

    #[test]
    fn on_a_minimal_kernel_its_options_are_named() {
        let host = HostFacts {
            netfilter: Some(super::super::Netfilter::default()),
            qdiscs: Some([].into()),
            fuse: false,
            systemd: false,
            container_engine: None,
            cluster: None,
            ptrace_scope: Some(3),
            cgroup_v2: [].into(),
            ..complete()
        };
        insta::assert_snapshot!(missing(&host), @r"
        nft: tables of nft with an owner (Linux 5.12 or later, with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET)
        queue: tables of nft with an owner (Linux 5.12 or later, with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET)
        queue: packets handed to a process (the kernel options CONFIG_NETFILTER_NETLINK_QUEUE and CONFIG_NFT_QUEUE, or CONFIG_NFT_COMPAT with CONFIG_NETFILTER_XT_TARGET_NFQUEUE)
        netem: the queueing discipline `netem` (the kernel option CONFIG_NET_SCH_NETEM)
        netem: the queueing discipline `prio` (the kernel option CONFIG_NET_SCH_PRIO)
        shaping: the queueing discipline `htb` (the kernel option CONFIG_NET_SCH_HTB)
        tracing: ptrace (kernel.yama.ptrace_scope is 3, which only a reboot changes)
        clocks: ptrace (kernel.yama.ptrace_scope is 3, which only a reboot changes)
        cgroups: the controllers `cpu` and `memory` (mount control groups; in a container, `--cgroupns host` and a writable /sys/fs/cgroup)
        throttling: the controller `io` or `blkio` (the kernel option CONFIG_BLK_DEV_THROTTLING, and control groups mounted with the controller; in a container, `--cgroupns host` and a writable /sys/fs/cgroup)
        fuse: /dev/fuse (the kernel option CONFIG_FUSE_FS; in a container, `--device /dev/fuse`)
        containers: the socket of Docker or Podman (start the engine (Debian: `apt install docker.io`), or name its socket in DOCKER_HOST)
        kubernetes: access to a cluster (name its kubeconfig (`KUBECONFIG`), or run in a pod that has an account)
        systemd: systemd as PID 1 (the host has to be booted with it)
        ");
    }

    #[test]
    fn the_faults_of_each_means_are_faults() {
        let kinds: Vec<&str> = crate::kind::KINDS.iter().map(|it| it.name).collect();
        let all = means(&complete());
        assert!(all.iter().flat_map(|it| it.faults).all(|it| kinds.contains(it)));
    }
}
