//! Which operations fail or wait, and how many were met.
//!
//! Operations that wait stand in a line by the moment that they are due, so that none waits for another.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use evenkeel_model::document::{FileError, FileOperation};
use evenkeel_units::chance::part;
use evenkeel_units::{Choices, Clock, Moment, Ratio, SystemClock};
use rustix::io::Errno;

use super::{Files, Meddling};

/// So many that have waited are done in the same moment.
const THREADS: usize = 8;

/// What is to be done with an operation.
pub(super) enum Verdict {
    /// It is done.
    Pass,
    /// It fails.
    Fail(Errno),
    /// It is done after this time.
    Wait(Duration),
}

type Task = Box<dyn FnOnce() + Send>;

/// Decides, and counts.
pub(super) struct Meddler {
    what: Meddling,
    share: Ratio,
    operations: BTreeSet<FileOperation>,
    choices: Choices,
    seen: AtomicU64,
    met: AtomicU64,
    clock: SystemClock,
    line: Arc<Line>,
}

/// Those that wait.
#[derive(Default)]
struct Line {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    tasks: BTreeMap<(Moment, u64), Task>,
    count: u64,
    /// Nobody waits any more.
    over: bool,
}

impl Meddler {
    pub(super) fn new(of: &Files) -> io::Result<Self> {
        let it = Self {
            what: of.what,
            share: of.share,
            operations: of.operations.clone(),
            choices: of.seed.choices("fault/files"),
            seen: AtomicU64::new(0),
            met: AtomicU64::new(0),
            clock: SystemClock::start(),
            line: Arc::default(),
        };
        if matches!(it.what, Meddling::Wait(_)) {
            for _ in 0..THREADS {
                let (line, clock) = (it.line.clone(), it.clock);
                thread::Builder::new().spawn(move || line.serve(&clock))?;
            }
        }
        Ok(it)
    }

    /// From here on nothing is met, and what waits is done at once.
    pub(super) fn leave(&self) {
        self.line.lock().over = true;
        self.line.changed.notify_all();
    }

    /// So many operations of those that it is about were seen.
    pub(super) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// So many of them were met.
    pub(super) fn met(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }

    pub(super) fn judge(&self, operation: FileOperation) -> Verdict {
        if !self.operations.contains(&operation) || self.line.lock().over {
            return Verdict::Pass;
        }
        let number = self.seen.fetch_add(1, Ordering::Relaxed);
        // 53 bits are a number from 0 to 1 without rounding.
        let chance = part(self.choices.bits(number));
        if chance >= self.share.get() {
            return Verdict::Pass;
        }
        self.met.fetch_add(1, Ordering::Relaxed);
        match self.what {
            Meddling::Fail(error) => Verdict::Fail(errno(error)),
            Meddling::Wait(delay) => Verdict::Wait(delay),
        }
    }

    /// Does something after this time.
    pub(super) fn later(&self, delay: Duration, task: Task) {
        let due = self.clock.now() + delay;
        let mut waiting = self.line.lock();
        waiting.count += 1;
        let key = (due, waiting.count);
        waiting.tasks.insert(key, task);
        drop(waiting);
        self.line.changed.notify_one();
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is due, for as long as the process lives.
    fn serve(&self, clock: &SystemClock) {
        let mut waiting = self.lock();
        loop {
            let now = clock.now();
            let first = waiting.tasks.first_key_value().map(|(it, _)| it.0);
            waiting = match first {
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(due) if due > now && !waiting.over => {
                    let woken = self.changed.wait_timeout(waiting, due - now);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) => {
                    let task = waiting.tasks.pop_first();
                    drop(waiting);
                    if let Some((_, task)) = task {
                        task();
                    }
                    self.lock()
                }
            };
        }
    }
}

/// As the kernel has it.
const fn errno(error: FileError) -> Errno {
    match error {
        FileError::Io => Errno::IO,
        FileError::NoSpace => Errno::NOSPC,
        FileError::Quota => Errno::DQUOT,
        FileError::ReadOnly => Errno::ROFS,
        FileError::Denied => Errno::ACCESS,
        FileError::Stale => Errno::STALE,
    }
}
