//! What becomes of what services expose.

use evenkeel_metrics::exposition::Format;

use super::exposed::Exposed;
use super::proposal::propose;
use crate::verb::documents::read;

fn proposed(text: &str) -> String {
    proposed_for("shop", "/metrics", text)
}

fn proposed_for(name: &str, path: &str, text: &str) -> String {
    let proposal = propose(&Exposed::read(text, Format::Text, path).unwrap(), name);
    let found = read(vec![("slo.yaml".to_owned(), proposal.text.clone().into_bytes())]);
    assert!(
        !found.diagnostics.iter().any(evenkeel_model::Diagnostic::is_error),
        "{:?}",
        found.diagnostics
    );
    proposal.said.join("\n") + "\n" + &proposal.text
}

const SHOP: &str = r#"
# TYPE http_requests_total counter
http_requests_total{route="/checkout",code="200"} 9000
http_requests_total{route="/checkout",code="503"} 30
http_requests_total{route="/metrics",code="200"} 1000
# TYPE promhttp_metric_handler_requests_total counter
promhttp_metric_handler_requests_total{code="200"} 99000
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{route="/checkout",le="0.1"} 8000
http_request_duration_seconds_bucket{route="/checkout",le="0.3"} 9000
http_request_duration_seconds_bucket{route="/checkout",le="0.5"} 9020
http_request_duration_seconds_bucket{route="/checkout",le="+Inf"} 9030
http_request_duration_seconds_bucket{route="/metrics",le="+Inf"} 1000
"#;

#[test]
fn requests_by_status_become_availability_that_was_kept_so_far() {
    let text = proposed(SHOP);
    assert!(text.contains("shop-available: 99.5% of requests are answered right"), "{text}");
    let bad = r#"bad: 'http_requests_total{job="shop",route!="/metrics",code=~"5.."}'"#;
    assert!(text.contains(bad), "{text}");
    assert!(text.contains("# 30 of 9030 requests have failed"), "{text}");
}

#[test]
fn a_histogram_becomes_latency_with_room() {
    let text = proposed(SHOP);
    assert!(text.contains("shop-fast: 99% of requests are answered within 500ms"), "{text}");
    let histogram = r#"histogram: 'http_request_duration_seconds{job="shop",route!="/metrics"}'"#;
    assert!(text.contains(histogram), "{text}");
}

#[test]
fn failed_requests_are_not_fast_where_they_are_told_apart() {
    let text = proposed(
        "# TYPE x_seconds histogram\nx_seconds_bucket{status=\"200\",le=\"1\"} 5\nx_seconds_bucket{status=\"200\",le=\"+Inf\"} 5\n",
    );
    assert!(text.contains(r#"histogram: 'x_seconds{job="shop",status!~"5.."}'"#), "{text}");
    assert!(text.contains(r#"total: 'x_seconds_count{job="shop"}'"#), "{text}");
}

/// As a program of Spring exposes it, at the path that it has for that.
const SPRING: &str = r#"
# TYPE http_server_requests_seconds histogram
http_server_requests_seconds_bucket{status="200",uri="/a",le="-1"} 0
http_server_requests_seconds_bucket{status="200",uri="/a",le="0.0"} 0
http_server_requests_seconds_bucket{status="200",uri="/a",le="0.050331646"} 980
http_server_requests_seconds_bucket{status="200",uri="/a",le="0.067108864"} 996
http_server_requests_seconds_bucket{status="200",uri="/a",le="0.089478485"} 998
http_server_requests_seconds_bucket{status="200",uri="/a",le="+Inf"} 1000
http_server_requests_seconds_count{status="200",uri="/a"} 1000
http_server_requests_seconds_count{status="500",uri="/a"} 3
http_server_requests_seconds_count{status="200",uri="/actuator/prometheus"} 700
"#;

#[test]
fn a_threshold_is_the_bound_of_a_bucket_to_the_last_digit() {
    let text = proposed(SPRING);
    assert!(text.contains("threshold: 0.089478485s\n"), "{text}");
    let none = "# TYPE x_seconds histogram\nx_seconds_bucket{le=\"0\"} 9\nx_seconds_bucket{le=\"+Inf\"} 9\n";
    assert!(proposed(none).contains("shop-up"), "no time is no threshold");
}

#[test]
fn the_times_of_requests_count_them_where_nothing_else_does() {
    let text = proposed_for("shop", "/actuator/prometheus", SPRING);
    assert!(text.contains("# 3 of 1003 requests have failed"), "{text}");
    let own = r#"http_server_requests_seconds_count{job="shop",uri!="/actuator/prometheus"}"#;
    assert!(text.contains(own), "{text}");
    let both = SHOP.to_owned()
        + "http_request_duration_seconds_count{route=\"/checkout\",code=\"200\"} 99000\n";
    assert!(proposed(&both).contains("total: 'http_requests_total{"), "a counter is clearer");
}

#[test]
fn names_that_yaml_would_take_for_something_else_stay_names() {
    for name in ["1e3", "true", "null", "7"] {
        let text = proposed_for(name, "/metrics", SHOP);
        assert!(text.contains(&format!("service: '{name}'")), "{text}");
    }
    let plain = ["a", "shop-2", "0x1"].map(super::is_name);
    let wrong = ["", "-", "a-", "-a", "Shop", "a.b"].map(super::is_name);
    assert_eq!((plain, wrong), ([true; 3], [false; 6]));
    assert!(super::is_name(&"a".repeat(super::NAME_MAX)));
    assert!(!super::is_name(&"a".repeat(super::NAME_MAX + 1)));
}

#[test]
fn codes_of_grpc_are_understood() {
    let text = proposed(
        "# TYPE grpc_server_handled_total counter\ngrpc_server_handled_total{grpc_code=\"OK\"} 3\n",
    );
    assert!(text.contains("grpc_code=~\"Unknown|DeadlineExceeded"), "{text}");
}

#[test]
fn without_requests_it_is_promised_that_it_answers() {
    let text = proposed("process_cpu_seconds_total 3\nwidgets_total{code=\"red\"} 1\n");
    assert!(text.contains("shop-up: 99.9% of the time it answers"), "{text}");
    assert!(text.contains(r#"query: 'up{job="shop"}'"#), "{text}");
}
