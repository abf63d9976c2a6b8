//! Namespaces: where numbers of processes, paths and names of interfaces mean what they meant.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::stat;

/// A sort of namespace that an undo may depend on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// Numbers of processes.
    Pid,
    /// Mounts, and so paths.
    Mount,
    /// Interfaces and addresses.
    Network,
}

/// The pid namespace that holds all others: its number is fixed in the kernel.
const EVERYTHING: &str = "pid:[4026531836]";

/// The namespaces in which something was done, as the kernel names them; empty where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    pid: String,
    mount: String,
    network: String,
}

impl Place {
    /// Where this process is.
    pub(crate) fn here() -> Self {
        Self::at("self")
    }

    /// Where a process is, as far as we may know.
    pub(crate) fn of(pid: u32) -> Self {
        Self::at(&pid.to_string())
    }

    fn at(process: &str) -> Self {
        let name = |of: &str| {
            let link = std::fs::read_link(format!("/proc/{process}/ns/{of}"));
            link.map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
        };
        Self { pid: name("pid"), mount: name("mnt"), network: name("net") }
    }

    /// Whether its processes are all gone. Only from where every process of the host is seen can that be told.
    pub(crate) fn is_over(&self, here: &Self) -> bool {
        let is_there = |it: &u32| Self::of(*it).pid == self.pid;
        here.pid == EVERYTHING
            && !self.pid.is_empty()
            && stat::pids().is_ok_and(|it| !it.iter().any(is_there))
    }

    /// Whether what was done at one place can be told from another. What is not known is taken to be so.
    pub(crate) fn shares(&self, other: &Self, namespace: Namespace) -> bool {
        let of = |it: &Self| match namespace {
            Namespace::Pid => it.pid.clone(),
            Namespace::Mount => it.mount.clone(),
            Namespace::Network => it.network.clone(),
        };
        let (one, two) = (of(self), of(other));
        one == two || one.is_empty() || two.is_empty()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.pid, self.mount, self.network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_shares_what_has_one_name_or_none() {
        let here = Place::here();
        assert!(here.pid.starts_with("pid:[") && here.network.starts_with("net:["), "{here:?}");
        let there = Place { network: "net:[1]".to_owned(), ..here.clone() };
        assert!(here.shares(&there, Namespace::Pid) && here.shares(&there, Namespace::Mount));
        assert!(!here.shares(&there, Namespace::Network));
        assert!(here.shares(&Place::default(), Namespace::Network));
    }
}
