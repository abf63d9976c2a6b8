//! Lint: what is wrong between documents: references, contradictions, missing safety.
//!
//! ```text
//! references  names of nothing, documents of another service, documents nobody uses
//! faults      faults that cannot act, may not act, or could not be told apart
//! gameday     game days of nothing, and plans that go backwards
//! judgement   conditions that could judge nothing
//! monkey      experiments left to chance that could hit nobody
//! objectives  objectives that promise two things, and alerts that fit them badly
//! load        requests of another protocol, criteria of nothing, in load tests by themselves
//! load_balancer  members that nobody asks how they are
//! patroni     clusters that take longer to find a leader than somebody counts on
//! safety      limits that are missing, contradict each other, or cannot be met
//! ```
//!
//! Every rule looks at one drill with everything it refers to, or at one document when no drill is
//! needed to see the mistake. Of documents with errors the rest is looked at, too; rules that such a
//! gap could mislead are silent then.

use std::collections::BTreeSet;

use crate::Diagnostic;
use crate::decode::{Code, codes};
use crate::document::{Document, Drill, LoadTest, Service};
use crate::library::{Acting, Cast, Item, Library};

mod faults;
mod gameday;
mod judgement;
mod load;
mod load_balancer;
mod monkey;
mod objectives;
mod patroni;
mod references;
mod safety;

/// How many findings are kept; of these, the library shows some of each file.
const MAX_FINDINGS: usize = 1_000;

/// The kinds of documents which a finding presumes to be whole: it may be there only because a
/// part of them could not be read.
fn presumes(code: Code) -> &'static [&'static str] {
    match code {
        codes::NOT_ALLOWED | codes::NO_SUCH_TARGET | codes::BLAST_RADIUS => {
            &["Service", "ChaosExperiment"]
        }
        codes::NO_ADDRESS | codes::OTHER_PROTOCOL => &["Service", "LoadTest"],
        codes::NO_SUCH_ROUTE | codes::FEW_CONNECTIONS => &["LoadTest"],
        codes::UNSUITABLE_TARGET => &["ChaosExperiment"],
        codes::OUTLIVES_LIMIT | codes::NO_ABORT | codes::OVERLAP | codes::HOURS => {
            &["Drill", "ChaosExperiment"]
        }
        codes::FEW_SAMPLES
        | codes::NO_RECOVERY
        | codes::NO_SHAPE
        | codes::NO_SUCH_PHASE
        | codes::NO_STAIRCASE
        | codes::NO_FAULT
        | codes::NO_OBJECTIVE => &["Drill", "LoadTest", "ChaosExperiment"],
        codes::UNUSED => &["Drill"],
        codes::BURN_WINDOW | codes::LOOSE_OBJECTIVE | codes::OF_ITSELF => &["SLO", "AlertPolicy"],
        codes::NOT_OF_REQUESTS => &["Drill", "SLO"],
        _ => &[],
    }
}

/// Where rules put what they find.
struct Lint<'a> {
    library: &'a Library,
    /// In order of place. What is wrong in an experiment is wrong once, however many drills use it.
    list: BTreeSet<Diagnostic>,
    /// Kinds of documents that are looked at and have gaps.
    gaps: BTreeSet<&'static str>,
}

impl<'a> Lint<'a> {
    const fn new(library: &'a Library) -> Self {
        Self { library, list: BTreeSet::new(), gaps: BTreeSet::new() }
    }

    /// What follows is about these documents together.
    fn about<'n>(&mut self, documents: impl IntoIterator<Item = (&'static str, &'n str)>) {
        let broken = documents.into_iter().filter(|(kind, it)| self.library.is_broken(kind, it));
        self.gaps = broken.map(|(kind, _)| kind).collect();
    }

    fn report(
        &mut self,
        item: &Item,
        path: &str,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let misled = presumes(code).iter().any(|it| self.gaps.contains(it));
        if !self.is_full() && !misled && !item.is_filled(path) {
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
    let mut lint = Lint::new(library);
    references::unused(&mut lint);
    for item in library.items() {
        lint.about([(item.document().kind(), item.document().name())]);
        match item.document() {
            Document::Service(_) | Document::AlertPolicy(_) | Document::Resilience(_) => {}
            Document::Slo(it) => {
                references::of_document(&mut lint, item);
                objectives::of_slo(&mut lint, item, it);
            }
            Document::ErrorBudgetPolicy(it) => {
                references::of_document(&mut lint, item);
                objectives::of_policy(&mut lint, item, it);
            }
            Document::Sla(it) => objectives::of_sla(&mut lint, item, it),
            Document::LoadTest(it) => {
                references::of_document(&mut lint, item);
                load::of_document(&mut lint, item, it);
            }
            Document::ChaosExperiment(_) => {
                references::of_document(&mut lint, item);
                safety::of_document(&mut lint, item);
                faults::of_experiment(&mut lint, item);
            }
            Document::Patroni(it) => patroni::of_document(&mut lint, item, it),
            Document::LoadBalancer(it) => load_balancer::of_document(&mut lint, item, it),
            Document::GameDay(day) => gameday::of_document(&mut lint, item, day),
            Document::Drill(drill) => {
                if let Some(cast) = Cast::of(library, &drill.name) {
                    lint.about(takes_part(drill));
                    of_drill(&mut lint, &cast);
                }
            }
        }
    }
    lint.list.into_iter().collect()
}

/// A drill and the documents on which its rules depend.
fn takes_part(drill: &Drill) -> impl Iterator<Item = (&'static str, &str)> {
    let chaos = drill.phases.iter().flat_map(|it| &it.chaos);
    let own = [("Drill", &drill.name), ("Service", &drill.service), ("LoadTest", &drill.load)];
    let all = own.into_iter().chain(chaos.map(|it| ("ChaosExperiment", it)));
    all.map(|(kind, it)| (kind, it.as_str()))
}

/// Everything that is wrong with one drill and what takes part in it.
pub(crate) fn lint_drill(library: &Library, cast: &Cast<'_>) -> Vec<Diagnostic> {
    let mut lint = Lint::new(library);
    for (item, _) in &cast.experiments {
        safety::of_document(&mut lint, item);
        faults::of_experiment(&mut lint, item);
    }
    of_drill(&mut lint, cast);
    lint.list.into_iter().collect()
}

/// Everything that is wrong with an experiment that is run by itself, on a service.
pub(crate) fn lint_experiment(
    library: &Library,
    item: &Item,
    service: &Service,
    faults: &[Acting<'_>],
) -> Vec<Diagnostic> {
    let mut lint = Lint::new(library);
    if let Some(monkey) = faults.first().and_then(|it| it.experiment.monkey.as_ref()) {
        monkey::spared(&mut lint, monkey, service, faults);
    }
    safety::of_document(&mut lint, item);
    faults::of_experiment(&mut lint, item);
    if faults.iter().any(|it| it.experiment.safety.abort.is_empty()) {
        safety::no_abort(&mut lint, item);
    }
    faults::by_itself(&mut lint, service, faults);
    lint.list.into_iter().collect()
}

/// Everything that is wrong with a load test that is run by itself.
pub(crate) fn lint_load(library: &Library, item: &Item, it: &LoadTest) -> Vec<Diagnostic> {
    let mut lint = Lint::new(library);
    references::of_document(&mut lint, item);
    references::must_go_somewhere(&mut lint, item, it);
    if it.shape.is_none() {
        load::no_shape(&mut lint, item);
    }
    load::of_document(&mut lint, item, it);
    load::by_itself(&mut lint, item, it);
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
