//! The undo journal: how to mend what a run breaks, on disk before it is broken.
//!
//! One file a run, JSON lines, in a directory that only its owner can enter:
//!
//! ```text
//! {"head":{"run":"shop-1","boot":"…","tool":{…},"place":{…}}}
//! {"guardian":{"process":{…}}}
//! {"undo":{"id":0,"fault":"pause · gateway-1","undo":{"continue":{"process":{…}}}}}
//! {"acts":{"index":0,"lease":{"fault":"pause · gateway-1","release":"guardian",…}}}
//! {"ended":{"index":0}}
//! {"done":{"id":0,"how":"undone"}}
//! ```
//!
//! A lock is held on the file for as long as the tool *or* its guardian lives: both hold the same open
//! file, so the kernel keeps the lock until the last of them is gone. That, and no guess at a pid, tells
//! `recover` whether a run is alive. A line that was torn by a crash was not yet acted upon and is
//! skipped. One that is whole and means nothing to us may be an undo that another version wrote: the
//! journal stays, and says so, until somebody has looked. It is another file than the journal of events,
//! which is the run's result and may be moved.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::plan::Undo;
use crate::process::namespace::Place;
use crate::process::{Process, stat};
use crate::status::Lease;

/// End of the names of journals.
const SUFFIX: &str = ".undo.jsonl";
/// A journal larger than this is not ours.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Head {
        run: String,
        boot: String,
        tool: Option<Process>,
        #[serde(default)]
        place: Place,
    },
    Guardian {
        process: Process,
    },
    Acts {
        index: usize,
        lease: Lease,
    },
    Ended {
        index: usize,
    },
    Undo {
        id: usize,
        fault: String,
        undo: Undo,
    },
    Done {
        id: usize,
        how: String,
    },
    Failed {
        id: usize,
        error: String,
    },
}

/// An open journal, locked.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    next: usize,
    /// Notes that the disk did not take. They count all the same, and are written with the next one.
    unwritten: Vec<Line>,
}

/// What a journal says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ledger {
    pub(crate) run: Option<String>,
    pub(crate) boot: Option<String>,
    pub(crate) tool: Option<Process>,
    /// Where it was done.
    pub(crate) place: Place,
    pub(crate) guardian: Option<Process>,
    /// The faults that act.
    pub(crate) leases: BTreeMap<usize, Lease>,
    /// What is still to be undone, in the order in which it was done.
    pub(crate) open: BTreeMap<usize, (String, Undo)>,
    /// Whole lines that mean nothing to us, by their number from 1.
    pub(crate) unreadable: Vec<usize>,
}

impl Ledger {
    /// What a journal says that somebody else may hold.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Self::read(&File::open(path)?)
    }

    fn read(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        if length > BYTES_MAX {
            return Err(io::Error::other("the undo journal is larger than any of ours"));
        }
        let mut text = vec![0; usize::try_from(length).unwrap_or_default()];
        // At a place of its own: the other holder of this file must not find its position moved.
        file.read_exact_at(&mut text, 0)?;
        Ok(Self::parse(&text))
    }

    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut ledger = Self::default();
        for (number, line) in (1..).zip(text.split(|it| *it == b'\n')) {
            // A host that lost power may have made the file longer without writing to it.
            let end = line.iter().rposition(|it| *it != 0).map_or(0, |it| it + 1);
            match serde_json::from_slice(&line[..end]) {
                Ok(line) => ledger.take(line),
                Err(error) if error.is_eof() => {}
                Err(_) => ledger.unreadable.push(number),
            }
        }
        ledger
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Head { run, boot, tool, place } => {
                (self.run, self.boot) = (Some(run), Some(boot));
                (self.tool, self.place) = (tool, place);
            }
            Line::Guardian { process } => self.guardian = Some(process),
            Line::Acts { index, lease } => {
                self.leases.insert(index, lease);
            }
            Line::Ended { index } => {
                self.leases.remove(&index);
            }
            Line::Undo { id, fault, undo } => {
                self.open.insert(id, (fault, undo));
            }
            Line::Done { id, .. } => {
                self.open.remove(&id);
            }
            Line::Failed { .. } => {}
        }
    }
}

