//! Rule files: groups as Prometheus and its operator keep them, read back.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use evenkeel_model::decode::Findings;
use evenkeel_model::yaml::{self, Node, Value};
use evenkeel_slo::rules::{Group, Makes, PromRule};
use evenkeel_units::parse_duration;

/// The groups of every document of a file: a file of `rule_files`, or a PrometheusRule.
pub(crate) fn read(name: &str, text: &str) -> Result<Vec<Group>> {
    let mut found = Findings::default();
    let roots = yaml::read(name, text.as_bytes().to_vec(), &mut found).roots;
    ensure!(found.count() == 0, "{name} is no YAML");
    let groups = |root: &Node| {
        let groups = root.at("spec/groups").or_else(|| root.at("groups"));
        items(groups).iter().map(group).collect::<Result<Vec<_>>>()
    };
    let all = roots.iter().map(groups).collect::<Result<Vec<_>>>()?;
    Ok(all.into_iter().flatten().collect())
}

/// The items of a list; none of anything else.
pub(crate) fn items(of: Option<&Node>) -> &[Node] {
    match of.map(|it| &it.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

/// The texts of a map.
pub(crate) fn texts(of: Option<&Node>) -> BTreeMap<String, String> {
    let entries = of.map(Node::entries).unwrap_or_default().iter();
    entries.filter_map(|it| Some((it.key.clone(), it.value.text()?.to_owned()))).collect()
}

fn group(node: &Node) -> Result<Group> {
    let name = node.at("name").and_then(Node::text).context("a group without a name")?;
    Ok(Group {
        name: name.to_owned(),
        interval: node.at("interval").map(length).transpose()?,
        rules: items(node.at("rules")).iter().map(rule).collect::<Result<_>>()?,
    })
}

fn rule(node: &Node) -> Result<PromRule> {
    let text = |key| node.at(key).and_then(Node::text);
    let span = |key| node.at(key).map(length).transpose().map(Option::unwrap_or_default);
    let makes = match (text("record"), text("alert")) {
        (Some(record), _) => Makes::Record(record.to_owned()),
        (None, alert) => Makes::Alert {
            name: alert.context("a rule that makes nothing")?.to_owned(),
            pending: span("for")?,
            keep_firing: span("keep_firing_for")?,
            annotations: texts(node.at("annotations")),
        },
    };
    let expr = text("expr").context("a rule without a query")?.to_owned();
    Ok(PromRule { makes, expr, labels: texts(node.at("labels")) })
}

fn length(node: &Node) -> Result<Duration> {
    Ok(parse_duration(node.text().context("a length that is no text")?)?)
}
