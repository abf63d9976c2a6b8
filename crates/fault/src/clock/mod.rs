//! Clocks of processes that run, set ahead or back for them alone.
//!
//! ```text
//! program ─▶ libc ─▶ vDSO: clock_gettime, gettimeofday, time
//!                      │ its first bytes: a jump of ours
//!                      ▼
//!                    stub, at the end of the same pages ─▶ system call ─▶ the true time, plus the offset
//! ```
//!
//! The vDSO is mapped into a process as its own, and a tracer may write there as where it sets a breakpoint; then the
//! kernel copies the page for this process, and nobody else sees it. While every thread stands still, the stub is laid
//! behind the code, and the first word of each function gets a jump to it: each by one write, so that at any moment
//! either the old or the new is there. The code itself stays, so that whoever is in the middle of it ends it in peace.
//!
//! Children inherit the pages, also those that are started meanwhile. So it is undone by looking through all processes
//! that are younger for stubs with our mark. The first words are written back; the stub stays, and is never reached
//! again: a handler of signals may still return into it.

mod stub;
#[cfg(test)]
mod tests;
mod vdso;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::time::Duration;

use evenkeel_units::duration::seconds;
use evenkeel_units::{Human, Offset};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use self::stub::{ENTRIES, SIZE, Settings};
use self::vdso::Vdso;
use crate::need::PlanError;
use crate::process::still::{Still, pause};
use crate::process::{Process, stat};

/// How often a process is stopped anew because a thread was amid what is to be written.
const TRIES: usize = 200;
/// How long it runs in between.
const BETWEEN: Duration = Duration::from_millis(1);
/// How often all processes are looked through: who starts others faster than we look has to end some day.
const ROUNDS: usize = 100;
/// The size of a jump.
const JUMP: usize = 5;
/// What is written at once.
const WORD: usize = 8;

/// The clocks of some processes, off by the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skew {
    /// Whose.
    pub processes: Vec<Process>,
    /// By how much.
    #[serde(rename = "offset_seconds")]
    pub offset: Offset,
    /// Tells our stubs from those of other runs.
    pub mark: u64,
    /// It ends by itself after this time.
    #[serde(rename = "limit_seconds", with = "seconds")]
    pub limit: Duration,
}

/// Why the clock of a process could not be set.
#[derive(Debug, thiserror::Error)]
#[error("cannot set the clock of {process}")]
pub struct ClockError {
    process: Process,
    #[source]
    pub(crate) error: io::Error,
}

impl Skew {
    /// Whether it can be done, as far as can be told without doing it.
    pub(crate) fn must_fit(&self) -> Result<(), PlanError> {
        let ours = Ours::new().map_err(|it| PlanError::Unfit(it.to_string()))?;
        for process in &self.processes {
            process.must_be_traceable("")?;
            if process.is_strict()? {
                let message =
                    format!("{process} may make no system call that would tell the time (seccomp)");
                return Err(PlanError::Unfit(message));
            }
            match ours.look(process.pid)? {
                Look::Untouched(_) => {}
                Look::Strange => {
                    let message = format!(
                        "the code by which {process} asks for the time is not the one that this kernel gives to programs of \
                         64 bits: it has none, is of 32 bits, or somebody has changed it"
                    );
                    return Err(PlanError::Unfit(message));
                }
                Look::Stubbed { .. } => {
                    let message =
                        format!("the clock of {process} is off already: another fault acts on it");
                    return Err(PlanError::Unfit(message));
                }
            }
        }
        Ok(())
    }

    /// Sets the clocks.
    pub(crate) fn apply(&self) -> Result<(), ClockError> {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
        let limit = i64::try_from(self.limit.as_secs()).unwrap_or(i64::MAX);
        let until = now.saturating_add(limit).saturating_add(1);
        let settings = Settings { mark: self.mark, offset: self.offset.parts(), until };
        for process in &self.processes {
            let set = || Ours::new()?.stub(process, &settings);
            set().map_err(|error| ClockError { process: process.clone(), error })?;
        }
        Ok(())
    }

    /// Of how many processes the clock is as we set it.
    pub(crate) fn held(&self) -> usize {
        let held = |ours: &Ours, it: &Process| {
            it.is_alive()
                && ours.look(it.pid).is_ok_and(
                    |it| matches!(it, Look::Stubbed { mark, whole: true, .. } if mark == self.mark),
                )
        };
        let Ok(ours) = Ours::new() else { return 0 };
        self.processes.iter().filter(|it| held(&ours, it)).count()
    }

