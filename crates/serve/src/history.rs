//! History: samples of files, brought into a store that nobody serves.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_metrics::exposition::Format;
use evenkeel_metrics::import::{self, ImportError};
use evenkeel_tsdb::{OpenError, Options, Store, WriteError};
use evenkeel_units::Clock;

use crate::intake::Stored;

/// No text is larger; a table may be, for it is read line by line.
const TEXT_MAX: u64 = 1 << 30;

/// What came of a file.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// Samples that are in the store now.
    pub samples: usize,
    /// Samples for which there is another value at the same moment, or that are older than the store keeps them.
    pub refused: usize,
}

/// Why files were not brought into a store.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store cannot be opened.
    #[error("cannot open the store")]
    Store(#[from] OpenError),
    /// What was brought in is not on disk.
    #[error("what was brought in could not be written")]
    Written(#[from] WriteError),
    /// A file cannot be read.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A text is too large to be read as a whole.
    #[error("{} is larger than {TEXT_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
    /// A file is not what its name says. What stands before is in the store.
    #[error("{}", file.display())]
    Wrong {
        /// Which.
        file: PathBuf,
        /// Where, and what is wrong there.
        #[source]
        cause: ImportError,
    },
}

/// Brings the samples of files into the store in a folder: tables where a name ends with `.csv`, OpenMetrics where it ends
/// with `.om`, else the text format of Prometheus; each sample with its moment, which lies ahead of the clock no further than a
/// server takes it.
///
/// # Errors
/// At the first file that cannot be read or is wrong.
pub fn bring(
    files: &[PathBuf],
    data: &Path,
    clock: &impl Clock,
) -> Result<Vec<Brought>, HistoryError> {
    let store = Arc::new(Store::open(data, Options::default())?);
    let ahead = i64::try_from(store.options().ahead.as_millis()).unwrap_or(i64::MAX);
    let newest = clock.wall().as_millisecond().saturating_add(ahead);
    let stored = Stored::for_history(Arc::clone(&store));
    let brought = files.iter().map(|it| one(it, newest, &stored)).collect();
    store.sync()?;
    brought
}

fn one(file: &Path, newest: i64, store: &Stored) -> Result<Brought, HistoryError> {
    let unreadable = |cause| HistoryError::Unreadable { file: file.to_owned(), cause };
    let opened = File::open(file).map_err(unreadable)?;
    let imported = match file.extension().and_then(|it| it.to_str()) {
        Some("csv") => import::table(BufReader::new(opened), newest, store),
        ending => {
            let format = if ending == Some("om") { Format::OpenMetrics } else { Format::Text };
            let mut text = Vec::new();
            opened.take(TEXT_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
            if text.len() as u64 > TEXT_MAX {
                return Err(HistoryError::TooLarge(file.to_owned()));
            }
            import::text(&text, format, newest, store)
        }
    };
    match imported {
        Ok(it) => Ok(Brought { samples: it.samples, refused: it.refused.total() }),
        Err(cause) => Err(HistoryError::Wrong { file: file.to_owned(), cause }),
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_series::{Samples, Source as _, Span};

    use super::*;
    use crate::watch::Stopped;

    #[test]
    fn files_of_any_age_are_brought_into_one_store() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let files = [
            write("new.csv", "timestamp,metric,job,value\n1767225600,up,shop,1\n"),
            write(
                "old.prom",
                "up{job=\"shop\"} 0 946684800000\nup{job=\"shop\"} 2 1767225600000\n",
            ),
            write("older.om", "up{job=\"shop\"} 0 1.5\n# EOF\n"),
        ];
        let data = folder.path().join("data");
        let clock = Stopped::at(1_767_225_600_000);
        let brought: Vec<_> = bring(&files, &data, &clock)
            .unwrap()
            .iter()
            .map(|it| (it.samples, it.refused))
            .collect();
        assert_eq!(brought, [(1, 0), (1, 1), (1, 0)]);
        let store = Store::open(&data, Options::default()).unwrap();
        let snapshot = store.snapshot();
        let found = snapshot.select(&[], Span::ALL).unwrap();
        let mut samples = Samples::default();
        found[0].read(Span::ALL, &mut samples).unwrap();
        let moments: Vec<_> = samples.points.iter().map(|it| it.at).collect();
        assert_eq!((found.len(), moments), (1, vec![1_500, 946_684_800_000, 1_767_225_600_000]));
        drop(found);
        drop(snapshot);
        drop(store);
        let wrong = write("wrong.csv", "timestamp,metric,value\nsoon,up,1\n");
        let refusal = |file: PathBuf| {
            let error = bring(&[file], &data, &clock).unwrap_err();
            std::error::Error::source(&error).unwrap().to_string()
        };
        assert_eq!(refusal(wrong), "line 2: `soon` is no moment");
        let future =
            write("future.csv", "timestamp,metric,value\n1767226200,up,1\n1767226201,up,1\n");
        let expected = "line 3: the sample lies in the future, at 2026-01-01T00:10:01Z";
        assert_eq!(refusal(future), expected, "ten minutes are taken");
    }
}
