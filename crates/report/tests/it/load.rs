//! Every variant of a load fits the schema of a report, or the schema has drifted.

use std::time::Duration;

use evenkeel_model::document::{
    Call, Checks, Condition, Criterion, Encoding, Extract, Feeder, Finder, LoadStep, Pace, Pacing,
    Route, RowOrder, Rows, Scenario, Shape, Source, Stage, StatusCheck, Template, Threshold, Until,
    Watch, WatchSource,
};
use evenkeel_units::{Rate, Ratio};

use crate::fixture;
use crate::json::assert_fits;

const SECOND: Duration = Duration::from_secs(1);

fn template() -> Template {
    Template::parse("${data:users.id} ${env:TOKEN}").unwrap()
}

fn breakdown() -> Vec<Criterion> {
    vec![Criterion::parse("error_rate > 5%").unwrap()]
}

#[test]
fn every_shape_follows_the_schema() {
    let mut it = fixture::failing();
    let rate = Rate::per_second(5.0).unwrap();
    let (second, until) = (SECOND, breakdown());
    let shapes = [
        Shape::Constant { rate, duration: second },
        Shape::Ramp { from: rate, to: rate, duration: second },
        Shape::Step { start: rate, step: rate, steps: 2, hold: second, until: until.clone() },
        Shape::Spike { base: rate, peak: rate, lead: second, hold: second, tail: second },
        Shape::Soak { rate, ramp_up: second, duration: second },
        Shape::Peak { rate, ramp_up: second, hold: second, ramp_down: second },
        Shape::Volume { requests: 7, rate },
        Shape::Stages { start: rate, stages: vec![Stage { to: rate, duration: second }] },
        Shape::Trace { every: second, rates: vec![rate] },
        Shape::Max { from: rate, to: rate, hold: second, precision: Ratio::percent(5) },
        Shape::Users {
            users: 4,
            ramp_up: second,
            think_time: second,
            duration: second,
            iterations: Some(3),
        },
        Shape::UserStages {
            start: 1,
            stages: vec![Stage { to: 4, duration: second }],
            think_time: second,
        },
        Shape::Scale { users: vec![1, 2], hold: second, think_time: second, until },
    ];
    for shape in shapes {
        it.plan.load.as_mut().unwrap().shape = Some(shape);
        assert_fits(&it);
    }
}

#[test]
fn every_call_check_and_extract_follows_the_schema() {
    let mut it = fixture::failing();
    let text = || "x".to_owned();
    let message = |encoding, until| Call::Message { payload: template(), encoding, until };
    let calls = [
        Call::Http {
            method: text(),
            path: template(),
            headers: vec![(text(), template())],
            body: Some(template()),
        },
        Call::Grpc {
            method: text(),
            messages: vec![template()],
            metadata: vec![(text(), template())],
            pacing: Pacing { every: Some(Duration::from_millis(100)), awaits: true },
        },
        message(Encoding::Text, Until::Message),
        message(Encoding::Hex, Until::Line),
        message(Encoding::Base64, Until::Bytes(4)),
        message(Encoding::Text, Until::Prefix(4)),
        message(Encoding::Text, Until::Delimiter(text())),
        message(Encoding::Text, Until::Close),
        message(Encoding::Text, Until::Nothing),
        Call::Produce { topic: text(), key: Some(template()), value: template() },
        Call::Consume { topic: text() },
        Call::Query { name: template(), record: text() },
    ];
    let sources = [
        Source::Json(text()),
        Source::Header(text()),
        Source::Regex(text()),
        Source::Between(text(), text()),
        Source::Body,
        Source::Status,
    ];
    let checks = Checks {
        status: vec![StatusCheck { from: 200, to: 204 }],
        contains: vec![text()],
        lacks: vec![text()],
        matches: vec![text()],
        json: vec![(text(), text())],
        headers: vec![(text(), text())],
    };
    let extract = sources.map(|from| Extract { var: text(), from, default: Some(text()) });
    for call in calls {
        let (checks, extract) = (checks.clone(), extract.to_vec());
        it.plan.load.as_mut().unwrap().routes =
            vec![Route { name: text(), weight: 1, call, checks, extract }];
        assert_fits(&it);
    }
}

#[test]
fn every_step_feeder_and_watch_follows_the_schema() {
    let mut it = fixture::failing();
    let (a, b) = (template(), Template::literal("b"));
    let steps = || vec![LoadStep::Request(0)];
    let repeat = |condition| LoadStep::While { condition, at_most: 3, steps: steps() };
    let load = it.plan.load.as_mut().unwrap();
    load.scenarios = vec![Scenario {
        name: "buyer".to_owned(),
        weight: 1,
        cookies: true,
        steps: vec![
            LoadStep::Think { from: SECOND, to: SECOND },
            LoadStep::Repeat { times: 2, steps: steps() },
            repeat(Condition::Exists("id".to_owned())),
            repeat(Condition::Equal(a.clone(), b.clone())),
            repeat(Condition::Different(a, b)),
            LoadStep::If {
                condition: Condition::Chance(Ratio::percent(30)),
                then: steps(),
                otherwise: steps(),
            },
            LoadStep::Transaction { transaction: 0, steps: steps() },
        ],
    }];
    load.transactions = vec!["checkout".to_owned()];
    let file = "users".to_owned();
    let rows = [
        (Rows::Csv(file.clone().into()), RowOrder::Sequential),
        (Rows::JsonLines(file.clone().into()), RowOrder::Random),
        (Rows::Inline(vec![file.clone()], vec![vec![file.clone()]]), RowOrder::Unique),
    ];
    load.feeders = rows.map(|(rows, order)| Feeder { name: file.clone(), rows, order }).to_vec();
    let sources = [
        WatchSource::Host,
        WatchSource::Process(Finder::Port(8080)),
        WatchSource::Promql { url: file.clone(), query: file.clone() },
    ];
    let limits = vec![("value".to_owned(), 1.5)];
    let watch =
        |source| Watch { name: file.clone(), source, every: SECOND, limits: limits.clone() };
    load.watch = sources.map(watch).to_vec();
    load.sending.tls.ca = Some(file.clone().into());
    load.sending.grpc.files = vec![file.into()];
    load.success = vec![Threshold {
        route: Some("list".to_owned()),
        phase: Some("spike".to_owned()),
        stop: true,
        ..Threshold::from(Criterion::parse("p99 < 1s").unwrap())
    }];
    for (_, pace) in Pace::NAMES {
        it.plan.load.as_mut().unwrap().sending.pace = pace;
        assert_fits(&it);
    }
}
