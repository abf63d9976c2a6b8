//! Import: samples from files. CSV, and the text of a target with a moment at each sample.
//!
//! A CSV has one sample a line, and a first line with the names of its columns: `timestamp` (seconds since 1970, or RFC
//! 3339), `value`, and a label each: `__name__` (or `metric`), and others by their names. An empty field is no label.
//!
//! ```text
//! timestamp,metric,job,value
//! 2026-01-01T00:00:00Z,up,shop,1
//! 1767225615,up,shop,0
//! ```

use std::collections::BTreeMap;
use std::io::Read;

use evenkeel_series::{METRIC_NAME, Point};

use crate::exposition::{ExpositionError, Format, Parser, Said};
use crate::intake::{Batch, Intake, IntakeError, Refused};

/// So many samples are taken in together.
const BATCH: usize = 10_000;
/// Seconds beyond which no moment is meant: the year 9999.
const SECONDS_MAX: f64 = 253_402_300_800.0;

/// What came of a file.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Samples that were taken in.
    pub samples: usize,
    /// Samples that the store refused.
    pub refused: Refused,
}

/// Why reading a file stopped. What stood before is taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is no such text.
    #[error(transparent)]
    Text(#[from] ExpositionError),
    /// It is no such table.
    #[error("line {line}: {problem}")]
    Table {
        /// Line, counted from 1.
        line: u64,
        /// What is wrong there.
        problem: String,
    },
    /// The store takes nothing in.
    #[error(transparent)]
    Store(#[from] IntakeError),
}

/// Takes in a text in which every sample has its moment, which is none after `newest`, in milliseconds since 1970.
///
/// # Errors
/// At the first line that is wrong, or has no moment, or one of the future.
pub fn text<I: Intake>(
    text: &[u8],
    format: Format,
    newest: i64,
    store: &I,
) -> Result<Imported, ImportError> {
    let mut parser = Parser::new(Parser::utf8(text)?, format);
    let mut into = Into::new(store);
    while let Some(said) = parser.next() {
        let Said::Sample(sample) = said? else { continue };
        let at = sample.at.ok_or_else(|| parser.error("the sample has no moment"))?;
        is_past(at, newest).map_err(|problem| parser.error(problem))?;
        if !into.known.contains_key(sample.series) {
            let mut labels = BTreeMap::new();
            for (name, value) in parser.labels() {
                if labels.insert(name.to_string(), value.into_owned()).is_some() {
                    return Err(parser.error(format!("the label `{name}` is there twice")).into());
                }
            }
            into.learn(sample.series, &labels)?;
        }
        into.push(sample.series, Point { at, value: sample.value })?;
    }
    into.finish()
}

/// Takes in a table, of which no moment is after `newest`, in milliseconds since 1970.
///
/// # Errors
/// At the first line that is wrong, or of the future.
pub fn table<I: Intake>(table: impl Read, newest: i64, store: &I) -> Result<Imported, ImportError> {
    let mut reader = csv::Reader::from_reader(table);
    let columns = Columns::of(reader.headers().map_err(|it| unreadable(&it))?)?;
    let mut into = Into::new(store);
    let mut record = csv::StringRecord::new();
    let mut key = String::new();
    while reader.read_record(&mut record).map_err(|it| unreadable(&it))? {
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |problem: String| ImportError::Table { line, problem };
        let field = |at: usize| record.get(at).unwrap_or_default().trim();
        let (at, value) = (field(columns.at), field(columns.value));
        let at = moment(at).ok_or_else(|| wrong(format!("`{at}` is no moment")))?;
        is_past(at, newest).map_err(wrong)?;
        let value: f64 = value.parse().map_err(|_| wrong(format!("`{value}` is no number")))?;
        key.clear();
        for (column, _) in &columns.labels {
            key.extend([field(*column), "\u{1f}"]);
        }
        if !into.known.contains_key(&*key) {
            let pairs =
                columns.labels.iter().map(|(at, name)| (name.clone(), field(*at).to_owned()));
            let labels: BTreeMap<_, _> = pairs.filter(|it| !it.1.is_empty()).collect();
            if !labels.contains_key(METRIC_NAME) {
                return Err(wrong("the name of the metric is missing".to_owned()));
            }
            into.learn(&key, &labels)?;
        }
        into.push(&key, Point { at, value })?;
    }
    into.finish()
}

/// Which column is what.
struct Columns {
    at: usize,
    value: usize,
    labels: Vec<(usize, String)>,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, ImportError> {
        let (mut at, mut value, mut labels) = (None, None, Vec::new());
        for (column, name) in header.iter().map(str::trim).enumerate() {
            match name {
                "timestamp" => at = Some(column),
                "value" => value = Some(column),
                "metric" | METRIC_NAME => labels.push((column, METRIC_NAME.to_owned())),
                "" => {}
                other => labels.push((column, other.to_owned())),
            }
        }
        let missing = |name: &str| ImportError::Table {
            line: 1,
            problem: format!("there is no column `{name}`"),
        };
        if !labels.iter().any(|it| it.1 == METRIC_NAME) {
            return Err(missing("metric"));
        }
        let (at, value) = (at.ok_or(missing("timestamp"))?, value.ok_or(missing("value"))?);
        Ok(Self { at, value, labels })
    }
}

/// Milliseconds since 1970.
fn moment(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.abs() < SECONDS_MAX => Some((seconds * 1000.0).round() as i64),
        Ok(_) => None,
        Err(_) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
    }
}

