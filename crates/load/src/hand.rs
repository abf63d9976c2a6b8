//! Hand: starting the load's thread, stopping it, and knowing what it costs.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_model::Frame;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::engine::Engine;
use crate::order::Prepared;
use crate::reactor::Reactor;

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
    wire: Arc<Wire>,
    thread: Option<JoinHandle<()>>,
}

/// What the load's thread and its owner share.
pub(crate) struct Wire {
    stop: AtomicBool,
    bell: OwnedFd,
    cpu_nanos: AtomicU64,
}

impl Wire {
    /// Whether the owner has had enough.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Rings when the owner wants to be heard.
    pub(crate) fn bell(&self) -> &OwnedFd {
        &self.bell
    }

    /// Writes down what the thread has cost so far.
    pub(crate) fn spent(&self, cpu: Duration) {
        self.cpu_nanos.store(u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn ring(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // A bell that cannot be rung any louder has been rung.
        match rustix::io::write(&self.bell, &1u64.to_ne_bytes()) {
            Ok(_) | Err(Errno::AGAIN) => {}
            Err(error) => unreachable!("the bell stays open as long as its owner: {error}"),
        }
    }
}

/// Starts the thread of a load.
pub(crate) fn start(
    prepared: Prepared,
    mut say: impl FnMut(Said) + Send + 'static,
) -> io::Result<Handle> {
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let wire = Arc::new(Wire { stop: AtomicBool::new(false), bell, cpu_nanos: AtomicU64::new(0) });
    let reactor = Reactor::new(wire.bell())?;
    let engine = Engine::new(prepared, reactor, Arc::clone(&wire));
    let thread = std::thread::Builder::new().name("evenkeel-load".to_owned()).spawn(move || {
        let run = catch_unwind(AssertUnwindSafe(|| engine.run(&mut say)));
        let error = match run {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("the load generator failed: {error}")),
            Err(_) => Some("the load generator panicked: this is a bug of Evenkeel".to_owned()),
        };
        say(Said::Ended { error });
    })?;
    Ok(Handle { wire, thread: Some(thread) })
}

impl Handle {
    /// Sends no new requests. Those under way are waited for up to their timeout, at most 1 s; arrivals
    /// that wait for a connection are counted as missed. Returns at once.
    pub fn stop(&self) {
        self.wire.ring();
    }

    /// Processor time of the generator's thread, as of at most a tenth of a second ago.
    pub fn cpu_time(&self) -> Duration {
        Duration::from_nanos(self.wire.cpu_nanos.load(Ordering::Relaxed))
    }

    /// Waits until the load has ended.
    pub fn join(mut self) {
        self.wait();
    }

    fn wait(&mut self) {
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            // Only what the owner does in `say` can still panic there, so it is the owner's panic.
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop();
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("cpu_time", &self.cpu_time()).finish_non_exhaustive()
    }
}
