//! A file system of ours over a folder: what is done in it is done to the folder below, but for what fails or waits.
//!
//! ```text
//! below    the folder itself, by a descriptor that was opened before anything lay over it
//! tree     its files as the kernel numbers them, each by a descriptor of its own
//! pass     requests of the kernel, one call below for each
//! meddle   which of them fail or wait, and how many were met
//! ```
//!
//! Being mounted is the fault: whoever takes the mount away ends it. Files that are open then are served on, and
//! nothing happens to them any more; this process ends with the last of them.

mod attributes;
mod below;
mod meddle;
mod pass;
mod tree;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use evenkeel_model::document::{FileError, FileOperation};
use evenkeel_units::duration::seconds;
use evenkeel_units::{Human, Ratio, Seed};
use fuser::{Config, MountOption, Session, SessionACL};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use rustix::time::Timespec;
use serde::{Deserialize, Serialize};

use self::below::Below;
use self::meddle::Meddler;
use self::pass::Passage;
use super::{Counters, Life, counters};
use crate::mount;

/// Requests that are looked at in the same moment. Those that wait take none of them.
const THREADS: usize = 4;

/// Make operations on files fail or wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Files {
    /// The folder, by its real path.
    pub path: PathBuf,
    /// Names the mount.
    pub source: String,
    /// What happens to those that are met.
    pub what: Meddling,
    /// Their share.
    pub share: Ratio,
    /// Which operations are met.
    pub operations: BTreeSet<FileOperation>,
    /// By which they are chosen.
    pub seed: Seed,
}

/// What happens to an operation.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meddling {
    /// It is not done, and fails.
    Fail(FileError),
    /// It is done so much later.
    Wait(#[serde(with = "seconds")] Duration),
}

/// What goes on when all has been said.
pub(super) type Rest = Option<JoinHandle<io::Result<()>>>;

impl Files {
    pub(super) fn run(self, life: &Life) -> io::Result<(Counters, Rest)> {
        // Each file that the kernel knows takes a descriptor, and modes are masked already.
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        umask(Mode::empty());
        let below = Arc::new(Below::open(&self.path)?);
        let meddler = Arc::new(Meddler::new(&self)?);
        let passage = Passage { below: below.clone(), meddler: meddler.clone() };
        let name = MountOption::FSName(self.source.clone());
        let kind = MountOption::Subtype(mount::SUBTYPE.to_owned());
        let mut config = Config::default();
        config.mount_options =
            vec![name, kind, MountOption::AutoUnmount, MountOption::DefaultPermissions];
        config.acl = SessionACL::All;
        config.n_threads = Some(THREADS);
        config.clone_fd = true;
        // Before anybody can have changed it by mounting: the first look is the one that is waited on.
        let changes = File::open("/proc/self/mountinfo")?;
        let session = Session::new(passage, &self.path, &config)?;
        let serving = thread::Builder::new().spawn(move || session.run())?;
        if !mount::is_there(&self.path, &self.source)? {
            return Err(io::Error::other("it was mounted, and is not there"));
        }
        life.ready()?;
        let waited = self.wait(life, &changes);
        meddler.leave();
        mount::detach(&self.path, &self.source)?;
        waited?;
        let counted = counters([
            ("operations_seen", meddler.seen() as f64),
            ("operations_met", meddler.met() as f64),
            ("files_still_open", below.open_files() as f64),
        ]);
        Ok((counted, Some(serving)))
    }

    /// Waits until it is over, or somebody took the mount away.
    fn wait(&self, life: &Life, changes: &File) -> io::Result<()> {
        let input = life.input();
        while mount::is_there(&self.path, &self.source)? {
            let left = life.left();
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let watched =
                &mut [PollFd::new(&input, PollFlags::IN), PollFd::new(changes, PollFlags::PRI)];
            match poll(watched, Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if life.wait_for(Duration::ZERO)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.operations.iter().map(ToString::to_string).collect();
        let (path, share, names) = (self.path.display(), self.share, names.join(", "));
        match self.what {
            Meddling::Fail(error) => {
                write!(f, "mount over {path}, where {share} of {names} fail with {error}")
            }
            Meddling::Wait(delay) => {
                write!(f, "mount over {path}, where {share} of {names} wait {}", Human(delay))
            }
        }
    }
}