/// A wrong clock, or a moment in the wrong unit, makes samples of the future, behind which every later one of the series would be
/// late.
fn is_past(at: i64, newest: i64) -> Result<(), String> {
    if at <= newest {
        return Ok(());
    }
    let at = jiff::Timestamp::from_millisecond(at)
        .map_or_else(|_| format!("{at} ms after 1970"), |it| it.to_string());
    Err(format!("the sample lies in the future, at {at}"))
}

fn unreadable(error: &csv::Error) -> ImportError {
    let line = error.position().map_or(0, csv::Position::line);
    ImportError::Table { line, problem: error.to_string() }
}

/// A file on its way into a store.
struct Into<'a, I: Intake> {
    store: &'a I,
    known: BTreeMap<Box<str>, I::Series>,
    batch: Batch<I::Series>,
    done: Imported,
}

impl<'a, I: Intake> Into<'a, I> {
    fn new(store: &'a I) -> Self {
        let (known, batch) = (BTreeMap::new(), Batch::default());
        Self { store, known, batch, done: Imported::default() }
    }

    fn learn(&mut self, key: &str, labels: &BTreeMap<String, String>) -> Result<(), IntakeError> {
        let labels = labels.iter().filter(|it| !it.1.is_empty());
        let labels: Vec<_> = labels.map(|(name, value)| (&**name, &**value)).collect();
        self.known.insert(key.into(), self.store.series(&labels)?);
        Ok(())
    }

    fn push(&mut self, key: &str, point: Point) -> Result<(), IntakeError> {
        if let Some(series) = self.known.get(key) {
            self.batch.points.push((*series, point));
        }
        if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IntakeError> {
        let refused = self.store.append(&self.batch)?;
        self.done.samples += self.batch.len() - refused.total().min(self.batch.len());
        self.done.refused = self.done.refused.and(refused);
        self.batch.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<Imported, ImportError> {
        self.flush()?;
        Ok(self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::memory::Memory;

    #[test]
    fn a_table_is_taken_in_by_its_columns() {
        let store = Memory::default();
        let csv = "timestamp,metric,job,value\n2026-01-01T00:00:00Z,up,shop,1\n\
            1767225615.5,up,shop,0\n1767225615,up,,NaN\n";
        let done = table(csv.as_bytes(), i64::MAX, &store).unwrap();
        assert_eq!((done.samples, done.refused.total()), (3, 0));
        assert_eq!(
            store.all(),
            [
                "up{job=\"shop\"} 1 @1767225600000",
                "up{job=\"shop\"} 0 @1767225615500",
                "up NaN @1767225615000"
            ]
        );
    }

    #[test]
    fn what_is_wrong_with_a_table_is_said_with_its_line() {
        let refusal =
            |csv: &str| table(csv.as_bytes(), 2000, &Memory::default()).unwrap_err().to_string();
        assert_eq!(refusal("timestamp,value\n"), "line 1: there is no column `metric`");
        assert_eq!(refusal("timestamp,metric,value\n1,a,1\nx,a,1\n"), "line 3: `x` is no moment");
        assert_eq!(refusal("timestamp,metric,value\n1,a,b\n"), "line 2: `b` is no number");
        assert_eq!(
            refusal("timestamp,metric,value\n2,a,1\n2.001,a,1\n"),
            "line 3: the sample lies in the future, at 1970-01-01T00:00:02.001Z"
        );
        assert_eq!(
            refusal("timestamp,metric,value\n1,,1\n"),
            "line 2: the name of the metric is missing"
        );
    }

    #[test]
    fn a_text_is_taken_in_when_every_sample_has_its_moment() {
        let store = Memory::default();
        let done = text(
            b"# TYPE a counter\na{b=\"c\"} 1 1000\na{b=\"c\"} 2 2000\n",
            Format::Text,
            2000,
            &store,
        );
        assert_eq!(done.unwrap().samples, 2);
        assert_eq!(store.all(), ["a{b=\"c\"} 1 @1000", "a{b=\"c\"} 2 @2000"]);
        let refusal = |of: &[u8]| text(of, Format::Text, 2000, &store).unwrap_err().to_string();
        assert_eq!(refusal(b"a 1 1\na 1\n"), "line 2, column 1: the sample has no moment");
        assert_eq!(
            refusal(b"a 1 2000\na 1 9223372036854775807\n"),
            "line 2, column 1: the sample lies in the future, at 9223372036854775807 ms after 1970"
        );
    }
}
