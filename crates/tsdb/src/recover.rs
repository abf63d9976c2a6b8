//! Recover: how a store is opened, whatever became of the process that had it before.
//!
//! What is there is [read](crate::found) first. Then what was being written is removed, what is damaged set aside;
//! nothing of that is silent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::directory::{self, Listing};
use crate::error::OpenError;
use crate::found::{Flaw, Found};
use crate::frames;
use crate::listed::{self, Missing};
use crate::log::Log;
use crate::statistics::Counts;
use crate::store::State;
use crate::tap::Tap;

/// What was found when a store was opened. When it was only [looked at](crate::Snapshot::of), nothing was set aside,
/// cut or removed, and files have their own names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments that are in use.
    pub segments: usize,
    /// Series that live.
    pub series: usize,
    /// The number of the oldest log that was read again.
    pub oldest_log: Option<u64>,
    /// Samples that were taken in again from the log.
    pub replayed: u64,
    /// Samples in the log whose series was not to be found, because what came before is damaged.
    pub orphans: u64,
    /// Logs that ended in something that is no record, and by how many bytes they were cut.
    pub torn: Vec<(PathBuf, u64)>,
    /// Files that could not be used, or not wholly, and were set aside under the name that is given, and why.
    pub damaged: Vec<(PathBuf, String)>,
    /// Segments that somebody else has removed: what they held is in no answer.
    pub missing: Vec<Missing>,
    /// Files that were left over from something unfinished, and removed.
    pub removed: Vec<PathBuf>,
}

impl Recovery {
    /// Whether nothing was lost.
    pub fn is_whole(&self) -> bool {
        self.orphans == 0
            && self.torn.is_empty()
            && self.damaged.is_empty()
            && self.missing.is_empty()
    }

    pub(crate) fn of(found: &Found) -> Self {
        Self {
            segments: found.segments.len(),
            series: found.head.len(),
            oldest_log: found.oldest_log,
            replayed: found.replayed,
            orphans: found.orphans,
            missing: found.missing.clone(),
            ..Self::default()
        }
    }

    /// Puts right what can be.
    fn mend(&mut self, flaw: Flaw) -> Result<(), OpenError> {
        match flaw {
            Flaw::LeftOver(path) => {
                directory::remove(&path).map_err(OpenError::at(&path))?;
                self.removed.push(path);
            }
            Flaw::Unusable(path, why) => {
                let aside = directory::set_aside(&path).map_err(OpenError::at(&path))?;
                self.damaged.push((aside, why));
            }
            // It keeps its name too: the rest of it counts.
            Flaw::Damaged(path, why) => {
                let aside = directory::aside(&path);
                std::fs::copy(&path, &aside).map_err(OpenError::at(&aside))?;
                self.damaged.push((aside, why));
            }
            Flaw::Torn { path, extent, .. } => {
                frames::cut(&path, extent).map_err(OpenError::at(&path))?;
                if extent.whole < extent.all {
                    self.torn.push((path, extent.all - extent.whole));
                }
            }
        }
        Ok(())
    }
}

/// Opens what is in a directory, to go on with it.
pub(crate) fn recover(
    directory: &Path,
    tap: Option<&dyn Tap>,
) -> Result<(State, Recovery), OpenError> {
    let mut found = Found::read(Listing::of(directory)?, tap)?;
    let mut recovery = Recovery::of(&found);
    for flaw in std::mem::take(&mut found.flaws) {
        recovery.mend(flaw)?;
    }
    found.head.find_free();
    // What is missing or was set aside is told once.
    let listed = listed::of(&found.segments);
    if listed != found.listed {
        let path = listed::path(directory);
        listed::write(directory, &listed).map_err(OpenError::at(&path))?;
    }
    let log = Log::create(directory, found.newest + 1).map_err(|cause| {
        let cause = std::io::Error::other(cause);
        OpenError::Io { path: directory.to_owned(), cause }
    })?;
    let state = State {
        head: found.head,
        log,
        segments: found.segments.into(),
        metadata: Arc::new(found.metadata),
        next_id: found.next_id,
        sealed_bytes: found.sealed_bytes,
        now: None,
        flushed_at: None,
        released_at: None,
        unfinished: None,
        counts: Counts::default(),
    };
    Ok((state, recovery))
}
