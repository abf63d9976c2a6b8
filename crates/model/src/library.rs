//! Library: the documents of all files given, looked up by kind and name.
//!
//! Every document in it is whole; those with mistakes are remembered by name, so that references to them
//! are not called missing as well, and what is left of them is kept aside for lint.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use evenkeel_units::Seed;

use crate::decode::{Code, Decoded, Findings, MAX_FINDINGS, codes, decode, guess, more};
use crate::document::{
    AlertPolicy, ChaosExperiment, Document, Drill, ErrorBudgetPolicy, FileName, GameDay,
    LoadBalancer, LoadTest, Service, Sla, Slo,
};
use crate::yaml::{self, Node, Place, Source};
use crate::{Diagnostic, Plan, trace};

mod cast;
mod experiment;
mod merge;
mod plan;

pub(crate) use self::cast::{Acting, Cast, MAX_FAULTS, step_path};
pub(crate) use self::experiment::service_named;
pub(crate) use self::merge::givers;
pub use self::plan::plan_of_load;

/// There are no files but those of the documents.
fn nothing_beside(_: &FileName) -> io::Result<Vec<u8>> {
    Err(io::Error::other("no files are read here"))
}

/// A document with its file and its places.
#[derive(Clone, Debug)]
pub struct Item {
    source: usize,
    decoded: Decoded,
}

impl Item {
    /// What it says.
    pub const fn document(&self) -> &Document {
        &self.decoded.document
    }

    /// Whether it stands inside a drill, with a name that was made for it.
    pub fn is_inline(&self) -> bool {
        self.document().name().contains('/')
    }

    /// The tree of its `spec`.
    pub const fn spec(&self) -> &Node {
        &self.decoded.spec
    }

    /// Where its name stands.
    pub const fn name_place(&self) -> Place {
        self.decoded.name_place
    }

    /// Whether what stands at `path` was not written but filled in, because the mistakes left a gap.
    pub(crate) fn is_filled(&self, path: &str) -> bool {
        match self.spec().at(path) {
            Some(node) if !path.is_empty() => node.place.line == 0,
            _ => self.name_place().line == 0,
        }
    }
}

