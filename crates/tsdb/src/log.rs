//! Log: what was taken in and is in no segment yet, so that nothing is lost when the process is killed.
//!
//! A file is [frames](crate::frames) of [records](crate::record). A batch is one frame, written with one call
//! before it is acknowledged: from there on it is the kernel's, and a kill of the process loses nothing. A
//! [sync](Log::take_unsynced), now and then, brings it to disk for when the power fails. A frame that is cut off ends the
//! file.
//!
//! When a write fails, the file is cut back to its last whole frame and never written again: what is in memory
//! and was not logged is brought to disk by a flush, and only then is the log open again, as another file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::directory;
use crate::error::WriteError;
use crate::frames::{self, Format, HEADER};

pub(crate) const FORMAT: Format = Format { magic: *b"evk-log\n", version: 1 };

/// The log's file that is written.
#[derive(Debug)]
pub(crate) struct Log {
    directory: PathBuf,
    pub(crate) number: u64,
    path: PathBuf,
    file: Arc<File>,
    /// Up to here the file is whole.
    pub(crate) length: u64,
    /// Frames that are not handed to the kernel yet.
    pending: Vec<u8>,
    /// Where in them the record that is being made begins.
    open: usize,
    /// Files that were written and not synced.
    unsynced: Vec<Arc<File>>,
    /// The name of the file is not on disk yet.
    is_new: bool,
    /// A batch that takes more is several records: a reader need not hold more at a time.
    pub(crate) record_bytes_max: usize,
    broken: Option<Arc<io::Error>>,
    /// Nothing was ever written to the file, nor tried.
    pub(crate) is_blank: bool,
    /// How often writing or syncing has failed.
    pub(crate) failures: u64,
}

/// What was handed to the kernel, and is not on disk for sure.
#[derive(Debug)]
pub(crate) struct Unsynced {
    files: Vec<Arc<File>>,
    directory: Option<PathBuf>,
}

impl Unsynced {
    pub(crate) fn sync(self) -> io::Result<()> {
        self.files.iter().try_for_each(|file| file.sync_data())?;
        self.directory.map_or(Ok(()), |directory| directory::sync(&directory))
    }
}

/// The ending of a log's name.
pub(crate) const ENDING: &str = "log";

/// The path of the log's file of a number.
pub(crate) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:08}.{ENDING}"))
}

impl Log {
    /// Begins a file.
    pub(crate) fn create(directory: &Path, number: u64) -> Result<Self, WriteError> {
        let path = path(directory, number);
        let file = Self::begin(&path).map_err(WriteError::at(&path))?;
        Ok(Self {
            directory: directory.to_owned(),
            number,
            path,
            file: Arc::new(file),
            length: HEADER as u64,
            pending: Vec::new(),
            open: 0,
            unsynced: Vec::new(),
            is_new: true,
            record_bytes_max: 64 << 20,
            broken: None,
            is_blank: true,
            failures: 0,
        })
    }

    fn begin(path: &Path) -> io::Result<File> {
        let mut file = OpenOptions::new().append(true).create_new(true).open(path)?;
        let written = file.write_all(&FORMAT.header());
        if written.is_err() {
            std::fs::remove_file(path)?;
        }
        written.map(|()| file)
    }

    /// Begins the next file. What was not written is not: a flush brings it to disk.
    pub(crate) fn roll(&mut self) -> Result<(), WriteError> {
        let mut next = Self::create(&self.directory, self.number + 1)?;
        next.unsynced = std::mem::take(&mut self.unsynced);
        next.broken = self.broken.take();
        next.failures = self.failures;
        next.record_bytes_max = self.record_bytes_max;
        *self = next;
        Ok(())
    }

    /// Why nothing may be appended.
    pub(crate) fn is_whole(&self) -> Result<(), WriteError> {
        let Some(cause) = &self.broken else { return Ok(()) };
        Err(WriteError::Log { path: self.path.clone(), cause: cause.clone() })
    }

    /// Says that nothing is missing on disk of what was in memory after so many failures.
    pub(crate) fn mend(&mut self, failures: u64) {
        if self.failures == failures {
            self.broken = None;
        }
    }

    #[cfg(test)]
    pub(crate) const fn is_synced(&self) -> bool {
        self.unsynced.is_empty() && self.pending.is_empty() && !self.is_new
    }

