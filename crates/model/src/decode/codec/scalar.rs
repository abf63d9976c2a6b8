//! Numbers, switches, pairs, long lists, and JSON as it stands.

use serde_json::{Value as Json, json};

use super::{Codec, Definitions, too_many, wrong_sort};
use crate::decode::{Findings, codes};
use crate::yaml::{Node, Place, Sort, Value};

/// `true` or `false`.
pub(in crate::decode) struct Flag;

impl Codec for Flag {
    type Value = bool;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<bool> {
        if let Sort::Boolean(it) = node.sort() {
            return Some(it);
        }
        wrong_sort(node, at, "`true` or `false`", found);
        None
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        json!({"type": "boolean"})
    }
}

/// `true`, where its absence means the contrary.
pub(in crate::decode) struct Yes;

impl Codec for Yes {
    type Value = ();

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<()> {
        if node.sort() == Sort::Boolean(true) {
            return Some(());
        }
        wrong_sort(node, at, "`true`", found);
        None
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        json!({"const": true})
    }
}

/// A number that is not negative.
pub(in crate::decode) struct Number;

impl Codec for Number {
    type Value = f64;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<f64> {
        match node.sort() {
            Sort::Number(it) if it.is_finite() && it >= 0.0 => Some(it),
            _ => {
                wrong_sort(node, at, "a number that is not negative", found);
                None
            }
        }
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        json!({"type": "number", "minimum": 0})
    }
}

/// A list of exactly two.
pub(in crate::decode) struct Pair<C>(pub(in crate::decode) C);

impl<C: Codec> Codec for Pair<C> {
    type Value = (C::Value, C::Value);

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Self::Value> {
        let Value::List(items) = &node.value else {
            wrong_sort(node, at, "a list of two", found);
            return None;
        };
        let [first, second] = items.as_slice() else {
            let message = format!("expected a list of two, found {} items", items.len());
            let place = if at.line > 0 { at } else { node.place };
            found.report(codes::TYPE, place, message, "Write both as `[one, other]`.");
            return None;
        };
        let first = self.0.read(first, first.place, found);
        first.zip(self.0.read(second, second.place, found))
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        let items = self.0.schema(definitions);
        json!({"type": "array", "minItems": 2, "maxItems": 2, "items": items})
    }
}

/// A list of things so small that many may stand there.
pub(in crate::decode) struct Long<C> {
    pub(in crate::decode) of: C,
    /// The most items.
    pub(in crate::decode) max: usize,
}

impl<C: Codec> Codec for Long<C> {
    type Value = Vec<C::Value>;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Self::Value> {
        let Value::List(items) = &node.value else {
            wrong_sort(node, at, "a list", found);
            return None;
        };
        if items.is_empty() {
            let place = if at.line > 0 { at } else { node.place };
            found.report(codes::TYPE, place, "the list is empty", "Give at least one.");
            return None;
        }
        if too_many(items.len(), self.max, node, at, found) {
            return None;
        }
        let read: Vec<_> = items.iter().map(|it| self.of.read(it, it.place, found)).collect();
        read.into_iter().collect()
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        let items = self.of.schema(definitions);
        json!({"type": "array", "minItems": 1, "maxItems": self.max, "items": items})
    }
}

/// Whatever stands there, as JSON.
pub(in crate::decode) struct AsJson;

impl Codec for AsJson {
    type Value = Json;

    fn read(&self, node: &Node, _: Place, _: &mut Findings) -> Option<Json> {
        Some(node.to_json())
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        json!({"examples": [{"product": 1}, [1, 2], "text", 7]})
    }
}
