//! Faults: a disk that does not take what is written, another process, a newer format, names that are too long.

use std::path::Path;
use std::time::Duration;

use evenkeel_series::{Labels, Samples, Source as _, Span};
use evenkeel_tsdb::{Batch, Limits, Missing, OpenError, Options, Refusal, Snapshot, Store};

fn count(store: &Store) -> usize {
    let snapshot = store.snapshot();
    let mut samples = Samples::default();
    for series in snapshot.select(&[], Span::ALL).unwrap() {
        series.read(Span::ALL, &mut samples).unwrap();
    }
    samples.points.len()
}

fn append(store: &Store, at: i64) {
    let series = store.intern(&Labels::of([("__name__", "x")])).unwrap();
    let mut batch = Batch::default();
    batch.float(series, at, at as f64);
    assert_eq!(store.append(&batch).unwrap().accepted, 1);
}

/// A directory in the place of a file: whoever wants to write that file cannot.
fn block(directory: &Path, name: &str) -> std::path::PathBuf {
    let path = directory.join(name);
    std::fs::create_dir(&path).unwrap();
    path
}

#[test]
fn a_flush_that_fails_at_any_stage_loses_nothing_and_succeeds_later() {
    let files =
        ["00000002-00000002.new", "00000002-00000002.entries.new", "00000002.new", "00000002.log"];
    for name in files {
        for reopened in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let mut store = Store::open(directory.path(), Options::default()).unwrap();
            append(&store, 1);
            let blocked = block(directory.path(), name);
            let error = store.flush().unwrap_err();
            assert!(error.to_string().contains("00000002"), "{error}");
            append(&store, 2);
            std::fs::remove_dir(blocked).unwrap();
            let left = std::fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().path());
            assert!(left.into_iter().all(|path| path.extension().is_none_or(|it| it != "new")));
            if reopened {
                drop(store);
                store = Store::open(directory.path(), Options::default()).unwrap();
                assert!(store.recovery().is_whole());
            }
            assert_eq!(count(&store), 2, "{name}");
            append(&store, 3);
            store.flush().unwrap();
            drop(store);
            let store = Store::open(directory.path(), Options::default()).unwrap();
            assert_eq!((count(&store), store.recovery().replayed), (3, 0), "{name}");
            assert_eq!(store.statistics().segment_samples, 3, "{name}");
        }
    }
}

fn names(directory: &Path, ending: &str) -> Vec<String> {
    let all = std::fs::read_dir(directory).unwrap().map(|it| it.unwrap().path());
    let mut names: Vec<String> = all
        .filter(|path| path.extension().is_some_and(|it| it == ending))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_checkpoint_of_a_flush_that_failed_does_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), Options::default()).unwrap();
    append(&store, 1);
    // As it is when a file has got its name, and the directory could not be brought to disk.
    std::fs::write(directory.path().join("00000002.head"), "evk-head").unwrap();
    block(directory.path(), "00000002.new");
    store.flush().unwrap_err();
    assert!(names(directory.path(), "head").is_empty());
    assert!(names(directory.path(), "segment").is_empty());
    drop(store);
    std::fs::remove_dir(directory.path().join("00000002.new")).unwrap();
    let store = Store::open(directory.path(), Options::default()).unwrap();
    assert_eq!((count(&store), store.recovery().is_whole()), (1, true));
}

#[test]
fn a_disk_that_stays_full_is_not_filled_with_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), Options::default()).unwrap();
    append(&store, 1);
    let blocked = block(directory.path(), "00000002.new");
    for _ in 0..5 {
        store.flush().unwrap_err();
    }
    assert_eq!(names(directory.path(), "log"), ["00000001", "00000002"]);
    append(&store, 2);
    std::fs::remove_dir(blocked).unwrap();
    store.flush().unwrap();
    assert_eq!(names(directory.path(), "log"), ["00000003"]);
    drop(store);
    let store = Store::open(directory.path(), Options::default()).unwrap();
    assert_eq!((count(&store), store.statistics().segment_samples), (2, 2));
}

