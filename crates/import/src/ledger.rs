//! A file that is being read: what is wrong with it, and what of it is left out, each with its place.

use evenkeel_model::Diagnostic;
use evenkeel_model::decode::{Code, Findings, codes};
use evenkeel_model::yaml::{self, Entry, Node, Place, Source};

use crate::fields::shown;
use crate::notes::{Notes, cut};
use crate::{LeftOut, json};

/// What was said about a file so far.
pub(crate) struct Ledger {
    /// Its name.
    name: String,
    /// What is wrong with it.
    pub(crate) found: Findings,
    /// What is left out, where, and why.
    left_out: Vec<(Place, String, String)>,
}

impl Ledger {
    /// Begins with a file.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), found: Findings::default(), left_out: Vec::new() }
    }

    /// What is wrong with it, so far; it is forgotten then.
    pub(crate) fn findings(&mut self) -> Vec<Diagnostic> {
        let (_, findings, _) = std::mem::take(&mut self.found).into_parts();
        findings
    }

    /// What is left out, from the top of the file to its end.
    pub(crate) fn left_out(mut self) -> Vec<LeftOut> {
        self.left_out.sort_by_key(|(place, ..)| (place.line, place.column));
        let mut notes = Notes::default();
        for (place, what, why) in self.left_out {
            let place = match place.line {
                0 => self.name.clone(),
                line => format!("{}:{line}:{}", self.name, place.column),
            };
            notes.add(place, what, why);
        }
        notes.finish()
    }

    /// Leaves a field out.
    pub(crate) fn leave(&mut self, entry: &Entry, why: impl Into<String>) {
        self.leave_at(entry.key_place, shown(entry), why);
    }

    /// Leaves something out.
    pub(crate) fn leave_at(&mut self, place: Place, what: impl AsRef<str>, why: impl Into<String>) {
        self.left_out.push((place, cut(what.as_ref()), why.into()));
    }

    /// A mistake of the document.
    pub(crate) fn wrong(&mut self, place: Place, message: impl Into<String>, help: &str) {
        self.wrong_as(codes::RANGE, place, message, help);
    }

    /// A mistake of this kind.
    pub(crate) fn wrong_as(
        &mut self,
        code: Code,
        place: Place,
        message: impl Into<String>,
        help: &str,
    ) {
        self.found.report(code, place, message, help);
    }

    /// What follows is about this text.
    pub(crate) fn begin(&mut self, name: &str, text: &str) {
        self.found.set_source(Source::new(name, text.to_owned()));
    }

    /// The documents of a text in YAML.
    pub(crate) fn roots(&mut self, bytes: &[u8]) -> Vec<Node> {
        let name = self.name.clone();
        let yaml::Text { source, roots, .. } = yaml::read(&name, bytes.to_vec(), &mut self.found);
        self.found.set_source(source);
        roots
    }

    /// The value of a text in JSON. Most of JSON is YAML too, and then its parts have places.
    pub(crate) fn json(&mut self, text: &str, bytes: &[u8]) -> Vec<Node> {
        if text.len() > yaml::MAX_BYTES {
            return self.roots(bytes);
        }
        let error = match json::read(text) {
            Ok(root) => {
                let mut found = Findings::default();
                let roots = yaml::read(&self.name, bytes.to_vec(), &mut found).roots;
                self.begin(&self.name.clone(), text);
                return if found.count() == 0 && roots.len() == 1 { roots } else { vec![root] };
            }
            Err(error) => error,
        };
        // A map of YAML in braces is no JSON, and no mistake either.
        let mut found = Findings::default();
        let yaml::Text { source, roots, .. } = yaml::read(&self.name, bytes.to_vec(), &mut found);
        self.found.set_source(source);
        if found.count() == 0 {
            return roots;
        }
        let place =
            Place { line: error.line() as u32, column: error.column().max(1) as u32, length: 1 };
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(it, _)| it);
        let help = "Check the commas, closing brackets and quotes here and on the line above.";
        self.found.report(codes::SYNTAX, place, format!("not JSON: {message}"), help);
        Vec::new()
    }
}
