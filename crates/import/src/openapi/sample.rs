//! A schema → a value that fits it: its example, its default, its first choice, or one made of its type.

use evenkeel_model::yaml::{Node, Sort, Value};
use serde_json::Value as Json;

use super::source::Source;

/// How deep a sample is nested.
const MAX_DEPTH: usize = 8;
/// How many values a sample has: schemas that name each other would make it grow without end.
const MAX_VALUES: usize = 500;

/// A value, in the order of its schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sample {
    /// Anything but a map.
    Plain(Json),
    /// In order.
    List(Vec<Sample>),
    /// In order.
    Map(Vec<(String, Sample)>),
}

impl Sample {
    /// As JSON, in one line.
    pub(super) fn json(&self) -> String {
        match self {
            Self::Plain(it) => it.to_string(),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::json).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(entries) => {
                let entry = |(key, value): &(String, Self)| {
                    format!("{}: {}", Json::from(key.as_str()), value.json())
                };
                let entries: Vec<_> = entries.iter().map(entry).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    /// As it stands in a path, a query or a header.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Plain(Json::String(text)) => text.clone(),
            Self::Plain(Json::Null) => String::new(),
            Self::Plain(it) => it.to_string(),
            Self::List(items) => items.iter().map(Self::text).collect::<Vec<_>>().join(","),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, it)| format!("{key},{}", it.text()))
                .collect::<Vec<_>>()
                .join(","),
        }
    }

    /// What is written in the description.
    pub(super) fn written(node: &Node) -> Self {
        match &node.value {
            Value::List(items) => Self::List(items.iter().map(Self::written).collect()),
            Value::Map(entries) => Self::Map(
                entries.iter().map(|it| (it.key.clone(), Self::written(&it.value))).collect(),
            ),
            Value::Scalar { text, .. } => Self::Plain(match node.sort() {
                Sort::Number(_) => text.parse().map_or_else(|_| node.to_json(), Json::Number),
                _ => node.to_json(),
            }),
        }
    }
}

/// Makes a value for a schema.
pub(super) fn sample(source: &Source, schema: &Node) -> Sample {
    let mut left = MAX_VALUES;
    make(source, schema, &mut Vec::new(), &mut left)
}

/// The example of a schema, a parameter or a body: `example`, or the first of `examples`.
pub(super) fn example(source: &Source, node: &Node) -> Option<Sample> {
    if let Some(entry) = node.entry("example") {
        return Some(Sample::written(&entry.value));
    }
    let examples = &node.entry("examples")?.value;
    match &examples.value {
        Value::List(items) => items.first().map(Sample::written),
        Value::Map(entries) => {
            let first = source.resolve(&entries.first()?.value);
            first.entry("value").map(|it| Sample::written(&it.value))
        }
        Value::Scalar { .. } => None,
    }
}

/// Makes a value within the schemas `above`; one that stands in itself ends there.
fn make<'a>(
    source: &'a Source,
    schema: &'a Node,
    above: &mut Vec<&'a Node>,
    left: &mut usize,
) -> Sample {
    let schema = source.resolve(schema);
    if above.len() > MAX_DEPTH || *left == 0 || above.iter().any(|it| std::ptr::eq(*it, schema)) {
        return Sample::Plain(Json::Null);
    }
    *left -= 1;
    above.push(schema);
    let sample = fresh(source, schema, above, left);
    above.pop();
    sample
}

fn fresh<'a>(
    source: &'a Source,
    schema: &'a Node,
    above: &mut Vec<&'a Node>,
    left: &mut usize,
) -> Sample {
    let nothing = Sample::Plain(Json::Null);
    if let Some(it) = example(source, schema) {
        return it;
    }
    if let Some(it) = ["const", "default"].iter().find_map(|it| schema.entry(it)) {
        return Sample::written(&it.value);
    }
    if let Some(it) = schema.at("enum/0") {
        return Sample::written(it);
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(Value::List(choices)) = schema.entry(key).map(|it| &it.value.value) {
            let is_null = |it: &&Node| kind(source.resolve(it)) == Some("null");
            if let Some(choice) = choices.iter().find(|it| !is_null(it)) {
                return make(source, choice, above, left);
            }
        }
    }
    if let Some(Value::List(all)) = schema.entry("allOf").map(|it| &it.value.value) {
        return join(source, schema, all, above, left);
    }
    match kind(schema) {
        Some("object") => object(source, schema, above, left),
        Some("array") => {
            let item = schema.entry("items").map(|it| make(source, &it.value, above, left));
            // What repeats itself ends in an empty list.
            Sample::List(item.filter(|it| *it != nothing).into_iter().collect())
        }
        Some("string") => Sample::Plain(Json::String(string(schema))),
        Some("integer") => Sample::Plain(Json::from(number(schema).ceil() as i64)),
        Some("number") => Sample::Plain(Json::from(number(schema))),
        Some("boolean") => Sample::Plain(Json::Bool(true)),
        _ => nothing,
    }
}