impl Journal {
    /// Begins the journal of a run; fails when there is one already.
    pub(crate) fn create(directory: &Path, run: &str) -> io::Result<Self> {
        let plain = run.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.:+".contains(&it));
        if !plain || run.is_empty() || run.starts_with('.') {
            let problem = format!("`{run}` cannot be the name of a run");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        make(directory)?;
        let path = directory.join(format!("{run}{SUFFIX}"));
        let file =
            OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
        file.try_lock()?;
        let mut journal = Self { file, path, next: 0, unwritten: Vec::new() };
        journal.write(&Line::Head {
            run: run.to_owned(),
            boot: stat::boot_id(),
            tool: Process::own(),
            place: Place::here(),
        })?;
        // Without this the file could be lost, with all its lines, when the host loses power.
        File::open(directory)?.sync_all()?;
        Ok(journal)
    }

    /// The guardian's view of a file that it was handed open and locked.
    pub(crate) const fn inherited(file: File, path: PathBuf) -> Self {
        Self { file, path, next: usize::MAX, unwritten: Vec::new() }
    }

    /// A journal that a run left behind; `None` while the run or its guardian is alive.
    pub(crate) fn abandoned(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).append(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self::inherited(file, path.to_owned()))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same open file, and so the same lock, for the guardian.
    pub(crate) fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Writes down how a step is undone that is about to be done. On disk when this returns.
    pub(crate) fn undo(&mut self, fault: &str, undo: &Undo) -> io::Result<usize> {
        let id = self.next;
        self.write(&Line::Undo { id, fault: fault.to_owned(), undo: undo.clone() })?;
        self.next += 1;
        Ok(id)
    }

    /// Notes that this process is the guardian of the run.
    pub(crate) fn guard(&mut self) -> io::Result<()> {
        match Process::own() {
            Some(process) => self.write(&Line::Guardian { process }),
            None => Ok(()),
        }
    }

    /// Notes that a fault acts, for whoever asks.
    pub(crate) fn acts(&mut self, index: usize, lease: &Lease) -> io::Result<()> {
        self.write(&Line::Acts { index, lease: lease.clone() })
    }

    /// Notes that a fault does not act any more.
    pub(crate) fn ended(&mut self, index: usize) {
        self.note(Line::Ended { index });
    }

    /// Notes that an undo is done, or was not needed.
    pub(crate) fn done(&mut self, id: usize, how: &str) {
        self.note(Line::Done { id, how: how.to_owned() });
    }

    /// Notes that an undo did not work.
    pub(crate) fn failed(&mut self, id: usize, error: &str) {
        self.note(Line::Failed { id, error: error.to_owned() });
    }

    pub(crate) fn read(&self) -> io::Result<Ledger> {
        let mut ledger = Ledger::read(&self.file)?;
        self.unwritten.iter().cloned().for_each(|it| ledger.take(it));
        Ok(ledger)
    }

    pub(crate) fn remove(self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Mending must not end because a disk is full: what is not written is known here until it is.
    fn note(&mut self, line: Line) {
        let mut notes = std::mem::take(&mut self.unwritten);
        notes.push(line);
        let written = notes.iter().take_while(|it| self.write(it).is_ok()).count();
        self.unwritten = notes.split_off(written);
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let length = self.file.metadata()?.len();
        let mut last = [b'\n'];
        if length > 0 {
            self.file.read_exact_at(&mut last, length - 1)?;
        }
        if last != [b'\n'] {
            text.insert(0, b'\n');
        }
        self.file.write_all(&text)?;
        match line {
            Line::Head { .. } | Line::Undo { .. } => self.file.sync_data(),
            // Lost by the host, it would be undone once more, which is harmless; and mending must not
            // wait for a disk.
            Line::Guardian { .. }
            | Line::Acts { .. }
            | Line::Ended { .. }
            | Line::Done { .. }
            | Line::Failed { .. } => Ok(()),
        }
    }
}

/// Every journal in the directory, in the order of names. A directory that is not there has none.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    check(directory)?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.to_str().is_some_and(|it| it.ends_with(SUFFIX)) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The run of a journal.
pub(crate) fn name(path: &Path) -> String {
    let file = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    file.strip_suffix(SUFFIX).unwrap_or(file).to_owned()
}

/// Makes the directory, for its owner alone.
pub(crate) fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    check(directory)
}

/// What stands in a journal is done to processes, perhaps by root; so nobody else may write there.
fn check(directory: &Path) -> io::Result<()> {
    let found = std::fs::symlink_metadata(directory)?;
    let own = rustix::process::geteuid().as_raw();
    if found.is_dir() && found.uid() == own && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    let problem = format!(
        "{} must be a directory that belongs to user {own} and that nobody else can write to",
        directory.display()
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, problem))
}

