//! Lint: what is wrong between documents: references, contradictions, missing safety.
//!
//! ```text
//! references  names of nothing, documents of another service, documents nobody uses
//! faults      faults that cannot act, may not act, or could not be told apart
//! judgement   conditions that could judge nothing
//! safety      limits that are missing, contradict each other, or cannot be met
//! ```
//!
//! Every rule looks at one drill with everything it refers to, or at one document when no drill is
//! needed to see the mistake.

use std::collections::BTreeSet;

use crate::Diagnostic;
use crate::decode::MAX_FINDINGS;
use crate::document::Document;
use crate::library::{Cast, Item, Library};

mod faults;
mod judgement;
mod references;
mod safety;

/// Where rules put what they find.
struct Lint<'a> {
    library: &'a Library,
    /// In order of place. What is wrong in an experiment is wrong once, however many drills use it.
    list: BTreeSet<Diagnostic>,
}

impl Lint<'_> {
    fn report(
        &mut self,
        item: &Item,
        path: &str,
        code: crate::decode::Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if !self.is_full() {
            self.list.insert(self.library.finding(item, path, code, message, help));
        }
    }

    /// Whether there is more to mend than anybody will read.
    fn is_full(&self) -> bool {
        self.list.len() >= MAX_FINDINGS
    }
}

/// Everything that is wrong between the documents of a library.
pub fn lint(library: &Library) -> Vec<Diagnostic> {
    let mut lint = Lint { library, list: BTreeSet::new() };
    references::unused(&mut lint);
    for item in library.items() {
        match item.document() {
            Document::Service(_) | Document::Slo(_) | Document::LoadTest(_) => {
                references::of_document(&mut lint, item);
            }
            Document::ChaosExperiment(_) => {
                references::of_document(&mut lint, item);
                safety::of_document(&mut lint, item);
                faults::of_experiment(&mut lint, item);
            }
            Document::Drill(drill) => {
                if let Some(cast) = Cast::of(library, &drill.name) {
                    of_drill(&mut lint, &cast);
                }
            }
        }
    }
    lint.list.into_iter().collect()
}

/// Everything that is wrong with one drill and what takes part in it.
pub(crate) fn lint_drill(library: &Library, cast: &Cast<'_>) -> Vec<Diagnostic> {
    let mut lint = Lint { library, list: BTreeSet::new() };
    for (item, _) in &cast.experiments {
        safety::of_document(&mut lint, item);
        faults::of_experiment(&mut lint, item);
    }
    of_drill(&mut lint, cast);
    lint.list.into_iter().collect()
}

fn of_drill(lint: &mut Lint<'_>, cast: &Cast<'_>) {
    references::of_drill(lint, cast);
    safety::of_document(lint, cast.item);
    safety::of_drill(lint, cast);
    faults::of_drill(lint, cast);
    judgement::of_drill(lint, cast);
}

/// Some of the names that are known, for a sentence.
fn few(names: &[&str]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<_> = names.iter().take(SHOWN).copied().collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