/// The documents of some files.
#[derive(Clone, Debug, Default)]
pub struct Library {
    sources: Vec<Source>,
    items: Vec<Item>,
    /// Where each document is among the items, by kind and name.
    index: BTreeMap<&'static str, BTreeMap<String, usize>>,
    broken: BTreeSet<(&'static str, String)>,
    /// What is left of the broken ones.
    drafts: Vec<Item>,
}

impl Library {
    /// Reads files, given by name and content, and says what is wrong in each by itself.
    pub fn read(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> (Self, Vec<Diagnostic>) {
        let (library, mut diagnostics, cut) = Self::read_and_count(files, &nothing_beside);
        diagnostics.extend(library.sources.iter().zip(cut).filter_map(|(it, n)| more(it, n)));
        (library, diagnostics)
    }

    /// Likewise, and how many findings of each file are not among those returned.
    fn read_and_count(
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
        beside: &dyn Fn(&FileName) -> io::Result<Vec<u8>>,
    ) -> (Self, Vec<Diagnostic>, Vec<usize>) {
        let mut library = Self::default();
        let (mut diagnostics, mut cut) = (Vec::new(), Vec::new());
        for (name, bytes) in files {
            let mut found = Findings::default();
            let yaml::Text { source, roots, lost } = yaml::read(&name, bytes, &mut found);
            found.set_source(source);
            library.broken.extend(lost.iter().filter_map(|it| guess(it)));
            if roots.is_empty() && found.count() == 0 {
                let help = "Begin one with `apiVersion: evenkeel.dev/v1`.";
                let place = Place::default();
                found.report(codes::NOTHING, place, "there is no document in the file", help);
            }
            for root in roots {
                let reading = decode(root, &mut found);
                library.broken.extend(reading.broken);
                for mut decoded in reading.documents {
                    match trace::recall(&mut decoded.document, beside, &mut found) {
                        true => library.add(decoded, &name, &mut found),
                        false => {
                            let document = decoded.document;
                            library.broken.insert((document.kind(), document.name().to_owned()));
                        }
                    }
                }
                let source = library.sources.len();
                let drafts = reading.drafts.into_iter();
                library.drafts.extend(drafts.map(|decoded| Item { source, decoded }));
            }
            let (source, findings, more) = found.into_parts();
            diagnostics.extend(findings);
            cut.push(more);
            library.sources.push(source);
        }
        (library, diagnostics, cut)
    }

    /// With what is left of the broken documents among the whole ones: for lint, and for nothing else.
    fn with_drafts(&self) -> Self {
        let mut all = self.clone();
        for item in std::mem::take(&mut all.drafts) {
            let (kind, name) = (item.document().kind(), item.document().name().to_owned());
            if all.get(kind, &name).is_none() {
                all.broken.insert((kind, name.clone()));
                all.index.entry(kind).or_default().insert(name, all.items.len());
                all.items.push(item);
            }
        }
        all
    }

    /// Adds a document of the file that is being read, which is called `file`.
    fn add(&mut self, decoded: Decoded, file: &str, found: &mut Findings) {
        let (kind, name) = (decoded.document.kind(), decoded.document.name());
        if let Some(first) = self.get(kind, name) {
            let file = self.sources.get(first.source).map_or(file, Source::name);
            let message = format!("a second {kind} called `{name}`");
            let help =
                format!("The first is at {file}:{}; rename one of them.", first.name_place().line);
            found.report(codes::DUPLICATE_NAME, decoded.name_place, message, help);
            return;
        }
        self.index.entry(kind).or_default().insert(name.to_owned(), self.items.len());
        self.items.push(Item { source: self.sources.len(), decoded });
    }

    /// Reads files, and says what is wrong in each and between them, file by file. Documents that name traces are
    /// refused.
    pub fn check(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> (Self, Vec<Diagnostic>) {
        Self::check_beside(files, &nothing_beside)
    }

    /// Likewise; `beside` reads the traces that documents name.
    pub fn check_beside(
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
        beside: &dyn Fn(&FileName) -> io::Result<Vec<u8>>,
    ) -> (Self, Vec<Diagnostic>) {
        let (library, mut diagnostics, mut cut) = Self::read_and_count(files, beside);
        diagnostics.extend(crate::lint::lint(&library.with_drafts()));
        let order: BTreeMap<&str, usize> =
            library.sources.iter().enumerate().map(|(n, it)| (it.name(), n)).collect();
        let file = |it: &Diagnostic| order.get(it.file.as_str()).copied().unwrap_or_default();
        diagnostics
            .sort_by_cached_key(|it| (file(it), it.line == 0, it.line, it.column, it.code.clone()));
        let mut kept = vec![0; library.sources.len()];
        diagnostics.retain(|it| {
            let (Some(kept), Some(cut)) = (kept.get_mut(file(it)), cut.get_mut(file(it))) else {
                return true;
            };
            let keeps = *kept < MAX_FINDINGS;
            *if keeps { kept } else { cut } += 1;
            keeps
        });
        diagnostics.extend(library.sources.iter().zip(cut).filter_map(|(it, n)| more(it, n)));
        diagnostics.sort_by_key(&file);
        (library, diagnostics)
    }

    /// Every document, in the order of the files.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The document of a kind and a name.
    pub fn get(&self, kind: &str, name: &str) -> Option<&Item> {
        self.index.get(kind)?.get(name).and_then(|it| self.items.get(*it))
    }

    /// The names of the drills, in the order of the files.
    pub fn drills(&self) -> Vec<&str> {
        self.names("Drill").collect()
    }

    /// A drill.
    pub fn drill(&self, name: &str) -> Option<&Drill> {
        match self.get("Drill", name)?.document() {
            Document::Drill(it) => Some(it),
            _ => None,
        }
    }

    /// A service.
    pub fn service(&self, name: &str) -> Option<&Service> {
        match self.get("Service", name)?.document() {
            Document::Service(it) => Some(it),
            _ => None,
        }
    }

    /// An objective.
    pub fn slo(&self, name: &str) -> Option<&Slo> {
        match self.get("SLO", name)?.document() {
            Document::Slo(it) => Some(it),
            _ => None,
        }
    }

    /// The objectives, in the order of the files; those inside drills have no names of their own.
    pub fn slos(&self) -> Vec<&str> {
        self.names("SLO").collect()
    }

    /// An alert policy.
    pub fn alert_policy(&self, name: &str) -> Option<&AlertPolicy> {
        match self.get("AlertPolicy", name)?.document() {
            Document::AlertPolicy(it) => Some(it),
            _ => None,
        }
    }

    /// The error budget policies, in the order of the files.
    pub fn error_budget_policies(&self) -> impl Iterator<Item = &ErrorBudgetPolicy> {
        self.items.iter().filter_map(|it| match it.document() {
            Document::ErrorBudgetPolicy(it) => Some(it),
            _ => None,
        })
    }

    /// The agreements, in the order of the files.
    pub fn slas(&self) -> impl Iterator<Item = &Sla> {
        self.items.iter().filter_map(|it| match it.document() {
            Document::Sla(it) => Some(it),
            _ => None,
        })
    }

    /// A load test.
    pub fn load_test(&self, name: &str) -> Option<&LoadTest> {
        match self.get("LoadTest", name)?.document() {
            Document::LoadTest(it) => Some(it),
            _ => None,
        }
    }

    /// An experiment.
    pub fn experiment(&self, name: &str) -> Option<&ChaosExperiment> {
        match self.get("ChaosExperiment", name)?.document() {
            Document::ChaosExperiment(it) => Some(it),
            _ => None,
        }
    }

    /// What a drill will do, with every reference resolved.
    ///
    /// # Errors
    /// What is wrong with the drill, or with what it refers to.
    pub fn plan(&self, drill: &str, seed: Seed) -> Result<Plan, Vec<Diagnostic>> {
        plan::plan(self, drill, seed)
    }

    /// The names of the load tests, in the order of the files; those inside drills have none of their own.
    pub fn load_tests(&self) -> Vec<&str> {
        self.names("LoadTest").collect()
    }

    /// What a load test will do when it is run by itself.
    ///
    /// # Errors
    /// What is wrong with the load test, or with what it refers to.
    pub fn plan_load(&self, name: &str, seed: Seed) -> Result<Plan, Vec<Diagnostic>> {
        plan::of_load(self, name, seed)
    }

    /// The names of the experiments, in the order of the files.
    pub fn experiments(&self) -> Vec<&str> {
        self.names("ChaosExperiment").collect()
    }

    /// The names of the game days, in the order of the files.
    pub fn game_days(&self) -> Vec<&str> {
        self.names("GameDay").collect()
    }

    /// The load balancers, in the order of the files.
    pub fn load_balancers(&self) -> impl Iterator<Item = &LoadBalancer> {
        self.items.iter().filter_map(|it| match it.document() {
            Document::LoadBalancer(it) => Some(it),
            _ => None,
        })
    }

    /// A game day.
    pub fn game_day(&self, name: &str) -> Option<&GameDay> {
        match self.get("GameDay", name)?.document() {
            Document::GameDay(it) => Some(it),
            _ => None,
        }
    }

    /// What an experiment will do when it is run by itself: nothing is sent but its probes.
    ///
    /// # Errors
    /// What is wrong with the experiment, or with what it refers to.
    pub fn plan_experiment(&self, name: &str, seed: Seed) -> Result<Plan, Vec<Diagnostic>> {
        experiment::plan(self, name, seed)
    }

    /// The names of the documents of a kind that others may refer to.
    pub(crate) fn names(&self, kind: &'static str) -> impl Iterator<Item = &str> {
        let items = self.items.iter().filter(move |it| it.document().kind() == kind);
        // What has no place has no name of its own either.
        let named = items.filter(|it| !it.is_inline() && it.name_place().line > 0);
        named.map(|it| it.document().name())
    }

    /// Whether there is such a document, but with mistakes in it.
    pub(crate) fn is_broken(&self, kind: &'static str, name: &str) -> bool {
        self.broken.contains(&(kind, name.to_owned()))
    }

    /// Whether a document of the kind has mistakes.
    pub(crate) fn has_broken(&self, kind: &str) -> bool {
        self.broken.iter().any(|(of, _)| *of == kind)
    }

    /// Shows every document of a kind, and what is left of those with mistakes, to `look`, which adds what it finds in their specs: for
    /// those who read a part of it that is nothing but a tree here. All of it, file by file.
    pub fn look_into(
        &self,
        kind: &str,
        mut look: impl FnMut(&Item, &mut Findings),
    ) -> Vec<Diagnostic> {
        let mut all = Vec::new();
        for (n, source) in self.sources.iter().enumerate() {
            let items = self.items.iter().chain(&self.drafts);
            let mut items = items.filter(|it| it.source == n && it.document().kind() == kind);
            let Some(first) = items.next() else { continue };
            let mut found = Findings::default();
            found.set_source(source.clone());
            std::iter::once(first).chain(items).for_each(|it| look(it, &mut found));
            let (source, list, cut) = found.into_parts();
            all.extend(list);
            all.extend(more(&source, cut));
        }
        all
    }

    /// A finding at `path` of the spec of a document, such as `sli/ratio/bad`: for those who know of a part of it what the
    /// library does not, as the text of a query.
    pub fn finding(
        &self,
        item: &Item,
        path: &str,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Diagnostic {
        let place = match item.spec().at(path) {
            Some(_) if !path.is_empty() => item.spec().locate(path),
            // What is absent is missed where the document says its name.
            _ => item.name_place(),
        };
        match self.sources.get(item.source) {
            Some(source) => source.diagnostic(code, place, message, help),
            None => unreachable!("every document is of a file that was read"),
        }
    }
}
