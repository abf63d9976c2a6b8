//! Words of which there are a few.

use serde_json::{Value as Json, json};

use crate::decode::codec::{Codec, Definitions, Takes, Word, choice, cut};
use crate::decode::{Findings, codes};
use crate::yaml::{Node, Place};

/// One word of a few.
pub(in crate::decode) struct Choice<T: 'static> {
    /// For people, with its article.
    pub(in crate::decode) expected: &'static str,
    pub(in crate::decode) words: Vec<(&'static str, T)>,
}

impl<T: Clone> Codec for Choice<T> {
    type Value = T;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<T> {
        let read = Word {
            expected: self.expected,
            takes: Takes::Text,
            parse: |text| Ok(text.to_owned()),
            schema: || json!({}),
        };
        let text = read.read(node, at, found)?;
        let word = self.words.iter().find(|(it, _)| *it == text);
        if word.is_none() {
            let known: Vec<_> = self.words.iter().map(|(it, _)| *it).collect();
            let message = format!("`{}` is not {}", cut(&text), self.expected);
            let place = if node.place.length > 0 { node.place } else { at };
            found.report(codes::CHOICE, place, message, choice(&text, &known));
        }
        word.map(|(_, value)| value.clone())
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        json!({"enum": self.words.iter().map(|(it, _)| *it).collect::<Vec<_>>()})
    }
}
