//! Store: where samples are kept, and asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evenkeel_series::Labels;

use crate::batch::{Appended, Batch};
use crate::directory::{self, Lock};
use crate::error::{OpenError, Refusal, WriteError};
use crate::head::{Head, SeriesRef, pairs_of};
use crate::intake::{Bounds, Intake};
use crate::log::Log;
use crate::metadata::Metadata;
use crate::options::{Options, milliseconds};
use crate::record;
use crate::recover::{self, Recovery};
use crate::segment::{Segment, print_of};
use crate::snapshot::Snapshot;
use crate::statistics::{Counts, Statistics};
use crate::tap::{Position, Tap};

/// A store of time series in a directory, which it has for itself.
///
/// All calls may come from any thread. Whoever appends waits for others who do, and for nothing else.
///
/// ```
/// use evenkeel_series::{Labels, Source as _, Span};
/// use evenkeel_tsdb::{Batch, Options, Store};
///
/// let directory = tempfile::tempdir()?;
/// let store = Store::open(directory.path(), Options::default())?;
/// let up = store.intern(&Labels::of([("__name__", "up"), ("job", "shop")]))?;
/// let mut batch = Batch::default();
/// batch.float(up, 1_700_000_000_000, 1.0);
/// assert_eq!(store.append(&batch)?.accepted, 1);
/// assert_eq!(store.snapshot().select(&[], Span::ALL)?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Store {
    pub(crate) directory: PathBuf,
    pub(crate) options: Options,
    pub(crate) state: Mutex<State>,
    /// Held by whoever writes or removes segments.
    pub(crate) care: Mutex<()>,
    /// Held by whoever syncs.
    syncing: Mutex<()>,
    recovery: Recovery,
    tap: Option<Arc<dyn Tap>>,
    /// Held for as long as the store is open.
    _lock: Lock,
}

/// What changes, under one lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) head: Head,
    pub(crate) log: Log,
    /// By what they hold.
    pub(crate) segments: Arc<[Arc<Segment>]>,
    pub(crate) metadata: Arc<BTreeMap<String, Metadata>>,
    /// The next id that no series has had.
    pub(crate) next_id: u64,
    /// Bytes of chunks that are in no segment yet.
    pub(crate) sealed_bytes: usize,
    /// What time it was when the store was last tended.
    pub(crate) now: Option<i64>,
    /// What time it was when a flush began last.
    pub(crate) flushed_at: Option<i64>,
    /// When the segments were last let go of.
    pub(crate) released_at: Option<i64>,
    /// The number of the flush that began last, until it is done.
    pub(crate) unfinished: Option<u64>,
    pub(crate) counts: Counts,
}

impl Store {
    /// Opens the store in a directory, which is made if need be. What could not be read is set aside, and said by
    /// [`recovery`](Self::recovery); only what makes writing senseless is an error.
    pub fn open(directory: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_with(directory.as_ref(), options, None)
    }

    /// Opens the store as [`open`](Self::open) does, and has somebody be told of all that is taken in: first of what is in the
    /// log, and thus perhaps not in any segment yet, then of what is appended.
    pub fn open_tapped(
        directory: impl AsRef<Path>,
        options: Options,
        tap: Arc<dyn Tap>,
    ) -> Result<Self, OpenError> {
        Self::open_with(directory.as_ref(), options, Some(tap))
    }

    fn open_with(
        directory: &Path,
        options: Options,
        tap: Option<Arc<dyn Tap>>,
    ) -> Result<Self, OpenError> {
        let directory = directory.to_owned();
        let lock = directory::lock(&directory)?;
        let (state, recovery) = recover::recover(&directory, tap.as_deref())?;
        Ok(Self {
            directory,
            options,
            state: Mutex::new(state),
            care: Mutex::new(()),
            syncing: Mutex::new(()),
            recovery,
            tap,
            _lock: lock,
        })
    }

    /// What was found when it was opened.
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// How it keeps what it is given.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The series of some labels, which comes to be if need be.
    pub fn intern(&self, labels: &Labels) -> Result<SeriesRef, Refusal> {
        self.intern_pairs(pairs_of(labels))
    }

    /// The series of some labels, given as pairs of texts: sorted by name, none empty. Nothing is copied when it is
    /// there already.
    pub fn intern_sorted(&self, pairs: &[(&str, &str)]) -> Result<SeriesRef, Refusal> {
        self.intern_pairs(pairs.iter().copied())
    }

    fn intern_pairs<'a>(
        &self,
        pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<SeriesRef, Refusal> {
        let mut state = self.lock();
        if let Some((slot, live)) = state.head.find(pairs.clone()) {
            return Ok(SeriesRef::new(slot, live.id));
        }
        self.admit(pairs.clone(), state.head.len())?;
        Ok(state.create(pairs))
    }

