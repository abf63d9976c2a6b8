//! Forward: samples on their way to other databases (`remote_write`).
//!
//! ```text
//!   appended ─▶ what waits for each database ─▶ labels, write_relabel_configs ─▶ one request after the other
//!                 │ full: the oldest go, counted      ▲      │ not now: the same again, later and later
//!                 └ nobody waits                      └──────┘ never: counted
//! ```
//!
//! Each database has a queue and a task of its own, so that one that is slow holds up no other, and none holds up what is stored.
//! When the server ends, what waits is sent on for some seconds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_metrics::config::Config;
use evenkeel_metrics::exposition::{Format, Kind, Writer};
use evenkeel_metrics::forward::{Database, Outgoing, Unsent};
use evenkeel_tsdb::{Appended, Batch, Sample, Store, Tap, Value};
use tokio::sync::Notify;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// So many samples wait for a database: some sixteen megabytes.
const WAITING_MAX: usize = 500_000;
/// So long is sent on what waits when the server ends.
const DRAIN: Duration = Duration::from_secs(10);

/// Why samples were not sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Lost {
    /// There was no room for more.
    Full,
    /// The database refused them for good.
    Refused,
    /// Their series had left the memory.
    Forgotten,
    /// They are native histograms, which were not asked for.
    Histogram,
    /// The server ended before they were taken.
    Ended,
}

impl Lost {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Full, "full"),
        (Self::Refused, "refused"),
        (Self::Forgotten, "forgotten"),
        (Self::Histogram, "histogram"),
        (Self::Ended, "ended"),
    ];
}

/// What a database did not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unforwarded {
    /// Which.
    pub name: String,
    /// How many samples.
    pub samples: u64,
    /// Why, the last time.
    pub why: String,
}

/// Every database that is written to.
#[derive(Debug, Default)]
pub(crate) struct Forward(Vec<Arc<Line>>);

/// A database, and what waits for it.
#[derive(Debug)]
struct Line {
    name: String,
    to: Database,
    with_histograms: bool,
    /// Samples of a request.
    samples: usize,
    wait: Duration,
    backoff: Duration,
    backoff_max: Duration,
    waiting: Mutex<VecDeque<Sample>>,
    arrived: Notify,
    sent: AtomicU64,
    retries: AtomicU64,
    lost: [AtomicU64; Lost::ALL.len()],
    why: Mutex<String>,
}

impl Tap for Forward {
    fn appended(&self, batch: &Batch, of: &Appended) {
        self.0.iter().for_each(|it| it.put(batch, of));
    }
}

impl Forward {
    /// Those that a configuration names. Connects to nobody.
    ///
    /// # Errors
    /// What is wrong with certificates.
    pub(crate) fn open(config: &Config) -> Result<Self, String> {
        let line = |it: &evenkeel_metrics::config::RemoteWrite| {
            Ok(Arc::new(Line {
                name: it.name.clone(),
                to: Database::open(it, &config.external_labels)?,
                with_histograms: it.with_histograms,
                samples: it.samples,
                wait: it.wait,
                backoff: it.backoff,
                backoff_max: it.backoff_max,
                waiting: Mutex::default(),
                arrived: Notify::new(),
                sent: AtomicU64::new(0),
                retries: AtomicU64::new(0),
                lost: [const { AtomicU64::new(0) }; Lost::ALL.len()],
                why: Mutex::default(),
            }))
        };
        config.remote_writes.iter().map(line).collect::<Result<_, String>>().map(Self)
    }

