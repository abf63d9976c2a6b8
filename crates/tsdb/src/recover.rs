//! Recover: how a store is opened, whatever became of the process that had it before.
//!
//! The newest checkpoint says what the head was when its log began, and which segments count. What is in that log and
//! in newer ones is taken in again. What was being written is removed, what is damaged set aside; nothing of that is
//! silent.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint::{self, Said};
use crate::directory;
use crate::error::OpenError;
use crate::frames;
use crate::head::Head;
use crate::log::{self, Log};
use crate::metadata::Metadata;
use crate::record::{self, Logged, Record, Tokens};
use crate::segment::{self, Flushes, Segment, Unusable};
use crate::statistics::Counts;
use crate::store::{State, last_of};

/// What was found when a store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments that are in use.
    pub segments: usize,
    /// Series that live.
    pub series: usize,
    /// Samples that were taken in again from the log.
    pub replayed: u64,
    /// Samples in the log whose series was not to be found, because what came before is damaged.
    pub orphans: u64,
    /// Logs that ended in something that is no record, and by how many bytes they were cut.
    pub torn: Vec<(PathBuf, u64)>,
    /// Files that could not be used and were set aside under the name that is given, and why.
    pub damaged: Vec<(PathBuf, String)>,
    /// Files that were left over from something unfinished, and removed.
    pub removed: Vec<PathBuf>,
}

impl Recovery {
    /// Whether nothing was lost.
    pub fn is_whole(&self) -> bool {
        self.orphans == 0 && self.torn.is_empty() && self.damaged.is_empty()
    }
}

/// Opens what is in a directory.
pub(crate) fn recover(directory: &Path) -> Result<(State, Recovery), OpenError> {
    let mut found = Found::default();
    for (_, path) in directory::files(directory, directory::NEW)? {
        found.remove(path)?;
    }
    let checkpoints = directory::numbered(directory, checkpoint::ENDING)?;
    let logs = directory::numbered(directory, log::ENDING)?;
    let number = checkpoints.last().map_or(0, |(number, _)| *number);
    let oldest = logs.first().map_or(u64::MAX, |(number, _)| *number);
    found.open_segments(directory, number, oldest)?;
    for (it, path) in checkpoints {
        if it == number {
            found.read_checkpoint(&path)?;
        } else {
            found.remove(path)?;
        }
    }
    let mut newest = number;
    for (it, path) in logs {
        if it < number {
            found.remove(path)?;
        } else {
            found.replay(&path, it)?;
            newest = newest.max(it);
        }
    }
    found.finish(directory, newest + 1)
}

/// What was read so far.
#[derive(Debug, Default)]
struct Found {
    head: Head,
    segments: Vec<Arc<Segment>>,
    metadata: BTreeMap<String, Metadata>,
    next_id: u64,
    sealed_bytes: usize,
    recovery: Recovery,
}

impl Found {
    fn remove(&mut self, path: PathBuf) -> Result<(), OpenError> {
        std::fs::remove_file(&path).map_err(OpenError::at(&path))?;
        self.recovery.removed.push(path);
        Ok(())
    }

    fn set_aside(&mut self, path: &Path, why: impl ToString) -> Result<(), OpenError> {
        let aside = directory::set_aside(path).map_err(OpenError::at(path))?;
        self.recovery.damaged.push((aside, why.to_string()));
        Ok(())
    }

