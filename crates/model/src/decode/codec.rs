//! Codec: how a value is read, and how it is described. One declaration does both.

use serde_json::{Map, Value as Json, json};

use super::fields::Fields;
use super::{Code, Findings, codes};
use crate::yaml::{Node, Place, Sort, Value};

mod by_key;
mod naming;
mod one_key;
mod scalar;

pub(super) use self::by_key::ByKey;
pub(super) use self::naming::Naming;
pub(super) use self::one_key::{OneKey, choice};
pub(super) use self::scalar::{AsJson, Flag, Long, Number, Pair, Yes};

/// The parts of a schema that others refer to, by name.
pub(crate) type Definitions = Map<String, Json>;

/// Reads a value from a node, and describes which nodes it reads.
pub(crate) trait Codec {
    /// What is read.
    type Value;

    /// The value; `None` when the node is not one, which has then been reported. `at` is the place to
    /// point at when the node has nothing to see: its key.
    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Self::Value>;

    /// The JSON Schema of the nodes that are read.
    fn schema(&self, definitions: &mut Definitions) -> Json;
}

/// A codec of any make.
pub(super) type Any<T> = Box<dyn Codec<Value = T>>;

/// Why a text is not the value it should be.
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: String,
}

impl Problem {
    pub(super) fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: help.into() }
    }
}

/// Where a node shows: itself when it is a scalar that can be seen, else its key.
fn shown(node: &Node, at: Place) -> Place {
    match &node.value {
        Value::Scalar { .. } if node.place.length > 0 => node.place,
        Value::Scalar { .. } => at,
        Value::List(_) | Value::Map(_) if at.line > 0 => at,
        Value::List(_) | Value::Map(_) => node.place,
    }
}

/// Reports that a node is of the wrong sort.
pub(super) fn wrong_sort(node: &Node, at: Place, expected: &str, found: &mut Findings) {
    let message = match (node.sort(), node.text()) {
        (Sort::Number(_) | Sort::Boolean(_) | Sort::Text, Some(text)) => {
            format!("expected {expected}, found {} `{}`", node.sort().name(), cut(text))
        }
        (sort, _) => format!("expected {expected}, found {}", sort.name()),
    };
    found.report(codes::TYPE, shown(node, at), message, "");
}

/// The beginning of a text that may be long, fit to be quoted in a message.
pub(super) fn cut(text: &str) -> String {
    quoted(text, 60)
}

/// At most so many characters of a text, without those that would break a line.
pub(super) fn quoted(text: &str, characters: usize) -> String {
    let more = if text.chars().nth(characters).is_some() { "…" } else { "" };
    let shown = text.chars().take(characters).map(|it| match it.is_control() {
        true => it.escape_default().to_string(),
        false => it.to_string(),
    });
    shown.chain([more.to_owned()]).collect()
}

/// What else than a text may stand where a word belongs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing: what looks like a number must be quoted.
    Text,
    /// Numbers and booleans, as they are written.
    Scalars,
    /// What can be read; the schema says itself which types those are.
    Readable,
}

/// A text with a meaning, such as a duration.
pub(super) struct Word<T> {
    /// For people, with its article.
    pub(super) expected: &'static str,
    /// What else than a text is taken.
    pub(super) takes: Takes,
    /// Reads it.
    pub(super) parse: fn(&str) -> Result<T, Problem>,
    /// What describes it, beside its type.
    pub(super) schema: fn() -> Json,
}

impl<T> Codec for Word<T> {
    type Value = T;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<T> {
        let text = match node.sort() {
            Sort::Null | Sort::List | Sort::Map => {
                wrong_sort(node, at, self.expected, found);
                return None;
            }
            Sort::Boolean(_) | Sort::Number(_) | Sort::Text => node.text().unwrap_or_default(),
        };
        match (self.parse)(text) {
            Err(problem) => {
                found.report(problem.code, shown(node, at), problem.message, problem.help);
                None
            }
            Ok(_) if self.takes == Takes::Text && node.sort() != Sort::Text => {
                let message = format!("`{}` is read as {}", cut(text), node.sort().name());
                let help = format!("Put it in quotes: `\"{}\"`.", cut(text));
                found.report(codes::TYPE, shown(node, at), message, help);
                None
            }
            Ok(value) => Some(value),
        }
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        match self.takes {
            Takes::Text => with("type", json!("string"), (self.schema)()),
            Takes::Scalars => with("type", json!(["string", "number", "boolean"]), (self.schema)()),
            Takes::Readable => (self.schema)(),
        }
    }
}

/// Adds a key to an object.
pub(super) fn with(key: &str, value: Json, mut to: Json) -> Json {
    if let Json::Object(map) = &mut to {
        map.insert(key.to_owned(), value);
    }
    to
}

/// A whole number within limits.
pub(super) struct Integer {
    pub(super) min: u64,
    pub(super) max: u64,
    /// Why not less or more.
    pub(super) reason: &'static str,
}

