//! A file as it was read: its name, its text, and where its lines are.

use super::Place;
use crate::Diagnostic;
use crate::decode::Code;

/// How much of a line a diagnostic carries, in characters; the rest of a hostile line stays away.
const SHOWN_CHARACTERS: usize = 4_096;

/// The text of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
    /// Where each line begins, in bytes.
    starts: Vec<usize>,
}

impl Source {
    /// The file `name` with this text.
    pub fn new(name: &str, text: String) -> Self {
        let bytes = text.as_bytes();
        let breaks = bytes.iter().enumerate().filter(|(at, byte)| match byte {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { name: name.to_owned(), text, starts }
    }

    /// The file as it was named to us.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// From the beginning of a line, counted from 1, to the end of the file.
    pub(super) fn text_from(&self, line: usize) -> &str {
        let start = self.starts.get(line.saturating_sub(1)).copied();
        start.and_then(|it| self.text.get(it..)).unwrap_or_default()
    }

    /// How many lines there are.
    pub(super) fn lines(&self) -> usize {
        self.starts.len()
    }

    /// A line, counted from 1, without its break; empty when there is none.
    pub(super) fn line(&self, line: usize) -> &str {
        let end = self.starts.get(line).copied().unwrap_or(self.text.len());
        let start = line.checked_sub(1).and_then(|it| self.starts.get(it)).copied();
        let text = start.and_then(|it| self.text.get(it..end)).unwrap_or_default();
        text.trim_end_matches(['\n', '\r'])
    }

    /// A finding at a place in this file.
    pub fn diagnostic(
        &self,
        code: Code,
        place: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Diagnostic {
        let line = self.line(place.line as usize);
        Diagnostic {
            file: self.name.clone(),
            line: place.line,
            column: place.column,
            code: code.name().to_owned(),
            message: message.into(),
            help: help.into(),
            source_line: line.chars().take(SHOWN_CHARACTERS).collect(),
            length: place.length.max(1),
        }
    }
}
