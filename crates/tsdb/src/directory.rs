//! Directory: who has it, and what lies in it.
//!
//! ```text
//! lock               held by the one process that writes
//! NNNNNNNN.log       the log, by number
//! NNNNNNNN.head      a checkpoint: the head as it was when the log of that number began
//! A-B.segment        a segment made of the flushes A to B
//! *.new              what was being written when somebody was killed
//! *.damaged          what could not be read, and was set aside
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::OpenError;

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

/// Sets a file aside, under a name that nobody reads, and says which.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".damaged");
    let aside = PathBuf::from(name);
    std::fs::rename(path, &aside)?;
    Ok(aside)
}

/// The files with an ending, and their names without it.
pub(crate) fn files(directory: &Path, ending: &str) -> Result<Vec<(String, PathBuf)>, OpenError> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(directory).map_err(OpenError::at(directory))? {
        let path = file.map_err(OpenError::at(directory))?.path();
        if path.extension().is_some_and(|it| it == ending)
            && let Some(name) = path.file_stem().and_then(|it| it.to_str())
        {
            found.push((name.to_owned(), path.clone()));
        }
    }
    found.sort();
    Ok(found)
}

/// The files that are called by a number, in order.
pub(crate) fn numbered(directory: &Path, ending: &str) -> Result<Vec<(u64, PathBuf)>, OpenError> {
    let files = files(directory, ending)?.into_iter();
    let mut found: Vec<_> =
        files.filter_map(|(name, path)| Some((name.parse().ok()?, path))).collect();
    found.sort();
    Ok(found)
}
