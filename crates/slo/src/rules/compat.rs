//! Compat: the rules that Sloth writes.
//!
//! Same names, labels and meaning, so that dashboards and alerts of somebody who comes from Sloth go on working: the error
//! ratio over each window of the alerts; over the window of the objective, the mean of the shortest ones; what the objective
//! is; and one alert a severity, in which any pair of windows is enough.
//!
//! [`exact`](super::exact) is better wherever traffic is not even.

use super::{ERROR_RATIO, Group, Makes, PromRule, Queries, Subject, duration, promql};
use crate::burn::{Rule, Severity, catalogue};

/// The rules of an objective, in groups as Sloth has them.
pub fn rules(of: &Subject) -> Vec<Group> {
    let of = &recorded(of);
    let mut groups =
        vec![of.group("sli-recordings", recordings(of)), of.group("meta-recordings", of.meta())];
    let alerts: Vec<_> =
        [Severity::Page, Severity::Ticket].into_iter().filter_map(|it| alert(of, it)).collect();
    if !alerts.is_empty() {
        groups.push(of.group("alerts", alerts));
    }
    groups
}

/// What nobody is told of is recorded all the same, over the windows of Sloth.
fn recorded(of: &Subject) -> Subject {
    let usual = || catalogue::sloth(of.window);
    let burn = if of.burn.is_empty() { usual() } else { of.burn.clone() };
    Subject { burn, ..of.clone() }
}

/// The same with the plugin `denominator_corrected_rules` of Sloth, which weighs each window by its share of the traffic of
/// the objective's. A share alone cannot be weighed, and its rules are as they are without.
pub fn corrected(of: &Subject) -> Vec<Group> {
    let of = &recorded(of);
    let Queries::Events { bad, total, .. } = &of.queries else { return rules(of) };
    let whole = promql::of_window(total, of.window);
    let windows = || of.windows().into_iter().filter(|it| *it != of.window);
    let correction = |window| {
        let part = promql::of_window(total, window);
        of.record(format!("{CORRECTION}{}", duration(window)), format!("({part})/({whole})"))
    };
    let mut groups = rules(of);
    for group in &mut groups {
        for (rule, window) in group.rules.iter_mut().zip(windows()) {
            if rule.makes == Makes::Record(format!("{ERROR_RATIO}{}", duration(window))) {
                let [bad, total] = [bad, total].map(|it| promql::of_window(it, window));
                let weight = of.series_of(CORRECTION, window);
                rule.expr = format!("(\n{weight}\n* on()\n{bad}\n)\n/\n({total})");
            }
        }
        if group.name.starts_with("sloth-slo-meta") {
            group.rules.extend(windows().map(correction));
        }
    }
    groups
}

/// The share of the traffic of the objective's window that a window has.
const CORRECTION: &str = "slo:numerator_correction:ratio";

fn recordings(of: &Subject) -> Vec<PromRule> {
    let windows = of.windows();
    let ratio = |window| {
        let expr = match &of.queries {
            Queries::Events { bad, total, .. } => {
                let at = |query| promql::of_window(query, window);
                format!("({})\n/\n({})", at(bad), at(total))
            }
            Queries::Raw { bad_ratio } => format!("({}\n)", promql::of_window(bad_ratio, window)),
        };
        of.record_of(ERROR_RATIO, window, expr)
    };
    let mut rules: Vec<_> =
        windows.iter().copied().filter(|it| *it != of.window).map(ratio).collect();
    if let Some(shortest) = windows.first() {
        let series = of.series_of(ERROR_RATIO, *shortest);
        let window = duration(of.window);
        let expr = format!(
            "sum_over_time({series}[{window}])\n/ ignoring (sloth_window)\ncount_over_time({series}[{window}])"
        );
        rules.push(of.record_of(ERROR_RATIO, of.window, expr));
    }
    rules
}

fn alert(of: &Subject, severity: Severity) -> Option<PromRule> {
    let clauses: Vec<_> =
        of.burn.iter().filter(|it| it.severity == severity).map(|it| clause(of, it)).collect();
    (!clauses.is_empty()).then(|| of.alert(severity, clauses.join("\nor\n"))).flatten()
}