    #[cfg(test)]
    pub(crate) fn replace_file(&mut self, file: File) {
        self.file = Arc::new(file);
    }

    fn fail(&mut self, cause: io::Error) -> Result<(), WriteError> {
        self.failures += 1;
        self.broken = Some(Arc::new(cause));
        self.is_whole()
    }

    /// Begins a record, which is appended to [`record`](Self::record) until it is [closed](Self::close).
    pub(crate) fn frame(&mut self) -> &mut Vec<u8> {
        self.open = frames::begin(&mut self.pending);
        &mut self.pending
    }

    /// The record that is being made.
    pub(crate) const fn record(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Whether the record that is being made is long enough.
    pub(crate) const fn is_full(&self) -> bool {
        self.pending.len() - self.open > self.record_bytes_max
    }

    /// Ends the record.
    pub(crate) fn close(&mut self) {
        frames::close(&mut self.pending, self.open);
    }

    /// Forgets the record that is being made.
    pub(crate) fn abandon(&mut self) {
        frames::abandon(&mut self.pending, self.open);
    }

    /// Hands all records to the kernel.
    pub(crate) fn write(&mut self) -> Result<(), WriteError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.is_blank = false;
        let written = (&*self.file).write_all(&self.pending);
        let length = self.pending.len() as u64;
        self.pending.clear();
        self.pending.shrink_to(1 << 20);
        if let Err(cause) = written {
            // If not even this can be done, the torn frame still ends the file for whoever reads it.
            let cut = self.file.set_len(self.length);
            return self.fail(cut.err().unwrap_or(cause));
        }
        self.length += length;
        if self.unsynced.last().is_none_or(|last| !Arc::ptr_eq(last, &self.file)) {
            self.unsynced.push(self.file.clone());
        }
        Ok(())
    }

    /// What is to be synced, by whoever does not hold up the writer meanwhile.
    pub(crate) fn take_unsynced(&mut self) -> Unsynced {
        let directory = std::mem::take(&mut self.is_new).then(|| self.directory.clone());
        Unsynced { files: std::mem::take(&mut self.unsynced), directory }
    }

    /// A sync has failed: the kernel may have forgotten what it was handed, and would not say so a second time.
    pub(crate) fn sync_failed(&mut self, cause: io::Error) -> Result<(), WriteError> {
        self.fail(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Extent, cut, read};

    fn records(path: &Path) -> (Vec<Vec<u8>>, Extent) {
        let mut all = Vec::new();
        let extent = read(path, FORMAT, |payload, _| {
            all.push(payload.to_vec());
            Some(())
        });
        (all, extent.unwrap())
    }

    #[test]
    fn a_log_cut_anywhere_keeps_its_whole_frames() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::create(dir.path(), 1).unwrap();
        for record in [&b"one"[..], b"two two", b"3"] {
            log.frame().extend_from_slice(record);
            log.close();
            log.write().unwrap();
        }
        let whole = std::fs::read(&log.path).unwrap();
        let ends = [HEADER, HEADER + 11, HEADER + 26, HEADER + 35];
        for length in 0..whole.len() {
            std::fs::write(&log.path, &whole[..length]).unwrap();
            let (found, extent) = records(&log.path);
            let count = ends.iter().filter(|end| **end <= length).count();
            assert_eq!(found.len(), count.saturating_sub(1), "{length}");
            cut(&log.path, extent).unwrap();
            if count > 1 {
                let extent = Extent { all: extent.whole, ..extent };
                assert_eq!(records(&log.path), (found, extent));
            }
        }
    }

    #[test]
    fn an_abandoned_record_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::create(dir.path(), 1).unwrap();
        log.frame().push(1);
        log.close();
        log.frame().push(2);
        log.abandon();
        log.write().unwrap();
        assert_eq!(records(&log.path).0, [[1]]);
    }

    #[test]
    fn a_newer_log_is_refused_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::create(dir.path(), 1).unwrap();
        let mut bytes = std::fs::read(&log.path).unwrap();
        bytes[8] = 9;
        std::fs::write(&log.path, bytes).unwrap();
        let error = read(&log.path, FORMAT, |_, _| Some(())).unwrap_err();
        assert!(error.to_string().contains("has format 9"), "{error}");
    }
}
