//! Files with `performance_tests:` and `monitoring:`, a form that is in use elsewhere: every test in them is a
//! load test of ours.
//!
//! Bare numbers are what they are there: times in seconds, limits of response times in milliseconds, shares in
//! percent. What such a file asks for and nobody could judge or track is warned of, never dropped.

use std::time::Duration;

use evenkeel_units::{Ratio, parse_duration};
use serde_json::{Value as Json, json};

use super::load::{breakdown, http_status};
use crate::decode::codec::{
    Codec, Definitions, Integer, List, Naming, Object, Problem, Takes, Word, choice, cut,
    wrong_sort,
};
use crate::decode::fields::Fields;
use crate::decode::values::{condition, prose, range, request, unit};
use crate::decode::{Code, Decoded, Findings, Reading, codes};
use crate::document::{
    Call, Checks, Comparison, Criterion, Document, LoadTest, Metric, Route, Shape, Stage, Template,
    Threshold, Unit, Watch, WatchSource,
};
use crate::yaml::{Node, Place, Sort, Value};

/// The key by which such a file is known.
pub(in crate::decode) const TESTS: &str = "performance_tests";
const MONITORING: &str = "monitoring";

/// A warning, for when the file has no errors.
struct Warning {
    code: Code,
    place: Place,
    message: String,
    help: String,
}

/// What a file asks for beside its tests.
#[derive(Default)]
struct Monitoring {
    watch: Vec<Watch>,
    success: Vec<Threshold>,
    warnings: Vec<Warning>,
}

/// A test, and what of it could not be taken over.
struct Test {
    load: LoadTest,
    warnings: Vec<Warning>,
}

/// Reads such a file.
pub(in crate::decode) fn read(root: &Node, found: &mut Findings) -> Reading {
    let before = found.count();
    for it in root.entries().iter().filter(|it| ![TESTS, MONITORING].contains(&it.key.as_str())) {
        let message = format!("`{}` beside `{TESTS}`", cut(&it.key));
        let help =
            format!("Only `{TESTS}` and `{MONITORING}` are read here; put the rest elsewhere.");
        found.report(codes::UNKNOWN_FIELD, it.key_place, message, help);
    }
    let monitoring = match root.entry(MONITORING) {
        Some(it) => MONITORED.read(&it.value, it.key_place, found),
        None => Some(Monitoring::default()),
    };
    let Some(tests) = root.entry(TESTS) else { return Reading::default() };
    if tests.value.entries().is_empty() {
        wrong_sort(&tests.value, tests.key_place, "a map of tests", found);
        return Reading::default();
    }
    let (mut documents, mut broken, mut warnings) = (Vec::new(), None, Vec::new());
    for it in tests.value.entries() {
        let count = found.count();
        let test = name_fits(&it.key, it.key_place, found)
            .then(|| test(&it.value, it.key_place, found))
            .flatten();
        match test.zip(monitoring.as_ref()).filter(|_| found.count() == count) {
            None => broken = broken.or(Some(("LoadTest", it.key.clone()))),
            Some((mut test, monitoring)) => {
                test.load.name.clone_from(&it.key);
                test.load.success.extend(monitoring.success.iter().cloned());
                test.load.watch.clone_from(&monitoring.watch);
                warnings.extend(test.warnings);
                let document = Document::LoadTest(Box::new(test.load));
                let spec = it.value.clone();
                documents.push(Decoded { document, name_place: it.key_place, spec });
            }
        }
    }
    warnings.extend(monitoring.into_iter().flat_map(|it| it.warnings));
    if found.count() == before {
        for it in warnings {
            found.report(it.code, it.place, it.message, it.help);
        }
    }
    Reading { documents, broken, ..Reading::default() }
}

fn name_fits(name: &str, place: Place, found: &mut Findings) -> bool {
    let fits = (1..=63).contains(&name.len())
        && name.starts_with(|it: char| it.is_ascii_alphanumeric())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-".contains(&it));
    if !fits {
        let message = format!("`{}` is not a name of a test", cut(name));
        let help = "Use letters, digits, `_` and `-`, 63 at most.";
        found.report(codes::NAME, place, message, help);
    }
    fits
}

/// The types of tests.
const TYPES: [(&str, Object<Test>); 5] = [
    ("baseline", Object { title: "BaselineTest", fields: |f| steady(f, "300") }),
    ("stress", Object { title: "StressTest", fields: stress }),
    ("spike", Object { title: "SpikeTest", fields: spike }),
    ("endurance", Object { title: "EnduranceTest", fields: |f| steady(f, "3600") }),
    ("volume", Object { title: "VolumeTest", fields: |f| steady(f, "300") }),
];