fn clause(of: &Subject, rule: &Rule) -> String {
    let above = |window| {
        let series = of.series_of(ERROR_RATIO, window);
        format!("    max({series} > ({} * {})) without (sloth_window)", rule.factor, of.budget())
    };
    let windows: Vec<_> = rule.short.into_iter().chain([rule.long]).map(above).collect();
    format!("(\n{}\n)", windows.join("\n    and\n"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ID, subject};
    use super::super::{Alerting, Extra};
    use super::*;
    use std::collections::BTreeMap;

    fn pairs(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn sloth() -> Subject {
        let subject = subject();
        Subject { burn: catalogue::sloth(subject.window), ..subject }
    }

    fn find<'a>(groups: &'a [Group], name: &str) -> Vec<&'a PromRule> {
        let named = |it: &&PromRule| match &it.makes {
            Makes::Record(record) => record == name,
            Makes::Alert { name: alert, .. } => alert == name,
        };
        groups.iter().flat_map(|it| &it.rules).filter(named).collect()
    }

    #[test]
    fn the_error_ratio_of_every_window_is_recorded() {
        let groups = rules(&sloth());
        let names: Vec<_> =
            groups[0].rules.iter().map(|it| it.labels["sloth_window"].as_str()).collect();
        assert_eq!(names, ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"]);
        let five = find(&groups, "slo:sli_error:ratio_rate5m")[0];
        assert_eq!(five.expr, "(sum(rate(bad[5m])))\n/\n(sum(rate(all[5m])))");
        let labels = "owner sloth_id sloth_service sloth_slo sloth_window";
        assert_eq!(five.labels.keys().cloned().collect::<Vec<_>>().join(" "), labels);
    }

    #[test]
    fn an_alert_of_a_severity_holds_when_any_pair_of_windows_does() {
        let groups = rules(&sloth());
        let alerts = find(&groups, "Burns");
        let above = |window, factor| {
            format!(
                "    max(slo:sli_error:ratio_rate{window}{ID} > ({factor} * 0.001)) without (sloth_window)"
            )
        };
        let pair = |short, long, factor| {
            format!("(\n{}\n    and\n{}\n)", above(short, factor), above(long, factor))
        };
        assert_eq!(
            alerts[0].expr,
            format!("{}\nor\n{}", pair("5m", "1h", "14.4"), pair("30m", "6h", "6"))
        );
        assert_eq!(
            alerts[1].expr,
            format!("{}\nor\n{}", pair("2h", "1d", "3"), pair("6h", "3d", "1"))
        );
        assert_eq!(alerts[1].labels, pairs(&[("sloth_severity", "ticket")]));
    }

    #[test]
    fn what_is_written_by_people_replaces_what_is_not() {
        let ticket =
            Some(Extra { annotations: pairs(&[("summary", "slowly")]), ..Extra::default() });
        let subject = sloth();
        let alerting = Alerting { ticket, ..subject.alerting.clone() };
        let groups = rules(&Subject { alerting, ..subject });
        let Makes::Alert { annotations, .. } = &find(&groups, "Burns")[1].makes else { panic!() };
        assert_eq!(annotations["summary"], "slowly");
        assert!(annotations["title"].starts_with("(ticket) {{$labels.sloth_service}}"));
    }

    #[test]
    fn without_alerts_there_is_no_group_of_them() {
        let quiet = Subject { alerting: Alerting::default(), ..sloth() };
        assert_eq!(rules(&quiet).len(), 2);
        // Whoever has no windows of alerts has those of Sloth on record.
        assert_eq!(rules(&Subject { burn: Vec::new(), ..quiet.clone() }), rules(&quiet));
    }

    #[test]
    fn windows_can_be_weighed_by_their_traffic() {
        let groups = corrected(&sloth());
        let hour = &find(&groups, "slo:sli_error:ratio_rate1h")[0].expr.replace(ID, "");
        let expected = "(\nslo:numerator_correction:ratio1h\n* on()\nsum(rate(bad[1h]))\n)\n/\n(sum(rate(all[1h])))";
        assert_eq!(hour, expected);
        let weight = &find(&groups, "slo:numerator_correction:ratio1h")[0].expr;
        assert_eq!(weight, "(sum(rate(all[1h])))/(sum(rate(all[30d])))");
        let raw = Subject { queries: Queries::Raw { bad_ratio: "x".to_owned() }, ..sloth() };
        assert_eq!(corrected(&raw), rules(&raw));
    }

    #[test]
    fn what_the_objective_is_has_no_noise() {
        let groups = rules(&sloth());
        assert_eq!(find(&groups, "slo:objective:ratio")[0].expr, "vector(0.999)");
        assert_eq!(find(&groups, "slo:error_budget:ratio")[0].expr, "vector(0.001)");
        assert_eq!(find(&groups, "slo:time_period:days")[0].expr, "vector(30)");
        assert_eq!(find(&groups, "sloth_slo_info")[0].labels["sloth_objective"], "99.9");
    }
}
