//! Exact: counts are recorded and their sums divided, and alerts need evidence.
//!
//! ```text
//! slo:sli_bad:increase5m, slo:sli_total:increase5m     events, asked of the service's own series
//! …increase6h, …increase30d                            sums of those of five minutes, end to end
//! slo:sli_error:ratio_rate6h                           one divided by the other: weighted by traffic
//! ```
//!
//! Windows up to an hour are asked of the service's series, so that nothing is noticed later; longer ones are sums of what
//! was recorded, in steps as long as a record, so that no event counts twice: a few hundred samples instead of every sample
//! of every instance. A service that has not failed yet has no series of errors: that is no bad event, and not no data.
//!
//! There is an alert for each pair of windows, with the label `slo_burn`, by which [`inhibitions`] silence the slower ones.
//! Each needs what [`LowTraffic`] asks for, as arithmetic that any Prometheus does. Where the share of bad events is all
//! that can be asked, there are no events to count: then means are what there is.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{ERROR_RATIO, Group, Per, PromRule, Queries, Subject, duration, promql};
use crate::burn::{LowTraffic, Rule};
use crate::share::decimal;

pub(super) const BAD: &str = "slo:sli_bad:increase";
pub(super) const TOTAL: &str = "slo:sli_total:increase";

/// Which pair of windows an alert is of, by the long one.
pub const BURN_LABEL: &str = "slo_burn";

/// Up to here a window is asked of the service's own series.
pub(super) const DIRECT_MAX: Duration = Duration::from_hours(1);

/// The step of sums, where no window of the alerts is as short as an hour.
const TILE: Duration = Duration::from_mins(5);

/// How often the window of the objective is added up: seldom, because it moves slowly, and sooner than Prometheus forgets
/// a sample, which is after five minutes.
const PERIOD_INTERVAL: Duration = Duration::from_mins(4);

/// The rules of an objective.
pub fn rules(of: &Subject) -> Vec<Group> {
    let mut period = of.group("period-recordings", window(of, of.window));
    period.interval = Some(of.interval.unwrap_or_default().max(PERIOD_INTERVAL));
    let windows = windows(of).into_iter().filter(|it| *it != of.window);
    let mut groups = vec![
        of.group("sli-recordings", windows.flat_map(|it| window(of, it)).collect()),
        period,
        of.group("meta-recordings", of.meta()),
    ];
    let alerts: Vec<_> = of.burn.iter().filter_map(|it| alert(of, it)).collect();
    if !alerts.is_empty() {
        groups.push(of.group("alerts", alerts));
    }
    groups
}

/// The step of sums: the shortest window of the alerts.
pub(super) fn tile(of: &Subject) -> Duration {
    of.windows().first().copied().filter(|it| *it <= DIRECT_MAX && !it.is_zero()).unwrap_or(TILE)
}

/// The windows of the alerts, and the step of the sums before all that are made of it.
pub(super) fn windows(of: &Subject) -> Vec<Duration> {
    let mut all = of.windows();
    if !all.contains(&tile(of)) {
        all.insert(0, tile(of));
    }
    all
}

/// The records of one window.
fn window(of: &Subject, window: Duration) -> Vec<PromRule> {
    let direct = window <= DIRECT_MAX;
    let (tile, length) = (tile(of), duration(window));
    let summed = |name: &str, how: &str| {
        let step = duration(tile);
        format!("{how}({}[{length}:{step}])", of.series_of(name, tile))
    };
    match &of.queries {
        Queries::Events { bad, total, per } => {
            let at = |query| promql::of_window(query, window);
            let times = match per {
                Per::Second => format!(" * {}", decimal(window.as_secs_f64())),
                Per::Window => String::new(),
            };
            let (bad, total) = match direct {
                true => (
                    format!("(({})\nor\n0 * ({})){times}", at(bad), at(total)),
                    format!("({}){times}", at(total)),
                ),
                false => (summed(BAD, "sum_over_time"), summed(TOTAL, "sum_over_time")),
            };
            let (bads, totals) = (of.series_of(BAD, window), of.series_of(TOTAL, window));
            vec![
                of.record_of(BAD, window, bad),
                of.record_of(TOTAL, window, total),
                of.record_of(ERROR_RATIO, window, format!("{bads}\n/\n({totals} > 0)")),
            ]
        }
        Queries::Raw { bad_ratio } => {
            let expr = match window == of.window {
                true => summed(ERROR_RATIO, "avg_over_time"),
                false => promql::of_window(bad_ratio, window),
            };
            vec![of.record_of(ERROR_RATIO, window, expr)]
        }
    }
}

