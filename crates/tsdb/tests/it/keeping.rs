//! Keeping: what stays, what leaves, and in what form.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_series::histogram::Run;
use evenkeel_series::{
    Histogram, Labels, Matcher, Operation, STALE, Samples, Source as _, Span, Summed,
};
use evenkeel_tsdb::{Batch, Metadata, MetricKind, Options, Rejection, Store};

fn labels(number: u32) -> Labels {
    Labels::of([("__name__", "x"), ("n", &number.to_string())])
}

fn append(store: &Store, number: u32, at: i64) {
    let mut batch = Batch::default();
    batch.float(store.intern(&labels(number)).unwrap(), at, at as f64);
    assert_eq!(store.append(&batch).unwrap().accepted, 1);
}

fn read(store: &Store, number: u32) -> Samples {
    let matcher = Matcher::new("n", Operation::Equal, number.to_string()).unwrap();
    let mut samples = Samples::default();
    for series in store.snapshot().select(&[matcher], Span::ALL).unwrap() {
        assert!(samples.is_empty(), "a series is there twice");
        series.read(Span::ALL, &mut samples).unwrap();
    }
    samples
}

const HOUR: i64 = 3_600_000;

#[test]
fn a_series_that_ends_leaves_the_memory_and_is_the_same_when_it_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path(), Options::default()).unwrap();
    store.tend(HOUR).unwrap();
    append(&store, 1, HOUR);
    let forgotten = store.intern(&labels(1)).unwrap();
    for hour in 2..8 {
        store.tend(hour * HOUR).unwrap();
        append(&store, 2, hour * HOUR);
    }
    store.tend(8 * HOUR).unwrap();
    let statistics = store.statistics();
    assert_eq!((statistics.live_series, statistics.segment_samples), (1, 1));
    let mut batch = Batch::default();
    batch.float(forgotten, 8 * HOUR, 1.0);
    assert_eq!(store.append(&batch).unwrap().rejected, [(0, Rejection::Forgotten)]);
    // Another takes its place, and it comes back elsewhere: now, and after a restart.
    append(&store, 3, 8 * HOUR);
    append(&store, 1, 8 * HOUR);
    for _ in 0..2 {
        assert_eq!(read(&store, 1).points.len(), 2);
        assert_eq!(read(&store, 2).points.len(), 6);
        assert_eq!(read(&store, 3).points.len(), 1);
        drop(store);
        store = Store::open(directory.path(), Options::default()).unwrap();
    }
    let again = store.intern(&labels(1)).unwrap();
    batch.clear();
    batch.float(again, HOUR, 7.0);
    batch.float(again, 8 * HOUR, (8 * HOUR) as f64);
    let appended = store.append(&batch).unwrap();
    assert_eq!(appended.rejected, [(0, Rejection::OutOfOrder)]);
    assert_eq!(appended.duplicates, 1);
    assert_eq!(store.backfill(&batch).unwrap().rejected, [(0, Rejection::Conflict)]);
}

#[test]
fn what_is_older_than_the_retention_goes_and_is_no_longer_taken_in() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Some(Duration::from_hours(10));
    let options = Options { retention, ..Options::default() };
    let store = Store::open(directory.path(), options).unwrap();
    append(&store, 1, HOUR);
    store.flush().unwrap();
    append(&store, 1, 5 * HOUR);
    store.flush().unwrap();
    assert!(store.tend(11 * HOUR).unwrap().expired.is_empty());
    assert_eq!(store.tend(12 * HOUR).unwrap().expired.len(), 1);
    let points = read(&store, 1).points;
    assert_eq!(points.iter().map(|point| point.at).collect::<Vec<_>>(), [5 * HOUR]);
    let mut batch = Batch::default();
    batch.float(store.intern(&labels(2)).unwrap(), HOUR, 1.0);
    assert_eq!(store.backfill(&batch).unwrap().rejected, [(0, Rejection::TooOld)]);
}

#[test]
fn what_lies_in_the_future_is_refused_by_a_bound_once_the_time_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), Options::default()).unwrap();
    // Nobody has said what time it is.
    append(&store, 1, 500 * HOUR);
    store.tell_time(HOUR);
    let minutes = |count: i64| HOUR + count * 60_000;
    let mut batch = Batch::default();
    let series = store.intern(&labels(2)).unwrap();
    for at in [minutes(0), minutes(10), minutes(10) + 1, i64::MAX] {
        batch.float(series, at, 1.0);
    }
    let too_new = [(2, Rejection::TooNew), (3, Rejection::TooNew)];
    assert_eq!(store.append(&batch).unwrap().rejected, too_new);
    assert_eq!(store.backfill(&batch).unwrap().rejected, too_new);
    assert_eq!(store.statistics().counts.rejected[&Rejection::TooNew], 4);
    // Time goes on.
    store.tend(minutes(1)).unwrap();
    assert_eq!(store.append(&batch).unwrap().accepted, 1);
}

