//! Kills: a process that takes samples in is killed at any moment, and the next one finds what was acknowledged.
//!
//! The victim is this test program, started again. `EVENKEEL_KILLS` says how often it is killed; ten times if not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use evenkeel_series::{Labels, Samples, Source as _, Span};
use evenkeel_tsdb::{Batch, Options, Snapshot, Store};
use evenkeel_units::Seed;
use rand::RngExt as _;

const DIRECTORY: &str = "EVENKEEL_TSDB_VICTIM";
const SERIES: u64 = 12;

/// So small that flushes and merges go on all the time.
fn options() -> Options {
    Options {
        flush_bytes: 4 << 10,
        flush_after: Duration::from_secs(1_000),
        merge_at: 2,
        retention: None,
        ..Options::default()
    }
}

/// Runs only as the victim: takes batch after batch in, and says which are acknowledged.
#[test]
fn victim() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let store = Store::open(directory, options()).unwrap();
    let mut at = found(&store);
    let refs: Vec<_> = (0..SERIES)
        .map(|series| {
            let number = series.to_string();
            store.intern(&Labels::of([("__name__", "x"), ("n", &number)])).unwrap()
        })
        .collect();
    let now = AtomicI64::new(at);
    let store = &store;
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                store.sync().unwrap();
                thread::yield_now();
            }
        });
        scope.spawn(|| {
            loop {
                store.tend(now.load(Ordering::Relaxed) * 1_000).unwrap();
                thread::yield_now();
            }
        });
        let mut batch = Batch::default();
        loop {
            at += 1;
            batch.clear();
            for (number, series) in (0..).zip(&refs) {
                let at = moment(number, at);
                batch.float(*series, at, (at * at) as f64);
            }
            assert_eq!(store.append(&batch).unwrap().accepted, SERIES);
            writeln!(std::io::stdout(), "acknowledged {at}").unwrap();
            now.store(at, Ordering::Relaxed);
        }
    });
}

/// Of which moment the sample of a series in a batch is: some come late.
const fn moment(series: u64, batch: i64) -> i64 {
    if series.is_multiple_of(4) { ((batch - 1) ^ 1) + 1 } else { batch }
}

/// How many batches are in a store that was opened.
fn found(store: &Store) -> i64 {
    let recovery = store.recovery();
    assert!(recovery.damaged.is_empty() && recovery.orphans == 0, "{recovery:?}");
    batches(&store.snapshot())
}

/// How many batches there are. Panics unless each is there as a whole, with the values that it had.
pub(crate) fn batches(snapshot: &Snapshot) -> i64 {
    let all = snapshot.select(&[], Span::ALL).unwrap();
    let mut count = None;
    for series in &all {
        let mut samples = Samples::default();
        series.read(Span::ALL, &mut samples).unwrap();
        let own = samples.points.len();
        let number = series.labels().get("n").parse().unwrap();
        let mut moments: Vec<i64> = (1..).take(own).map(|batch| moment(number, batch)).collect();
        moments.sort_unstable();
        for (point, at) in samples.points.iter().zip(moments) {
            assert_eq!((point.at, point.value.to_bits()), (at, ((at * at) as f64).to_bits()));
        }
        assert_eq!(own, *count.get_or_insert(own), "{}", series.labels());
    }
    assert!(all.is_empty() || all.len() as u64 == SERIES);
    count.unwrap_or(0).cast_signed() as i64
}

/// A process that takes batches in until it is killed.
pub(crate) fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::victim", "--nocapture", "--quiet"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The batches that a process says are taken in.
pub(crate) fn acknowledged(by: &mut Child) -> impl Iterator<Item = i64> + use<> {
    let lines = BufReader::new(by.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok())
}

/// Lets a victim go on for so many batches, kills it, and says the last that it acknowledged.
fn kill_after(directory: &Path, lines: usize) -> i64 {
    let mut victim = start(directory);
    let mut said = acknowledged(&mut victim);
    let mut last = said.nth(lines).unwrap();
    victim.kill().unwrap();
    victim.wait().unwrap();
    // What is still in the pipe was acknowledged too; a line may be torn.
    for at in said {
        last = last.max(at.min(last + 1));
    }
    last
}

#[test]
fn what_was_acknowledged_outlives_a_kill_at_any_moment() {
    let kills = std::env::var("EVENKEEL_KILLS").map_or(10, |it| it.parse().unwrap());
    let mut chance = Seed(5).stream("kills");
    let mut directory = tempfile::tempdir().unwrap();
    for kill in 0..kills {
        if kill % 25 == 0 {
            directory = tempfile::tempdir().unwrap();
        }
        let acknowledged = kill_after(directory.path(), chance.random_range(0..300));
        let store = Store::open(directory.path(), options()).unwrap();
        let found = found(&store);
        assert!(found >= acknowledged, "{found} of {acknowledged} batches, at kill {kill}");
        store.close().unwrap();
    }
}
