//! Rules: files of recording and alerting rules, as `rule_files` of a `prometheus.yml` name them.
//!
//! ```text
//! read      a file of groups, with every mistake at its place
//! template  the texts of labels and annotations
//! function  what a template can do with a value
//! printf    texts with values in them, as Go makes them
//! ```
//!
//! Queries and templates are read with the file, so that nothing of a rule can fail later but what its data do.

mod function;
mod printf;
mod read;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_model::Diagnostic;
use evenkeel_model::decode::Findings;
use evenkeel_model::yaml::{Node, read_bounded};
use evenkeel_promql::Query;

pub use self::template::{Filling, Template};
use crate::scrape::fits;

/// Rules that are evaluated one after the other, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The file that it stands in.
    pub file: String,
    /// What it is called; no other of the file is.
    pub name: String,
    /// How often it is evaluated; `None`: as all are.
    pub every: Option<Duration>,
    /// How many series a rule may record, and how many alerts it may make.
    pub limit: Option<usize>,
    /// How long before the moment of an evaluation queries ask; `None`: as all do.
    pub offset: Option<Duration>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What it makes.
    pub makes: Makes,
    /// What it asks.
    pub query: Query,
}

/// What a rule makes.
#[derive(Clone, Debug, PartialEq)]
pub enum Makes {
    /// Series of a name.
    Series {
        /// The name.
        name: String,
        /// Labels that they get, in the place of those they have.
        labels: BTreeMap<String, String>,
    },
    /// Alerts.
    Alerts(Alerting),
}

/// Alerts that a rule makes: one for each series of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Alerting {
    /// What they are called.
    pub name: String,
    /// How long one is there before it fires.
    pub pending: Duration,
    /// How long it fires on when it is no longer there.
    pub keep_firing: Duration,
    /// Labels that they get.
    pub labels: BTreeMap<String, Template>,
    /// What people read.
    pub annotations: BTreeMap<String, Template>,
}

/// What files of rules say.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// The groups, in the order of the files.
    pub groups: Vec<Group>,
    /// Patterns that name no file.
    pub unmet: Vec<PathBuf>,
}

/// Reads the files that patterns name. In the last part of a pattern, `*` stands for anything.
///
/// # Errors
/// Everything that is wrong with them.
pub fn read(patterns: &[PathBuf]) -> Result<Read, Vec<Diagnostic>> {
    let (mut all, mut wrong) = (Read::default(), Vec::new());
    let mut known = BTreeSet::new();
    for pattern in patterns {
        let files = matching(pattern);
        if files.is_empty() {
            all.unmet.push(pattern.clone());
        }
        // What two patterns name is there once.
        for file in files.into_iter().filter(|it| known.insert(it.clone())) {
            match read_file(&file) {
                Ok(groups) => all.groups.extend(groups),
                Err(found) => wrong.extend(found),
            }
        }
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

/// Reads the groups of the bytes of the file `name`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_bytes(name: &str, bytes: Vec<u8>) -> Result<Vec<Group>, Vec<Diagnostic>> {
    read::file(name, bytes)
}

/// Everything that is wrong with rules, and what of them is hardly meant so: the documents of the file `name` are one of rules, or
/// `PrometheusRule`s of the operator of Kubernetes; `found` is what was found when they were read. `None` when they are
/// something else.
pub fn inspect(name: &str, roots: &[Node], found: Findings) -> Option<Vec<Diagnostic>> {
    read::inspect(name, roots, found)
}

fn read_file(file: &Path) -> Result<Vec<Group>, Vec<Diagnostic>> {
    let name = file.display().to_string();
    let bytes = read_bounded(&name, std::fs::File::open(file)).map_err(|it| vec![it])?;
    read_bytes(&name, bytes)
}

/// The files that a pattern names, by name.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    if !name.contains('*') {
        return if pattern.exists() { vec![pattern.to_owned()] } else { Vec::new() };
    }
    let folder = pattern.parent().filter(|it| !it.as_os_str().is_empty());
    let Ok(entries) = std::fs::read_dir(folder.unwrap_or(Path::new("."))) else {
        return Vec::new();
    };
    let meant = |it: &std::fs::DirEntry| it.file_name().to_str().is_some_and(|it| fits(it, name));
    let mut found: Vec<_> =
        entries.filter_map(Result::ok).filter(meant).map(|it| it.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_two_patterns_name_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yml");
        std::fs::write(&file, "groups: [{name: a}]").unwrap();
        let patterns = [folder.path().join("*.yml"), file, folder.path().join("b*.yml")];
        let read = read(&patterns).unwrap();
        assert_eq!((read.groups.len(), read.unmet), (1, vec![patterns[2].clone()]));
    }
}
