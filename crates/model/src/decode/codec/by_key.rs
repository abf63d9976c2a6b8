//! A map that is told apart by one of its keys: one with `grpc` is another thing than one with `path`.
//!
//! Unlike below a single key, what belongs to the thing stands beside the key, as people write it.

use serde_json::{Value as Json, json};

use super::{Any, Codec, Definitions, wrong_sort};
use crate::decode::Findings;
use crate::yaml::{Node, Place, Value};

/// A map that is told apart by one of its keys.
pub(in crate::decode) struct ByKey<T> {
    /// For people, with its article.
    pub(in crate::decode) expected: &'static str,
    /// The keys, and the object that each makes of the map it is in. The first that is there counts.
    pub(in crate::decode) kinds: Vec<(&'static str, Any<T>)>,
    /// What a map is that has none of them.
    pub(in crate::decode) otherwise: Any<T>,
}

impl<T> Codec for ByKey<T> {
    type Value = T;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<T> {
        if !matches!(node.value, Value::Map(_)) {
            wrong_sort(node, at, self.expected, found);
            return None;
        }
        let kind = self.kinds.iter().find(|(key, _)| node.entry(key).is_some());
        kind.map_or(&self.otherwise, |(_, it)| it).read(node, at, found)
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        let all = std::iter::once(&self.otherwise).chain(self.kinds.iter().map(|(_, it)| it));
        json!({"anyOf": all.map(|it| it.schema(definitions)).collect::<Vec<_>>()})
    }
}
