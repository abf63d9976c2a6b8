//! Round: all objectives judged at one moment, over one state of the store.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_slo::Objective;
use evenkeel_tsdb::Snapshot;
use evenkeel_units::Clock;
use jiff::Timestamp;

use super::Documents;
use crate::objectives::{AskError, Judged, Source, judge};

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

impl Round {
    /// Judges what some documents say.
    pub(super) async fn of(documents: &Documents, store: Snapshot, clock: &impl Clock) -> Self {
        let (at, began) = (clock.wall(), clock.now());
        let source = Source::Snapshot(Box::new(store));
        let mut all = Vec::with_capacity(documents.objectives.len());
        for objective in &documents.objectives {
            let judged = judge(&source, objective, at).await;
            all.push(Stood { objective: Arc::clone(objective), judged });
        }
        Self { at, took: clock.now() - began, all }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_model::Library;
    use evenkeel_series::Labels;
    use evenkeel_slo::Share;
    use evenkeel_tsdb::{Batch, Options, Store};

    use super::*;
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
        let round = Round::of(&documents, store.snapshot(), &clock).await;
        let [available, mistaken] = &round.all[..] else { panic!("{round:?}") };
        let left = available.judged.as_ref().unwrap().standing.account.left();
        assert_eq!((left, round.at), (Some(Share::of(1, 2)), clock.wall()));
        assert!(matches!(mistaken.judged, Err(AskError::Shape { .. })), "{mistaken:?}");
    }
}
