//! Mending: carrying out an undo, and reading back that it worked.
//!
//! The tool, its guardian and `recover` all mend with this, so it does not matter which of them gets
//! there first: a second time is harmless. Whoever is gone, or somebody else by now, is left alone.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_model::document::Finder;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::clock::{ClockError, Skew};
use crate::discipline::Discipline;
use crate::engine::{EngineError, Run, Verb, off_the_loop};
use crate::image::{Secret, start};
use crate::journal::Journal;
use crate::kubernetes::{self, Change, ClusterError};
use crate::mount;
use crate::plan::{MARK, Undo};
use crate::process::namespace::{Namespace, Place};
use crate::process::stat::{self, Stat};
use crate::process::{Process, State, find, heads};
use crate::run::RunError;
use crate::unit::Unit;

/// How often it is looked whether something has come about.
const LOOK: Duration = Duration::from_millis(5);
/// How long a signal may take to act: the kernel needs microseconds, a loaded host sometimes more.
const SIGNAL_MAX: Duration = Duration::from_secs(2);
/// How long a request takes that nobody waits for any more.
const ON_ITS_WAY: Duration = Duration::from_millis(300);
/// How long a process that was told to end may take to do so.
pub(crate) const TERMINATE_MAX: Duration = Duration::from_secs(5);

/// What mending found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mended {
    /// It was broken, and is whole.
    Undone,
    /// There was nothing to mend.
    WasFine,
}

impl Mended {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Undone => "undone",
            Self::WasFine => "was fine",
        }
    }
}

/// Why something could not be mended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MendError {
    #[error("cannot signal {process}: {error}")]
    Signal { process: Process, error: io::Error },
    #[error("{what} is still there after 2s")]
    StillThere { what: String },
    #[error("{process} is still stopped after 2s")]
    StillStopped { process: Process },
    #[error("{process} was ended and its environment is lost: tool and guardian were both killed")]
    EnvironmentLost { process: Process },
    #[error("cannot start {process} again: {error}")]
    Start { process: Process, error: io::Error },
    #[error("cannot limit {process}: {error}")]
    Limit { process: Process, error: io::Error },
    #[error("{unit} was started, and is down after 2s")]
    Down { unit: Unit },
    #[error("cannot write the limits of {group} back: {error}")]
    Throttle { group: PathBuf, error: io::Error },
    #[error("cannot take the mount away from {path}: {error}")]
    Unmount { path: PathBuf, error: io::Error },
    #[error("{whole}: {error}", error = .whole.error)]
    Clock { whole: ClockError },
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(
        "it was done in other namespaces ({0}): run this there, such as by `nsenter --all --target PID`"
    )]
    Elsewhere(Box<Place>),
    #[error("cannot look through the processes of this host: {0}")]
    Look(#[from] io::Error),
}

/// Carries out an undo. `secret` is what starting a process again needs beside the journal.
pub(crate) async fn mend(undo: &Undo, secret: Option<&Secret>) -> Result<Mended, MendError> {
    match undo {
        Undo::None => Ok(Mended::WasFine),
        Undo::Continue { process } => go_on(process).await,
        Undo::KillGroup { leader, pgid } => kill_group(leader, *pgid).await,
        Undo::KillMarked { mark } => kill_marked(mark).await,
        Undo::EndStopped { process } => end_stopped(process).await,
        Undo::LimitFiles { process, ours, before } => limit_files(process, *ours, *before),
        Undo::Throttle(it) => match it.undo() {
            Ok(true) => Ok(Mended::Undone),
            Ok(false) => Ok(Mended::WasFine),
            Err(error) => Err(MendError::Throttle { group: it.group.clone(), error }),
        },
        Undo::Unskew(skew) => unskew(skew.clone()).await,
        Undo::StartUnit(unit) => start_unit(unit).await,
        Undo::RemoveDiscipline(it) => remove(it).await,
        Undo::Unmount { path, source } => unmount(path, source),
        Undo::PutBack(change) => Ok(put_back(change).await?),
        Undo::Unpause(run) => unpause(run.clone()).await,
        Undo::StartContainer(run) => start_container(run.clone()).await,
        // Whether there was anything to undo only the program knows.
        Undo::Run(argv) => Ok(argv.run(None).await.map(|_| Mended::Undone)?),
        Undo::StartAgain { process, program, arguments, directory, finder, after } => {
            // It may have been told to end and be about to.
            if !until(TERMINATE_MAX, || !process.is_alive()).await
                || successor(arguments, finder, *after)?.is_some()
            {
                return Ok(Mended::WasFine);
            }
            let lost = || MendError::EnvironmentLost { process: process.clone() };
            let secret = secret.ok_or_else(lost)?;
            start(program, arguments, directory, secret)
                .map_err(|error| MendError::Start { process: process.clone(), error })?;
            Ok(Mended::Undone)
        }
    }
}

