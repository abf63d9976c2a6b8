//! Journal: the file that a run is.
//!
//! One event a line, written as it happens. Terminal output, reports, another judgement with other
//! objectives: all are readers of it. A run that was killed leaves a last line torn in two; it is left out.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use evenkeel_model::Entry;

/// A journal that is being written.
#[derive(Debug)]
pub struct Writer {
    file: File,
    line: Vec<u8>,
    /// Bytes of whole lines in the file.
    whole: u64,
}

/// A journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read {}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line is no event.
    #[error("{}:{line}: not an event of a run: {reason}", .path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
}

impl Writer {
    /// Begins a journal; refuses to write over another.
    ///
    /// # Errors
    /// When the file is there already or cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create_new(true).append(true).open(path)?;
        Ok(Self { file, line: Vec::new(), whole: 0 })
    }

    /// Writes an event down.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, entry: &Entry) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, entry)?;
        self.line.push(b'\n');
        // One call a line: readers never see half of one while the process lives.
        if let Err(error) = self.file.write_all(&self.line) {
            // A full disk takes half a line; the next one must not be glued to it.
            self.file.set_len(self.whole)?;
            return Err(error);
        }
        self.whole += self.line.len() as u64;
        Ok(())
    }

    /// Sees to it that everything written is on the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Reads a journal.
///
/// # Errors
/// When the file cannot be read, or a line other than the last is no event.
pub fn read(path: &Path) -> Result<Vec<Entry>, ReadError> {
    let of_file = |source| ReadError::File { path: path.to_owned(), source };
    let mut entries = Vec::new();
    let mut lines =
        BufReader::new(File::open(path).map_err(of_file)?).split(b'\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let line = line.map_err(of_file)?;
        if line.is_empty() {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(entry) => entries.push(entry),
            Err(_) if lines.peek().is_none() => {}
            Err(error) => {
                return Err(ReadError::Line {
                    path: path.to_owned(),
                    line: index + 1,
                    reason: error.to_string(),
                });
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_model::Event;
    use evenkeel_units::Moment;

    #[test]
    fn a_torn_last_line_is_left_out_and_a_torn_one_before_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut writer = Writer::create(&path).unwrap();
        writer.write(&Entry { at: Moment::START, event: Event::Tick }).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"at_sec")).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
        std::fs::write(&path, format!("{{\"at_sec\n{whole}")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains(":1: not an event"));
    }

    #[test]
    fn a_journal_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        Writer::create(&path).unwrap();
        assert_eq!(Writer::create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_disk_that_is_full_takes_no_half_lines() {
        let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let mut writer = Writer { file: full, line: Vec::new(), whole: 0 };
        let entry = Entry { at: Moment::START, event: Event::Tick };
        assert!(writer.write(&entry).is_err());
        assert_eq!(writer.whole, 0);
    }
}
