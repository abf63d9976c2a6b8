//! Line: a database that is written to, and what it has not got yet.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_metrics::config::RemoteWrite;
use evenkeel_metrics::exposition::Kind;
use evenkeel_metrics::forward::{Database, Outgoing, Unsent, meanings};
use evenkeel_metrics::intake::Meaning;
use evenkeel_series::{Samples, Source as _, Span};
use evenkeel_tsdb::{Appended, Batch, Metadata, Position, Sample, Store, Value};
use evenkeel_units::locked;
use hyper::body::Bytes;
use tokio::sync::Notify;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep, sleep_until};

use super::backlog::{Backlog, Left, Part, Work};

/// So long is sent on what waits when the server ends.
const DRAIN: Duration = Duration::from_secs(10);
/// A request of which something is wrong is parted so many times: what is left then is refused as it is.
const PARTED_MAX: usize = 200;
/// Before the first start of a line is known where the log is, nothing is its own.
const NOWHERE: Position = Position { log: u64::MAX, bytes: u64::MAX };

/// Why samples were not sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The database refused them for good.
    Refused,
    /// The store no longer had them.
    Gone,
    /// They are native histograms, which were not asked for.
    Histogram,
}

impl Lost {
    pub(super) const ALL: [(Self, &'static str); 3] =
        [(Self::Refused, "refused"), (Self::Gone, "gone"), (Self::Histogram, "histogram")];
}

/// A database, and what it has not got yet.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    to: Database,
    with_histograms: bool,
    /// Samples of a request.
    samples: usize,
    wait: Duration,
    backoff: Duration,
    backoff_max: Duration,
    describe_every: Option<Duration>,
    /// Metrics of a request that says what they mean.
    described: usize,
    /// Where it was when the server ended; `None`: there was no such line.
    before: Option<(Position, i64)>,
    pub(super) backlog: Mutex<Backlog>,
    arrived: Notify,
    pub(super) sent: AtomicU64,
    pub(super) retries: AtomicU64,
    /// Metrics of which it knows what they mean, again and again.
    pub(super) told: AtomicU64,
    /// Those of which it was told and did not take it.
    pub(super) untold: AtomicU64,
    pub(super) lost: [AtomicU64; Lost::ALL.len()],
    /// Why something was lost or has to wait, the last time.
    pub(super) why: Mutex<String>,
}

impl Line {
    /// One that a configuration names, which goes on where it was. Connects to nobody.
    ///
    /// # Errors
    /// What is wrong with certificates.
    pub(super) fn open(
        of: &RemoteWrite,
        external: &BTreeMap<String, String>,
        left: Option<Left>,
    ) -> Result<Self, String> {
        let before = left.as_ref().map(|it| (it.position, it.since));
        let backlog = match left {
            Some(left) => Backlog::at(left.position, left.parts),
            None => Backlog::at(NOWHERE, []),
        };
        Ok(Self {
            name: of.name.clone(),
            to: Database::open(of, external)?,
            with_histograms: of.with_histograms,
            samples: of.samples,
            wait: of.wait,
            backoff: of.backoff,
            backoff_max: of.backoff_max,
            describe_every: of.describe_every,
            described: of.described,
            before,
            backlog: Mutex::new(backlog),
            arrived: Notify::new(),
            sent: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            told: AtomicU64::new(0),
            untold: AtomicU64::new(0),
            lost: [const { AtomicU64::new(0) }; Lost::ALL.len()],
            why: Mutex::default(),
        })
    }

    /// The store is open, and has told what is in its log. A line that is new begins here; where the log that another was at
    /// is gone, it sends everything of a span of time rather than nothing.
    pub(super) fn begin(&self, end: Position, oldest_log: Option<u64>, now: i64) {
        let mut backlog = locked(&self.backlog);
        match self.before {
            None => *backlog = Backlog::at(end, []),
            Some((position, since)) if oldest_log.is_none_or(|it| position.log < it) => {
                let parts = backlog.left(end, since).parts;
                let gap = Part { first: since.min(now), last: now, samples: 0 };
                *backlog = Backlog::at(end, parts.into_iter().chain([gap]));
            }
            Some(_) => {}
        }
    }