    /// Whether nobody is written to.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sends what comes, until it is told to end, and then what waits.
    pub(crate) fn run(&self, store: &Arc<Store>, told: &Receiver<bool>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Without a runtime nothing is sent, which the metrics say: everything waits.
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let mut all = JoinSet::new();
            for line in &self.0 {
                let ending = Ending { told: told.clone(), deadline: None };
                all.spawn(Arc::clone(line).run(Arc::clone(store), ending));
            }
            while all.join_next().await.is_some() {}
        });
    }

    /// What was not sent, by database.
    pub(crate) fn unsent(&self) -> Vec<Unforwarded> {
        let of = |it: &Arc<Line>| Unforwarded {
            name: it.name.clone(),
            samples: it.lost.iter().map(|it| it.load(Ordering::Relaxed)).sum(),
            why: locked(&it.why).clone(),
        };
        self.0.iter().map(of).filter(|it| it.samples > 0).collect()
    }

    /// What was sent, in the text of metrics.
    pub(crate) fn write(&self, to: &mut Writer, format: Format) {
        if self.0.is_empty() {
            return;
        }
        let ending = if format == Format::Text { "_total" } else { "" };
        let mut counter = |name: &str, help: &str, count: fn(&Line) -> &AtomicU64| {
            to.family(&format!("{name}{ending}"), Kind::Counter, help);
            for it in &self.0 {
                let count = count(it).load(Ordering::Relaxed) as f64;
                to.sample(&format!("{name}_total"), [("remote", &*it.name)], count, None);
            }
        };
        let help = "Samples that a remote_write took.";
        counter("evenkeel_forward_samples", help, |it| &it.sent);
        let help = "Requests to a remote_write that have to be sent again.";
        counter("evenkeel_forward_retries", help, |it| &it.retries);
        let name = "evenkeel_forward_lost_samples";
        to.family(
            &format!("{name}{ending}"),
            Kind::Counter,
            "Samples that a remote_write did not get.",
        );
        for it in &self.0 {
            for ((_, reason), count) in Lost::ALL.iter().zip(&it.lost) {
                let labels = [("remote", &*it.name), ("reason", reason)];
                let count = count.load(Ordering::Relaxed) as f64;
                to.sample(&format!("{name}_total"), labels, count, None);
            }
        }
        let name = "evenkeel_forward_waiting_samples";
        to.family(name, Kind::Gauge, "Samples that wait for a remote_write.");
        for it in &self.0 {
            to.sample(name, [("remote", &*it.name)], locked(&it.waiting).len() as f64, None);
        }
    }
}

impl Line {
    /// Has wait what the store took in.
    fn put(&self, batch: &Batch, of: &Appended) {
        let mut rejected = of.rejected.iter().map(|it| it.0).peekable();
        let (mut histograms, mut full) = (0, 0);
        let mut waiting = locked(&self.waiting);
        for (at, sample) in batch.samples.iter().enumerate() {
            if rejected.next_if_eq(&at).is_some() {
                continue;
            }
            if !self.with_histograms && matches!(sample.value, Value::Histogram(_)) {
                histograms += 1;
                continue;
            }
            if waiting.len() >= WAITING_MAX {
                waiting.pop_front();
                full += 1;
            }
            waiting.push_back(sample.clone());
        }
        drop(waiting);
        self.lose(Lost::Histogram, histograms, "`send_native_histograms` is not set");
        self.lose(Lost::Full, full, "it is slower than what is to be sent");
        self.arrived.notify_one();
    }

    fn lose(&self, of: Lost, samples: usize, why: &str) {
        if samples > 0
            && let Some((_, count)) = Lost::ALL.iter().zip(&self.lost).find(|it| it.0.0 == of)
        {
            count.fetch_add(samples as u64, Ordering::Relaxed);
            why.clone_into(&mut locked(&self.why));
        }
    }

    async fn run(self: Arc<Self>, store: Arc<Store>, mut ending: Ending) {
        loop {
            let batch = self.next(&mut ending).await;
            if batch.is_empty() {
                return;
            }
            let many = batch.len();
            tokio::select! {
                () = self.deliver(batch, &store) => {}
                () = ending.over() => {
                    let rest = std::mem::take(&mut *locked(&self.waiting)).len();
                    let why = locked(&self.why).clone();
                    let why = if why.is_empty() { "the server ended".to_owned() } else { why };
                    self.lose(Lost::Ended, many + rest, &why);
                    return;
                }
            }
        }
    }

