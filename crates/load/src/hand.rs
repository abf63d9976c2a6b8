//! Hand: starting the load's threads, stopping them, and knowing what they cost.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_model::Frame;
use evenkeel_units::{Moment, SystemClock};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::LoadError;
use crate::engine::More;
use crate::merge::Merge;
use crate::order::{Share, allow_more_descriptors, share};

/// Later than any arrival.
pub(crate) const FOREVER: Moment = Moment::at(Duration::from_nanos(u64::MAX));

/// What a load says while it works.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Its seconds count from here.
    Started,
    /// A second of it, as counted.
    Second(Frame),
    /// Nothing more is sent, and every request has its outcome, save those that a stop left under way:
    /// the last frame counts them as in flight. The last that is said.
    Ended {
        /// Why it ended early, when it did.
        error: Option<String>,
    },
}

/// A load that is being sent. Dropping it stops the load.
pub struct Handle {
    wires: Vec<Arc<Wire>>,
    threads: Vec<JoinHandle<()>>,
}

/// What a worker's thread and its owner share.
pub(crate) struct Wire {
    stop: AtomicBool,
    bell: OwnedFd,
    cpu_nanos: AtomicU64,
    /// Nothing that is due from here on may be sent yet, in nanoseconds.
    until: AtomicU64,
    /// What is to be sent beside what was begun with.
    more: Mutex<VecDeque<More>>,
    has_more: AtomicBool,
}

impl Wire {
    fn new() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            stop: AtomicBool::new(false),
            bell,
            cpu_nanos: AtomicU64::new(0),
            until: AtomicU64::new(nanos(FOREVER)),
            more: Mutex::default(),
            has_more: AtomicBool::new(false),
        })
    }

    /// Whether the owner has had enough.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Nothing that is due from here on may be sent yet.
    pub(crate) fn until(&self) -> Moment {
        Moment::at(Duration::from_nanos(self.until.load(Ordering::Relaxed)))
    }

    /// Nothing that is due at `until` or later may be sent yet.
    pub(crate) fn send_until(&self, until: Moment) {
        self.until.store(nanos(until), Ordering::Relaxed);
    }

    /// Something more that is to be sent.
    pub(crate) fn more(&self) -> Option<More> {
        if !self.has_more.load(Ordering::Acquire) {
            return None;
        }
        let mut more = lock(&self.more);
        let first = more.pop_front();
        self.has_more.store(!more.is_empty(), Ordering::Release);
        first
    }

    /// Rings when the owner wants to be heard.
    pub(crate) fn bell(&self) -> &OwnedFd {
        &self.bell
    }

    /// Writes down what the thread has cost so far.
    pub(crate) fn spent(&self, cpu: Duration) {
        self.cpu_nanos.store(u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ring();
    }

    fn ring(&self) {
        // A bell that cannot be rung any louder has been rung.
        match rustix::io::write(&self.bell, &1u64.to_ne_bytes()) {
            Ok(_) | Err(Errno::AGAIN) => {}
            Err(error) => unreachable!("the bell stays open as long as its owner: {error}"),
        }
    }
}

/// One worker of a load: sends its share from when the clock was started, says its seconds, and in the end how
/// many of its requests were still under way.
pub(crate) type Worker =
    Box<dyn FnOnce(SystemClock, &mut dyn FnMut(Frame)) -> io::Result<u64> + Send>;

/// What the workers have said, and who hears it.
struct Desk<S> {
    merge: Merge,
    error: Option<String>,
    say: S,
}

impl<S: FnMut(Said)> Desk<S> {
    fn pass_on(&mut self) {
        while let Some(frame) = self.merge.take() {
            (self.say)(Said::Second(frame));
        }
    }
}

/// One for each worker.
pub(crate) fn wires(workers: u32) -> Result<Vec<Arc<Wire>>, LoadError> {
    let wire = |_| Wire::new().map(Arc::new).map_err(LoadError::System);
    (0..workers).map(wire).collect()
}

