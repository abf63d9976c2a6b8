//! What a fault will do to a host, written down before anything is done.
//!
//! A [`Plan`] is data. A dry run prints it, a test compares it with a snapshot, and every [`Undo`] is in
//! the journal, on disk, *before* the step that it belongs to is applied; so whoever finds the journal
//! after a crash can mend what was broken.
//!
//! ```text
//! release    the fault ends with us because …                     examples
//! lifetime   … it lives in a process or descriptor of ours       latency, refuse, cpu, memory
//! guardian   … a second process undoes it from the journal       pause, restart
//! one-shot   … it has no end: recovery is observed               kill
//! ```
//!
//! An undo is idempotent, checks whom it is about to touch (pid and start time, within this boot), and
//! does nothing when that one is gone or is somebody else's.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use evenkeel_model::document::Release;

use evenkeel_model::document::Finder;
use evenkeel_units::Human;
use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

use crate::clock::Skew;
use crate::discipline::Discipline;
use crate::engine::{Run, Verb};
use crate::holder::{Work, staying};
use crate::kubernetes::Change;
use crate::process::Process;
use crate::process::namespace::Namespace;
use crate::proxy::Toxic;
use crate::throttle::Throttle;
use crate::unit::Unit;

/// Steps in the order they are applied; undone in reverse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What ends the fault when we are gone.
    pub release: Release,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One change, and how it is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Makes the change.
    pub apply: Op,
    /// Takes it back.
    pub undo: Undo,
}

/// The few things that are done to a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Lay a fault on a link of ours.
    Lay {
        /// Name of the dependency.
        link: String,
        /// What it does.
        toxic: Toxic,
        /// It ends by itself after this time.
        #[serde(rename = "limit_seconds", with = "seconds")]
        limit: Duration,
    },
    /// Stop a process.
    Stop {
        /// Whom.
        process: Process,
    },
    /// Kill a process.
    Kill {
        /// Whom.
        process: Process,
    },
    /// End a process and see that it comes back.
    Restart {
        /// Whom.
        process: Process,
    },
    /// Hold, burn or keep something up in a child of ours.
    Hold {
        /// What.
        work: Work,
        /// It ends by itself after this time.
        #[serde(rename = "limit_seconds", with = "seconds")]
        limit: Duration,
    },
    /// Lower the number of files that a process may open.
    LimitFiles {
        /// Whom.
        process: Process,
        /// To this.
        limit: u64,
        /// From this; `None` when there was no limit.
        before: Option<u64>,
    },
    /// Limit how fast the processes of a control group use disks.
    Throttle(Throttle),
    /// Set the clocks of processes ahead or back.
    Skew(Skew),
    /// Run a program to its end.
    Run(Argv),
    /// Stop a unit of systemd.
    StopUnit(Unit),
    /// Have a queueing discipline of the kernel treat packets that leave.
    Shape(Discipline),
    /// Set something in a cluster.
    Set(Change),
    /// Have something done to a container.
    Container {
        /// What.
        verb: Verb,
        /// To whom.
        run: Run,
    },
}

impl Op {
    /// The mark of what would go on doing it if we were killed amid it, and could do it after it was undone. What
    /// listens to us stops by itself.
    pub(crate) fn amid(&self, mark: &str) -> Option<String> {
        match self {
            Self::Run(_) | Self::StopUnit(_) | Self::Shape(_) => Some(mark.to_owned()),
            Self::Hold { work, .. } if work.may_stay() => Some(staying(mark)),
            _ => None,
        }
    }
}

/// A program with its arguments, as the kernel is told it; no shell sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argv {
    /// By its absolute path.
    pub program: PathBuf,
    /// Without the name of the program.
    pub arguments: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
}

impl fmt::Display for Argv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&self.program))?;
        self.arguments.iter().try_for_each(|it| write!(f, " {}", quoted(Path::new(it))))
    }
}

