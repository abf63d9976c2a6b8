//! Facts: what is known about each kind of fault.

use std::time::Duration;

use super::{Fault, PauseBy, RateBy};
use crate::document::{ActsOn, Step};

/// What is known about a kind of fault.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Kind in documents, and in `allowFaults`.
    pub kind: &'static str,
    /// What it can act on; the target of a step says which. The first is what it is for.
    pub acts_on: &'static [ActsOn],
    /// Whether it lasts, and is then taken back. Else it acts once and has no end of its own.
    pub lasts: bool,
}

const fn lasts(kind: &'static str, acts_on: &'static [ActsOn]) -> Facts {
    Facts { kind, acts_on, lasts: true }
}

/// It acts once, or again and again for as long as it lasts.
const fn repeats(kind: &'static str, acts_on: &'static [ActsOn], lasts: bool) -> Facts {
    Facts { kind, acts_on, lasts }
}

impl Fault {
    /// What is known about it, its parameters included.
    pub const fn facts(&self) -> Facts {
        use ActsOn::{Cluster, Container, Host, Link, Pod, Postgres, Process, Redis, Traffic};
        match self {
            Self::Latency { .. } => lasts("latency", &[Link, Traffic]),
            Self::Bandwidth { by: RateBy::Tool, .. } => lasts("bandwidth", &[Link, Traffic]),
            Self::Bandwidth { by: RateBy::Htb, .. } => lasts("bandwidth", &[Traffic]),
            Self::BlackHole => lasts("blackHole", &[Link, Traffic]),
            Self::Refuse => lasts("refuse", &[Link, Traffic]),
            Self::Reset => lasts("reset", &[Link, Traffic]),
            Self::HttpErrors { .. } => lasts("httpErrors", &[Link, Traffic]),
            Self::HttpAbort { .. } => lasts("httpAbort", &[Link, Traffic]),
            Self::HttpDelay { .. } => lasts("httpDelay", &[Link, Traffic]),
            Self::HttpChange { .. } => lasts("httpChange", &[Link, Traffic]),
            Self::Tls { .. } => lasts("tls", &[Link, Traffic]),
            Self::Loss { .. } => lasts("loss", &[Traffic]),
            Self::Corrupt { .. } => lasts("corrupt", &[Traffic]),
            Self::Reorder { .. } => lasts("reorder", &[Traffic]),
            Self::Duplicate { .. } => lasts("duplicate", &[Traffic]),
            Self::Partition { .. } => lasts("partition", &[Host]),
            Self::Dns { .. } => lasts("dns", &[Host]),
            Self::Kill { every } => repeats("kill", &[Process, Container], every.is_some()),
            Self::Pause { by: PauseBy::Signal } => lasts("pause", &[Process, Container]),
            Self::Pause { by: PauseBy::Trace } => lasts("pause", &[Process]),
            Self::Restart { every } => repeats("restart", &[Process, Container], every.is_some()),
            Self::Stop => lasts("stop", &[Container]),
            Self::StopUnit { .. } => lasts("stopUnit", &[Host]),
            Self::Cpu { .. } => lasts("cpu", &[Host]),
            Self::Memory { .. } => lasts("memory", &[Host]),
            Self::DiskFill { .. } => lasts("diskFill", &[Host]),
            Self::Inodes { .. } => lasts("inodes", &[Host]),
            Self::IoErrors { .. } => lasts("ioErrors", &[Host]),
            Self::IoLatency { .. } => lasts("ioLatency", &[Host]),
            Self::Pids { .. } => lasts("pids", &[Host]),
            Self::FileDescriptors { .. } => lasts("fileDescriptors", &[Process]),
            Self::IoThrottle(_) => lasts("ioThrottle", &[Process]),
            Self::ClockSkew { .. } => lasts("clockSkew", &[Process]),
            Self::PodDelete { every, .. } => repeats("podDelete", &[Pod], every.is_some()),
            Self::PodEvict => repeats("podEvict", &[Pod], false),
            Self::Scale { .. } => lasts("scale", &[Cluster]),
            Self::Cordon { .. } => lasts("cordon", &[Cluster]),
            Self::TerminateBackends { .. } => repeats("terminateBackends", &[Postgres], false),
            Self::TakeConnections { .. } => lasts("takeConnections", &[Postgres]),
            Self::LockTable { .. } => lasts("lockTable", &[Postgres]),
            Self::KillClients { .. } => repeats("killClients", &[Redis], false),
            Self::PauseClients { .. } => lasts("pauseClients", &[Redis]),
            Self::Command { .. } => lasts("command", &[Host]),
        }
    }

    /// Every kind, in the order of the manual.
    pub const KINDS: [&str; 41] = [
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
        "loss",
        "corrupt",
        "reorder",
        "duplicate",
        "partition",
        "dns",
        "kill",
        "pause",
        "restart",
        "stop",
        "stopUnit",
        "fileDescriptors",
        "ioThrottle",
        "clockSkew",
        "cpu",
        "memory",
        "diskFill",
        "inodes",
        "ioErrors",
        "ioLatency",
        "pids",
        "command",
        "podDelete",
        "podEvict",
        "scale",
        "cordon",
        "terminateBackends",
        "takeConnections",
        "lockTable",
        "killClients",
        "pauseClients",
    ];

    /// Kind in documents, and in `allowFaults`.
    pub const fn kind(&self) -> &'static str {
        self.facts().kind
    }

    /// How long after one time it acts the next, when it acts again and again.
    pub const fn every(&self) -> Option<Duration> {
        match self {
            Self::Kill { every } | Self::Restart { every } | Self::PodDelete { every, .. } => {
                *every
            }
            _ => None,
        }
    }

    /// Whether it acts once and has no end of its own.
    pub const fn is_one_shot(&self) -> bool {
        !self.facts().lasts
    }

    /// Whether it needs no target: it acts on this whole host, or says itself on what.
    pub fn needs_no_target(&self) -> bool {
        matches!(self.facts().acts_on, [ActsOn::Host | ActsOn::Cluster])
    }
}

impl Step {
    /// What the fault acts on in this step: what its target is, or what the fault is for.
    pub fn acts_on(&self) -> ActsOn {
        let known = self.fault.facts().acts_on;
        let aimed = self.target.as_ref().map(|it| it.select.is());
        aimed.filter(|it| known.contains(it)).unwrap_or(known[0])
    }
}
