//! Halt: everything that acts is ended at once, and nothing new begins until that is lifted.
//!
//! ```text
//! halt      a file that forbids, on disk first ─▶ every tool is told to end ─▶ mended, or mended after it
//! lift      the file is removed
//! ```
//!
//! A run puts its journal there before it looks for the file, and a halt the file before it looks for journals: none
//! slips through between them. A tool that does not end is killed, and its guardian mends.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::journal::{Journal, Ledger, list, make, name};
use crate::recover::{Recovered, end, recover};

/// Name of the file that forbids.
const FILE: &str = "halt.json";
/// What is written before it takes the place of the file.
const NEW: &str = "halt.json.new";
/// How long a tool may take to end load, faults and the service that it started.
const END_MAX: Duration = Duration::from_secs(15);

/// Why nothing may be broken at present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// In the words of whoever halted.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "everything was halted at {:.0} ({})", self.since, self.why)
    }
}

/// Ends every run and mends what it broke; nothing new begins until [`lift`]. One entry a run.
///
/// # Errors
/// When the directory cannot be written to, or cannot be listed.
pub async fn halt(state_dir: &Path, halt: &Halt) -> io::Result<Vec<Recovered>> {
    make(state_dir)?;
    let (new, file) = (state_dir.join(NEW), state_dir.join(FILE));
    let mut written = File::create(&new)?;
    written.write_all(&serde_json::to_vec(halt)?)?;
    written.sync_all()?;
    std::fs::rename(new, file)?;
    File::open(state_dir)?.sync_all()?;
    let mut all = Vec::new();
    for path in list(state_dir)? {
        let mut recovered = Recovered { run: name(&path), ..Recovered::default() };
        match tell(&path, &mut recovered).await {
            Ok(false) => continue,
            // It ended a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            told => recovered.note(&path, told.map(drop)),
        }
        all.push(recovered);
    }
    // Whatever was left behind before, or is held by a guardian that was stopped.
    all.extend(recover(state_dir).await?);
    Ok(all)
}

/// Tells the tool of a run to end, and sees to it. `false`: there is none.
async fn tell(path: &Path, recovered: &mut Recovered) -> io::Result<bool> {
    let tool = Ledger::of(path)?.tool;
    let is_held = Journal::abandoned(path)?.is_none();
    let Some(tool) = tool.filter(|it| is_held && it.is_alive()) else { return Ok(false) };
    // A stopped tool hears nothing before it goes on.
    let signals = [&[Signal::TERM, Signal::CONT][..], &[Signal::KILL]];
    end(path, &tool, &signals, END_MAX, recovered).await
}

/// Lets runs begin again. Says whether they could not.
///
/// # Errors
/// When the file cannot be removed.
pub fn lift(state_dir: &Path) -> io::Result<bool> {
    match std::fs::remove_file(state_dir.join(FILE)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Why nothing may be broken at present. A file that cannot be read forbids, too.
pub fn halted(state_dir: &Path) -> Option<Halt> {
    let unknown = |why: String| Halt { why, since: Timestamp::UNIX_EPOCH };
    match std::fs::read(state_dir.join(FILE)) {
        Ok(text) => {
            Some(serde_json::from_slice(&text).unwrap_or_else(|it| unknown(it.to_string())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(unknown(error.to_string())),
    }
}
