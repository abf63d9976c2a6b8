//! Draft: what is left of a document with errors when these are taken out, so that the rest of it is
//! checked in the same run.
//!
//! What was found wrong is removed from the tree, and the rest is read again, until it reads without a
//! complaint. Required fields that were lost are filled in by nodes that stand at no place: nothing may
//! be said about those.

use std::collections::BTreeSet;

use super::{API_VERSION, Decoded, Findings, codes, kinds};
use crate::yaml::{Entry, Node, Place, Value};

/// How often the rest is read. What is nested deeper in mistakes than this is given up.
const ROUNDS: usize = 12;

/// Lines and columns of what is wrong.
type Wrong = BTreeSet<(u32, u32)>;

/// What can be read of a document with errors, and of the documents inside it.
pub(super) fn draft(kind: &'static str, root: &Node, found: &mut Findings) -> Vec<Decoded> {
    let Some(spec) = root.at("spec").filter(|it| !it.entries().is_empty() && !found.is_full())
    else {
        return Vec::new();
    };
    let mut spec = spec.clone();
    let (name, name_place) = match kinds::name_of(root) {
        Some(name) => (name, root.locate("metadata/name")),
        None => (format!("unnamed-{}", root.place.line), Place::default()),
    };
    for _ in 0..ROUNDS {
        fill(kind, &mut spec);
        let envelope = envelope(kind, &name, spec);
        let mut scratch = Findings::default();
        scratch.begin(&name);
        let document = kinds::read(kind, &envelope, &mut scratch);
        spec = super::spec_of(envelope);
        let inline = scratch.take_inline();
        let (_, list, _) = scratch.into_parts();
        if let Some(document) = document.filter(|_| list.is_empty()) {
            let first = Decoded { document, name_place, spec };
            return std::iter::once(first).chain(inline).collect();
        }
        // Names are compared only once all that have one can be read, which may be just now.
        for it in list.iter().filter(|it| it.code == codes::AMBIGUOUS.name()) {
            let place = Place { line: it.line, column: it.column, length: it.length };
            if has_scalar(&spec, place) && !found.has(it) {
                found.report(codes::AMBIGUOUS, place, &it.message, &it.help);
            }
        }
        remove(&mut spec, &list.iter().map(|it| (it.line, it.column)).collect());
    }
    Vec::new()
}

/// A document around a spec, in which all else is right.
fn envelope(kind: &str, name: &str, spec: Node) -> Node {
    let place = spec.place;
    let name = Value::Scalar { text: name.to_owned(), plain: false };
    let metadata = map(vec![("name", Node { place: Place::default(), value: name })]);
    let (version, kind) = (Node::plain(API_VERSION), Node::plain(kind));
    let entries =
        vec![("apiVersion", version), ("kind", kind), ("metadata", metadata), ("spec", spec)];
    Node { place, ..map(entries) }
}

/// A map that stands in no file.
fn map(entries: Vec<(&str, Node)>) -> Node {
    let entries = entries.into_iter().map(|(key, value)| entry(key, value)).collect();
    Node { place: Place::default(), value: Value::Map(entries) }
}

fn entry(key: &str, value: Node) -> Entry {
    Entry { key: key.to_owned(), key_place: Place::default(), value }
}

fn list(items: Vec<Node>) -> Node {
    Node { place: Place::default(), value: Value::List(items) }
}

/// Fills in the required fields that were lost, in a spec and in those inside it. Whatever is not a map
/// is no spec.
fn fill(kind: &str, spec: &mut Node) {
    let Value::Map(entries) = &mut spec.value else { return };
    let word = Node::plain;
    if kind == "SLO" {
        // Only these two are compared with other documents, and the rest must fit together.
        entries.retain(|it| it.key == "service" || it.key == "route");
    }
    let required = match kind {
        "SLO" => vec![("sli", word("availability")), ("objective", word("99%"))],
        "AlertPolicy" => {
            let fields =
                vec![("severity", word("page")), ("factor", word("1")), ("long", word("1h"))];
            vec![("windows", list(vec![map(fields)]))]
        }
        "ErrorBudgetPolicy" if entries.iter().any(|it| it.key == "thresholds") => Vec::new(),
        "ErrorBudgetPolicy" => vec![("gate", map(Vec::new()))],
        "SLA" => {
            let fields = vec![("below", word("99%")), ("credit", word("10%"))];
            vec![("slo", word("unnamed")), ("credits", list(vec![map(fields)]))]
        }
        // Whoever has scenarios has no routes beside them.
        "LoadTest" if entries.iter().any(|it| it.key == "scenarios") => Vec::new(),
        "LoadTest" => vec![("routes", list(vec![map(vec![("path", word("/"))])]))],
        "ChaosExperiment" => {
            let fields = vec![("load", word("1%")), ("duration", word("1ns"))];
            vec![("method", list(vec![map(vec![("cpu", map(fields))])]))]
        }
        "Drill" => vec![("service", word("unnamed")), ("load", word("unnamed"))],
        "GameDay" => vec![("scenario", map(vec![("experiment", word("unnamed"))]))],
        "Resilience" => vec![("services", map(vec![("unnamed", map(Vec::new()))]))],
        "Phase" => {
            let fields = vec![("rate", word("1/s")), ("duration", word("1ns"))];
            vec![("shape", map(vec![("constant", map(fields))]))]
        }
        _ => Vec::new(),
    };
    for (key, value) in required {
        let is_empty =
            |it: &Entry| matches!(&it.value.value, Value::List(items) if items.is_empty());
        entries.retain(|it| it.key != key || !is_empty(it));
        if !entries.iter().any(|it| it.key == key) {
            entries.push(entry(key, value));
        }
    }
    for Entry { key, value, .. } in entries {
        let inner = match (kind, key.as_str()) {
            ("Drill", "load") => "LoadTest",
            ("Drill", "objectives") => "SLO",
            ("Drill", "phases") => "Phase",
            ("Phase", "chaos") | ("Scenario", "experiment") => "ChaosExperiment",
            ("GameDay", "scenario") => "Scenario",
            _ => continue,
        };
        match &mut value.value {
            Value::List(items) => items.iter_mut().for_each(|it| fill(inner, it)),
            Value::Map(_) | Value::Scalar { .. } => fill(inner, value),
        }
    }
}

/// Removes what is wrong: items that are scalars, fields by key or value, and at last items as a whole.
fn remove(from: &mut Node, wrong: &Wrong) {
    let is_wrong = |it: Place| it.line > 0 && wrong.contains(&(it.line, it.column));
    match &mut from.value {
        Value::Scalar { .. } => {}
        Value::Map(entries) => entries.retain_mut(|it| {
            let is_scalar = it.value.text().is_some();
            remove(&mut it.value, wrong);
            let value_is_wrong = is_scalar && is_wrong(it.value.place);
            !value_is_wrong && !is_wrong(it.key_place)
        }),
        Value::List(items) => items.retain_mut(|it| {
            // An item may begin where its first field does; then the field is what goes first.
            let first = it.entries().first().map(|it| it.key_place);
            let begins =
                first.is_some_and(|of| (of.line, of.column) == (it.place.line, it.place.column));
            remove(it, wrong);
            begins || !is_wrong(it.place)
        }),
    }
}

/// Whether a scalar stands there.
fn has_scalar(node: &Node, place: Place) -> bool {
    match &node.value {
        Value::Scalar { .. } => node.place == place,
        Value::List(items) => items.iter().any(|it| has_scalar(it, place)),
        Value::Map(entries) => entries.iter().any(|it| has_scalar(&it.value, place)),
    }
}