/// The alert of one pair of windows; `None` when nobody is told of its severity.
pub fn alert(of: &Subject, rule: &Rule) -> Option<PromRule> {
    let evidence = rule.low_traffic.filter(|_| matches!(of.queries, Queries::Events { .. }));
    let limit = format!("({} * {})", rule.factor, of.budget());
    let mut clauses = vec![format!("{} > {limit}", of.series_of(ERROR_RATIO, rule.long))];
    if let Some(it) = evidence {
        if it.bad_min > 0 {
            let few = of.series_of(BAD, rule.long);
            clauses.push(format!("and\n{few} > {}", almost(it.bad_min)));
        }
        if it.plenty > 0 {
            clauses.push(format!("and\n{}", proven(of, rule.long, it, &limit)));
        }
    }
    if let Some(short) = rule.short {
        let ratio = of.series_of(ERROR_RATIO, short);
        clauses.push(match evidence {
            None => format!("and ignoring (sloth_window)\n{ratio} > {limit}"),
            // A short window in which next to nothing happened does not say that all is well.
            Some(it) => {
                let total = of.series_of(TOTAL, short);
                let enough = almost(it.short_min.max(1));
                format!("unless ignoring (sloth_window)\n(\n    {ratio} <= {limit}\n    and\n    {total} > {enough}\n)")
            }
        });
    }
    let mut made = of.alert(rule.severity, clauses.join("\n"))?;
    // Two objectives may give their alerts one name, which is no two rules of it then.
    made.labels.extend(rule.labels.clone());
    made.labels.extend(of.identity());
    made.labels.insert(BURN_LABEL.to_owned(), duration(rule.long));
    if let super::Makes::Alert { pending, keep_firing, .. } = &mut made.makes {
        (*pending, *keep_firing) = (rule.pending, rule.keep_firing);
    }
    Some(made)
}

/// Half an event less: increases are extrapolated, and three events may come out as 2.97.
fn almost(events: u64) -> String {
    decimal(events as f64 - 0.5)
}

/// Plenty of events, or a score interval above the limit (Wilson 1927), multiplied by the number of events:
/// `(bad + z²/2 − z·√(bad·(total − bad)/total + z²/4)) / (total + z²)`.
fn proven(of: &Subject, window: Duration, it: LowTraffic, limit: &str) -> String {
    let (bad, total) = (of.series_of(BAD, window), of.series_of(TOTAL, window));
    let square = it.z * it.z;
    let [z, half, quarter, square, plenty] =
        [it.z, square / 2.0, square / 4.0, square, it.plenty as f64].map(decimal);
    let root = format!("sqrt({bad} * clamp_min({total} - {bad}, 0) / {total} + {quarter})");
    format!(
        "(\n    {total} >= {plenty}\n    or\n    ({bad} + {half} - {z} * {root}) / ({total} + {square}) > {limit}\n)"
    )
}