    /// What goes into one request: as much as fits, or what there is when it has waited for long enough, or the server ends.
    async fn next(&self, ending: &mut Ending) -> Vec<Sample> {
        let mut due = None;
        loop {
            let many = locked(&self.waiting).len();
            let is_due = due.is_some_and(|it| Instant::now() >= it);
            if many >= self.samples || is_due || ending.is_told() {
                let mut waiting = locked(&self.waiting);
                let end = waiting.len().min(self.samples);
                return waiting.drain(..end).collect();
            }
            if many > 0 {
                due = due.or_else(|| Some(Instant::now() + self.wait));
            }
            tokio::select! {
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                () = self.arrived.notified() => {}
                () = ending.told() => {}
            }
        }
    }

    /// Sends samples until they are taken, or refused.
    async fn deliver(&self, batch: Vec<Sample>, store: &Store) {
        let labels = store.labels(batch.iter().map(|it| it.series));
        let (mut outgoing, mut forgotten) = (Outgoing::default(), 0);
        let mut sent_as = BTreeMap::new();
        for (sample, labels) in batch.iter().zip(labels) {
            let Some(labels) = labels else {
                forgotten += 1;
                continue;
            };
            // Of what is left out by its labels nothing is lost.
            let known = sent_as.entry(sample.series).or_insert_with(|| self.to.labels(&labels));
            match (known, &sample.value) {
                (None, _) => {}
                (Some(labels), Value::Float(it)) => outgoing.float(labels.clone(), sample.at, *it),
                (Some(labels), Value::Histogram(it)) => {
                    outgoing.histogram(labels.clone(), sample.at, it);
                }
            }
        }
        self.lose(Lost::Forgotten, forgotten, "their series had left the memory");
        if outgoing.is_empty() {
            return;
        }
        let (many, body) = (outgoing.len(), outgoing.body());
        let mut pause = self.backoff;
        loop {
            match self.to.send(body.clone(), Duration::MAX).await {
                Ok(()) => {
                    self.sent.fetch_add(many as u64, Ordering::Relaxed);
                    return;
                }
                Err(Unsent::Refused(why)) => return self.lose(Lost::Refused, many, &why),
                Err(Unsent::Later(why, after)) => {
                    *locked(&self.why) = why;
                    self.retries.fetch_add(1, Ordering::Relaxed);
                    sleep(after.unwrap_or_default().max(pause)).await;
                    pause = (pause * 2).min(self.backoff_max);
                }
            }
        }
    }
}

/// Whether the server ends, and until when it waits.
struct Ending {
    told: Receiver<bool>,
    deadline: Option<Instant>,
}

impl Ending {
    fn is_told(&self) -> bool {
        *self.told.borrow() || self.told.has_changed().is_err()
    }

    /// Waits until the server ends.
    async fn told(&mut self) {
        // Whoever could tell it is gone: that is the end, too.
        self.told.wait_for(|it| *it).await.map(drop).unwrap_or_default();
    }

    /// Waits until nothing is waited for any more.
    async fn over(&mut self) {
        self.told().await;
        sleep_until(*self.deadline.get_or_insert_with(|| Instant::now() + DRAIN)).await;
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // All that is kept here is whole after every step.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use evenkeel_series::Labels;
    use evenkeel_tsdb::Options;

    use super::*;

    #[test]
    fn what_waits_has_a_most_and_the_oldest_go_first() {
        let config =
            Config::read("p.yml", b"remote_write: [{url: 'http://127.0.0.1:1/w'}]".to_vec());
        let forward = Forward::open(&config.unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let up = store.intern(&Labels::of([("__name__", "up")])).unwrap();
        let mut batch = Batch::default();
        (0_i64..).take(WAITING_MAX).for_each(|at| batch.float(up, at, 1.0));
        forward.appended(&batch, &Appended::default());
        let mut more = Batch::default();
        more.float(up, -1, 1.0);
        more.float(up, -2, 2.0);
        let rejected = vec![(0, evenkeel_tsdb::Rejection::TooOld)];
        forward.appended(&more, &Appended { rejected, ..Appended::default() });
        let line = &forward.0[0];
        let waiting = locked(&line.waiting);
        let ends = [waiting.front(), waiting.back()].map(|it| it.unwrap().at);
        assert_eq!((waiting.len(), ends), (WAITING_MAX, [1, -2]));
        let lost = forward.unsent();
        assert_eq!((lost[0].samples, &*lost[0].name), (1, "http://127.0.0.1:1/w"));
    }
}
