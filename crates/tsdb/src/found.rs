//! Found: what lies in a directory, read without changing anything.
//!
//! The newest checkpoint says what the head was when its log began, and which segments count. What is in that log and
//! in newer ones is taken in again. What is not as it should be is noted, for whoever may put it right.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::{Appended, Batch};
use crate::checkpoint::{self, Said};
use crate::directory::Listing;
use crate::error::OpenError;
use crate::frames::{self, Extent};
use crate::head::{Head, Live, SeriesRef};
use crate::listed::{self, Listed, Missing};
use crate::log;
use crate::metadata::Metadata;
use crate::record::{self, Logged, Record, Tokens};
use crate::segment::{self, Flushes, Segment, Unusable};
use crate::snapshot::Snapshot;
use crate::store::last_of;
use crate::tap::{Position, Tap};

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) head: Head,
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) metadata: BTreeMap<String, Metadata>,
    pub(crate) next_id: u64,
    pub(crate) sealed_bytes: usize,
    /// The highest number of a checkpoint or log.
    pub(crate) newest: u64,
    /// The lowest number of a log that was read.
    pub(crate) oldest_log: Option<u64>,
    /// Samples that were taken in again from logs.
    pub(crate) replayed: u64,
    /// Samples of logs whose series was not to be found.
    pub(crate) orphans: u64,
    /// Segments that were listed, …
    pub(crate) listed: Vec<Listed>,
    /// … and those of them that are not there.
    pub(crate) missing: Vec<Missing>,
    pub(crate) flaws: Vec<Flaw>,
}

/// Something that is not as it should be.
#[derive(Debug)]
pub(crate) enum Flaw {
    /// Of something unfinished, or made into something else: nobody needs it.
    LeftOver(PathBuf),
    /// It cannot be used, and why.
    Unusable(PathBuf, String),
    /// What can be read of it is in use, and why that is not all.
    Damaged(PathBuf, String),
    /// A log that ends in what is no record, or holds none.
    Torn { path: PathBuf, number: u64, extent: Extent },
}

impl Found {
    /// Reads the files that were listed. A tap is told of what is taken in again from logs.
    pub(crate) fn read(listing: Listing, tap: Option<&dyn Tap>) -> Result<Self, OpenError> {
        let mut found = Self::default();
        let Listing { checkpoints, logs, segments, scratch, listed, directory } = listing;
        match listed {
            Some(listed) => {
                let missing = listed.iter().filter_map(|it| it.missing(&directory, &segments));
                found.missing.extend(missing);
                found.listed = listed;
            }
            None => {
                let why = "this is no list of segments: nobody can tell whether one is missing";
                found.flaws.push(Flaw::Unusable(listed::path(&directory), why.to_owned()));
            }
        }
        found.flaws.extend(scratch.into_iter().map(Flaw::LeftOver));
        let number = checkpoints.last().map_or(0, |(number, _)| *number);
        let oldest = logs.first().map_or(u64::MAX, |(number, _)| *number);
        found.newest = logs.last().map_or(number, |(newest, _)| number.max(*newest));
        found.open_segments(&segments, number, oldest)?;
        for (it, path) in checkpoints {
            if it == number {
                found.read_checkpoint(&path)?;
            } else {
                found.flaws.push(Flaw::LeftOver(path));
            }
        }
        for (it, path) in logs {
            if it < number {
                found.flaws.push(Flaw::LeftOver(path));
            } else {
                found.oldest_log.get_or_insert(it);
                found.replay(path, it, tap)?;
            }
        }
        Ok(found)
    }

    /// It, for whoever only reads.
    pub(crate) fn into_snapshot(self) -> Snapshot {
        Snapshot {
            pages: self.head.pages,
            index: self.head.index,
            segments: self.segments.into(),
            metadata: Arc::new(self.metadata),
        }
    }