/// Starts the threads of a load: `make` makes each worker.
pub(crate) fn start(
    wires: Vec<Arc<Wire>>,
    mut make: impl FnMut(u32, Arc<Wire>) -> io::Result<Worker>,
    mut say: impl FnMut(Said) + Send + 'static,
) -> io::Result<Handle> {
    let make = |(worker, wire)| make(worker, Arc::clone(wire));
    let ready = (0..).zip(&wires).map(make).collect::<io::Result<Vec<_>>>()?;
    let cores = cores(ready.len());
    say(Said::Started);
    let clock = SystemClock::start();
    let desk = Desk { merge: Merge::new(ready.len()), error: None, say };
    let desk = Arc::new(Mutex::new(desk));
    let mut handle = Handle { wires, threads: Vec::new() };
    for (number, worker) in ready.into_iter().enumerate() {
        let desk = Arc::clone(&desk);
        let wires: Vec<_> = handle.wires.iter().map(Arc::clone).collect();
        let core = cores.get(number).copied();
        let work = move || {
            if let Some(core) = core {
                pin_to(core);
            }
            let mut say = |frame| {
                let mut desk = lock(&desk);
                desk.merge.frame(number, &frame);
                desk.pass_on();
            };
            let run = catch_unwind(AssertUnwindSafe(|| worker(clock, &mut say)));
            let (left, error) = match run {
                Ok(Ok(left)) => (left, None),
                Ok(Err(error)) => (0, Some(format!("the load generator failed: {error}"))),
                Err(_) => {
                    (0, Some("the load generator panicked: this is a bug of Evenkeel".to_owned()))
                }
            };
            let mut desk = lock(&desk);
            if error.is_some() {
                // A load of which a part is missing is no load.
                wires.iter().for_each(|it| it.stop());
                desk.error = desk.error.take().or(error);
            }
            desk.merge.ended(number, left);
            desk.pass_on();
            if desk.merge.is_over() {
                let error = desk.error.take();
                (desk.say)(Said::Ended { error });
            }
        };
        let thread = std::thread::Builder::new().name(format!("evenkeel-load-{number}"));
        handle.threads.push(thread.spawn(work)?);
    }
    Ok(handle)
}

/// What was said stays said when whoever hears it has panicked.
fn lock<T>(desk: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nanos(at: Moment) -> u64 {
    u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// A core for each worker, when there are several and enough: a single one is better left to the system, which
/// knows where there is room.
fn cores(workers: usize) -> Vec<usize> {
    let Ok(allowed) = sched_getaffinity(None) else { return Vec::new() };
    let cores: Vec<_> = (0..CpuSet::MAX_CPU).filter(|it| allowed.is_set(*it)).collect();
    if workers > 1 && workers <= cores.len() { cores } else { Vec::new() }
}

/// Where it is not allowed, the system places the thread.
fn pin_to(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).unwrap_or_default();
}

impl Handle {
    /// Sends no new requests. Those under way are waited for up to their timeout, at most 1 s; arrivals
    /// that wait for a connection are counted as missed. Returns at once.
    pub fn stop(&self) {
        self.wires.iter().for_each(|it| it.stop());
    }

    /// From now on sends what is due before `until`.
    pub(crate) fn allow(&self, until: Moment) {
        for wire in &self.wires {
            wire.until.fetch_max(nanos(until), Ordering::Relaxed);
            wire.ring();
        }
    }

    /// Sends another share as well, as far as it is due at `from` or later, on so many connections more.
    pub(crate) fn take_over(&self, of: Share, from: Moment, connections: u32) {
        allow_more_descriptors(connections);
        let workers = self.wires.len() as u32;
        for (worker, wire) in (0..).zip(&self.wires) {
            let slice = of.slice(worker, workers);
            let connections = share(connections, worker, workers);
            lock(&wire.more).push_back(More { slice, from, connections });
            wire.has_more.store(true, Ordering::Release);
            wire.ring();
        }
    }

    /// Processor time of the generator's threads, as of at most a tenth of a second ago.
    pub fn cpu_time(&self) -> Duration {
        let nanos = self.wires.iter().map(|it| it.cpu_nanos.load(Ordering::Relaxed)).sum();
        Duration::from_nanos(nanos)
    }

    /// Waits until the load has ended.
    pub fn join(mut self) {
        for thread in std::mem::take(&mut self.threads) {
            if let Err(panic) = thread.join() {
                // Only what the owner does in `say` can still panic there, so it is the owner's panic.
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.stop();
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("cpu_time", &self.cpu_time()).finish_non_exhaustive()
    }
}
