//! Forward: samples on their way to other databases (`remote_write`).
//!
//! ```text
//! line      a database: labels, write_relabel_configs, one request after the other
//! backlog   what it has not got yet: in memory, or to be read from the store
//! position  how far each database has got, in a file
//! ```
//!
//! Each database has a backlog and a task of its own, so that one that is slow holds up no other, and none holds up what is stored.
//! When the server ends, what waits is sent on for some seconds; what is left then is sent after the next start. So is what was left
//! when the process was killed: how far each has got is written down every second, and the log of the store tells again
//! what came since.
//!
//! Deliberately absent: a copy of the samples (the store has them), and several requests at one time to one database.

mod backlog;
mod line;
mod position;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_metrics::config::Config;
use evenkeel_metrics::exposition::{Format, Kind, Writer};
use evenkeel_tsdb::{Appended, Batch, Position, Store, Tap};
use evenkeel_units::{Clock, locked};
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;

use self::line::{Ending, Line, Lost};

/// How often it is written down how far each database has got.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// What a database did not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unforwarded {
    /// Which.
    pub name: String,
    /// How many samples it never gets.
    pub lost: u64,
    /// How many it gets after the next start.
    pub waiting: u64,
    /// Why, the last time.
    pub why: String,
}

/// Every database that is written to.
#[derive(Debug, Default)]
pub(crate) struct Forward {
    lines: Vec<Arc<Line>>,
    file: PathBuf,
    /// What the file says.
    saved: Mutex<String>,
    /// How often it could not be written.
    unsaved: AtomicU64,
}

impl Tap for Forward {
    fn appended(&self, batch: &Batch, of: &Appended, end: Position) {
        self.lines.iter().for_each(|it| it.put(batch, of, end));
    }
}

impl Forward {
    /// Those that a configuration names, each where it was when the store in a folder was closed. Connects to nobody.
    ///
    /// # Errors
    /// What is wrong with certificates, or with the file that says where they were.
    pub(crate) fn open(config: &Config, folder: &Path) -> Result<Self, String> {
        if config.remote_writes.is_empty() {
            return Ok(Self::default());
        }
        let file = position::path(folder);
        let mut left = position::read(&file)?;
        let each = config.remote_writes.iter();
        let lines = each
            .map(|it| Line::open(it, &config.external_labels, left.remove(&it.name)).map(Arc::new));
        let lines = lines.collect::<Result<_, String>>()?;
        Ok(Self { lines, file, ..Self::default() })
    }

    /// Whether nobody is written to.
    pub(crate) const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The store is open, and nothing new came yet.
    ///
    /// # Errors
    /// When it cannot be written down how far each has got.
    pub(crate) fn begin(&self, store: &Store, now: i64) -> io::Result<()> {
        let (end, oldest) = (store.position(), store.recovery().oldest_log);
        self.lines.iter().for_each(|it| it.begin(end, oldest, now));
        self.save(store, now)
    }

    /// Sends what comes, until it is told to end, and then what waits.
    pub(crate) fn run(&self, store: &Arc<Store>, clock: &impl Clock, told: &Receiver<bool>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Without a runtime nothing is sent, which the metrics say: everything waits.
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let mut all = JoinSet::new();
            for line in &self.lines {
                let ending = Ending::of(told.clone());
                all.spawn(Arc::clone(line).describe(Arc::clone(store), ending.clone()));
                all.spawn(Arc::clone(line).run(Arc::clone(store), ending));
            }
            while !all.is_empty() {
                tokio::select! {
                    _ = all.join_next() => {}
                    () = tokio::time::sleep(SAVE_EVERY) => {
                        if self.save(store, clock.wall().as_millisecond()).is_err() {
                            self.unsaved.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            }
        });
    }

    /// Writes down what is left, so that nothing of it depends on the log. Nothing comes any more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn close(&self, store: &Store, now: i64) -> io::Result<()> {
        self.lines.iter().for_each(|it| locked(&it.backlog).put_all_by());
        self.save(store, now)
    }

    /// Writes down how far each has got.
    fn save(&self, store: &Store, now: i64) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        // What came before this is in a backlog by now, or was in one.
        let end = store.position();
        let late = i64::try_from(store.options().late.as_millis()).unwrap_or(i64::MAX);
        let since = now.saturating_sub(late);
        let mut saved = locked(&self.saved);
        let all = |since: i64| {
            let each = self.lines.iter();
            each.map(|it| (&*it.name, locked(&it.backlog).left(end, since))).collect()
        };
        // While nothing comes and goes nothing is to be written.
        let without_time = position::text(&all(i64::MAX));
        if *saved != without_time {
            position::write(&self.file, &position::text(&all(since)))?;
            *saved = without_time;
        }
        Ok(())
    }

    /// What was not sent, by database.
    pub(crate) fn unsent(&self) -> Vec<Unforwarded> {
        let of = |it: &Arc<Line>| Unforwarded {
            name: it.name.clone(),
            lost: it.lost.iter().map(|it| it.load(Ordering::Relaxed)).sum(),
            waiting: locked(&it.backlog).samples(),
            why: locked(&it.why).clone(),
        };
        self.lines.iter().map(of).filter(|it| it.lost + it.waiting > 0).collect()
    }

    /// What was sent, in the text of metrics.
    pub(crate) fn write(&self, to: &mut Writer, format: Format) {
        if self.is_empty() {
            return;
        }
        let ending = if format == Format::Text { "_total" } else { "" };
        let mut counter = |name: &str, help: &str, count: fn(&Line) -> &AtomicU64| {
            to.family(&format!("{name}{ending}"), Kind::Counter, help);
            for it in &self.lines {
                let count = count(it).load(Ordering::Relaxed) as f64;
                to.sample(&format!("{name}_total"), [("remote", &*it.name)], count, None);
            }
        };
        let help = "Samples that a remote_write took.";
        counter("evenkeel_forward_samples", help, |it| &it.sent);
        let help = "Requests to a remote_write that have to be sent again.";
        counter("evenkeel_forward_retries", help, |it| &it.retries);
        let help = "Metrics of which a remote_write took what they mean.";
        counter("evenkeel_forward_metadata", help, |it| &it.told);
        let help = "Metrics of which a remote_write did not take what they mean.";
        counter("evenkeel_forward_metadata_failed", help, |it| &it.untold);
        let name = "evenkeel_forward_lost_samples";
        to.family(
            &format!("{name}{ending}"),
            Kind::Counter,
            "Samples that a remote_write never gets.",
        );
        for it in &self.lines {
            for ((_, reason), count) in Lost::ALL.iter().zip(&it.lost) {
                let labels = [("remote", &*it.name), ("reason", reason)];
                let count = count.load(Ordering::Relaxed) as f64;
                to.sample(&format!("{name}_total"), labels, count, None);
            }
        }
        let name = "evenkeel_forward_waiting_samples";
        to.family(name, Kind::Gauge, "Samples that wait for a remote_write.");
        for it in &self.lines {
            let many = locked(&it.backlog).samples() as f64;
            to.sample(name, [("remote", &*it.name)], many, None);
        }
        let name = "evenkeel_forward_position_failures";
        let help = "How often it could not be written down how far remote_writes have got.";
        to.family(&format!("{name}{ending}"), Kind::Counter, help);
        let count = self.unsaved.load(Ordering::Relaxed) as f64;
        to.sample(&format!("{name}_total"), [], count, None);
    }
}

#[cfg(test)]
mod tests;