/// What Alertmanager needs under `inhibit_rules`, so that nobody hears of a slow burn who was told of a faster one that is
/// at least as severe.
pub fn inhibitions(rules: &[Rule]) -> String {
    let mut text = String::new();
    for fast in rules {
        let is_slower = |it: &&Rule| it.long > fast.long && it.severity <= fast.severity;
        let slower: Vec<_> = rules.iter().filter(is_slower).collect();
        if slower.is_empty() {
            continue;
        }
        // A window alone does not tell a ticket from a page.
        let matchers = |sign: &str, of: &[&Rule]| {
            let any = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>().join("|");
            let burns = any(of.iter().map(|it| duration(it.long)).collect());
            let severities = any(of.iter().map(|it| it.severity.name().to_owned()).collect());
            format!("['{BURN_LABEL}{sign}\"{burns}\"', 'sloth_severity{sign}\"{severities}\"']")
        };
        text += &format!(
            "- source_matchers: {}\n  target_matchers: {}\n  equal: ['sloth_id']\n",
            matchers("=", &[fast]),
            matchers("=~", &slower)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Makes;
    use super::super::tests::{ID, subject};
    use super::*;
    use crate::burn::catalogue;

    fn record(groups: &[Group], name: &str) -> String {
        let all = || groups.iter().flat_map(|it| &it.rules);
        let mut found = all().filter(|it| it.makes == Makes::Record(name.to_owned()));
        found.next().unwrap().expr.replace(ID, "")
    }

    #[test]
    fn short_windows_are_asked_and_long_ones_added_up() {
        let groups = rules(&subject());
        let bad = "((sum(rate(bad[5m])))\nor\n0 * (sum(rate(all[5m])))) * 300";
        assert_eq!(record(&groups, "slo:sli_bad:increase5m"), bad);
        let six = "sum_over_time(slo:sli_total:increase5m[6h:5m])";
        assert_eq!(record(&groups, "slo:sli_total:increase6h"), six);
        let ratio = "slo:sli_bad:increase30d\n/\n(slo:sli_total:increase30d > 0)";
        assert_eq!(record(&groups, "slo:sli_error:ratio_rate30d"), ratio);
    }

    #[test]
    fn the_window_of_the_objective_is_added_up_seldom() {
        let groups = rules(&subject());
        assert_eq!(groups[1].interval, Some(PERIOD_INTERVAL));
        let slow = Subject { interval: Some(Duration::from_mins(10)), ..subject() };
        assert_eq!(rules(&slow)[1].interval, slow.interval);
    }

    #[test]
    fn each_pair_of_windows_has_an_alert_that_needs_evidence() {
        let groups = rules(&subject());
        let burns: Vec<_> =
            groups[3].rules.iter().map(|it| it.labels[BURN_LABEL].as_str()).collect();
        assert_eq!(burns, ["1h", "6h", "3d"]);
        let expected = "\
slo:sli_error:ratio_rate1h > (14.4 * 0.001)
and
slo:sli_bad:increase1h > 2.5
and
(
    slo:sli_total:increase1h >= 1000
    or
    (slo:sli_bad:increase1h + 1.9208 - 1.96 * sqrt(slo:sli_bad:increase1h * clamp_min(slo:sli_total:increase1h - slo:sli_bad:increase1h, 0) / slo:sli_total:increase1h + 0.9604)) / (slo:sli_total:increase1h + 3.8416) > (14.4 * 0.001)
)
unless ignoring (sloth_window)
(
    slo:sli_error:ratio_rate5m <= (14.4 * 0.001)
    and
    slo:sli_total:increase5m > 2.5
)";
        assert_eq!(groups[3].rules[0].expr.replace(ID, ""), expected);
    }

    #[test]
    fn a_share_alone_has_no_events_to_count() {
        let raw = Queries::Raw { bad_ratio: "1 - avg(ok[$window])".to_owned() };
        let groups = rules(&Subject { queries: raw, ..subject() });
        assert_eq!(record(&groups, "slo:sli_error:ratio_rate6h"), "1 - avg(ok[6h])");
        let month = "avg_over_time(slo:sli_error:ratio_rate5m[30d:5m])";
        assert_eq!(record(&groups, "slo:sli_error:ratio_rate30d"), month);
        let page = "slo:sli_error:ratio_rate1h > (14.4 * 0.001)\nand ignoring (sloth_window)\nslo:sli_error:ratio_rate5m > (14.4 * 0.001)";
        assert_eq!(groups[3].rules[0].expr.replace(ID, ""), page);
    }

    #[test]
    fn sums_have_a_step_even_where_every_window_is_long() {
        let day = Duration::from_hours(24);
        let long =
            catalogue::custom("slow", crate::burn::Severity::Page, 3 * day, crate::Share::ONE);
        let groups = rules(&Subject { burn: vec![long], ..subject() });
        assert_eq!(
            record(&groups, "slo:sli_bad:increase6h"),
            "sum_over_time(slo:sli_bad:increase5m[6h:5m])"
        );
        assert!(record(&groups, "slo:sli_bad:increase5m").contains("rate(bad[5m])"));
    }

    #[test]
    fn faster_alerts_silence_slower_ones_that_are_no_more_severe() {
        let text = inhibitions(&subject().burn);
        let expected = "\
- source_matchers: ['slo_burn=\"1h\"', 'sloth_severity=\"page\"']
  target_matchers: ['slo_burn=~\"3d|6h\"', 'sloth_severity=~\"page|ticket\"']
  equal: ['sloth_id']
- source_matchers: ['slo_burn=\"6h\"', 'sloth_severity=\"page\"']
  target_matchers: ['slo_burn=~\"3d\"', 'sloth_severity=~\"ticket\"']
  equal: ['sloth_id']
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_ticket_silences_no_page_whatever_their_windows() {
        let hours = |severity, long: u64| {
            Rule::new("it", severity, Duration::from_hours(long), None, crate::Share::ONE)
        };
        let (page, ticket) = (crate::burn::Severity::Page, crate::burn::Severity::Ticket);
        let text = inhibitions(&[hours(ticket, 1), hours(page, 6), hours(ticket, 6)]);
        let expected = "\
- source_matchers: ['slo_burn=\"1h\"', 'sloth_severity=\"ticket\"']
  target_matchers: ['slo_burn=~\"6h\"', 'sloth_severity=~\"ticket\"']
  equal: ['sloth_id']
";
        assert_eq!(text, expected);
    }
}
