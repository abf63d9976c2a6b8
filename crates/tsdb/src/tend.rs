//! Tend: what a store needs now and then: flushes, merges, and what is too old removed.
//!
//! A flush begins the next file of the log and takes a snapshot, in one moment and for next to nothing. From the
//! snapshot it writes, while others append: what is sealed as a segment, what still grows as a checkpoint. With its
//! name the checkpoint makes both count; then older logs are removed. Killed anywhere in between, the old logs still
//! hold everything.

use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use crate::checkpoint;
use crate::chunk::Piece;
use crate::directory::{self, Listing};
use crate::error::{OpenError, WriteError};
use crate::head::{Live, pairs_of};
use crate::listed;
use crate::options::milliseconds;
use crate::segment::{Flushes, Segment, SegmentWriter, Unusable};
use crate::snapshot::Snapshot;
use crate::store::{State, Store};

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// What was sealed is in a segment now, and the log begins anew.
    pub flushed: bool,
    /// So many segments became one.
    pub merged: usize,
    /// Segments that were removed, because they were too old or there was too much.
    pub expired: Vec<PathBuf>,
    /// Segments that were written again without the chunks that are damaged, and how many those were.
    pub mended: Vec<(PathBuf, u64)>,
}

/// How often segments are let go of. To map a page again takes a fraction of a microsecond.
const RELEASE_AFTER: Duration = Duration::from_secs(10);

/// Which tails a flush seals, though they could grow.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Sealing {
    Idle,
    All,
}

/// A flush that has begun.
struct Flush {
    snapshot: Snapshot,
    /// Of the log that began with it.
    number: u64,
    next_id: u64,
    /// How often writing the log had failed by then.
    failures: u64,
    /// Series that get nothing any more.
    idle: Vec<u32>,
}

impl Store {
    /// Does what is due. `now` is the time of day in milliseconds since 1970. To be called about every second, by
    /// one thread; the one that calls [`sync`](Self::sync) should be another, for this may take a while.
    pub fn tend(&self, now: i64) -> Result<Tended, WriteError> {
        let _care = self.care();
        let mut tended = Tended::default();
        let due = {
            let mut state = self.lock();
            state.now = Some(now);
            let begun = *state.flushed_at.get_or_insert(now);
            let waited = now.saturating_sub(begun) >= milliseconds(self.options.flush_after);
            let due = state.log.is_whole().is_err()
                || state.sealed_bytes >= self.options.flush_bytes
                || state.log.length >= self.options.log_bytes
                || (waited && self.is_worth_it(&state, now));
            if waited {
                state.flushed_at = Some(now);
            }
            due
        };
        if due {
            self.flush_now(Sealing::Idle, |live| self.is_idle(live, now))?;
            tended.flushed = true;
        }
        tended.expired = self.expire(now)?;
        self.mend_and_merge(now, &mut tended)?;
        self.release(now)?;
        Ok(tended)
    }

    /// Lets go of what was read of the segments, now and then: it stays in the page cache, which is the system's to share out,
    /// and does not pile up as memory of this process.
    fn release(&self, now: i64) -> Result<(), WriteError> {
        let segments = {
            let mut state = self.lock();
            let before = *state.released_at.get_or_insert(now);
            if now.saturating_sub(before) < milliseconds(RELEASE_AFTER) {
                return Ok(());
            }
            state.released_at = Some(now);
            state.segments.clone()
        };
        let release = |it: &Arc<Segment>| it.release().map_err(WriteError::at(&it.path));
        segments.iter().try_for_each(release)
    }

    /// Brings everything that is in memory into a segment, also what still grows, so that the log begins anew.
    pub fn flush(&self) -> Result<(), WriteError> {
        let _care = self.care();
        self.flush_now(Sealing::All, |_| false)
    }

    pub(crate) fn care(&self) -> MutexGuard<'_, ()> {
        self.care.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A checkpoint copies all tails. With little in the log it pays only if something leaves the memory.
    fn is_worth_it(&self, state: &State, now: i64) -> bool {
        state.log.length >= self.options.flush_bytes as u64 / 4
            || state.head.pages.iter().any(|(_, live)| self.is_idle(live, now))
    }

    fn is_idle(&self, live: &Live, now: i64) -> bool {
        let idle = milliseconds(self.options.idle);
        live.touched.is_some_and(|touched| now.saturating_sub(touched) >= idle)
    }

    fn flush_now(
        &self,
        sealing: Sealing,
        is_idle: impl Fn(&Live) -> bool,
    ) -> Result<(), WriteError> {
        let flush = self.lock().begin_flush(sealing, is_idle)?;
        let number = flush.number;
        let path = checkpoint::path(&self.directory, number);
        let written = self.write_segment(&flush).and_then(|segment| {
            let fill =
                || checkpoint::write(&self.directory, number, &flush.snapshot, flush.next_id);
            fill().map_err(WriteError::at(&path)).map(|()| segment)
        });
        let segment = written.or_else(|error| {
            // Both may have their names, though these are not on disk for sure. The next flush holds all of it again; until
            // then the checkpoint must not count, so it goes first.
            for path in [path, Flushes::alone(number).path(&self.directory)] {
                directory::remove(&path).map_err(WriteError::at(&path))?;
            }
            Err(error)
        })?;
        self.lock().end_flush(flush, segment);
        self.list_segments()?;
        self.remove_older(number)
    }