/// As one would type it for a shell.
pub(crate) fn quoted(word: &Path) -> String {
    let word = word.to_string_lossy();
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./:=,@%+".contains(it);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// How a change is taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Nothing to take back, or the kernel does it when our process or descriptor goes.
    None,
    /// Let a stopped process go on.
    Continue {
        /// Whom we stopped.
        process: Process,
    },
    /// Kill a process group of ours.
    KillGroup {
        /// Its leader. Without it the group may be a stranger's, and only the mark tells.
        leader: Process,
        /// Its number.
        pgid: u32,
    },
    /// Kill every process that was started under this mark in its environment, and what it started.
    KillMarked {
        /// Value of [`MARK`]; marks below it (`run/3` below `run`) count too.
        mark: String,
    },
    /// End the tool itself, should somebody have stopped it: what goes over its links hangs with it.
    EndStopped {
        /// The tool.
        process: Process,
    },
    /// Start a process again that we ended.
    StartAgain {
        /// Whom we ended.
        process: Process,
        /// Its program.
        program: PathBuf,
        /// Its arguments, its name first. Everybody on the host could read them already.
        arguments: Vec<String>,
        /// Its working directory.
        directory: PathBuf,
        /// How whoever replaced it is found, so that it is not started twice.
        finder: Finder,
        /// Clock ticks since boot; whoever started before is not its replacement.
        after: u64,
    },
    /// Raise the number of files that a process may open again, if nobody else has changed it.
    LimitFiles {
        /// Whose limit we lowered.
        process: Process,
        /// To this.
        ours: u64,
        /// From this; none is no limit.
        before: Option<u64>,
    },
    /// Write back how fast a control group's processes used disks, where nobody else has changed it.
    Throttle(Throttle),
    /// Set the clocks of processes right, and of what they have started since, where they are as we set them.
    Unskew(Skew),
    /// Run a program to its end. It has to be harmless to run it twice.
    Run(Argv),
    /// Start a unit of systemd again, unless another run of it goes on.
    StartUnit(Unit),
    /// Take the discipline away, if it is ours.
    RemoveDiscipline(Discipline),
    /// Take a mount of ours away; files that are open in it stay so.
    Unmount {
        /// Where it is.
        path: PathBuf,
        /// What tells it from others.
        source: String,
    },
    /// Put back what was set in a cluster, if it is still ours.
    PutBack(Change),
    /// Thaw a container, unless another run of it goes on.
    Unpause(Run),
    /// Start a container again, unless another run of it goes on or it is gone.
    StartContainer(Run),
}

/// Names the run in the environment of every process that a run starts; children inherit it even when
/// they leave the process group or the session.
pub const MARK: &str = "EVENKEEL_RUN";

impl Undo {
    /// Whether it is about something that a reboot does not mend. Processes of another boot are gone, with all that was
    /// done to them.
    pub(crate) const fn outlives_boot(&self) -> bool {
        match self {
            Self::PutBack(_)
            | Self::Run(_)
            | Self::StartUnit(_)
            | Self::Unpause(_)
            | Self::StartContainer(_) => true,
            Self::None
            | Self::Continue { .. }
            | Self::KillGroup { .. }
            | Self::KillMarked { .. }
            | Self::EndStopped { .. }
            | Self::StartAgain { .. }
            | Self::LimitFiles { .. }
            | Self::RemoveDiscipline(_)
            | Self::Throttle(_)
            | Self::Unskew(_)
            | Self::Unmount { .. } => false,
        }
    }

