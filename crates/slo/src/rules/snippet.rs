//! Snippets: what a `prometheus.yml` and an `alertmanager.yml` need, so that rules are evaluated and their alerts told.
//!
//! Pages go to a receiver of their own, and all other alerts to that of tickets; people fill both in. Of one objective, who
//! was told of a fast burn is not told of a slow one.

use std::collections::BTreeMap;

use super::{Subject, exact, promql};

/// Where an Alertmanager listens unless somebody says otherwise.
const ALERTMANAGER: &str = "127.0.0.1:9093";

/// A `prometheus.yml` with the rules of a file, whose alerts an Alertmanager on the same machine is told of.
pub fn prometheus(rules: &str) -> String {
    let rules = promql::quoted(rules);
    format!(
        "global:
  scrape_interval: 15s
  evaluation_interval: 30s

rule_files:
  - {rules}

alerting:
  alertmanagers:
    - static_configs:
        - targets: [\"{ALERTMANAGER}\"]

scrape_configs: []
"
    )
}

/// An `alertmanager.yml` for the alerts of objectives, each with whether its slow alerts are silent while a fast one fires;
/// `is_exact` says which rules they have.
pub fn alertmanager(subjects: &[(Subject, bool)], is_exact: bool) -> String {
    let mut text = String::from(
        "route:
  # Whatever wakes nobody, alerts on symptoms and those of others among it.
  receiver: ticket
  group_by: [alertname, sloth_id, sloth_severity]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 1d
  routes:
    - matchers: ['sloth_severity=\"page\"']
      receiver: page
      group_wait: 0s
      repeat_interval: 1h

receivers:
  # Where people are told: add `webhook_configs`, `email_configs`, `pagerduty_configs`, …
  - name: page
  - name: ticket
",
    );
    let inhibitions = inhibitions(subjects, is_exact);
    if !inhibitions.is_empty() {
        text += "\ninhibit_rules:\n";
        for line in inhibitions.lines() {
            text += &format!("  {line}\n");
        }
    }
    text
}

/// Which alerts silence which, of each objective by itself.
fn inhibitions(subjects: &[(Subject, bool)], is_exact: bool) -> String {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (subject, _) in subjects.iter().filter(|it| it.1) {
        let rules = match is_exact {
            true => exact::inhibitions(&subject.burn),
            false => String::from(
                "- source_matchers: ['sloth_severity=\"page\"']\n  target_matchers: ['sloth_severity=\"ticket\"']\n  equal: ['sloth_id']\n",
            ),
        };
        all.entry(rules).or_default().push(subject.id());
    }
    let is_for_all = all.len() == 1 && subjects.iter().all(|it| it.1);
    let one = |(rules, ids): (String, Vec<String>)| match is_for_all {
        true => rules,
        // Others have other windows, or want to hear of everything.
        false => {
            let ids: Vec<_> = ids.iter().map(|it| plain(it)).collect();
            let which = format!("source_matchers: ['sloth_id=~\"{}\"', '", ids.join("|"));
            rules.replace("source_matchers: ['", &which)
        }
    };
    all.into_iter().map(one).collect()
}

/// A name as a pattern that matches it alone, between quotes of an Alertmanager and of YAML.
fn plain(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        match letter {
            it if it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | ' ' | ':' | '/') => {
                text.push(it);
            }
            // Whatever it is, one letter of it.
            _ => text.push('.'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::subject;
    use super::*;

    #[test]
    fn objectives_with_the_same_windows_share_their_inhibitions() {
        let other = Subject { name: "search".to_owned(), ..subject() };
        let text = alertmanager(&[(subject(), true), (other.clone(), true)], true);
        assert_eq!(text.matches("source_matchers").count(), 2);
        assert!(!text.contains("sloth_id=~"), "{text}");
        let text = alertmanager(&[(subject(), true), (other, false)], true);
        assert!(
            text.contains("source_matchers: ['sloth_id=~\"shop-pay\"', 'slo_burn=\"1h\"', "),
            "{text}"
        );
    }

    #[test]
    fn no_alert_is_told_to_nobody() {
        let text = alertmanager(&[(subject(), true)], true);
        assert!(text.starts_with("route:\n") && text.contains("\n  receiver: ticket\n"), "{text}");
        assert!(!text.contains(": nobody"), "{text}");
    }

    #[test]
    fn where_everything_is_told_nothing_is_silent() {
        assert!(!alertmanager(&[(subject(), false)], true).contains("inhibit_rules"));
        let compat = alertmanager(&[(subject(), true)], false);
        assert!(compat.contains("target_matchers: ['sloth_severity=\"ticket\"']"), "{compat}");
    }

    #[test]
    fn a_name_matches_itself_and_ends_no_quotes() {
        assert_eq!(plain("shop-pay"), "shop-pay");
        assert_eq!(plain("a'b\"|c\\"), "a.b..c.");
    }
}