/// The type of a schema: as it says, or as what else it has tells.
fn kind(schema: &Node) -> Option<&str> {
    match schema.entry("type").map(|it| &it.value.value) {
        Some(Value::Scalar { text, .. }) => Some(text),
        // 3.1: several, and `null` may be among them.
        Some(Value::List(types)) => types.iter().filter_map(Node::text).find(|it| *it != "null"),
        _ if schema.entry("properties").is_some() => Some("object"),
        _ if schema.entry("items").is_some() => Some("array"),
        _ => None,
    }
}

/// The properties that must be there; all of them when none must.
fn object<'a>(
    source: &'a Source,
    schema: &'a Node,
    above: &mut Vec<&'a Node>,
    left: &mut usize,
) -> Sample {
    let required: Vec<&str> = match schema.entry("required").map(|it| &it.value.value) {
        Some(Value::List(names)) => names.iter().filter_map(Node::text).collect(),
        _ => Vec::new(),
    };
    let properties = schema.entry("properties").map(|it| it.value.entries()).unwrap_or_default();
    let is_wanted = |name: &str| required.is_empty() || required.contains(&name);
    let mut entries = Vec::new();
    for property in properties.iter().filter(|it| is_wanted(&it.key)) {
        let schema = source.resolve(&property.value);
        if schema.entry("readOnly").is_some_and(|it| it.value.sort() == Sort::Boolean(true)) {
            continue;
        }
        let value = make(source, schema, above, left);
        if value != Sample::Plain(Json::Null) || required.contains(&property.key.as_str()) {
            entries.push((property.key.clone(), value));
        }
    }
    Sample::Map(entries)
}

/// All of `allOf`, and what stands beside it.
fn join<'a>(
    source: &'a Source,
    schema: &'a Node,
    all: &'a [Node],
    above: &mut Vec<&'a Node>,
    left: &mut usize,
) -> Sample {
    let mut joined: Vec<(String, Sample)> = Vec::new();
    let mut other = Sample::Plain(Json::Null);
    let mut add = |sample: Sample| match sample {
        Sample::Map(entries) => {
            for (key, value) in entries {
                if !joined.iter().any(|(it, _)| *it == key) {
                    joined.push((key, value));
                }
            }
        }
        Sample::Plain(Json::Null) => {}
        it => other = it,
    };
    for part in all {
        add(make(source, part, above, left));
    }
    if schema.entry("properties").is_some() {
        add(object(source, schema, above, left));
    }
    if joined.is_empty() { other } else { Sample::Map(joined) }
}

fn string(schema: &Node) -> String {
    let format = schema.entry("format").and_then(|it| it.value.text());
    let sample = match format {
        Some("date") => "2026-01-31",
        Some("date-time") => "2026-01-31T12:00:00Z",
        Some("time") => "12:00:00Z",
        Some("uuid") => "00000000-0000-4000-8000-000000000001",
        Some("email") => "someone@example.com",
        Some("uri" | "url") => "https://example.com/",
        Some("hostname") => "example.com",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("byte") => "dGV4dA==",
        _ => "text",
    };
    let bound = |key: &str| {
        let length = schema
            .entry(key)
            .and_then(|it| it.value.text())
            .and_then(|it| it.parse::<usize>().ok());
        length.map(|it| it.min(1_000))
    };
    let mut sample = sample.to_owned();
    while bound("minLength").is_some_and(|least| sample.len() < least) {
        sample.push('x');
    }
    if let Some(most) = bound("maxLength") {
        sample.truncate(most);
    }
    sample
}

fn number(schema: &Node) -> f64 {
    let bound = |key: &str| match schema.entry(key).map(|it| it.value.sort()) {
        Some(Sort::Number(it)) if it.is_finite() => Some(it),
        _ => None,
    };
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|it| it + 1.0));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|it| it - 1.0));
    match (least, most) {
        (Some(least), _) if least > 1.0 => least,
        (_, Some(most)) if most < 1.0 => most,
        _ => 1.0,
    }
}
