//! Documents: from paths on the command line to a plan.
//!
//! ```text
//! resilience   what a library knows of the policies that stand in a document
//! ```

pub(super) mod resilience;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use evenkeel_model::decode::codes;
use evenkeel_model::document::{Document, FileName};
use evenkeel_model::{Diagnostic, Library, Plan, render, trace, yaml};
use evenkeel_promql::Query;
use evenkeel_units::{Clock, Seed, SystemClock};

use crate::args::DocumentArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Documents and everything that is wrong with them.
pub(crate) struct Found {
    pub(crate) library: Library,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) files: usize,
}

/// What could be read of the files, and what is wrong with the others.
#[derive(Default)]
pub(crate) struct Gathered {
    files: Vec<(String, Vec<u8>)>,
    refused: Vec<Diagnostic>,
}

impl From<Vec<(String, Vec<u8>)>> for Gathered {
    fn from(files: Vec<(String, Vec<u8>)>) -> Self {
        Self { files, refused: Vec::new() }
    }
}

/// Reads files, folders (their `*.yaml` and `*.yml`, at any depth) and standard input (`-`). What cannot be
/// read is a finding like any other, so that it hides nothing.
pub(crate) fn gather(paths: &[PathBuf]) -> Result<Gathered, Failure> {
    let mut gathered = Gathered::default();
    for path in paths {
        let name = path.display().to_string();
        let before = gathered.count();
        if path.as_os_str() == "-" {
            gathered.take(name, Ok(io::stdin().lock()));
        } else if path.is_dir() {
            gathered.folder(path);
        } else {
            gathered.file(path);
        }
        if before == gathered.count() {
            return Err(Failure::usage(format!("there is no *.yaml in {}", path.display()))
                .help("name a file or another folder"));
        }
    }
    Ok(gathered)
}

impl Gathered {
    /// The files with their names, and what is wrong with those that could not be read.
    pub(crate) fn into_parts(self) -> (Vec<(String, Vec<u8>)>, Vec<Diagnostic>) {
        (self.files, self.refused)
    }

    /// Keeps those of the files that `is_kept` says, by name and content.
    pub(crate) fn keep(&mut self, mut is_kept: impl FnMut(&str, &[u8]) -> bool) {
        self.files.retain(|(name, bytes)| is_kept(name, bytes));
    }

    fn count(&self) -> usize {
        self.files.len() + self.refused.len()
    }

    fn take(&mut self, name: String, opened: io::Result<impl Read>) {
        match yaml::read_bounded(&name, opened) {
            Ok(bytes) => self.files.push((name, bytes)),
            Err(refused) => self.refused.push(refused),
        }
    }

    fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        // Looked at before it is opened: a pipe that nobody writes to would be waited for.
        let opened = std::fs::metadata(path).and_then(|it| match it.is_file() {
            true => File::open(path),
            false => Err(io::Error::other("not a regular file; `-` reads standard input")),
        });
        self.take(name, opened);
    }

    fn folder(&mut self, folder: &Path) {
        let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match listed {
            Ok(entries) => entries,
            Err(error) => return self.take(folder.display().to_string(), Err::<File, _>(error)),
        };
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (path, hidden) =
                (entry.path(), entry.file_name().as_encoded_bytes().starts_with(b"."));
            let is_folder = entry.file_type().is_ok_and(|it| it.is_dir());
            let is_document = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
            if is_folder && !hidden {
                self.folder(&path);
            } else if is_document && !hidden {
                self.file(&path);
            }
        }
    }
}

/// Reads documents and says everything that is wrong in them and between them.
pub(crate) fn read(gathered: impl Into<Gathered>) -> Found {
    let Gathered { files, refused } = gathered.into();
    let count = files.len() + refused.len();
    let (library, mut diagnostics) = Library::check_beside(files, &beside);
    diagnostics.extend(queries(&library));
    diagnostics.extend(resilience::check(&library));
    diagnostics.extend(refused);
    Found { library, diagnostics, files: count }
}

/// Any range, for queries that are only read.
const RANGE: &str = "5m";