/// Mends all that a journal holds open, the last first, and notes it there. Starting processes again
/// comes last, because it may have to wait. Returns how much could not be mended, or is not understood.
pub(crate) async fn mend_all<'a>(
    journal: &mut Journal,
    secret: impl Fn(usize) -> Option<&'a Secret>,
    mut note: impl FnMut(&Undo, Result<Mended, &MendError>),
) -> io::Result<usize> {
    let ledger = journal.read()?;
    let slow = |undo: &Undo| matches!(undo, Undo::StartAgain { .. } | Undo::StartContainer(_));
    let open = ledger.open.iter().rev();
    let (last, first): (Vec<_>, Vec<_>) = open.partition(|(_, (_, undo))| slow(undo));
    let mut failed = ledger.unreadable.len();
    // On another boot nothing is left of what only some namespaces knew.
    let is_of_now = ledger.boot.as_ref().is_none_or(|it| stat::is_of_this_boot(it));
    let (there, here) = (&ledger.place, Place::here());
    // Processes end with their namespace, and that with its first process. Asked only of what is far: all of the host is
    // looked through for it.
    let is_over = || ledger.tool.as_ref().is_some_and(|it| it.pid == 1) || there.is_over(&here);
    for (id, (_, undo)) in first.into_iter().chain(last) {
        let far = undo.depends_on().iter().find(|it| !there.shares(&here, **it));
        let mended = match far {
            Some(Namespace::Pid) if is_of_now && is_over() => Ok(Mended::WasFine),
            Some(_) if is_of_now => Err(MendError::Elsewhere(Box::new(there.clone()))),
            Some(_) | None => mend(undo, secret(*id)).await,
        };
        note(undo, mended.as_ref().copied());
        match mended {
            Ok(mended) => journal.done(*id, mended.name()),
            Err(error) => {
                failed += 1;
                journal.failed(*id, &error.to_string());
            }
        }
    }
    Ok(failed)
}

async fn go_on(process: &Process) -> Result<Mended, MendError> {
    // Sent in any case: a process that does not look stopped may have our stop waiting for it, because it
    // takes it only when it next runs. To continue discards that stop, and is nothing to one that runs.
    let was = process.state();
    signal(process, Signal::CONT)?;
    match until(SIGNAL_MAX, || process.state() != State::Stopped).await {
        true if was == State::Stopped => Ok(Mended::Undone),
        true => Ok(Mended::WasFine),
        false => Err(MendError::StillStopped { process: process.clone() }),
    }
}

async fn end_stopped(process: &Process) -> Result<Mended, MendError> {
    if process.state() != State::Stopped {
        return Ok(Mended::WasFine);
    }
    signal(process, Signal::KILL)?;
    match until(SIGNAL_MAX, || !process.is_alive()).await {
        true => Ok(Mended::Undone),
        false => Err(MendError::StillThere { what: process.to_string() }),
    }
}

async fn kill_group(leader: &Process, pgid: u32) -> Result<Mended, MendError> {
    // While its leader is there, even as a zombie, the number of a group cannot be given to another.
    // Members that outlive it are told by their mark.
    let alive = || stat::all().map(|it| it.into_iter().any(|it| it.group == pgid && it.is_alive()));
    let ours = leader.stat().is_some_and(|it| it.group == pgid);
    let own = Stat::of(std::process::id()).map(|it| it.group);
    if !ours || own == Some(pgid) || !alive()? {
        return Ok(Mended::WasFine);
    }
    let number = i32::try_from(pgid).ok().and_then(Pid::from_raw);
    let sent = number.map_or(Ok(()), |it| kill_process_group(it, Signal::KILL));
    if let Err(error) = sent
        && error != Errno::SRCH
    {
        return Err(MendError::Signal { process: leader.clone(), error: error.into() });
    }
    match until(SIGNAL_MAX, || alive().is_ok_and(|it| !it)).await {
        true => Ok(Mended::Undone),
        false => Err(MendError::StillThere { what: format!("process group {pgid}") }),
    }
}

/// A run of ours is started again also while it still ends; starting one that goes on does nothing.
async fn start_unit(unit: &Unit) -> Result<Mended, MendError> {
    if !unit.runs()? && !unit.is_down()? {
        return Ok(Mended::WasFine);
    }
    unit.start().await?;
    match until(SIGNAL_MAX, || unit.is_down().is_ok_and(|it| !it)).await {
        true if unit.runs()? => Ok(Mended::WasFine),
        true => Ok(Mended::Undone),
        false => Err(MendError::Down { unit: unit.clone() }),
    }
}

async fn remove(discipline: &Discipline) -> Result<Mended, MendError> {
    if !discipline.is_there()? {
        return Ok(Mended::WasFine);
    }
    discipline.remove().await?;
    let what = || format!("our queueing discipline on {}", discipline.interface);
    match discipline.is_there()? {
        true => Err(MendError::StillThere { what: what() }),
        false => Ok(Mended::Undone),
    }
}

