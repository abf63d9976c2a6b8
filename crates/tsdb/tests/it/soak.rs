//! Soak: hours of scrapes in seconds, with flushes, merges and retention, asked meanwhile by many.
//!
//! What each series holds follows from its name, so that every answer is checked to the last sample. `EVENKEEL_SOAK_HOURS`
//! says how many hours are played, of 1,000 series at a time; some of fewer if not.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use evenkeel_series::{
    Digest, Labels, Matcher, Operation, Point, STALE, Samples, Series, Source as _, Span, Summed,
};
use evenkeel_tsdb::{Batch, Options, SeriesRef, Snapshot, Store};
use evenkeel_units::Seed;
use rand::{Rng, RngExt as _};

const BEGIN: i64 = 1_700_000_000_000;
const EVERY: i64 = 5_000;
/// Whatever comes late has come after so many rounds.
const LATE_ROUNDS: i64 = 12;

/// Whoever waits for others looks again after so long.
const PAUSE: Duration = Duration::from_millis(1);

/// So many questions are put to a snapshot.
const QUERIES: u64 = 10;

/// Targets that are scraped, each with counters of its own; now and then a target is replaced by another.
#[derive(Copy, Clone)]
struct Fleet {
    targets: i64,
    counters: i64,
}

impl Fleet {
    /// After how many rounds a target is replaced.
    const fn life(target: i64) -> i64 {
        150 + target * 37 % 400
    }

    const fn moment(target: i64, round: i64) -> i64 {
        BEGIN + round * EVERY + target * 10
    }

    /// A counter that begins again now and then, and ends with a stale marker.
    const fn value(target: i64, counter: i64, round: i64) -> f64 {
        let rounds = round % (97 + counter);
        (rounds * (target + 1) + counter) as f64
    }

    fn labels(target: i64, life: i64, counter: i64) -> Labels {
        Labels::of([
            ("__name__", "requests_total"),
            ("pod", &format!("{target}-{life}")),
            ("route", &counter.to_string()),
        ])
    }

    /// What a counter holds in a span.
    fn points(target: i64, life: i64, counter: i64, span: Span) -> Vec<Point> {
        let (first, end) = (life * Self::life(target), (life + 1) * Self::life(target));
        let round = |at: i64| (at - BEGIN).div_euclid(EVERY);
        let from = round(span.after).saturating_sub(1).max(first);
        let points = (from..=end.min(round(span.until) + 1)).map(|round| {
            let value = if round == end { STALE } else { Self::value(target, counter, round) };
            Point { at: Self::moment(target, round), value }
        });
        points.filter(|point| span.holds(point.at)).collect()
    }

    /// When what is scraped in a round arrives: a network is down now and then.
    const fn arrives(target: i64, round: i64) -> i64 {
        let held_back = target % 8 == 3 && round % 60 < LATE_ROUNDS - 1;
        if held_back { round - round % 60 + LATE_ROUNDS - 1 } else { round }
    }

    /// Takes in what arrives in a round.
    fn scrape(self, store: &Store, now: i64) {
        let mut batch = Batch::default();
        for target in 0..self.targets {
            let rounds = (now - LATE_ROUNDS).max(0)..=now;
            batch.clear();
            // The newest come first, so that the others are late.
            for round in rounds.rev().filter(|round| Self::arrives(target, *round) == now) {
                let life = round / Self::life(target);
                for counter in 0..self.counters {
                    let at = Self::moment(target, round);
                    let series = intern(store, &Self::labels(target, life, counter));
                    batch.float(series, at, Self::value(target, counter, round));
                    if round % Self::life(target) == 0 && life > 0 {
                        let before = intern(store, &Self::labels(target, life - 1, counter));
                        batch.float(before, at, STALE);
                    }
                }
            }
            let appended = store.append(&batch).unwrap();
            assert_eq!(appended.rejected, [], "target {target} in round {now}");
            assert_eq!(appended.duplicates, 0);
        }
    }

    /// Asks for some counters of a time that is known, and checks each sample.
    fn ask(self, snapshot: &Snapshot, known: Span, chance: &mut impl Rng) -> u64 {
        let target = chance.random_range(0..self.targets);
        let length = (known.until - known.after) / [1, 4, 60][chance.random_range(0..3)];
        let after = chance.random_range(known.after..=known.until - length);
        let span = Span { after, until: after + length };
        let round = (chance.random_range(after..=span.until) - BEGIN) / EVERY;
        let life = round / Self::life(target);
        let pod = Matcher::new("pod", Operation::Equal, format!("{target}-{life}")).unwrap();
        let found = snapshot.select(&[pod], span).unwrap();
        let mut checked = 0;
        for counter in 0..self.counters {
            let expected = Self::points(target, life, counter, span);
            if expected.is_empty() {
                continue;
            }
            let labels = Self::labels(target, life, counter);
            let series = found.iter().find(|series| *series.labels() == labels);
            let series = series.unwrap_or_else(|| panic!("{labels} is missing in {span:?}"));
            checked += check(&**series, span, &expected);
        }
        checked
    }
}

