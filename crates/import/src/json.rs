//! JSON as a tree in the order of the file: it has escapes that YAML does not know. Its nodes have no places.

use std::fmt;

use evenkeel_model::yaml::{Entry, Node, Place, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Reads one value.
pub(crate) fn read(text: &str) -> Result<Node, serde_json::Error> {
    serde_json::from_str(text).map(|Json(root)| root)
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
