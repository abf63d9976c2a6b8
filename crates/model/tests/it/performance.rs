//! Files with `performance_tests:` and `monitoring:` are read as they stand.

use evenkeel_model::document::{Shape, WatchSource};
use evenkeel_units::Seed;

use super::{check, findings};

const TESTS: &str = r#"# performance-test-config.yml
performance_tests:
  api_baseline:
    type: "baseline"
    target_url: "https://api.example.com/health"
    concurrent_users: 50
    duration: 600  # 10 minutes
    ramp_up: 120   # 2 minutes
    success_criteria:
      error_rate: "< 1%"
      avg_response_time: "< 200ms"
      p95_response_time: "< 500ms"
  
  api_stress:
    type: "stress"
    target_url: "https://api.example.com/users"
    initial_users: 10
    max_users: 500
    step_size: 25
    step_duration: 180  # 3 minutes per step
    success_criteria:
      breakdown_threshold: "> 300 users"
      graceful_degradation: true
  
  api_spike:
    type: "spike"
    target_url: "https://api.example.com/search"
    baseline_users: 20
    spike_users: 200
    spike_duration: 300  # 5 minutes
    success_criteria:
      spike_error_rate: "< 5%"
      recovery_time: "< 120s"

monitoring:
  metrics_to_track:
    - "response_time_percentiles"
    - "error_rate"
    - "throughput"
    - "cpu_utilization"
    - "memory_usage"
    - "database_connections"
    - "queue_depth"
  
  alert_thresholds:
    error_rate: 5.0
    avg_response_time: 1000  # ms
    cpu_utilization: 80.0
    memory_usage: 85.0
"#;

#[test]
fn every_test_is_a_load_test_with_a_plan() {
    let (library, _) = check(TESTS);
    assert_eq!(library.load_tests(), ["api_baseline", "api_stress", "api_spike"]);
    let plan = |name| library.plan_load(name, Seed(7)).unwrap();
    let baseline = plan("api_baseline");
    assert_eq!(baseline.load.as_ref().unwrap().url.as_deref(), Some("https://api.example.com:443"));
    assert_eq!(baseline.load.as_ref().unwrap().routes[0].name, "GET /health");
    let Some(Shape::Users { users: 50, ramp_up, duration, .. }) =
        baseline.load.as_ref().unwrap().shape
    else {
        panic!("{:?}", baseline.load.as_ref().unwrap().shape)
    };
    assert_eq!((ramp_up.as_secs(), duration.as_secs()), (120, 600));
    let stress = plan("api_stress");
    assert_eq!(stress.phases.len(), 20);
    assert_eq!(stress.phases[19].name, "485 users");
    assert_eq!(stress.load.as_ref().unwrap().connections, 485);
    assert_eq!(stress.length().as_secs(), 20 * 180);
    assert_eq!(stress.load.unwrap().shape.unwrap().until().len(), 2);
    let spike = plan("api_spike");
    let phases: Vec<_> = spike.phases.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(phases, ["before", "spike", "after"]);
    assert_eq!(spike.length().as_secs(), 120 + 300 + 120);
}

#[test]
fn criteria_and_alarms_become_thresholds() {
    let (library, _) = check(TESTS);
    let success = |name: &str| -> Vec<String> {
        let all = &library.load_test(name).unwrap().success;
        let phase =
            |it: &Option<String>| it.as_ref().map(|it| format!(" in {it}")).unwrap_or_default();
        all.iter().map(|it| format!("{}{}", it.criterion, phase(&it.phase))).collect()
    };
    let alarms = ["error_rate <= 5%", "response_time <= 1s"];
    let own = ["error_rate < 1%", "response_time < 200ms", "p95 < 500ms"];
    assert_eq!(success("api_baseline"), [&own[..], &alarms[..]].concat());
    let own = ["breakdown_users > 300 users"];
    assert_eq!(success("api_stress"), [&own[..], &alarms[..]].concat());
    let own = ["error_rate < 5% in spike", "recovery_time < 2m"];
    assert_eq!(success("api_spike"), [&own[..], &alarms[..]].concat());
    let watch = &library.load_test("api_spike").unwrap().watch;
    assert_eq!(watch[0].source, WatchSource::Host);
    let limits = [("cpu_ratio".to_owned(), 0.8), ("memory_ratio".to_owned(), 0.85)];
    assert_eq!(watch[0].limits, limits);
}

#[test]
fn what_nobody_could_judge_or_track_is_warned_of() {
    insta::assert_snapshot!(findings(TESTS), @r#"
    EK-W004 23:7 `graceful_degradation` has no figure, and is not judged | Say what it means, such as `availability: "> 90%"`.
    EK-W003 42:7 nothing says where `database_connections` is to be read | Add to `monitoring`: `watch: [{name: database_connections, promql: {url: "http://127.0.0.1:9090", query: "…"}}]`.
    EK-W003 43:7 nothing says where `queue_depth` is to be read | Add to `monitoring`: `watch: [{name: queue_depth, promql: {url: "http://127.0.0.1:9090", query: "…"}}]`.
    "#);
    let watched = "\n  watch:\n    - {name: queue_depth, promql: {url: \"http://a\", query: q}}\n    - {name: database_connections, process: {port: 5432}}\n";
    let text = format!("{TESTS}{watched}").replace("      graceful_degradation: true\n", "");
    assert_eq!(findings(&text), "");
}

#[test]
fn every_mistake_is_found_at_its_place() {
    let text = TESTS
        .replace("type: \"baseline\"", "type: \"basline\"")
        .replace("step_size: 25", "step_sise: 25")
        .replace("spike_users: 200", "spike_users: 2")
        .replace("\"< 120s\"", "\"< 120\"")
        .replace("cpu_utilization: 80.0", "cpu_utilization: 180");
    insta::assert_snapshot!(findings(&text), @r#"
    EK-D013 4:11 `basline` is not a type of test | Did you mean `baseline`?
    EK-D003 19:5 unknown field `step_sise` | Did you mean `step_size`?
    EK-D007 29:18 the spike is not one | Give more users than there are before.
    EK-D024 33:22 `120` has no unit | Write a number with its unit (ns, us, ms, s, m, h, d), such as `120ms` or `120s`.
    EK-D013 48:5 180% is more than everything | Give a percentage.
    "#);
}
