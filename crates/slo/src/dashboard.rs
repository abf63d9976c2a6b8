//! Dashboard: how objectives stand, for Grafana, from the series that [`rules`](crate::rules) record.
//!
//! Both modes record the same names, so that one dashboard is right for either, and for rules of Sloth. One objective is
//! looked at at a time, chosen by a variable; the data source is another, so that a file can be imported anywhere.
//!
//! The form is that of the dashboard JSON model (<https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/>),
//! of which Grafana brings older versions up to date by itself.

use serde_json::{Value, json};

use crate::rules::Subject;

/// The version of the schema that is written.
pub const SCHEMA: u32 = 41;
/// Columns of a dashboard.
const COLUMNS: u32 = 24;

/// What one panel shows.
struct Panel {
    title: &'static str,
    says: &'static str,
    kind: Kind,
    /// Query and legend of each line.
    queries: Vec<(String, &'static str)>,
    unit: &'static str,
    /// Columns and rows.
    size: (u32, u32),
}

#[derive(Copy, Clone)]
enum Kind {
    /// A figure, red below a first number and green from a second on.
    Figure { red: f64, green: f64 },
    /// A figure without a judgement.
    Plain,
    /// Lines, with a line across at a number.
    Lines { limit: Option<f64> },
    /// What is so, from when to when.
    States,
}

/// A dashboard of objectives; an empty one without any.
pub fn dashboard(title: &str, subjects: &[Subject]) -> Value {
    let (mut panels, mut place) = (Vec::new(), (0, 0));
    for (number, panel) in all().iter().enumerate() {
        let (width, height) = panel.size;
        if place.0 + width > COLUMNS {
            // Panels of a row are equally high.
            place = (0, place.1 + height.max(4));
        }
        panels.push(written(number + 1, panel, place));
        place.0 += width;
        if place.0 == COLUMNS {
            place = (0, place.1 + height);
        }
    }
    let ids: Vec<_> = subjects.iter().map(Subject::id).collect();
    json!({
        "title": title,
        "uid": "evenkeel-objectives",
        "tags": ["slo", "evenkeel"],
        "schemaVersion": SCHEMA,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-7d", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": [datasource(), variable(&ids)]},
        "panels": panels,
    })
}

/// The queries of the panels, for an objective by its id: what is shown of it.
pub fn queries(id: &str) -> Vec<(&'static str, String)> {
    let of = |it: Panel| {
        let title = it.title;
        it.queries.into_iter().map(move |(query, _)| (title, query))
    };
    all().into_iter().flat_map(of).map(|(title, it)| (title, it.replace(SLO, id))).collect()
}

/// What stands for the objective in queries.
const SLO: &str = "$slo";

fn all() -> Vec<Panel> {
    let of = |name: &str| format!("{name}{{sloth_id=\"{SLO}\"}}");
    let budget = of("slo:error_budget:ratio");
    let on = "on (sloth_id, sloth_service, sloth_slo)";
    let share = |burn: &str| format!("1 - {} * {on} {budget}", of(burn));
    let windows = format!("{{__name__=~\"slo:sli_error:ratio_rate.+\",sloth_id=\"{SLO}\"}}");
    let left = of("slo:period_error_budget_remaining:ratio");
    let small = (6, 4);
    vec![
        Panel {
            title: "Attainment",
            says: "The share of good events over the window of the objective.",
            kind: Kind::Plain,
            queries: vec![(share("slo:period_burn_rate:ratio"), "")],
            unit: "percentunit",
            size: small,
        },
        Panel {
            title: "Objective",
            says: "The share that is promised.",
            kind: Kind::Plain,
            queries: vec![(of("slo:objective:ratio"), "")],
            unit: "percentunit",
            size: small,
        },
        Panel {
            title: "Budget left",
            says: "The share of the error budget that is left; below nothing it is overspent.",
            kind: Kind::Figure { red: 0.0, green: 0.25 },
            queries: vec![(left.clone(), "")],
            unit: "percentunit",
            size: small,
        },
        Panel {
            title: "Burn rate now",
            says: "How fast the budget burns: at 1 it lasts exactly as long as its window.",
            kind: Kind::Plain,
            queries: vec![(of("slo:current_burn_rate:ratio"), "")],
            unit: "none",
            size: small,
        },
        Panel {
            title: "Burn-down",
            says: "What was left of the budget.",
            kind: Kind::Lines { limit: Some(0.0) },
            queries: vec![(left, "left")],
            unit: "percentunit",
            size: (12, 8),
        },
        Panel {
            title: "Burn rate by window",
            says: "The burn rate over each window of the alerts, and over that of the objective.",
            kind: Kind::Lines { limit: Some(1.0) },
            queries: vec![(format!("{windows} / {on} group_left {budget}"), "{{sloth_window}}")],
            unit: "none",
            size: (12, 8),
        },
        Panel {
            title: "Good events",
            says: "The share of good events over the shortest window, and what is promised.",
            kind: Kind::Lines { limit: None },
            queries: vec![
                (share("slo:current_burn_rate:ratio"), "measured"),
                (of("slo:objective:ratio"), "promised"),
            ],
            unit: "percentunit",
            size: (12, 8),
        },
        Panel {
            title: "Alerts",
            says: "Which alerts were pending (1) and firing (2).",
            kind: Kind::States,
            queries: vec![(
                format!(
                    "max by (alertname, sloth_severity, slo_burn) (ALERTS{{sloth_id=\"{SLO}\",alertstate=\"pending\"}} or 2 * ALERTS{{sloth_id=\"{SLO}\",alertstate=\"firing\"}})"
                ),
                "{{alertname}} {{sloth_severity}} {{slo_burn}}",
            )],
            unit: "none",
            size: (12, 8),
        },
    ]
}

