//! Matchers: which series are meant.

use std::fmt;

use regex::Regex;

use crate::Labels;

/// How a label is compared.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, the whole value
    Matches,
    /// `!~`
    MatchesNot,
}

impl Operation {
    /// As it is written.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::MatchesNot => "!~",
        }
    }
}

/// A pattern that is none.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{name}: {cause}")]
pub struct MatcherError {
    /// The label.
    pub name: String,
    /// What the pattern lacks.
    pub cause: regex::Error,
}

/// A condition on one label; a label that is absent counts as empty.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    operation: Operation,
    value: String,
    pattern: Option<Regex>,
}

impl Matcher {
    /// A condition. The pattern of `=~` and `!~` is anchored at both ends; `.` matches every character, a line's end too.
    pub fn new(
        name: impl Into<String>,
        operation: Operation,
        value: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let pattern = match operation {
            Operation::Equal | Operation::NotEqual => None,
            Operation::Matches | Operation::MatchesNot => Some(
                Regex::new(&format!("^(?s:{value})$"))
                    .map_err(|cause| MatcherError { name: name.clone(), cause })?,
            ),
        };
        Ok(Self { name, operation, value, pattern })
    }

    /// The label that is asked.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How.
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// What it is compared with, as it was written.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a value of the label is meant.
    pub fn is_met_by(&self, value: &str) -> bool {
        let pattern = |value| self.pattern.as_ref().is_some_and(|it| it.is_match(value));
        match self.operation {
            Operation::Equal => value == self.value,
            Operation::NotEqual => value != self.value,
            Operation::Matches => pattern(value),
            Operation::MatchesNot => !pattern(value),
        }
    }

    /// Whether a series is meant.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.is_met_by(labels.get(&self.name))
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.operation, &self.value) == (&other.name, other.operation, &other.value)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}{}{:?}", self.name, self.operation.sign(), self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_of_the_whole_value_and_an_absent_label_is_empty() {
        let shop = Labels::of([("job", "shop")]);
        let met = |operation, value| Matcher::new("job", operation, value).unwrap().matches(&shop);
        assert!(met(Operation::Matches, "sh.p") && !met(Operation::Matches, "sho"));
        assert!(!met(Operation::Matches, "sho|x") && met(Operation::MatchesNot, "sho|x"));
        assert!(Matcher::new("zone", Operation::Equal, "").unwrap().matches(&shop));
        assert!(Matcher::new("zone", Operation::Matches, ".*").unwrap().matches(&shop));
        assert!(!Matcher::new("zone", Operation::Matches, ".+").unwrap().matches(&shop));
    }

    #[test]
    fn what_is_no_pattern_is_said_with_the_label() {
        let error = Matcher::new("job", Operation::Matches, "a(").unwrap_err();
        assert!(error.to_string().starts_with("job: "), "{error}");
    }
}
