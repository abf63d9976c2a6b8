//! Cuts: files that end too early or have another byte somewhere.

use std::path::{Path, PathBuf};

use evenkeel_series::{Labels, Samples, Series, Source as _, Span, Summed};
use evenkeel_tsdb::{Batch, OpenError, Options, Store};

fn open(directory: &Path) -> Store {
    Store::open(directory, Options { retention: None, ..Options::default() }).unwrap()
}

fn fill(store: &Store, batches: std::ops::Range<i64>) {
    let refs: Vec<_> = ["a", "b"]
        .into_iter()
        .map(|name| store.intern(&Labels::of([("__name__", name)])).unwrap())
        .collect();
    for at in batches {
        let mut batch = Batch::default();
        for series in &refs {
            batch.float(*series, at * 1_000, at as f64);
        }
        assert_eq!(store.append(&batch).unwrap().accepted, 2);
    }
}

fn read(store: &Store) -> Result<Vec<usize>, String> {
    let snapshot = store.snapshot();
    let all = snapshot.select(&[], Span::ALL).unwrap();
    let count = |series: &dyn Series| {
        let mut samples = Samples::default();
        series.read(Span::ALL, &mut samples).map_err(|error| error.to_string())?;
        for point in &samples.points {
            assert_eq!(point.value.to_bits(), (point.at as f64 / 1e3).to_bits());
        }
        if let Summed::To(digest) = series.digest(Span::ALL).map_err(|error| error.to_string())? {
            assert_eq!(digest.count, samples.points.len() as u64);
        }
        Ok(samples.points.len())
    };
    all.iter().map(|series| count(&**series)).collect()
}

/// The one file with an ending that has something in it.
fn file(directory: &Path, ending: &str) -> PathBuf {
    let all = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let mut all = all.filter(|path| path.extension().is_some_and(|it| it == ending));
    all.find(|path| path.metadata().unwrap().len() > 12).unwrap()
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

#[test]
fn a_log_cut_at_any_byte_keeps_every_whole_batch_and_says_what_is_lost() {
    let original = tempfile::tempdir().unwrap();
    let store = open(original.path());
    let mut ends = vec![0];
    for at in 0..4 {
        fill(&store, at..at + 1);
        ends.push(file(original.path(), "log").metadata().unwrap().len());
    }
    drop(store);
    let log = std::fs::read(file(original.path(), "log")).unwrap();
    for length in 12..log.len() {
        let directory = copy(original.path());
        let path = file(directory.path(), "log");
        std::fs::write(&path, &log[..length]).unwrap();
        let store = open(directory.path());
        let whole = ends.iter().filter(|end| **end <= length as u64).count() - 1;
        let counts = read(&store).unwrap();
        assert!(counts.iter().all(|count| *count == whole), "{length}: {counts:?}, not {whole}");
        let is_edge = ends.contains(&(length as u64)) || length == 12;
        // The names of the series are records of their own, before their first samples.
        assert!(store.recovery().is_whole() || !is_edge, "{length}");
        assert!(!store.recovery().is_whole() || is_edge || whole == 0, "{length}");
        // It goes on as if nothing had been, and the cut is said once.
        fill(&store, 10..11);
        drop(store);
        let store = open(directory.path());
        assert!(store.recovery().is_whole());
        assert_eq!(read(&store).unwrap(), [whole + 1; 2]);
    }
}

#[test]
fn a_log_with_another_byte_is_kept_aside_as_it_was() {
    let original = tempfile::tempdir().unwrap();
    let store = open(original.path());
    fill(&store, 0..4);
    drop(store);
    let log = std::fs::read(file(original.path(), "log")).unwrap();
    // In the magic, in the first record, and in the last.
    for at in [3, 25, log.len() - 1] {
        let directory = copy(original.path());
        let path = file(directory.path(), "log");
        let mut bytes = log.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let store = open(directory.path());
        let [(aside, why)] = &store.recovery().damaged[..] else { panic!("{at}: is not told") };
        assert_eq!(std::fs::read(aside).unwrap(), bytes);
        assert!(why.contains("not what was written"), "{why}");
        assert_eq!(store.recovery().torn.len(), 1);
        fill(&store, 10..11);
        drop(store);
        assert!(open(directory.path()).recovery().is_whole(), "it is said once");
    }
}

#[test]
fn what_follows_a_torn_log_goes_to_no_series_that_may_have_left() {
    const HOUR: i64 = 3_600_000;
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let append = |name: &str, at: i64| {
        let series = store.intern(&Labels::of([("__name__", name)])).unwrap();
        let mut batch = Batch::default();
        batch.float(series, at, at as f64 / 1e3);
        assert_eq!(store.append(&batch).unwrap().accepted, 1);
    };
    store.tend(HOUR).unwrap();
    append("left", HOUR);
    append("stays", HOUR);
    let mut hour = 1;
    while store.statistics().live_series == 2 {
        hour += 1;
        store.tend(hour * HOUR).unwrap();
        append("stays", hour * HOUR);
    }
    // In the place of the one that has left comes another, in this log and in the next.
    append("new", hour * HOUR + 1);
    let log = file(directory.path(), "log");
    let number: u64 = log.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let blocked = directory.path().join(format!("{:08}.new", number + 1));
    std::fs::create_dir(&blocked).unwrap();
    store.flush().unwrap_err();
    append("new", hour * HOUR + 2);
    append("stays", hour * HOUR + 2);
    drop(store);
    std::fs::remove_dir(&blocked).unwrap();
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..14]).unwrap();
    let store = open(directory.path());
    assert_eq!(store.recovery().orphans, 1, "{:?}", store.recovery());
    let snapshot = store.snapshot();
    let all = snapshot.select(&[], Span::ALL).unwrap();
    let left = all.iter().find(|it| it.labels().get("__name__") == "left").unwrap();
    let mut samples = Samples::default();
    left.read(Span::ALL, &mut samples).unwrap();
    assert_eq!(samples.points.iter().map(|it| it.at).collect::<Vec<_>>(), [HOUR]);
    assert_eq!(all.len(), 2);
}

