//! Model: whatever is done to a store, it says what a map of all samples says.

use std::time::Duration;

use evenkeel_series::{Labels, Matcher, Operation, STALE, Span};
use evenkeel_tsdb::{Appended, Batch, Options, Store, WriteError};
use proptest::prelude::*;

use crate::naive::{Fate, Naive};

/// Something that is done.
#[derive(Clone, Debug)]
enum Step {
    /// Samples of one batch: series, steps of time since the last one, value.
    Append(Vec<(u8, i16, u8)>),
    /// Samples of any age: series, moment, value.
    Backfill(Vec<(u8, i16, u8)>),
    /// Many regular samples of every series.
    Scrape(u16),
    Tend(u32),
    Flush,
    Reopen,
    Check(i32, i32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((0..5_u8, -40..60_i16, any::<u8>()), 1..30).prop_map(Step::Append),
        1 => prop::collection::vec((0..5_u8, 0..9_000_i16, any::<u8>()), 1..60).prop_map(Step::Backfill),
        2 => (1..400_u16).prop_map(Step::Scrape),
        2 => (0..200_u32).prop_map(Step::Tend),
        1 => Just(Step::Flush),
        1 => Just(Step::Reopen),
        3 => (-100..9_000_i32, 0..9_000_i32).prop_map(|(after, length)| Step::Check(after, length)),
    ]
}

fn options() -> Options {
    Options {
        late: Duration::from_millis(20),
        retention: None,
        flush_after: Duration::from_millis(50),
        idle: Duration::from_millis(100),
        merge_at: 3,
        flush_bytes: 400,
        ..Options::default()
    }
}

fn labels(series: u8) -> Labels {
    let (number, parity) = (series.to_string(), if series.is_multiple_of(2) { "" } else { "odd" });
    Labels::of([("__name__", "x"), ("n", &number), ("parity", parity)])
}

fn value(of: u8) -> f64 {
    if of == 7 { STALE } else { f64::from(of) }
}

struct Run {
    directory: tempfile::TempDir,
    store: Option<Store>,
    naive: Naive,
    at: i64,
    now: i64,
}

impl Run {
    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn append(&mut self, samples: &[(u8, i64, f64)]) {
        self.take(samples, 20, Store::append);
    }

    fn take(
        &mut self,
        samples: &[(u8, i64, f64)],
        late: i64,
        take: impl Fn(&Store, &Batch) -> Result<Appended, WriteError>,
    ) {
        let mut batch = Batch::default();
        let mut fates = Vec::new();
        for (series, at, value) in samples {
            let labels = labels(*series);
            batch.float(self.store().intern(&labels).unwrap(), *at, *value);
            fates.push(self.naive.append(&labels, *at, *value, late));
        }
        let appended = take(self.store(), &batch).unwrap();
        let count = |fate| fates.iter().filter(|it| **it == fate).count() as u64;
        assert_eq!(appended.accepted, count(Fate::Accepted));
        assert_eq!(appended.duplicates, count(Fate::Duplicate));
        let rejected = (0..).zip(&fates).filter_map(|(index, fate)| match fate {
            Fate::Rejected(why) => Some((index, *why)),
            _ => None,
        });
        assert_eq!(appended.rejected, rejected.collect::<Vec<_>>());
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append(samples) => {
                let mut all = Vec::new();
                for (series, step, of) in samples {
                    self.at = (self.at + i64::from(step)).max(0);
                    all.push((series, self.at, value(of)));
                }
                self.append(&all);
            }
            Step::Backfill(samples) => {
                let samples =
                    samples.into_iter().map(|(series, at, of)| (series, at.into(), value(of)));
                self.take(&samples.collect::<Vec<_>>(), i64::MAX, Store::backfill);
            }
            Step::Scrape(count) => {
                for _ in 0..count {
                    self.at += 5;
                    let at = self.at;
                    self.append(&[0, 1, 2].map(|it| (it, at, at as f64)));
                }
            }
            Step::Tend(later) => {
                self.now += i64::from(later);
                self.store().tend(self.now).unwrap();
            }
            Step::Flush => self.store().flush().unwrap(),
            Step::Reopen => {
                self.store = None;
                let store = Store::open(self.directory.path(), options()).unwrap();
                assert!(store.recovery().is_whole(), "{:?}", store.recovery());
                self.store = Some(store);
            }
            Step::Check(after, length) => {
                let after = i64::from(after);
                let span = Span { after, until: after + i64::from(length) };
                let odd = Matcher::new("parity", Operation::Equal, "odd").unwrap();
                let some = Matcher::new("n", Operation::Matches, "1|2|4").unwrap();
                let snapshot = self.store().snapshot();
                self.naive.check(&snapshot, &[], Span::ALL);
                self.naive.check(&snapshot, std::slice::from_ref(&some), span);
                self.naive.check(&snapshot, &[odd, some], span);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_store_says_what_a_map_of_all_samples_says(steps in prop::collection::vec(step(), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        let store = Some(Store::open(directory.path(), options()).unwrap());
        let mut run = Run { directory, store, naive: Naive::default(), at: 0, now: 1_000 };
        for step in steps {
            run.step(step);
        }
        run.step(Step::Check(0, 5_000));
    }
}
