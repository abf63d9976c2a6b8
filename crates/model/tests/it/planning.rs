//! From a drill to what will be done.

use std::time::Duration;

use evenkeel_model::document::{OnNoData, Release};
use evenkeel_model::plan::Plan;
use evenkeel_model::{Library, render};
use evenkeel_units::{Ratio, Seed};

use super::lint::RIGHT;

fn plan(text: &str) -> Plan {
    let (library, found) = Library::check([("it.yaml".to_owned(), text.into())]);
    assert!(found.iter().all(|it| !it.is_error()), "{}", render(&found, false));
    library.plan("it", Seed(7)).map_err(|it| render(&it, false)).unwrap()
}

#[test]
fn every_reference_is_resolved() {
    let plan = plan(RIGHT);
    assert_eq!(plan.load.as_ref().unwrap().url.as_deref(), Some("http://127.0.0.1:7400"));
    assert_eq!(plan.seed, Seed(7));
    assert_eq!(plan.length(), Duration::from_secs(30));
    let names: Vec<_> = plan.phases.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["faults", "recovery"]);
    let services =
        plan.faults.iter().filter_map(|it| it.target.as_ref()?.select.parts()?.service.clone());
    assert_eq!(services.collect::<Vec<_>>(), ["shop", "shop"]);
}

#[test]
fn a_fault_that_acts_once_is_awaited_to_the_end_of_its_phase() {
    let plan = plan(RIGHT);
    let faults = plan
        .faults
        .iter()
        .map(|it| (it.label.as_str(), it.from.as_secs_f64(), it.to.as_secs_f64()));
    assert_eq!(
        faults.collect::<Vec<_>>(),
        [("latency +800ms · payment", 2.0, 10.0), ("kill · gateway-*", 12.0, 20.0)]
    );
}

#[test]
fn faults_are_in_order_of_time_and_their_labels_differ() {
    let latency = "- latency: {delay: 800ms, at: 2s, duration: 8s}";
    let two = "- latency: {delay: 800ms, at: 12s, duration: 2s}\n    - latency: {delay: 800ms, at: 2s, duration: 8s}";
    let plan = plan(&RIGHT.replace(latency, two));
    let labels: Vec<_> = plan.faults.iter().map(|it| it.label.as_str()).collect();
    assert_eq!(
        labels,
        ["latency +800ms · payment", "latency +800ms · payment (2)", "kill · gateway-*"]
    );
}

#[test]
fn of_two_limits_the_stricter_one_holds() {
    let limits = "duration: 30s\n  safety: {maxDuration: 10m, onNoData: continue, blastRadius: {maxInstances: 50%, maxServices: 1}, abort: [\"error_rate > 50% for 5s\", \"p95 > 5s\"], restrictedHours: [\"12:00-13:00\"]}\n";
    let limits = limits.replace("{maxDuration", "{minRelease: B, maxDuration");
    let right = RIGHT.replace("duration: 30s\n", &limits);
    let right = right.replace("maxDuration: 1m", "maxDuration: 1m\n    minRelease: D");
    let safety = plan(&right).safety;
    assert_eq!(safety.min_release, Some(Release::Lease));
    assert_eq!(safety.max_duration, Duration::from_mins(1));
    assert_eq!(safety.blast_radius.max_instances, Some(Ratio::percent(34)));
    assert_eq!(safety.blast_radius.max_services, Some(1));
    assert_eq!(safety.blast_radius.min_healthy, Some(2));
    assert_eq!(safety.abort.len(), 2);
    assert_eq!(safety.restricted_hours.len(), 1);
    assert_eq!(safety.on_no_data, OnNoData::Continue);
}

#[test]
fn a_limit_that_nobody_wrote_does_not_hold_one_that_somebody_did() {
    let plan = plan(&RIGHT.replace("maxDuration: 1m", "maxDuration: 10m"));
    assert_eq!(plan.safety.max_duration, Duration::from_mins(10));
}

#[test]
fn what_stands_inline_gets_a_name() {
    let text = r#"apiVersion: evenkeel.dev/v1
kind: Drill
metadata: {name: it}
spec:
  service: {url: "http://a", dependencies: {b: {listen: "127.0.0.1:80", upstream: "c:80"}}, allowFaults: all}
  objectives: [{sli: availability, objective: 99%}, {sli: availability, objective: 98%}]
  load: {routes: [{path: /}], shape: {constant: {rate: 1/s, duration: 5s}}}
  phases:
    - shape: {constant: {rate: 1/s, duration: 5s}}
      chaos: [{method: [{refuse: {target: {dependency: b}, duration: 1s}}], safety: {abort: ["error_rate > 50%"]}}]
    - shape: {constant: {rate: 1/s, duration: 5s}}
"#;
    let plan = plan(text);
    assert_eq!(plan.service.name, "it/service");
    assert_eq!(plan.load.as_ref().unwrap().name, "it/load");
    assert_eq!(plan.load.as_ref().unwrap().url.as_deref(), Some("http://a:80"));
    let objectives: Vec<_> = plan.objectives.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(objectives, ["it/objectives-1", "it/objectives-2"]);
    assert_eq!(plan.faults[0].experiment, "it/load/chaos-1");
    let phases: Vec<_> = plan.phases.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(phases, ["load", "load 2"]);
}

#[test]
fn without_phases_the_shape_of_the_load_is_the_drill() {
    let phases = RIGHT.find("  phases:").unwrap();
    let shape = "service: shop, shape: {soak: {rate: 100/s, rampUp: 5s, duration: 20s}}, routes";
    let text = RIGHT.get(..phases).unwrap().replace("service: shop, routes", shape);
    let plan = plan(&text);
    assert_eq!(plan.phases.len(), 1);
    assert_eq!(plan.phases[0].name, "load");
    assert_eq!(plan.length(), Duration::from_secs(20));
}

#[test]
fn a_drill_with_mistakes_has_no_plan() {
    let text = RIGHT.replace("duration: 30s", "duration: 3s");
    let (library, _) = Library::read([("it.yaml".to_owned(), text.into())]);
    let found = library.plan("it", Seed(7)).unwrap_err();
    assert_eq!(found[0].code, "EK-L002");
    let found = library.plan("itt", Seed(7)).unwrap_err();
    assert_eq!(found[0].help, "Did you mean `it`?");
}

#[test]
fn a_drill_on_broken_documents_has_no_plan() {
    let text = RIGHT.replace("url: http://127.0.0.1:7400", "url: nowhere");
    let (library, _) = Library::read([("it.yaml".to_owned(), text.into())]);
    assert_eq!(library.plan("it", Seed(7)).unwrap_err().len(), 1);
}