    fn write_segment(&self, flush: &Flush) -> Result<Option<Segment>, WriteError> {
        let mut lives: Vec<&Live> = flush.snapshot.pages.iter().map(|(_, it)| &**it).collect();
        lives.retain(|live| !live.sealed.is_empty());
        if lives.is_empty() {
            return Ok(None);
        }
        lives.sort_by_key(|live| live.id);
        self.write_as(Flushes::alone(flush.number), |writer| {
            let mut pieces: Vec<Piece<'_>> = Vec::new();
            for live in lives {
                pieces.clear();
                pieces.extend(live.sealed.iter().map(|chunk| chunk.piece()));
                pieces.sort_by_key(|piece| piece.entry.from);
                writer.add(live.id, pairs_of(&live.labels), &pieces)?;
            }
            Ok(())
        })
    }

    /// Writes a segment, and opens it; none when nothing was put into it.
    pub(crate) fn write_as(
        &self,
        flushes: Flushes,
        fill: impl FnOnce(&mut SegmentWriter) -> std::io::Result<()>,
    ) -> Result<Option<Segment>, WriteError> {
        let path = flushes.path(&self.directory);
        let fail = || WriteError::at(&path);
        let mut writer = SegmentWriter::create(&self.directory, flushes).map_err(fail())?;
        fill(&mut writer).map_err(fail())?;
        if writer.is_empty() {
            return Ok(None);
        }
        let path = writer.finish().map_err(fail())?;
        let segment = Segment::open(&path, flushes).map_err(|why| {
            if let Err(cause) = std::fs::remove_file(&path) {
                return fail()(cause);
            }
            let cause = match why {
                Unusable::Io(cause) => cause,
                Unusable::Newer(_) => std::io::Error::other("it was replaced meanwhile"),
                Unusable::Damaged(why) => std::io::Error::other(why),
            };
            fail()(cause)
        })?;
        Ok(Some(segment))
    }

    /// Says in a file which segments there are now: before those are removed that are no longer.
    pub(crate) fn list_segments(&self) -> Result<(), WriteError> {
        let segments = self.lock().segments.clone();
        let written = listed::write(&self.directory, &listed::of(&segments));
        written.map_err(WriteError::at(&listed::path(&self.directory)))
    }

    /// Removes logs and checkpoints that a newer checkpoint stands for.
    fn remove_older(&self, number: u64) -> Result<(), WriteError> {
        let all = Listing::of(&self.directory).map_err(|error| match error {
            OpenError::Io { path, cause } => WriteError::at(&path)(cause),
            other => WriteError::at(&self.directory)(std::io::Error::other(other)),
        })?;
        let older = all.logs.iter().chain(&all.checkpoints).filter(|(it, _)| *it < number);
        remove_all(older.map(|(_, path)| &**path))
    }

    /// Removes what is older than the retention, and the oldest of what is too much.
    fn expire(&self, now: i64) -> Result<Vec<PathBuf>, WriteError> {
        let expired: Vec<Arc<Segment>> = {
            let mut state = self.lock();
            let mut segments: Vec<Arc<Segment>> = state.segments.to_vec();
            segments.sort_by_key(|segment| segment.to());
            let bytes = |it: &[Arc<Segment>]| it.iter().map(|it| it.length()).sum::<u64>();
            let most = self.options.retention_bytes.unwrap_or(u64::MAX);
            let horizon = self.horizon(now);
            let mut gone = segments.partition_point(|segment| segment.to() < horizon);
            while gone < segments.len() && bytes(&segments[gone..]) + state.log.length > most {
                gone += 1;
            }
            let gone = segments.drain(..gone).collect::<Vec<_>>();
            if !gone.is_empty() {
                segments.sort_by_key(|segment| segment.flushes);
                state.segments = segments.into();
                state.counts.expired += gone.len() as u64;
            }
            gone
        };
        if !expired.is_empty() {
            self.list_segments()?;
        }
        remove_all(expired.iter().map(|segment| &*segment.path))?;
        Ok(expired.iter().map(|segment| segment.path.clone()).collect())
    }

    /// The moment before which nothing is kept.
    pub(crate) fn horizon(&self, now: i64) -> i64 {
        let keep = self.options.retention.map(milliseconds);
        keep.map_or(i64::MIN, |keep| now.saturating_sub(keep))
    }
}

/// Removes files, as many as can be.
pub(crate) fn remove_all<'a>(paths: impl Iterator<Item = &'a Path>) -> Result<(), WriteError> {
    directory::remove_all(paths).map_err(|(path, cause)| WriteError::at(&path)(cause))
}

