//! Referee: whether promtool, on its own evaluator, finds both rules the same.
//!
//! Records and alerts of Sloth begin with `a:` there and ours with `b:`, and what is in one and not in the other has to be
//! nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result};
use evenkeel_series::Memory;
use evenkeel_slo::rules::{Group, Makes, file};

use crate::scenario::{END, MINUTE, Quirk, Scenario, quirks};
use crate::sloth::{Example, PROVENANCE};

/// The scenarios that are refereed.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let is_meant = |it: &Scenario| matches!(it.quirk, Quirk::Reset(_) | Quirk::ErrorsFrom(_));
    quirks().into_iter().filter(is_meant).collect()
}

/// Whether promtool finds no difference.
pub(crate) fn agrees(example: &Example, scenario: &Scenario) -> Result<Result<(), String>> {
    let folder = tempfile::tempdir()?;
    for budget in example.budgets() {
        let series = scenario.series(budget, &example.asked());
        let (theirs, ours) = (renamed(&example.theirs, "a:"), renamed(&example.ours, "b:"));
        std::fs::write(folder.path().join("a.yaml"), file(&theirs))?;
        std::fs::write(folder.path().join("b.yaml"), file(&ours))?;
        std::fs::write(folder.path().join("test.yaml"), test(&theirs, scenario, &series)?)?;
        let output = Command::new("promtool")
            .args(["test", "rules", "test.yaml"])
            .current_dir(folder.path())
            .output()
            .context("promtool is needed: it comes with prometheus")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Ok(Err(format!("{}: promtool: {}", scenario.name, said.trim())));
        }
    }
    Ok(Ok(()))
}

fn renamed(groups: &[Group], prefix: &str) -> Vec<Group> {
    let name = |it: &str| {
        it.replace("slo:", &format!("{prefix}slo:"))
            .replace("sloth_slo_info", &format!("{prefix}sloth_slo_info"))
    };
    let mut groups = groups.to_vec();
    for group in &mut groups {
        group.name.insert_str(0, prefix);
        for rule in &mut group.rules {
            // Prometheus 2 refuses some names of labels that a plugin of Sloth puts on a record.
            let labels = std::mem::take(&mut rule.labels).into_iter();
            rule.labels = labels.map(|(name, value)| (name.replace('-', "_"), value)).collect();
            rule.expr = name(&rule.expr);
            match &mut rule.makes {
                Makes::Record(record) => *record = name(record),
                Makes::Alert { name, .. } => name.insert_str(0, prefix),
            }
        }
    }
    groups
}

fn test(theirs: &[Group], scenario: &Scenario, series: &Memory) -> Result<String> {
    let start = END - scenario.length();
    let order: String = theirs
        .iter()
        .flat_map(|it| [it.name.clone(), it.name.replacen("a:", "b:", 1)])
        .map(|it| format!("- '{it}'\n"))
        .collect();
    let mut text = format!(
        "rule_files: [a.yaml, b.yaml]\nevaluation_interval: 5m\ngroup_eval_order:\n{order}tests:\n- interval: 1m\n  input_series:\n"
    );
    for (labels, samples) in series.iter() {
        let pairs: Vec<_> = labels
            .iter()
            .filter(|it| &*it.name != "__name__")
            .map(|it| format!("{}=\"{}\"", it.name, it.value))
            .collect();
        let values: Vec<_> = (0..=scenario.length() / MINUTE)
            .map(|minute| start + minute * MINUTE)
            .map(|at| samples.points.binary_search_by_key(&at, |it| it.at).ok())
            .map(|place| place.and_then(|it| samples.points.get(it)))
            .map(|point| point.map_or("_".to_owned(), |it| it.value.to_string()))
            .collect();
        let name = labels.metric();
        writeln!(text, "  - series: '{name}{{{}}}'", pairs.join(","))?;
        writeln!(text, "    values: '{}'", values.join(" "))?;
    }
    text += "  promql_expr_test:\n";
    let beside = PROVENANCE.join(", ");
    let names: BTreeSet<&str> = theirs
        .iter()
        .flat_map(|it| &it.rules)
        .filter_map(|it| match &it.makes {
            Makes::Record(name) => Some(name.as_str()),
            Makes::Alert { .. } => None,
        })
        .collect();
    for minute in (60..=scenario.length() / MINUTE).step_by(60) {
        let mut none = |expr: &str| {
            writeln!(text, "  - {{expr: '{expr}', eval_time: {minute}m, exp_samples: []}}")
        };
        for a in &names {
            let b = a.replacen("a:", "b:", 1);
            none(&format!("abs({a} - ignoring({beside}) {b}) > 1e-9"))?;
            none(&format!("{a} unless ignoring({beside}) {b}"))?;
            none(&format!("{b} unless ignoring({beside}) {a}"))?;
        }
        let alerts = |one, other| {
            let of = |it| format!("ALERTS{{alertname=~\"{it}:.+\"}}");
            format!("{} unless ignoring(alertname, {beside}) {}", of(one), of(other))
        };
        none(&alerts("a", "b"))?;
        none(&alerts("b", "a"))?;
    }
    // There is something to compare.
    let last = scenario.length() / MINUTE;
    writeln!(
        text,
        "  - expr: 'count(a:slo:sli_error:ratio_rate5m) > bool 0'\n    eval_time: {last}m"
    )?;
    text += "    exp_samples: [{labels: '{}', value: 1}]\n";
    Ok(text)
}
