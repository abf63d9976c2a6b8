//! Load tests by themselves: every form is read, every mistake is found at its place, and each has a plan.

use std::path::Path;
use std::time::Duration;

use evenkeel_model::document::{
    Call, Checks, Condition, Encoding, LoadStep, LoadTest, Mechanism, Owner, Pacing, Role, Rows,
    Shape, Source, Template, Until, WatchSource,
};
use evenkeel_model::library::plan_of_load;
use evenkeel_model::{Library, render};
use evenkeel_units::Seed;

use super::{check, findings};

fn document(spec: &str) -> String {
    let spec: String = spec.lines().map(|it| format!("  {it}\n")).collect();
    format!("apiVersion: evenkeel.dev/v1\nkind: LoadTest\nmetadata: {{name: it}}\nspec:\n{spec}")
}

/// A load test that is right.
fn read(spec: &str) -> LoadTest {
    let (library, found) = check(&document(spec));
    assert!(found.is_empty(), "{}", render(&found, false));
    library.load_test("it").unwrap().clone()
}

/// A load test of one route over `http`, with this shape.
fn shaped(shape: &str) -> Shape {
    read(&format!("url: http://a\nroutes: [{{path: /}}]\nsuccess: [error_rate < 1%]\nconnections: 1000\nshape: {shape}"))
        .shape
        .unwrap()
}

const BUYER: &str = r#"
url: https://shop.example
shape: {constant: {rate: 10/s, duration: 30s}}
data:
  users: {csv: users.csv, order: random}
  carts: {rows: [{id: 1, size: big}, {size: small, id: 2}], order: unique}
scenarios:
  - name: buyer
    weight: 3
    cookies: false
    steps:
      - {name: list, path: "/products?q=${data:users.name}", extract: {id: {json: "$.items[0].id"}, next: {header: Link, default: ""}}}
      - think: 1s
      - think: {from: 1s, to: 3s}
      - while: {exists: next, atMost: 20, steps: [{name: more, path: "/page/${var:next}", success: ["p95 < 1s"]}]}
      - repeat: {times: 3, steps: [{name: item, path: "/item/${var:id}"}]}
      - if: {equal: ["${var:id}", "7"], then: [{name: seven, path: /7}], else: [{name: other, path: /o}]}
      - transaction: {name: checkout, steps: [{name: pay, method: POST, path: /pay, json: {cart: "${data:carts.id}", n: 1}}]}
success:
  - error_rate < 1%
  - {that: error_rate < 5%, route: pay, stop: true}
"#;

#[test]
fn a_scenario_comes_to_numbered_requests() {
    let load = read(BUYER);
    assert_eq!(load.url.as_deref(), Some("https://shop.example:443"));
    let names: Vec<_> = load.routes.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["list", "more", "item", "seven", "other", "pay"]);
    assert_eq!(load.transactions, ["checkout"]);
    let scenario = &load.scenarios[0];
    assert_eq!((scenario.weight, scenario.cookies), (3, false));
    let LoadStep::While { condition, at_most: 20, steps } = &scenario.steps[3] else {
        panic!("{:?}", scenario.steps[3])
    };
    assert_eq!(*condition, Condition::Exists("next".to_owned()));
    assert_eq!(*steps, [LoadStep::Request(1)]);
    let LoadStep::If { then, otherwise, .. } = &scenario.steps[5] else { panic!() };
    assert_eq!((then, otherwise), (&vec![LoadStep::Request(3)], &vec![LoadStep::Request(4)]));
    let steps = vec![LoadStep::Request(5)];
    assert_eq!(scenario.steps[6], LoadStep::Transaction { transaction: 0, steps });
    assert_eq!(load.routes[0].extract[1].from, Source::Header("link".to_owned()));
    let columns = ["id", "size"].map(str::to_owned).to_vec();
    let rows = [["1", "big"], ["2", "small"]].map(|it| it.map(str::to_owned).to_vec()).to_vec();
    assert_eq!(load.feeders[1].rows, Rows::Inline(columns, rows));
    let routes: Vec<_> = load.success.iter().map(|it| it.route.as_deref()).collect();
    assert_eq!(routes, [None, Some("pay"), Some("more")]);
}