fn test(node: &Node, at: Place, found: &mut Findings) -> Option<Test> {
    let names = TYPES.map(|(it, _)| it);
    let Some(entry) = node.entry("type") else {
        let help = format!("Add `type:` with one of {}.", names.join(", "));
        found.report(codes::MISSING_FIELD, at, "the field `type` is missing", help);
        return None;
    };
    let word = entry.value.text().unwrap_or_default();
    let Some((_, object)) = TYPES.iter().find(|(it, _)| *it == word) else {
        let message = format!("`{}` is not a type of test", cut(word));
        let place = node.locate("type");
        found.report(codes::CHOICE, place, message, choice(word, &names));
        return None;
    };
    object.read(node, at, found)
}

/// A bare number of some unit, or a quantity with its own.
fn seconds() -> Word<Duration> {
    let parse = |text: &str| match text.trim().parse::<f64>() {
        Ok(it) if (0.0..=1e9).contains(&it) => Ok(Duration::from_secs_f64(it)),
        Ok(_) => Err(range(
            format!("`{}` is no time", cut(text)),
            "Give a number of seconds, such as `300`.",
        )),
        Err(_) => parse_duration(text).map_err(|it| unit(&it)),
    };
    Word { expected: "a number of seconds", takes: Takes::Scalars, parse, schema: || json!({}) }
}

/// The type has been read; it is asked for so that it counts as known.
fn head(f: &mut Fields<'_>) -> Option<(String, Template)> {
    f.optional("type", "What the test is for.", prose());
    f.required("target_url", "What is requested.", target())
}

/// Base and path of a URL.
fn target() -> Naming<Word<(String, Template)>> {
    let parse = |text: &str| {
        let (base, path) = request::split_url(text)?;
        if !base.starts_with("http") {
            let message = format!("`{}` is not a URL of HTTP", cut(text));
            let help = "Write one that begins with `http://` or `https://`.";
            return Err(Problem::new(codes::ADDRESS, message, help));
        }
        Ok((base, (request::path().0.parse)(path)?))
    };
    Naming(Word { expected: "a URL", takes: Takes::Text, parse, schema: || json!({}) })
}

fn users(f: &mut Fields<'_>, name: &'static str, default: &str) -> Option<u32> {
    let reason = "Each user is a connection; 65,535 is what a host can have.";
    let users = Integer { min: 1, max: 65_535, reason };
    f.default(name, "How many users at once.", users, default).map(|it| it as u32)
}

/// A test of one request, with what must hold.
fn whole(
    f: &mut Fields<'_>,
    target: Option<(String, Template)>,
    shape: Option<Shape>,
) -> Option<Test> {
    let sentence = "What must hold.";
    let (success, warnings) = f.or_empty("success_criteria", sentence, Criteria)?;
    let (url, path) = target?;
    let shape = shape?;
    let call = Call::Http { method: "GET".to_owned(), path, headers: Vec::new(), body: None };
    let checks = Checks { status: http_status(), ..Checks::default() };
    let name = call.title();
    let mut load = LoadTest::new("");
    load.connections = load.connections.max(shape.users().unwrap_or_default());
    load.url = Some(url);
    load.shape = Some(shape);
    load.routes = vec![Route { name, weight: 1, call, checks, extract: Vec::new() }];
    load.success = success;
    Some(Test { load, warnings })
}

fn steady(f: &mut Fields<'_>, usual: &str) -> Option<Test> {
    let target = head(f);
    let users = users(f, "concurrent_users", "10");
    let duration = f.default("duration", "For how long.", seconds(), usual);
    let ramp_up = f.default("ramp_up", "Time over which users arrive.", seconds(), "60");
    let duration = some_time(f, "duration", duration);
    let both = ramp_up.zip(duration);
    if both.is_some_and(|(ramp_up, duration)| ramp_up > duration) {
        let help = "The time of the ramp is part of the duration; make it shorter.";
        f.refuse("ramp_up", codes::RANGE, "the ramp is longer than the whole", help);
    }
    let shape = users.zip(both).map(|(users, (ramp_up, duration))| Shape::Users {
        users,
        ramp_up,
        think_time: Duration::ZERO,
        duration,
        iterations: None,
    });
    whole(f, target, shape)
}

