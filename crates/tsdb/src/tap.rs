//! Tap: somebody who is told of what was appended, to send it on.

use std::fmt::Debug;
use std::sync::Arc;

use evenkeel_series::Labels;

use crate::batch::{Appended, Batch};
use crate::head::SeriesRef;
use crate::store::Store;

/// Told of what was appended, once it is in the store; of history that is imported it is told nothing. Whoever appends waits for
/// it: it takes what it needs, and does the rest elsewhere.
pub trait Tap: Debug + Send + Sync {
    /// A batch, and what became of it.
    fn appended(&self, batch: &Batch, of: &Appended);
}

impl Store {
    /// Has somebody be told of all that is appended from now on. A second one is not taken, and given back.
    ///
    /// # Errors
    /// When there is one.
    pub fn tap(&self, tap: Arc<dyn Tap>) -> Result<(), Arc<dyn Tap>> {
        self.tap.set(tap)
    }

    /// The labels of series, each while it is in memory.
    pub fn labels(&self, of: impl IntoIterator<Item = SeriesRef>) -> Vec<Option<Labels>> {
        let state = self.lock();
        let of_one = |it: SeriesRef| {
            let live = state.head.pages.get(it.slot)?;
            (live.id as u32 == it.proof).then(|| live.labels.clone())
        };
        of.into_iter().map(of_one).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::options::Options;

    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<(usize, u64)>>);

    impl Tap for Heard {
        fn appended(&self, batch: &Batch, of: &Appended) {
            self.0.lock().unwrap().push((batch.samples.len(), of.accepted));
        }
    }

    #[test]
    fn what_is_appended_is_told_and_what_is_imported_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let heard = Arc::new(Heard::default());
        store.tap(Arc::clone(&heard) as Arc<dyn Tap>).unwrap();
        assert!(store.tap(Arc::clone(&heard) as Arc<dyn Tap>).is_err());
        let up = store.intern(&Labels::of([("__name__", "up")])).unwrap();
        let mut batch = Batch::default();
        batch.float(up, 1_000, 1.0);
        batch.float(up, 1_000, 2.0);
        store.append(&batch).unwrap();
        store.backfill(&batch).unwrap();
        assert_eq!(*heard.0.lock().unwrap(), [(2, 1)]);
        let stranger = SeriesRef::new(9, 9);
        let labels = store.labels([up, stranger]);
        assert_eq!(labels, [Some(Labels::of([("__name__", "up")])), None]);
    }
}