#[test]
fn a_structure_is_sent_as_json_with_its_type() {
    let load = read(BUYER);
    let Call::Http { headers, body: Some(body), .. } = &load.routes[5].call else { panic!() };
    assert_eq!(body.to_string(), r#"{"cart":"${data:carts.id}","n":1}"#);
    let kind = ("content-type".to_owned(), Template::literal("application/json"));
    assert_eq!(*headers, [kind]);
}

#[test]
fn every_protocol_has_its_call() {
    let call = |url: &str, route: &str| {
        let load = read(&format!("url: {url}\nroutes:\n  - {route}"));
        load.routes[0].call.clone()
    };
    let text = |it: &str| Template::literal(it);
    let grpc = |messages: &[&str]| Call::Grpc {
        method: "shop.Catalog/List".to_owned(),
        messages: messages.iter().map(|it| text(it)).collect(),
        metadata: Vec::new(),
        pacing: Pacing::default(),
    };
    let method = "method: shop.Catalog/List";
    let talk = format!("grpc: {{{method}, messages: [{{}}, {{}}], every: 100ms, await: true}}");
    let Call::Grpc { pacing, .. } = call("grpc://a:1", &talk) else { panic!() };
    assert_eq!(pacing, Pacing { every: Some(Duration::from_millis(100)), awaits: true });
    assert_eq!(call("grpc://a:1", &format!("grpc: {{{method}}}")), grpc(&["{}"]));
    let one = format!("grpc: {{{method}, message: {{id: 1}}}}");
    assert_eq!(call("grpcs://a", &one), grpc(&[r#"{"id":1}"#]));
    let two = format!("grpc: {{{method}, messages: ['{{\"id\": 1}}', {{id: 2}}]}}");
    assert_eq!(call("grpcs://a", &two), grpc(&[r#"{"id": 1}"#, r#"{"id":2}"#]));
    let message =
        |send: &str, encoding, until| Call::Message { payload: text(send), encoding, until };
    for (url, written, is) in [
        ("ws://a", "{send: hi}", message("hi", Encoding::Text, Until::Message)),
        ("wss://a", "{}", message("", Encoding::Text, Until::Message)),
        (
            "tcp://a:1",
            "{send: \"a\\r\\n\", until: line}",
            message("a\r\n", Encoding::Text, Until::Line),
        ),
        (
            "tls://a:1",
            "{send: 0a 0B, encoding: hex, until: {bytes: 8}}",
            message("0a 0B", Encoding::Hex, Until::Bytes(8)),
        ),
        (
            "udp://a:1",
            "{send: aGk=, encoding: base64, until: nothing}",
            message("aGk=", Encoding::Base64, Until::Nothing),
        ),
        (
            "tcp://a:1",
            "{send: x, until: {prefix: 4}}",
            message("x", Encoding::Text, Until::Prefix(4)),
        ),
        (
            "tcp://a:1",
            "{send: x, until: {delimiter: \"\\r\\n\"}}",
            message("x", Encoding::Text, Until::Delimiter("\r\n".to_owned())),
        ),
        ("tcp://a:1", "{send: x, until: close}", message("x", Encoding::Text, Until::Close)),
    ] {
        assert_eq!(call(url, &format!("message: {written}")), is, "{written}");
    }
    let produced = Call::Produce { topic: "t".to_owned(), key: Some(text("k")), value: text("v") };
    assert_eq!(call("kafka://a", "produce: {topic: t, key: k, value: v}"), produced);
    assert_eq!(call("kafka://a", "consume: {topic: t}"), Call::Consume { topic: "t".to_owned() });
    let asked = Call::Query { name: text("a.example"), record: "AAAA".to_owned() };
    assert_eq!(call("dns://a", "query: {name: a.example, record: AAAA}"), asked);
}

#[test]
fn every_check_is_read() {
    let load = read(
        "url: http://a\nroutes:\n  - path: /\n    checks: {status: 2xx, body: a, lacks: [b, c], matches: \"id=(\\\\d+)\", json: {\"$.ok\": true}, headers: {Content-Type: json}}",
    );
    let checks = Checks {
        status: load.routes[0].checks.status.clone(),
        contains: vec!["a".to_owned()],
        lacks: vec!["b".to_owned(), "c".to_owned()],
        matches: vec!["id=(\\d+)".to_owned()],
        json: vec![("$.ok".to_owned(), "true".to_owned())],
        headers: vec![("content-type".to_owned(), "json".to_owned())],
    };
    assert_eq!(load.routes[0].checks, checks);
    assert!(checks.status[0].holds(204) && !checks.status[0].holds(304));
}

#[test]
fn every_shape_is_read() {
    let seconds = |it: &Shape| it.length().as_secs();
    let stages =
        shaped("{stages: {stages: [{to: 500/s, duration: 30s}, {to: 0/s, duration: 10s}]}}");
    assert_eq!(seconds(&stages), 40);
    assert_eq!(seconds(&shaped("{userStages: {start: 2, stages: [{to: 9, duration: 30s}]}}")), 30);
    assert_eq!(seconds(&shaped("{volume: {requests: 1000, rate: 100/s}}")), 10);
    assert_eq!(seconds(&shaped("{peak: {rate: 9/s, rampUp: 5s, hold: 7s, rampDown: 5s}}")), 17);
    assert_eq!(seconds(&shaped("{trace: {every: 2s, rates: [1/s, 0/s, 7/s]}}")), 6);
    assert_eq!(
        seconds(&shaped("{users: {users: 4, rampUp: 5s, duration: 20s, iterations: 3}}")),
        20
    );
    assert!(matches!(shaped("{max: {from: 9/s, to: 99/s, hold: 10s}}"), Shape::Max { .. }));
    let scale = shaped("{scale: {users: [1, 2, 4], hold: 10s}}");
    let until: Vec<_> = scale.until().iter().map(ToString::to_string).collect();
    assert_eq!(until, ["error_rate > 5%", "response_time > 5s"]);
    let step = "{step: {start: 9/s, step: 9/s, steps: 2, hold: 1s, until: [error_rate > 9%]}}";
    assert_eq!(shaped(step).until().len(), 1);
}

#[test]
fn files_are_looked_for_beside_the_document_that_names_them() {
    let text = document(
        "url: grpcs://a\nshape: {constant: {rate: 1/s, duration: 1s}}\ndata: {users: {csv: users.csv}}\n\
         tls: {ca: /etc/ca.pem}\ngrpc: {proto: [api/shop.proto]}\n\
         routes: [{grpc: {method: a.B/C, message: {id: \"${file:secrets/id}\"}}}]",
    );
    let files = [("load/shop.yaml".to_owned(), text.clone().into_bytes())];
    let (library, found) = Library::check(files);
    assert!(found.is_empty(), "{}", render(&found, false));
    let mut load = library.load_test("it").unwrap().clone();
    let Rows::Csv(users) = &load.feeders[0].rows else { panic!() };
    let Call::Grpc { messages, .. } = &mut load.routes[0].call else { panic!() };
    let secret = messages[0].files_mut().next().unwrap();
    let (tls, grpc) = (&load.sending.tls, &load.sending.grpc);
    for (file, path, word) in [
        (users, "load/users.csv", "users.csv"),
        (tls.ca.as_ref().unwrap(), "/etc/ca.pem", "/etc/ca.pem"),
        (&grpc.files[0], "load/api/shop.proto", "api/shop.proto"),
        (secret, "load/secrets/id", "{id"),
    ] {
        let line = text.split(word).next().unwrap().lines().count();
        assert_eq!(file.path(), Path::new(path));
        let place = format!("(named at load/shop.yaml:{line}:");
        assert!(file.place().contains(&place), "{path}: {} {place}", file.place());
    }
}

#[test]
fn a_shape_is_read_from_what_was_recorded() {
    let text =
        document("url: http://a\nroutes: [{path: /}]\nshape: {trace: {every: 30s, file: day.csv}}");
    let read = |trace: &'static str| {
        let files = [("load/it.yaml".to_owned(), text.clone().into_bytes())];
        Library::check_beside(files, &move |file| match trace {
            "" => Err(std::io::ErrorKind::NotFound.into()),
            trace => {
                assert_eq!(file.path(), Path::new("load/day.csv"));
                Ok(trace.as_bytes().to_vec())
            }
        })
    };
    let (library, found) = read("seconds,rate\n0,120\n60,150\n");
    assert!(found.is_empty(), "{}", render(&found, false));
    let plan = library.plan_load("it", Seed(1)).unwrap();
    assert_eq!(
        (plan.length().as_secs(), plan.arrivals()),
        (120, Some(120.0 * 60.0 + 150.0 * 60.0))
    );

    let place = |trace| {
        let (library, found) = read(trace);
        assert!(library.load_tests().is_empty());
        let [it] = found.as_slice() else { panic!("{found:#?}") };
        format!("{} {}:{}:{} {}", it.code, it.file, it.line, it.column, it.message)
    };
    let wrong = place("seconds,rate\n0,120\n60,lots\n");
    assert_eq!(wrong, "EK-D034 load/day.csv:3:4 `lots` is no rate");
    let lost = place("");
    assert_eq!(
        lost,
        "EK-D029 load/it.yaml:7:37 the trace `day.csv` cannot be read: entity not found"
    );
}

#[test]
fn how_it_is_sent_and_what_is_watched_is_read() {
    let load = read(
        "url: grpcs://a\nroutes: [{grpc: {method: a.B/C}}]\nthreads: 2\nstreams: 10\nconnection: visit\npace: coarse\n\
         tls: {ca: ca.pem, certificate: me.pem, key: me.key, serverName: b, resume: false}\n\
         grpc: {proto: [a.proto], include: [protos]}\nwatch:\n\
         - {name: gateway, process: {port: 8080}, every: 2s, limits: {memory_bytes: 512MiB, cpu_cores: 2, loopback_bytes_per_second: 1kB/s}}\n\
         - {name: queue, promql: {url: \"http://127.0.0.1:9090\", query: sum(queue_depth)}, limits: {value: 100}}\n\
         - {name: this host, host: true, limits: {cpu_ratio: 80%, load1: 1.5}}",
    );
    assert_eq!((load.sending.threads, load.sending.streams), (2, 10));
    assert_eq!(load.sending.grpc.include[0].as_str(), "protos");
    assert_eq!(load.sending.connection, Owner::Visit);
    assert!(!load.sending.tls.resume && !load.sending.tls.insecure);
    let limits = |n: usize| {
        let limits = load.watch[n].limits.iter().map(|(name, limit)| (name.as_str(), *limit));
        limits.collect::<Vec<_>>()
    };
    let of_process = [
        ("cpu_cores", 2.0),
        ("memory_bytes", 512.0 * 1_048_576.0),
        ("loopback_bytes_per_second", 1000.0),
    ];
    assert_eq!(limits(0), of_process);
    assert_eq!(limits(2), [("cpu_ratio", 0.8), ("load1", 1.5)]);
    let query = "sum(queue_depth)".to_owned();
    let url = "http://127.0.0.1:9090".to_owned();
    assert_eq!(load.watch[1].source, WatchSource::Promql { url, query });
}

#[test]
fn every_mistake_in_a_scenario_is_found_at_its_place() {
    let text = BUYER
        .replace("${data:users.name}", "${data:userz.name}")
        .replace("${data:carts.id}", "${data:carts.idd}")
        .replace("/item/${var:id}", "/item/${var:idx}")
        .replace("exists: next", "exists: nexd")
        .replace("{name: other", "{name: seven");
    insta::assert_snapshot!(findings(&document(&text)), @r#"
    EK-D032 16:30 there is no data called `userz` | Did you mean `users`?
    EK-D032 19:27 no step of `buyer` extracts `nexd` | Did you mean `next`?
    EK-D032 20:57 no step of `buyer` extracts `idx` | Did you mean `id`?
    EK-D026 21:90 two routes are called `seven` | Give each a `name` of its own, so that reports can tell them apart.
    EK-D032 22:49 `carts` has no column `idd` | Did you mean `id`?
    "#);
    let text = "url: http://a\nroutes: [{path: \"/${var:id}\"}]\nscenarios: []";
    insta::assert_snapshot!(findings(&document(text)), @r#"
    EK-D032 6:19 nothing extracts `id` | Requests that build on answers are steps of a scenario; write `scenarios`.
    EK-D005 7:3 the list is empty | Give at least one.
    EK-D025 7:3 `scenarios` beside `routes` | Give exactly one of `routes`, `scenarios`.
    "#);
    let text = "url: http://a\nroutes: [{path: \"/${var:id}\"}]";
    insta::assert_snapshot!(findings(&document(text)), @"EK-D032 6:19 nothing extracts `id` | Requests that build on answers are steps of a scenario; write `scenarios`.");
}

#[test]
fn every_mistake_in_a_value_is_found_at_its_place() {
    let text = r#"url: tcp://a
threads: 300
tls: {key: me.key}
data: {x: {csv: a.csv, rows: []}, y: {rows: [{a: 1}, {b: 2}]}}
shape: {max: {from: 9/s, to: 9/s, hold: 1s}}
watch: [{name: a, host: false}, {name: a, process: {port: 80}, limits: {cpu_ratio: 3}}]
routes:
  - {path: /, json: {a: 1}, body: b, checks: {matches: "(", json: {items: 1}}, extract: {}}
  - message: {send: xyz, encoding: hex, until: {prefix: 3}}
  - grpc: {method: List, message: a, messages: []}
  - produce: {topic: "a b", value: 1}"#;
    insta::assert_snapshot!(findings(&document(text)), @r#"
    EK-D027 5:8 `tcp://a` is not a URL we can call | `tcp` has no usual port; write `tcp://a:PORT`.
    EK-D007 6:12 `300` is not a whole number between 1 and 256 | More threads than cores send nothing more.
    EK-D007 7:14 `key` without `certificate` | A certificate is shown with its key; give both, or none.
    EK-D005 8:26 the list is empty | Give at least one.
    EK-D025 8:26 `rows` beside `csv` | Give exactly one of `csv`, `jsonLines`, `rows`.
    EK-D007 8:56 the row has no `a`, unlike the first | Give every row the same columns.
    EK-D007 9:23 the search begins where it ends | Begin with a rate that the service surely bears.
    EK-D005 10:27 expected `true`, found a boolean `false`
    EK-D003 10:75 unknown field `cpu_ratio` | The fields here are cpu_cores, memory_bytes, disk_read_bytes_per_second, disk_write_bytes_per_second, network_bytes_per_second, loopback_bytes_per_second, open_files, threads.
    EK-D025 12:17 `json` beside `body` | A request has one body; give one of the two.
    EK-D030 12:58 `(` is no regular expression: unclosed group | Write it as for Perl, without look-around; a plain text goes to `body`.
    EK-D031 12:70 `items` is no path to a JSON value: it does not begin with `$` | Begin with `$`, such as `$.items[0].id` or `$["unit price"]`.
    EK-D003 12:82 unknown field `extract` | The fields here are name, weight, method, path, headers, body, json, checks, success.
    EK-D033 13:23 `x` is no character of this encoding | Write the payload in it, or leave `encoding` away.
    EK-D013 13:59 not the size of a length | Write `1`, `2`, `4` or `8`.
    EK-D022 14:22 `List` is not a method of gRPC | Write `package.Service/Method`, such as `shop.Catalog/List`.
    EK-D025 14:28 `message` beside `messages` | A call sends one message or several; give one of the two.
    EK-D022 15:24 `a b` is not a topic | Use letters, digits, `.`, `_` and `-`, 249 at most.
    "#);
}

#[test]
fn what_could_not_be_sent_or_judged_is_found() {
    let text = r#"url: https://a
http2: true
shape: {spike: {base: 1/s, peak: 2/s, lead: 0s, hold: 10s, tail: 0s}}
routes:
  - {name: list, path: /, success: {p99: "< 1s"}}
  - {name: call, grpc: {method: a.B/C, messages: [{}, {}, {}], every: 10s}}
success:
  - {that: error_rate < 1%, route: lst}
  - {that: error_rate < 1%, phase: spik}
  - {that: recovery_time < 1s, stop: true}
  - p95 < 1s for 3s
  - breakdown_users > 300 users"#;
    insta::assert_snapshot!(findings(&document(text)), @r#"
    EK-L005 9:44 p99 of about 10 requests: 0.1 of them lie beyond it | Send at least 1000 requests, or judge a lower percentile.
    EK-L025 10:7 `call` cannot be sent over `https` | It needs a URL that begins with grpc, grpcs.
    EK-L027 10:73 the messages take 20s, and a call is given up after 10s | Give the load a longer `timeout`, or a shorter time here.
    EK-L011 12:38 the route `lst` is not sent | Did you mean `list`?
    EK-L024 13:38 there is no phase `spik` | Did you mean `spike`?
    EK-L015 14:7 a recovery time, and no spike to recover from | Give the load the shape `spike` with a `tail`, or leave the condition away.
    EK-L022 14:7 `recovery_time` is known only after the drill | Watch `error_rate`, `availability` or a response time; judge this one under `success`.
    EK-L005 15:7 p95 of about 20 requests: 1.0 of them lie beyond it | Send at least 200 requests, or judge a lower percentile.
    EK-L021 15:7 `for` in a condition that is judged once | Leave `for …` away, or write `{that: …, stop: true}` to watch it.
    EK-L026 16:7 `breakdown_users`, and no staircase that could break down | Give the load the shape `scale` for users, or `step` for rates.
    "#);
    let text = "url: http://a\nroutes: [{path: /}]\nshape: {max: {from: 1/s, to: 9/s, hold: 1s}}";
    insta::assert_snapshot!(findings(&document(text)), @r#"EK-L020 7:11 nothing says what the highest rate must still hold | Give `success`, such as `p99: "< 300ms"`."#);
}

#[test]
fn what_connections_are_opened_with_is_read_and_holds_no_secret_itself() {
    let load = read(
        "url: wss://a\nroutes: [{message: {send: hello}}]\n\
         websocket: {path: \"/chat?v=2\", headers: {authorization: \"Bearer ${env:TOKEN}\"}, protocols: [Chat.v2, mqtt]}",
    );
    let opening = &load.sending.websocket;
    assert_eq!(opening.headers[0].1.to_string(), "Bearer ${env:TOKEN}");
    assert_eq!(opening.protocols, ["Chat.v2", "mqtt"]);
    assert_eq!(opening.path.as_ref().unwrap().to_string(), "/chat?v=2");
    let load = read(
        "url: kafkas://a\nroutes: [{produce: {topic: t, value: x}}]\n\
         sasl: {user: ann, password: \"${env:PASSWORD}\"}",
    );
    assert_eq!(load.url.as_deref(), Some("kafkas://a:9093"));
    let sasl = load.sending.sasl.unwrap();
    assert_eq!(
        (sasl.mechanism, sasl.password.to_string()),
        (Mechanism::ScramSha512, "${env:PASSWORD}".to_owned())
    );

    let text = "url: wss://a\nroutes: [{message: {send: hello}}]\nwebsocket:\n  \
                protocols: [a b]\n  headers: {sec-websocket-protocol: x, cookie: \"${run:user}\", upgrade: x}\n\
                sasl: {mechanism: GSSAPI, user: \"${run:user}\", password: hunter2}";
    insta::assert_snapshot!(findings(&document(text)), @r"
    EK-D022 8:17 `a b` is not the name of a subprotocol | Use letters, digits, `-` and `.`, such as `graphql-transport-ws`.
    EK-D007 9:50 `${run:user}` is a value of the moment, and a connection serves many requests | Write a text, `${env:NAME}` or `${file:PATH}`.
    EK-D022 9:65 the header `upgrade` is ours to send | Leave it away: it follows from the address and the body.
    EK-D013 10:21 `GSSAPI` is not a mechanism | Use one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512.
    EK-D007 10:35 `${run:user}` is a value of the moment, and a connection serves many requests | Write a text, `${env:NAME}` or `${file:PATH}`.
    EK-D023 10:60 a secret stands in the document | Write `${env:NAME}` or `${file:PATH}`: documents and reports are shown around.
    ");
    let text = "url: wss://a\nroutes: [{message: {send: hello}}]\n\
                websocket: {headers: {Sec-WebSocket-Protocol: x}}";
    insta::assert_snapshot!(findings(&document(text)), @"EK-D022 7:49 the header `Sec-WebSocket-Protocol` is ours to send | Leave it away; subprotocols go to `protocols`.");
}

#[test]
fn a_connection_of_ones_own_cannot_be_had_over_kafka() {
    let text = "url: kafka://a:9092\nconnection: user\nroutes: [{produce: {topic: t, value: x}}]\n\
                shape: {constant: {rate: 9/s, duration: 9s}}";
    insta::assert_snapshot!(findings(&document(text)), @"EK-L025 6:15 a connection of one's own cannot be had over Kafka | Leave `connection` away: there is one for each partition.");
}

#[test]
fn a_load_test_has_a_plan_of_its_own() {
    let text = document(
        "url: http://a\nroutes: [{path: /}]\nshape: {spike: {base: 10/s, peak: 90/s, lead: 10s, hold: 5s, tail: 10s}}\nsuccess: [{that: error_rate < 5%, phase: spike}]",
    );
    let (library, _) = check(&text);
    assert_eq!(library.load_tests(), ["it"]);
    let plan = library.plan_load("it", Seed(7)).unwrap();
    assert_eq!((plan.drill.as_str(), plan.service.url.as_deref()), ("it", Some("http://a:80")));
    let phases: Vec<_> = plan.phases.iter().map(|it| (it.name.as_str(), it.role)).collect();
    let names = [("before", Role::Baseline), ("spike", Role::Load), ("after", Role::Recovery)];
    assert_eq!(phases, names);
    assert_eq!(plan.length().as_secs(), 25);
    assert_eq!(plan.arrivals(), Some(650.0));
    assert_eq!(plan.success, library.load_test("it").unwrap().success);
    let load = library.load_test("it").unwrap().clone();
    assert_eq!(plan_of_load(load, Seed(7)), plan);
}

#[test]
fn the_service_of_a_load_test_is_that_of_its_plan() {
    let service = "apiVersion: evenkeel.dev/v1\nkind: Service\nmetadata: {name: shop}\nspec:\n  url: http://a:7400\n  allowFaults: all\n  instances: {one: {port: 7401}}\n";
    let load = document(
        "service: shop\nroutes: [{path: /}]\nshape: {constant: {rate: 1/s, duration: 1s}}",
    );
    let files = [("a.yaml", service), ("b.yaml", &load)].map(|(n, it)| (n.to_owned(), it.into()));
    let (library, found) = Library::check(files);
    assert!(found.is_empty(), "{}", render(&found, false));
    let plan = library.plan_load("it", Seed(7)).unwrap();
    assert_eq!(plan.load.as_ref().unwrap().url.as_deref(), Some("http://a:7400"));
    assert_eq!((plan.service.name.as_str(), plan.service.instances.len()), ("shop", 1));
    assert!(!plan.service.allow_faults.allows("kill"));
}

#[test]
fn without_a_shape_or_an_address_there_is_no_plan() {
    let (library, _) = check(&document("routes: [{path: /}]"));
    let codes: Vec<_> = library.plan_load("it", Seed(7)).unwrap_err();
    let codes: Vec<_> = codes.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(codes, ["EK-L012", "EK-L016"]);
    let missing = library.plan_load("ti", Seed(7)).unwrap_err();
    assert_eq!(missing[0].message, "there is no LoadTest called `ti`");
}