    /// Has wait what the store took in.
    pub(super) fn put(&self, batch: &Batch, of: &Appended, end: Position) {
        let mut backlog = locked(&self.backlog);
        // What the log tells again after a restart has arrived before that.
        if end <= backlog.begin() {
            return;
        }
        let mut rejected = of.rejected.iter().map(|it| it.0).peekable();
        let mut histograms = 0;
        let wanted = batch.samples.iter().enumerate().filter(|(at, sample)| {
            let is_taken = rejected.next_if_eq(at).is_none();
            let is_sent = self.with_histograms || matches!(sample.value, Value::Float(_));
            histograms += usize::from(is_taken && !is_sent);
            is_taken && is_sent
        });
        backlog.put(wanted.map(|it| it.1), end);
        drop(backlog);
        self.lose(Lost::Histogram, histograms, "`send_native_histograms` is not set");
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

    /// Sends what comes, until it is told to end, and then for a while what waits.
    pub(super) async fn run(self: Arc<Self>, store: Arc<Store>, mut ending: Ending) {
        while let Some(work) = self.next(&mut ending).await {
            tokio::select! {
                () = self.deliver(work, &store) => locked(&self.backlog).arrived(),
                () = ending.over() => {
                    locked(&self.backlog).returned();
                    return;
                }
            }
        }
    }

    /// What is sent next: as much as fits into a request, or what there is when it has waited for long enough, or the server ends.
    async fn next(&self, ending: &mut Ending) -> Option<Work> {
        let mut due = None;
        loop {
            let is_due = due.is_some_and(|it| Instant::now() >= it);
            let is_empty = {
                let mut backlog = locked(&self.backlog);
                if backlog.is_ready(self.samples) || is_due || ending.is_told() {
                    return backlog.take(self.samples);
                }
                backlog.is_empty()
            };
            if !is_empty {
                due = due.or_else(|| Some(Instant::now() + self.wait));
            }
            tokio::select! {
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                () = self.arrived.notified() => {}
                () = ending.told() => {}
            }
        }
    }

    async fn deliver(&self, work: Work, store: &Store) {
        match work {
            Work::Samples(samples) => self.deliver_samples(samples, store).await,
            Work::Part(part) => self.deliver_part(part, store).await,
        }
    }

    async fn deliver_samples(&self, samples: Vec<Sample>, store: &Store) {
        let labels = store.labels(samples.iter().map(|it| it.series));
        let mut outgoing = Outgoing::default();
        let mut sent_as = BTreeMap::new();
        for (sample, labels) in samples.iter().zip(labels) {
            let Some(labels) = labels else {
                // The segments know its name.
                locked(&self.backlog).put_by(sample.at);
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
        self.post(outgoing).await;
    }

    /// Sends what the store has of a span of time, one series after the other.
    async fn deliver_part(&self, part: Part, store: &Store) {
        let snapshot = store.snapshot();
        let span = Span { after: part.first.saturating_sub(1), until: part.last };
        let mut found = 0;
        let mut outgoing = Outgoing::default();
        // A snapshot of a store answers whatever it is asked.
        for series in snapshot.select(&[], span).unwrap_or_default() {
            let mut samples = Samples::default();
            if let Err(error) = series.read(span, &mut samples) {
                *locked(&self.why) = error.to_string();
                continue;
            }
            if !self.with_histograms {
                samples.histograms.clear();
            }
            found += samples.points.len() + samples.histograms.len();
            let Some(labels) = self.to.labels(series.labels()) else { continue };
            for point in &samples.points {
                outgoing.float(labels.clone(), point.at, point.value);
                if outgoing.len() >= self.samples {
                    self.post(std::mem::take(&mut outgoing)).await;
                }
            }
            for (at, histogram) in &samples.histograms {
                outgoing.histogram(labels.clone(), *at, histogram);
                if outgoing.len() >= self.samples {
                    self.post(std::mem::take(&mut outgoing)).await;
                }
            }
        }
        self.post(outgoing).await;
        let gone = usize::try_from(part.samples).unwrap_or(usize::MAX).saturating_sub(found);
        self.lose(Lost::Gone, gone, "the store no longer has them");
    }

    /// Sends samples until they are taken, or refused. What may be wrong with a part of them is sent in halves, the earlier one
    /// first, so that what a database has already does not keep the rest out.
    async fn post(&self, outgoing: Outgoing) {
        let mut parted = 0;
        let mut rest = vec![outgoing];
        while let Some(next) = rest.pop() {
            if next.is_empty() {
                continue;
            }
            let many = next.len();
            let refused = match self.send(next.clone().body()).await {
                Ok(()) => {
                    self.sent.fetch_add(many as u64, Ordering::Relaxed);
                    continue;
                }
                Err(refused) => refused,
            };
            let halves = match refused {
                Unsent::InPart(_) if parted < PARTED_MAX => next.halves(),
                _ => None,
            };
            match halves {
                Some((earlier, later)) => {
                    parted += 1;
                    rest.extend([later, earlier]);
                }
                None => self.lose(Lost::Refused, many, &refused.to_string()),
            }
        }
    }

    /// Sends a request until it is taken, or refused.
    async fn send(&self, body: Bytes) -> Result<(), Unsent> {
        let mut pause = self.backoff;
        loop {
            match self.to.send(body.clone(), Duration::MAX).await {
                Err(Unsent::Later(why, after)) => {
                    *locked(&self.why) = why;
                    self.retries.fetch_add(1, Ordering::Relaxed);
                    sleep(after.unwrap_or_default().max(pause)).await;
                    pause = (pause * 2).min(self.backoff_max);
                }
                done => return done,
            }
        }
    }

    /// Says now and then what metrics mean, until it is told to end. Who does not take it is told the next time.
    pub(super) async fn describe(self: Arc<Self>, store: Arc<Store>, mut ending: Ending) {
        let Some(every) = self.describe_every else { return };
        let telling = async {
            loop {
                self.tell(&store).await;
                sleep(every).await;
            }
        };
        tokio::select! {
            () = telling => {}
            () = ending.told() => {}
        }
    }

    async fn tell(&self, store: &Store) {
        let all: Vec<_> = {
            let snapshot = store.snapshot();
            snapshot.metadata().iter().map(|(name, it)| (name.clone(), meaning(it))).collect()
        };
        for some in all.chunks(self.described) {
            let body: Bytes = meanings(some.iter().map(|(name, it)| (&**name, it)));
            let count = match self.to.send(body, Duration::MAX).await {
                Ok(()) => &self.told,
                Err(_) => &self.untold,
            };
            count.fetch_add(some.len() as u64, Ordering::Relaxed);
        }
    }
}

fn meaning(of: &Metadata) -> Meaning {
    let kind = Kind::parse(of.kind.name()).unwrap_or_default();
    Meaning { kind, help: of.help.clone(), unit: of.unit.clone() }
}

/// Whether the server ends, and until when it waits.
#[derive(Clone)]
pub(super) struct Ending {
    told: Receiver<bool>,
    deadline: Option<Instant>,
}

impl Ending {
    pub(super) const fn of(told: Receiver<bool>) -> Self {
        Self { told, deadline: None }
    }

    fn is_told(&self) -> bool {
        *self.told.borrow() || self.told.has_changed().is_err()
    }

    /// Waits until the server ends.
    pub(super) async fn told(&mut self) {
        // Whoever could tell it is gone: that is the end, too.
        self.told.wait_for(|it| *it).await.map(drop).unwrap_or_default();
    }

    /// Waits until nothing is waited for any more.
    async fn over(&mut self) {
        self.told().await;
        sleep_until(*self.deadline.get_or_insert_with(|| Instant::now() + DRAIN)).await;
    }
}
