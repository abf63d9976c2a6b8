//! Journal: the file that a run is.
//!
//! One event a line, written as it happens. Terminal output, reports, another judgement with other
//! objectives: all are readers of it. A run that was killed leaves a last line torn in two; it is left out.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use evenkeel_model::{Entry, Event};
use evenkeel_slo::Interval;
use evenkeel_units::Moment;
use jiff::Timestamp;

use crate::frames::Frames;
use crate::run::Run;

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
    /// Its first line is not the start of a run.
    #[error("{}: it does not begin with the start of a run", .0.display())]
    NoRun(PathBuf),
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

/// Reads what happened in a run.
///
/// # Errors
/// When the file cannot be read, does not begin with the start of a run, or a line other than the last is no event.
pub fn read(path: &Path) -> Result<Run, ReadError> {
    let of_file = |source| ReadError::File { path: path.to_owned(), source };
    let mut run = None;
    let mut lines =
        BufReader::new(File::open(path).map_err(of_file)?).split(b'\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let line = line.map_err(of_file)?;
        if line.is_empty() {
            continue;
        }
        match serde_json::from_slice::<Entry>(&line) {
            Ok(entry) => {
                let run = match (&mut run, &entry.event) {
                    (Some(run), _) => run,
                    (none, Event::Started { run, plan }) => {
                        let frames = Frames::within(path.parent().unwrap_or(Path::new(".")));
                        none.insert(Run::new(run.clone(), plan.as_ref().clone(), frames))
                    }
                    (None, _) => return Err(ReadError::NoRun(path.to_owned())),
                };
                drop(run.on(&entry));
            }
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
    run.ok_or_else(|| ReadError::NoRun(path.to_owned()))
}

/// Bytes at the end of a journal among which its last event is.
const TAIL: u64 = 1 << 20;

/// The id of the run of a journal, and from when to when it sent load or mended what it had broken: what its first and last
/// lines say, without reading what is between them. `None` when it sent none.
///
/// # Errors
/// When the file cannot be read or does not begin with the start of a run.
pub fn glance(journal: &Path) -> Result<Option<(String, Interval)>, ReadError> {
    let of_file = |source| ReadError::File { path: journal.to_owned(), source };
    let mut file = File::open(journal).map_err(of_file)?;
    let (mut head, mut began) = (None, None);
    for line in BufReader::new(&file).split(b'\n') {
        let line = line.map_err(of_file)?;
        // A line that is no event is told by whoever reads the run.
        let Ok(entry) = serde_json::from_slice::<Entry>(&line) else { break };
        match entry.event {
            Event::Started { run, .. } => head = Some(run),
            Event::LoadStarted => {
                began = Some(entry.at);
                break;
            }
            _ => {}
        }
    }
    let head = head.ok_or_else(|| ReadError::NoRun(journal.to_owned()))?;
    let Some((began, started)) = began.zip(head.started.parse::<Timestamp>().ok()) else {
        return Ok(None);
    };
    let length = file.metadata().map_err(of_file)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(of_file)?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).map_err(of_file)?;
    let ended =
        tail.rsplit(|it| *it == b'\n').find_map(|it| serde_json::from_slice::<Entry>(it).ok());
    let ended = ended.map_or(began, |it| it.at);
    let moment = |it: Moment| started.checked_add(it.elapsed()).unwrap_or(Timestamp::MAX);
    Ok(Some((head.id, Interval::new(moment(began), moment(ended)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{fragile, plan, play};

    #[test]
    fn what_was_written_is_read_as_the_run_that_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let (mut writer, journal) =
            (Writer::create(&path).unwrap(), play(plan(), &fragile, |_| None));
        journal.iter().for_each(|it| writer.write(it).unwrap());
        let outcome = crate::judge(&read(&path).unwrap(), None).unwrap();
        assert_eq!(outcome, crate::sample::judged(&journal));
    }

    #[test]
    fn a_journal_without_a_beginning_is_no_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut writer = Writer::create(&path).unwrap();
        assert!(matches!(read(&path), Err(ReadError::NoRun(_))));
        writer.write(&Entry { at: Moment::START, event: Event::Tick }).unwrap();
        assert!(matches!(read(&path), Err(ReadError::NoRun(_))));
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_a_torn_one_before_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut writer = Writer::create(&path).unwrap();
        writer.write(&play(plan(), &fragile, |_| None)[0]).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"at_sec")).unwrap();
        assert!(read(&path).unwrap().finish.is_none());
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

    #[test]
    fn a_glance_at_a_journal_tells_when_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut writer = Writer::create(&path).unwrap();
        play(plan(), &fragile, |_| None).iter().for_each(|it| writer.write(it).unwrap());
        let (id, time) = glance(&path).unwrap().unwrap();
        let run = read(&path).unwrap();
        let load = run.time().unwrap();
        assert_eq!((&id, time.from), (&run.head.id, load.from));
        assert!(time.to >= load.to);
        std::fs::write(&path, "{}\n").unwrap();
        assert!(matches!(glance(&path), Err(ReadError::NoRun(_))));
    }
}
