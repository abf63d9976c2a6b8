//! Read: a file of groups of rules, with every mistake at its place.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_model::Diagnostic;
use evenkeel_model::decode::{Findings, codes};
use evenkeel_model::yaml::{self, Node, Place};
use evenkeel_promql::lint::lint;
use evenkeel_promql::{Query, Type};
use evenkeel_series::METRIC_NAME;

use super::{Alerting, Group, Makes, Rule, Template};
use crate::config::fields::{Doubt, Fields, Reading, cut};

/// The label by which an alert is called.
const ALERT_NAME: &str = "alertname";

/// What the operator of Kubernetes calls rules.
const RESOURCE: &str = "PrometheusRule";

pub(super) fn file(name: &str, bytes: Vec<u8>) -> Result<Vec<Group>, Vec<Diagnostic>> {
    let mut to = Reading::default();
    let roots = yaml::read(name, bytes, &mut to.found).roots;
    let groups = match roots.as_slice() {
        [] => Vec::new(),
        [root] => groups(name, root, &mut to),
        [_, second, ..] => {
            let problem = "a file of rules is one document, and this is a second one";
            to.wrong(codes::TOO_MANY, second.place, problem, "Take out the `---`.");
            Vec::new()
        }
    };
    let (_, diagnostics, _) = to.found.into_parts();
    if diagnostics.is_empty() { Ok(groups) } else { Err(diagnostics) }
}

pub(super) fn inspect(name: &str, roots: &[Node], found: Findings) -> Option<Vec<Diagnostic>> {
    let mut to = Reading { found, ..Reading::default() };
    let all: Vec<_> = roots.iter().map(rules_in).collect::<Option<_>>()?;
    all.first()?;
    all.iter().for_each(|it| drop(groups(name, it, &mut to)));
    for it in std::mem::take(&mut to.doubts) {
        to.wrong(codes::RULE_QUERY, it.place, it.problem, it.help);
    }
    Some(to.found.into_parts().1)
}

/// Where the groups of a document are.
fn rules_in(root: &Node) -> Option<&Node> {
    let is_resource = root.entry("kind").and_then(|it| it.value.text()) == Some(RESOURCE);
    match is_resource {
        true => root.at("spec"),
        false => root.entry("groups").map(|_| root),
    }
}

fn groups(file: &str, root: &Node, to: &mut Reading) -> Vec<Group> {
    let mut fields = Fields::of(root, to);
    let (mut groups, mut names) = (Vec::new(), BTreeSet::new());
    for node in fields.list("groups", to) {
        let Some(group) = group(file, node, to) else { continue };
        if !names.insert(group.name.clone()) {
            let problem = format!("the group `{}` is given twice", cut(&group.name));
            let help = "Give each group of a file a name of its own.";
            to.wrong(codes::DUPLICATE_NAME, node.locate("name"), problem, help);
        }
        groups.push(group);
    }
    fields.finish(to);
    groups
}

fn group(file: &str, node: &Node, to: &mut Reading) -> Option<Group> {
    let mut fields = Fields::of(node, to);
    let name = needed("name", "Give the group a name.", &mut fields, to);
    let every = fields.time("interval", to).filter(|it| !it.is_zero());
    let limit = fields.limit("limit", to);
    let offset = fields.time("query_offset", to);
    let place = fields.place_of("labels");
    let labels = fields.names("labels", to);
    check_labels(&labels, place, to);
    let nodes = fields.list("rules", to);
    let rules = nodes.iter().filter_map(|it| rule(it, &labels, to)).collect();
    fields.finish(to);
    Some(Group { file: file.to_owned(), name: name?, every, limit, offset, rules })
}

fn needed(
    key: &'static str,
    help: &str,
    fields: &mut Fields<'_>,
    to: &mut Reading,
) -> Option<String> {
    let text = fields.text(key, to).filter(|it| !it.trim().is_empty()).map(str::to_owned);
    if text.is_none() {
        let problem = format!("the field `{key}` is missing");
        to.wrong(codes::MISSING_FIELD, fields.place(), problem, help);
    }
    text
}

