//! Work that is done in the network of a container: the child goes there before it does anything.
//!
//! A table of nft, a queue and a listener belong to the network in which they are made, so that what holds them is the
//! same here as there, and the network of this host is not touched. The child is gone from it when it ends, and the
//! kernel takes what it held.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};

use super::{Counters, Life, Rest, Work};
use crate::process::Process;

/// A network that is not that of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Network {
    /// Whose it is.
    pub(crate) of: String,
    /// A process in it.
    pub(crate) process: Process,
    /// Its inode, by which the kernel tells networks apart.
    pub(crate) inode: u64,
}

/// Work in a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Within {
    /// Where.
    pub(crate) network: Network,
    /// What.
    pub(crate) work: Box<Work>,
}

impl Within {
    pub(super) fn run(self, life: &Life) -> io::Result<(Counters, Rest)> {
        self.network.enter()?;
        self.work.run(life)
    }
}

impl Network {
    /// That of a process; `None` when it is the one that we are in ourselves.
    pub(crate) fn of(process: Process, of: String) -> io::Result<Option<Self>> {
        let inode = |path: String| fs::metadata(path).map(|it| it.ino());
        let [theirs, ours] = [inode(path(&process))?, inode("/proc/self/ns/net".to_owned())?];
        Ok((theirs != ours).then_some(Self { of, process, inode: theirs }))
    }

    /// Goes there with this thread, and with whatever it starts from here on.
    fn enter(&self) -> io::Result<()> {
        let door = File::open(path(&self.process))?;
        // Opened first, compared second: it cannot become another one any more.
        if door.metadata()?.ino() != self.inode || !self.process.is_alive() {
            return Err(io::Error::other(format!("{} has another network by now", self.of)));
        }
        Ok(move_into_link_name_space(door.as_fd(), Some(LinkNameSpaceType::Network))?)
    }
}

fn path(process: &Process) -> String {
    format!("/proc/{}/ns/net", process.pid)
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in the network of {}: {}", self.network.of, self.work)
    }
}
