//! Objectives that other tools know, as documents of ours, and what of them does not carry over.
//!
//! ```text
//! openslo        OpenSLO v1, v1alpha and v2alpha: SLO, SLI, AlertPolicy, AlertCondition
//! sloth          Sloth's files, its resource PrometheusServiceLevel, and its windows of alerts
//! pyrra          ServiceLevelObjective of Pyrra
//! generator      files of slo-generator, of both versions, and the steps of its policies
//! service_level  `slo/v1 ServiceLevelObjective`
//! configs        the map `slo_configs:`
//! policy         `error_budget_policy:` and `policy/v1 ErrorBudgetPolicy`
//! queries        what they ask Prometheus, with `$window` where the range belongs
//! values         shares, windows and labels as they write them
//! draft          the documents so far, each with a name of its own
//! write          documents as YAML
//! ```
//!
//! Nothing is dropped in silence: what nobody reads is listed with its place and the reason, and a file of which nothing
//! carries over is an error with the list. Deliberately absent: files and networks, programs that some of these tools take
//! for indicators (the few of Sloth's examples are here as the queries that they make), and rules that were made already.

use evenkeel_model::Diagnostic;
use evenkeel_model::document::Document;
use evenkeel_model::yaml::Node;

use self::draft::Draft;
use crate::LeftOut;

mod configs;
mod draft;
mod generator;
mod openslo;
mod policy;
mod pyrra;
mod queries;
mod service_level;
mod sloth;
mod values;
mod write;

/// Who wrote it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Documents of OpenSLO.
    OpenSlo,
    /// Files and resources of Sloth.
    Sloth,
    /// Resources of Pyrra.
    Pyrra,
    /// Files of slo-generator.
    SloGenerator,
    /// `slo/v1 ServiceLevelObjective`.
    ServiceLevel,
    /// A map `slo_configs:`.
    Configs,
    /// `error_budget_policy:` or `policy/v1 ErrorBudgetPolicy`.
    Policy,
}

impl Format {
    /// Every format with its name on the command line.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("openslo", Self::OpenSlo),
        ("sloth", Self::Sloth),
        ("pyrra", Self::Pyrra),
        ("slo-generator", Self::SloGenerator),
        ("service-level", Self::ServiceLevel),
        ("slo-configs", Self::Configs),
        ("error-budget-policy", Self::Policy),
    ];

    /// What one document is, by its own words.
    fn of(root: &Node) -> Option<Self> {
        let text = |key: &str| root.entry(key).and_then(|it| it.value.text()).unwrap_or_default();
        let has = |key: &str| root.entry(key).is_some();
        let version = text("apiVersion");
        if version.starts_with("openslo/") || version.starts_with("openslo.com/") {
            return Some(Self::OpenSlo);
        }
        if version.starts_with("sloth.slok.dev/") || text("version").starts_with("prometheus/") {
            return Some(Self::Sloth);
        }
        if version.starts_with("pyrra.dev/") {
            return Some(Self::Pyrra);
        }
        let generates = has("slo_name") || has("error_budget_policies");
        if version.starts_with("sre.google.com/") || generates {
            return Some(Self::SloGenerator);
        }
        if version == "slo/v1" {
            return Some(Self::ServiceLevel);
        }
        if has("slo_configs") {
            return Some(Self::Configs);
        }
        (version == "policy/v1" || has("error_budget_policy")).then_some(Self::Policy)
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// Objectives and policies; names of one kind differ.
    pub documents: Vec<Document>,
    /// What does not carry over, from the top of the file to its end.
    pub left_out: Vec<LeftOut>,
}

impl Imported {
    /// All of it, as a file that is read back as the same.
    pub fn to_yaml(&self) -> String {
        self.documents.iter().filter_map(write::document).collect::<Vec<_>>().join("---\n")
    }
}

/// Why nothing could be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It breaks the rules of its format, at these places.
    #[error("{} in it", if .0.len() == 1 { "there is a mistake" } else { "there are mistakes" })]
    Wrong(Vec<Diagnostic>),
    /// Nothing in it says which tool it is of.
    #[error("it does not say which tool it is of")]
    Unknown,
    /// Rules of Prometheus, out of which no objective can be read.
    #[error(
        "these are rules of Prometheus, which say when to alert and not what was promised: write an SLO"
    )]
    Rules,
    /// There is nothing in it that we could measure.
    #[error("nothing of it carries over")]
    Nothing(Vec<LeftOut>),
}

/// Reads `bytes` of the file `name`; without a format, each document says by itself what it is.
///
/// # Errors
/// When it breaks the rules of its format, is of no tool we know, or has nothing that carries over.
pub fn import(format: Option<Format>, name: &str, bytes: &[u8]) -> Result<Imported, ImportError> {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_start_matches('\u{feff}');
    let mut draft = Draft::new(name);
    let roots = match text.trim_start().starts_with('{') {
        true => draft.json(text, bytes),
        false => draft.roots(bytes),
    };
    let of = |root: &Node| format.or_else(|| Format::of(root));
    let known = roots.iter().filter(|it| of(it).is_some()).count();
    if known == 0 && roots.iter().any(is_rules) {
        return Err(ImportError::Rules);
    }
    // What some documents refer to stands in others.
    openslo::gather(roots.iter().filter(|it| of(it) == Some(Format::OpenSlo)), &mut draft);
    for root in &roots {
        match of(root) {
            Some(Format::OpenSlo) => openslo::import(root, &mut draft),
            Some(Format::Sloth) => sloth::import(root, &mut draft),
            Some(Format::Pyrra) => pyrra::import(root, &mut draft),
            Some(Format::SloGenerator) => generator::import(root, &mut draft),
            Some(Format::ServiceLevel) => service_level::import(root, &mut draft),
            Some(Format::Configs) => configs::import(root, &mut draft),
            Some(Format::Policy) => policy::import(root, &mut draft),
            None => {
                let kind = root.entry("kind").and_then(|it| it.value.text());
                let what = kind.map_or_else(|| "a document".to_owned(), |it| format!("a {it}"));
                draft.leave_at(root.place, what, "it is no objective of a tool we know");
            }
        }
    }
    draft.finish(known > 0)
}

/// Whether it is a file of rules, or the resource that holds one.
fn is_rules(root: &Node) -> bool {
    let kind = root.entry("kind").and_then(|it| it.value.text());
    kind == Some("PrometheusRule") || root.entry("groups").is_some()
}
