//! Directory: who has it, and what lies in it.
//!
//! ```text
//! lock               held by the one process that writes
//! NNNNNNNN.log       the log, by number
//! NNNNNNNN.head      a checkpoint: the head as it was when the log of that number began
//! A-B.segment        a segment made of the flushes A to B
//! segments           which of these there are
//! *.new              what was being written when somebody was killed
//! *.damaged          what could not be read, and was set aside
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::OpenError;
use crate::listed::{self, Listed};
use crate::segment::{self, Flushes};
use crate::{checkpoint, log};

/// What is made under another name first, so that a file with its own name is whole.
pub(crate) const NEW: &str = "new";

/// Says that a directory is this process' alone.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    /// To close the file is not enough: a process that is being started has it too, until it becomes another program.
    fn drop(&mut self) {
        // When it fails the file is closed still.
        self.0.unlock().ok();
    }
}

/// Takes a directory for this process alone; it is made if need be.
pub(crate) fn lock(directory: &Path) -> Result<Lock, OpenError> {
    std::fs::create_dir_all(directory).map_err(OpenError::at(directory))?;
    let path = directory.join("lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = options.open(&path).map_err(OpenError::at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(cause)) => Err(OpenError::Io { path, cause }),
    }
}

/// Brings the names in a directory to disk.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// A file that is being made. It is gone with this, unless it got its name: a full disk is not to be filled by what was
/// given up.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes the file, and an old one of its name empty.
    pub(crate) fn create(path: PathBuf) -> io::Result<(Self, File)> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok((Self(path), file))
    }

    /// Gives it its name, once it is whole and on disk.
    pub(crate) fn publish(self, path: &Path) -> io::Result<()> {
        publish(&self.0, path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is not removed now is so with the next start.
        std::fs::remove_file(&self.0).ok();
    }
}

/// Gives a file that is whole its name.
fn publish(new: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(new, path)?;
    sync(path.parent().unwrap_or(path))
}

/// A name that nobody reads, for a file that is damaged.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".damaged");
    name.into()
}

/// Sets a file aside, and says under which name.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = aside(path);
    std::fs::rename(path, &aside)?;
    Ok(aside)
}

/// Removes a file. One that is gone already, by whomever, is no fault.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

/// Removes files, as many as can be; the first that cannot is told.
pub(crate) fn remove_all<'a>(
    paths: impl Iterator<Item = &'a Path>,
) -> Result<(), (PathBuf, io::Error)> {
    let failed = |path: &'a Path| remove(path).err().map(|cause| (path.to_owned(), cause));
    // All are tried before the first fault is told.
    let faults: Vec<_> = paths.filter_map(failed).collect();
    faults.into_iter().next().map_or(Ok(()), Err)
}

/// What lies in a directory, each kind in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) checkpoints: Vec<(u64, PathBuf)>,
    pub(crate) logs: Vec<(u64, PathBuf)>,
    pub(crate) segments: Vec<(Flushes, PathBuf)>,
    /// What is being written, or was.
    pub(crate) scratch: Vec<PathBuf>,
    /// Segments that were to be there; `None`: nobody can read which.
    pub(crate) listed: Option<Vec<Listed>>,
    pub(crate) directory: PathBuf,
}

impl Listing {
    /// Whether there is nothing of a store.
    pub(crate) const fn is_empty(&self) -> bool {
        self.checkpoints.is_empty() && self.logs.is_empty() && self.segments.is_empty()
    }

    /// Whether what lies there later is what lay there before, but for logs that have begun since.
    pub(crate) fn holds(&self, later: &Self) -> bool {
        self.checkpoints == later.checkpoints && self.segments == later.segments
    }

    pub(crate) fn of(directory: &Path) -> Result<Self, OpenError> {
        let mut it = Self { directory: directory.to_owned(), ..Self::default() };
        for file in std::fs::read_dir(directory).map_err(OpenError::at(directory))? {
            let path = file.map_err(OpenError::at(directory))?.path();
            let text =
                |part: Option<&std::ffi::OsStr>| part.and_then(|it| it.to_str().map(str::to_owned));
            let (Some(name), Some(ending)) = (text(path.file_stem()), text(path.extension()))
            else {
                continue;
            };
            match &*ending {
                checkpoint::ENDING => it.checkpoints.extend(name.parse().ok().zip(Some(path))),
                log::ENDING => it.logs.extend(name.parse().ok().zip(Some(path))),
                segment::ENDING => it.segments.extend(Flushes::of(&name).zip(Some(path))),
                NEW => it.scratch.push(path),
                _ => {}
            }
        }
        it.checkpoints.sort();
        it.logs.sort();
        it.segments.sort();
        it.scratch.sort();
        // Not before: what was removed meanwhile would be missed.
        let list = listed::path(directory);
        it.listed = listed::read(directory).map_err(OpenError::at(&list))?;
        Ok(it)
    }
}
