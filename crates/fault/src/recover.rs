//! Recover: mending what a run left behind when both it and its guardian were killed.
//!
//! A run that is alive is left alone, and so is one whose guardian is still mending: they hold the lock
//! of their journal. A guardian that was stopped is told to go on. Of a journal of an earlier boot, what is about
//! processes is left out, since they no longer exist; what outlives a boot is mended as ever. One with a line
//! that is not understood is mended as far as it is, and stays.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::journal::{Journal, Ledger, list, name};
use crate::mend::{MendError, Mended, mend_all, until};
use crate::plan::Undo;
use crate::process::stat::is_of_this_boot;
use crate::process::{Process, State};

/// How long a guardian that goes on again may take to mend: it retries for 20 s what does not work at once.
const ROUSED_MAX: Duration = Duration::from_secs(30);

/// What became of one run's journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The run.
    pub run: String,
    /// It is alive, or its guardian is; nothing was touched.
    pub is_alive: bool,
    /// What was still broken, and is whole now.
    pub undone: Vec<String>,
    /// What was fine already, or is gone.
    pub was_fine: Vec<String>,
    /// What is still broken. The journal stays until a later call mends it.
    pub failed: Vec<Unmended>,
}

impl Recovered {
    /// A journal that cannot be worked through keeps nobody from the next one.
    pub(crate) fn note(&mut self, path: &Path, taken: io::Result<()>) {
        self.failed.extend(taken.err().map(|error| Unmended {
            what: format!("the undo journal {}", path.display()),
            error: error.to_string(),
            by_hand: None,
        }));
    }
}

/// Something that could not be mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmended {
    /// What should have been done.
    pub what: String,
    /// Why it did not work.
    pub error: String,
    /// What a person can type to do it.
    pub by_hand: Option<String>,
}

/// Mends everything that runs before this one left behind in this directory, the journals of dead runs
/// being removed once all in them is mended. One entry a run, in the order of their names.
pub async fn recover(state_dir: &Path) -> io::Result<Vec<Recovered>> {
    let mut all = Vec::new();
    for path in list(state_dir)? {
        let mut recovered = Recovered { run: name(&path), ..Recovered::default() };
        let taken = match Journal::abandoned(&path) {
            Ok(Some(journal)) => take_over(journal, &mut recovered).await,
            Ok(None) => rouse(&path, &mut recovered).await,
            Err(error) => Err(error),
        };
        match taken {
            // Its guardian finished a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            taken => recovered.note(&path, taken),
        }
        all.push(recovered);
    }
    Ok(all)
}

/// Somebody holds the lock. A guardian that was stopped holds it for ever, and mends nothing: once its tool is gone
/// it is told to go on, which is all it needs, and is ended if that does not help.
async fn rouse(path: &Path, recovered: &mut Recovered) -> io::Result<()> {
    let ledger = Ledger::of(path)?;
    let is_alone = !ledger.tool.is_some_and(|it| it.is_alive());
    let stopped = ledger.guardian.filter(|it| is_alone && it.state() == State::Stopped);
    let signals = [&[Signal::CONT][..], &[Signal::KILL]];
    recovered.is_alive = match stopped {
        Some(guardian) => !end(path, &guardian, &signals, ROUSED_MAX, recovered).await?,
        None => true,
    };
    Ok(())
}

/// Sends signals to somebody of a run, and the next ones when nobody has let the journal go in time; then mends what is
/// left. `false`: it is still held.
pub(crate) async fn end(
    path: &Path,
    process: &Process,
    signals: &[&[Signal]],
    limit: Duration,
    recovered: &mut Recovered,
) -> io::Result<bool> {
    let before = Ledger::of(path)?;
    for signals in signals {
        for signal in *signals {
            process.signal(*signal)?;
        }
        let mut found = Ok(None);
        until(limit, || {
            found = Journal::abandoned(path);
            !matches!(found, Ok(None))
        })
        .await;
        let left = match found {
            Ok(None) => continue,
            Ok(left) => left,
            // Everything is mended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // What was mended meanwhile, and then the rest.
        let open = left.as_ref().map(Journal::read).transpose()?.unwrap_or_default().open;
        let mended = before.open.iter().filter(|(id, _)| !open.contains_key(id));
        recovered.undone = mended.map(|(_, (_, undo))| undo.to_string()).collect();
        if let Some(journal) = left {
            take_over(journal, recovered).await?;
        }
        return Ok(true);
    }
    Ok(false)
}

async fn take_over(mut journal: Journal, recovered: &mut Recovered) -> io::Result<()> {
    let ledger: Ledger = journal.read()?;
    let path = journal.path().display();
    let unreadable = ledger.unreadable.iter().map(|line| Unmended {
        what: format!("line {line} of {path}"),
        error: "it is not understood: another version wrote it, or it was damaged".to_owned(),
        by_hand: Some(format!("undo what it says, then remove {path}")),
    });
    recovered.failed.extend(unreadable);
    if ledger.boot.is_some_and(|it| !is_of_this_boot(&it)) {
        for (id, (_, undo)) in ledger.open.iter().filter(|(_, (_, undo))| !undo.outlives_boot()) {
            journal.done(*id, Mended::WasFine.name());
            recovered.was_fine.push(undo.to_string());
        }
    }
    let note = |undo: &Undo, mended: Result<Mended, &MendError>| match mended {
        Ok(Mended::Undone) => recovered.undone.push(undo.to_string()),
        Ok(Mended::WasFine) => recovered.was_fine.push(undo.to_string()),
        Err(error) => recovered.failed.push(Unmended {
            what: undo.to_string(),
            error: error.to_string(),
            by_hand: undo.by_hand(),
        }),
    };
    match mend_all(&mut journal, |_| None, note).await? {
        0 => journal.remove(),
        _ => Ok(()),
    }
}