/// What is wrong with the queries of objectives: what is no PromQL, and what says something else than was meant.
fn queries(library: &Library) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for item in library.items() {
        let Document::Slo(slo) = item.document() else { continue };
        for (path, text) in slo.queries(RANGE) {
            let wrong = match Query::parse(&text) {
                Ok(query) => evenkeel_promql::lint::lint(&query),
                Err(wrong) => wrong,
            };
            found.extend(wrong.into_iter().map(|it| {
                let (line, column) = it.line_and_column;
                let message = format!("at {line}:{column} of the query, {}", it.what);
                library.finding(item, &path, codes::PROMQL, message, it.fix)
            }));
        }
    }
    found
}

/// Reads a trace that a document names.
fn beside(file: &FileName) -> io::Result<Vec<u8>> {
    let path = file.path();
    // Looked at before it is opened: a pipe that nobody writes to would be waited for.
    if !std::fs::metadata(&path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(&path)?.take(trace::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The plan of the drill that the arguments name.
pub(crate) fn plan_of(args: &DocumentArgs, screen: &Screen) -> Result<Plan, Failure> {
    planned(&read(gather(&args.files)?), args.drill.as_deref(), args.seed.map(Seed), screen)
}

/// The plan of a drill: the one that is named, or the only one.
pub(crate) fn planned(
    found: &Found,
    drill: Option<&str>,
    seed: Option<Seed>,
    screen: &Screen,
) -> Result<Plan, Failure> {
    refuse_errors(found, screen)?;
    let choice = Choice {
        kind: "Drill",
        noun: "drill",
        option: "--drill",
        none: "`evenkeel init URL` writes one for your service",
    };
    let drills = found.library.drills();
    let name = choice.of(&drills, drill)?;
    let of_document = found.library.drill(name).and_then(|it| it.seed).map(Seed);
    let seed = seed.or(of_document).unwrap_or_else(fresh_seed);
    found.library.plan(name, seed).map_err(|errors| wrong(&errors, screen))
}

/// Which document of a kind is meant: the one that is named, or the only one.
pub(crate) struct Choice {
    pub(crate) kind: &'static str,
    pub(crate) noun: &'static str,
    /// What names one.
    pub(crate) option: &'static str,
    /// What to do when there is none.
    pub(crate) none: &'static str,
}

impl Choice {
    pub(crate) fn of<'n>(self, all: &[&'n str], named: Option<&str>) -> Result<&'n str, Failure> {
        let Self { kind, noun, option, none } = self;
        match (named, all) {
            (_, []) => {
                Err(Failure::usage(format!("there is no `kind: {kind}` in these files")).help(none))
            }
            (Some(name), all) => all.iter().find(|it| **it == name).copied().ok_or_else(|| {
                Failure::usage(format!("there is no {noun} `{name}`"))
                    .help(format!("there is {}", all.join(", ")))
            }),
            (None, [only]) => Ok(only),
            (None, several) => Err(Failure::usage(format!("there are {} {noun}s", several.len()))
                .help(format!("name one with `{option}`: {}", several.join(", ")))),
        }
    }
}

/// Says what is doubtful in documents, and refuses those that are wrong.
pub(crate) fn refuse_errors(found: &Found, screen: &Screen) -> Result<(), Failure> {
    let (errors, warnings): (Vec<_>, Vec<_>) =
        found.diagnostics.iter().cloned().partition(Diagnostic::is_error);
    if !errors.is_empty() {
        return Err(wrong(&errors, screen));
    }
    if !warnings.is_empty() {
        screen.say(&render(&warnings, screen.colors_progress()));
    }
    Ok(())
}

/// Shows what is wrong with documents.
pub(crate) fn wrong(errors: &[Diagnostic], screen: &Screen) -> Failure {
    let failure = Failure::usage(plural(errors.len(), "error"));
    if screen.is_json() {
        // Programs read the findings where they read results.
        return screen
            .show(&errors, String::new)
            .map_or_else(|it| it, |()| Failure { message: String::new(), ..failure });
    }
    screen.warn(&render(errors, screen.colors_progress()));
    Failure { exit: Exit::USAGE, ..failure }
}

/// A seed that nobody chose; every report prints it.
pub(crate) fn fresh_seed() -> Seed {
    let now = SystemClock::start().wall().as_nanosecond();
    // Below 2^53, so that every reader of JSON keeps it whole.
    Seed((now as u64 ^ u64::from(std::process::id()) << 20) & ((1 << 40) - 1))
}

/// `1 file`, `2 files`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