/// Where undo journals live: `$EVENKEEL_STATE_DIR`, or a directory that goes with this boot.
pub fn state_dir() -> PathBuf {
    if let Some(chosen) = std::env::var_os("EVENKEEL_STATE_DIR").filter(|it| !it.is_empty()) {
        return PathBuf::from(chosen);
    }
    let user = rustix::process::geteuid();
    if user.is_root() {
        return PathBuf::from("/run/evenkeel");
    }
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|it| !it.is_empty()) {
        Some(runtime) => PathBuf::from(runtime).join("evenkeel"),
        None => std::env::temp_dir().join(format!("evenkeel-{}", user.as_raw())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pause(pid: u32) -> Undo {
        Undo::Continue { process: Process { pid, start_time: 1, name: "x".to_owned() } }
    }

    fn private() -> tempfile::TempDir {
        tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir()
            .unwrap()
    }

    #[test]
    fn what_is_not_done_is_open_in_order() {
        let place = private();
        let mut journal = Journal::create(place.path(), "run").unwrap();
        let ids: Vec<_> = (0..3).map(|it| journal.undo("pause", &pause(it)).unwrap()).collect();
        journal.done(ids[1], "undone");
        journal.failed(ids[2], "not permitted");
        let open: Vec<_> = journal.read().unwrap().open.into_keys().collect();
        assert_eq!(open, [ids[0], ids[2]]);
    }

    #[test]
    fn what_the_disk_does_not_take_counts_and_is_written_later() {
        let place = private();
        let mut journal = Journal::create(place.path(), "run").unwrap();
        let ids: Vec<_> = (0..3).map(|it| journal.undo("pause", &pause(it)).unwrap()).collect();
        let path = journal.path().to_owned();
        let writable = std::mem::replace(&mut journal.file, File::open(&path).unwrap());
        journal.done(ids[0], "undone");
        journal.done(ids[1], "undone");
        let open = |it: &Journal| it.read().unwrap().open.into_keys().collect::<Vec<_>>();
        assert_eq!(open(&journal), [ids[2]]);
        assert_eq!(Ledger::of(&path).unwrap().open.len(), 3);
        journal.file = writable;
        journal.done(ids[2], "undone");
        assert_eq!(Ledger::of(&path).unwrap().open, BTreeMap::new());
    }

    #[test]
    fn a_line_after_a_torn_one_is_not_lost() {
        let place = private();
        let mut journal = Journal::create(place.path(), "run").unwrap();
        let id = journal.undo("pause", &pause(7)).unwrap();
        journal.file.write_all(b"{\"done\":{\"id\":0,").unwrap();
        assert_eq!(journal.read().unwrap().open.len(), 1);
        journal.done(id, "undone");
        assert_eq!(journal.read().unwrap().open.len(), 0);
    }

    #[test]
    fn a_whole_line_that_means_nothing_is_kept_apart_from_a_torn_one() {
        let [whole, torn] = [
            b"{\"undo\":{\"id\":0,\"fault\":\"x\",\"undo\":{\"new_kind\":{}}}}",
            &b"{\"undo\":{\"i"[..],
        ];
        let nothing = [b"\0\0\0", &b"{\"done\":{\0\0"[..]];
        let lines = [torn, whole, nothing[0], b"", nothing[1], b"never ours", torn].join(&b'\n');
        assert_eq!(Ledger::parse(&lines).unreadable, [2, 6]);
    }

    #[test]
    fn a_live_run_cannot_be_taken_over() {
        let place = private();
        let journal = Journal::create(place.path(), "run").unwrap();
        let path = journal.path().to_owned();
        assert!(Journal::abandoned(&path).unwrap().is_none());
        let shared = journal.share().unwrap();
        drop(journal);
        assert!(Journal::abandoned(&path).unwrap().is_none(), "the guardian still has it");
        drop(shared);
        assert!(Journal::abandoned(&path).unwrap().is_some());
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let place = private();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(place.path(), open).unwrap();
        let error = Journal::create(place.path(), "run").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in ["", "../x", "a/b", ".hidden"] {
            let error = Journal::create(Path::new("/nonexistent"), name).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }

    proptest! {
        #[test]
        fn cut_anywhere_it_keeps_every_whole_line(cut in 0usize..2000, count in 1usize..12) {
            let lines: Vec<Vec<u8>> = (0..count)
                .map(|id| {
                    let line = Line::Undo { id, fault: "pause".to_owned(), undo: pause(9) };
                    let mut text = serde_json::to_vec(&line).unwrap();
                    text.push(b'\n');
                    text
                })
                .collect();
            let text = lines.concat();
            let cut = cut.min(text.len());
            let mut end = 0;
            // A line is whole with its last brace, even when its line end is missing.
            let whole = lines.iter().filter(|it| { end += it.len(); end - 1 <= cut }).count();
            prop_assert_eq!(Ledger::parse(&text[..cut]).open.len(), whole);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let lines = bytes.split(|it| *it == b'\n').count();
            prop_assert!(Ledger::parse(&bytes).unreadable.len() <= lines);
        }
    }
}
