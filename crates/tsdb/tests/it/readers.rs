//! Readers: whoever reads sees each batch as a whole, while others write, flush and merge.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use evenkeel_series::{Labels, Source as _, Span, Summed};
use evenkeel_tsdb::{Batch, OpenError, Options, Snapshot, Store};

use crate::kills::{acknowledged, batches, start};

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

#[test]
fn a_store_is_read_while_another_process_writes_flushes_and_merges_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = start(directory.path());
    let mut said = acknowledged(&mut writer);
    let mut snapshots = Vec::new();
    for _ in 0..40 {
        let acknowledged = said.nth(9).unwrap();
        let (snapshot, recovery) = Snapshot::of(directory.path()).unwrap();
        assert!(recovery.is_whole(), "{recovery:?}");
        let found = batches(&snapshot);
        assert!(found >= acknowledged, "{found} of {acknowledged} batches");
        snapshots.push((snapshot, found));
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    // Most of the segments that the first ones read are gone by now.
    for (snapshot, found) in &snapshots {
        assert_eq!(batches(snapshot), *found);
    }
    let (last, _) = Snapshot::of(directory.path()).unwrap();
    let store = Store::open(directory.path(), Options::default()).unwrap();
    assert_eq!(batches(&last), batches(&store.snapshot()));
}

#[test]
fn whoever_only_looks_changes_nothing_and_needs_no_lock() {
    let directory = tempfile::tempdir().unwrap();
    let error = Snapshot::of(directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::NoStore(_)), "{error}");
    let store = Store::open(directory.path(), Options::default()).unwrap();
    let mut batch = Batch::default();
    batch.float(store.intern(&Labels::of([("a", "1")])).unwrap(), 1, 1.0);
    store.append(&batch).unwrap();
    store.flush().unwrap();
    for name in ["00000007-00000007.new", "00000009-00000009.segment"] {
        std::fs::write(directory.path().join(name), "evk-").unwrap();
    }
    let names = || {
        let all = std::fs::read_dir(directory.path()).unwrap();
        let mut all: Vec<_> = all.map(|it| it.unwrap().path()).collect();
        all.sort();
        all.into_iter().map(|it| (std::fs::read(&it).unwrap(), it)).collect::<Vec<_>>()
    };
    let before = names();
    let (snapshot, recovery) = Snapshot::of(directory.path()).unwrap();
    assert_eq!(snapshot.select(&[], Span::ALL).unwrap().len(), 1);
    assert!(recovery.is_whole(), "a flush that is not done is none of its business");
    assert_eq!(names(), before);
}
