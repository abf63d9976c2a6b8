//! YAML or JSON → a tree in the order of the file, and `$ref` within it.

use std::fmt;

use evenkeel_model::decode::Findings;
use evenkeel_model::yaml::{self, Entry, Node, Place, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::ImportError;

/// How many references are followed from one to the next.
const MAX_HOPS: usize = 16;

/// A description.
pub(super) struct Source {
    pub(super) root: Node,
}

impl Source {
    pub(super) fn read(name: &str, text: &str) -> Result<Self, ImportError> {
        if text.len() > yaml::MAX_BYTES {
            return Err(ImportError::TooLarge(yaml::MAX_BYTES));
        }
        if text.trim_start().starts_with('{') {
            // JSON has escapes that YAML does not know.
            if let Ok(Json(root)) = serde_json::from_str(text) {
                return Ok(Self { root });
            }
        }
        let mut found = Findings::default();
        let mut roots = yaml::read(name, text.as_bytes().to_vec(), &mut found).roots;
        let (_, findings, _) = found.into_parts();
        if let Some(first) = findings.into_iter().next() {
            let problem = format!("{}: {}", first.message, first.help);
            return Err(ImportError::Syntax { line: first.line as usize, problem });
        }
        match roots.len() {
            0 => Err(ImportError::Other {
                expected: super::EXPECTED,
                problem: "there is nothing in it".to_owned(),
            }),
            _ => Ok(Self { root: roots.swap_remove(0) }),
        }
    }

    /// What a node stands for: itself, or what its `$ref` names within the file.
    pub(super) fn resolve<'a>(&'a self, node: &'a Node) -> &'a Node {
        let mut at = node;
        for _ in 0..MAX_HOPS {
            let Some(next) =
                at.entry("$ref").and_then(|it| it.value.text()).and_then(|it| self.find(it))
            else {
                break;
            };
            at = next;
        }
        at
    }

    /// The node that `#/components/schemas/Pet` names.
    fn find(&self, reference: &str) -> Option<&Node> {
        let path = reference.strip_prefix("#/")?;
        path.split('/').try_fold(&self.root, |node, step| {
            let step =
                step.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}");
            match &node.value {
                Value::List(items) => items.get(step.parse::<usize>().ok()?),
                _ => node.entry(&step).map(|it| &it.value),
            }
        })
    }
}

/// A node out of JSON.
struct Json(Node);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

fn node(value: Value) -> Json {
    Json(Node { place: Place::default(), value })
}

fn plain<E>(text: impl ToString) -> Result<Json, E> {
    Ok(node(Value::Scalar { text: text.to_string(), plain: true }))
}

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, it: bool) -> Result<Json, E> {
        plain(it)
    }

    fn visit_i64<E>(self, it: i64) -> Result<Json, E> {
        plain(it)
    }

    fn visit_u64<E>(self, it: u64) -> Result<Json, E> {
        plain(it)
    }

    fn visit_f64<E>(self, it: f64) -> Result<Json, E> {
        plain(it)
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        plain("null")
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(node(Value::Scalar { text: text.to_owned(), plain: false }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(Json(item)) = from.next_element()? {
            items.push(item);
        }
        Ok(node(Value::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, Json(value))) = from.next_entry::<String, Json>()? {
            entries.push(Entry { key, key_place: Place::default(), value });
        }
        Ok(node(Value::Map(entries)))
    }
}
