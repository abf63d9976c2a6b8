//! What other tools break, as experiments of ours, and what of it does not carry over.
//!
//! ```text
//! experiments  maps `chaos_experiments:` and `safety_settings:`
//! monkey       `chaosmonkey:`, one experiment for each group that opted in
//! litmus       ChaosEngine of Litmus
//! mesh         NetworkChaos, HTTPChaos, IOChaos, DNSChaos, PodChaos, StressChaos, PhysicalMachineChaos, Schedule
//! toolkit      experiments of Chaos Toolkit, as JSON or YAML
//! gameday      the plan of a game day, as Markdown
//! counterpart  the one table of what other tools break and what it is here
//! write        experiments as YAML
//! ```
//!
//! Nothing is dropped in silence: `Fields` lists every key that nobody read. What has no fault of ours yet is
//! listed as that, and a file of which nothing carries over is an error with the list. Values that the other
//! tool would refuse too are errors with line and column, all of a file at once.
//!
//! Deliberately absent: files and networks, and any way to run what a document would run.

use evenkeel_model::Diagnostic;
use evenkeel_model::document::{ChaosExperiment, GameDay};
use evenkeel_model::yaml::{self, Node};

use self::draft::Draft;
use crate::{LeftOut, fields};

mod counterpart;
mod draft;
mod experiments;
mod gameday;
mod kubernetes;
mod litmus;
mod mesh;
mod monkey;
mod pods;
mod toolkit;
mod write;

pub use self::write::to_yaml;

/// What is said of a fault that would last for ever.
const NO_END: &str = "it does not say, and nothing here lasts for ever: 5m is written";

/// What is said of a limit of theirs that ours cannot have.
const HITS_MORE: &str = "without it the fault would hit more, so that all of it is left out";

/// Who wrote it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Maps `chaos_experiments:` and `safety_settings:`.
    Experiments,
    /// A configuration `chaosmonkey:`.
    ChaosMonkey,
    /// Documents of Litmus.
    Litmus,
    /// Documents of Chaos Mesh.
    ChaosMesh,
    /// An experiment of Chaos Toolkit.
    ChaosToolkit,
    /// The plan of a game day in Markdown.
    GameDay,
}

impl Format {
    /// Every format with its name on the command line.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("experiments", Self::Experiments),
        ("chaosmonkey", Self::ChaosMonkey),
        ("litmus", Self::Litmus),
        ("chaos-mesh", Self::ChaosMesh),
        ("chaostoolkit", Self::ChaosToolkit),
        ("gameday", Self::GameDay),
    ];

    /// What one document is, by its own words.
    fn of(root: &Node) -> Option<Self> {
        let version = root.entry("apiVersion").and_then(|it| it.value.text()).unwrap_or_default();
        let has = |key: &str| root.entry(key).is_some();
        if version.starts_with("litmuschaos.io/") {
            return Some(Self::Litmus);
        }
        if version.starts_with("chaos-mesh.org/") || version.starts_with("pingcap.com/") {
            return Some(Self::ChaosMesh);
        }
        if has("chaos_experiments") || has("safety_settings") {
            return Some(Self::Experiments);
        }
        if has("chaosmonkey") {
            return Some(Self::ChaosMonkey);
        }
        let is_toolkit = has("steady-state-hypothesis") || (has("method") && has("title"));
        is_toolkit.then_some(Self::ChaosToolkit)
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// The experiments; names differ.
    pub experiments: Vec<ChaosExperiment>,
    /// The game days, each with one of the experiments.
    pub game_days: Vec<GameDay>,
    /// What does not carry over, from the top of the file to its end.
    pub left_out: Vec<LeftOut>,
}

impl Imported {
    /// All of it, as a file that is read back as the same.
    pub fn to_yaml(&self) -> String {
        let days = self.game_days.iter().map(write::game_day);
        let experiments = (!self.experiments.is_empty()).then(|| to_yaml(&self.experiments));
        experiments.into_iter().chain(days).collect::<Vec<_>>().join("---\n")
    }
}

/// Why nothing could be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It breaks the rules of its format, at these places.
    #[error("{} in it", if .0.len() == 1 { "there is a mistake" } else { "there are mistakes" })]
    Wrong(Vec<Diagnostic>),
    /// Nothing in it says which tool wrote it.
    #[error("it does not say which tool it is of")]
    Unknown,
    /// It is a program, such as one that calls Gremlin.
    #[error("it is a program, and none is run: write what it does as a ChaosExperiment")]
    Program,
    /// There is nothing in it that we could break.
    #[error("nothing of it carries over")]
    Nothing(Vec<LeftOut>),
}

/// Reads `bytes` of the file `name`; without a format, each document says by itself what it is.
///
/// # Errors
/// When it breaks the rules of its format, is of no tool we know or a program, or has nothing that carries over.
pub fn import(format: Option<Format>, name: &str, bytes: &[u8]) -> Result<Imported, ImportError> {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_start_matches('\u{feff}');
    let mut draft = Draft::new(name);
    if format.map_or_else(|| gameday::is_one(text), |it| it == Format::GameDay) {
        if text.len() > yaml::MAX_BYTES || text.is_empty() {
            // What is no text, or too much of it, is said in the words of every other document.
            draft.roots(bytes);
            return draft.finish(true);
        }
        draft.begin(name, text);
        gameday::import(text, &mut draft);
        return draft.finish(true);
    }
    if format.is_none() && is_program(text) {
        return Err(ImportError::Program);
    }
    let roots = match text.trim_start().starts_with('{') {
        true => draft.json(text, bytes),
        false => draft.roots(bytes),
    };
    let known = roots.iter().filter(|it| format.or_else(|| Format::of(it)).is_some()).count();
    for root in &roots {
        document(format.or_else(|| Format::of(root)), root, &mut draft);
    }
    draft.finish(known > 0)
}

fn document(format: Option<Format>, root: &Node, draft: &mut Draft) {
    match format {
        Some(Format::Experiments) => experiments::import(root, draft),
        Some(Format::ChaosMonkey) => monkey::import(root, draft),
        Some(Format::Litmus) => litmus::import(root, draft),
        Some(Format::ChaosMesh) => mesh::import(root, draft),
        Some(Format::ChaosToolkit) => toolkit::import(root, draft),
        // Markdown has no documents in it.
        Some(Format::GameDay) | None => {
            let kind = root.entry("kind").and_then(|it| it.value.text());
            let what = kind.map_or_else(|| "a document".to_owned(), |it| format!("a {it}"));
            draft.leave_at(root.place, what, "it is no chaos of a tool we know");
        }
    }
}

/// Whether a text is Python: before anything else it imports something.
fn is_program(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|it| !it.is_empty() && !it.starts_with('#')).unwrap_or_default();
    let words: Vec<_> = first.split_whitespace().collect();
    matches!(words.as_slice(), ["import", _] | ["from", _, "import", ..])
}

impl Draft {
    /// What came of it all; `is_known` when it was of some tool.
    fn finish(mut self, is_known: bool) -> Result<Imported, ImportError> {
        let findings = self.findings();
        if !findings.is_empty() {
            return Err(ImportError::Wrong(findings));
        }
        if !is_known {
            return Err(ImportError::Unknown);
        }
        let imported = self.into_imported();
        match imported.experiments.is_empty() {
            true => Err(ImportError::Nothing(imported.left_out)),
            false => Ok(imported),
        }
    }
}
