//! Kinds: what each kind of document is made of, one file a kind.

use serde_json::{Value as Json, json};

use super::codec::{Any, Codec, Definitions, Forms, Mapped, Object, choice};
use super::fields::{Fields, Given};
use super::values::{Choice, name};
use super::{API_VERSION, Findings, codes};
use crate::document::{Document, Drill};
use crate::yaml::{Node, Place, Sort};

mod alert_policy;
mod chaos;
mod drill;
mod error_budget_policy;
mod faults;
mod gameday;
mod load;
pub(super) mod load_balancer;
pub(super) mod patroni;
pub(super) mod performance;
mod resilience;
mod safety;
mod service;
mod sla;
mod slo;

/// A kind of document.
pub(crate) struct Kind {
    /// As written.
    pub(crate) name: &'static str,
    /// What it is, for the schema.
    pub(crate) about: &'static str,
    fields: fn(&mut Fields<'_>) -> Option<Document>,
}

/// Every kind, in the order in which they refer to each other.
pub(crate) const KINDS: [Kind; 10] = [
    Kind {
        name: "Service",
        about: "What is drilled, what it is made of, and what may be done to it.",
        fields: |f| {
            envelope(f, "Service", service::SPEC, |name, it| {
                Document::Service(crate::document::Service { name, ..it })
            })
        },
    },
    Kind {
        name: "SLO",
        about: "What is promised about a service, and how it is measured.",
        fields: |f| {
            envelope(f, "SLO", slo::SPEC, |name, it| {
                Document::Slo(Box::new(crate::document::Slo { name, ..it }))
            })
        },
    },
    Kind {
        name: "AlertPolicy",
        about: "By which windows it is noticed that a budget burns.",
        fields: |f| {
            envelope(f, "AlertPolicy", alert_policy::SPEC, |name, it| {
                Document::AlertPolicy(crate::document::AlertPolicy { name, ..it })
            })
        },
    },
    Kind {
        name: "ErrorBudgetPolicy",
        about: "What is done as a budget goes, and who may deploy while it is low.",
        fields: |f| {
            envelope(f, "ErrorBudgetPolicy", error_budget_policy::SPEC, |name, it| {
                Document::ErrorBudgetPolicy(crate::document::ErrorBudgetPolicy { name, ..it })
            })
        },
    },
    Kind {
        name: "SLA",
        about: "What is owed to customers when a promise to them is broken.",
        fields: |f| {
            envelope(f, "SLA", sla::SPEC, |name, it| {
                Document::Sla(crate::document::Sla { name, ..it })
            })
        },
    },
    Kind {
        name: "LoadTest",
        about: "Which requests are sent, and how many when.",
        fields: |f| {
            envelope(f, "LoadTest", load::SPEC, |name, it| {
                Document::LoadTest(Box::new(crate::document::LoadTest { name, ..it }))
            })
        },
    },
    Kind {
        name: "ChaosExperiment",
        about: "What is broken, for how long, and when to stop.",
        fields: |f| {
            envelope(f, "ChaosExperiment", chaos::SPEC, |name, it| {
                Document::ChaosExperiment(crate::document::ChaosExperiment { name, ..it })
            })
        },
    },
    Kind {
        name: "Drill",
        about: "A service, its objectives, its load and its faults, judged together.",
        fields: |f| {
            envelope(f, "Drill", drill::SPEC, |name, it| Document::Drill(Drill { name, ..it }))
        },
    },
    Kind {
        name: "GameDay",
        about: "An experiment or a drill with the people around it: who, when, and what they agreed on.",
        fields: |f| {
            envelope(f, "GameDay", gameday::SPEC, |name, it| {
                Document::GameDay(crate::document::GameDay { name, ..it })
            })
        },
    },
    Kind {
        name: "Resilience",
        about: "How calls to services are limited, tried again and cut off.",
        fields: |f| {
            envelope(f, "Resilience", resilience::SPEC, |name, it| {
                Document::Resilience(crate::document::Resilience { name, ..it })
            })
        },
    },
];

const METADATA: Object<String> = Object {
    title: "Metadata",
    fields: |f| f.required("name", "The name by which other documents refer to this one.", name()),
};

fn envelope<T>(
    f: &mut Fields<'_>,
    kind: &'static str,
    spec: Object<T>,
    document: fn(String, T) -> Document,
) -> Option<Document> {
    let version = Constant { text: API_VERSION, what: "an apiVersion we know" };
    let version = f.required("apiVersion", "The version of this form of documents.", version);
    let kind = Constant { text: kind, what: "a kind we know" };
    let kind = f.required("kind", "What kind of document this is.", kind);
    let name = f.required("metadata", "What is said about the document itself.", METADATA);
    let spec = f.required("spec", "What the document says.", spec);
    version.and(kind)?;
    Some(document(name?, spec?))
}

/// A word that can be no other.
struct Constant {
    text: &'static str,
    what: &'static str,
}

impl Codec for Constant {
    type Value = ();

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<()> {
        if node.text() == Some(self.text) && node.sort() == Sort::Text {
            return Some(());
        }
        let place = if node.place.length > 0 && node.text().is_some() { node.place } else { at };
        let shown = node.text().map_or("this", |it| it);
        let message = format!("`{}` is not {}", super::codec::cut(shown), self.what);
        found.report(codes::API_VERSION, place, message, format!("Write `{}`.", self.text));
        None
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        json!({"const": self.text})
    }
}

/// The kind that a document says it is of.
pub(super) fn kind_of(root: &Node, found: &mut Findings) -> Option<&'static str> {
    let names: Vec<_> = KINDS.iter().map(|it| it.name).collect();
    let Some(entry) = root.entry("kind") else {
        let help = format!("Add `kind:` with one of {}.", names.join(", "));
        found.report(codes::MISSING_FIELD, root.place, "the field `kind` is missing", help);
        return None;
    };
    let text = entry.value.text().unwrap_or_default();
    let kind = names.iter().find(|it| **it == text);
    if kind.is_none() {
        let place = match entry.value.place.length > 0 && entry.value.text().is_some() {
            true => entry.value.place,
            false => entry.key_place,
        };
        let message = format!("unknown kind `{}`", super::codec::cut(text));
        found.report(codes::KIND, place, message, choice(text, &names));
    }
    kind.copied()
}

