//! Tap: somebody who is told of what is taken in, to send it on, and who can go on where they were after a restart.

use std::fmt::Debug;

use evenkeel_series::Labels;

use crate::batch::{Appended, Batch};
use crate::head::SeriesRef;
use crate::store::Store;

/// A place in the log of a store: of two, what was taken in up to the lower one was taken in earlier.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The number of the log's file.
    pub log: u64,
    /// Bytes of the file that lie before it.
    pub bytes: u64,
}

/// Told of what is taken in, whoever brought it, once it is in the store and in order: each batch ends at a higher place than the
/// one before. Whoever appends waits for it, and so does everybody else who appends: it takes what it needs, asks
/// the store for nothing, and does the rest elsewhere.
pub trait Tap: Debug + Send + Sync {
    /// A batch, what became of it, and where in the log it ends.
    fn appended(&self, batch: &Batch, of: &Appended, end: Position);
}

impl Store {
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
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::batch::Value;
    use crate::options::Options;

    /// How many samples came, how many of them were taken in, and where the last one ends.
    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<(usize, u64, Position)>>);

    impl Tap for Heard {
        fn appended(&self, batch: &Batch, of: &Appended, end: Position) {
            self.0.lock().unwrap().push((batch.samples.len(), of.accepted, end));
        }
    }

    #[derive(Debug, Default)]
    struct Kept(Mutex<Vec<(SeriesRef, i64, f64, Position)>>);

    impl Tap for Kept {
        fn appended(&self, batch: &Batch, _: &Appended, end: Position) {
            let of = |it: &crate::Sample| match it.value {
                Value::Float(value) => (it.series, it.at, value, end),
                Value::Histogram(_) => panic!("{it:?}"),
            };
            self.0.lock().unwrap().extend(batch.samples.iter().map(of));
        }
    }

    #[test]
    fn what_is_taken_in_is_told_with_its_place_and_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let heard = Arc::new(Heard::default());
        let open =
            |tap: Arc<dyn Tap>| Store::open_tapped(folder.path(), Options::default(), tap).unwrap();
        let store = open(Arc::clone(&heard) as Arc<dyn Tap>);
        let up = store.intern(&Labels::of([("__name__", "up")])).unwrap();
        let mut batch = Batch::default();
        batch.float(up, 1_000, 1.0);
        batch.float(up, 1_000, 2.0);
        store.append(&batch).unwrap();
        let mut more = Batch::default();
        more.float(up, 500, 3.0);
        store.backfill(&more).unwrap();
        let told = heard.0.lock().unwrap().clone();
        assert_eq!(told.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(), [(2, 1), (1, 1)]);
        assert!(told[0].2 < told[1].2);
        assert_eq!(store.position(), told[1].2);
        let stranger = SeriesRef::new(9, 9);
        let labels = store.labels([up, stranger]);
        assert_eq!(labels, [Some(Labels::of([("__name__", "up")])), None]);
        drop(store);
        let kept = Arc::new(Kept::default());
        let store = open(Arc::clone(&kept) as Arc<dyn Tap>);
        let again = [(up, 1_000, 1.0, told[0].2), (up, 500, 3.0, told[1].2)];
        assert_eq!(*kept.0.lock().unwrap(), again, "the same samples end at the same places");
        assert_eq!(store.recovery().oldest_log, Some(told[0].2.log));
        assert!(store.position() > told[1].2);
    }
}