impl Codec for Integer {
    type Value = u64;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<u64> {
        let Sort::Number(number) = node.sort() else {
            wrong_sort(node, at, "a whole number", found);
            return None;
        };
        let exact = node.text().and_then(|it| it.parse::<u64>().ok());
        let whole =
            (number.fract() == 0.0 && (0.0..1.8e19).contains(&number)).then_some(number as u64);
        let Some(value) = exact.or(whole).filter(|it| (self.min..=self.max).contains(it)) else {
            let Self { min, max, reason } = self;
            let text = cut(node.text().unwrap_or_default());
            let message = format!("`{text}` is not a whole number between {min} and {max}");
            found.report(codes::RANGE, shown(node, at), message, *reason);
            return None;
        };
        Some(value)
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        json!({"type": "integer", "minimum": self.min, "maximum": self.max})
    }
}

/// How many items a list or a map of names may have. No drill needs more, and every rule that compares
/// each with each stays cheap.
pub(super) const MAX_ITEMS: usize = 1_000;

/// Whether there are too many items, which is then reported.
fn too_many(count: usize, most: usize, node: &Node, at: Place, found: &mut Findings) -> bool {
    if count > most {
        let message = format!("{count} items, and at most {most} may stand here");
        found.report(codes::TOO_MANY, shown(node, at), message, "Split the document.");
    }
    count > most
}

/// A list.
pub(super) struct List<C> {
    pub(super) of: C,
    /// The fewest items.
    pub(super) min: usize,
}

impl<C: Codec> Codec for List<C> {
    type Value = Vec<C::Value>;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Self::Value> {
        let Value::List(items) = &node.value else {
            wrong_sort(node, at, "a list", found);
            return None;
        };
        if too_many(items.len(), MAX_ITEMS, node, at, found) {
            return None;
        }
        if items.len() < self.min {
            found.report(codes::TYPE, shown(node, at), "the list is empty", "Give at least one.");
            return None;
        }
        let read: Vec<_> = items.iter().map(|it| self.of.read(it, it.place, found)).collect();
        read.into_iter().collect()
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        let items = self.of.schema(definitions);
        let list = json!({"type": "array", "maxItems": MAX_ITEMS, "items": items});
        if self.min > 0 { with("minItems", json!(self.min), list) } else { list }
    }
}

/// A map whose keys are names.
pub(super) struct Named<K, C> {
    pub(super) key: Word<K>,
    pub(super) of: C,
}

impl<K, C: Codec> Codec for Named<K, C> {
    type Value = Vec<(K, C::Value)>;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Self::Value> {
        let Value::Map(entries) = &node.value else {
            wrong_sort(node, at, "a map", found);
            return None;
        };
        if too_many(entries.len(), MAX_ITEMS, node, at, found) {
            return None;
        }
        let mut read = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = match (self.key.parse)(&entry.key) {
                Ok(key) => Some(key),
                Err(problem) => {
                    let place = entry.key_place;
                    found.report(problem.code, place, problem.message, problem.help);
                    None
                }
            };
            let value = self.of.read(&entry.value, entry.key_place, found);
            read.push(key.zip(value));
        }
        read.into_iter().collect()
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        let keys = (self.key.schema)();
        json!({
            "type": "object",
            "maxProperties": MAX_ITEMS,
            "propertyNames": keys,
            "additionalProperties": self.of.schema(definitions),
        })
    }
}

/// One of several forms, told apart by what stands there: a scalar, a list or a map.
pub(super) struct Forms<T> {
    pub(super) expected: &'static str,
    pub(super) scalar: Option<Any<T>>,
    pub(super) list: Option<Any<T>>,
    pub(super) map: Option<Any<T>>,
}

impl<T> Codec for Forms<T> {
    type Value = T;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<T> {
        let form = match &node.value {
            Value::Scalar { .. } => &self.scalar,
            Value::List(_) => &self.list,
            Value::Map(_) => &self.map,
        };
        match form {
            Some(form) if node.sort() != Sort::Null => form.read(node, at, found),
            Some(_) | None => {
                wrong_sort(node, at, self.expected, found);
                None
            }
        }
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        let forms = [&self.scalar, &self.list, &self.map];
        let forms: Vec<_> = forms.into_iter().flatten().map(|it| it.schema(definitions)).collect();
        json!({"anyOf": forms})
    }
}

/// An object: a map whose fields one function declares.
pub(super) struct Object<T> {
    /// Name of its definition in the schema.
    pub(super) title: &'static str,
    pub(super) fields: fn(&mut Fields<'_>) -> Option<T>,
}

impl<T> Codec for Object<T> {
    type Value = T;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<T> {
        let Value::Map(entries) = &node.value else {
            wrong_sort(node, at, "a map", found);
            return None;
        };
        // In a list the item itself is what can be pointed at.
        Fields::read(entries, if at.line > 0 { at } else { node.place }, found, self.fields)
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        if !definitions.contains_key(self.title) {
            // What stands inside may be of the same make; it refers to this then.
            definitions.insert(self.title.to_owned(), Json::Null);
            let described = Fields::describe(definitions, self.fields);
            definitions.insert(self.title.to_owned(), described);
        }
        json!({"$ref": format!("#/$defs/{}", self.title)})
    }
}

/// A codec whose value is turned into another.
pub(super) struct Mapped<C: Codec, U> {
    pub(super) of: C,
    pub(super) into: fn(C::Value) -> U,
}

impl<C: Codec, U> Codec for Mapped<C, U> {
    type Value = U;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<U> {
        self.of.read(node, at, found).map(self.into)
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        self.of.schema(definitions)
    }
}
