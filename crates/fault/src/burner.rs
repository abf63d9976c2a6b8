//! The burner: a child of ours that burns CPU or holds memory, and ends with us.
//!
//! It lives while its standard input is open: when we die, however we die, the kernel closes our end of
//! that pipe and the burner is gone within milliseconds. It also ends when its time is up.
//!
//! A share of a core is kept by feedback, not by a duty cycle: every 10 ms a thread compares the CPU time
//! it really got with what it should have got, and makes up for the difference. On a busy host a duty
//! cycle asked for 50 % gets 30 to 40 %.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use evenkeel_units::{Bytes, Clock, Moment, Ratio, SystemClock};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// How often CPU time is compared with what it should be.
const PERIOD: Duration = Duration::from_millis(10);
/// A thread that got no CPU for a while makes up for this much of it, not for all.
const DEBT_MAX: Duration = Duration::from_millis(200);
/// Memory is taken in pieces, with a look at what is left before each.
const PIECE_BYTES: usize = 8 * 1024 * 1024;
const PAGE_BYTES: usize = 4096;
/// Left to everybody else, whatever was asked for.
const RESERVE_BYTES_MIN: u64 = 128 * 1024 * 1024;

static STOP: AtomicBool = AtomicBool::new(false);

/// What a burner is asked to do, as the arguments of its process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Work {
    Cpu { load: Ratio, cores: u32 },
    Memory { amount: Bytes },
}

impl Work {
    pub(crate) fn arguments(&self, limit: Duration) -> Vec<String> {
        let seconds = limit.as_secs_f64().to_string();
        match self {
            Self::Cpu { load, cores } => {
                vec!["cpu".to_owned(), load.get().to_string(), cores.to_string(), seconds]
            }
            Self::Memory { amount } => vec!["memory".to_owned(), amount.0.to_string(), seconds],
        }
    }

    fn read(arguments: &[String]) -> Option<(Self, Duration)> {
        let (work, limit) = match arguments {
            [kind, load, cores, limit] if kind == "cpu" => {
                let load = Ratio::new(load.parse().ok()?)?;
                (Self::Cpu { load, cores: cores.parse().ok()? }, limit)
            }
            [kind, amount, limit] if kind == "memory" => {
                (Self::Memory { amount: Bytes(amount.parse().ok()?) }, limit)
            }
            _ => return None,
        };
        Some((work, Duration::try_from_secs_f64(limit.parse().ok()?).ok()?))
    }
}