#[test]
fn the_oldest_goes_when_there_is_too_much() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { retention_bytes: Some(2_000), merge_at: 100, ..Options::default() };
    let store = Store::open(directory.path(), options).unwrap();
    for hour in 1..9 {
        store.tend(hour * HOUR).unwrap();
        append(&store, 1, hour * HOUR);
        store.flush().unwrap();
    }
    store.tend(8 * HOUR).unwrap();
    let statistics = store.statistics();
    assert!(statistics.segment_bytes <= 2_000 && statistics.segments > 1, "{statistics:?}");
    assert_eq!(statistics.segment_moments.unwrap().1, 8 * HOUR);
}

#[test]
fn segments_become_one_and_small_chunks_too() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), Options::default()).unwrap();
    for hour in 1..=4 {
        append(&store, 1, hour * HOUR);
        store.flush().unwrap();
    }
    let before = store.snapshot();
    assert_eq!(store.tend(4 * HOUR).unwrap().merged, 4);
    let statistics = store.statistics();
    assert_eq!((statistics.segments, statistics.segment_samples), (1, 4));
    // What a snapshot knows stays there for it.
    let all = before.select(&[], Span::ALL).unwrap();
    let Summed::To(digest) = all[0].digest(Span::ALL).unwrap() else { panic!("no digest") };
    assert_eq!(digest.count, 4);
    assert_eq!(read(&store, 1).points.len(), 4);
}

#[test]
fn histograms_and_floats_of_one_series_are_kept_apart_and_together() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path(), Options::default()).unwrap();
    let histogram = |at: i64| {
        Arc::new(Histogram {
            count: at as f64,
            sum: 0.5,
            positive_runs: vec![Run { offset: 1, length: 2 }],
            positive: vec![1.0, at as f64 - 1.0],
            ..Histogram::default()
        })
    };
    let mut batch = Batch::default();
    let series = store.intern(&labels(1)).unwrap();
    for at in 1..=300 {
        batch.histogram(series, at, histogram(at));
    }
    batch.float(series, 301, 5.0);
    batch.histogram(series, 302, histogram(302));
    batch.histogram(series, 302, histogram(302));
    batch.histogram(series, 302, histogram(303));
    batch.histogram(
        series,
        303,
        Arc::new(Histogram { positive: vec![1.0], ..Histogram::default() }),
    );
    let appended = store.append(&batch).unwrap();
    assert_eq!((appended.accepted, appended.duplicates), (302, 1));
    assert_eq!(appended.rejected, [(303, Rejection::Conflict), (304, Rejection::Malformed)]);
    for stage in 0..3 {
        let samples = read(&store, 1);
        assert_eq!((samples.points.len(), samples.histograms.len()), (1, 301), "{stage}");
        assert!(samples.histograms.iter().all(|(at, it)| *it == histogram(*at)));
        let snapshot = store.snapshot();
        let series = &snapshot.select(&[], Span::ALL).unwrap()[0];
        assert_eq!(series.digest(Span::ALL).unwrap(), Summed::Unknown);
        let float = series.digest(Span { after: 300, until: 301 }).unwrap();
        assert!(matches!(float, Summed::To(_)), "{float:?}");
        if stage == 0 {
            drop(store);
            store = Store::open(directory.path(), Options::default()).unwrap();
        } else {
            store.flush().unwrap();
        }
    }
}

#[test]
fn names_values_and_metadata_are_listed_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path(), Options::default()).unwrap();
    let metadata =
        Metadata { kind: MetricKind::Counter, help: "Requests.".to_owned(), unit: String::new() };
    store.describe("x", &metadata).unwrap();
    append(&store, 1, HOUR);
    store.flush().unwrap();
    append(&store, 2, 2 * HOUR);
    let set = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let one = Matcher::new("n", Operation::NotEqual, "2").unwrap();
    for _ in 0..2 {
        let snapshot = store.snapshot();
        assert_eq!(snapshot.metadata().get("x"), Some(&metadata));
        assert_eq!(snapshot.label_names(&[], Span::ALL), set(&["__name__", "n"]));
        assert_eq!(snapshot.label_values("n", &[], Span::ALL), set(&["1", "2"]));
        assert_eq!(snapshot.label_values("n", std::slice::from_ref(&one), Span::ALL), set(&["1"]));
        let early = Span { after: 0, until: HOUR };
        assert_eq!(snapshot.series(&[], early), [labels(1)]);
        drop(store);
        store = Store::open(directory.path(), Options::default()).unwrap();
    }
}

#[test]
fn old_segments_that_cannot_grow_do_not_keep_new_ones_apart() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Some(Duration::from_hours(80));
    let options = Options { retention, merge_at: 3, ..Options::default() };
    let store = Store::open(directory.path(), options).unwrap();
    for hour in [0, 9, 18, 27, 28, 29, 30] {
        append(&store, 1, hour * HOUR);
        store.flush().unwrap();
    }
    // Together the first ones span more than an eighth of the retention.
    assert_eq!(store.tend(30 * HOUR).unwrap().merged, 3);
    assert_eq!(store.tend(30 * HOUR).unwrap().merged, 0);
    let statistics = store.statistics();
    assert_eq!((statistics.segments, statistics.segment_samples), (5, 7));
}

