//! Why something cannot be broken, or mended: each with what the reader needs to act.

use std::io;
use std::path::PathBuf;

use crate::act::ActError;
use crate::engine::EngineError;
use crate::guardian::GuardianError;
use crate::halt::Halt;
use crate::need::PlanError;
use crate::proxy::ProxyError;
use crate::safety::Refusal;
use crate::target::TargetError;

/// Why something cannot be broken, or mended.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// Nobody to hit.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A named instance does not run.
    #[error("`{label}`: {name} is not running")]
    NotRunning {
        /// Of the fault.
        label: String,
        /// Of the instance.
        name: String,
    },
    /// Nothing may be broken at present.
    #[error("{}; `evenkeel chaos halt --lift` lets faults act again", _0)]
    Halted(Halt),
    /// It would hit more than it may, now.
    #[error(transparent)]
    Refused(Refusal),
    /// It cannot be planned on this host now.
    #[error("`{label}` cannot be planned")]
    Plan {
        /// Of the fault.
        label: String,
        /// Why not.
        #[source]
        error: PlanError,
    },
    /// It could not be brought about, and was taken back as far as it had come.
    #[error("`{label}` could not be brought about")]
    Act {
        /// Of the fault.
        label: String,
        /// Why not.
        #[source]
        error: ActError,
    },
    /// Another fault is to put the same thing back.
    #[error(
        "`{label}` would change {thing}, which a fault of the run {run} has changed and is to put back; \
         what a run has left behind, `evenkeel chaos recover` mends"
    )]
    Taken {
        /// Of the fault.
        label: String,
        /// What both would change.
        thing: String,
        /// Whose fault came first.
        run: String,
    },
    /// It was asked for no more while it was being brought about.
    #[error("`{label}` was given up before it acted")]
    GivenUp {
        /// Of the fault.
        label: String,
    },
    /// It acts already.
    #[error("`{label}` acts already")]
    Twice {
        /// Of the fault.
        label: String,
    },
    /// A link.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The guardian.
    #[error(transparent)]
    Guardian(#[from] GuardianError),
    /// The undo journal; nothing is broken that is not written there first.
    #[error("cannot write the undo journal in {}", directory.display())]
    Journal {
        /// Where.
        directory: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The containers cannot be asked for.
    #[error("`{label}` cannot be aimed")]
    Engine {
        /// Of the fault.
        label: String,
        /// Why not.
        #[source]
        error: EngineError,
    },
    /// The processes of this host cannot be read.
    #[error("cannot look through the processes of this host")]
    Look(#[source] io::Error),
    /// A process that does not lead its group cannot be adopted: its group is somebody else's.
    #[error("process {pid} does not lead a process group of its own")]
    NotLeading {
        /// Its number.
        pid: u32,
    },
    /// Something is still broken. The guardian goes on trying; `recover` does after it.
    #[error("{count} of the undo steps in {} could not be carried out", journal.display())]
    NotMended {
        /// How many.
        count: usize,
        /// Where they stand.
        journal: PathBuf,
    },
}
