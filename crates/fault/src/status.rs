//! Status: which runs there are, what acts at this moment, and for how long yet.
//!
//! It is read off the journals, so it needs no answer from anybody: a run that hangs, or has left something behind,
//! is seen like any other.

use std::io;
use std::path::Path;
use std::time::Duration;

use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

use crate::journal::{Ledger, list, name};
use crate::plan::Release;
use crate::process::stat::{is_of_this_boot, since_boot};
use crate::process::{Process, State};

/// A fault that acts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// Its label.
    pub fault: String,
    /// What ends it when the tool is gone.
    pub release: Release,
    /// What it hit, such as `gateway-2 (pid 4711)`.
    pub targets: Vec<String>,
    /// When it is to end, on the clock that counts from boot.
    #[serde(rename = "until_seconds", with = "seconds")]
    pub until: Duration,
}

impl Lease {
    /// For how long it is to act yet; nothing for one whose time is over.
    pub fn left(&self) -> Duration {
        self.until.saturating_sub(since_boot())
    }
}

/// A run, as its journal says and its processes are.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The run.
    pub run: String,
    /// The tool, and how it is.
    pub tool: Option<(Process, State)>,
    /// Its guardian, and how it is.
    pub guardian: Option<(Process, State)>,
    /// What acts.
    pub leases: Vec<Lease>,
    /// What is still to be undone, the last first.
    pub open: Vec<String>,
    /// How many lines of its journal are not understood.
    pub unreadable: usize,
}

impl Status {
    /// Whether its tool or its guardian is there. Else what is open was left behind.
    pub fn is_alive(&self) -> bool {
        let alive = [&self.tool, &self.guardian].into_iter().flatten();
        alive.into_iter().any(|(_, state)| matches!(state, State::Running | State::Stopped))
    }
}

/// Every run that has a journal in this directory, in the order of their names.
///
/// # Errors
/// When the directory or a journal cannot be read.
pub fn status(state_dir: &Path) -> io::Result<Vec<Status>> {
    let mut all = Vec::new();
    for path in list(state_dir)? {
        let ledger = match Ledger::of(&path) {
            Ok(ledger) => ledger,
            // It ended a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        // Of an earlier boot nobody is there, whoever has their numbers now.
        let is_of_now = ledger.boot.is_none_or(|it| is_of_this_boot(&it));
        let how = |it: Process| {
            let state = if is_of_now { it.state() } else { State::Gone };
            (it, state)
        };
        all.push(Status {
            run: name(&path),
            tool: ledger.tool.map(how),
            guardian: ledger.guardian.map(how),
            leases: ledger.leases.into_values().collect(),
            open: ledger.open.into_values().rev().map(|(_, undo)| undo.to_string()).collect(),
            unreadable: ledger.unreadable.len(),
        });
    }
    Ok(all)
}