fn rule(node: &Node, of_group: &BTreeMap<String, String>, to: &mut Reading) -> Option<Rule> {
    let mut fields = Fields::of(node, to);
    let record = fields.text("record", to).map(str::to_owned);
    let alert = fields.text("alert", to).map(str::to_owned);
    let called = record.as_deref().or(alert.as_deref()).unwrap_or("a rule");
    let query = query(called, &mut fields, to);
    let labels_at = fields.place_of("labels");
    let mut labels = of_group.clone();
    labels.extend(fields.names("labels", to));
    check_labels(&labels, labels_at, to);
    let makes = match (record, alert) {
        (Some(name), None) => {
            if !is_metric(&name) {
                let problem = format!("`{}` is no name of a metric", cut(&name));
                to.wrong(codes::RULE, fields.place_of("record"), problem, "");
            }
            for key in ["for", "keep_firing_for", "annotations"] {
                if let Some(entry) = fields.take(key) {
                    let problem = format!("`{key}` belongs to alerts, and this rule records");
                    to.wrong(codes::RULE, entry.key_place, problem, "Take it out.");
                }
            }
            Some(Makes::Series { name, labels })
        }
        (None, Some(name)) => {
            let pending = fields.time("for", to).unwrap_or_default();
            let keep_firing = fields.time("keep_firing_for", to).unwrap_or_default();
            let place = fields.place_of("annotations");
            let annotations = fields.names("annotations", to);
            if labels.contains_key(ALERT_NAME) {
                let problem = format!("`{ALERT_NAME}` is what the alert is called");
                to.wrong(codes::RULE, labels_at, problem, "Take the label out.");
            }
            let labels = templates(labels, labels_at, to);
            let annotations = templates(annotations, place, to);
            let (labels, annotations) = (labels?, annotations?);
            Some(Makes::Alerts(Alerting { name, pending, keep_firing, labels, annotations }))
        }
        (given, _) => {
            let problem = match given {
                Some(_) => "a rule records or alerts, and this one has both",
                None => "a rule records or alerts, and this one has neither",
            };
            to.wrong(codes::RULE, node.place, problem, "Give `record` or `alert`.");
            None
        }
    };
    fields.finish(to);
    Some(Rule { makes: makes?, query: query? })
}

fn query(rule: &str, fields: &mut Fields<'_>, to: &mut Reading) -> Option<Query> {
    let place = fields.place_of("expr");
    let text = needed("expr", "Say what the rule asks.", fields, to)?;
    match Query::parse(&text) {
        Ok(query) if matches!(query.kind(), Type::Vector | Type::Scalar) => {
            to.doubts.extend(lint(&query).into_iter().map(|it| {
                let ((line, column), rule) = (it.line_and_column, cut(rule));
                let problem = format!("`{rule}`: at {line}:{column} of the query, {}", it.what);
                Doubt { place, problem, help: it.fix }
            }));
            Some(query)
        }
        Ok(_) => {
            let problem = "a rule asks for a vector or a number";
            to.wrong(codes::EXPRESSION, place, problem, "Put a function around it.");
            None
        }
        Err(problems) => {
            for it in problems {
                let (line, column) = it.line_and_column;
                let problem = format!("at {line}:{column} of the query, {}", it.what);
                to.wrong(codes::EXPRESSION, place, problem, it.fix);
            }
            None
        }
    }
}

fn templates(
    texts: BTreeMap<String, String>,
    place: Place,
    to: &mut Reading,
) -> Option<BTreeMap<String, Template>> {
    let mut all = BTreeMap::new();
    let many = texts.len();
    for (name, text) in texts {
        match Template::parse(&text) {
            Ok(template) => drop(all.insert(name, template)),
            Err(why) => {
                let problem = format!("`{}` is no template that is understood: {why}", cut(&name));
                to.wrong(codes::TEMPLATE, place, problem, "");
            }
        }
    }
    (all.len() == many).then_some(all)
}