    /// Sets right what carries our mark. `false`: nothing does.
    pub(crate) fn undo(&self) -> Result<bool, ClockError> {
        let Some(first) = self.processes.iter().min_by_key(|it| it.start_time) else {
            return Ok(false);
        };
        let failed = |process: &Process, error| ClockError { process: process.clone(), error };
        let ours = Ours::new().map_err(|it| failed(first, it))?;
        let (mut undone, mut quiet, mut trouble) = (false, 0, BTreeMap::new());
        for _ in 0..ROUNDS {
            let mut found = false;
            for process in younger(first.start_time).map_err(|it| failed(first, it))? {
                if trouble.contains_key(&process) {
                    continue;
                }
                match ours.look(process.pid) {
                    Ok(Look::Stubbed { mark, .. }) if mark == self.mark => {
                        found = true;
                        match ours.restore(&process, self.mark) {
                            Ok(()) => undone = true,
                            Err(error) => drop(trouble.insert(process, error)),
                        }
                    }
                    Err(error) if process.is_alive() && self.processes.contains(&process) => {
                        trouble.insert(process, error);
                    }
                    // Somebody else's, or one that may not be looked into: then we have not written there, either.
                    Ok(_) | Err(_) => {}
                }
            }
            quiet = if found { 0 } else { quiet + 1 };
            // Twice: whoever was just being started may not have been in the list, and its parent gone since.
            if quiet == 2 {
                // Those that could be set right are.
                return trouble
                    .pop_first()
                    .map_or(Ok(undone), |(it, error)| Err(failed(&it, error)));
            }
        }
        let error = io::Error::other("others are started with it faster than they are set right");
        Err(failed(first, error))
    }

    /// What a person would type.
    pub(crate) fn by_hand(&self) -> String {
        let pids: Vec<_> = self.processes.iter().map(|it| it.pid.to_string()).collect();
        format!(
            "kill {}   # and start it again; its clock is also right {} after it was set",
            pids.join(" "),
            Human(self.limit)
        )
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.processes.iter().map(Process::to_string).collect();
        names.join(", ")
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the clock of {}", self.names())
    }
}

/// Living processes that started no earlier than this, without ourselves.
fn younger(start_time: u64) -> io::Result<Vec<Process>> {
    let own = std::process::id();
    let all = stat::all()?.into_iter();
    let fits = |it: &stat::Stat| {
        it.start_time >= start_time && it.pid != own && it.is_alive() && !it.is_kernel_thread
    };
    Ok(all.filter(fits).map(Process::from).collect())
}

/// How the three functions of a process are; with the address of its vDSO.
enum Look {
    /// As the kernel gave them out.
    Untouched(u64),
    /// At least one of them leads elsewhere, and a stub with this mark lies there.
    Stubbed { at: u64, mark: u64, whole: bool },
    /// Neither.
    Strange,
}

/// The kernel's code, and what is made of it.
struct Ours {
    vdso: Vdso,
    /// Where the stub lies.
    stub: usize,
    /// For each function: where its first word lies, as the kernel gave it out, and with our jump.
    words: [(usize, [u8; WORD], [u8; WORD]); 3],
}

impl Ours {
    fn new() -> io::Result<Self> {
        let vdso = Vdso::own()?;
        let no_room = || io::Error::other("the vDSO of this kernel leaves no room behind its code");
        let stub = vdso.image.len().checked_sub(SIZE).filter(|it| *it >= vdso.loaded);
        let stub = stub.ok_or_else(no_room)?;
        let word = |(begin, entry): (usize, usize)| {
            let at = begin / WORD * WORD;
            let jump = (begin - at)..(begin - at + JUMP);
            let kernel = *vdso.image.get(at..)?.first_chunk::<WORD>()?;
            let mut ours = kernel;
            // `jmp`, and how far from its end.
            let far = i32::try_from((stub + entry).checked_sub(begin + JUMP)?).ok()?;
            let [a, b, c, d] = far.to_le_bytes();
            ours.get_mut(jump)?.copy_from_slice(&[0xe9, a, b, c, d]);
            Some((at, kernel, ours))
        };
        let [a, b, c] = [0, 1, 2].map(|it| word((vdso.functions[it], ENTRIES[it])));
        let words = a.zip(b).zip(c).map(|((a, b), c)| [a, b, c]);
        let words = words.ok_or_else(|| {
            io::Error::other("the functions of the vDSO of this kernel begin where no jump fits")
        })?;
        Ok(Self { vdso, stub, words })
    }

    /// Looks into a process; it fails where that is not permitted, or it is gone.
    fn look(&self, pid: u32) -> io::Result<Look> {
        let Some(place) =
            vdso::place(pid)?.filter(|it| it.end - it.start == self.vdso.image.len() as u64)
        else {
            return Ok(Look::Strange);
        };
        let image = vdso::read(pid, place.start, self.vdso.image.len())?;
        let is = |bytes: &[u8], at: usize| image.get(at..at + WORD) == Some(bytes);
        let ours = self.words.iter().filter(|(at, _, ours)| is(ours, *at)).count();
        if ours > 0 {
            let mark = image.get(self.stub..).and_then(stub::mark);
            let stubbed =
                |mark| Look::Stubbed { at: place.start, mark, whole: ours == self.words.len() };
            return Ok(mark.map_or(Look::Strange, stubbed));
        }
        let loaded = ..self.vdso.loaded;
        match image.get(loaded) == self.vdso.image.get(loaded) {
            true => Ok(Look::Untouched(place.start)),
            false => Ok(Look::Strange),
        }
    }

