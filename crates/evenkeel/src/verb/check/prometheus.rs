//! Prometheus: its own files among those that are checked, a `prometheus.yml` and rules.
//!
//! Of rules, the queries are read: those that are no PromQL, and those that say something else than was meant, such as an
//! alert on a ratio that is always 1.

use evenkeel_metrics::config::Config;
use evenkeel_model::Diagnostic;
use evenkeel_model::decode::{Findings, codes};
use evenkeel_model::yaml::{self, Node, Value};
use evenkeel_promql::Query;
use evenkeel_promql::lint::lint;

/// What a document is.
enum Kind<'a> {
    Config,
    Rules(&'a Node),
}

/// What is wrong with a file of Prometheus, and how many documents are in it; `None`: it is another file.
pub(super) fn check(name: &str, bytes: &[u8]) -> Option<(usize, Vec<Diagnostic>)> {
    // Ours say what they are; nothing else is worth reading twice.
    let ours = b"evenkeel.dev/";
    if bytes.windows(ours.len()).any(|it| it == ours) {
        return None;
    }
    let mut found = Findings::default();
    let text = yaml::read(name, bytes.to_vec(), &mut found);
    let kinds: Vec<_> = text.roots.iter().map(kind).collect::<Option<_>>()?;
    if kinds.is_empty() {
        return None;
    }
    if kinds.iter().any(|it| matches!(it, Kind::Config)) {
        // Its reader says what is wrong with several in one file.
        return Some((kinds.len(), Config::read(name, bytes.to_vec()).err().unwrap_or_default()));
    }
    for kind in &kinds {
        if let Kind::Rules(groups) = kind {
            items(groups).iter().for_each(|it| group(it, &mut found));
        }
    }
    let (_, diagnostics, _) = found.into_parts();
    Some((kinds.len(), diagnostics))
}

fn kind(root: &Node) -> Option<Kind<'_>> {
    let text = |key: &str| root.entry(key).and_then(|it| it.value.text());
    match (text("apiVersion"), text("kind")) {
        (Some(version), Some("PrometheusRule"))
            if version.starts_with("monitoring.coreos.com/") =>
        {
            Some(Kind::Rules(root.at("spec/groups").unwrap_or(root)))
        }
        (None, None) if root.entry("groups").is_some() => root.at("groups").map(Kind::Rules),
        (None, None) => {
            let known = ["scrape_configs", "rule_files", "alerting"];
            known.iter().any(|it| root.entry(it).is_some()).then_some(Kind::Config)
        }
        _ => None,
    }
}

fn items(of: &Node) -> &[Node] {
    match &of.value {
        Value::List(items) => items,
        Value::Scalar { .. } | Value::Map(_) => &[],
    }
}

fn group(of: &Node, found: &mut Findings) {
    for rule in of.at("rules").map(items).unwrap_or_default() {
        let name = |key: &str| rule.entry(key).and_then(|it| it.value.text());
        let makes = (name("record"), name("alert"));
        let expr = rule.entry("expr").map(|it| (it.value.place, it.value.text()));
        let (Some(name), Some((place, Some(text)))) = (makes.0.xor(makes.1), expr) else {
            let help = "Write `record: NAME` or `alert: NAME`, and `expr: QUERY` beside it.";
            found.report(codes::RULE, rule.place, "this is no rule of Prometheus", help);
            continue;
        };
        let wrong = Query::parse(text).map_or_else(|wrong| wrong, |it| lint(&it));
        for it in wrong {
            let (line, column) = it.line_and_column;
            let message = format!("`{name}`: at {line}:{column} of the query, {}", it.what);
            found.report(codes::RULE_QUERY, place, message, it.fix);
        }
    }
}
