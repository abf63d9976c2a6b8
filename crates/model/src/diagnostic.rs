//! Diagnostic: what is wrong with a document, where, and what to do about it.

use serde::Serialize;

/// One finding in one file. Serialises to the shape that scripts read from `check --output json`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diagnostic {
    /// The file as it was named to us; `-` for standard input.
    pub file: String,
    /// Line, counted from 1; 0 when the whole file is meant.
    pub line: u32,
    /// Column in characters, counted from 1; 0 when the whole file is meant.
    pub column: u32,
    /// Stable name of the kind of finding, such as `EK-D003`; `evenkeel explain` knows each.
    pub code: String,
    /// What is wrong: lowercase, no full stop.
    pub message: String,
    /// What to do: a whole sentence, or empty when the message says it.
    pub help: String,
    /// The line of the source, without its line break; empty when there is none to show.
    #[serde(skip)]
    pub source_line: String,
    /// How many characters from `column` on are meant; at least 1.
    #[serde(skip)]
    pub length: u32,
}

/// An error with its sources, in one line: `cannot read the journal: permission denied`.
pub fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(it) = source {
        text.push_str(": ");
        text.push_str(&it.to_string());
        source = it.source();
    }
    text
}
