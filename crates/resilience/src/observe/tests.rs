//! Tests of the names, of the texts and of the registry.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::Moment;
use proptest::prelude::*;

use super::*;
use crate::breaker::{self, Outcome};
use crate::{Breaker, Bulkhead, Deadlines, Fallback, Hedge, Limiter, Retry, Shed, bulkhead, limit};

fn now() -> Moment {
    Moment::at(Duration::from_mins(1))
}

#[test]
fn every_metric_is_on_the_page_with_its_meaning() {
    let page = include_str!("../observe.rs");
    for metric in machine::all() {
        let total = if metric.kind == Kind::Counter { "_total" } else { "" };
        let row = page.lines().find(|it| it.contains(&format!("| `{}{total}` ", metric.family())));
        assert!(row.is_some_and(|it| it.contains(metric.help)), "{metric:?}");
    }
}

#[test]
fn no_two_metrics_have_one_name() {
    let names: BTreeSet<_> = machine::all().map(|it| it.family()).collect();
    assert_eq!(names.len(), machine::all().count());
}

/// One machine of each pattern that needs nothing else.
fn registry() -> Registry {
    let registry = Registry::new();
    let breaker = Breaker::try_new(breaker::Policy::consecutive(1)).unwrap();
    let ticket = breaker.admit(now()).unwrap();
    breaker.record(now(), ticket, Outcome::Failure);
    assert!(breaker.admit(now()).is_err());
    registry.add("a", breaker).unwrap();
    registry.add("a", Bulkhead::try_new(bulkhead::Policy::at_once(2)).unwrap()).unwrap();
    registry.add("a", Limiter::try_new(limit::Policy::per_second(7)).unwrap()).unwrap();
    registry.add("a", Shed::try_new(crate::shed::Policy::default()).unwrap()).unwrap();
    registry.add("a", Retry::try_new(crate::retry::Policy::default()).unwrap()).unwrap();
    registry.add("a", Deadlines::try_new(crate::deadline::Limits::default()).unwrap()).unwrap();
    registry.add("a", Hedge::try_new(crate::hedge::Policy::default()).unwrap()).unwrap();
    registry.add("a", Fallback::default()).unwrap();
    registry
}

#[test]
fn what_a_machine_says_is_on_the_list() {
    let listed: Vec<_> = machine::all().collect();
    for (_, sample) in registry().samples(now()) {
        assert!(listed.contains(&sample.metric), "{sample:?}");
    }
}

#[test]
fn numbers_are_those_of_the_machines() {
    let text = registry().text(now(), Format::Prometheus);
    for line in [
        "resilience_circuit_breaker_state{name=\"a\",state=\"open\"} 1",
        "resilience_circuit_breaker_state{name=\"a\",state=\"closed\"} 0",
        "resilience_circuit_breaker_calls_total{name=\"a\",kind=\"failed\"} 1",
        "resilience_circuit_breaker_not_permitted_calls_total{name=\"a\"} 1",
        "resilience_circuit_breaker_transitions_total{name=\"a\"} 1",
        "resilience_bulkhead_available_concurrent_calls{name=\"a\"} 2",
        "resilience_rate_limiter_available_permissions{name=\"a\"} 7",
        "resilience_time_limit_configured_seconds{name=\"a\",limit=\"total\"} 30",
        "resilience_load_shedder_shed_calls_total{name=\"a\",priority=\"sheddable_plus\"} 0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
}

#[test]
fn openmetrics_names_units_and_announces_counters_without_their_ending() {
    let registry = Registry::new();
    registry
        .add("a \"b\"\\\n", Deadlines::try_new(crate::deadline::Limits::default()).unwrap())
        .unwrap();
    let text = registry.text(now(), Format::OpenMetrics);
    let head: Vec<_> = text.lines().take(4).collect();
    assert_eq!(
        head,
        [
            "# HELP resilience_time_limit_configured_seconds How long calls and their parts may take.",
            "# TYPE resilience_time_limit_configured_seconds gauge",
            "# UNIT resilience_time_limit_configured_seconds seconds",
            "resilience_time_limit_configured_seconds{name=\"a \\\"b\\\"\\\\\\n\",limit=\"total\"} 30",
        ]
    );
    assert!(text.contains("# TYPE resilience_time_limit_exceeded counter\n"));
    assert!(text.contains("\nresilience_time_limit_exceeded_total{"));
    assert!(text.ends_with("\n# EOF\n"));
}

#[test]
fn a_scrape_gets_what_it_likes_best() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                      text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, format) in [
        (prometheus, Format::OpenMetrics),
        (
            "text/plain;version=0.0.4;q=0.6, application/openmetrics-text;version=1.0.0;q=0.5",
            Format::Prometheus,
        ),
        ("application/openmetrics-text;q=0, text/plain", Format::Prometheus),
        ("Application/OpenMetrics-Text; version=1.0.0, text/plain", Format::OpenMetrics),
        ("application/openmetrics-textual", Format::Prometheus),
        ("*/*", Format::Prometheus),
        ("", Format::Prometheus),
    ] {
        assert_eq!(Format::accepted(accept), format, "{accept}");
    }
}