    /// Opens the segments up to the flush that a checkpoint confirms. A later one is of a flush that was not finished: all
    /// it holds is in the log, unless somebody has removed that.
    fn open_segments(
        &mut self,
        directory: &Path,
        confirmed: u64,
        oldest_log: u64,
    ) -> Result<(), OpenError> {
        let files = directory::files(directory, segment::ENDING)?.into_iter();
        let all: Vec<(Flushes, PathBuf)> =
            files.filter_map(|(name, path)| Some((Flushes::of(&name)?, path))).collect();
        for (flushes, path) in &all {
            let unfinished = flushes.first > confirmed && oldest_log < flushes.first;
            if unfinished {
                self.remove(path.clone())?;
                continue;
            }
            match Segment::open(path, *flushes) {
                Ok(segment) => self.segments.push(Arc::new(segment)),
                Err(Unusable::Newer(found)) => {
                    let (path, known) = (path.clone(), segment::NEWEST);
                    return Err(OpenError::Newer { path, found, known });
                }
                Err(Unusable::Damaged(why)) => self.set_aside(path, why)?,
                Err(Unusable::Io(cause)) => return Err(OpenError::at(path)(cause)),
            }
        }
        // What others were made of: it is removed after those have their names, so it may be left over.
        let whole: Vec<Flushes> = self.segments.iter().map(|it| it.flushes).collect();
        let (left_over, segments): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.segments).into_iter().partition(|segment| {
                let inner = segment.flushes;
                whole.iter().any(|outer| outer.hold(inner) && *outer != inner)
            });
        self.segments = segments;
        self.segments.sort_by_key(|it| it.flushes);
        for segment in left_over {
            self.remove(segment.path.clone())?;
        }
        let ids = self.segments.iter().filter_map(|it| it.row(it.rows().checked_sub(1)?));
        self.next_id = ids.map(|row| row.id + 1).max().unwrap_or(0);
        Ok(())
    }

    fn define(&mut self, slot: u32, id: u64, pairs: &[(&str, &str)]) {
        self.head.add_at(slot, id, pairs.iter().copied());
        self.next_id = self.next_id.max(id.saturating_add(1));
        if let Some(live) = self.head.pages.get_mut(slot) {
            live.last = last_of(&self.segments, id);
        }
    }

    fn read_checkpoint(&mut self, path: &Path) -> Result<(), OpenError> {
        let mut whole = false;
        frames::read(path, checkpoint::FORMAT, |payload| {
            match checkpoint::get(payload)? {
                Said::Series { slot, id, pairs } => self.define(slot, id, &pairs),
                Said::Metadata { family, metadata } => {
                    self.metadata.insert(family.to_owned(), metadata);
                }
                Said::Tail { slot, last, tail } => {
                    let live = self.head.pages.get_mut(slot)?;
                    live.last = live.last.max(last);
                    live.tail = tail;
                }
                Said::End { next_id } => {
                    self.next_id = self.next_id.max(next_id);
                    whole = true;
                }
            }
            Some(())
        })?;
        if !whole {
            // It keeps its name too: it still says which segments and logs count.
            let aside = path.with_extension("head.damaged");
            std::fs::copy(path, &aside).map_err(OpenError::at(&aside))?;
            let why = "it is not what was written; what could be read of it is in use";
            self.recovery.damaged.push((aside, why.to_owned()));
        }
        Ok(())
    }

    fn replay(&mut self, path: &Path, number: u64) -> Result<(), OpenError> {
        let extent = frames::read(path, log::FORMAT, |payload| {
            match record::get(payload)? {
                Record::Series { slot, id, pairs } => self.define(slot, id, &pairs),
                Record::Metadata { family, metadata } => {
                    self.metadata.insert(family.to_owned(), metadata);
                }
                Record::Samples(tokens) => self.replay_samples(tokens, number)?,
            }
            Some(())
        })?;
        if extent.whole < extent.all {
            self.recovery.torn.push((path.to_owned(), extent.all - extent.whole));
        }
        match frames::cut(path, extent) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(OpenError::at(path)(cause))
            }
            _ => Ok(()),
        }
    }

    fn replay_samples(&mut self, mut tokens: Tokens<'_>, number: u64) -> Option<()> {
        while let Some(next) = tokens.next() {
            let (slot, at, histogram) = match next.ok()? {
                Logged::Float(slot, at) => (slot, at, None),
                Logged::Histogram(slot, at, it) => (slot, at, Some(it)),
            };
            let live = self.head.pages.get_mut(slot);
            match (live, histogram) {
                (Some(live), None) => {
                    if live.logged != number {
                        (live.logged, live.base) = (number, 0.0);
                    }
                    let value = tokens.value(live.base)?;
                    live.base = value;
                    self.sealed_bytes += live.put(evenkeel_series::Point { at, value });
                    self.recovery.replayed += 1;
                }
                (Some(live), Some(it)) => {
                    self.sealed_bytes += live.put_histogram(at, it);
                    self.recovery.replayed += 1;
                }
                (None, histogram) => {
                    if histogram.is_none() {
                        tokens.value(0.0)?;
                    }
                    self.recovery.orphans += 1;
                }
            }
        }
        Some(())
    }

    fn finish(mut self, directory: &Path, number: u64) -> Result<(State, Recovery), OpenError> {
        self.head.find_free();
        self.recovery.segments = self.segments.len();
        self.recovery.series = self.head.len();
        let log = Log::create(directory, number).map_err(|cause| {
            let cause = io::Error::other(cause);
            OpenError::Io { path: directory.to_owned(), cause }
        })?;
        let state = State {
            head: self.head,
            log,
            segments: self.segments.into(),
            metadata: Arc::new(self.metadata),
            next_id: self.next_id,
            sealed_bytes: self.sealed_bytes,
            now: None,
            flushed_at: None,
            counts: Counts::default(),
        };
        Ok((state, self.recovery))
    }
}