/// A time in which something happens.
fn some_time(f: &mut Fields<'_>, name: &'static str, time: Option<Duration>) -> Option<Duration> {
    if time.is_some_and(|it| it.is_zero()) {
        let help = "Nothing can happen in no time; give a number of seconds.";
        f.refuse(name, codes::RANGE, "no time at all", help);
    }
    time.filter(|it| !it.is_zero())
}

fn stress(f: &mut Fields<'_>) -> Option<Test> {
    let target = head(f);
    let first = users(f, "initial_users", "10");
    let last = users(f, "max_users", "1000");
    let step = users(f, "step_size", "10");
    let hold = f.default("step_duration", "Length of a step.", seconds(), "120");
    let hold = some_time(f, "step_duration", hold);
    let steps = first.zip(last).zip(step).and_then(|((first, last), step)| {
        let steps: Vec<u32> = (first..=last).step_by(step as usize).collect();
        let (message, help) = match steps.len() {
            0 => ("the first step has more users than the last", "Raise `max_users`."),
            1..=1_000 => return Some(steps),
            _ => ("more than 1,000 steps", "Raise `step_size`."),
        };
        f.refuse("max_users", codes::RANGE, message, help);
        None
    });
    let shape = steps.zip(hold).map(|(users, hold)| Shape::Scale {
        users,
        hold,
        think_time: Duration::ZERO,
        until: breakdown(),
    });
    whole(f, target, shape)
}

/// The time before and after a spike.
const CALM: Duration = Duration::from_mins(2);

fn spike(f: &mut Fields<'_>) -> Option<Test> {
    let target = head(f);
    let base = users(f, "baseline_users", "10");
    let peak = users(f, "spike_users", "100");
    let hold = f.default("spike_duration", "Length of the spike.", seconds(), "60");
    let hold = some_time(f, "spike_duration", hold);
    if base.zip(peak).is_some_and(|(base, peak)| base >= peak) {
        let help = "Give more users than there are before.";
        f.refuse("spike_users", codes::RANGE, "the spike is not one", help);
    }
    let shape = base.zip(peak).zip(hold).map(|((base, peak), hold)| {
        let stage = |to, duration| Stage { to, duration };
        Shape::UserStages {
            start: base,
            stages: vec![
                stage(base, CALM),
                stage(peak, Duration::ZERO),
                stage(peak, hold),
                stage(base, Duration::ZERO),
                stage(base, CALM),
            ],
            think_time: Duration::ZERO,
        }
    });
    whole(f, target, shape)
}

/// The figure that a criterion is about, and whether it is that of the spike alone.
pub(crate) fn figure(name: &str) -> Option<(Metric, bool)> {
    let of_spike = name.strip_prefix("spike_");
    Metric::parse(of_spike.unwrap_or(name)).map(|it| (it, of_spike.is_some()))
}

/// `success_criteria`: limits of figures, and wishes that have none.
struct Criteria;

impl Codec for Criteria {
    type Value = (Vec<Threshold>, Vec<Warning>);

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Self::Value> {
        let Value::Map(entries) = &node.value else {
            wrong_sort(node, at, "a map of conditions", found);
            return None;
        };
        let (mut success, mut warnings, mut is_whole) = (Vec::new(), Vec::new(), true);
        for it in entries {
            let text = it.value.text().unwrap_or_default();
            if let Sort::Boolean(wished) = it.value.sort() {
                if wished {
                    warnings.push(Warning {
                        code: codes::NOT_JUDGED,
                        place: it.key_place,
                        message: format!("`{}` has no figure, and is not judged", cut(&it.key)),
                        help: "Say what it means, such as `availability: \"> 90%\"`.".to_owned(),
                    });
                }
                continue;
            }
            let read = match figure(&it.key) {
                Some((metric, of_spike)) => Criterion::parse_limit(metric, text).map(|it| {
                    let phase = of_spike.then(|| "spike".to_owned());
                    success.push(Threshold { phase, ..Threshold::from(it) });
                }),
                None => Err(crate::document::CriterionError::Metric(cut(&it.key))),
            };
            if let Err(error) = read {
                let place = match error {
                    crate::document::CriterionError::Metric(_) => it.key_place,
                    _ => node.locate(&it.key),
                };
                let it = condition::problem(&error);
                found.report(it.code, place, it.message, it.help);
                is_whole = false;
            }
        }
        is_whole.then_some((success, warnings))
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        json!({"type": "object"})
    }
}

const MONITORED: Object<Monitoring> = Object { title: "Monitoring", fields: monitoring };

