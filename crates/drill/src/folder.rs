//! Folder: where runs are kept on disk.
//!
//! ```text
//! evenkeel-runs/
//!   checkout-20261121-140200/   journal.jsonl report.html report.json junit.xml report.md service.log
//!   baselines/checkout.json     the report that later runs of the drill are compared with
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use evenkeel_model::Outcome;
use evenkeel_model::outcome::Figures;

use crate::regression::is_same_drill;

/// File name of the journal in a run's folder.
pub const JOURNAL: &str = "journal.jsonl";

/// The id of a run of `drill` that begins at `started`.
pub fn id(drill: &str, started: jiff::Timestamp) -> String {
    format!("{}-{}", drill.replace('/', "-"), started.strftime("%Y%m%d-%H%M%S"))
}

/// The folder of all runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs {
    root: PathBuf,
}

impl Runs {
    /// Runs are kept in `root`, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Makes a folder for a run of `drill` that begins at `started`; its name is the run's id.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn create(&self, drill: &str, started: jiff::Timestamp) -> io::Result<(String, PathBuf)> {
        fs::create_dir_all(&self.root)?;
        let base = id(drill, started);
        // Two runs in one second are told apart by a number.
        for number in 1..1000 {
            let id = if number == 1 { base.clone() } else { format!("{base}-{number}") };
            let path = self.folder(&id);
            match fs::create_dir(&path) {
                Ok(()) => return Ok((id, path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("too many runs named {base}")))
    }

    /// The folder of a run by its id.
    pub fn folder(&self, id: &str) -> PathBuf {
        self.root.join(id)
    }

    /// Folders of runs, the newest last.
    ///
    /// # Errors
    /// When the folder cannot be listed; a missing one is empty.
    pub fn list(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let journal = entry?.path().join(JOURNAL);
            if let Ok(begun) =
                fs::metadata(&journal).and_then(|it| it.created().or_else(|_| it.modified()))
            {
                runs.push((begun, journal.with_file_name("")));
            }
        }
        runs.sort();
        Ok(runs.into_iter().map(|(_, path)| path).collect())
    }

    /// The folder of a run that is named by its id, by its path, or by `last`.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        let named = [self.root.join(name), PathBuf::from(name)];
        let last =
            || self.list().ok().and_then(|runs| runs.last().cloned()).filter(|_| name == "last");
        named.into_iter().find(|it| it.join(JOURNAL).is_file()).or_else(last)
    }

    /// Where the baseline of a drill is stored.
    pub fn baseline_file(&self, drill: &str) -> PathBuf {
        self.root.join("baselines").join(format!("{}.json", drill.replace('/', "-")))
    }

    /// The stored baseline of a drill.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn baseline(&self, drill: &str) -> io::Result<Option<Outcome>> {
        match fs::read(self.baseline_file(drill)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores a run as the baseline that later runs of its drill are compared with. The figures of those that were
    /// accepted before it are kept beside it: how they differ is noise.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn store_baseline(&self, outcome: &Outcome) -> io::Result<PathBuf> {
        let file = self.baseline_file(&outcome.plan.drill);
        fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        // A file that cannot be read is no reason to refuse a new baseline.
        let before = self.baseline(&outcome.plan.drill).unwrap_or_default();
        let accepted = before.map(|it| accepted(it, outcome)).unwrap_or_default();
        let stored = Outcome { accepted, ..outcome.clone() };
        fs::write(&file, serde_json::to_vec_pretty(&stored)?)?;
        Ok(file)
    }
}

/// Runs whose figures are kept, with the baseline itself.
const KEPT: usize = 5;

/// The figures of the runs that were accepted before `next`; those of another drill say nothing about it.
fn accepted(before: Outcome, next: &Outcome) -> Vec<Figures> {
    if !is_same_drill(&before.plan, &next.plan) {
        return Vec::new();
    }
    let mut all = before.accepted;
    if before.run.id != next.run.id {
        all.push(before.totals);
    }
    all.split_off(all.len().saturating_sub(KEPT - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{fragile, judged, plan, play};

    #[test]
    fn a_baseline_keeps_the_figures_of_the_runs_accepted_before_it() {
        let root = tempfile::tempdir().unwrap();
        let runs = Runs::at(root.path());
        let journal = play(plan(), &fragile, |_| None);
        let mut outcome = judged(&journal);
        for run in 0..7u64 {
            outcome.run.id = format!("checkout-{run}");
            outcome.totals.planned = run;
            runs.store_baseline(&outcome).unwrap();
            runs.store_baseline(&outcome).unwrap();
        }
        let kept = |runs: &Runs| {
            let stored = runs.baseline("checkout").unwrap().unwrap();
            stored.accepted.iter().map(|it| it.planned).collect::<Vec<_>>()
        };
        assert_eq!(kept(&runs), [2, 3, 4, 5]);
        outcome.plan.load.as_mut().unwrap().connections += 1;
        outcome.run.id = "another".to_owned();
        runs.store_baseline(&outcome).unwrap();
        assert_eq!(kept(&runs), [0; 0], "another drill");
    }

    #[test]
    fn two_runs_in_one_second_get_folders_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        let runs = Runs::at(root.path());
        let now: jiff::Timestamp = "2026-11-21T14:02:00Z".parse().unwrap();
        let (first, _) = runs.create("checkout", now).unwrap();
        let (second, _) = runs.create("checkout", now).unwrap();
        assert_eq!([first, second], ["checkout-20261121-140200", "checkout-20261121-140200-2"]);
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_runs() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Runs::at(root.path().join("none")).list().unwrap(), Vec::<PathBuf>::new());
    }
}
