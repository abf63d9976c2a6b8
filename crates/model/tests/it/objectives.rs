//! Objectives on series, their alerts, what is done as a budget goes, and what is owed.

use std::time::Duration;

use evenkeel_model::decode::codes;
use evenkeel_model::document::{
    Action, Alerts, BurnThreshold, Counted, Document, ExclusionEnd, Expression, Figure,
    HistogramForm, Indicator, Measure, NoData, Severity, Window,
};
use evenkeel_units::Ratio;

use super::{check, findings};

/// An SLO with this below `spec`.
fn slo(spec: &str) -> String {
    format!("apiVersion: evenkeel.dev/v1\nkind: SLO\nmetadata: {{name: it}}\nspec:\n{spec}")
}

fn measure(sli: &str) -> Measure {
    let text = slo(&format!("  sli: {sli}\n  objective: 99%\n"));
    let text = if sli.contains("percentile") || sli.contains("errorRate") {
        text.replace("  objective: 99%\n", "")
    } else {
        text
    };
    let (library, found) = check(&text);
    assert!(found.is_empty(), "{sli}\n{}", evenkeel_model::render(&found, false));
    library.slo("it").unwrap().series.clone().unwrap()
}

#[test]
fn what_is_counted_on_series_stands_beside_what_a_drill_counts() {
    let (library, found) = check(&slo(
        "  sli: {latency: {threshold: 300ms, histogram: 'x{job=\"shop\"}'}}\n  objective: 99%\n",
    ));
    assert!(found.is_empty(), "{found:?}");
    let it = library.slo("it").unwrap();
    assert_eq!(it.indicator, Indicator::Latency { threshold: Duration::from_millis(300) });
    let Some(Measure::Histogram(of)) = &it.series else { panic!("{:?}", it.series) };
    assert_eq!(
        (of.histogram.to_string().as_str(), of.form),
        ("x{job=\"shop\"}", HistogramForm::Classic)
    );
    assert!((of.bound - 0.3).abs() < 1e-12);
    assert_eq!(it.of_requests().series, None);
}

#[test]
fn every_kind_of_indicator_is_read() {
    let events = measure("{ratio: {bad: 'a{code=~\"5..\"}', total: 'sum(increase(a[$window]))'}}");
    let Measure::Events(events) = events else { panic!("{events:?}") };
    assert!(matches!(events.counted, Counted::Bad(Expression::Selector(_))));
    assert!(matches!(events.total, Expression::Query(_)));
    let native =
        measure("{percentile: {quantile: p99, threshold: 1s, nativeHistogram: x, le: 1000}}");
    let Measure::Histogram(native) = native else { panic!("{native:?}") };
    assert!(native.form == HistogramForm::Native && native.bound > 999.0);
    for sli in [
        "{availability: {good: a, total: b}}",
        "{errorRate: {max: 1%, bad: a, total: b}}",
        "{raw: {errorRatio: '1 - a[$window]'}}",
        "{raw: {successRatio: 'a[$window]'}}",
        "{gauge: {query: max(a) by (b), value: '<= 0.8'}}",
        "{freshness: {timestamp: a, by: [partition], maxAge: 5m}}",
        "{throughput: {min: 10/s, total: a}}",
    ] {
        let it = measure(sli);
        assert_eq!(
            matches!(it, Measure::Figure(_)),
            sli.contains("gauge") || sli.contains("freshness") || sli.contains("throughput")
        );
    }
}

#[test]
fn every_query_is_found_where_it_stands() {
    for (sli, path, text) in [
        (
            "{ratio: {bad: a, total: 'sum(rate(b[$window]))'}}",
            "sli/ratio/total",
            "sum(rate(b[5m]))",
        ),
        ("{availability: {good: 'a[$window]', total: b}}", "sli/availability/good", "a[5m]"),
        ("{raw: {successRatio: 'a[$window]'}}", "sli/raw/successRatio", "a[5m]"),
        ("{gauge: {query: max(a), value: '> 1'}}", "sli/gauge/query", "max(a)"),
        ("{throughput: {min: 1/s, total: 'a[$window]'}}", "sli/throughput/total", "a[5m]"),
    ] {
        let (library, _) = check(&slo(&format!("  sli: {sli}\n  objective: 99%\n")));
        let found = library.slo("it").unwrap().queries("5m");
        assert_eq!(found, [(path.to_owned(), text.to_owned())]);
        let item = library.get("SLO", "it").unwrap();
        assert_eq!(library.finding(item, path, codes::PROMQL, "", "").line, 5);
    }
}