    /// Where it means what it says: elsewhere another process has that number, or another interface that name.
    pub(crate) const fn depends_on(&self) -> &'static [Namespace] {
        match self {
            // A unit, a container and a control group have names of their own, and what a program finds it tells.
            Self::None
            | Self::PutBack(_)
            | Self::Throttle(_)
            | Self::StartUnit(_)
            | Self::Unpause(_)
            | Self::StartContainer(_)
            | Self::Run(_) => &[],
            Self::Continue { .. }
            | Self::KillGroup { .. }
            | Self::KillMarked { .. }
            | Self::EndStopped { .. }
            | Self::LimitFiles { .. }
            | Self::Unskew(_) => &[Namespace::Pid],
            Self::StartAgain { .. } => &[Namespace::Pid, Namespace::Mount],
            Self::Unmount { .. } => &[Namespace::Mount],
            Self::RemoveDiscipline(_) => &[Namespace::Network],
        }
    }

    /// What is put back to how it was found. Two of us at once would each put back what the other had made of it.
    pub(crate) fn puts_back(&self) -> Option<String> {
        match self {
            Self::LimitFiles { process, .. } => {
                Some(format!("the open files of {process}, started at {}", process.start_time))
            }
            Self::Throttle(it) => Some(format!("the limits of {}", it.group.display())),
            Self::PutBack(change) => Some(format!("the object {}", change.uid)),
            Self::RemoveDiscipline(it) => Some(format!("the disciplines of {}", it.interface)),
            Self::Unpause(run) | Self::StartContainer(run) => {
                Some(format!("the container {}", run.container.id))
            }
            Self::StartUnit(unit) => Some(format!("the unit {}", unit.name)),
            Self::Unmount { path, .. } => Some(format!("what is mounted on {}", path.display())),
            Self::None
            | Self::Continue { .. }
            | Self::KillGroup { .. }
            | Self::KillMarked { .. }
            | Self::EndStopped { .. }
            | Self::StartAgain { .. }
            | Self::Run(_)
            // Code that is not the kernel's is seen before anything is written.
            | Self::Unskew(_) => None,
        }
    }

    /// What a person would type to do the same; `None` where there is nothing to type.
    pub fn by_hand(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Continue { process } => Some(format!("kill -CONT {}", process.pid)),
            Self::KillGroup { pgid, .. } => Some(format!("kill -KILL -- -{pgid}")),
            Self::KillMarked { mark } => Some(format!(
                "grep -lzE '^{MARK}={mark}(/|$)' /proc/[0-9]*/environ   # then kill -KILL those pids"
            )),
            Self::EndStopped { process } => Some(format!("kill -KILL {}", process.pid)),
            Self::StartAgain { program, directory, .. } => Some(format!(
                "start {} again in {}, as its service manager or you do",
                program.display(),
                directory.display()
            )),
            Self::LimitFiles { process, before, .. } => {
                let before = before.map_or("unlimited".to_owned(), |it| it.to_string());
                Some(format!("prlimit --pid {} --nofile={before}:", process.pid))
            }
            Self::Throttle(it) => Some(it.by_hand()),
            Self::Unskew(it) => Some(it.by_hand()),
            Self::Run(argv) => Some(format!("cd {} && {argv}", quoted(&argv.directory))),
            Self::StartUnit(unit) => Some(unit.argv("start").to_string()),
            Self::RemoveDiscipline(it) => Some(it.removal().to_string()),
            Self::Unmount { path, source } => {
                Some(format!("umount --lazy {}   # if `{source}` is mounted there", quoted(path)))
            }
            Self::PutBack(it) => Some(it.by_hand()),
            Self::Unpause(run) => Some(run.by_hand("unpause")),
            Self::StartContainer(run) => Some(run.by_hand("start")),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lay { link, toxic, limit } => {
                write!(f, "lay {toxic} on the link to {link}, at most {}", Human(*limit))
            }
            Self::Stop { process } => write!(f, "stop {process}"),
            Self::Kill { process } => write!(f, "kill {process}"),
            Self::Restart { process } => write!(f, "terminate {process} and see it come back"),
            Self::Hold { work, limit } => write!(f, "{work}, at most {}", Human(*limit)),
            Self::LimitFiles { process, limit, .. } => {
                write!(f, "let {process} open no more than {limit} files")
            }
            Self::Throttle(it) => write!(f, "limit the control group {it}"),
            Self::Skew(it) => write!(f, "set {it} by {}, at most {}", it.offset, Human(it.limit)),
            Self::Run(argv) => write!(f, "run {argv}"),
            Self::StopUnit(unit) => write!(f, "run {}", unit.argv("stop")),
            Self::Shape(discipline) => write!(f, "run {discipline}"),
            Self::Set(it) => it.fmt(f),
            Self::Container { verb: Verb::Kill { main }, run } => write!(f, "kill {main} of {run}"),
            Self::Container { verb, run } => write!(f, "{} {run}", verb.name()),
        }
    }
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nothing"),
            Self::Continue { process } => write!(f, "continue {process}"),
            Self::KillGroup { leader, pgid } => write!(f, "kill group {pgid} of {leader}"),
            Self::KillMarked { mark } => write!(f, "kill what was started under {MARK}={mark}"),
            Self::EndStopped { process } => write!(f, "end {process}, if it is stopped"),
            Self::StartAgain { process, program, arguments, .. } => {
                let count = arguments.len().saturating_sub(1);
                write!(
                    f,
                    "start {} again with its {count} arguments, unless {process} is back",
                    program.display()
                )
            }
            Self::LimitFiles { process, before: Some(before), .. } => {
                write!(f, "let {process} open {before} files again")
            }
            Self::LimitFiles { process, before: None, .. } => {
                write!(f, "let {process} open as many files as it likes again")
            }
            Self::Throttle(it) => {
                write!(f, "write back the limits of the control group {}", it.group.display())
            }
            Self::Unskew(it) => write!(f, "set {it} right, and of what they have started since"),
            Self::Run(argv) => write!(f, "run {argv}"),
            Self::StartUnit(unit) => write!(f, "run {}, unless it runs", unit.argv("start")),
            Self::RemoveDiscipline(it) => write!(f, "run {}, if it is ours", it.removal()),
            Self::Unmount { path, source } => {
                write!(f, "take {source} away from {}, if it is there", path.display())
            }
            Self::PutBack(it) => f.write_str(&it.back()),
            Self::Unpause(run) => write!(f, "unpause {run}"),
            Self::StartContainer(run) => write!(f, "start {run}, unless it runs"),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "release {}", self.release)?;
        for Step { apply, undo } in &self.steps {
            writeln!(f, "apply   {apply}")?;
            writeln!(f, "undo    {undo}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_reads_like_a_list_of_deeds() {
        let process = Process { pid: 4711, start_time: 5, name: "worker".to_owned() };
        let plan = Plan {
            release: Release::Guardian,
            steps: vec![Step {
                apply: Op::Stop { process: process.clone() },
                undo: Undo::Continue { process },
            }],
        };
        assert_eq!(
            plan.to_string(),
            "release C (undone by the guardian)\n\
             apply   stop worker (pid 4711)\n\
             undo    continue worker (pid 4711)\n"
        );
    }
}