    fn admit<'a>(
        &self,
        pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
        series: usize,
    ) -> Result<(), Refusal> {
        let limits = &self.options.limits;
        if let Some(most) = limits.series.filter(|most| series >= *most) {
            return Err(Refusal::TooManySeries { most });
        }
        let count = pairs.clone().count();
        if count > limits.labels {
            return Err(Refusal::TooManyLabels { count, most: limits.labels });
        }
        let mut before = None;
        for (name, value) in pairs {
            if before.is_some_and(|before| before >= name) || value.is_empty() {
                return Err(Refusal::Unsorted);
            }
            for (text, most) in [(name, limits.name_bytes), (value, limits.value_bytes)] {
                if text.len() > most {
                    return Err(Refusal::TooLong { bytes: text.len(), most });
                }
            }
            before = Some(name);
        }
        before.map(|_| ()).ok_or(Refusal::Nameless)
    }

    /// Takes samples in. When it returns they are the kernel's: a process that is killed afterwards loses none of them;
    /// when the power fails, those since the last [`sync`](Self::sync) may be lost. Of a batch that takes more than 64 MiB
    /// in the log a part may be there after a kill amid the call. Samples that come late are taken in up to
    /// [`Options::late`], and samples of the future up to [`Options::ahead`].
    pub fn append(&self, batch: &Batch) -> Result<Appended, WriteError> {
        self.take(batch, milliseconds(self.options.late))
    }

    /// Takes samples in however late they come, but not those of the future: history that is imported.
    pub fn backfill(&self, batch: &Batch) -> Result<Appended, WriteError> {
        self.take(batch, i64::MAX)
    }

    fn take(&self, batch: &Batch, late: i64) -> Result<Appended, WriteError> {
        let mut state = self.lock();
        state.log.is_whole()?;
        let horizon = match (state.now, self.options.retention) {
            (Some(now), Some(retention)) => now.saturating_sub(milliseconds(retention)),
            // No span holds the very first moment there is.
            _ => i64::MIN + 1,
        };
        let ahead = milliseconds(self.options.ahead);
        let newest = state.now.map_or(i64::MAX, |now| now.saturating_add(ahead));
        let bounds = Bounds { late, horizon, newest };
        let State { head, log, segments, now, sealed_bytes, .. } = &mut *state;
        let mut appended = Appended::default();
        let mut intake = Intake::begin(log, segments, *now, bounds);
        let mut index = 0;
        for samples in batch.samples.chunk_by(|one, other| one.series.shares_page(other.series)) {
            let mut page = head.pages.page_mut(samples[0].series.slot);
            if let Some(page) = page.as_ref().filter(|_| samples.len() > 1) {
                page.look_ahead(samples.iter().map(|sample| sample.series));
            }
            for sample in samples {
                let live = page.as_mut().and_then(|page| page.get_mut(sample.series));
                match intake.put(live, sample) {
                    Ok(true) => appended.accepted += 1,
                    Ok(false) => appended.duplicates += 1,
                    Err(why) => appended.rejected.push((index, why)),
                }
                index += 1;
            }
        }
        *sealed_bytes += intake.sealed_bytes;
        state.counts.add(&appended);
        if appended.accepted == 0 {
            state.log.abandon();
        } else {
            state.log.close();
            state.log.write()?;
        }
        if let Some(tap) = &self.tap {
            tap.appended(batch, &appended, state.position());
        }
        Ok(appended)
    }

    /// Says what a family of metrics is.
    pub fn describe(&self, family: &str, metadata: &Metadata) -> Result<(), WriteError> {
        let mut state = self.lock();
        if state.metadata.get(family) == Some(metadata) {
            return Ok(());
        }
        state.log.is_whole()?;
        Arc::make_mut(&mut state.metadata).insert(family.to_owned(), metadata.clone());
        record::put_metadata(state.log.frame(), family, metadata);
        state.log.close();
        state.log.write()
    }

    /// The store as it is now.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().snapshot()
    }

    /// Says what time it is, in milliseconds since 1970: what is old and what lies in the future depends on it. So does
    /// [`tend`](Self::tend), which may take long.
    pub fn tell_time(&self, now: i64) {
        self.lock().now = Some(now);
    }

    /// Brings to disk what was appended before it was called.
    pub fn sync(&self) -> Result<(), WriteError> {
        // Whoever comes while another syncs must not return before that one is done.
        let _syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let unsynced = {
            let mut state = self.lock();
            state.log.write()?;
            state.log.take_unsynced()
        };
        unsynced.sync().or_else(|cause| self.lock().log.sync_failed(cause))
    }

    /// Brings to disk what was appended, and lets go of the directory. What is in memory stays in the log.
    pub fn close(self) -> Result<(), WriteError> {
        self.sync()
    }

    /// What there is, and what was done since it was opened.
    pub fn statistics(&self) -> Statistics {
        // All series are walked through without holding up those who append.
        let (snapshot, counts, log_bytes) = {
            let state = self.lock();
            (state.snapshot(), state.counts.clone(), state.log.length)
        };
        Statistics::of(&snapshot, counts, log_bytes)
    }

    /// Where the log ends: everything that was taken in lies before it.
    pub fn position(&self) -> Position {
        self.lock().position()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere is a fault of ours, and no reason to lose what was taken in.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn position(&self) -> Position {
        Position { log: self.log.number, bytes: self.log.length }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            pages: self.head.pages.clone(),
            index: self.head.index.clone(),
            segments: self.segments.clone(),
            metadata: self.metadata.clone(),
        }
    }

    fn create<'a>(&mut self, pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> SeriesRef {
        // One that comes back is the one that it was, so that nobody has to compare names.
        let print = print_of(pairs.clone());
        let known = self.segments.iter().find_map(|it| it.find(print, pairs.clone()));
        let id = known.map_or(self.next_id, |row| row.id);
        let slot = self.head.add(id, pairs.clone());
        if known.is_some() {
            let (last, now) = (last_of(&self.segments, id), self.now);
            if let Some(live) = self.head.pages.get_mut(slot) {
                (live.last, live.touched) = (last, now);
            }
        } else {
            self.next_id += 1;
        }
        // It is written together with its first sample.
        record::put_series(self.log.frame(), slot, id, pairs);
        self.log.close();
        SeriesRef::new(slot, id)
    }
}

/// The moment of the last sample of a series in segments.
pub(crate) fn last_of(segments: &[Arc<Segment>], id: u64) -> Option<i64> {
    let rows = segments.iter().filter_map(|it| it.row(it.row_of(id)?));
    rows.map(|row| row.to).max()
}
