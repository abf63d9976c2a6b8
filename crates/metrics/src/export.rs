//! Export: takes frames while the load runs, and writes them elsewhere.
//!
//! ```text
//! frame ──▶ queue (bounded) ──▶ ledger ──▶ samples ──▶ one request ──▶ database
//!             │ full: added to the frame before        ▲     │ not now: again, later and later
//!             └ nothing waits, nothing is lost         └─────┘
//! ```
//!
//! Each target has a task and a queue of its own, so that a slow one holds up no other.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_model::{Distribution, Frame};
use hyper::body::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::ledger::{Ledger, append};
use crate::otlp::Otlp;
use crate::post::{Post, Reply};
use crate::remote_write::RemoteWrite;
use crate::target::{Target, Wire};

/// No more frames wait for a target.
const QUEUED_FRAMES_MAX: usize = 60;
/// No more entries of distributions wait for a target: some ten megabytes.
const QUEUED_ENTRIES_MAX: usize = 500_000;
/// A request is full when it has so many bytes before it is compressed.
const REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The first wait after a request that was not taken; each one after it is twice as long.
const BACKOFF: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// So much time is left for what is still to be written when the run is over.
const FLUSH_MAX: Duration = Duration::from_secs(10);

/// What metrics say of where they come from.
#[derive(Clone, Debug)]
pub struct Run {
    /// The name of the run.
    pub id: String,
    /// The name of the load test.
    pub test: String,
    /// The names of its routes, in order.
    pub routes: Vec<String>,
    /// The names of its transactions, in order.
    pub transactions: Vec<String>,
    /// When its load began.
    pub began: jiff::Timestamp,
}

/// A target cannot be written to at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{target}: {problem}")]
pub struct OpenError {
    /// Which.
    pub target: String,
    /// Why.
    pub problem: String,
}

/// What a target did not get as it should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Which.
    pub target: String,
    /// Why, the last time.
    pub why: String,
    /// Seconds of load that it has no samples of. What was counted in them is in the samples of later ones,
    /// if there are any.
    pub lost_seconds: u64,
    /// Seconds that it got together with the one after, because it was slow.
    pub joined_seconds: u64,
    /// Requests that had to be sent again.
    pub retries: u64,
}

impl Trouble {
    /// Whether anything is missing there.
    pub const fn is_loss(&self) -> bool {
        self.lost_seconds > 0 || self.joined_seconds > 0
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.target)?;
        let seconds = |n: u64| if n == 1 { "1 second".to_owned() } else { format!("{n} seconds") };
        match (self.lost_seconds, self.joined_seconds) {
            (0, 0) if self.retries == 1 => f.write_str("1 request was sent again")?,
            (0, 0) if self.retries > 1 => write!(f, "{} requests were sent again", self.retries)?,
            (0, 0) => f.write_str("not everything was taken")?,
            (lost, 0) => write!(f, "{} of load not written", seconds(lost))?,
            (0, joined) => write!(f, "{} of load put together with others", seconds(joined))?,
            (lost, joined) => write!(
                f,
                "{} of load not written, and {} put together with others",
                seconds(lost),
                seconds(joined)
            )?,
        }
        write!(f, " ({})", self.why)
    }
}

/// Writes frames to every target.
#[derive(Debug)]
pub struct Export {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    queue: Arc<Queue>,
    writer: JoinHandle<()>,
}

impl Export {
    /// Starts a task for each target. Needs a runtime to be there.
    pub fn open(targets: Vec<Target>, run: &Run) -> Result<Self, OpenError> {
        let mut writers = Vec::new();
        // All are understood before any is started.
        for target in targets {
            writers.push(Writer::new(target, run)?);
        }
        let start = |writer: Writer| {
            let queue = Arc::clone(&writer.queue);
            Line { queue, writer: tokio::spawn(writer.work()) }
        };
        Ok(Self { lines: writers.into_iter().map(start).collect() })
    }

    /// Takes a frame. Never waits.
    pub fn frame(&self, frame: &Frame) {
        self.lines.iter().for_each(|it| it.queue.push(frame));
    }