#[test]
fn series_come_in_order_of_their_labels_whatever_came_first_or_since() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), Options::default()).unwrap();
    let mut known = Vec::new();
    for number in [5, 40, 3, 31, 200, 1, 7] {
        append(&store, number, HOUR);
        known.push(labels(number));
        known.sort();
        let snapshot = store.snapshot();
        for _ in 0..2 {
            let all = snapshot.select(&[], Span::ALL).unwrap();
            let names: Vec<_> = all.iter().map(|series| series.labels().clone()).collect();
            assert_eq!(names, known);
        }
        append(&store, 0, HOUR + i64::from(number));
        assert_eq!(snapshot.select(&[], Span::ALL).unwrap().len(), known.len());
        if known.len() == 1 {
            known.insert(0, labels(0));
        }
    }
}

#[test]
fn the_first_and_the_last_moments_there_are_do_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { retention: None, merge_at: 2, ..Options::default() };
    let mut store = Store::open(directory.path(), options.clone()).unwrap();
    let moments = [i64::MIN + 1, i64::MIN / 2, -1, 0, i64::MAX / 2, i64::MAX];
    for order in [[5, 0, 3], [1, 4, 2]] {
        let mut batch = Batch::default();
        let series = store.intern(&labels(1)).unwrap();
        for place in order {
            batch.float(series, moments[place], place as f64);
        }
        batch.float(series, i64::MIN, 1.0);
        let appended = store.backfill(&batch).unwrap();
        assert_eq!((appended.accepted, appended.rejected.len()), (3, 1));
        store.flush().unwrap();
    }
    for _ in 0..2 {
        let found: Vec<i64> = read(&store, 1).points.iter().map(|it| it.at).collect();
        assert_eq!(found, moments);
        let snapshot = store.snapshot();
        let series = &snapshot.select(&[], Span::ALL).unwrap()[0];
        let Summed::To(digest) = series.digest(Span::ALL).unwrap() else { panic!("no digest") };
        assert_eq!((digest.count, digest.sum.to_bits()), (6, 15.0_f64.to_bits()));
        for now in [i64::MIN, 0, i64::MAX] {
            store.tend(now).unwrap();
        }
        drop(store);
        store = Store::open(directory.path(), options.clone()).unwrap();
    }
}

#[test]
fn what_is_no_number_keeps_every_bit_across_chunks_segments_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { retention: None, merge_at: 2, ..Options::default() };
    let mut store = Store::open(directory.path(), options.clone()).unwrap();
    let odd = [f64::NAN, f64::INFINITY, STALE, -0.0, f64::NEG_INFINITY, f64::MIN_POSITIVE, 1e300];
    // Around the ends of chunks of 240 too.
    let values: Vec<f64> = (0..500_usize)
        .map(|at| if at % 240 < 7 { odd[at % 240] } else { f64::from(at as u32) })
        .collect();
    let mut batch = Batch::default();
    let series = store.intern(&labels(1)).unwrap();
    for (at, value) in (1..).zip(&values) {
        batch.float(series, at, *value);
    }
    assert_eq!(store.append(&batch).unwrap().accepted, 500);
    let bits: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
    for stage in 0..3 {
        let found: Vec<u64> =
            read(&store, 1).points.iter().map(|point| point.value.to_bits()).collect();
        assert_eq!(found, bits, "{stage}");
        let snapshot = store.snapshot();
        let series = &snapshot.select(&[], Span::ALL).unwrap()[0];
        let Summed::To(digest) = series.digest(Span::ALL).unwrap() else { panic!("no digest") };
        // Stale markers are none.
        assert_eq!(digest.count, 497, "{stage}");
        assert!(digest.total().is_nan() && digest.max.is_infinite());
        if stage == 0 {
            drop(store);
            store = Store::open(directory.path(), options.clone()).unwrap();
        } else {
            store.flush().unwrap();
            append(&store, 2, i64::from(stage));
        }
    }
}

#[test]
fn what_has_expired_stays_readable_in_a_snapshot_of_before() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Some(Duration::from_hours(10));
    let store = Store::open(directory.path(), Options { retention, ..Options::default() }).unwrap();
    for hour in 1..=4 {
        append(&store, 1, hour * HOUR);
        store.flush().unwrap();
    }
    let before = store.snapshot();
    store.tend(100 * HOUR).unwrap();
    assert_eq!((store.statistics().segments, read(&store, 1).points.len()), (0, 0));
    let all = before.select(&[], Span::ALL).unwrap();
    let mut samples = Samples::default();
    all[0].read(Span::ALL, &mut samples).unwrap();
    assert_eq!(samples.points.len(), 4);
}

#[test]
fn what_is_sent_again_after_a_restart_is_known() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let store = Store::open(directory.path(), Options::default()).unwrap();
        let mut batch = Batch::default();
        let series = store.intern(&labels(1)).unwrap();
        for at in [HOUR, HOUR + 2, HOUR + 1] {
            batch.float(series, at, 1.0);
        }
        let appended = store.append(&batch).unwrap();
        let expected = if round == 0 { (3, 0) } else { (0, 3) };
        assert_eq!((appended.accepted, appended.duplicates), expected, "{round}");
        if round == 1 {
            store.flush().unwrap();
        }
    }
}
