//! Relabel: rules that rewrite labels, and that keep or drop what has them.
//!
//! A rule joins the values of its source labels, asks a pattern that is anchored at both ends, and acts. What each
//! action means is Prometheus' definition, its hash included, so that shards by `hashmod` are the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use regex::Regex;

/// Labels while they are rewritten. Empty ones count as absent.
pub type Pairs = BTreeMap<String, String>;

/// What a rule does.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Sets the target label to the replacement when the pattern matches.
    #[default]
    Replace,
    /// Drops what the pattern does not match.
    Keep,
    /// Drops what it matches.
    Drop,
    /// Drops what does not equal the target label.
    KeepEqual,
    /// Drops what equals the target label.
    DropEqual,
    /// Sets the target label to the hash of the source, modulo a number.
    HashMod,
    /// Copies labels whose names match to the names that the replacement makes of them.
    LabelMap,
    /// Takes labels away whose names match.
    LabelDrop,
    /// Takes labels away whose names do not match.
    LabelKeep,
    /// Sets the target label to the source in lower case.
    Lowercase,
    /// Sets the target label to the source in upper case.
    Uppercase,
}

impl Action {
    /// Reads its name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "replace" => Self::Replace,
            "keep" => Self::Keep,
            "drop" => Self::Drop,
            "keepequal" => Self::KeepEqual,
            "dropequal" => Self::DropEqual,
            "hashmod" => Self::HashMod,
            "labelmap" => Self::LabelMap,
            "labeldrop" => Self::LabelDrop,
            "labelkeep" => Self::LabelKeep,
            "lowercase" => Self::Lowercase,
            "uppercase" => Self::Uppercase,
            _ => return None,
        })
    }

    const fn needs_target(self) -> bool {
        use Action::{DropEqual, HashMod, KeepEqual, Lowercase, Replace, Uppercase};
        matches!(self, Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual)
    }
}

/// A rule that cannot be meant.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// There is nothing to set.
    #[error("the action needs a `target_label`")]
    NoTarget,
    /// There is nothing to divide by.
    #[error("the action `hashmod` needs a `modulus` above zero")]
    NoModulus,
    /// The action does not ask for this.
    #[error("the action takes no `{0}`")]
    Unused(&'static str),
    /// No pattern.
    #[error("`regex` cannot be read: {}", reason(.0))]
    Regex(regex::Error),
}

/// What is wrong with a pattern, in a line.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    action: Action,
    sources: Vec<String>,
    separator: String,
    regex: Regex,
    modulus: u64,
    target: String,
    replacement: String,
}

/// Two are the same when they are written alike.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.action, it.modulus, it.sources.clone());
        let texts = |it: &Self| {
            let regex = it.regex.as_str().to_owned();
            [it.separator.clone(), it.target.clone(), it.replacement.clone(), regex]
        };
        of(self) == of(other) && texts(self) == texts(other)
    }
}

impl Rule {
    /// A rule, with what Prometheus takes for what is not given: `;` as separator, `(.*)` as pattern and `$1` as
    /// replacement.
    pub fn new(
        action: Action,
        sources: Vec<String>,
        separator: Option<String>,
        regex: Option<String>,
        modulus: Option<u64>,
        target: Option<String>,
        replacement: Option<String>,
    ) -> Result<Self, RuleError> {
        let target = target.unwrap_or_default();
        if action.needs_target() && target.is_empty() {
            return Err(RuleError::NoTarget);
        }
        let modulus = modulus.unwrap_or(0);
        if action == Action::HashMod && modulus == 0 {
            return Err(RuleError::NoModulus);
        }
        let by_name = matches!(action, Action::LabelDrop | Action::LabelKeep);
        let by_equality = matches!(action, Action::KeepEqual | Action::DropEqual);
        let unused = [
            ("source_labels", by_name && !sources.is_empty()),
            ("target_label", by_name && !target.is_empty()),
            ("regex", by_equality && regex.is_some()),
            ("modulus", (by_name || by_equality) && modulus != 0),
            ("separator", (by_name || by_equality) && separator.is_some()),
            ("replacement", (by_name || by_equality) && replacement.is_some()),
        ];
        if let Some((name, _)) = unused.iter().find(|(_, is_there)| *is_there) {
            return Err(RuleError::Unused(name));
        }
        let pattern = regex.unwrap_or_else(|| "(.*)".to_owned());
        Ok(Self {
            action,
            sources,
            separator: separator.unwrap_or_else(|| ";".to_owned()),
            regex: Regex::new(&format!("^(?s:{pattern})$")).map_err(RuleError::Regex)?,
            modulus,
            target,
            replacement: replacement.unwrap_or_else(|| "$1".to_owned()),
        })
    }

    /// Rewrites labels; whether what has them is kept.
    fn apply(&self, labels: &mut Pairs) -> bool {
        let source = self.source(labels);
        match self.action {
            Action::Keep => return self.regex.is_match(&source),
            Action::Drop => return !self.regex.is_match(&source),
            Action::KeepEqual => return source == value(labels, &self.target),
            Action::DropEqual => return source != value(labels, &self.target),
            Action::Replace => {
                let Some(captures) = self.regex.captures(&source) else { return true };
                let (mut target, mut text) = (String::new(), String::new());
                captures.expand(&self.target, &mut target);
                captures.expand(&self.replacement, &mut text);
                if !target.is_empty() {
                    set(labels, target, text);
                }
            }
            Action::HashMod => {
                let remainder = hash(&source) % self.modulus;
                set(labels, self.target.clone(), remainder.to_string());
            }
            Action::Lowercase => set(labels, self.target.clone(), source.to_lowercase()),
            Action::Uppercase => set(labels, self.target.clone(), source.to_uppercase()),
            Action::LabelMap => {
                let copied: Vec<_> = labels
                    .iter()
                    .filter(|(name, _)| self.regex.is_match(name))
                    .map(|(name, value)| {
                        let name = self.regex.replace(name, self.replacement.as_str());
                        (name.into_owned(), value.clone())
                    })
                    .collect();
                copied.into_iter().for_each(|(name, value)| set(labels, name, value));
            }
            Action::LabelDrop => labels.retain(|name, _| !self.regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name, _| self.regex.is_match(name)),
        }
        true
    }