/// Main function of the burner's process: `cpu LOAD CORES SECONDS` or `memory BYTES SECONDS`.
pub fn run(arguments: &[String]) -> ExitCode {
    let Some((work, limit)) = Work::read(arguments) else { return ExitCode::from(2) };
    let done = match work {
        Work::Cpu { load, cores } => burn_cpu(load, cores, limit),
        Work::Memory { amount } => hold_memory(amount, limit),
    };
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Burns this share of each of so many cores (0: all), until standard input ends or the time is up.
pub fn burn_cpu(load: Ratio, cores: u32, limit: Duration) -> io::Result<()> {
    let all = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = if cores == 0 { all } else { all.min(cores as usize) };
    let threads: Vec<JoinHandle<()>> = (0..cores)
        .map(|_| thread::Builder::new().spawn(move || burn(load)))
        .collect::<io::Result<_>>()?;
    ready()?;
    let ended = until_input_ends(limit);
    STOP.store(true, Ordering::Relaxed);
    for it in threads {
        it.thread().unpark();
        it.join().map_err(|_| io::Error::other("a burning thread panicked"))?;
    }
    ended
}

fn burn(load: Ratio) {
    let clock = SystemClock::start();
    // What this thread should have used by now is counted from here.
    let mut origin = Moment::START;
    let mut used_before = cpu_time();
    let mut period = 0u32;
    while !STOP.load(Ordering::Relaxed) {
        let goal = |now: Moment| Duration::from_secs_f64((now - origin).as_secs_f64() * load.get());
        let used = || cpu_time().saturating_sub(used_before);
        let behind = goal(clock.now()).saturating_sub(used());
        let period_end = Moment::START + PERIOD * (period + 1);
        while used() < goal(clock.now()) && clock.now() < period_end {
            std::hint::spin_loop();
        }
        if behind > DEBT_MAX {
            origin = clock.now();
            used_before = cpu_time();
        }
        let left = period_end - clock.now();
        if !left.is_zero() {
            thread::park_timeout(left);
        }
        period = (clock.now().elapsed().as_micros() / PERIOD.as_micros()) as u32;
    }
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

/// Holds this much memory, resident, until standard input ends or the time is up. Takes less when the
/// host has not enough: never more than what is available beyond [`reserve`].
pub fn hold_memory(amount: Bytes, limit: Duration) -> io::Result<()> {
    // When memory runs out all the same, the kernel shall end us and nobody else. Older kernels and
    // strict sandboxes refuse, which does not make the burner less useful.
    std::fs::write("/proc/self/oom_score_adj", "1000").unwrap_or_default();
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut left = usize::try_from(amount.0).unwrap_or(usize::MAX);
    while left > 0 {
        let size = left.min(PIECE_BYTES);
        if available()?.0 < reserve()?.0 + size as u64 {
            break;
        }
        let mut piece = vec![0u8; size];
        // Memory that was never written to is not there.
        for page in piece.chunks_mut(PAGE_BYTES) {
            page[0] = 1;
        }
        held.push(std::hint::black_box(piece));
        left -= size;
    }
    ready()?;
    let ended = until_input_ends(limit);
    drop(std::hint::black_box(held));
    ended
}

/// Memory that programs could still get.
pub fn available() -> io::Result<Bytes> {
    meminfo("MemAvailable:")
}

/// Memory that is left to others, whatever a fault asks for: a twentieth of all, at least 128 MiB.
pub fn reserve() -> io::Result<Bytes> {
    Ok(Bytes((meminfo("MemTotal:")?.0 / 20).max(RESERVE_BYTES_MIN)))
}

fn meminfo(key: &str) -> io::Result<Bytes> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|it| it.strip_prefix(key));
    let kib = line.and_then(|it| it.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.map(|it| Bytes(it * 1024)).ok_or_else(|| io::Error::other(format!("no {key} in meminfo")))
}

fn ready() -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(b"ready\n")?;
    out.flush()
}

fn until_input_ends(limit: Duration) -> io::Result<()> {
    let clock = SystemClock::start();
    let input = rustix::stdio::stdin();
    loop {
        let left = limit.saturating_sub(clock.now().elapsed());
        if left.is_zero() {
            return Ok(());
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match rustix::io::read(input, &mut [0u8; 64]) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn there_is_memory_and_some_of_it_is_reserved() {
        assert!(available().unwrap().0 > 0);
        assert!(reserve().unwrap().0 >= RESERVE_BYTES_MIN);
    }

    #[test]
    fn arguments_that_make_no_sense_are_refused() {
        for wrong in
            [&["cpu", "1.5", "1", "1"][..], &["memory", "x", "1"], &["memory", "1", "-1"], &[]]
        {
            let wrong: Vec<String> = wrong.iter().map(|it| (*it).to_owned()).collect();
            assert_eq!(Work::read(&wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn work_survives_its_arguments(percent in 0u32..=100, cores: u32, amount: u64, millis in 0u64..1_000_000) {
            let limit = Duration::from_millis(millis);
            for work in [Work::Cpu { load: Ratio::percent(percent), cores }, Work::Memory { amount: Bytes(amount) }] {
                let (read, back) = Work::read(&work.arguments(limit)).unwrap();
                prop_assert_eq!(read, work);
                prop_assert!(back.abs_diff(limit) < Duration::from_micros(1));
            }
        }
    }
}
