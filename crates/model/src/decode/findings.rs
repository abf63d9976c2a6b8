//! Where findings are collected, bounded, and what was probably meant by a word that nobody knows.

use super::{Code, Decoded, codes};
use crate::Diagnostic;
use crate::document::NamedAt;
use crate::yaml::{Place, Source};

/// How many findings of one file are kept.
pub(crate) const MAX_FINDINGS: usize = 100;

/// What is wrong with a file, so far; and what was found inside the document that is being read.
#[derive(Debug)]
pub struct Findings {
    source: Source,
    list: Vec<Diagnostic>,
    count: usize,
    document: String,
    inline: Vec<Decoded>,
}

impl Default for Findings {
    fn default() -> Self {
        Self {
            source: Source::new("-", String::new()),
            list: Vec::new(),
            count: 0,
            document: String::new(),
            inline: Vec::new(),
        }
    }
}

impl Findings {
    /// What is reported from now on is about places in this file.
    pub fn set_source(&mut self, source: Source) {
        self.source = source;
    }

    /// The file, what is wrong with it, and how many findings more there were.
    pub fn into_parts(mut self) -> (Source, Vec<Diagnostic>, usize) {
        let more = self.count - self.list.len();
        let key = |it: &Diagnostic| (it.line == 0, it.line, it.column);
        self.list.sort_by_key(key);
        self.list.dedup();
        (self.source, self.list, more)
    }

    /// Whether the same was found at the same place.
    pub(super) fn has(&self, finding: &Diagnostic) -> bool {
        let key = |it: &Diagnostic| (it.line, it.column, it.message.clone());
        self.list.iter().any(|it| key(it) == key(finding))
    }

    /// Adds a finding about the file.
    pub fn report(
        &mut self,
        code: Code,
        place: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        // A finding that is not kept must not cost the copy of its line either.
        match self.is_full() {
            false => {
                let finding = self.source.diagnostic(code, place, message, help);
                self.add(finding);
            }
            true => self.count += 1,
        }
    }

    /// Adds a finding.
    pub fn add(&mut self, finding: Diagnostic) {
        self.count += 1;
        if !self.is_full() {
            self.list.push(finding);
        }
    }

    /// Whether no more are kept.
    pub(crate) const fn is_full(&self) -> bool {
        self.list.len() >= MAX_FINDINGS
    }

    /// Notes one more that is not kept.
    pub(super) const fn count_only(&mut self) {
        self.count += 1;
    }

    /// How many there were so far.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// What is read.
    pub(crate) const fn source(&self) -> &Source {
        &self.source
    }

    /// A place of the file, for the file that is named there.
    pub(super) fn named_at(&self, place: Place) -> NamedAt {
        let document = self.source.name().to_owned();
        NamedAt { document, line: place.line, column: place.column }
    }

    /// What follows is about the document with this name.
    pub(super) fn begin(&mut self, document: &str) {
        document.clone_into(&mut self.document);
        self.inline.clear();
    }

    /// Name of the document that is being read.
    pub(super) fn document(&self) -> &str {
        &self.document
    }

    /// Keeps a document that stands inside another.
    pub(super) fn keep_inline(&mut self, decoded: Decoded) {
        self.inline.push(decoded);
    }

    /// The documents that stood inside the one that was read.
    pub(super) fn take_inline(&mut self) -> Vec<Decoded> {
        std::mem::take(&mut self.inline)
    }
}

/// That there are more findings than are shown; `None` when there are not.
pub(crate) fn more(source: &Source, count: usize) -> Option<Diagnostic> {
    let message = match count {
        0 => return None,
        1 => "1 more finding is not shown".to_owned(),
        _ => format!("{count} more findings are not shown"),
    };
    let help = "Mend some and check again.";
    Some(source.diagnostic(codes::TOO_MANY_FINDINGS, Place::default(), message, help))
}

/// The one of `known` that was probably meant by `word`: the same but for case and `_` or `-`, or close
/// enough to be a slip.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |it: &str| it.replace(['_', '-', ' '], "").to_lowercase();
    // A hostile word must not cost more than a real one could.
    let word = plain(&word.chars().take(100).collect::<String>());
    let score = |it: &str| {
        let it = plain(it);
        if it == word { 2.0 } else { strsim::jaro_winkler(&it, &word) }
    };
    // Nor may there be more words than a document could well have.
    let scored = known.into_iter().take(1_000).map(|it| (score(it), it));
    scored.filter(|(score, _)| *score > 0.82).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, it)| it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_case_or_an_underscore_is_no_other_word() {
        assert_eq!(nearest("max_duration", ["minDuration", "maxDuration"]), Some("maxDuration"));
        assert_eq!(nearest("MaxDuration", ["maxDuration"]), Some("maxDuration"));
    }

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        assert_eq!(nearest("objctives", ["objectives", "load"]), Some("objectives"));
        assert_eq!(nearest("banana", ["objectives", "load"]), None);
    }
}
