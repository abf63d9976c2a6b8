//! This host: what there is to break things with, found by looking, and what follows from it.
//!
//! ```text
//! look   finding out; tries in a network of its own what only trying tells
//! means  what works with these facts, what does not, and how to get it; pure
//! ```
//!
//! Facts can be written down and read back, so that what holds on another host can be asked without being there.

mod look;
mod means;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use self::look::disciplines;
pub use self::look::look;
pub use self::means::{Lack, Means, means};
pub use crate::netlink::QueueWords;

/// What a host has. What could not be found out is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostFacts {
    /// Release of the kernel.
    pub kernel: String,
    /// What this process may do, as `CAP_NET_ADMIN`.
    pub capabilities: BTreeSet<String>,
    /// Programs by name, where they are.
    pub programs: BTreeMap<String, PathBuf>,
    /// What the kernel's netfilter can; nothing is known where it could not be tried.
    pub netfilter: Option<Netfilter>,
    /// Queueing disciplines that the kernel has; nothing is known where they could not be tried.
    pub qdiscs: Option<BTreeSet<String>>,
    /// Controllers of control groups, version 1.
    pub cgroup_v1: BTreeSet<String>,
    /// Controllers of control groups, version 2.
    pub cgroup_v2: BTreeSet<String>,
    /// Whether there is `/dev/fuse`.
    pub fuse: bool,
    /// Who may trace whom: 0 who owns it, 1 parents, 2 administrators, 3 nobody; absent without Yama.
    pub ptrace_scope: Option<u8>,
    /// Whether systemd runs this host.
    pub systemd: bool,
    /// The engine that is asked when none is named.
    pub container_engine: Option<ContainerEngine>,
    /// The cluster of Kubernetes that faults would act in, by its URL; nobody has asked whether it is there.
    pub cluster: Option<String>,
}

/// An engine of containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContainerEngine {
    /// Where it is asked.
    pub socket: PathBuf,
    /// What it says that it is, such as `Docker 20.10.24`.
    pub product: Option<String>,
    /// Why it says nothing.
    pub trouble: Option<String>,
}

/// What the kernel's netfilter can.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Netfilter {
    /// Tables that go with the process that owns them (Linux 5.12).
    pub owned_tables: bool,
    /// How a rule hands packets to a process, if it can.
    pub queue: Option<QueueWords>,
}