#[test]
fn what_is_no_event_is_counted_by_the_minute() {
    let (library, _) = check(&slo("  sli: {gauge: {query: a, value: '> 1'}}\n  objective: 99%\n"));
    let it = library.slo("it").unwrap();
    assert_eq!(it.time_slices.unwrap().length, Duration::from_mins(1));
    assert!(matches!(it.series, Some(Measure::Figure(Figure::Gauge { .. }))));
}

#[test]
fn everything_else_of_an_objective_is_read() {
    let (library, found) = check(&slo(r#"  description: 99% of orders within 2s
  service: shop
  sli: {latency: {threshold: 2s, histogram: orders_seconds, total: orders_total}}
  objective: 99%
  window: {calendar: quarter, timeZone: Europe/Paris, from: "2026-01-31T06:00"}
  timeSlices: {length: 5m, target: 95%}
  noData: hold
  quantiles: [p50, p99.9]
  owner: team shop
  labels: {tier: 2, generated: true}
  exclusions:
    - {reason: move, from: "2026-03-01T00:00Z", until: "2026-03-01T04:00+01:00"}
    - {from: "2026-01-04T02:00", duration: 1h, rrule: FREQ=WEEKLY;BYDAY=SU, timeZone: Europe/Paris}
  alerting:
    name: SlowOrders
    policy: {windows: [{severity: page, budget: 5%, long: 6h}], lowTraffic: {below: 100, confidence: 99%}}
    labels: {category: latency}
    annotations: {summary: orders are slow}
    page: {labels: {severity: critical}}
    ticket: none
"#));
    assert!(found.is_empty(), "{}", evenkeel_model::render(&found, false));
    let it = library.slo("it").unwrap();
    assert!(matches!(&it.window, Window::Calendar(it) if it.time_zone == "Europe/Paris"));
    assert_eq!(
        (it.no_data, it.quantiles.len(), it.labels["tier"].as_str()),
        (NoData::Hold, 2, "2")
    );
    let ends: Vec<_> =
        it.exclusions.iter().map(|it| matches!(it.end, ExclusionEnd::Until(_))).collect();
    assert_eq!(ends, [true, false]);
    let alerting = it.alerting.as_ref().unwrap();
    let Alerts::Own(policy) = &alerting.policy else { panic!("{alerting:?}") };
    assert_eq!(policy.windows[0].short, Some(Duration::from_mins(30)));
    assert!(alerting.ticket.is_none() && alerting.page.as_ref().unwrap().labels.len() == 1);
    let json = serde_json::to_string(library.get("SLO", "it").unwrap().document()).unwrap();
    assert_eq!(
        &serde_json::from_str::<Document>(&json).unwrap(),
        library.get("SLO", "it").unwrap().document()
    );
}

#[test]
fn an_objective_in_a_plan_is_what_a_run_is_judged_by() {
    let (library, _) = check(&slo(
        "  sli: {availability: {bad: a, total: b}}\n  objective: 99%\n  window: {calendar: month}\n  owner: me\n",
    ));
    let json = serde_json::to_value(library.slo("it").unwrap().of_requests()).unwrap();
    let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        ["description", "indicator", "name", "objective", "route", "service", "window_seconds"]
    );
    assert_eq!(json["window_seconds"], 2_592_000.0);
}

#[test]
fn every_mistake_of_an_objective_is_found_in_one_run() {
    insta::assert_snapshot!(findings(&slo(r#"  sli: {ratio: {bad: 'rate(a[5m])', total: "b{c"}}
  objective: 100%
  window: {calendar: fortnight}
  timeSlices: {lenght: 1m}
  noData: zero
  labels: {a-b: c}
  alerting: {policy: {windows: [{severity: high, long: 1h, short: 2h, factor: 2, budget: 1%}]}}
  exclusions:
    - {from: "2026-03-01", duration: 1h}
    - {from: "2026-03-01T00:00", until: "2026-03-01T01:00", rrule: FREQ=OFTEN}
"#)), @r#"
    EK-D036 5:22 `rate(a[5m])` is neither a query with `$window` nor a selector: `(a[5m])` does not belong there | Write counters such as `http_requests_total{code=~"5.."}`, or a query in which `$window` stands for the range, such as `sum(rate(http_requests_total[$window]))`.
    EK-D036 5:44 `b{c` is neither a query with `$window` nor a selector: the label `c` is compared with nothing | Write counters such as `http_requests_total{code=~"5.."}`, or a query in which `$window` stands for the range, such as `sum(rate(http_requests_total[$window]))`.
    EK-D007 6:14 a promise of 100% leaves no error budget | Promise less than everything, such as `99.9%`.
    EK-D013 7:22 `fortnight` is not a period of the calendar | Use one of day, week, month, quarter, year.
    EK-D003 8:16 unknown field `lenght` | Did you mean `length`?
    EK-D013 9:11 `zero` is not `hold`, `ignore` or `bad` | Use one of hold, ignore, bad.
    EK-D010 10:12 `a-b` is not the name of a label | Begin with a letter or `_`, and use letters, digits and `_`.
    EK-D013 11:44 `high` is not `page` or `ticket` | Use one of page, ticket.
    EK-D007 11:67 the short window is not shorter | The short window sees that it is over; give a twelfth of the long one.
    EK-D025 11:82 `budget` beside `factor` | Give exactly one of `budget`, `factor`.
    EK-D037 13:14 `2026-03-01` is no moment | Write date and time such as `2026-03-01T02:00`, with `Z` or `+01:00` behind it, or a `timeZone` beside it.
    EK-D025 14:61 `rrule` beside `until` | Say with `duration` how long each time lasts.
    EK-D038 14:68 `FREQ=OFTEN` is no recurrence: `OFTEN` is no frequency | Write a rule of RFC 5545, such as `FREQ=WEEKLY;BYDAY=SU` or `FREQ=MONTHLY;BYDAY=1SU`.
    "#);
}

#[test]
fn two_promises_are_refused_and_so_is_what_a_drill_cannot_count() {
    insta::assert_snapshot!(findings(&slo(
        "  description: 95% of requests complete within 300ms\n  sli: {latency: {threshold: 300ms}}\n  objective: 99.9%\n"
    )), @"EK-L030 5:16 the description promises 95% within 300ms, and the objective 99.9% within 300ms | These are two objectives: write one, or an SLO for each.");
    let drill = super::lint::with(&[(
        "sli: {percentile: {quantile: p99, threshold: 1s}}",
        "sli: {gauge: {query: up, value: '>= 1'}}, objective: 99%",
    )]);
    insta::assert_snapshot!(drill, @"EK-L029 39:16 `fast` is measured on series, and a drill counts requests | Use `availability`, `latency`, `percentile`, `errorRate` or `throughput`.");
}

#[test]
fn names_zones_and_windows_of_objectives_are_looked_at() {
    let text = slo(
        "  sli: {composite: [{slo: it}, {slo: other, weight: 2}]}\n  objective: 99%\n  alerting: nobody\n",
    );
    insta::assert_snapshot!(findings(&text), @r#"
    EK-L031 5:9 `it` is a part of itself | An objective may be made of others, but not of those that are made of it.
    EK-L001 5:38 there is no SLO called `other` | There are it.
    EK-L001 7:13 there is no AlertPolicy called `nobody` | There is no AlertPolicy in the files given; add the file that has it.
    "#);
    let text = slo(
        "  sli: {ratio: {bad: a, total: b}}\n  objective: 90%\n  window: {calendar: day, timeZone: Paris}\n  alerting: {policy: {windows: [{severity: page, factor: 14.4, long: 1h}, {severity: ticket, budget: 30%, long: 3d}]}}\n",
    );
    insta::assert_snapshot!(findings(&text), @r#"
    EK-L014 7:37 `Paris` is not a time zone | Write a name of the IANA data base, such as `Europe/Paris` or `UTC`.
    EK-W005 8:14 the alert over 1h would need 144% of bad events at 90% | No more than all can be bad. Watch it by a smaller `factor`, or by a `budget` over a longer window.
    EK-W005 8:14 the alert over 3d looks further back than the window | What it sees has left the window already; give a shorter window.
    "#);
    let others = "apiVersion: evenkeel.dev/v1\nkind: ErrorBudgetPolicy\nmetadata: {name: p}\nspec: {objectives: [nowhere], gate: {}}\n---\napiVersion: evenkeel.dev/v1\nkind: SLA\nmetadata: {name: s}\nspec: {slo: it, credits: [{below: 99.5%, credit: 5%}], window: {calendar: month, timeZone: Mars}}\n---\n";
    let text = format!("{others}{}", slo("  sli: {ratio: {bad: a, total: b}}\n  objective: 99%\n"));
    insta::assert_snapshot!(findings(&text), @r#"
    EK-L001 4:21 there is no SLO called `nowhere` | There are it.
    EK-W006 9:35 credit is owed below 99.5%, and the objective promises 99% | An objective warns before money is owed: it promises as much, or more.
    EK-L014 9:92 `Mars` is not a time zone | Write a name of the IANA data base, such as `Europe/Paris` or `UTC`.
    "#);
}

#[test]
fn policies_and_agreements_are_read() {
    let (library, found) = check(
        "apiVersion: evenkeel.dev/v1
kind: AlertPolicy
metadata: {name: windows}
spec:
  windows:
    - {severity: page, factor: 14.4, long: 1h, short: 5m, for: 2m, labels: {severity: critical}}
    - {severity: ticket, budget: 10%, long: 3d}
  hysteresis: 10%
  inhibit: false
---
apiVersion: evenkeel.dev/v1
kind: ErrorBudgetPolicy
metadata: {name: policy}
spec:
  service: shop
  thresholds:
    - {remaining: 0%, actions: [freeze, {incident: {priority: P1}}]}
    - {remaining: 50%, actions: [{notify: {target: team}}, review, {ticket: {target: queue}}]}
  gate: {exceptions: [security_patches]}
",
    );
    assert!(found.is_empty(), "{}", evenkeel_model::render(&found, false));
    let policy = library.alert_policy("windows").unwrap();
    assert_eq!(policy.windows[0].threshold, BurnThreshold::Factor(14.4));
    assert_eq!(policy.windows[1].short, Some(Duration::from_hours(6)));
    let policy = library.error_budget_policies().next().unwrap();
    let shares: Vec<_> = policy.thresholds.iter().map(|it| it.remaining).collect();
    assert_eq!(shares, [Ratio::percent(50), Ratio::ZERO]);
    assert_eq!(
        policy.thresholds[1].actions[0],
        Action::Freeze { scope: None, spares: Vec::new(), description: None }
    );
    let gate = policy.gate.as_ref().unwrap();
    assert_eq!((gate.min_remaining, gate.closed_by), (Ratio::percent(10), Some(Severity::Page)));
}

#[test]
fn what_is_wrong_with_policies_and_agreements_is_said() {
    insta::assert_snapshot!(findings(
        "apiVersion: evenkeel.dev/v1
kind: ErrorBudgetPolicy
metadata: {name: policy}
spec:
  thresholds:
    - {remaining: 10%, actions: [stop]}
    - {remaining: 10%, actions: [notify]}
---
apiVersion: evenkeel.dev/v1
kind: ErrorBudgetPolicy
metadata: {name: empty}
spec: {service: shop}
---
apiVersion: evenkeel.dev/v1
kind: SLA
metadata: {name: agreement}
spec:
  slo: it
  credits:
    - {below: 99%, credit: 10%}
    - {below: 99.5%, credit: 20%}
    - {below: 95%, credit: 5%}
"), @r#"
    EK-D013 6:34 `stop` is not an action | Use one of notify, review, freeze, ticket, incident.
    EK-D004 7:34 the field `target` is missing | Who is told, or where.
    EK-D004 12:1 one of `thresholds`, `gate` is missing | Give at least one of them.
    EK-L001 18:8 there is no SLO called `it` | There is no SLO in the files given; add the file that has it.
    EK-D007 21:15 99.5% stands behind 99% | Write the tiers from the largest share down.
    EK-D007 22:28 5% is owed for less than 20% is | The less was kept of the promise, the more is owed.
    "#);
}