#[test]
fn files_that_somebody_removed_keep_no_others_from_going() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Some(Duration::from_millis(100));
    let options = Options { retention, merge_at: 100, ..Options::default() };
    let store = Store::open(directory.path(), options).unwrap();
    for at in 1..=3 {
        append(&store, at);
        store.flush().unwrap();
    }
    let first = directory.path().join(format!("{}.segment", names(directory.path(), "segment")[0]));
    std::fs::remove_file(first).unwrap();
    // What is mapped is still read.
    assert_eq!(count(&store), 3);
    assert_eq!(store.tend(103).unwrap().expired.len(), 2);
    assert_eq!((count(&store), names(directory.path(), "segment").len()), (1, 1));
}

#[test]
fn a_segment_that_somebody_removed_is_missed_and_said() {
    let directory = tempfile::tempdir().unwrap();
    let options = || Options { merge_at: 2, retention: None, ..Options::default() };
    let store = Store::open(directory.path(), options()).unwrap();
    for at in 1..=4 {
        append(&store, at);
        store.flush().unwrap();
        if at < 4 {
            store.tend(at).unwrap();
        }
    }
    drop(store);
    let all = names(directory.path(), "segment");
    assert_eq!(all, ["00000002-00000004", "00000005-00000005"]);
    // What was merged is not missed.
    let (_, found) = Snapshot::of(directory.path()).unwrap();
    assert!(found.is_whole(), "{found:?}");
    let removed = directory.path().join("00000002-00000004.segment");
    std::fs::remove_file(&removed).unwrap();
    let missing = vec![Missing { path: removed, samples: 3, from: 1, to: 3 }];
    let (_, found) = Snapshot::of(directory.path()).unwrap();
    assert_eq!((found.is_whole(), &found.missing), (false, &missing), "for who only reads");
    let store = Store::open(directory.path(), options()).unwrap();
    assert_eq!((store.recovery().is_whole(), &store.recovery().missing), (false, &missing));
    drop(store);
    let store = Store::open(directory.path(), options()).unwrap();
    assert!(store.recovery().is_whole(), "it was told");
    drop(store);
    std::fs::write(directory.path().join("segments"), b"\xff").unwrap();
    let store = Store::open(directory.path(), options()).unwrap();
    let [(aside, why)] = &store.recovery().damaged[..] else { panic!() };
    assert!(aside.ends_with("segments.damaged") && why.contains("no list"), "{why}");
}

#[test]
fn a_second_process_is_told_that_the_store_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), Options::default()).unwrap();
    let error = Store::open(directory.path(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)));
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(store);
    Store::open(directory.path(), Options::default()).unwrap();
}

#[test]
fn what_is_no_directory_and_what_is_newer_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, "x").unwrap();
    let error = Store::open(&path, Options::default()).unwrap_err();
    assert!(error.to_string().contains("/file: "), "{error}");

    let store = Store::open(directory.path(), Options::default()).unwrap();
    append(&store, 1);
    store.close().unwrap();
    let log = directory.path().join("00000001.log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[8] = 2;
    std::fs::write(&log, bytes).unwrap();
    let error = Store::open(directory.path(), Options::default()).unwrap_err();
    assert!(error.to_string().contains("has format 2, and this version reads up to 1"), "{error}");
}

#[test]
fn a_series_beyond_a_limit_is_refused_with_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { labels: 2, name_bytes: 10, value_bytes: 5, series: Some(2) };
    let options = Options { limits, ..Options::default() };
    let store = Store::open(directory.path(), options).unwrap();
    let refused = |pairs: &[(&str, &str)]| store.intern_sorted(pairs).unwrap_err();
    assert_eq!(refused(&[]), Refusal::Nameless);
    assert_eq!(
        refused(&[("a", "1"), ("b", "2"), ("c", "3")]),
        Refusal::TooManyLabels { count: 3, most: 2 }
    );
    assert_eq!(refused(&[("a", "123456")]), Refusal::TooLong { bytes: 6, most: 5 });
    assert_eq!(refused(&[("abcdefghijk", "1")]), Refusal::TooLong { bytes: 11, most: 10 });
    assert_eq!(refused(&[("b", "1"), ("a", "1")]), Refusal::Unsorted);
    assert_eq!(refused(&[("a", "")]), Refusal::Unsorted);
    let one = store.intern_sorted(&[("a", "1")]).unwrap();
    store.intern_sorted(&[("a", "2")]).unwrap();
    assert_eq!(store.intern_sorted(&[("a", "1")]).unwrap(), one);
    assert_eq!(refused(&[("a", "3")]), Refusal::TooManySeries { most: 2 });
}