fn check(series: &dyn Series, span: Span, expected: &[Point]) -> u64 {
    let bits = |all: &[Point]| -> Vec<(i64, u64)> {
        all.iter().map(|it| (it.at, it.value.to_bits())).collect()
    };
    let mut samples = Samples::default();
    series.read(span, &mut samples).unwrap();
    let labels = series.labels();
    assert_eq!(bits(&samples.points), bits(expected), "{labels} in {span:?}");
    let summed = Digest::of_all(expected.iter().copied()).map_or(Summed::Empty, Summed::To);
    assert_eq!(series.digest(span).unwrap(), summed, "{labels} in {span:?}");
    expected.len() as u64
}

fn intern(store: &Store, labels: &Labels) -> SeriesRef {
    store.intern(labels).unwrap()
}

/// Tells all others that it is over when a thread ends, were it by a panic.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn options(retention: Duration) -> Options {
    Options {
        retention: Some(retention),
        flush_after: retention / 48,
        flush_bytes: 4 << 20,
        idle: retention / 48,
        merge_at: 2,
        ..Options::default()
    }
}

#[test]
fn hours_of_scrapes_are_answered_to_the_last_sample_whatever_goes_on() {
    let asked = std::env::var("EVENKEEL_SOAK_HOURS").ok();
    let hours: i64 = asked.as_ref().map_or(9, |it| it.parse().unwrap());
    let fleet = match asked {
        Some(_) => Fleet { targets: 50, counters: 20 },
        None => Fleet { targets: 4, counters: 1 },
    };
    let retention = Duration::from_secs(hours.unsigned_abs() * 3_600 * 2 / 3);
    let options = options(retention);
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), options.clone()).unwrap();
    let rounds = hours * 3_600_000 / EVERY;
    let (done, tended, ended) = (AtomicI64::new(0), AtomicI64::new(0), AtomicBool::new(false));
    let (asked, viewed, checked) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let now = |round: i64| BEGIN + round * EVERY;
    // Nothing before is kept for sure while the clock goes on.
    let kept = retention.as_millis() as i64;
    let known = |from: i64, to: i64| {
        let after = (now(to) - kept + kept / 8).max(BEGIN);
        Some(Span { after, until: now(from - LATE_ROUNDS) }).filter(|it| it.until - it.after > 60)
    };
    let is_over = || ended.load(Ordering::Acquire);
    // The last round that is done, once it is this one.
    let awaited = |round: i64| {
        while done.load(Ordering::Acquire) < round && !is_over() {
            thread::park_timeout(PAUSE);
        }
        done.load(Ordering::Acquire)
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let _end = End(&ended);
            let mut round = 0;
            while !is_over() {
                round = awaited(round + rounds / 1_000);
                store.tend(now(round)).unwrap();
                store.sync().unwrap();
                tended.store(round, Ordering::Release);
            }
        });
        for asker in 0..2 {
            let (store, done, directory) = (&store, &done, directory.path());
            let (asked, viewed, checked) = (&asked, &viewed, &checked);
            let (ended, is_over, awaited, known) = (&ended, &is_over, &awaited, &known);
            scope.spawn(move || {
                let _end = End(ended);
                let mut chance = Seed(7).stream(if asker == 0 { "asks" } else { "looks" });
                let mut from = 0;
                while !is_over() {
                    from = awaited(from + rounds / 200);
                    let snapshot = match asker {
                        0 => store.snapshot(),
                        _ => Snapshot::of(directory).unwrap().0,
                    };
                    // What expires while it is taken is of no interest.
                    let Some(span) = known(from, done.load(Ordering::Acquire)) else { continue };
                    for _ in 0..QUERIES {
                        checked
                            .fetch_add(fleet.ask(&snapshot, span, &mut chance), Ordering::Relaxed);
                    }
                    let count = if asker == 0 { asked } else { viewed };
                    count.fetch_add(QUERIES, Ordering::Relaxed);
                }
            });
        }
        let _end = End(&ended);
        for round in 0..rounds {
            // However fast time goes, the store is tended as often as hours would need.
            while round - tended.load(Ordering::Acquire) > rounds / 200 && !is_over() {
                thread::park_timeout(PAUSE);
            }
            store.tell_time(now(round + 1));
            fleet.scrape(&store, round);
            done.store(round, Ordering::Release);
        }
    });
    store.tend(now(rounds)).unwrap();
    let statistics = store.statistics();
    let counts = statistics.counts.clone();
    assert!(counts.flushes > 2 && counts.merges > 0 && counts.expired > 0, "{counts:?}");
    assert!(counts.rejected.is_empty() && counts.lost_chunks == 0, "{counts:?}");
    store.close().unwrap();
    let store = Store::open(directory.path(), options).unwrap();
    assert!(store.recovery().is_whole());
    let (snapshot, span) = (store.snapshot(), known(rounds - 1, rounds).unwrap());
    let mut chance = Seed(7).stream("afterwards");
    let after: u64 = (0..200).map(|_| fleet.ask(&snapshot, span, &mut chance)).sum();
    assert!(after > 0 && checked.load(Ordering::Relaxed) > 0);
    let (asked, viewed) = (asked.into_inner(), viewed.into_inner());
    let line = format!(
        "{hours} h: {} samples, {} flushes, {} merges, {} segments expired, {} series and {} segments at the end; \
         {asked} queries, {viewed} of views, {} samples checked\n",
        counts.accepted,
        counts.flushes,
        counts.merges,
        counts.expired,
        statistics.live_series,
        statistics.segments,
        checked.into_inner() + after,
    );
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).unwrap();
}