impl State {
    fn begin_flush(
        &mut self,
        sealing: Sealing,
        is_idle: impl Fn(&Live) -> bool,
    ) -> Result<Flush, WriteError> {
        let mut idle = Vec::new();
        let (mut to_seal, now) = (Vec::new(), self.now);
        for (slot, live) in self.head.pages.iter() {
            let rests = is_idle(live);
            if rests {
                idle.push(slot);
            }
            let rests = rests || sealing == Sealing::All;
            if !live.late.is_empty() || (rests && live.tail.len() > 0) || live.touched.is_none() {
                to_seal.push((slot, rests));
            }
        }
        for (slot, rests) in to_seal {
            let Some(live) = self.head.pages.get_mut(slot) else { continue };
            // Nobody knows when something came before the start: it counts from the first flush on.
            live.touched = live.touched.or(now);
            self.sealed_bytes += live.seal_late();
            if rests {
                self.sealed_bytes += live.seal_tail();
            }
        }
        // Names that wait for their first sample belong to the log that ends here. When they cannot be written, the
        // log is broken, and stays so until this flush is done, which says them too.
        self.log.write().ok();
        // After a flush that failed, the file that began with it begins with this one too while it is empty: a disk that
        // stays full is not to be filled with files.
        if !self.log.is_blank || self.unfinished != Some(self.log.number) {
            self.log.roll()?;
        }
        self.flushed_at = self.now;
        let (number, failures) = (self.log.number, self.log.failures);
        self.unfinished = Some(number);
        Ok(Flush { snapshot: self.snapshot(), number, next_id: self.next_id, failures, idle })
    }

    fn end_flush(&mut self, flush: Flush, segment: Option<Segment>) {
        let Flush { snapshot, failures, idle, .. } = flush;
        self.unfinished = None;
        let sealed = snapshot.pages.iter().map(|(slot, live)| (slot, live.sealed.len()));
        let sealed: Vec<(u32, usize)> = sealed.filter(|(_, count)| *count > 0).collect();
        // With the snapshot gone, what changes need not be copied first.
        drop(snapshot);
        for (slot, sealed) in sealed {
            if let Some(live) = self.head.pages.get_mut(slot) {
                let flushed = live.sealed.drain(..sealed).map(|chunk| chunk.bytes.len());
                self.sealed_bytes = self.sealed_bytes.saturating_sub(flushed.sum());
            }
        }
        if let Some(segment) = segment {
            let added = self.segments.iter().cloned().chain([Arc::new(segment)]);
            self.segments = added.collect();
            self.counts.flushes += 1;
        }
        let is_gone = |slot: &u32| self.head.pages.get(*slot).is_some_and(Live::is_empty);
        let gone: Vec<u32> = idle.into_iter().filter(is_gone).collect();
        self.head.remove_all(&gone);
        self.log.mend(failures);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use evenkeel_series::{Labels, Source as _, Span, Summed};

    use crate::{Batch, Options, Store, WriteError};

    fn count(store: &Store) -> u64 {
        let snapshot = store.snapshot();
        match snapshot.select(&[], Span::ALL).unwrap()[0].digest(Span::ALL).unwrap() {
            Summed::To(digest) => digest.count,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_batch_that_is_too_long_for_a_record_is_several() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Options::default()).unwrap();
        store.lock().log.record_bytes_max = 100;
        let series = store.intern(&Labels::of([("a", "1")])).unwrap();
        let mut batch = Batch::default();
        for at in 1..=500 {
            batch.float(series, at, 0.1 * at as f64);
        }
        assert_eq!(store.append(&batch).unwrap().accepted, 500);
        drop(store);
        let store = Store::open(directory.path(), Options::default()).unwrap();
        assert_eq!((count(&store), store.recovery().replayed), (500, 500));
    }

    #[test]
    fn a_full_disk_stops_the_intake_until_a_flush_has_mended_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Options::default()).unwrap();
        let series = store.intern(&Labels::of([("a", "1")])).unwrap();
        let append = |at: i64| {
            let mut batch = Batch::default();
            batch.float(series, at, 1.0);
            store.append(&batch)
        };
        append(1).unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        store.lock().log.replace_file(full);
        for at in [2, 2, 3] {
            let error = append(at).unwrap_err();
            assert!(matches!(error, WriteError::Log { .. }));
            assert!(error.to_string().contains("nothing is taken in until it can be"), "{error}");
        }
        assert!(store.tend(0).unwrap().flushed);
        assert_eq!(append(2).unwrap().duplicates, 1);
        assert_eq!(append(3).unwrap().accepted, 1);
        assert_eq!(count(&store), 3);
        store.close().unwrap();
        let store = Store::open(directory.path(), Options::default()).unwrap();
        assert!(store.recovery().is_whole());
        assert_eq!(count(&store), 3);
    }
}