fn written(id: usize, of: &Panel, (x, y): (u32, u32)) -> Value {
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let target = |(number, (query, legend)): (usize, &(String, &str))| {
        json!({
            "refId": char::from(b'A' + u8::try_from(number).unwrap_or_default()).to_string(),
            "datasource": source,
            "expr": query,
            "legendFormat": legend,
            "instant": matches!(of.kind, Kind::Figure { .. } | Kind::Plain),
            "range": !matches!(of.kind, Kind::Figure { .. } | Kind::Plain),
        })
    };
    let step = |color: &str, value: Option<f64>| json!({"color": color, "value": value});
    let (kind, steps, mappings, options) = match of.kind {
        Kind::Figure { red, green } => {
            // What is at an edge belongs to the better side there: a hair above it is nothing yet.
            let steps = vec![
                step("red", None),
                step("yellow", Some(red + 1e-9)),
                step("green", Some(green)),
            ];
            ("stat", steps, json!([]), figure())
        }
        Kind::Plain => ("stat", vec![step("text", None)], json!([]), figure()),
        Kind::Lines { limit } => {
            let mut steps = vec![step("transparent", None)];
            steps.extend(limit.map(|it| step("red", Some(it))));
            let options = json!({
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
                "tooltip": {"mode": "multi", "sort": "desc"},
            });
            ("timeseries", steps, json!([]), options)
        }
        Kind::States => {
            let state = |text: &str, color: &str| json!({"text": text, "color": color});
            let mappings = json!([{
                "type": "value",
                "options": {"1": state("pending", "yellow"), "2": state("firing", "red")},
            }]);
            let options = json!({"showValue": "auto", "mergeValues": true, "alignValue": "center"});
            ("state-timeline", vec![step("text", None)], mappings, options)
        }
    };
    let custom = match of.kind {
        Kind::Lines { limit: Some(_) } => {
            json!({"thresholdsStyle": {"mode": "line"}, "lineWidth": 2})
        }
        Kind::Lines { limit: None } => json!({"lineWidth": 2}),
        Kind::Figure { .. } | Kind::Plain | Kind::States => json!({}),
    };
    json!({
        "id": id,
        "type": kind,
        "title": of.title,
        "description": of.says,
        "datasource": source,
        "gridPos": {"x": x, "y": y, "w": of.size.0, "h": of.size.1},
        "targets": of.queries.iter().enumerate().map(target).collect::<Vec<_>>(),
        "fieldConfig": {
            "defaults": {
                "unit": of.unit,
                "decimals": 3,
                "custom": custom,
                "mappings": mappings,
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": options,
    })
}

/// How figures are drawn.
fn figure() -> Value {
    json!({
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "value",
    })
}

/// Which Prometheus is asked.
fn datasource() -> Value {
    json!({
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "refresh": 1,
    })
}

/// Which objective is looked at. The names are written down, so that one without data is seen to have none.
fn variable(ids: &[String]) -> Value {
    let option =
        |(number, id): (usize, &String)| json!({"text": id, "value": id, "selected": number == 0});
    let first = ids.first().cloned().unwrap_or_default();
    // A comma would end a name there.
    let query: Vec<_> = ids.iter().map(|it| it.replace(',', "\\,")).collect();
    json!({
        "name": "slo",
        "label": "Objective",
        "type": "custom",
        "query": query.join(","),
        "options": ids.iter().enumerate().map(option).collect::<Vec<_>>(),
        "current": {"text": first, "value": first, "selected": true},
        "hide": 0,
        "includeAll": false,
        "multi": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn written() -> Value {
        let subject = crate::rules::tests::subject();
        let other = Subject { name: "search".to_owned(), ..subject.clone() };
        dashboard("Objectives", &[subject, other])
    }

    #[test]
    fn a_dashboard_has_what_grafana_wants_of_one() {
        let it = written();
        assert_eq!((&it["schemaVersion"], &it["title"]), (&41.into(), &"Objectives".into()));
        let variables = it["templating"]["list"].as_array().unwrap();
        let types: Vec<_> = variables.iter().map(|it| it["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["datasource", "custom"]);
        assert_eq!(variables[1]["query"], "shop-pay,shop-search");
        let panels = it["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|it| it["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len());
        for panel in panels {
            assert!(
                ["stat", "timeseries", "state-timeline"].contains(&panel["type"].as_str().unwrap())
            );
            assert_eq!(panel["datasource"]["uid"], "${datasource}");
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{panel}");
            for target in targets {
                assert_eq!(target["datasource"]["uid"], "${datasource}");
                assert!(target["expr"].as_str().unwrap().contains("sloth_id=\"$slo\""), "{target}");
            }
        }
    }

    #[test]
    fn panels_lie_beside_each_other_and_never_on_one_another() {
        let it = written();
        let mut taken = BTreeSet::new();
        for panel in it["panels"].as_array().unwrap() {
            let [x, y, w, h] =
                ["x", "y", "w", "h"].map(|it| panel["gridPos"][it].as_u64().unwrap());
            assert!(x + w <= u64::from(COLUMNS), "{panel}");
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{cell:?} is taken: {panel}");
            }
        }
    }

    #[test]
    fn what_is_shown_is_asked_of_one_objective() {
        let all = queries("shop-pay");
        assert!(all.iter().all(|(_, it)| it.contains("shop-pay") && !it.contains("$slo")));
        let titles: BTreeSet<_> = all.iter().map(|it| it.0).collect();
        for title in [
            "Attainment",
            "Budget left",
            "Burn-down",
            "Burn rate by window",
            "Alerts",
            "Good events",
        ] {
            assert!(titles.contains(title), "{title}");
        }
    }
}
