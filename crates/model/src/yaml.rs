//! YAML: text → tree in which every node knows its line and column, within bounds.
//!
//! YAML 1.2 with the core schema, so `no` is a word and not `false`. What a stranger's file could do to
//! us is bounded by the constants below: a file that crosses one is refused with the place where it did.
//! Anchors and aliases are expanded, within the same bounds. After a mistake in one document, reading
//! goes on at the next `---`, so that one run shows the mistakes of all of them.
//!
//! Deliberately absent: tags, merge keys (`<<`), includes and templates.

use serde_json::Value as Json;

mod anchored;
mod bounded;
mod read;
mod serde;
mod source;

pub use self::bounded::read_bounded;
pub use self::read::{Text, read};
pub use self::serde::read_into;
pub use self::source::Source;

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;
/// How many brackets, commas, quotes and the like a file may have. Within brackets the parser keeps
/// all of them until it knows whether the whole is a key, so they are counted before it begins.
pub const MAX_MARKS: usize = 500_000;
/// How deep lists and maps may be nested.
pub const MAX_DEPTH: usize = 64;
/// How many nodes a file may have, aliases expanded.
pub const MAX_NODES: usize = 1_000_000;
/// How many bytes of text the aliases of a file may repeat.
pub const MAX_REPEATED_BYTES: usize = 16 << 20;
/// How many documents a file may have.
pub const MAX_DOCUMENTS: usize = 1_024;

/// Where something stands in a file.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, counted from 1; 0 when the whole file is meant.
    pub line: u32,
    /// Column in characters, counted from 1; 0 when the whole file is meant.
    pub column: u32,
    /// How many characters from there on, on the same line.
    pub length: u32,
}

impl Place {
    /// The beginning of a line.
    pub(crate) const fn at_line(line: usize) -> Self {
        Self { line: line as u32, column: 1, length: 1 }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins. For an empty value: the place of its key.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A word, a number, a text, or nothing.
    Scalar {
        /// As written, without quotes and escapes.
        text: String,
        /// Whether it was written without quotes, and so may be a number, a boolean or nothing.
        plain: bool,
    },
    /// In order.
    List(Vec<Node>),
    /// In order; no key twice.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_place: Place,
    /// The value.
    pub value: Node,
}

/// What a node is by the core schema of YAML 1.2.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Sort {
    /// Nothing: empty, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text,
    /// A list.
    List,
    /// A map.
    Map,
}

impl Sort {
    /// For people, with its article.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Boolean(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Map => "a map",
        }
    }
}

impl Node {
    /// A plain scalar that stands in no file, such as a default.
    pub fn plain(text: &str) -> Self {
        let value = Value::Scalar { text: text.to_owned(), plain: true };
        Self { place: Place::default(), value }
    }

    /// What it is.
    pub fn sort(&self) -> Sort {
        match &self.value {
            Value::List(_) => Sort::List,
            Value::Map(_) => Sort::Map,
            Value::Scalar { plain: false, .. } => Sort::Text,
            Value::Scalar { text, plain: true } => match text.as_str() {
                "" | "~" | "null" | "Null" | "NULL" => Sort::Null,
                "true" | "True" | "TRUE" => Sort::Boolean(true),
                "false" | "False" | "FALSE" => Sort::Boolean(false),
                other => number(other).map_or(Sort::Text, Sort::Number),
            },
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar { .. } | Value::List(_) => &[],
        }
    }

    /// The entry of a map with this key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|it| it.key == key)
    }

    /// The node at `path`, such as `phases/1/chaos`, where numbers count the items of lists from 0.
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').filter(|it| !it.is_empty()).try_fold(self, |node, step| match &node.value {
            Value::Map(_) => node.entry(step).map(|it| &it.value),
            Value::List(items) => items.get(step.parse::<usize>().ok()?),
            Value::Scalar { .. } => None,
        })
    }

    /// Where `path` stands: its value when that is a scalar, else its key; when it is absent, the
    /// nearest thing above it.
    pub fn locate(&self, path: &str) -> Place {
        let mut node = self;
        let mut place = self.place;
        for step in path.split('/').filter(|it| !it.is_empty()) {
            let (next, at) = match &node.value {
                Value::Map(_) => match node.entry(step) {
                    Some(entry) => (&entry.value, entry.key_place),
                    None => return place,
                },
                Value::List(items) => {
                    match step.parse::<usize>().ok().and_then(|it| items.get(it)) {
                        Some(item) => (item, item.place),
                        None => return place,
                    }
                }
                Value::Scalar { .. } => return place,
            };
            node = next;
            place = if matches!(next.value, Value::Scalar { .. }) { next.place } else { at };
        }
        place
    }

    /// As JSON, by the core schema.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => Json::Object(
                entries.iter().map(|it| (it.key.clone(), it.value.to_json())).collect(),
            ),
            Value::Scalar { text, .. } => match self.sort() {
                Sort::Null => Json::Null,
                Sort::Boolean(it) => Json::Bool(it),
                Sort::Number(it) => match text.parse::<u64>() {
                    Ok(exact) => Json::from(exact),
                    Err(_) => Json::from(it),
                },
                Sort::Text | Sort::List | Sort::Map => Json::String(text.clone()),
            },
        }
    }
}

/// Reads a number as the core schema does.
fn number(text: &str) -> Option<f64> {
    let radix = |digits: &str, radix| {
        (!digits.starts_with(['+', '-'])).then(|| u64::from_str_radix(digits, radix).ok())?
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16).map(|it| it as f64);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8).map(|it| it as f64);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    // What Rust reads beside the core schema are only `inf` and `nan`, which have no digit in front.
    let starts = unsigned.trim_start_matches('.').starts_with(|it: char| it.is_ascii_digit());
    (starts && !unsigned.starts_with("..")).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_not_booleans_and_versions_are_not_numbers() {
        for text in ["no", "yes", "on", "18:00", "1.2.3", "1_000", "inf", "nan", "-", "0x", "1e"] {
            assert_eq!(Node::plain(text).sort(), Sort::Text, "{text}");
        }
    }

    #[test]
    fn numbers_are_those_of_the_core_schema() {
        let cases = [("12", 12.0), ("-3.5", -3.5), ("1e3", 1000.0), (".5", 0.5), ("0x1F", 31.0)];
        for (text, value) in cases {
            assert_eq!(Node::plain(text).sort(), Sort::Number(value), "{text}");
        }
    }
}
