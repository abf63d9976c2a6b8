//! Schema: the JSON Schema (draft 2020-12) of documents, written by the functions that read them.
//!
//! Editors complete and check by it: `# yaml-language-server: $schema=…`.

use serde_json::{Map, Value as Json, json};

use crate::decode::{Definitions, KINDS, describe};

mod of_type;

pub use self::of_type::of_type;

/// The schema of documents of one kind, or of all kinds; `None` when there is no such kind.
pub fn schema(kind: Option<&str>) -> Option<Json> {
    let mut definitions = Definitions::new();
    let body = match kind {
        Some(name) => {
            let kind = KINDS.iter().find(|it| it.name == name)?;
            describe(kind, &mut definitions)
        }
        None => all(&mut definitions),
    };
    let Json::Object(body) = body else { return None };
    let title = kind.map_or_else(|| "Evenkeel".to_owned(), |it| format!("Evenkeel {it}"));
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!(title));
    schema.extend(body);
    schema.insert("$defs".to_owned(), Json::Object(definitions));
    Some(Json::Object(schema))
}

/// The names of all kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|it| it.name)
}

/// Each kind by itself, so that an editor speaks of the kind at hand and not of all that do not fit.
fn all(definitions: &mut Definitions) -> Json {
    let names: Vec<_> = kinds().collect();
    let cases: Vec<_> = KINDS
        .iter()
        .map(|kind| {
            let title = format!("{}Document", kind.name);
            let described = describe(kind, definitions);
            definitions.insert(title.clone(), described);
            json!({
                "if": {"properties": {"kind": {"const": kind.name}}, "required": ["kind"]},
                "then": {"$ref": format!("#/$defs/{title}")},
            })
        })
        .collect();
    json!({
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": names}},
        "allOf": cases,
    })
}