    /// Lays a stub, and leads the functions there.
    fn stub(&self, process: &Process, settings: &Settings) -> io::Result<()> {
        let mut written = self.begins();
        written.push(self.stub..self.stub + SIZE);
        let settled = amid(process, &written, |thread| {
            let Look::Untouched(at) = self.look(process.pid)? else {
                return Err(io::Error::other("it has been changed by somebody else"));
            };
            for (n, word) in settings.stub().chunks_exact(WORD).enumerate() {
                write(thread, at + (self.stub + n * WORD) as u64, word)?;
            }
            for (place, _, ours) in &self.words {
                write(thread, at + *place as u64, ours)?;
            }
            Ok(
                matches!(self.look(process.pid)?, Look::Stubbed { mark, whole: true, .. } if mark == settings.mark),
            )
        })?;
        match settled {
            Some(true) => Ok(()),
            Some(false) => Err(io::Error::other("the kernel took the change and does not show it")),
            None => Err(io::Error::other("it is not there any more")),
        }
    }

    /// Writes back what the kernel gave out, where the jumps are ours.
    fn restore(&self, process: &Process, own: u64) -> io::Result<()> {
        // Whoever is amid the stub ends it there.
        let settled = amid(process, &self.begins(), |thread| {
            if let Look::Stubbed { at, mark, .. } = self.look(process.pid)?
                && mark == own
            {
                for (place, kernel, ours) in &self.words {
                    if vdso::read(process.pid, at + *place as u64, WORD)? == ours {
                        write(thread, at + *place as u64, kernel)?;
                    }
                }
            }
            Ok(!matches!(self.look(process.pid)?, Look::Stubbed { mark, .. } if mark == own))
        })?;
        match settled {
            Some(true) | None => Ok(()),
            Some(false) => Err(io::Error::other("the kernel took the change and does not show it")),
        }
    }

    /// The bytes of each function that become a jump, but for the first: whoever is there has not begun yet.
    fn begins(&self) -> Vec<Range<usize>> {
        self.vdso.functions.iter().map(|it| it + 1..it + JUMP).collect()
    }
}

/// Does something while every thread of a process stands still, and none amid these bytes. `None`: it is gone.
fn amid<T>(
    process: &Process,
    written: &[Range<usize>],
    work: impl Fn(Pid) -> io::Result<T>,
) -> io::Result<Option<T>> {
    let wait = |time| {
        pause(time);
        Ok(false)
    };
    for _ in 0..TRIES {
        let still = match Still::of(process, wait) {
            Ok(it) => it,
            Err(_) if !process.is_alive() => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(thread) = still.threads().next() else { return Ok(None) };
        if is_clear(process.pid, &still, written)? {
            return work(thread).map(Some);
        }
        drop(still);
        pause(BETWEEN);
    }
    Err(io::Error::other("one of its threads is always amid asking for the time"))
}

/// Whether no thread would run on in the middle of what is written.
fn is_clear(pid: u32, still: &Still, written: &[Range<usize>]) -> io::Result<bool> {
    let Some(place) = vdso::place(pid)? else { return Ok(true) };
    for thread in still.threads() {
        let at = match instruction(thread) {
            Ok(it) => it,
            // Killed meanwhile.
            Err(Errno::ESRCH) => continue,
            Err(error) => return Err(error.into()),
        };
        let at = at.checked_sub(place.start).and_then(|it| usize::try_from(it).ok());
        if at.is_some_and(|at| written.iter().any(|it| it.contains(&at))) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The instruction that a thread that stands still runs next.
#[cfg(target_arch = "x86_64")]
fn instruction(thread: Pid) -> Result<u64, Errno> {
    ptrace::getregs(thread).map(|it| it.rip)
}

/// No clock of another machine is set.
#[cfg(not(target_arch = "x86_64"))]
fn instruction(_: Pid) -> Result<u64, Errno> {
    Err(Errno::ENOSYS)
}

/// Writes one word as a debugger does, so that the kernel makes the page the process's own.
fn write(thread: Pid, at: u64, word: &[u8]) -> io::Result<()> {
    let word = word.first_chunk().map(|it| i64::from_le_bytes(*it)).unwrap_or_default();
    Ok(ptrace::write(thread, std::ptr::without_provenance_mut(at as usize), word)?)
}
