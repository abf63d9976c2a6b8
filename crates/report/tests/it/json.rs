//! The JSON and its schema describe each other.

use evenkeel_model::Outcome;
use evenkeel_model::document::{
    AllowFaults, Amount, AnswerChange, Criterion, Direction, ErrorBudget, Fault, FileName, Finder,
    HeaderChange, Indicator, Limit, Metric, Mode, Parts, Probe, ProbeKind, Protocol, Requests,
    Selector, Start, Target, Traffic,
};
use evenkeel_model::outcome::Ending;
use evenkeel_report::json;
use evenkeel_units::{Bytes, Rate, Ratio};
use serde_json::Value;
use std::time::Duration;

use crate::fixture;

fn written(outcome: &Outcome) -> Value {
    serde_json::from_str(&json::render(outcome)).unwrap()
}

#[track_caller]
pub(crate) fn assert_fits(outcome: &Outcome) {
    let validator = jsonschema::validator_for(&json::schema()).unwrap();
    let report = written(outcome);
    let errors: Vec<_> =
        validator.iter_errors(&report).map(|it| format!("{}: {it}", it.instance_path())).collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn every_report_follows_the_published_schema() {
    for (_, outcome) in fixture::all().into_iter().filter(|(name, _)| *name != "not-numbers") {
        assert_fits(&outcome);
    }
}

#[test]
fn an_unknown_or_missing_key_does_not_follow_the_schema() {
    let validator = jsonschema::validator_for(&json::schema()).unwrap();
    let mut report = written(&fixture::failing());
    report["plan"]["surprise"] = Value::from(1);
    assert!(!validator.is_valid(&report));
    let mut report = written(&fixture::failing());
    report["totals"].as_object_mut().unwrap().remove("p99_seconds");
    assert!(!validator.is_valid(&report));
}

#[test]
fn the_name_of_the_schema_comes_first_and_the_rest_is_read_back() {
    let outcome = fixture::failing();
    let text = json::render(&outcome);
    assert!(
        text.starts_with("{\n  \"schema\": \"evenkeel.dev/report/v1\",\n  \"run\": {"),
        "{text:.80}"
    );
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
}

/// Variants that no single drill has at once; each must fit, or the schema has drifted.
#[test]
fn every_variant_of_the_plan_follows_the_schema() {
    let mut it = fixture::failing();
    let (second, rate) = (Duration::from_secs(1), Rate::per_second(5.0).unwrap());
    let (half, status) = (Ratio::percent(50), 503);
    let faults = [
        Fault::BlackHole,
        Fault::HttpErrors { share: half, status, of: Requests::default() },
        Fault::HttpChange {
            request: HeaderChange::default(),
            response: AnswerChange { status: Some(200), ..AnswerChange::default() },
            share: half,
            of: Requests { path: Some("/users/*".to_owned()), ..Requests::default() },
        },
        Fault::Memory { amount: Amount::Bytes(Bytes(64)) },
        Fault::DiskFill { path: "/var/tmp".into(), amount: Amount::Share(half) },
    ];
    for fault in faults {
        it.plan.faults[0].fault = fault;
        assert_fits(&it);
    }
    let parts = |name| {
        let labels = [("zone".to_owned(), "a".to_owned())].into();
        Parts { service: Some("shop".to_owned()), labels, ..Parts::named(name) }
    };
    let traffic = |host, port| {
        let (protocol, direction) = (Protocol::Udp, Direction::To);
        Selector::Traffic(Traffic { host, port, protocol, direction })
    };
    let targets = [
        (Selector::Process(Finder::Pid(7)), Mode::One),
        (Selector::Process(Finder::Executable("nginx".to_owned())), Mode::All),
        (Selector::Process(Finder::Port(80)), Mode::Count(2)),
        (Selector::Process(Finder::CommandLine("*shop*".to_owned())), Mode::One),
        (Selector::Process(Finder::Cgroup("/shop".to_owned())), Mode::One),
        (Selector::Process(Finder::Unit("shop.service".to_owned())), Mode::One),
        (Selector::Instances(parts("*")), Mode::Share(half)),
        (Selector::Dependency(parts("payment")), Mode::One),
        (traffic(None, None), Mode::All),
        (traffic("10.0.0.0/8".parse().ok(), Some(53)), Mode::All),
    ];
    for (select, mode) in targets {
        it.plan.faults[0].target = Some(Target { select, mode });
        assert_fits(&it);
    }
    it.plan.faults[0].target = None;
    let indicators = [
        Indicator::Availability,
        Indicator::ErrorRate { max: half },
        Indicator::Throughput { min: rate },
    ];
    for indicator in indicators {
        it.plan.objectives[0].indicator = indicator;
        assert_fits(&it);
    }
    for (_, metric) in Metric::NAMES {
        it.plan.success =
            vec![Criterion { metric, ..Criterion::parse("p99 < 1s for 3s").unwrap() }.into()];
        assert_fits(&it);
    }
    let budget = ErrorBudget {
        url: "http://127.0.0.1:9090".to_owned(),
        query: "error_budget_remaining".to_owned(),
        min: half,
    };
    let kinds = [
        ProbeKind::Tcp { address: "127.0.0.1:80".to_owned(), within: second },
        ProbeKind::Process { find: Finder::Pid(7) },
        ProbeKind::Promql {
            url: "http://127.0.0.1:9090".to_owned(),
            query: "min(up)".to_owned(),
            value: Limit::parse(">= 1").unwrap(),
            within: second,
        },
        ProbeKind::ErrorBudget(budget.clone()),
    ];
    it.plan.safety.error_budgets = vec![budget];
    it.plan.steady_state = kinds.map(Probe::new).to_vec();
    it.plan.service.start = Some(Start {
        command: vec![],
        folder: FileName::new("."),
        ready: String::new(),
        timeout: second,
    });
    for allow in [AllowFaults::None, AllowFaults::All] {
        it.plan.service.allow_faults = allow;
        assert_fits(&it);
    }
    for ending in [Ending::Aborted, Ending::Refused, Ending::Inconclusive, Ending::CouldNotRun] {
        it.verdict.result = ending;
        assert_fits(&it);
    }
}