    /// What has gone wrong so far.
    pub fn troubles(&self) -> Vec<Trouble> {
        self.lines.iter().filter_map(|it| it.queue.trouble()).collect()
    }

    /// Writes what is still to be written, for some seconds at most, and says what went wrong.
    pub async fn finish(mut self) -> Vec<Trouble> {
        self.lines.iter().for_each(|it| it.queue.end());
        let mut troubles = Vec::new();
        for line in &mut self.lines {
            if let Err(error) = (&mut line.writer).await {
                line.queue.lose(0, &format!("the writer broke: {error}"));
            }
            line.queue.lose_the_rest();
            troubles.extend(line.queue.trouble());
        }
        troubles
    }
}

impl Drop for Export {
    /// Nobody waits for what is still to be written when nobody has asked for it to be finished.
    fn drop(&mut self) {
        self.lines.iter().for_each(|it| it.writer.abort());
    }
}

/// Frames that wait for a target, and what is to be said of it.
#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    woken: Notify,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Frame>,
    /// When the time is over, once the run is.
    deadline: Option<Instant>,
    trouble: Trouble,
}

impl Queue {
    fn new(target: String) -> Self {
        let state = State { trouble: Trouble { target, ..Trouble::default() }, ..State::default() };
        Self { state: Mutex::new(state), woken: Notify::new() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, frame: &Frame) {
        self.with(|state| {
            let entries: usize = state.frames.iter().chain([frame]).map(entries).sum();
            let is_full = state.frames.len() >= QUEUED_FRAMES_MAX || entries > QUEUED_ENTRIES_MAX;
            match state.frames.back_mut() {
                Some(last) if is_full => {
                    append(last, frame);
                    state.trouble.joined_seconds += 1;
                    if state.trouble.why.is_empty() {
                        "it takes too long to answer".clone_into(&mut state.trouble.why);
                    }
                }
                _ => state.frames.push_back(frame.clone()),
            }
        });
        self.woken.notify_one();
    }

    fn pop(&self) -> Option<Frame> {
        self.with(|state| state.frames.pop_front())
    }

    fn end(&self) {
        self.with(|state| state.deadline = Some(Instant::now() + FLUSH_MAX));
        self.woken.notify_one();
    }

    fn deadline(&self) -> Option<Instant> {
        self.with(|state| state.deadline)
    }

    /// Waits for a frame, or for the end.
    async fn filled(&self) {
        while self.with(|state| state.frames.is_empty() && state.deadline.is_none()) {
            self.woken.notified().await;
        }
    }

    /// Waits until then, or for the end.
    async fn rest(&self, until: Instant) {
        while self.deadline().is_none() {
            tokio::select! {
                () = sleep_until(until) => return,
                () = self.woken.notified() => {}
            }
        }
    }

    fn lose(&self, seconds: u64, why: &str) {
        self.with(|state| {
            state.trouble.lost_seconds += seconds;
            why.clone_into(&mut state.trouble.why);
        });
    }

    fn retry(&self, why: &str) {
        self.with(|state| {
            state.trouble.retries += 1;
            why.clone_into(&mut state.trouble.why);
        });
    }

    fn lose_the_rest(&self) {
        self.with(|state| state.trouble.lost_seconds += state.frames.drain(..).count() as u64);
    }

    fn trouble(&self) -> Option<Trouble> {
        self.with(|state| (!state.trouble.why.is_empty()).then(|| state.trouble.clone()))
    }
}

/// What a frame weighs.
fn entries(frame: &Frame) -> usize {
    let of = |it: &Distribution| it.micros.len();
    let series = frame.series.iter().chain(&frame.transactions);
    of(&frame.lag_micros)
        + series.map(|it| of(&it.response_micros) + of(&it.service_micros)).sum::<usize>()
}

/// Writes what waits for one target.
struct Writer {
    queue: Arc<Queue>,
    post: Post,
    form: Form,
    ledger: Ledger,
    began: jiff::Timestamp,
    every: Duration,
}

enum Form {
    RemoteWrite { write: RemoteWrite, ends: bool },
    Otlp(Otlp),
}

impl Writer {
    fn new(target: Target, run: &Run) -> Result<Self, OpenError> {
        let name = target.name();
        let Target { wire, door, every } = target;
        let post = Post::open(door, &wire)
            .map_err(|problem| OpenError { target: name.clone(), problem })?;
        let form = match wire {
            Wire::RemoteWrite { style, ends } => {
                Form::RemoteWrite { write: RemoteWrite::new(style, &run.id, &run.test), ends }
            }
            Wire::Otlp { resource } => {
                Form::Otlp(Otlp::new(&resource, &run.id, &run.test, nanos(run.began)))
            }
        };
        Ok(Self {
            queue: Arc::new(Queue::new(name)),
            post,
            form,
            ledger: Ledger::new(run.routes.clone(), run.transactions.clone()),
            began: run.began,
            every,
        })
    }