#[test]
fn a_segment_with_another_byte_anywhere_is_set_aside_or_told_and_the_rest_is_read() {
    let original = tempfile::tempdir().unwrap();
    let store = open(original.path());
    fill(&store, 0..30);
    store.flush().unwrap();
    fill(&store, 30..40);
    drop(store);
    let segment = std::fs::read(file(original.path(), "segment")).unwrap();
    let mut fates = [0; 2];
    for at in (0..segment.len()).filter(|at| at % 7 == 0 || *at < 40) {
        let directory = copy(original.path());
        let path = file(directory.path(), "segment");
        let mut bytes = segment.clone();
        bytes[at] ^= 0x24;
        std::fs::write(&path, bytes).unwrap();
        let store = match Store::open(directory.path(), Options::default()) {
            Ok(store) => store,
            Err(OpenError::Newer { path: named, .. }) if (8..12).contains(&at) => {
                assert_eq!(named, path);
                continue;
            }
            Err(other) => panic!("{at}: {other}"),
        };
        if let [(aside, why)] = &store.recovery().damaged[..] {
            assert!(aside.exists() && !path.exists() && !why.is_empty());
            assert_eq!(read(&store).unwrap(), [10, 10]);
            fates[0] += 1;
        } else {
            let error = read(&store).unwrap_err();
            assert!(error.contains("segment is damaged"), "{at}: {error}");
            let tended = store.tend(0).unwrap();
            assert_eq!(tended.mended.len(), 1);
            assert!(tended.mended[0].0.exists());
            assert_eq!(read(&store).unwrap().iter().sum::<usize>(), 50);
            fates[1] += 1;
        }
    }
    assert!(fates.iter().all(|count| *count > 0), "{fates:?}");
}

#[test]
fn a_damaged_checkpoint_is_told_and_what_can_be_read_of_it_is_used() {
    let original = tempfile::tempdir().unwrap();
    let store = open(original.path());
    fill(&store, 0..5);
    store.flush().unwrap();
    fill(&store, 5..8);
    drop(store);
    let checkpoint = std::fs::read(file(original.path(), "head")).unwrap();
    for at in 0..checkpoint.len() {
        let directory = copy(original.path());
        let mut bytes = checkpoint.clone();
        bytes[at] ^= 0x80;
        std::fs::write(file(directory.path(), "head"), bytes).unwrap();
        match Store::open(directory.path(), Options::default()) {
            Ok(store) => {
                assert!(!store.recovery().is_whole(), "{at}");
                assert!(read(&store).unwrap().iter().all(|count| *count >= 5), "{at}");
            }
            Err(OpenError::Newer { .. }) => assert!((8..12).contains(&at)),
            Err(other) => panic!("{at}: {other}"),
        }
    }
}