fn monitoring(f: &mut Fields<'_>) -> Option<Monitoring> {
    let watch = List { of: super::load::watch(), min: 0 };
    let watch = f.or_empty("watch", "Where figures of the target's side are read.", watch);
    let tracked = f.or_empty("metrics_to_track", "Figures that are shown.", Tracked);
    let alerts = f.or_empty("alert_thresholds", "Limits of figures.", Alerts);
    let (mut watch, tracked, (success, limits)) = (watch?, tracked?, alerts?);
    let host = [("cpu_utilization", "cpu_ratio"), ("memory_usage", "memory_ratio")];
    if !limits.is_empty() || tracked.iter().any(|(it, _)| host.iter().any(|(name, _)| name == it)) {
        let of = |name: &str| host.iter().find(|it| it.0 == name).map_or("", |it| it.1);
        let limits = limits.into_iter().map(|(name, it)| (of(&name).to_owned(), it)).collect();
        let every = Duration::from_secs(1);
        watch.push(Watch { name: "host".to_owned(), source: WatchSource::Host, every, limits });
    }
    let ours = ["response_time_percentiles", "response_time", "error_rate", "throughput"];
    let is_known = |name: &str| {
        ours.contains(&name)
            || host.iter().any(|it| it.0 == name)
            || Metric::parse(name).is_some()
            || watch.iter().any(|it| it.name == name)
    };
    let unknown = tracked.into_iter().filter(|(name, _)| !is_known(name));
    let warnings = unknown.map(|(name, place)| Warning {
        code: codes::NOT_TRACKED,
        place,
        message: format!("nothing says where `{}` is to be read", cut(&name)),
        help: format!(
            "Add to `{MONITORING}`: `watch: [{{name: {}, promql: {{url: \"http://127.0.0.1:9090\", query: \"…\"}}}}]`.",
            cut(&name)
        ),
    });
    let warnings = warnings.collect();
    Some(Monitoring { watch, success, warnings })
}

/// Names of figures, and where each stands.
struct Tracked;

impl Codec for Tracked {
    type Value = Vec<(String, Place)>;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Self::Value> {
        let names = List { of: prose(), min: 0 }.read(node, at, found)?;
        let Value::List(items) = &node.value else { return None };
        Some(names.into_iter().zip(items.iter().map(|it| it.place)).collect())
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        json!({"type": "array", "items": {"type": "string"}})
    }
}

/// Limits of figures: those of the load, and those of the host.
struct Alerts;

impl Codec for Alerts {
    type Value = (Vec<Threshold>, Vec<(String, f64)>);

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Self::Value> {
        let Value::Map(entries) = &node.value else {
            wrong_sort(node, at, "a map of limits", found);
            return None;
        };
        let (mut success, mut host, mut is_whole) = (Vec::new(), Vec::new(), true);
        for it in entries {
            let number = match it.value.sort() {
                Sort::Number(number) if number.is_finite() && number >= 0.0 => number,
                _ => {
                    wrong_sort(&it.value, it.key_place, "a number", found);
                    is_whole = false;
                    continue;
                }
            };
            let share = Ratio::new(number / 100.0);
            match (it.key.as_str(), Metric::parse(&it.key), share) {
                ("cpu_utilization" | "memory_usage", _, Some(share)) => {
                    host.push((it.key.clone(), share.get()));
                }
                (_, Some(metric), share) if metric.unit() != Unit::Ratio || share.is_some() => {
                    success.push(Threshold::from(alert(metric, number)));
                }
                (_, metric, _) => {
                    let (message, help) = match metric {
                        None if !matches!(it.key.as_str(), "cpu_utilization" | "memory_usage") => (
                            format!("`{}` is not a figure with a limit we know", cut(&it.key)),
                            "Write it under `watch`, with its `limits`.",
                        ),
                        _ => (format!("{number}% is more than everything"), "Give a percentage."),
                    };
                    found.report(codes::CHOICE, it.key_place, message, help);
                    is_whole = false;
                }
            }
        }
        is_whole.then_some((success, host))
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        json!({"type": "object"})
    }
}

/// The contrary of an alarm. Shares are in percent, times in milliseconds.
fn alert(metric: Metric, number: f64) -> Criterion {
    let comparison = match metric {
        Metric::Availability
        | Metric::Throughput
        | Metric::BreakdownUsers
        | Metric::BreakdownRate => Comparison::AtLeast,
        _ => Comparison::AtMost,
    };
    let limit = match metric.unit() {
        Unit::Ratio => number / 100.0,
        Unit::Seconds => number / 1e3,
        Unit::PerSecond | Unit::Users => number,
    };
    Criterion { metric, comparison, limit, sustained: None }
}
