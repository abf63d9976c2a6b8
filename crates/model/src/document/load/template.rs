//! Text that is written anew for each request: literals, secrets and values of the moment.
//!
//! ```text
//! /users/${data:accounts.id}?page=${random:1-9}      Bearer ${env:TOKEN}      {"cart": "${var:cart}"}
//! ```

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::super::{FileName, Reference, ResolveError};

/// Text with references, which are looked up once, and slots, which are filled for each request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// In order; no two literals side by side.
    pub parts: Vec<Part>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Literal(String),
    /// To be looked up before the load.
    Reference(Reference),
    /// To be filled when the request is sent.
    Slot(Slot),
}

/// A value of the moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// `${data:FEEDER.COLUMN}`: from the row of data that the iteration was given.
    Data {
        /// Name of the feeder.
        feeder: String,
        /// Name of the column.
        column: String,
    },
    /// `${var:NAME}`: what an earlier step extracted.
    Var(String),
    /// `${run:user}`: number of the user, from 0; in the open model, number of the arrival.
    User,
    /// `${run:iteration}`: how many iterations the user has finished.
    Iteration,
    /// `${run:time}`: milliseconds since 1970.
    Time,
    /// `${random:uuid}`: a random UUID (version 4).
    Uuid,
    /// `${random:1-100}`: a whole number between both, each as likely.
    Between(u64, u64),
}

/// What may stand between `${` and `}`.
const FORMS: &str = "write `${env:NAME}`, `${file:PATH}`, `${data:FEEDER.COLUMN}`, `${var:NAME}`, `${run:user}`, \
     `${run:iteration}`, `${run:time}`, `${random:uuid}` or `${random:1-100}`";

impl Template {
    /// A template that is a plain text.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        let parts = if text.is_empty() { Vec::new() } else { vec![Part::Literal(text)] };
        Self { parts }
    }

    /// Reads a template; `$${` stands for a plain `${`.
    ///
    /// # Errors
    /// A sentence, when a placeholder is not closed or of no known kind.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
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
                return Err(format!("`${{` is not closed: {FORMS}, or `$${{` for a plain `${{`"));
            };
            let Some(part) = placeholder(inside) else {
                return Err(format!("`${{{inside}}}` is no placeholder: {FORMS}"));
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// With every reference looked up; slots stay.
    ///
    /// # Errors
    /// When `look_up` cannot read one.
    pub fn resolve(
        &self,
        look_up: impl Fn(&Reference) -> Result<String, ResolveError>,
    ) -> Result<Self, ResolveError> {
        let mut resolved = Self::default();
        for part in &self.parts {
            match part {
                Part::Literal(text) => resolved.push_literal(text),
                Part::Reference(reference) => resolved.push_literal(&look_up(reference)?),
                Part::Slot(slot) => resolved.parts.push(Part::Slot(slot.clone())),
            }
        }
        Ok(resolved)
    }

    /// The slots, in order.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.parts.iter().filter_map(|it| match it {
            Part::Slot(slot) => Some(slot),
            Part::Literal(_) | Part::Reference(_) => None,
        })
    }

    /// The files that it refers to.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut FileName> {
        self.parts.iter_mut().filter_map(|it| match it {
            Part::Reference(Reference::File(file)) => Some(file),
            Part::Literal(_) | Part::Reference(Reference::Env(_)) | Part::Slot(_) => None,
        })
    }

    /// The literal text at its front.
    pub fn front(&self) -> &str {
        match self.parts.first() {
            Some(Part::Literal(text)) => text,
            _ => "",
        }
    }

    fn push_literal(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(Part::Literal(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.parts.push(Part::Literal(text.to_owned())),
        }
    }
}

fn placeholder(inside: &str) -> Option<Part> {
    let (kind, rest) = inside.split_once(':').filter(|(_, rest)| !rest.is_empty())?;
    let slot = match (kind, rest) {
        ("env", name) => return Some(Part::Reference(Reference::Env(name.to_owned()))),
        ("file", path) => return Some(Part::Reference(Reference::File(FileName::new(path)))),
        ("data", path) => {
            let (feeder, column) = path.split_once('.')?;
            if feeder.is_empty() || column.is_empty() {
                return None;
            }
            Slot::Data { feeder: feeder.to_owned(), column: column.to_owned() }
        }
        ("var", name) => Slot::Var(name.to_owned()),
        ("run", "user") => Slot::User,
        ("run", "iteration") => Slot::Iteration,
        ("run", "time") => Slot::Time,
        ("random", "uuid") => Slot::Uuid,
        ("random", range) => {
            let (from, to) = range.split_once('-')?;
            let (from, to) = (from.parse().ok()?, to.parse().ok()?);
            if from > to {
                return None;
            }
            Slot::Between(from, to)
        }
        _ => return None,
    };
    Some(Part::Slot(slot))
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data { feeder, column } => write!(f, "${{data:{feeder}.{column}}}"),
            Self::Var(name) => write!(f, "${{var:{name}}}"),
            Self::User => f.write_str("${run:user}"),
            Self::Iteration => f.write_str("${run:iteration}"),
            Self::Time => f.write_str("${run:time}"),
            Self::Uuid => f.write_str("${random:uuid}"),
            Self::Between(from, to) => write!(f, "${{random:{from}-{to}}}"),
        }
    }
}

impl fmt::Display for Template {
    /// As written: references stay references.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Literal(text) => f.write_str(&text.replace("${", "$${")),
            Part::Reference(reference) => write!(f, "{reference}"),
            Part::Slot(slot) => write!(f, "{slot}"),
        })
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_looked_up_once_and_slots_stay_open() {
        let text = "/u/${data:users.id}?t=${env:TOKEN}&n=${random:1-9}";
        let template = Template::parse(text).unwrap();
        assert_eq!(template.to_string(), text);
        let resolved = template.resolve(|_| Ok("s3cret".to_owned())).unwrap();
        assert_eq!(resolved.to_string(), "/u/${data:users.id}?t=s3cret&n=${random:1-9}");
        assert_eq!(resolved.slots().count(), 2);
    }

    #[test]
    fn what_is_no_placeholder_is_refused_with_the_forms() {
        for text in ["${vault:x}", "${data:users}", "${random:9-1}", "${run:pid}", "${var:}", "${"]
        {
            assert!(Template::parse(text).unwrap_err().contains("`${var:NAME}`"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(text in "[a$\\{\\}:.1\\-]{0,8}(\\$\\{var:a\\})?[a$\\{\\}]{0,4}") {
            if let Ok(read) = Template::parse(&text) {
                prop_assert_eq!(Template::parse(&read.to_string()), Ok(read));
            }
        }
    }
}
