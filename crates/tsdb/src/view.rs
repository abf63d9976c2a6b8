//! View: the store of a directory as it is now, for a process that does not have it.
//!
//! Nothing is locked and nothing is changed, so that a store can be asked beside the server that writes it, and on a disk
//! that cannot be written. Segments never change, a checkpoint has its name once it is whole, and a log is read up to its
//! last whole frame: each file by itself is as good as its owner's. That they fit together is seen by what lies there
//! before and after: where a flush, a merge or the retention came in between, all is read again.

use std::io;
use std::path::Path;

use crate::directory::Listing;
use crate::error::OpenError;
use crate::found::{Flaw, Found};
use crate::recover::Recovery;
use crate::snapshot::Snapshot;

/// So often all is read again. Flushes are minutes apart, and to read takes a second or so.
const TRIES: usize = 100;

impl Snapshot {
    /// The store in a directory as it is now, whoever has it: everything that was [appended](crate::Store::append) before
    /// the call, or up to a moment within it. What is removed later stays readable. Files that are damaged are told with
    /// the names they have, and nothing of what is told is put right.
    ///
    /// ```
    /// use evenkeel_series::{Labels, Source as _, Span};
    /// use evenkeel_tsdb::{Batch, Options, Snapshot, Store};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let store = Store::open(directory.path(), Options::default())?;
    /// let mut batch = Batch::default();
    /// batch.float(store.intern(&Labels::of([("__name__", "up")]))?, 1_700_000_000_000, 1.0);
    /// store.append(&batch)?;
    /// // Another process may do the same.
    /// let (snapshot, found) = Snapshot::of(directory.path())?;
    /// assert!(found.is_whole());
    /// assert_eq!(snapshot.select(&[], Span::ALL)?.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no store, when a newer version wrote it, or when it cannot be read.
    pub fn of(directory: impl AsRef<Path>) -> Result<(Self, Recovery), OpenError> {
        let directory = directory.as_ref();
        for _ in 0..TRIES {
            let before = Listing::of(directory)?;
            if before.is_empty() {
                return Err(OpenError::NoStore(directory.to_owned()));
            }
            match Found::read(before.clone(), None) {
                Ok(found) if before.holds(&Listing::of(directory)?) => return Ok(seen(found)),
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
        Err(OpenError::Restless(directory.to_owned()))
    }
}

/// Whether a file was removed between its listing and its reading.
fn is_gone(error: &OpenError) -> bool {
    matches!(error, OpenError::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound)
}

fn seen(mut found: Found) -> (Snapshot, Recovery) {
    let newest = found.newest;
    let mut recovery = Recovery::of(&found);
    for flaw in std::mem::take(&mut found.flaws) {
        match flaw {
            Flaw::LeftOver(_) => {}
            Flaw::Unusable(path, why) | Flaw::Damaged(path, why) => {
                recovery.damaged.push((path, why));
            }
            // The end of the newest log is what somebody is writing.
            Flaw::Torn { path, number, extent } => {
                if number < newest && extent.whole < extent.all {
                    recovery.torn.push((path, extent.all - extent.whole));
                }
            }
        }
    }
    (found.into_snapshot(), recovery)
}
