//! Acting: carrying out one step, and what is needed later to end it and to show that it acted.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::document::Finder;
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::clock::{ClockError, Skew};
use crate::discipline::{Discipline, Passed};
use crate::engine::{EngineError, Fate, Run, Verb, off_the_loop};
use crate::holder::{Counters, Holder, HolderError};
use crate::image::{Image, start};
use crate::kind::{Down, Held, Limited, Paused, Restarted, Skewed, Throttled};
use crate::kubernetes::{Change, ClusterError};
use crate::mend::{TERMINATE_MAX, successor, until};
use crate::plan::Argv;
use crate::process::stat::{since_boot, ticks_since_boot};
use crate::process::{Process, State};
use crate::proxy::{Counts, Proxy, Toxic};
use crate::run::RunError;
use crate::throttle::Throttle;
use crate::unit::Unit;

/// How long a signal may take to act.
const SIGNAL_MAX: Duration = Duration::from_secs(2);
/// How long others have to start a process again before we do.
const OTHERS_MAX: Duration = Duration::from_secs(1);
/// How long an engine may take to see what became of a container, and how often it is asked.
const ENGINE_MAX: Duration = Duration::from_secs(10);
const ENGINE_LOOK: Duration = Duration::from_millis(20);
/// A process that was started and ends within this time has not come back.
const SETTLED: Duration = Duration::from_millis(100);

/// A step that was carried out.
#[derive(Debug)]
pub(crate) enum Deed {
    Laid { link: String, toxic: Toxic, counts: Arc<Counts>, refused: bool },
    Stopped { process: Process, since: Duration },
    Killed,
    Restarting(JoinHandle<Restarted>),
    Held(Box<Holder>),
    Limited { process: Process, limit: u64 },
    Throttled { throttle: Throttle, bytes: u64, since: Duration },
    Skewed { skew: Skew, since: Duration },
    Ran { said: String },
    Down { unit: Unit, since: Duration },
    Shaped(Discipline),
    Container { verb: Verb, run: Run, since: Duration },
    Set { change: Change, since: Duration },
}

/// What a deed did, once it is over.
#[derive(Debug)]
pub(crate) enum Did {
    /// `refused`: connects of ours were refused, at the beginning and at the end.
    Link {
        counts: Arc<Counts>,
        refused: bool,
    },
    Stopped(Paused),
    Killed,
    Restarted(Restarted),
    Held(Counters),
    Limited(Limited),
    Throttled(Throttled),
    Skewed(Skewed),
    Down(Down),
    /// What a discipline did with packets.
    Shaped(Passed),
    Container(Verb, Fate),
    Set(Change, Held),
    Ran {
        said: String,
    },
    /// What held it was gone before its time, and why.
    Lost(String),
}

impl Did {
    /// What a child of ours counted.
    pub(crate) const fn held(&self) -> Option<&Counters> {
        match self {
            Self::Held(counters) => Some(counters),
            _ => None,
        }
    }
}

impl Deed {
    /// Whether nothing of it goes on by itself.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Restarting(work) => work.is_finished(),
            _ => true,
        }
    }

    /// Ends it, as far as it has to be ended by us; what is in the journal is undone after it. `None` when nothing can
    /// be said about what it did.
    pub(crate) async fn end(
        self,
        fault: usize,
        proxy: &mut Proxy,
        errors: &mut Vec<String>,
    ) -> Option<Did> {
        match self {
            Self::Laid { link, toxic, counts, refused } => {
                let refused = refused && toxic == Toxic::Refuse && refuses(proxy, &link).await;
                let lifted = proxy.lift(&link, fault).await;
                errors.extend(lifted.err().map(|it| it.to_string()));
                Some(Did::Link { counts, refused })
            }
            Self::Stopped { process, since } => Some(Did::Stopped(Paused {
                held: process.state() == State::Stopped,
                time: since_boot().saturating_sub(since),
            })),
            Self::Killed => Some(Did::Killed),
            Self::Limited { process, limit } => Some(Did::Limited(Limited {
                held: process.open_files_limit().is_ok_and(|it| it == Some(limit)),
                open: process.open_files(),
            })),
            Self::Throttled { throttle, bytes, since } => Some(Did::Throttled(Throttled {
                held: throttle.held().unwrap_or(false),
                bytes: throttle.bytes().unwrap_or_default().saturating_sub(bytes),
                time: since_boot().saturating_sub(since),
            })),
            Self::Skewed { skew, since } => {
                let time = since_boot().saturating_sub(since);
                let (processes, offset) = (skew.processes.len(), skew.offset);
                let held = off_the_loop(move || skew.held()).await;
                Some(Did::Skewed(Skewed { processes, held, offset, time }))
            }
            Self::Ran { said } => Some(Did::Ran { said }),
            Self::Shaped(discipline) => match discipline.passed() {
                Ok(passed) => Some(Did::Shaped(passed)),
                Err(error) => Some(Did::Lost(error.to_string())),
            },
            Self::Down { unit, since } => Some(Did::Down(Down {
                held: unit.is_down().unwrap_or(false),
                time: since_boot().saturating_sub(since),
            })),
            Self::Set { change, since } => {
                let asked = change.clone();
                match off_the_loop(move || asked.holds()).await {
                    Ok(to_the_end) => {
                        let time = since_boot().saturating_sub(since);
                        Some(Did::Set(change, Held { to_the_end, time }))
                    }
                    Err(error) => Some(Did::Lost(error.to_string())),
                }
            }
            Self::Container { verb, run, since } => {
                let time = since_boot().saturating_sub(since);
                let asked = verb.clone();
                match off_the_loop(move || run.fate(&asked, time)).await {
                    Ok(fate) => Some(Did::Container(verb, fate)),
                    Err(error) => Some(Did::Lost(error.to_string())),
                }
            }
            Self::Restarting(work) => match work.await {
                Ok(it) => {
                    errors.extend(it.error.clone());
                    Some(Did::Restarted(it))
                }
                Err(error) => {
                    errors.push(format!("the restart was cut short: {error}"));
                    None
                }
            },
            Self::Held(holder) => match holder.end().await {
                Ok(Ok(counters)) => Some(Did::Held(counters)),
                Ok(Err(error)) => Some(Did::Lost(error.to_string())),
                Err(error) => {
                    errors.push(format!("a child of ours is still there: {error}"));
                    None
                }
            },
        }
    }
}

