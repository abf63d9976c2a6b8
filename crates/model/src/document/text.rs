//! Text that may refer to secrets, and never holds them.
//!
//! `Bearer ${env:SHOP_TOKEN}` stays as it is written in plans, journals and reports; only the hand that
//! sends it [resolves](Text::resolve) it, just before.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Text with references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// In order.
    pub pieces: Vec<Piece>,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Literal(String),
    /// To be looked up.
    Reference(Reference),
}

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `${env:NAME}`: an environment variable.
    Env(String),
    /// `${file:PATH}`: the content of a file, without trailing line breaks.
    File(String),
}

/// A reference could not be resolved. Says which, never what it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {reference}: {reason}")]
pub struct ResolveError {
    /// As written.
    pub reference: String,
    /// Why.
    pub reason: String,
}

impl Text {
    /// Reads a text; `$${` stands for a plain `${`.
    ///
    /// # Errors
    /// A sentence, when a reference is not closed or of no known kind.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                literal.push_str(before);
                literal.push_str("${");
                rest = after;
                continue;
            }
            literal.push_str(before);
            let Some((inside, after)) = after.split_once('}') else {
                return Err(
                    "`${` is not closed: write `${env:NAME}`, or `$${` for a plain `${`".to_owned()
                );
            };
            let reference = match inside.split_once(':') {
                Some(("env", name)) if !name.is_empty() => Reference::Env(name.to_owned()),
                Some(("file", path)) if !path.is_empty() => Reference::File(path.to_owned()),
                _ => {
                    return Err(format!(
                        "`${{{inside}}}` is no reference: write `${{env:NAME}}` or `${{file:PATH}}`"
                    ));
                }
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Reference(reference));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self { pieces })
    }

    /// The text with every reference looked up.
    ///
    /// # Errors
    /// When `look_up` cannot read one.
    pub fn resolve(
        &self,
        look_up: impl Fn(&Reference) -> Result<String, ResolveError>,
    ) -> Result<String, ResolveError> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => Ok(text.clone()),
                Piece::Reference(reference) => look_up(reference),
            })
            .collect()
    }

    /// Whether anything has to be looked up.
    pub fn has_references(&self) -> bool {
        self.pieces.iter().any(|it| matches!(it, Piece::Reference(_)))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "${{env:{name}}}"),
            Self::File(path) => write!(f, "${{file:{path}}}"),
        }
    }
}

impl fmt::Display for Text {
    /// As written: references stay references.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Literal(text) => f.write_str(&text.replace("${", "$${")),
            Piece::Reference(reference) => write!(f, "{reference}"),
        })
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_are_looked_up_and_never_shown() {
        let text = Text::parse("Bearer ${env:TOKEN}").unwrap();
        assert_eq!(text.to_string(), "Bearer ${env:TOKEN}");
        assert_eq!(text.resolve(|_| Ok("hunter2".to_owned())).unwrap(), "Bearer hunter2");
    }

    #[test]
    fn an_open_or_unknown_reference_is_refused() {
        assert!(Text::parse("${env:TOKEN").is_err());
        assert!(Text::parse("${vault:x}").unwrap_err().contains("`${env:NAME}`"));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(text in "[a$\\{\\}:env]{0,12}") {
            if let Ok(read) = Text::parse(&text) {
                prop_assert_eq!(Text::parse(&read.to_string()), Ok(read));
            }
        }
    }
}