#[test]
fn a_machine_with_odd_names_does_not_spoil_the_page() {
    struct Pool;

    impl Machine for Pool {
        fn pattern(&self) -> &'static str {
            "my-pool"
        }

        fn measure(&self, _: Moment, to: &mut Measures) {
            let opened =
                Metric::counter("my-pool", "opened.connections", "Connections\nthat were opened.");
            to.count_by(opened, "end point", "a", 3u64);
        }
    }

    let registry = Registry::new();
    registry.add("a", Pool).unwrap();
    let text = registry.text(now(), Format::Prometheus);
    assert!(
        text.ends_with(
            "resilience_my_pool_opened_connections_total{name=\"a\",end_point=\"a\"} 3\n"
        ),
        "{text}"
    );
}

#[test]
fn a_name_is_taken_once_in_a_pattern_until_it_is_removed() {
    let registry = Registry::new();
    let bulkhead = || Bulkhead::try_new(bulkhead::Policy::default()).unwrap();
    registry.add("a", bulkhead()).unwrap();
    registry.add("a", Fallback::default()).unwrap();
    assert_eq!(
        registry.add("a", bulkhead()).unwrap_err().to_string(),
        "there is a bulkhead named \"a\" already: take another name, or remove that one first"
    );
    assert_eq!(registry.remove("a"), 2);
    registry.add("a", bulkhead()).unwrap();
}

#[test]
fn circuits_of_endpoints_have_a_series_each() {
    let circuits =
        breaker::Registry::try_new(breaker::Policy::default(), 10, Duration::from_mins(1));
    let circuits = Arc::new(circuits.unwrap());
    circuits.get(now(), &"10.0.0.7:80");
    circuits.get(now(), &"10.0.0.8:80");
    let registry = Registry::new();
    registry.add("prices", Arc::clone(&circuits)).unwrap();
    let text = registry.text(now(), Format::Prometheus);
    let slow =
        "resilience_circuit_breaker_slow_calls_total{name=\"prices\",endpoint=\"10.0.0.8:80\"} 0\n";
    assert!(text.contains(slow), "{text}");
}

proptest! {
    #[test]
    fn a_name_never_breaks_its_line(name in "\\PC*|[\"\\\\\n{}, ]*") {
        let registry = Registry::new();
        registry.add(name.as_str(), Fallback::default()).unwrap();
        for format in [Format::Prometheus, Format::OpenMetrics] {
            let text = registry.text(now(), format);
            let series = text.lines().filter(|it| !it.starts_with('#')).collect::<Vec<_>>();
            prop_assert_eq!(series.len(), 4);
            let starts = "resilience_fallback_calls_total{name=\"";
            let is_whole = |it: &&str| it.starts_with(starts) && it.ends_with("\"} 0");
            prop_assert!(series.iter().all(is_whole));
        }
    }
}
