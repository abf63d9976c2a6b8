//! Files that documents name. Paths count from the folder of the document that names them, wherever the command
//! is run.
//!
//! Only what was written goes into plans, journals and orders for other machines: there the same path counts from
//! the folder in which it is read.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::yaml::Place;

/// A file or a folder, as a document names it. Documents that say the same are equal, wherever they say it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct FileName {
    written: String,
    named_at: Option<Arc<NamedAt>>,
}

/// Where a file is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedAt {
    /// The document, as it was named to us; `-` for standard input.
    pub document: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
}

impl FileName {
    /// A path that counts from the current folder.
    pub fn new(written: impl Into<String>) -> Self {
        Self { written: written.into(), named_at: None }
    }

    /// The same path, in a document: it counts from its folder.
    #[must_use]
    pub fn named_at(self, place: NamedAt) -> Self {
        Self { named_at: Some(Arc::new(place)), ..self }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The folder that the path counts from; empty for the current one.
    pub fn folder(&self) -> &Path {
        let document = self.named_at.as_ref().map(|it| Path::new(&it.document));
        document.and_then(Path::parent).unwrap_or(Path::new(""))
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.folder().join(&self.written)
    }

    /// Its place in the document that names it.
    pub(crate) fn span(&self) -> Place {
        let length = self.written.chars().count() as u32;
        let place = self.named_at.as_deref();
        place.map_or_else(Place::default, |it| Place { line: it.line, column: it.column, length })
    }

    /// For messages: ` (named at shop.yaml:12:9)`, or nothing when no document names it.
    pub fn place(&self) -> String {
        let place = self.named_at.as_deref().map(|it| {
            let NamedAt { document, line, column } = it;
            format!(" (named at {document}:{line}:{column})")
        });
        place.unwrap_or_default()
    }
}

impl PartialEq for FileName {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for FileName {}

impl fmt::Display for FileName {
    /// For messages: as written, and where.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`{}", self.written, self.place())
    }
}

impl From<String> for FileName {
    fn from(written: String) -> Self {
        Self::new(written)
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(document: &str, written: &str) -> FileName {
        let place = NamedAt { document: document.to_owned(), line: 12, column: 9 };
        FileName::new(written).named_at(place)
    }

    #[test]
    fn a_path_counts_from_the_folder_of_its_document() {
        for (document, written, path) in [
            ("load/shop.yaml", "rows.csv", "load/rows.csv"),
            ("/a/shop.yaml", "../rows.csv", "/a/../rows.csv"),
            ("load/shop.yaml", "/etc/ca.pem", "/etc/ca.pem"),
            ("shop.yaml", "rows.csv", "rows.csv"),
            ("-", "rows.csv", "rows.csv"),
        ] {
            assert_eq!(named(document, written).path(), Path::new(path), "{document} {written}");
        }
        assert_eq!(FileName::new("a/b").path(), Path::new("a/b"));
    }

    #[test]
    fn messages_say_what_was_written_and_where() {
        let name = named("load/shop.yaml", "rows.csv");
        assert_eq!(name.to_string(), "`rows.csv` (named at load/shop.yaml:12:9)");
        assert_eq!(FileName::new("rows.csv").to_string(), "`rows.csv`");
    }

    #[test]
    fn only_what_was_written_is_kept() {
        let kept = serde_json::to_string(&named("/home/me/shop.yaml", "rows.csv")).unwrap();
        assert_eq!(kept, "\"rows.csv\"");
        let read: FileName = serde_json::from_str(&kept).unwrap();
        assert_eq!((read.place().as_str(), read), ("", named("/elsewhere.yaml", "rows.csv")));
    }
}
