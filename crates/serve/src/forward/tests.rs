//! What is left of a backlog after a restart, whatever became of the process.

use evenkeel_series::Labels;
use evenkeel_tsdb::Options;

use super::backlog::Work;
use super::*;

/// A folder of a store that is sent on to somebody who never answers.
struct Stage {
    folder: tempfile::TempDir,
    config: Config,
}

const MINUTE: i64 = 60_000;
/// When everything happens.
const NOW: i64 = 1_000 * MINUTE;

impl Stage {
    fn new() -> Self {
        let text = b"remote_write: [{url: 'http://127.0.0.1:1/w', name: far}]".to_vec();
        let config = Config::read("p.yml", text).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), config }
    }

    fn open(&self) -> (Arc<Forward>, Store) {
        let forward = Arc::new(Forward::open(&self.config, self.folder.path()).unwrap());
        let tap = Arc::clone(&forward) as Arc<dyn Tap>;
        let store = Store::open_tapped(self.folder.path(), Options::default(), tap).unwrap();
        forward.begin(&store, NOW).unwrap();
        (forward, store)
    }
}

fn append(to: &Store, moments: &[i64]) {
    let up = to.intern(&Labels::of([("__name__", "up")])).unwrap();
    let mut batch = Batch::default();
    moments.iter().for_each(|at| batch.float(up, *at, 1.0));
    to.append(&batch).unwrap();
}

/// What is sent next, and taken.
fn take(of: &Forward) -> Option<Vec<i64>> {
    let mut backlog = locked(&of.lines[0].backlog);
    let work = backlog.take(10)?;
    backlog.arrived();
    Some(match work {
        Work::Samples(samples) => samples.iter().map(|it| it.at).collect(),
        Work::Part(part) => vec![part.first, part.last],
    })
}

#[test]
fn a_database_that_is_new_gets_what_comes_from_then_on() {
    let stage = Stage::new();
    let store = Store::open(stage.folder.path(), Options::default()).unwrap();
    append(&store, &[NOW - 1]);
    drop(store);
    let (forward, store) = stage.open();
    append(&store, &[NOW]);
    assert_eq!((take(&forward), take(&forward)), (Some(vec![NOW]), None));
}

#[test]
fn after_a_kill_what_was_not_taken_is_sent_again_and_nothing_else() {
    let stage = Stage::new();
    let (forward, store) = stage.open();
    append(&store, &[NOW]);
    assert_eq!(take(&forward), Some(vec![NOW]));
    append(&store, &[NOW + 1, NOW + 2]);
    forward.save(&store, NOW).unwrap();
    append(&store, &[NOW - 5 * MINUTE, NOW + 3]);
    drop((forward, store));
    let (forward, store) = stage.open();
    let left = [NOW + 1, NOW + 2, NOW - 5 * MINUTE, NOW + 3];
    assert_eq!((take(&forward), take(&forward)), (Some(left.to_vec()), None));
    // Nobody wrote down that it was taken.
    drop((forward, store));
    assert_eq!(take(&stage.open().0), Some(left.to_vec()));
}

#[test]
fn what_was_on_its_way_at_a_kill_is_read_from_the_store() {
    let stage = Stage::new();
    let (forward, store) = stage.open();
    append(&store, &[NOW, NOW + 1]);
    assert!(locked(&forward.lines[0].backlog).take(1).is_some());
    forward.save(&store, NOW).unwrap();
    drop((forward, store));
    let (forward, _store) = stage.open();
    let all = [take(&forward), take(&forward), take(&forward)];
    assert_eq!(all, [Some(vec![NOW, NOW]), Some(vec![NOW, NOW + 1]), None]);
}

#[test]
fn what_waits_at_the_end_is_left_to_the_store() {
    let stage = Stage::new();
    let (forward, store) = stage.open();
    append(&store, &[NOW, NOW + 1]);
    append(&store, &[NOW + 20 * MINUTE]);
    // What the log held is in segments.
    store.flush().unwrap();
    forward.close(&store, NOW).unwrap();
    let [unsent] = &forward.unsent()[..] else { panic!() };
    assert_eq!((&*unsent.name, unsent.lost, unsent.waiting), ("far", 0, 3));
    drop((forward, store));
    let (forward, store) = stage.open();
    append(&store, &[NOW + 30 * MINUTE]);
    let all = [take(&forward), take(&forward)];
    assert_eq!(all, [Some(vec![NOW, NOW + 1]), Some(vec![NOW + 20 * MINUTE, NOW + 20 * MINUTE])]);
}

#[test]
fn where_the_log_is_gone_everything_since_is_sent() {
    let stage = Stage::new();
    let (forward, store) = stage.open();
    append(&store, &[NOW - 50 * MINUTE]);
    forward.save(&store, NOW).unwrap();
    append(&store, &[NOW - 45 * MINUTE]);
    store.flush().unwrap();
    drop((forward, store));
    let (forward, store) = stage.open();
    assert_eq!((take(&forward), take(&forward)), (Some(vec![NOW - 50 * MINUTE, NOW]), None));
    forward.save(&store, NOW).unwrap();
    drop((forward, store));
    assert_eq!(take(&stage.open().0), None);
}
