//! Relabel: the rules of `relabel_configs`, read.

use evenkeel_model::decode::codes;
use evenkeel_model::yaml::Node;

use super::fields::{Fields, Reading};
use crate::relabel::{Action, Rule, RuleError};

/// The rules of a key.
pub(super) fn read(fields: &mut Fields<'_>, key: &'static str, to: &mut Reading) -> Vec<Rule> {
    let nodes = fields.list(key, to);
    nodes.iter().filter_map(|it| rule(it, to)).collect()
}

fn rule(node: &Node, to: &mut Reading) -> Option<Rule> {
    let mut fields = Fields::of(node, to);
    let place = fields.place();
    let regex_place = fields.place_of("regex");
    let sources = fields.texts("source_labels", to).into_iter().map(str::to_owned).collect();
    let action = fields.value("action", "an action of relabelling", to, Action::parse);
    let separator = fields.text("separator", to).map(str::to_owned);
    let regex = fields.text("regex", to).map(str::to_owned);
    let modulus = fields.value("modulus", "a whole number", to, |it| it.parse().ok());
    let target = fields.text("target_label", to).map(str::to_owned);
    let replacement = fields.text("replacement", to).map(str::to_owned);
    fields.finish(to);
    let rule = Rule::new(
        action.unwrap_or_default(),
        sources,
        separator,
        regex,
        modulus,
        target,
        replacement,
    );
    match rule {
        Ok(rule) => Some(rule),
        Err(error @ RuleError::Regex(_)) => {
            to.wrong(codes::REGEX, regex_place, error.to_string(), "");
            None
        }
        Err(error) => {
            to.wrong(codes::MISSING_FIELD, place, error.to_string(), "");
            None
        }
    }
}
