//! Decode: tree → documents, collecting every error of every document in one run.
//!
//! ```text
//! code      the stable names of findings, with what `evenkeel explain` says about each
//! findings  where findings are collected, bounded
//! codec     how values are read and described: scalars, lists, maps, one-key maps
//! fields    the fields of an object, declared once: one function reads and describes them
//! values    durations, ratios, names, addresses …
//! kinds     what each kind of document is made of
//! draft     what is left of a document with errors when these are taken out
//! ```
//!
//! Whatever is declared here is read *and* described: the JSON Schema is written by the same functions
//! that read documents, so the two cannot disagree about a field. A property test keeps it so.
//!
//! A document with any error in it is not handed out: what comes out of here is whole. What is left of
//! it without its errors comes out as a draft, for lint alone.

use std::collections::BTreeMap;

use crate::document::Document;
use crate::yaml::{Entry, Node, Place};

mod code;
mod codec;
mod draft;
mod fields;
mod findings;
mod kinds;
mod values;

pub use self::code::{Code, codes, explain};
pub(crate) use self::codec::Definitions;
pub use self::findings::{Findings, nearest};
pub(crate) use self::findings::{MAX_FINDINGS, more};
pub(crate) use self::kinds::performance::figure;
pub(crate) use self::kinds::{KINDS, describe};

/// What every document begins with.
pub const API_VERSION: &str = "evenkeel.dev/v1";

/// A document and the tree it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// What it says.
    pub document: Document,
    /// Where its name stands.
    pub name_place: Place,
    /// The tree of its `spec`, for places.
    pub spec: Node,
}

/// What came of one document of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The document, followed by those inside it, which got names of their own.
    pub documents: Vec<Decoded>,
    /// Kind and name of a document that is there but cannot be used.
    pub broken: Option<(&'static str, String)>,
    /// What is left of it without its mistakes, and the same of those inside it.
    pub drafts: Vec<Decoded>,
}

/// Decodes the root of one document.
pub fn decode(root: Node, found: &mut Findings) -> Reading {
    if root.sort() != crate::yaml::Sort::Map {
        let message = format!("expected a document, found {}", root.sort().name());
        let help = "Begin with `apiVersion: evenkeel.dev/v1`, `kind:`, `metadata:` and `spec:`.";
        found.report(codes::TYPE, root.place, message, help);
        return Reading::default();
    }
    let is_ours = ["kind", "apiVersion"].iter().any(|it| root.entry(it).is_some());
    if !is_ours && root.entry(kinds::performance::TESTS).is_some() {
        return kinds::performance::read(&root, found);
    }
    if !is_ours && root.entry(kinds::load_balancer::KEY).is_some() {
        return kinds::load_balancer::read(&root, found);
    }
    if !is_ours && root.entry(kinds::patroni::KEY).is_some() {
        return kinds::patroni::read(&root, found);
    }
    let before = found.count();
    let name = root.at("metadata/name").and_then(Node::text).unwrap_or_default().to_owned();
    let kind = kinds::kind_of(&root, found);
    let Some(kind) = kind else { return Reading::default() };
    found.begin(&name);
    let document = kinds::read(kind, &root, found);
    let inline = found.take_inline();
    let name_place = root.locate("metadata/name");
    match document.filter(|_| found.count() == before) {
        None => {
            let drafts = draft::draft(kind, &root, found);
            Reading { broken: Some((kind, name)), drafts, ..Reading::default() }
        }
        Some(document) => {
            let spec = spec_of(root);
            let first = Decoded { document, name_place, spec };
            let documents = std::iter::once(first).chain(inline).collect();
            Reading { documents, ..Reading::default() }
        }
    }
}

/// Kind and name of a document whose text is not YAML, as far as its lines show them.
pub(crate) fn guess(text: &str) -> Option<(&'static str, String)> {
    let after = |line: &str, key: &str| -> Option<String> {
        let (_, value) = line.split_once(key)?;
        let value = value.trim().trim_start_matches(['"', '\'']);
        Some(value.chars().take_while(|it| it.is_alphanumeric() || *it == '-').collect())
    };
    let at_start = |line: &&str| line.starts_with("kind:");
    let kind = text.lines().find(at_start).and_then(|it| after(it, "kind:"))?;
    let kind = KINDS.iter().find(|it| it.name == kind)?;
    let metadata = text.lines().skip_while(|it| !it.starts_with("metadata:"));
    let name = metadata.take(4).find_map(|it| after(it, "name:"))?;
    Some((kind.name, name))
}

fn spec_of(root: Node) -> Node {
    let place = root.place;
    let entries: Vec<Entry> = match root.value {
        crate::yaml::Value::Map(entries) => entries,
        crate::yaml::Value::Scalar { .. } | crate::yaml::Value::List(_) => Vec::new(),
    };
    let mut by_key: BTreeMap<String, Node> =
        entries.into_iter().map(|it| (it.key, it.value)).collect();
    by_key.remove("spec").unwrap_or(Node { place, ..Node::plain("") })
}
