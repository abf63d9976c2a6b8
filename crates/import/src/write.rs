//! Load tests as YAML: what is not the default, in the words people write it in.

use std::time::Duration;

use evenkeel_model::document::{
    Call, Checks, Condition, Criterion, Encoding, Extract, Feeder, FileName, LoadStep, LoadTest,
    Mechanism, Owner, Pace, Route, RowOrder, Rows, Scenario, Shape, Source, Stage, StatusCheck,
    Template, Threshold, Tls, Until, Watch, WatchSource,
};

use crate::draft::ANY_GOOD;
use crate::figures::{criterion, duration, limit_of, rate};
use crate::map::{Map, document, one};
use crate::tree::Tree;

/// Writes load tests as a file that is read back as the same.
pub fn to_yaml(tests: &[LoadTest]) -> String {
    let documents: Vec<String> =
        tests.iter().map(|it| document("LoadTest", &it.name, spec(it)).document()).collect();
    documents.join("---\n")
}

fn spec(test: &LoadTest) -> Tree {
    let usual = LoadTest::new("");
    let mut spec = Map::default();
    spec.put_text("description", test.description.as_ref());
    spec.put_text("service", test.service.as_ref());
    spec.put_text("url", test.url.as_ref());
    if let Some(it) = &test.shape {
        spec.put("shape", one(it.name(), shape(it)));
    }
    let (sending, default) = (&test.sending, &usual.sending);
    spec.put_unless("http2", &sending.http2, &default.http2, Tree::word);
    spec.put_unless("threads", &sending.threads, &default.threads, Tree::word);
    spec.put_unless("streams", &sending.streams, &default.streams, Tree::word);
    spec.put_unless("connection", &sending.connection, &default.connection, |it| {
        word(&Owner::NAMES, *it)
    });
    spec.put_unless("pace", &sending.pace, &default.pace, |it| word(&Pace::NAMES, *it));
    spec.put_unless("tls", &sending.tls, &default.tls, tls);
    spec.put_unless("grpc", &sending.grpc, &default.grpc, |it| {
        let mut grpc = Map::default();
        grpc.put_list("proto", &it.files, file);
        grpc.put_list("include", &it.include, file);
        grpc.done()
    });
    spec.put_unless("websocket", &sending.websocket, &default.websocket, |it| {
        let mut websocket = Map::default();
        websocket.put_text("path", it.path.as_ref());
        websocket.put_unless("headers", &it.headers, &Vec::new(), |it| named(it));
        websocket.put_list("protocols", &it.protocols, Tree::text);
        websocket.done()
    });
    if let Some(it) = &sending.sasl {
        let mut sasl = Map::default();
        sasl.put("mechanism", word(&Mechanism::NAMES, it.mechanism));
        sasl.put("user", Tree::text(&it.user));
        sasl.put("password", Tree::text(&it.password));
        spec.put("sasl", sasl.done());
    }
    spec.put_unless("timeout", &test.timeout, &usual.timeout, |it| duration(*it));
    spec.put_unless("connections", &test.connections, &usual.connections, Tree::word);
    if !test.feeders.is_empty() {
        spec.put(
            "data",
            Tree::Map(test.feeders.iter().map(|it| (it.name.clone(), feeder(it))).collect()),
        );
    }
    match test.scenarios.is_empty() {
        true => spec.put("routes", Tree::List(test.routes.iter().map(route).collect())),
        false => spec.put_list("scenarios", &test.scenarios, |it| scenario(test, it)),
    }
    spec.put_list("watch", &test.watch, watch);
    spec.put_list("success", &test.success, threshold);
    spec.done()
}

fn file(name: &FileName) -> Tree {
    Tree::text(name.as_str())
}

