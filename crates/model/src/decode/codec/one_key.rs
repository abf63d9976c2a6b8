//! A map with exactly one key, which says what kind of thing it is: `latency: {delay: 200ms}`.
//!
//! Its place is exact, and what stands below the key has fields of its own kind alone.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::{Any, Codec, Definitions, cut, shown, with, wrong_sort};
use crate::decode::{Findings, codes, nearest};
use crate::yaml::{Node, Place, Sort, Value};

/// A map with exactly one key, which says what kind of thing it is.
pub(in crate::decode) struct OneKey<T> {
    /// For people, with its article.
    pub(in crate::decode) expected: &'static str,
    /// The kinds: name, sentence, and what stands below the key.
    pub(in crate::decode) kinds: Vec<(&'static str, &'static str, Any<T>)>,
}

impl<T> OneKey<T> {
    /// Reads the body below a key. Nothing stands for no fields.
    fn body(&self, name: &str, node: &Node, at: Place, found: &mut Findings) -> Option<T> {
        let Some((_, _, codec)) = self.kinds.iter().find(|(it, _, _)| *it == name) else {
            let known: Vec<_> = self.kinds.iter().map(|(it, _, _)| *it).collect();
            let message = format!("`{}` is not {}", cut(name), self.expected);
            found.report(codes::CHOICE, at, message, choice(name, &known));
            return None;
        };
        match node.sort() {
            Sort::Null => codec.read(&Node { place: at, value: Value::Map(Vec::new()) }, at, found),
            _ => codec.read(node, at, found),
        }
    }
}

/// The help for a word that is none of those known.
pub(in crate::decode) fn choice(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(nearest) => format!("Did you mean `{nearest}`?"),
        None => format!("Use one of {}.", known.join(", ")),
    }
}

impl<T> Codec for OneKey<T> {
    type Value = T;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<T> {
        match (&node.value, node.sort()) {
            (Value::Map(entries), _) => match entries.as_slice() {
                [entry] => self.body(&entry.key, &entry.value, entry.key_place, found),
                [] => {
                    let message = format!("expected {}, found an empty map", self.expected);
                    let known: Vec<_> = self.kinds.iter().map(|(it, _, _)| *it).collect();
                    let help = format!("Give one of {}.", known.join(", "));
                    found.report(codes::ONE_KEY, shown(node, at), message, help);
                    None
                }
                [first, second, ..] => {
                    let message =
                        format!("a second key `{}` beside `{}`", cut(&second.key), cut(&first.key));
                    let help = "Give one key a map. Two things in a list are two items, each with its own `-`; \
                                the fields of a thing are indented below its key.";
                    found.report(codes::ONE_KEY, second.key_place, message, help);
                    None
                }
            },
            (Value::Scalar { text, .. }, Sort::Text) => {
                self.body(text, &Node::plain(""), node.place, found)
            }
            _ => {
                wrong_sort(node, at, self.expected, found);
                None
            }
        }
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        let mut properties = Map::new();
        let mut bare = BTreeSet::new();
        for (name, sentence, codec) in &self.kinds {
            let body = codec.schema(definitions);
            if needs_nothing(&body, definitions) {
                bare.insert(*name);
                let described = json!({"description": sentence, "anyOf": [body, {"type": "null"}]});
                properties.insert((*name).to_owned(), described);
            } else {
                let described = with("description", json!(sentence), body);
                properties.insert((*name).to_owned(), described);
            }
        }
        let map = json!({
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
            "properties": properties,
        });
        if bare.is_empty() { map } else { json!({"anyOf": [{"enum": bare}, map]}) }
    }
}

/// Whether an empty map is enough: no field has to be there, and rules only say what may not be together.
fn needs_nothing(body: &Json, definitions: &Definitions) -> bool {
    let title = body.get("$ref").and_then(Json::as_str).and_then(|it| it.strip_prefix("#/$defs/"));
    let object = title.and_then(|it| definitions.get(it));
    // One that is being described has fields of its own kind below it.
    let object = object.filter(|it| it.is_object());
    let holds = |rule: &Json| rule.get("not").is_some() || rule.get("dependentRequired").is_some();
    let rules = |it: &Json| it.get("allOf").and_then(Json::as_array).cloned().unwrap_or_default();
    object.is_some_and(|it| it.get("required").is_none() && rules(it).iter().all(holds))
}
