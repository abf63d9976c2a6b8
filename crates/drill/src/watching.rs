//! Watching: reads what a load test watches, each as often as it says, while load is sent.

use std::time::Duration;

use evenkeel_fault::find;
use evenkeel_model::document::{Finder, Watch};
use evenkeel_model::{Event, Plan};
use evenkeel_probe::watch::Watcher;
use evenkeel_units::{Clock as _, SystemClock};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Nothing is read more often than this.
const LEAST: Duration = Duration::from_millis(100);

/// Readers at work; they stop when this is dropped.
#[derive(Debug)]
pub(crate) struct Watching {
    _readers: JoinSet<()>,
}

impl Watching {
    /// Begins to read. Each watch has a task of its own: a slow answer holds up nothing else.
    pub(crate) fn start(plan: &Plan, say: &UnboundedSender<Event>) -> Self {
        let mut readers = JoinSet::new();
        for (index, watch) in plan.watches().iter().enumerate() {
            readers.spawn(read(index, watch.clone(), say.clone()));
        }
        Self { _readers: readers }
    }
}

async fn read(index: usize, watch: Watch, say: UnboundedSender<Event>) {
    let clock = SystemClock::start();
    let mut watcher = Watcher::new(&watch, Box::new(pids));
    let mut ticks = interval(watch.every.max(LEAST));
    // Readings that were late are not made up for: they would all be of the same moment.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (mut values, error) = match watcher.read(clock.now()).await {
            Ok(values) => (values, None),
            Err(error) => (std::collections::BTreeMap::new(), Some(error)),
        };
        // What is no number cannot be written to the journal, and says nothing.
        values.retain(|_, it| it.is_finite());
        let notes = watcher.notes().join("; ");
        let error = error.or_else(|| (!notes.is_empty()).then_some(notes));
        // The first reading of figures by the second is nothing yet.
        let nothing = values.is_empty() && error.is_none();
        if !nothing && say.send(Event::Watched { watch: index, values, error }).is_err() {
            return; // The run is over.
        }
    }
}

/// Numbers of the processes that a document describes.
fn pids(finder: &Finder) -> Vec<u32> {
    find(finder).unwrap_or_default().iter().map(|it| it.pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{plan, watching};
    use evenkeel_model::document::WatchSource;
    use tokio::sync::mpsc::unbounded_channel;

    #[tokio::test(start_paused = true)]
    async fn each_watch_is_read_as_often_as_it_says_until_it_is_dropped() {
        let mut plan = plan();
        let host = Watch { source: WatchSource::Host, ..watching("host", &[]) };
        let nobody = WatchSource::Process(Finder::Pid(u32::MAX - 7));
        let every = Duration::from_secs(2);
        plan.load.as_mut().unwrap().watch =
            vec![host, Watch { source: nobody, every, ..watching("nobody", &[]) }];
        let (say, mut heard) = unbounded_channel();
        let watching = Watching::start(&plan, &say);
        drop(say);
        let mut seen = [0, 0];
        while seen[1] < 3 {
            let Some(Event::Watched { watch, values, error }) = heard.recv().await else {
                panic!("silent")
            };
            seen[watch] += 1;
            match watch {
                0 => assert!(values.contains_key("memory_ratio"), "{values:?}"),
                _ => assert!(values.is_empty() && error.is_some(), "what is not there is said"),
            }
        }
        assert!((4..=6).contains(&seen[0]), "{seen:?}");
        drop(watching);
        while heard.recv().await.is_some() {}
    }
}
