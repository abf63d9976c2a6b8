//! Readers: whoever reads sees each batch as a whole, while others write, flush and merge.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use evenkeel_series::{Labels, Source as _, Span, Summed};
use evenkeel_tsdb::{Batch, Options, Store};

#[test]
fn a_snapshot_has_all_of_a_batch_or_nothing_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { flush_bytes: 100, merge_at: 2, retention: None, ..Options::default() };
    let store = Store::open(directory.path(), options).unwrap();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut batch = Batch::default();
            for at in 1..=3_000 {
                batch.clear();
                for number in 0..4 {
                    let labels = Labels::of([("n", &*number.to_string())]);
                    batch.float(store.intern(&labels).unwrap(), at, 1.0);
                }
                assert_eq!(store.append(&batch).unwrap().accepted, 4);
            }
            ended.store(true, Ordering::Release);
        });
        scope.spawn(|| {
            while !ended.load(Ordering::Acquire) {
                store.sync().unwrap();
                store.tend(0).unwrap();
            }
        });
        let mut before = 0;
        loop {
            let over = ended.load(Ordering::Acquire);
            let snapshot = store.snapshot();
            let all = snapshot.select(&[], Span::ALL).unwrap();
            let counts = all.iter().map(|series| match series.digest(Span::ALL).unwrap() {
                Summed::To(digest) => digest.count,
                other => panic!("{other:?}"),
            });
            let counts: Vec<u64> = counts.collect();
            assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
            assert!(matches!(counts.len(), 0 | 4) && counts.first().is_none_or(|it| *it >= before));
            before = counts.first().copied().unwrap_or(0);
            if over {
                break;
            }
        }
        assert_eq!(before, 3_000);
    });
    assert!(store.statistics().counts.flushes > 0);
}