    /// Opens the segments up to the flush that a checkpoint confirms. A later one is of a flush that was not finished: all
    /// it holds is in the log, unless somebody has removed that.
    fn open_segments(
        &mut self,
        all: &[(Flushes, PathBuf)],
        confirmed: u64,
        oldest_log: u64,
    ) -> Result<(), OpenError> {
        for (flushes, path) in all {
            let unfinished = flushes.first > confirmed && oldest_log < flushes.first;
            if unfinished {
                self.flaws.push(Flaw::LeftOver(path.clone()));
                continue;
            }
            match Segment::open(path, *flushes) {
                Ok(segment) => self.segments.push(Arc::new(segment)),
                Err(Unusable::Newer(found)) => {
                    let (path, known) = (path.clone(), segment::NEWEST);
                    return Err(OpenError::Newer { path, found, known });
                }
                Err(Unusable::Damaged(why)) => {
                    self.flaws.push(Flaw::Unusable(path.clone(), why.to_owned()));
                }
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
        self.flaws.extend(left_over.into_iter().map(|it| Flaw::LeftOver(it.path.clone())));
        let ids = self.segments.iter().filter_map(|it| it.row(it.rows().checked_sub(1)?));
        self.next_id = ids.map(|row| row.id.saturating_add(1)).max().unwrap_or(0);
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
        frames::read(path, checkpoint::FORMAT, |payload, _| {
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
            let why = "it is not what was written; what could be read of it is in use";
            self.flaws.push(Flaw::Damaged(path.to_owned(), why.to_owned()));
        }
        Ok(())
    }

    fn replay(
        &mut self,
        path: PathBuf,
        number: u64,
        tap: Option<&dyn Tap>,
    ) -> Result<(), OpenError> {
        let mut batch = Batch::default();
        let extent = frames::read(&path, log::FORMAT, |payload, end| {
            match record::get(payload)? {
                Record::Series { slot, id, pairs } => self.define(slot, id, &pairs),
                Record::Metadata { family, metadata } => {
                    self.metadata.insert(family.to_owned(), metadata);
                }
                Record::Samples(tokens) => {
                    let told = tap.is_some().then_some(&mut batch);
                    self.replay_samples(tokens, number, told)?;
                    if let Some(tap) = tap {
                        let end = Position { log: number, bytes: end };
                        tap.appended(&batch, &Appended::default(), end);
                        batch.clear();
                    }
                }
            }
            Some(())
        })?;
        if extent.whole < extent.all && number < self.newest {
            self.forget_what_may_have_left();
        }
        if extent.damaged {
            let lost = extent.all - extent.whole;
            let why = format!("{lost} bytes at its end are not what was written");
            self.flaws.push(Flaw::Damaged(path.clone(), why));
        }
        if extent.whole < extent.all || extent.is_empty() {
            self.flaws.push(Flaw::Torn { path, number, extent });
        }
        Ok(())
    }

    /// Amid logs something is missing. A series of which nothing is in memory may have left it there, and another may
    /// have come to its place: the samples that follow are of nobody rather than of the wrong one.
    fn forget_what_may_have_left(&mut self) {
        let empty = |(slot, live): (u32, &Arc<Live>)| live.is_empty().then_some(slot);
        let empty: Vec<u32> = self.head.pages.iter().filter_map(empty).collect();
        self.head.remove_all(&empty);
    }

    fn replay_samples(
        &mut self,
        mut tokens: Tokens<'_>,
        number: u64,
        mut told: Option<&mut Batch>,
    ) -> Option<()> {
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
                    if let Some(batch) = &mut told {
                        batch.float(SeriesRef::new(slot, live.id), at, value);
                    }
                    self.sealed_bytes += live.put(evenkeel_series::Point { at, value });
                    self.replayed += 1;
                }
                (Some(live), Some(it)) => {
                    if let Some(batch) = &mut told {
                        batch.histogram(SeriesRef::new(slot, live.id), at, Arc::clone(&it));
                    }
                    self.sealed_bytes += live.put_histogram(at, it);
                    self.replayed += 1;
                }
                (None, histogram) => {
                    if histogram.is_none() {
                        tokens.value(0.0)?;
                    }
                    self.orphans += 1;
                }
            }
        }
        Some(())
    }
}
