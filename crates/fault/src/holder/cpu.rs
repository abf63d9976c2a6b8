//! CPU that is burnt.
//!
//! A share of a core is kept by feedback, not by a duty cycle: every 10 ms a thread compares the CPU time
//! it really got with what it should have got, and makes up for the difference. On a busy host a duty
//! cycle asked for 50 % gets 30 to 40 %. There the scheduler has to give it what it asks for, so it goes before
//! others where it may; but only up to a share that leaves the host something to mend with.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use evenkeel_units::{Clock, Moment, Ratio, SystemClock};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::{Counters, Life, counters};
use crate::process::first;

/// How often CPU time is compared with what it should be.
const PERIOD: Duration = Duration::from_millis(10);
/// A thread that got no CPU for a while makes up for this much of it, not for all.
const DEBT_MAX: Duration = Duration::from_millis(200);
/// Up to this share of the cores the burner goes before everybody else. With more of them the guardian would starve.
const FIRST_MAX: f64 = 0.9;
/// Nice value of one that goes first; the guardian goes before it, and the tool is left enough for its beats.
const FIRST: i32 = -14;

/// Burn a share of the cores.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// Of each core.
    pub load: Ratio,
    /// How many cores; 0 for all.
    pub cores: u32,
}

impl Cpu {
    /// How many cores this host can burn of those asked for.
    pub(crate) fn cores(self) -> usize {
        let all = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if self.cores == 0 { all } else { all.min(self.cores as usize) }
    }

    pub(super) fn run(self, life: &Life) -> io::Result<Counters> {
        if self.load.get() <= FIRST_MAX {
            // Without the right to it the burner gets what the scheduler thinks fair, and says how much that was.
            first::go_first(FIRST);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let allowed = sched_getaffinity(None)?;
        let cores = (0..CpuSet::MAX_CPU).filter(|it| allowed.is_set(*it));
        let threads: Vec<JoinHandle<()>> = cores
            .take(self.cores())
            .map(|core| {
                let (load, stop) = (self.load, Arc::clone(&stop));
                // Each on a core of its own: left alone, two of them were seen to share one on a busy host.
                let burn = move || {
                    let mut own = CpuSet::new();
                    own.set(core);
                    sched_setaffinity(None, &own).unwrap_or_default();
                    burn(load, &stop);
                };
                thread::Builder::new().spawn(burn)
            })
            .collect::<io::Result<_>>()?;
        let clock = SystemClock::start();
        let before = cpu_time(ClockId::ProcessCPUTime);
        life.ready()?;
        let ended = life.wait();
        let used = cpu_time(ClockId::ProcessCPUTime).saturating_sub(before);
        let time = clock.now().elapsed();
        stop.store(true, Ordering::Relaxed);
        for it in threads {
            it.thread().unpark();
            it.join().map_err(|_| io::Error::other("a burning thread panicked"))?;
        }
        ended.map(|()| {
            counters([("cpu_seconds", used.as_secs_f64()), ("seconds", time.as_secs_f64())])
        })
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cores {
            0 => write!(f, "burn {} of every core", self.load),
            cores => write!(f, "burn {} of {cores} cores", self.load),
        }
    }
}

fn burn(load: Ratio, stop: &AtomicBool) {
    let clock = SystemClock::start();
    let thread = || cpu_time(ClockId::ThreadCPUTime);
    // What this thread should have used by now is counted from here.
    let mut origin = Moment::START;
    let mut used_before = thread();
    let mut period = 0u32;
    while !stop.load(Ordering::Relaxed) {
        let goal = |now: Moment| Duration::from_secs_f64((now - origin).as_secs_f64() * load.get());
        let used = || thread().saturating_sub(used_before);
        let behind = goal(clock.now()).saturating_sub(used());
        let period_end = Moment::START + PERIOD * (period + 1);
        while used() < goal(clock.now()) && clock.now() < period_end {
            std::hint::spin_loop();
        }
        if behind > DEBT_MAX {
            origin = clock.now();
            used_before = thread();
        }
        let left = period_end - clock.now();
        if !left.is_zero() {
            thread::park_timeout(left);
        }
        period = (clock.now().elapsed().as_micros() / PERIOD.as_micros()) as u32;
    }
}

fn cpu_time(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}