/// What seems to be as before is looked at twice: a request of a tool that was killed may still be on its way.
async fn put_back(change: &Change) -> Result<Mended, ClusterError> {
    let take_back = || {
        let it = change.clone();
        off_the_loop(move || it.take_back())
    };
    let mut found = take_back().await?;
    if found == kubernetes::Mended::AsBefore {
        tokio::time::sleep(ON_ITS_WAY).await;
        found = take_back().await?;
    }
    Ok(match found {
        kubernetes::Mended::Undone => Mended::Undone,
        kubernetes::Mended::AsBefore | kubernetes::Mended::Foreign => Mended::WasFine,
    })
}

fn unmount(path: &Path, source: &str) -> Result<Mended, MendError> {
    let failed = |error| MendError::Unmount { path: path.to_owned(), error };
    match mount::detach(path, source).map_err(failed)? {
        false => Ok(Mended::WasFine),
        true if mount::is_there(path, source).map_err(failed)? => {
            Err(MendError::StillThere { what: format!("{source} on {}", path.display()) })
        }
        true => Ok(Mended::Undone),
    }
}

async fn unskew(skew: Skew) -> Result<Mended, MendError> {
    let undo = move || skew.undo();
    match off_the_loop(undo).await.map_err(|whole| MendError::Clock { whole })? {
        true => Ok(Mended::Undone),
        false => Ok(Mended::WasFine),
    }
}

/// As with [`put_back`], the request of a tool that was killed may still be on its way.
async fn unpause(run: Run) -> Result<Mended, MendError> {
    let is_paused = || {
        let seen = run.clone();
        off_the_loop(move || seen.is_hit(&Verb::Pause))
    };
    if !is_paused().await? {
        tokio::time::sleep(ON_ITS_WAY).await;
        if !is_paused().await? {
            return Ok(Mended::WasFine);
        }
    }
    let frozen = run.clone();
    match off_the_loop(move || frozen.thaw()).await? {
        true => Ok(Mended::Undone),
        false => Err(EngineError::Unmoved { verb: "unpause", run: Box::new(run) }.into()),
    }
}

async fn start_container(run: Run) -> Result<Mended, MendError> {
    let mut waited = Duration::ZERO;
    let is_down = loop {
        let seen = run.clone();
        match off_the_loop(move || seen.state()).await? {
            Some(state) if !state.running => break true,
            // It may have been told to end and be about to.
            Some(_) if waited < run.stop => {}
            Some(_) | None => break false,
        }
        tokio::time::sleep(LOOK * 10).await;
        waited += LOOK * 10;
    };
    if !is_down {
        return Ok(Mended::WasFine);
    }
    let down = run.clone();
    match off_the_loop(move || down.start_again()).await? {
        true => Ok(Mended::Undone),
        false => Err(EngineError::Unmoved { verb: "start", run: Box::new(run) }.into()),
    }
}

fn limit_files(process: &Process, ours: u64, before: Option<u64>) -> Result<Mended, MendError> {
    let failed = |error| MendError::Limit { process: process.clone(), error };
    // Gone, somebody else by now, or given another limit by others.
    let put_back = || {
        let is_ours = process.is_alive() && process.open_files_limit()? == Some(ours);
        Ok(is_ours && process.limit_open_files(before)?)
    };
    match put_back() {
        Ok(true) => Ok(Mended::Undone),
        Err(error) if process.is_alive() => Err(failed(error)),
        Ok(false) | Err(_) => Ok(Mended::WasFine),
    }
}

async fn kill_marked(mark: &str) -> Result<Mended, MendError> {
    let mut mended = Mended::WasFine;
    let mut quiet = 0;
    for _ in 0..100 {
        let marked = marked(mark)?;
        quiet = if marked.is_empty() { quiet + 1 } else { 0 };
        // Twice: a child that was just being started shows its mark only a moment later.
        if quiet == 2 {
            return Ok(mended);
        }
        for process in marked {
            signal(&process, Signal::KILL)?;
            mended = Mended::Undone;
        }
        tokio::time::sleep(LOOK * 2).await;
    }
    Err(MendError::StillThere { what: format!("a process started under {MARK}={mark}") })
}