/// Why a step could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// It ended in between.
    #[error("{0} is not there any more")]
    Gone(Process),
    /// The signal had no effect.
    #[error("{0} took the signal and did not change within 2s")]
    Unmoved(Process),
    /// The signal could not be sent.
    #[error("cannot signal {process}")]
    Signal {
        /// To whom.
        process: Process,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// What it takes to start it again cannot be read.
    #[error("cannot restart {process}: what it takes to start it again cannot be read")]
    Image {
        /// Whom.
        process: Process,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The child of ours does not hold it.
    #[error(transparent)]
    Holder(#[from] HolderError),
    /// It was stopped, and runs.
    #[error("{0} was stopped, and runs: something starts it again")]
    Up(Unit),
    /// The program did not do as told.
    #[error("{0}")]
    Run(#[from] RunError),
    /// The limit could not be set.
    #[error("cannot limit {process}")]
    Limit {
        /// Whose.
        process: Process,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The clock could not be set.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The cluster did not do as told.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The engine did not do as told.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Another run goes on, or none.
    #[error("{0} is not in the same run any more")]
    Over(Box<Run>),
    /// The control group takes no limits.
    #[error("cannot limit the control group {group}")]
    Throttle {
        /// Which.
        group: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The link did not do as told.
    #[error(transparent)]
    Proxy(#[from] crate::proxy::ProxyError),
}

pub(crate) async fn lay(
    proxy: &mut Proxy,
    link: String,
    fault: usize,
    toxic: Toxic,
    limit: Duration,
) -> Result<Deed, ActError> {
    let counts = match proxy.lay(&link, fault, toxic.clone(), Some(limit)).await {
        Ok(counts) => counts,
        Err(error) => {
            // What made it fail is the one worth telling.
            proxy.lift(&link, fault).await.unwrap_or_default();
            return Err(error.into());
        }
    };
    let refused = toxic == Toxic::Refuse && refuses(proxy, &link).await;
    Ok(Deed::Laid { link, toxic, counts, refused })
}

/// Whether a connect of ours to the link is refused.
async fn refuses(proxy: &Proxy, link: &str) -> bool {
    let Some(address) = proxy.address(link) else { return false };
    let connect = tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(address)).await;
    matches!(connect, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
}

pub(crate) async fn stop(process: Process) -> Result<Deed, ActError> {
    signal(&process, Signal::STOP)?;
    if until(SIGNAL_MAX, || process.state() != State::Running).await {
        return Ok(Deed::Stopped { process, since: since_boot() });
    }
    Err(ActError::Unmoved(process))
}

pub(crate) fn limit_files(
    process: Process,
    limit: u64,
    before: Option<u64>,
) -> Result<Deed, ActError> {
    let set = || match process.open_files_limit()? == before {
        true => process.limit_open_files(Some(limit)),
        false => Err(io::Error::other("its limit has changed since the fault was planned")),
    };
    match set() {
        Ok(true) => Ok(Deed::Limited { process, limit }),
        Err(error) if process.is_alive() => Err(ActError::Limit { process, error }),
        Ok(false) | Err(_) => Err(ActError::Gone(process)),
    }
}

pub(crate) fn throttle(throttle: Throttle) -> Result<Deed, ActError> {
    let failed = |error| ActError::Throttle { group: throttle.group.clone(), error };
    let bytes = throttle.bytes().map_err(failed)?;
    throttle.apply().map_err(failed)?;
    Ok(Deed::Throttled { throttle, bytes, since: since_boot() })
}

pub(crate) async fn skew(skew: Skew) -> Result<Deed, ActError> {
    let it = skew.clone();
    off_the_loop(move || it.apply()).await?;
    Ok(Deed::Skewed { skew, since: since_boot() })
}

pub(crate) async fn stop_unit(unit: Unit, mark: &str) -> Result<Deed, ActError> {
    unit.stop(mark).await?;
    match until(SIGNAL_MAX, || unit.is_down().unwrap_or(false)).await {
        true => Ok(Deed::Down { unit, since: since_boot() }),
        false => Err(ActError::Up(unit)),
    }
}

pub(crate) async fn shape(discipline: Discipline, mark: &str) -> Result<Deed, ActError> {
    discipline.add(mark).await?;
    Ok(Deed::Shaped(discipline))
}

pub(crate) async fn set(change: Change) -> Result<Deed, ActError> {
    let it = change.clone();
    off_the_loop(move || it.make()).await?;
    Ok(Deed::Set { change, since: since_boot() })
}

pub(crate) async fn on_container(verb: Verb, run: Run) -> Result<Deed, ActError> {
    let deed = (verb.clone(), run.clone());
    if !off_the_loop(move || deed.1.act(&deed.0)).await? {
        return Err(ActError::Over(Box::new(run)));
    }
    let since = since_boot();
    while since_boot().saturating_sub(since) < ENGINE_MAX {
        let deed = (verb.clone(), run.clone());
        if off_the_loop(move || deed.1.is_hit(&deed.0)).await? {
            return Ok(Deed::Container { verb, run, since });
        }
        tokio::time::sleep(ENGINE_LOOK).await;
    }
    Err(EngineError::Unmoved { verb: verb.name(), run: Box::new(run) }.into())
}

pub(crate) async fn run(argv: Argv, mark: &str) -> Result<Deed, ActError> {
    let said = argv.run(Some(mark)).await?;
    Ok(Deed::Ran { said })
}

pub(crate) async fn kill(process: Process) -> Result<Deed, ActError> {
    match process.signal(Signal::KILL) {
        // Another of its family may have taken it along.
        Ok(_) => {}
        Err(error) => return Err(ActError::Signal { process, error }),
    }
    match until(SIGNAL_MAX, || !process.is_alive()).await {
        true => Ok(Deed::Killed),
        false => Err(ActError::Unmoved(process)),
    }
}

/// Tells a process to end; the rest happens on its own, because a service may take its time.
pub(crate) fn restart(
    process: Process,
    family: Vec<Process>,
    image: Image,
    finder: Finder,
) -> Result<Deed, ActError> {
    let (after, since) = (ticks_since_boot(), since_boot());
    signal(&process, Signal::TERM)?;
    Ok(Deed::Restarting(tokio::spawn(async move {
        let ended = || !family.iter().any(Process::is_alive) && !process.is_alive();
        if !until(TERMINATE_MAX, ended).await {
            for it in family.iter().chain([&process]) {
                if let Err(error) = it.signal(Signal::KILL) {
                    let error = format!("cannot kill {it}: {error}");
                    return Restarted { away: None, by_us: false, error: Some(error) };
                }
            }
            until(SIGNAL_MAX, ended).await;
        }
        come_back(&image, &finder, after, since).await
    })))
}

async fn come_back(image: &Image, finder: &Finder, after: u64, since: Duration) -> Restarted {
    let away = |it: &Process| {
        crate::process::stat::ticks(it.start_time)
            .saturating_sub(since)
            .max(Duration::from_nanos(1))
    };
    let others = async {
        loop {
            match successor(&image.arguments, finder, after) {
                Ok(Some(found)) => return found,
                Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    if let Ok(found) = tokio::time::timeout(OTHERS_MAX, others).await {
        return Restarted { away: Some(away(&found)), by_us: false, error: None };
    }
    let failed = |error: String| Restarted { away: None, by_us: true, error: Some(error) };
    match start(&image.program, &image.arguments, &image.directory, &image.secret) {
        Err(error) => failed(format!("cannot start {} again: {error}", image.program.display())),
        Ok(started) => match until(SETTLED, || !started.is_alive()).await {
            true => failed(format!("{started} was started again and ended at once")),
            false => Restarted { away: Some(away(&started)), by_us: true, error: None },
        },
    }
}

fn signal(process: &Process, signal: Signal) -> Result<(), ActError> {
    match process.signal(signal) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ActError::Gone(process.clone())),
        Err(error) => Err(ActError::Signal { process: process.clone(), error }),
    }
}
