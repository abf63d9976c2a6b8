//! The files that the kernel knows, by its numbers, each with a descriptor that means it whatever it is called by now.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::Stat;

/// The folder itself.
pub(super) const ROOT: u64 = 1;
/// Numbers of ours begin here, where no file system has its own.
const OWN: u64 = 1 << 63;

/// A file, a folder, or whatever else has a name.
#[derive(Debug)]
pub(super) struct Node {
    /// Opened for nothing but to name it.
    pub(super) fd: OwnedFd,
    key: (u64, u64),
}

impl Node {
    /// A path to it that holds for as long as its descriptor.
    pub(super) fn path(&self) -> String {
        path(&self.fd)
    }
}

/// A path to what a descriptor of ours means.
pub(super) fn path(fd: &OwnedFd) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Those that the kernel has not forgotten.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<u64, (Arc<Node>, u64)>,
    numbers: BTreeMap<(u64, u64), u64>,
    next: u64,
}

impl Tree {
    pub(super) fn new(fd: OwnedFd, stat: &Stat) -> Self {
        let key = (stat.st_dev, stat.st_ino);
        let root = (Arc::new(Node { fd, key }), u64::MAX / 2);
        Self { nodes: [(ROOT, root)].into(), numbers: [(key, ROOT)].into(), next: OWN }
    }

    pub(super) fn get(&self, number: u64) -> Option<Arc<Node>> {
        self.nodes.get(&number).map(|it| it.0.clone())
    }

    /// The kernel has looked one up. Its number is that of the folder below where this is possible, so that programs
    /// that remember numbers see the same ones before, meanwhile and afterwards.
    pub(super) fn enter(&mut self, fd: OwnedFd, stat: &Stat) -> u64 {
        let key = (stat.st_dev, stat.st_ino);
        if let Some(number) = self.numbers.get(&key).copied()
            && let Some((_, lookups)) = self.nodes.get_mut(&number)
        {
            *lookups += 1;
            return number;
        }
        let free = |it: u64| it > ROOT && it < OWN && !self.nodes.contains_key(&it);
        let number = if free(stat.st_ino) { stat.st_ino } else { self.next };
        if number == self.next {
            self.next += 1;
        }
        self.numbers.insert(key, number);
        self.nodes.insert(number, (Arc::new(Node { fd, key }), 1));
        number
    }

    /// The kernel does not remember so many of its lookups any more.
    pub(super) fn forget(&mut self, number: u64, lookups: u64) {
        let Some((node, left)) = self.nodes.get_mut(&number) else { return };
        *left = left.saturating_sub(lookups);
        if *left == 0 && number != ROOT {
            let key = node.key;
            self.numbers.remove(&key);
            self.nodes.remove(&number);
        }
    }
}