/// Living processes that were started under a mark or one below it.
pub(crate) fn marked(mark: &str) -> io::Result<Vec<Process>> {
    let own = std::process::id();
    let fits = |found: &str| {
        found.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let pids = stat::pids()?.into_iter().filter(|it| *it != own && *it != 1);
    let marked = pids.filter(|it| stat::variable(*it, MARK).is_some_and(|it| fits(&it)));
    Ok(marked.filter_map(Process::of).filter(Process::is_alive).collect())
}

/// Who runs in the place of a process that ended: found in the same way, or with the same arguments,
/// and started after this many ticks since boot.
pub(crate) fn successor(
    arguments: &[String],
    finder: &Finder,
    after: u64,
) -> io::Result<Option<Process>> {
    // A worker that somebody else has just forked takes no place of one that ended.
    let younger = |all| heads(all).into_iter().find(|it| it.start_time >= after);
    if let Some(found) = younger(find(finder)?) {
        return Ok(Some(found));
    }
    let alike = stat::all()?.into_iter().filter(|it| {
        let found = stat::arguments(it.pid);
        !found.is_empty()
            && it.is_alive()
            && found.len() == arguments.len()
            && found.iter().zip(arguments).all(|(found, ours)| found == ours.as_str())
    });
    let alike = alike.filter(|it| it.pid != std::process::id()).map(Process::from);
    Ok(younger(alike.collect()))
}

fn signal(process: &Process, signal: Signal) -> Result<bool, MendError> {
    process.signal(signal).map_err(|error| MendError::Signal { process: process.clone(), error })
}

/// Waits until something is so, at most this long. `false`: it never was.
pub(crate) async fn until(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let look = async {
        while !is_so() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(limit, look).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    fn sleeper() -> (Child, Process) {
        let child = Command::new("sleep").arg("300").process_group(0).spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        (child, process)
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn continuing_twice_is_harmless() {
        let (child, process) = sleeper();
        process.signal(Signal::STOP).unwrap();
        assert!(until(SIGNAL_MAX, || process.state() == State::Stopped).await);
        let undo = Undo::Continue { process };
        assert_eq!(mend(&undo, None).await.unwrap(), Mended::Undone);
        assert_eq!(mend(&undo, None).await.unwrap(), Mended::WasFine);
        end(child);
    }

    #[tokio::test]
    async fn a_stranger_who_got_the_number_is_left_alone() {
        let (child, process) = sleeper();
        process.signal(Signal::STOP).unwrap();
        assert!(until(SIGNAL_MAX, || process.state() == State::Stopped).await);
        let mut earlier = process.clone();
        earlier.start_time -= 1;
        let pgid = process.pid;
        for undo in [
            Undo::Continue { process: earlier.clone() },
            Undo::KillGroup { leader: earlier, pgid },
            Undo::KillMarked { mark: format!("nobody-{pgid}") },
        ] {
            assert_eq!(mend(&undo, None).await.unwrap(), Mended::WasFine, "{undo}");
        }
        assert_eq!(process.state(), State::Stopped);
        end(child);
    }

    #[test]
    fn a_worker_that_somebody_else_forks_takes_nobodys_place() {
        let script = "exec 3<&0; read go; (read never <&3; :) & echo forked; wait";
        let mut master = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = master.stdin.take().unwrap();
        let mut said = BufReader::new(master.stdout.take().unwrap()).lines();
        let process = Process::of(master.id()).unwrap();
        let after = process.start_time + 1;
        // Ticks are hundredths of a second: the next one comes soon.
        while stat::ticks_since_boot() <= after {
            std::thread::yield_now();
        }
        writeln!(input, "go").unwrap();
        assert_eq!(said.next().unwrap().unwrap(), "forked");
        let arguments = stat::arguments(master.id());
        let words: Vec<String> =
            arguments.iter().map(|it| it.to_string_lossy().into_owned()).collect();
        let forked = stat::all().unwrap().into_iter().find(|it| it.parent == master.id()).unwrap();
        assert!(forked.start_time >= after && stat::arguments(forked.pid) == arguments);
        let finder = Finder::CommandLine(format!("*{script}*"));
        assert_eq!(successor(&words, &finder, after).unwrap(), None);
        assert_eq!(successor(&words, &finder, after - 1).unwrap(), Some(process));
        drop(input);
        master.wait().unwrap();
    }

    #[tokio::test]
    async fn a_group_is_killed_once() {
        let (child, process) = sleeper();
        let undo = Undo::KillGroup { pgid: process.pid, leader: process };
        assert_eq!(mend(&undo, None).await.unwrap(), Mended::Undone);
        assert_eq!(mend(&undo, None).await.unwrap(), Mended::WasFine);
        end(child);
    }

    #[tokio::test]
    async fn without_its_environment_nothing_is_started_again() {
        let (child, process) = sleeper();
        end(child);
        let undo = Undo::StartAgain {
            process,
            program: "/bin/sleep".into(),
            arguments: vec!["sleep".to_owned(), "never-started".to_owned()],
            directory: "/".into(),
            finder: Finder::Executable("no-such-program".to_owned()),
            after: u64::MAX,
        };
        let error = mend(&undo, None).await.unwrap_err().to_string();
        assert!(error.contains("its environment is lost"), "{error}");
    }
}
