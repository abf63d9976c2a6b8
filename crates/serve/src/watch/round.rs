//! Round: all objectives judged at one moment, over one state of the store.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_promql::Cancel;
use evenkeel_slo::Objective;
use evenkeel_tsdb::Snapshot;
use evenkeel_units::Clock;
use jiff::Timestamp;

use super::Documents;
use super::course::{self, Arrivals, Course};
use super::panel::Panel;
use crate::objectives::{AskError, Judged};

/// All objectives judged at one moment.
#[derive(Debug)]
pub struct Round {
    /// The moment.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// How each stands, in the order of the documents.
    pub all: Vec<Stood>,
}

/// How an objective stood.
#[derive(Debug)]
pub struct Stood {
    /// The objective.
    pub objective: Arc<Objective>,
    /// How it stood, or why nobody can tell.
    pub judged: Result<Judged, AskError>,
}

/// What a round knows of the one before: the course of each objective, in the order of the documents.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<Option<Course>>);

impl Round {
    /// Judges what some documents say; by `cancel` all is given up.
    pub(super) async fn of(
        documents: &Documents,
        store: &Snapshot,
        clock: &impl Clock,
        arrivals: Arrivals,
        cancel: &Cancel,
        known: &mut Known,
    ) -> Self {
        let (at, began) = (clock.wall(), clock.now());
        let Known(courses) = known;
        courses.resize_with(documents.objectives.len(), || None);
        let panel = Panel::new(store, cancel.clone());
        let mut all = Vec::with_capacity(documents.objectives.len());
        for (objective, course) in documents.objectives.iter().zip(courses) {
            let judged = course::judge(&panel, objective, at, arrivals, course).await;
            all.push(Stood { objective: Arc::clone(objective), judged });
        }
        Self { at, took: clock.now() - began, all }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_metrics::intake::Intake as _;
    use evenkeel_model::Library;
    use evenkeel_series::{Labels, Point};
    use evenkeel_slo::Share;
    use evenkeel_tsdb::{Batch, Options, Store};

    use super::*;
    use crate::intake::Stored;
    use crate::watch::stopped::Stopped;

    const SLOS: &str = "\
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: available}
spec: {objective: 90%, window: 1h, sli: {availability: {bad: bad_total, total: all_total}}}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: of-a-load}
spec: {objective: 90%, sli: {availability: {}}}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: mistaken}
spec: {objective: 90%, window: 1h, sli: {raw: {errorRatio: 'sum by (job) (rate(all_total[$window]))'}}}
";

    const LATE: Arrivals = Arrivals { late: Duration::from_mins(30), earliest: i64::MAX };

    #[tokio::test]
    async fn what_cannot_be_judged_keeps_nothing_else_from_it() {
        let (library, wrong) = Library::read([("slos.yaml".to_owned(), SLOS.into())]);
        assert!(wrong.is_empty(), "{wrong:?}");
        let documents = Documents::of(library).unwrap();
        let names: Vec<_> = documents.objectives.iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["available", "mistaken"]);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let mut batch = Batch::default();
        for (name, job, each) in
            [("bad_total", "a", 1.0), ("all_total", "a", 20.0), ("all_total", "b", 0.0)]
        {
            let series = store.intern(&Labels::of([("__name__", name), ("job", job)])).unwrap();
            for minute in 0..=60 {
                batch.float(series, minute * 60_000, each * minute as f64);
            }
        }
        store.append(&batch).unwrap();
        let clock = Stopped::at(3_600_000);
        let round = Round::of(
            &documents,
            &store.snapshot(),
            &clock,
            LATE,
            &Cancel::default(),
            &mut Known::default(),
        )
        .await;
        let [available, mistaken] = &round.all[..] else { panic!("{round:?}") };
        let left = available.judged.as_ref().unwrap().standing.account.left();
        assert_eq!((left, round.at), (Some(Share::of(1, 2)), clock.wall()));
        assert!(matches!(mistaken.judged, Err(AskError::Shape { .. })), "{mistaken:?}");
    }

    const COURSES: &str = "\
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: available}
spec: {objective: 90%, window: 2h, sli: {availability: {bad: bad_total, total: all_total}}}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: by-slices}
spec: {objective: 90%, window: 2h, timeSlices: {length: 5m, target: 99%}, sli: {availability: {bad: bad_total, total: all_total}}}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: gapless}
spec: {objective: 90%, window: 2h, noData: bad, sli: {availability: {bad: bad_total, total: all_total}}}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: low}
spec: {objective: 90%, window: 1h, sli: {gauge: {query: bad_total, value: '< 50'}}}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: both}
spec: {objective: 90%, window: 1h, sli: {composite: [{slo: available}, {slo: low, weight: 2}]}}
";

    #[tokio::test]
    async fn a_course_that_grew_judges_as_one_that_was_asked_for_as_a_whole() {
        let (library, wrong) = Library::read([("slos.yaml".to_owned(), COURSES.into())]);
        assert!(wrong.is_empty(), "{wrong:?}");
        let documents = Documents::of(library).unwrap();
        assert_eq!(documents.objectives.len(), 5);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let series = ["bad_total", "all_total"]
            .map(|name| store.intern(&Labels::of([("__name__", name)])).unwrap());
        let put = |minute: i64| {
            let mut batch = Batch::default();
            let bad = if minute % 20 < 5 { minute * 7 } else { minute };
            for (series, value) in series.iter().zip([bad / 3, minute * 40]) {
                batch.float(*series, minute * 60_000 - 1_000, value as f64);
            }
            store.append(&batch).unwrap();
        };
        let mut known = Known::default();
        for minute in 1..200 {
            // A quarter of an hour in which nothing came, and which comes late.
            match minute {
                100..115 => {}
                120 => (100..115).chain([120]).for_each(put),
                _ => put(minute),
            }
            if minute < 90 || minute % 5 > 0 && minute % 7 > 0 {
                continue;
            }
            let (clock, snapshot) = (Stopped::at(minute * 60_000), store.snapshot());
            let round =
                Round::of(&documents, &snapshot, &clock, LATE, &Cancel::default(), &mut known)
                    .await;
            let panel = Panel::new(&snapshot, Cancel::default());
            for (stood, objective) in round.all.iter().zip(&documents.objectives) {
                let fresh =
                    crate::objectives::judge(&panel, objective, clock.wall()).await.unwrap();
                let grown = stood.judged.as_ref().unwrap();
                if minute % 5 == 0 {
                    assert_eq!(grown.standing, fresh.standing, "{} at {minute}", objective.name);
                } else if objective.name == "available" {
                    // Slices end at multiples of their length, and only the coverage is of them.
                    let [grown, fresh] = [&grown.standing, &fresh.standing];
                    assert_eq!((grown.account, &grown.burning), (fresh.account, &fresh.burning));
                }
            }
        }
    }

    #[tokio::test]
    async fn what_was_held_back_for_hours_counts_once_it_has_come() {
        let (library, _) = Library::read([("slos.yaml".to_owned(), COURSES.into())]);
        let documents = Documents::of(library).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path(), Options::default()).unwrap());
        let stored = Stored::of(Arc::clone(&store));
        let put = |minute: i64| {
            // Of one of two nothing comes for an hour and a half, and then all of it.
            let held = ["a"].into_iter().map(|it| (it, minute));
            let late = match minute {
                30..120 => 0..0,
                120 => 30..121,
                _ => minute..minute + 1,
            };
            let mut batch = evenkeel_metrics::intake::Batch::default();
            for (job, at) in held.chain(late.map(|it| ("b", it))) {
                let bad = if job == "b" { 3 } else { 0 };
                for (name, each) in [("all_total", 40), ("bad_total", bad)] {
                    let series = stored.series(&[("__name__", name), ("job", job)]).unwrap();
                    let value = (at * each) as f64;
                    batch.points.push((series, Point { at: at * 60_000 - 1_000, value }));
                }
            }
            assert_eq!(stored.append(&batch).unwrap().total(), 0);
        };
        let mut known = Known::default();
        let mut bad = Vec::new();
        for minute in 1..=125 {
            put(minute);
            let clock = Stopped::at(minute * 60_000);
            let arrivals = Arrivals { earliest: stored.earliest(), ..LATE };
            let snapshot = store.snapshot();
            let cancel = Cancel::default();
            let round =
                Round::of(&documents, &snapshot, &clock, arrivals, &cancel, &mut known).await;
            let panel = Panel::new(&snapshot, Cancel::default());
            for (stood, objective) in round.all.iter().zip(&documents.objectives) {
                let is_due = objective.name == "by-slices" && minute >= 115 && minute % 5 == 0;
                if is_due {
                    let at = clock.wall();
                    let fresh = crate::objectives::judge(&panel, objective, at).await.unwrap();
                    let grown = &stood.judged.as_ref().unwrap().standing;
                    assert_eq!(*grown, fresh.standing, "at {minute}");
                    bad.push(grown.account.budget.counts.bad());
                }
            }
        }
        assert!(bad[0] < bad[1], "{bad:?}");
    }
}