fn check_labels(labels: &BTreeMap<String, String>, place: Place, to: &mut Reading) {
    for name in labels.keys() {
        if name.is_empty() || name == METRIC_NAME {
            let problem = format!("`{}` is no name of a label here", cut(name));
            to.wrong(codes::RULE, place, problem, "");
        }
    }
}

/// Whether series may be called so: as Prometheus 3 has it, any text that does not look like a selector.
fn is_metric(name: &str) -> bool {
    !name.is_empty() && !name.contains(['{', '}', '"', ' ']) && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(text: &str) -> Result<Vec<Group>, Vec<String>> {
        let shown =
            |it: Diagnostic| format!("{}:{}: {}: {}", it.line, it.column, it.code, it.message);
        file("rules.yml", text.as_bytes().to_vec())
            .map_err(|all| all.into_iter().map(shown).collect())
    }

    #[test]
    fn groups_are_read_with_all_that_they_say() {
        let groups = read(
            "groups:\n- name: a\n  interval: 30s\n  limit: 10\n  query_offset: 5s\n  labels: {team: x}\n  rules:\n\
             \x20 - record: job:up:sum\n    expr: sum by (job) (up)\n    labels: {tier: '1'}\n\
             \x20 - alert: Down\n    expr: up == 0\n    for: 5m\n    keep_firing_for: 1m\n\
             \x20   labels: {severity: page}\n    annotations: {summary: '{{ $labels.job }} is down'}\n",
        )
        .unwrap();
        let [group] = &groups[..] else { panic!("{groups:?}") };
        let seconds = |it: Option<Duration>| it.map(|it| it.as_secs());
        assert_eq!((seconds(group.every), group.limit), (Some(30), Some(10)));
        assert_eq!(seconds(group.offset), Some(5));
        let Makes::Series { name, labels } = &group.rules[0].makes else { panic!("{group:?}") };
        assert_eq!((&**name, &*labels["team"], &*labels["tier"]), ("job:up:sum", "x", "1"));
        let Makes::Alerts(alert) = &group.rules[1].makes else { panic!("{group:?}") };
        assert_eq!((alert.pending.as_secs(), alert.keep_firing.as_secs()), (300, 60));
        assert_eq!((alert.labels["team"].text(), alert.labels.len()), ("x", 2));
    }

    #[test]
    fn every_mistake_is_said_at_once_and_with_its_place() {
        let found = read(
            "groups:\n- name: a\n  rules:\n  - {record: a, expr: 'sum('}\n  - {record: 'a b', expr: a, for: 1m}\n\
             \x20 - {alert: A, expr: '\"x\"'}\n  - {alert: A, record: b, expr: a}\n  - {expr: a}\n\
             \x20 - {alert: A, expr: a, annotations: {x: '{{ if true }}'}, labels: {alertname: b}}\n\
             \x20 - {alert: A}\n- {name: a, intervall: 1m}\n- {rules: []}\n",
        )
        .unwrap_err();
        for expected in [
            "4:23: EK-D040: at 1:5 of the query, ",
            "5:14: EK-D042: `a b` is no name of a metric",
            "5:30: EK-D042: `for` belongs to alerts, and this rule records",
            "6:22: EK-D040: a rule asks for a vector or a number",
            "7:5: EK-D042: a rule records or alerts, and this one has both",
            "8:5: EK-D042: a rule records or alerts, and this one has neither",
            "9:25: EK-D041: `x` is no template that is understood: `if` is not supported",
            "9:60: EK-D042: `alertname` is what the alert is called",
            "10:5: EK-D004: the field `expr` is missing",
            "11:10: EK-D011: the group `a` is given twice",
            "11:13: EK-D003: there is no field `intervall` here",
            "12:3: EK-D004: the field `name` is missing",
        ] {
            assert!(found.iter().any(|it| it.starts_with(expected)), "{expected}\n{found:#?}");
        }
    }

    #[test]
    fn an_empty_file_has_no_groups() {
        assert_eq!(read("").unwrap(), []);
        assert_eq!(read("groups:").unwrap(), []);
    }
}
