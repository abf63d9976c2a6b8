//! What an alias may repeat, and what that costs each time.

use std::mem;

use super::{Node, Value};

/// A node that an alias may repeat.
pub(super) struct Anchored {
    pub(super) node: Node,
    pub(super) nodes: usize,
    pub(super) bytes: usize,
    pub(super) depth: usize,
}

impl Anchored {
    /// Measures and keeps a node.
    pub(super) fn new(node: &Node) -> Self {
        let (mut nodes, mut bytes, mut depth) = (0, 0, 0);
        let mut level = vec![node];
        while !level.is_empty() {
            nodes += level.len();
            let mut below = Vec::new();
            for node in mem::take(&mut level) {
                match &node.value {
                    Value::Scalar { text, .. } => bytes += text.len(),
                    Value::List(items) => below.extend(items),
                    Value::Map(entries) => {
                        bytes += entries.iter().map(|it| it.key.len()).sum::<usize>();
                        below.extend(entries.iter().map(|it| &it.value));
                    }
                }
            }
            // Scalars add no level.
            depth += usize::from(!below.is_empty());
            level = below;
        }
        Self { node: node.clone(), nodes, bytes, depth }
    }
}
