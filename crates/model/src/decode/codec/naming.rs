//! What names files: the paths in it count from the folder of the document.

use serde_json::Value as Json;

use super::{Codec, Definitions};
use crate::decode::Findings;
use crate::document::{DatabaseUrl, FileName, Template};
use crate::yaml::{Node, Place};

/// A value that may name files.
pub(in crate::decode) trait Names {
    /// The files that it names.
    fn files(&mut self) -> Vec<&mut FileName>;
}

impl Names for FileName {
    fn files(&mut self) -> Vec<&mut FileName> {
        vec![self]
    }
}

impl Names for Template {
    fn files(&mut self) -> Vec<&mut FileName> {
        self.files_mut().collect()
    }
}

impl Names for DatabaseUrl {
    fn files(&mut self) -> Vec<&mut FileName> {
        self.files_mut().collect()
    }
}

impl<T> Names for (T, Template) {
    fn files(&mut self) -> Vec<&mut FileName> {
        self.1.files()
    }
}

/// A value that may name files, and where it stands.
pub(in crate::decode) struct Naming<C>(pub(in crate::decode) C);

impl<C: Codec<Value: Names>> Codec for Naming<C> {
    type Value = C::Value;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<C::Value> {
        let mut value = self.0.read(node, at, found)?;
        for file in value.files() {
            *file = file.clone().named_at(found.named_at(super::shown(node, at)));
        }
        Some(value)
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        self.0.schema(definitions)
    }
}