    async fn work(mut self) {
        let mut next = Instant::now();
        loop {
            self.queue.filled().await;
            self.queue.rest(next).await;
            next = Instant::now() + self.every;
            // Asked before the queue is: what comes after the end is nothing.
            let is_over = self.queue.deadline().is_some();
            let (mut request, seconds) = self.fill();
            if request.is_none() && is_over {
                request = self.end();
            }
            let Some(body) = request else {
                if is_over {
                    return;
                }
                continue;
            };
            let body = self.post.packed(body);
            if let Err(why) = self.deliver(body).await {
                self.queue.lose(seconds, &why);
            }
        }
    }

    /// A request with as many seconds as it can hold.
    fn fill(&mut self) -> (Option<Vec<u8>>, u64) {
        let mut seconds = 0;
        while self.form.pending_bytes() < REQUEST_BYTES_MAX
            && let Some(frame) = self.queue.pop()
        {
            self.ledger.add(&frame);
            let end = Duration::from_secs(frame.second + 1);
            let at = self.began.checked_add(end).unwrap_or(jiff::Timestamp::MAX);
            self.form.add(at, &self.ledger);
            seconds += 1;
        }
        (self.form.take(), seconds)
    }

    /// The last request, if there is one.
    fn end(&mut self) -> Option<Vec<u8>> {
        let Form::RemoteWrite { write, ends } = &mut self.form else { return None };
        if std::mem::take(ends) {
            write.end();
        }
        write.take()
    }

    /// Sends a request until it is taken or refused, or the time is over: why it was not taken.
    async fn deliver(&self, body: Bytes) -> Result<(), String> {
        let mut backoff = BACKOFF;
        loop {
            let within = self.queue.deadline().map_or(Duration::MAX, |it| it - Instant::now());
            if within.is_zero() {
                return Err("the run was over".to_owned());
            }
            match self.post.send(body.clone(), within).await {
                Reply::Taken(None) => return Ok(()),
                // Some of it was not: which seconds these were is not known.
                Reply::Taken(Some(complaint)) => {
                    self.queue.lose(0, &complaint);
                    return Ok(());
                }
                Reply::Refused(why) => return Err(why),
                Reply::Later(why, after) => {
                    self.queue.retry(&why);
                    let pause = after.unwrap_or(backoff).max(backoff);
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                    match self.queue.deadline() {
                        Some(deadline) if Instant::now() + pause >= deadline => return Err(why),
                        Some(_) => sleep(pause).await,
                        None => self.queue.rest(Instant::now() + pause).await,
                    }
                }
            }
        }
    }
}

impl Form {
    fn add(&mut self, at: jiff::Timestamp, ledger: &Ledger) {
        match self {
            Self::RemoteWrite { write, .. } => write.add(at.as_millisecond(), ledger),
            Self::Otlp(otlp) => otlp.add(nanos(at), ledger),
        }
    }

    fn pending_bytes(&self) -> usize {
        match self {
            Self::RemoteWrite { write, .. } => write.pending_bytes(),
            Self::Otlp(otlp) => otlp.pending_bytes(),
        }
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::RemoteWrite { write, .. } => write.take(),
            Self::Otlp(otlp) => otlp.take(),
        }
    }
}

/// Zero before 1970, when there was no load.
fn nanos(at: jiff::Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or_default()
}