    fn source(&self, labels: &Pairs) -> String {
        let values: Vec<&str> = self.sources.iter().map(|it| value(labels, it)).collect();
        values.join(&self.separator)
    }
}

/// Applies rules one after the other; whether what has the labels is kept.
pub fn relabel(rules: &[Rule], labels: &mut Pairs) -> bool {
    rules.iter().all(|it| it.apply(labels))
}

fn value<'a>(labels: &'a Pairs, name: &str) -> &'a str {
    labels.get(name).map_or("", String::as_str)
}

fn set(labels: &mut Pairs, name: String, value: String) {
    match value.is_empty() {
        true => drop(labels.remove(&name)),
        false => drop(labels.insert(name, value)),
    }
}

/// The last eight bytes of the MD5, which is not there for safety.
fn hash(text: &str) -> u64 {
    let hash = Md5::digest(text.as_bytes());
    let last: Cow<'_, [u8]> = hash.get(8..).unwrap_or_default().into();
    last.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Pairs {
        let pair = |it: &str| it.split_once('=').map(|(name, value)| (name.into(), value.into()));
        text.split(' ').filter_map(pair).collect()
    }

    fn shown(labels: &Pairs) -> String {
        labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    /// Applies one rule: `action sources regex target replacement`, `-` for what is not given.
    fn one(rule: &str, labels: &str) -> Option<String> {
        let parts: Vec<_> = rule.split(' ').collect();
        let given = |at: usize| parts.get(at).filter(|it| **it != "-").map(|it| (*it).to_owned());
        let sources = given(1).unwrap_or_default();
        let sources = sources.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect();
        let action = Action::parse(parts[0]).unwrap();
        let modulus = (action == Action::HashMod).then_some(1000);
        let rule = Rule::new(action, sources, None, given(2), modulus, given(3), given(4)).unwrap();
        let mut labels = pairs(labels);
        relabel(&[rule], &mut labels).then(|| shown(&labels))
    }

    #[test]
    fn every_action_does_what_prometheus_does() {
        for (rule, labels, then) in [
            ("replace a f(.*) d ch$1-ch$1", "a=foo b=bar", Some("a=foo b=bar d=choo-choo")),
            ("replace a,b (.*);(.*) d $2${1}x", "a=foo b=bar", Some("a=foo b=bar d=barfoox")),
            ("replace a o d x", "a=foo", Some("a=foo")),
            ("replace a (f).* ${1}_$0 y", "a=foo", Some("a=foo f_foo=y")),
            ("replace a missing(.*)|foo b $1", "a=foo b=bar", Some("a=foo")),
            ("keep a f.*", "a=foo", Some("a=foo")),
            ("keep a o", "a=foo", None),
            ("drop a,c f.*;", "a=foo", None),
            ("drop a f", "a=foo", Some("a=foo")),
            ("keepequal a - b", "a=1 b=1", Some("a=1 b=1")),
            ("keepequal a - b", "a=1 b=2", None),
            ("dropequal a - b", "a=1 b=1", None),
            ("dropequal a - b", "a=1 b=2", Some("a=1 b=2")),
            ("labelmap - b(.*)", "a=foo b1=bar b2=baz", Some("1=bar 2=baz a=foo b1=bar b2=baz")),
            ("labelmap - b(.*) - x_$1", "b1=bar", Some("b1=bar x_1=bar")),
            ("labeldrop - b.*", "a=foo b1=bar", Some("a=foo")),
            ("labelkeep - b.*", "a=foo b1=bar", Some("b1=bar")),
            ("lowercase a - a", "a=FoO", Some("a=foo")),
            ("uppercase a - b", "a=foo", Some("a=foo b=FOO")),
            // As in Prometheus' own tests.
            ("hashmod c - d", "a=foo b=bar c=baz", Some("a=foo b=bar c=baz d=976")),
        ] {
            assert_eq!(one(rule, labels).as_deref(), then, "{rule}");
        }
    }

    #[test]
    fn a_rule_that_cannot_be_meant_is_refused() {
        let new = |action, modulus, target: Option<&str>, regex: Option<&str>| {
            let (target, regex) = (target.map(str::to_owned), regex.map(str::to_owned));
            Rule::new(action, Vec::new(), None, regex, modulus, target, None).unwrap_err()
        };
        assert_eq!(new(Action::Replace, None, None, None), RuleError::NoTarget);
        assert_eq!(new(Action::HashMod, None, Some("a"), None), RuleError::NoModulus);
        assert_eq!(
            new(Action::LabelDrop, None, Some("a"), None),
            RuleError::Unused("target_label")
        );
        let of_pattern = new(Action::Keep, None, None, Some("a("));
        assert!(matches!(of_pattern, RuleError::Regex(_)), "{of_pattern}");
    }
}
