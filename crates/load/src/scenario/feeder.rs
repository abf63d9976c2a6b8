//! Feeders: rows of data for iterations.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use evenkeel_model::document::{self, FileName, RowOrder, Rows};

/// More rows or bytes than a test needs; a wrong file must not fill the memory.
const BYTES_MAX: u64 = 1 << 30;

/// Data in memory.
#[derive(Debug)]
pub(crate) struct Feeder {
    columns: Vec<String>,
    /// Row after row.
    cells: Vec<Box<str>>,
    pub(super) order: RowOrder,
}

/// Why data cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeederError {
    #[error("cannot read {file}")]
    Read {
        file: FileName,
        #[source]
        source: io::Error,
    },
    #[error("{}:{line}{}: {reason}", file.as_str(), file.place())]
    Line { file: FileName, line: u64, reason: String },
    #[error("the data `{name}` has no rows")]
    Empty { name: String },
}

impl Feeder {
    /// Reads all rows.
    pub(super) fn read(feeder: &document::Feeder) -> Result<Self, FeederError> {
        let (columns, cells) = match &feeder.rows {
            Rows::Csv(file) => read_csv(file)?,
            Rows::JsonLines(file) => read_json_lines(file)?,
            Rows::Inline(columns, rows) => (columns.clone(), rows.concat()),
        };
        if columns.is_empty() || cells.is_empty() {
            return Err(FeederError::Empty { name: feeder.name.clone() });
        }
        let cells = cells.into_iter().map(String::into_boxed_str).collect();
        Ok(Self { columns, cells, order: feeder.order })
    }

    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|it| it == name)
    }

    /// The names of all columns, for people.
    pub(super) fn names(&self) -> String {
        self.columns.join(", ")
    }

    pub(super) fn rows(&self) -> u64 {
        (self.cells.len() / self.columns.len()) as u64
    }

    pub(super) fn cell(&self, row: u32, column: usize) -> &str {
        self.cells.get(row as usize * self.columns.len() + column).map_or("", |it| it)
    }
}

/// The same data, wherever it is, as rows of the document.
pub(crate) fn inline(feeder: &document::Feeder) -> Result<Rows, FeederError> {
    let (columns, cells) = match &feeder.rows {
        Rows::Csv(file) => read_csv(file)?,
        Rows::JsonLines(file) => read_json_lines(file)?,
        Rows::Inline(..) => return Ok(feeder.rows.clone()),
    };
    let rows = cells.chunks(columns.len().max(1)).map(<[String]>::to_vec).collect();
    Ok(Rows::Inline(columns, rows))
}

type Table = (Vec<String>, Vec<String>);

fn open(file: &FileName) -> Result<BufReader<File>, FeederError> {
    let failed = |source| FeederError::Read { file: file.clone(), source };
    let opened = File::open(file.path()).map_err(failed)?;
    if opened.metadata().map_err(failed)?.len() > BYTES_MAX {
        return Err(failed(io::Error::other("it is larger than 1 GiB")));
    }
    Ok(BufReader::new(opened))
}

fn read_csv(file: &FileName) -> Result<Table, FeederError> {
    let wrong = |error: csv::Error| FeederError::Line {
        file: file.clone(),
        line: error.position().map_or(1, csv::Position::line),
        reason: error.to_string(),
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(open(file)?);
    let columns: Vec<String> = reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
    let mut cells = Vec::new();
    for record in reader.records() {
        cells.extend(record.map_err(wrong)?.iter().map(str::to_owned));
    }
    Ok((
        columns.into_iter().map(|it| it.trim_start_matches('\u{feff}').to_owned()).collect(),
        cells,
    ))
}

fn read_json_lines(file: &FileName) -> Result<Table, FeederError> {
    let mut columns: Vec<String> = Vec::new();
    let mut cells = Vec::new();
    for (n, line) in open(file)?.lines().enumerate() {
        let wrong =
            |reason: String| FeederError::Line { file: file.clone(), line: n as u64 + 1, reason };
        let line = line.map_err(|it| wrong(it.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let row: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&line).map_err(|it| wrong(format!("no JSON object: {it}")))?;
        if columns.is_empty() {
            columns = row.keys().cloned().collect();
        }
        for column in &columns {
            let value = row.get(column).ok_or_else(|| wrong(format!("it has no `{column}`")))?;
            cells.push(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    Ok((columns, cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, content: &str) -> Result<Feeder, FeederError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        let file = FileName::new(file.display().to_string());
        let rows = if name.ends_with("csv") { Rows::Csv(file) } else { Rows::JsonLines(file) };
        Feeder::read(&document::Feeder { name: "it".to_owned(), rows, order: RowOrder::Random })
    }

    #[test]
    fn rows_are_read_by_column() {
        for (name, content) in [
            ("a.csv", "\u{feff}id, name\n1,\"a, b\"\n2,c\n"),
            ("a.jsonl", "{\"id\": 1, \"name\": \"a, b\"}\n\n{\"name\": \"c\", \"id\": 2}\n"),
        ] {
            let feeder = read(name, content).unwrap();
            let (id, name) = (feeder.column("id").unwrap(), feeder.column("name").unwrap());
            assert_eq!(feeder.rows(), 2);
            assert_eq!([feeder.cell(0, name), feeder.cell(1, id)], ["a, b", "2"]);
        }
    }

    #[test]
    fn a_row_that_does_not_fit_is_said_with_its_line() {
        for (name, content, words) in [
            ("a.csv", "id,name\n1,a\n2\n", "a.csv:3: "),
            ("a.jsonl", "{\"id\": 1}\n{\"ID\": 2}\n", "a.jsonl:2: it has no `id`"),
            ("a.jsonl", "{\"id\": 1}\n[]\n", "a.jsonl:2: no JSON object"),
            ("a.csv", "id,name\n", "no rows"),
        ] {
            let error = read(name, content).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
