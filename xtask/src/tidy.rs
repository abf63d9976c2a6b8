//! The rules of the house, and the test that they hold. A rule that is not checked is a wish.
//!
//! A rule is a pure function from text, or from what Cargo says about a package, to violations; each
//! file has tests in which its rules meet a bad sample, because a rule that never fires is a wish too.
//!
//! ```text
//! layers    which crate may depend on which, and where IO may be done
//! manifest  how a Cargo.toml is written
//! source    how a source file is written, and how long it may be
//! prose     README commands that a test runs, fragments of the changelog, paths of machines
//! tree      the files that the rules look at
//! ```

mod layers;
mod manifest;
mod prose;
mod source;
mod tree;

use std::fmt;
use std::path::Path;

use anyhow::Result;

/// What fuzzes, and what has peers to compare with, are workspaces of their own, which take nothing from ours.
const WORKSPACES_APART: &[&str] = &["benches/", "fuzz/"];

/// A rule does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    path: String,
    /// From 1; 0 when it is about the file as a whole.
    line: usize,
    /// What is wrong, and what to do.
    message: String,
}

impl Violation {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line.max(1), self.message)
    }
}

/// Every violation in the project, in the order of files and lines.
pub(crate) fn check(root: &Path) -> Result<Vec<Violation>> {
    let files = tree::files(root)?;
    let packages = layers::packages(root)?;
    let mut found = Vec::new();
    for (path, text) in &files {
        found.extend(prose::paths_of_machines(path, text));
        if Path::new(path).extension().is_some_and(|it| it == "rs") {
            found.extend(source::rules(path, text));
        }
        let is_apart = WORKSPACES_APART.iter().any(|it| path.starts_with(it));
        if path.ends_with("Cargo.toml") && path.contains('/') && !is_apart {
            found.extend(manifest::rules(path, text));
        }
        if path.starts_with("changes/") {
            found.extend(prose::fragment(path, text));
        }
    }
    found.extend(source::stale_exceptions(source::LONGER, &files));
    found.extend(prose::commands_of_readme(&files));
    found.extend(prose::must_exist(&files));
    found.extend(layers::rules(&packages, &files));
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_house_holds() {
        let violations = check(crate::root()).unwrap();
        let list: Vec<_> = violations.iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "{} violations:\n{}\n", list.len(), list.join("\n"));
    }

    #[test]
    fn a_violation_names_its_place() {
        let violation = Violation::new("crates/a/src/b.rs", 7, "do this");
        assert_eq!(violation.to_string(), "crates/a/src/b.rs:7: do this");
    }
}