/// Reads a document of a kind.
pub(super) fn read(kind: &'static str, root: &Node, found: &mut Findings) -> Option<Document> {
    let kind = KINDS.iter().find(|it| it.name == kind)?;
    Object { title: kind.name, fields: kind.fields }.read(root, root.place, found)
}

/// The name of a document, when it is one.
pub(super) fn name_of(root: &Node) -> Option<String> {
    let metadata = root.at("metadata")?;
    METADATA.read(metadata, metadata.place, &mut Findings::default())
}

/// The schema of documents of a kind.
pub(crate) fn describe(kind: &Kind, definitions: &mut Definitions) -> Json {
    let described = Fields::describe(definitions, kind.fields);
    super::codec::with("description", json!(kind.about), described)
}

/// The spec of a document where its name could stand.
struct Inline<T>(Object<T>);

impl<T> Codec for Inline<T> {
    type Value = Given<T>;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Given<T>> {
        self.0.read(node, at, found).map(|it| Given::Inline(it, node.clone()))
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        self.0.schema(definitions)
    }
}

/// The name of a document, or its spec.
fn given<T: 'static>(spec: Object<T>) -> Forms<Given<T>> {
    let name: Any<Given<T>> = Box::new(Mapped { of: name(), into: Given::Name });
    Forms {
        expected: "a name, or the spec of a document",
        scalar: Some(name),
        list: None,
        map: Some(Box::new(Inline(spec))),
    }
}

/// The roles, modes and the like, from their tables.
fn words<T: Clone>(expected: &'static str, table: &[(&'static str, T)]) -> Choice<T> {
    Choice { expected, words: table.to_vec() }
}