/// The name that a choice has in documents.
fn word<T: PartialEq>(names: &[(&'static str, T)], of: T) -> Tree {
    let named = names.iter().find(|(_, it)| *it == of);
    Tree::text(named.map_or("", |(name, _)| name))
}

fn tls(tls: &Tls) -> Tree {
    let mut map = Map::default();
    map.put_text("ca", tls.ca.as_ref().map(FileName::as_str));
    map.put_text("certificate", tls.certificate.as_ref().map(FileName::as_str));
    map.put_text("key", tls.key.as_ref().map(FileName::as_str));
    map.put_text("serverName", tls.server_name.as_ref());
    map.put_unless("insecure", &tls.insecure, &false, Tree::word);
    map.put_unless("resume", &tls.resume, &true, Tree::word);
    map.done()
}

fn shape(shape: &Shape) -> Tree {
    let mut map = Map::default();
    let until = |map: &mut Map, until: &[Criterion]| {
        map.put_list("until", until, |it| Tree::Text(criterion(it)));
    };
    let think = |map: &mut Map, time: &Duration| {
        map.put_unless("thinkTime", time, &Duration::ZERO, |it| duration(*it));
    };
    match shape {
        Shape::Constant { rate: at, duration: time } => {
            map.put("rate", rate(*at));
            map.put("duration", duration(*time));
        }
        Shape::Ramp { from, to, duration: time } => {
            map.put("from", rate(*from));
            map.put("to", rate(*to));
            map.put("duration", duration(*time));
        }
        Shape::Step { start, step, steps, hold, until: ends } => {
            map.put("start", rate(*start));
            map.put("step", rate(*step));
            map.put("steps", Tree::word(steps));
            map.put("hold", duration(*hold));
            until(&mut map, ends);
        }
        Shape::Spike { base, peak, lead, hold, tail } => {
            map.put("base", rate(*base));
            map.put("peak", rate(*peak));
            map.put("lead", duration(*lead));
            map.put("hold", duration(*hold));
            map.put("tail", duration(*tail));
        }
        Shape::Soak { rate: at, ramp_up, duration: time } => {
            map.put("rate", rate(*at));
            map.put_unless("rampUp", ramp_up, &Duration::ZERO, |it| duration(*it));
            map.put("duration", duration(*time));
        }
        Shape::Peak { rate: at, ramp_up, hold, ramp_down } => {
            map.put("rate", rate(*at));
            map.put("rampUp", duration(*ramp_up));
            map.put("hold", duration(*hold));
            map.put("rampDown", duration(*ramp_down));
        }
        Shape::Volume { requests, rate: at } => {
            map.put("requests", Tree::word(requests));
            map.put("rate", rate(*at));
        }
        Shape::Stages { start, stages } => {
            map.put("start", rate(*start));
            map.put_list("stages", stages, |it| stage(it, rate(it.to)));
        }
        Shape::Trace { every, rates } => {
            map.put("every", duration(*every));
            map.put_list("rates", rates, |it| rate(*it));
        }
        Shape::Recorded { every, file: name } => {
            map.put("every", duration(*every));
            map.put("file", file(name));
        }
        Shape::Max { from, to, hold, precision } => {
            map.put("from", rate(*from));
            map.put("to", rate(*to));
            map.put("hold", duration(*hold));
            map.put("precision", Tree::text(precision));
        }
        Shape::Users { users, ramp_up, think_time, duration: time, iterations } => {
            map.put("users", Tree::word(users));
            map.put_unless("rampUp", ramp_up, &Duration::ZERO, |it| duration(*it));
            think(&mut map, think_time);
            if let Some(it) = iterations {
                map.put("iterations", Tree::word(it));
            }
            map.put("duration", duration(*time));
        }
        Shape::UserStages { start, stages, think_time } => {
            map.put("start", Tree::word(start));
            map.put_list("stages", stages, |it| stage(it, Tree::word(&it.to)));
            think(&mut map, think_time);
        }
        Shape::Scale { users, hold, think_time, until: ends } => {
            map.put_list("users", users, Tree::word);
            map.put("hold", duration(*hold));
            think(&mut map, think_time);
            until(&mut map, ends);
        }
    }
    map.done()
}

fn stage<T>(stage: &Stage<T>, to: Tree) -> Tree {
    Map::default().with("to", to).with("duration", duration(stage.duration)).done()
}

fn feeder(feeder: &Feeder) -> Tree {
    let mut map = Map::default();
    match &feeder.rows {
        Rows::Csv(it) => map.put("csv", file(it)),
        Rows::JsonLines(it) => map.put("jsonLines", file(it)),
        Rows::Inline(columns, rows) => {
            let row = |row: &Vec<String>| {
                Tree::Map(columns.iter().cloned().zip(row.iter().map(Tree::text)).collect())
            };
            map.put("rows", Tree::List(rows.iter().map(row).collect()));
        }
    }
    map.put_unless("order", &feeder.order, &RowOrder::Sequential, |it| {
        Tree::text(match it {
            RowOrder::Sequential => "sequential",
            RowOrder::Random => "random",
            RowOrder::Unique => "unique",
        })
    });
    map.done()
}

fn scenario(test: &LoadTest, scenario: &Scenario) -> Tree {
    let mut map = Map::default();
    map.put("name", Tree::text(&scenario.name));
    map.put_unless("weight", &scenario.weight, &1, Tree::word);
    map.put_unless("cookies", &scenario.cookies, &true, Tree::word);
    map.put("steps", steps(test, &scenario.steps));
    map.done()
}

fn steps(test: &LoadTest, all: &[LoadStep]) -> Tree {
    Tree::List(all.iter().filter_map(|it| step(test, it)).collect())
}

/// A step; none when it speaks of a request that the load test does not have.
fn step(test: &LoadTest, step: &LoadStep) -> Option<Tree> {
    Some(match step {
        LoadStep::Request(number) => route(test.routes.get(*number)?),
        LoadStep::Think { from, to } if from == to => one("think", duration(*from)),
        LoadStep::Think { from, to } => one(
            "think",
            Map::default().with("from", duration(*from)).with("to", duration(*to)).done(),
        ),
        LoadStep::Repeat { times, steps: all } => one(
            "repeat",
            Map::default().with("times", Tree::word(times)).with("steps", steps(test, all)).done(),
        ),
        LoadStep::While { condition: holds, at_most, steps: all } => {
            let map = condition(holds).with("atMost", Tree::word(at_most));
            one("while", map.with("steps", steps(test, all)).done())
        }
        LoadStep::If { condition: holds, then, otherwise } => {
            let mut map = condition(holds).with("then", steps(test, then));
            if !otherwise.is_empty() {
                map.put("else", steps(test, otherwise));
            }
            one("if", map.done())
        }
        LoadStep::Transaction { transaction, steps: all } => {
            let name = Tree::text(test.transactions.get(*transaction)?);
            one(
                "transaction",
                Map::default().with("name", name).with("steps", steps(test, all)).done(),
            )
        }
    })
}

fn condition(condition: &Condition) -> Map {
    let map = Map::default();
    match condition {
        Condition::Exists(variable) => map.with("exists", Tree::text(variable)),
        Condition::Equal(a, b) => map.with("equal", Tree::texts([a, b])),
        Condition::Different(a, b) => map.with("different", Tree::texts([a, b])),
        Condition::Chance(share) => map.with("chance", Tree::text(share)),
    }
}

fn route(route: &Route) -> Tree {
    let mut map = Map::default();
    if route.name != route.call.title() {
        map.put("name", Tree::text(&route.name));
    }
    map.put_unless("weight", &route.weight, &1, Tree::word);
    call(&mut map, &route.call);
    if let Some(it) = checks(&route.checks, &route.call) {
        map.put("checks", it);
    }
    if !route.extract.is_empty() {
        map.put(
            "extract",
            Tree::Map(route.extract.iter().map(|it| (it.var.clone(), extract(it))).collect()),
        );
    }
    map.done()
}

fn named(list: &[(String, Template)]) -> Tree {
    Tree::Map(list.iter().map(|(name, value)| (name.clone(), Tree::text(value))).collect())
}

fn call(map: &mut Map, call: &Call) {
    match call {
        Call::Http { method, path, headers, body } => {
            map.put_unless("method", method, &"GET".to_owned(), Tree::text);
            map.put("path", Tree::text(path));
            map.put_unless("headers", headers, &Vec::new(), |it| named(it));
            map.put_text("body", body.as_ref());
        }
        Call::Grpc { method, messages, metadata, pacing } => {
            let mut of = Map::default().with("method", Tree::text(method));
            match messages.as_slice() {
                [one] => of.put("message", Tree::text(one)),
                several => of.put("messages", Tree::texts(several)),
            }
            of.put_unless("every", &pacing.every, &None, |it| duration(it.unwrap_or_default()));
            of.put_unless("await", &pacing.awaits, &false, Tree::text);
            of.put_unless("metadata", metadata, &Vec::new(), |it| named(it));
            map.put("grpc", of.done());
        }
        Call::Message { payload, encoding, until: end } => {
            let mut of = Map::default();
            of.put_unless("send", payload, &Template::default(), Tree::text);
            of.put_unless("encoding", encoding, &Encoding::Text, |it| {
                Tree::text(match it {
                    Encoding::Text => "text",
                    Encoding::Hex => "hex",
                    Encoding::Base64 => "base64",
                })
            });
            of.put_unless("until", end, &Until::Message, until);
            map.put("message", of.done());
        }
        Call::Produce { topic, key, value } => {
            let mut of = Map::default().with("topic", Tree::text(topic));
            of.put_text("key", key.as_ref());
            map.put("produce", of.with("value", Tree::text(value)).done());
        }
        Call::Consume { topic } => map.put("consume", one("topic", Tree::text(topic))),
        Call::Query { name, record } => {
            let mut of = Map::default().with("name", Tree::text(name));
            of.put_unless("record", record, &"A".to_owned(), Tree::text);
            map.put("query", of.done());
        }
    }
}

fn until(until: &Until) -> Tree {
    match until {
        Until::Message => Tree::text("message"),
        Until::Line => Tree::text("line"),
        Until::Close => Tree::text("close"),
        Until::Nothing => Tree::text("nothing"),
        Until::Bytes(count) => one("bytes", Tree::word(count)),
        Until::Prefix(count) => one("prefix", Tree::word(count)),
        Until::Delimiter(text) => one("delimiter", Tree::text(text)),
    }
}

fn checks(checks: &Checks, call: &Call) -> Option<Tree> {
    let usual = match call {
        Call::Http { .. } => vec![ANY_GOOD],
        _ => Vec::new(),
    };
    let mut map = Map::default();
    if checks.status != usual && !checks.status.is_empty() {
        map.put_list("status", &checks.status, |it| status(*it));
    }
    map.put_list("body", &checks.contains, Tree::text);
    map.put_list("lacks", &checks.lacks, Tree::text);
    map.put_list("matches", &checks.matches, Tree::text);
    let texts = |list: &Vec<(String, String)>| {
        Tree::Map(list.iter().map(|(key, value)| (key.clone(), Tree::text(value))).collect())
    };
    map.put_unless("json", &checks.json, &Vec::new(), texts);
    map.put_unless("headers", &checks.headers, &Vec::new(), texts);
    (!map.is_empty()).then(|| map.done())
}

fn status(status: StatusCheck) -> Tree {
    let StatusCheck { from, to } = status;
    match (from, to) {
        _ if from == to => Tree::word(&from),
        _ if from % 100 == 0 && to == from + 99 => Tree::Text(format!("{}xx", from / 100)),
        _ => Tree::Text(format!("{from}-{to}")),
    }
}

fn extract(extract: &Extract) -> Tree {
    let mut map = Map::default();
    match &extract.from {
        Source::Json(path) => map.put("json", Tree::text(path)),
        Source::Header(name) => map.put("header", Tree::text(name)),
        Source::Regex(pattern) => map.put("regex", Tree::text(pattern)),
        Source::Between(a, b) => map.put("between", Tree::texts([a, b])),
        Source::Body => map.put("body", Tree::word(&true)),
        Source::Status => map.put("status", Tree::word(&true)),
    }
    map.put_text("default", extract.default.as_ref());
    map.done()
}

fn watch(watch: &Watch) -> Tree {
    let mut map = Map::default();
    map.put("name", Tree::text(&watch.name));
    match &watch.source {
        WatchSource::Process(finder) => {
            let mut found = Map::default();
            found.put_finder(finder);
            map.put("process", found.done());
        }
        WatchSource::Host => map.put("host", Tree::word(&true)),
        WatchSource::Promql { url, query } => {
            let of = Map::default().with("url", Tree::text(url)).with("query", Tree::text(query));
            map.put("promql", of.done());
        }
    }
    map.put_unless("every", &watch.every, &Duration::from_secs(1), |it| duration(*it));
    if !watch.limits.is_empty() {
        let limits =
            watch.limits.iter().map(|(figure, limit)| (figure.clone(), limit_of(figure, *limit)));
        map.put("limits", Tree::Map(limits.collect()));
    }
    map.done()
}

fn threshold(threshold: &Threshold) -> Tree {
    let that = Tree::Text(criterion(&threshold.criterion));
    if threshold.route.is_none() && threshold.phase.is_none() && !threshold.stop {
        return that;
    }
    let mut map = Map::default();
    map.put("that", that);
    map.put_text("route", threshold.route.as_ref());
    map.put_text("phase", threshold.phase.as_ref());
    map.put_unless("stop", &threshold.stop, &false, Tree::word);
    map.done()
}
