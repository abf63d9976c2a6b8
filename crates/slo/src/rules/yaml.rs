//! YAML: a file of rules, or the resource of the Prometheus operator, as text.
//!
//! Queries are blocks, so that people can read them; everything else is between quotes, so that no text of a user can be
//! anything but a text.

use std::collections::BTreeMap;

use super::{Group, Makes, PromRule, duration, promql};

/// What a resource of the Prometheus operator needs beside its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// What it is called.
    pub name: String,
    /// Where it is; `None`: where it is applied.
    pub namespace: Option<String>,
    /// By which the operator finds it.
    pub labels: BTreeMap<String, String>,
    /// For people and tools.
    pub annotations: BTreeMap<String, String>,
}

/// A file for `rule_files` of Prometheus.
pub fn file(groups: &[Group]) -> String {
    let mut text = String::new();
    write_groups(&mut text, 0, groups);
    text
}

/// A `PrometheusRule` of the Prometheus operator.
pub fn resource(of: &Resource, groups: &[Group]) -> String {
    let mut text =
        String::from("apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n");
    text += &format!("  name: {}\n", promql::quoted(&of.name));
    if let Some(namespace) = &of.namespace {
        text += &format!("  namespace: {}\n", promql::quoted(namespace));
    }
    write_map(&mut text, 2, "labels", &of.labels);
    write_map(&mut text, 2, "annotations", &of.annotations);
    text += "spec:\n";
    write_groups(&mut text, 2, groups);
    text
}

fn write_groups(text: &mut String, indent: usize, groups: &[Group]) {
    if groups.is_empty() {
        *text += &format!("{:indent$}groups: []\n", "");
        return;
    }
    *text += &format!("{:indent$}groups:\n", "");
    for group in groups {
        *text += &format!("{:indent$}- name: {}\n", "", promql::quoted(&group.name));
        if let Some(interval) = group.interval {
            *text += &format!("{:indent$}  interval: {}\n", "", duration(interval));
        }
        *text += &format!("{:indent$}  rules:\n", "");
        group.rules.iter().for_each(|rule| write_rule(text, indent + 2, rule));
    }
}

fn write_rule(text: &mut String, indent: usize, rule: &PromRule) {
    let (kind, name) = match &rule.makes {
        Makes::Record(name) => ("record", name),
        Makes::Alert { name, .. } => ("alert", name),
    };
    *text += &format!("{:indent$}- {kind}: {}\n", "", promql::quoted(name));
    let inner = indent + 2;
    // What a block cannot hold as it is, a text between quotes can.
    if rule.expr.starts_with(' ') || rule.expr.chars().any(|it| it.is_control() && it != '\n') {
        *text += &format!("{:inner$}expr: {}\n", "", promql::quoted(&rule.expr));
    } else {
        *text += &format!("{:inner$}expr: |-\n", "");
        for line in rule.expr.lines() {
            *text += format!("{:inner$}  {line}", "").trim_end();
            text.push('\n');
        }
    }
    if let Makes::Alert { pending, keep_firing, .. } = &rule.makes {
        for (key, length) in [("for", pending), ("keep_firing_for", keep_firing)] {
            if !length.is_zero() {
                *text += &format!("{:inner$}{key}: {}\n", "", duration(*length));
            }
        }
    }
    write_map(text, inner, "labels", &rule.labels);
    if let Makes::Alert { annotations, .. } = &rule.makes {
        write_map(text, inner, "annotations", annotations);
    }
}

fn write_map(text: &mut String, indent: usize, key: &str, map: &BTreeMap<String, String>) {
    if map.is_empty() {
        return;
    }
    *text += &format!("{:indent$}{key}:\n", "");
    for (name, value) in map {
        *text += &format!("{:indent$}  {}: {}\n", "", promql::quoted(name), promql::quoted(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn group() -> Group {
        let labels: BTreeMap<_, _> = [("team".to_owned(), "a \"b\": c".to_owned())].into();
        let alert = Makes::Alert {
            name: "Burns".to_owned(),
            pending: Duration::from_mins(2),
            keep_firing: Duration::ZERO,
            annotations: labels.clone(),
        };
        Group {
            name: "it".to_owned(),
            interval: Some(Duration::from_mins(5)),
            rules: vec![
                PromRule {
                    makes: Makes::Record("a:b".to_owned()),
                    expr: "x\n/\ny".to_owned(),
                    labels: BTreeMap::new(),
                },
                PromRule { makes: alert, expr: "a:b > 1".to_owned(), labels },
            ],
        }
    }

    #[test]
    fn a_file_is_what_people_would_write() {
        let expected = r#"groups:
- name: "it"
  interval: 5m
  rules:
  - record: "a:b"
    expr: |-
      x
      /
      y
  - alert: "Burns"
    expr: |-
      a:b > 1
    for: 2m
    labels:
      "team": "a \"b\": c"
    annotations:
      "team": "a \"b\": c"
"#;
        assert_eq!(file(&[group()]), expected);
        assert_eq!(file(&[]), "groups: []\n");
    }

    #[test]
    fn a_resource_holds_the_same_groups() {
        let of = Resource {
            name: "shop".to_owned(),
            namespace: Some("monitoring".to_owned()),
            ..Resource::default()
        };
        let text = resource(&of, &[group()]);
        assert!(text.starts_with("apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: \"shop\"\n"));
        assert!(text.contains("\nspec:\n  groups:\n  - name: \"it\"\n"));
    }
}
