//! Inodes of a file system, taken by files without a name: they are gone with the process that has them open.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, open, statvfs};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::{Counters, Life, counters};

/// Descriptors that this process needs for itself.
const OWN: u64 = 32;

/// Take inodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inodes {
    /// A folder in the file system.
    pub path: PathBuf,
    /// How many are left.
    pub free: u64,
}

impl Inodes {
    /// The most that one process can hold: each takes a file descriptor.
    pub(crate) fn most() -> u64 {
        getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX).saturating_sub(OWN)
    }

    pub(super) fn run(self, life: &Life) -> io::Result<Counters> {
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        let mut held: Vec<OwnedFd> = Vec::new();
        let mut free = statvfs(&self.path)?.f_favail;
        while free > self.free {
            for _ in 0..free - self.free {
                let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
                match open(&self.path, flags, Mode::RUSR) {
                    Ok(it) => held.push(it),
                    Err(Errno::NOSPC | Errno::DQUOT) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            let left = statvfs(&self.path)?.f_favail;
            if left >= free {
                break;
            }
            free = left;
        }
        life.ready()?;
        life.wait()?;
        let left = statvfs(&self.path)?.f_favail;
        Ok(counters([("inodes_held", held.len() as f64), ("inodes_free", left as f64)]))
    }
}

impl fmt::Display for Inodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, free } = self;
        write!(f, "take the inodes of the file system of {}, all but {free}", path.display())
    }
}
