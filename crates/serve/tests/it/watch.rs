//! Objectives that are judged at intervals: what becomes of them in the store and at `/metrics`.

use std::sync::mpsc::channel;
use std::time::Duration;

use evenkeel_model::Library;
use evenkeel_serve::watch::Documents;
use serde_json::json;

use crate::world::World;

const SLOS: &str = "\
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: available}
spec:
  service: shop
  objective: 90%
  window: 1h
  labels: {tier: '1'}
  sli: {availability: {bad: bad_total, total: all_total}}
";

pub(crate) fn documents(text: &str) -> Documents {
    let (library, wrong) = Library::read([("slos.yaml".to_owned(), text.into())]);
    assert!(wrong.is_empty(), "{wrong:?}");
    Documents::of(library).unwrap()
}

/// Asks again until something is as expected.
pub(crate) fn until<T: std::fmt::Debug>(
    mut ask: impl FnMut() -> T,
    is_it: impl Fn(&T) -> bool,
) -> T {
    let mut said = ask();
    for _ in 0..1200 {
        if is_it(&said) {
            return said;
        }
        let (_held, wait) = channel::<()>();
        wait.recv_timeout(Duration::from_millis(25)).unwrap_or_default();
        said = ask();
    }
    panic!("{said:?}");
}

pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[test]
fn what_is_judged_is_written_and_exported_each_round() {
    let folder = tempfile::tempdir().unwrap();
    let config = "global: {evaluation_interval: 100ms}";
    let world = World::judging(folder.path(), config, documents(SLOS));
    let empty = until(|| world.ask("slo_status == 1", now()), |it| !it.is_empty());
    let labels = r#""service":"shop","slo":"available""#;
    assert!(empty[0].contains(r#""status":"NO_DATA""#), "{empty:?}");
    let at = now();
    let answer = world.write(&[
        (at - 1800, "all_total", 0.0),
        (at - 1, "all_total", 2000.0),
        (at - 1800, "bad_total", 0.0),
        (at - 1, "bad_total", 120.0),
    ]);
    assert_eq!(answer.status, 204, "{}", answer.body);
    let left = until(|| world.ask("error_budget_remaining_percentage", now()), |it| !it.is_empty());
    let expected = format!(
        "{{\"__name__\":\"error_budget_remaining_percentage\",{labels},\"tier\":\"1\"}} \"40."
    );
    assert!(left.len() == 1 && left[0].starts_with(&expected), "{left:?}");
    let gone = until(|| world.ask("slo_status == 1", now()), |it| !it[0].contains("NO_DATA"));
    assert!(gone.len() == 1 && gone[0].contains(r#""status":"WARNING""#), "{gone:?}");
    let burns = world.ask("slo_burn_rate{window=\"1h\"}", now());
    assert!(burns.len() == 1 && burns[0].contains(" \"0.59"), "{burns:?}");
    let text = world.get("/metrics").body;
    for line in [
        "slo_objective_ratio{service=\"shop\",slo=\"available\",tier=\"1\"} 0.9\n",
        "slo_sli_ratio{service=\"shop\",slo=\"available\",tier=\"1\"} 0.94",
        "slo_status{service=\"shop\",slo=\"available\",status=\"HEALTHY\",tier=\"1\"} 0\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

const RULES: &str = "\
groups:
- name: shop
  interval: 100ms
  rules:
  - {record: 'job:requests:sum', expr: sum by (job) (requests_total), labels: {team: x}}
  - alert: Many
    expr: job:requests:sum > 10
    for: 1h
    labels: {severity: page}
    annotations: {summary: '{{ $labels.job }} has {{ $value | humanize }}'}
";

#[test]
fn rules_and_alerts_are_shown_as_prometheus_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with_rules(folder.path(), "", RULES);
    world.write(&[(now(), "requests_total,job=shop", 2000.0)]);
    let alerts = until(|| world.data("alerts")["alerts"].clone(), |it| !it[0].is_null());
    let since = alerts[0]["activeAt"].clone();
    assert_eq!(
        alerts,
        json!([{
            "labels": {"alertname": "Many", "job": "shop", "severity": "page", "team": "x"},
            "annotations": {"summary": "shop has 2k"},
            "state": "pending", "activeAt": since, "value": "2e+03",
        }])
    );
    let groups = world.data("rules")["groups"].clone();
    let [recording, alerting] = [0, 1].map(|it| groups[0]["rules"][it].clone());
    assert_eq!(groups[0]["interval"], json!(0.1));
    assert_eq!((&groups[0]["name"], &groups[0]["file"]), (&json!("shop"), &json!("rules.yml")));
    for (rule, name, value) in [
        (&recording, "type", json!("recording")),
        (&recording, "query", json!("sum by (job) (requests_total)")),
        (&recording, "labels", json!({"team": "x"})),
        (&recording, "health", json!("ok")),
        (&alerting, "type", json!("alerting")),
        (&alerting, "name", json!("Many")),
        (&alerting, "duration", json!(3600)),
        (&alerting, "keepFiringFor", json!(0)),
        (&alerting, "state", json!("pending")),
        (
            &alerting,
            "annotations",
            json!({"summary": "{{ $labels.job }} has {{ $value | humanize }}"}),
        ),
        (&alerting, "alerts", alerts),
    ] {
        assert_eq!(rule[name], value, "{rule}");
    }
    let of = |query: &str| {
        let groups = world.data(&format!("rules?{query}"))["groups"].clone();
        groups[0]["rules"].as_array().map_or(0, Vec::len)
    };
    let counts =
        ["type=alert", "type=record", "rule_name[]=Many", "rule_group[]=x", "file[]=rules.yml"];
    assert_eq!(counts.map(of), [1, 1, 1, 0, 2]);
    assert!(world.data("rules?exclude_alerts=true")["groups"][0]["rules"][1]["alerts"].is_null());
    assert_eq!(world.get("/api/v1/rules?type=x").status, 400);
    let recorded = until(|| world.ask("job:requests:sum", now()), |it| !it.is_empty());
    assert_eq!(recorded, [r#"{"__name__":"job:requests:sum","job":"shop","team":"x"} "2000""#]);
}

#[test]
fn why_an_alertmanager_is_not_told_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let config = "alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:1']}]}]}\n";
    let rules = "groups: [{name: g, interval: 100ms, rules: [{alert: A, expr: vector(1)}]}]";
    let world = World::with_rules(folder.path(), config, rules);
    let told = || world.data("alertmanagers")["activeAlertmanagers"][0].clone();
    let told = until(told, |it| !it["lastError"].is_null());
    let url = "http://127.0.0.1:1/api/v2/alerts";
    assert_eq!(told, json!({"url": url, "lastError": "connection refused"}));
}
