//! Every mistake of every document is found in one run, at its place, with its fix.

use evenkeel_model::document::{Call, Fault};
use evenkeel_model::{Library, explain, render};

use super::{check, findings};

/// A document of a kind with this spec, each line indented.
fn document(kind: &str, spec: &str) -> String {
    let spec: String = spec.lines().map(|it| format!("  {it}\n")).collect();
    format!("apiVersion: evenkeel.dev/v1\nkind: {kind}\nmetadata: {{name: it}}\nspec:\n{spec}")
}

/// What decoding finds in a spec, without what lint says of it.
fn decoding(kind: &str, spec: &str) -> String {
    let all = findings(&document(kind, spec));
    all.lines().filter(|it| it.starts_with("EK-D")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_mistake_of_every_document_is_found_in_one_run() {
    let text = r#"apiVersion: evenkeel.dev/v1
kind: Service
metadata: {name: Shop Front}
spec:
  url: 127.0.0.1:7400
  instances:
    gateway: {port: 70000}
  dependencies:
    payment: {listen: "0.0.0.0:7451", upstream: payment}
  allow_faults: [latency, kil]
  allowFaults: [latency, kil]
---
apiVersion: evenkeel.dev/v2
kind: SLO
metadata: {name: fast}
spec:
  sli: {latency: {threshold: 300}}
  objective: 100%
---
apiVersion: evenkeel.dev/v1
kind: Dril
metadata: {name: it}
"#;
    insta::assert_snapshot!(findings(text), @r"
    EK-D010 3:18 `Shop Front` is not a name | Use 1 to 63 lowercase letters, digits and `-`, such as `shop-front`.
    EK-D027 5:8 `127.0.0.1:7400` is not a URL we can call | Write a URL such as `http://127.0.0.1:8080`.
    EK-D007 7:21 `70000` is not a whole number between 1 and 65535 | Ports are numbers from 1 to 65535.
    EK-D020 9:23 `0.0.0.0:7451` can be reached from other hosts | Listen on `127.0.0.1:7451`.
    EK-D027 9:49 `payment` is not an address | Write `host:port`, such as `127.0.0.1:5432`.
    EK-D003 10:3 unknown field `allow_faults` | Did you mean `allowFaults`?
    EK-D013 11:26 `kil` is not a fault we know | Did you mean `kill`?
    EK-D009 13:13 `evenkeel.dev/v2` is not an apiVersion we know | Write `evenkeel.dev/v1`.
    EK-D006 17:30 `300` has no unit | Write a number with its unit (ns, us, ms, s, m, h, d), such as `300ms` or `300s`.
    EK-D007 18:14 a promise of 100% leaves no error budget | Promise less than everything, such as `99.9%`.
    EK-D008 21:7 unknown kind `Dril` | Did you mean `Drill`?
    ");
}

#[test]
fn a_mistake_of_form_costs_one_document_and_not_the_file() {
    let text = "a: [1\n---\nkind: Banana\n---\nb: 'x\n--- \nkind: Apple\n";
    insta::assert_snapshot!(findings(text), @r"
    EK-D002 2:1 not YAML: while parsing a flow sequence, expected ',' or ']' | Check the indentation, closing brackets and quotes here and on the line above.
    EK-D008 3:7 unknown kind `Banana` | Use one of Service, SLO, AlertPolicy, ErrorBudgetPolicy, SLA, LoadTest, ChaosExperiment, Drill, GameDay, Resilience.
    EK-D002 5:4 not YAML: while scanning a quoted scalar, found unexpected document indicator | Check the indentation, closing brackets and quotes here and on the line above.
    EK-D008 7:7 unknown kind `Apple` | Use one of Service, SLO, AlertPolicy, ErrorBudgetPolicy, SLA, LoadTest, ChaosExperiment, Drill, GameDay, Resilience.
    ");
}

#[test]
fn tabs_and_double_keys_are_shown_with_their_fix() {
    insta::assert_snapshot!(findings("kind: Drill\n\tspec: x\n"), @r"EK-D002 2:1 a tab in the indentation | Indent with spaces.");
    insta::assert_snapshot!(findings("kind: Banana\nkind: Drill\n"), @r"
    EK-D008 1:7 unknown kind `Banana` | Use one of Service, SLO, AlertPolicy, ErrorBudgetPolicy, SLA, LoadTest, ChaosExperiment, Drill, GameDay, Resilience.
    EK-D014 2:1 `kind` is given twice | It was first given on line 1, column 1; remove one of them.
    ");
}

#[test]
fn what_is_not_yaml_is_not_called_missing_as_well() {
    let broken =
        "apiVersion: evenkeel.dev/v1\nkind: Service\nmetadata: {name: shop}\nspec: {url: [}\n";
    let slo = document("SLO", "service: shop\nsli: availability\nobjective: 99%");
    insta::assert_snapshot!(findings(&format!("{broken}---\n{slo}")), @r"EK-D002 4:14 not YAML: while parsing a node, did not find expected node content | Check the indentation, closing brackets and quotes here and on the line above.");
}

#[test]
fn an_unquoted_condition_is_explained() {
    insta::assert_snapshot!(findings("success:\n  availability: > 99%\n"), @r#"EK-D002 2:17 not YAML: while scanning a block scalar, did not find expected comment or line break | A value that begins with `>` needs quotes, such as `"> 99%"`."#);
}

#[test]
fn columns_are_counted_in_characters() {
    let spec = "description: {é: 1}\nurl: \"é\"";
    insta::assert_snapshot!(decoding("Service", spec), @r"
    EK-D005 5:3 expected a text, found a map
    EK-D027 6:8 `é` is not a URL we can call | Write a URL such as `http://127.0.0.1:8080`.
    ");
}

#[test]
fn fields_of_other_tools_are_recognised() {
    let spec =
        "method:\n  - kill: {target: {port: 80}}\nsafety: {max_duration: 5m, blastradius: {}}";
    insta::assert_snapshot!(decoding("ChaosExperiment", spec), @r"
    EK-D003 7:12 unknown field `max_duration` | Did you mean `maxDuration`?
    EK-D003 7:30 unknown field `blastradius` | Did you mean `blastRadius`?
    ");
}

#[test]
fn a_fault_is_a_map_with_one_key() {
    let spec = r"
method:
  - latency: {delay: 1s, duration: 5s}
    kill: {}
  - {}
  - banana: {}
  - latency:
  - latency: {delay: 100ms, jitter: 200ms, duration: 0s}
  - kill: {duration: 5s}
  - [kill]
  - restart
";
    let shown = decoding("ChaosExperiment", spec).replace(&Fault::KINDS.join(", "), "[every kind]");
    insta::assert_snapshot!(shown, @r"
    EK-D012 8:7 a second key `kill` beside `latency` | Give one key a map. Two things in a list are two items, each with its own `-`; the fields of a thing are indented below its key.
    EK-D012 9:7 expected a fault we know, found an empty map | Give one of [every kind].
    EK-D013 10:7 `banana` is not a fault we know | Use one of [every kind].
    EK-D004 11:7 the field `delay` is missing | Added to each segment towards the service's client side of the link, or to each packet.
    EK-D004 11:7 the field `duration` is missing | For how long.
    EK-D021 12:39 the jitter is larger than the delay | Make the jitter at most as long as the delay.
    EK-D007 12:56 `0s` is no time at all | Nothing can happen in no time; give a duration such as `30s`.
    EK-D004 13:24 `duration` without `every` | Give both `every` and `duration`, or neither for a fault that acts once.
    EK-D005 14:7 expected a fault we know, found a list
    ");
}

#[test]
fn a_fault_that_acts_again_and_again_says_how_often_and_for_how_long() {
    let spec = r"
method:
  - kill: {every: 10s}
  - kill: {every: 500ms, duration: 5s}
  - restart: {every: 10s, duration: 5s}
";
    insta::assert_snapshot!(decoding("ChaosExperiment", spec), @r"
    EK-D004 7:21 `every` without `duration` | Give both `every` and `duration`, or neither for a fault that acts once.
    EK-D007 8:21 it acts more often than every second | Leave a second or more in between.
    EK-D007 9:24 it would act only once | Make `every` shorter than `duration`.
    ");
}

#[test]
fn a_target_says_one_thing() {
    let spec = r"
method:
  - kill: {target: {instances: a-*, dependency: b}}
  - kill: {target: {service: shop}}
  - kill: {target: {service: shop, pid: 77}}
  - kill: {target: {pid: 1, mode: some}}
  - kill: {target: {instances: a, mode: 0%}}
  - kill: {target: {commandLine: '**'}}
  - kill: {target: {cgroup: /sys/fs/cgroup/system.slice}}
  - kill: {target: {cgroup: /, unit: nginx}}
";
    insta::assert_snapshot!(decoding("ChaosExperiment", spec), @r"
    EK-D025 7:39 `dependency` beside `instances` | Give exactly one of `instances`, `container`, `pods`, `dependency`, `traffic`, `postgres`, `redis`, `pid`, `executable`, `port`, `commandLine`, `cgroup`, `unit`.
    EK-D025 8:14 one of `instances`, `container`, `pods`, `dependency`, `traffic`, `postgres`, `redis`, `pid`, `executable`, `port`, `commandLine`, `cgroup`, `unit` is missing | Give exactly one of them.
    EK-D025 9:23 `service` beside `pid` | Only what is named by `instances` or `dependency` is of a service and has labels.
    EK-D007 10:28 `1` is not a whole number between 2 and 4194304 | Give the number of a process; 1 is the mother of all others.
    EK-D013 10:37 `some` does not say how many | Write `one`, `all`, a number such as `2`, a share such as `30%`, or `random max 30%`.
    EK-D007 11:43 `0%` is none at all | Give a share above 0%.
    EK-D007 12:36 `**` is no pattern of command lines | Write the arguments with a blank in between, and `*` for any text, such as `*gunicorn shop:app*`.
    EK-D007 13:31 `/sys/fs/cgroup/system.slice` is no path of a control group | Write it as it stands in `/proc/PID/cgroup`, such as `/system.slice/nginx.service`.
    EK-D007 14:31 `/` is no path of a control group | Write it as it stands in `/proc/PID/cgroup`, such as `/system.slice/nginx.service`.
    EK-D025 14:34 `unit` beside `cgroup` | Give exactly one of `instances`, `container`, `pods`, `dependency`, `traffic`, `postgres`, `redis`, `pid`, `executable`, `port`, `commandLine`, `cgroup`, `unit`.
    EK-D010 14:40 `nginx` is no name of a unit | Write it with its suffix, such as `nginx.service`.
    ");
}

#[test]
fn an_objective_leaves_a_budget_and_stands_where_it_belongs() {
    insta::assert_snapshot!(decoding("SLO", "sli: availability\nobjective: 100%"), @r"EK-D007 6:14 a promise of 100% leaves no error budget | Promise less than everything, such as `99.9%`.");
    insta::assert_snapshot!(decoding("SLO", "sli: {availability: {}}"), @r"EK-D004 4:1 the field `objective` is missing | Give the share of requests that must be good, such as `objective: 99.9%`.");
    insta::assert_snapshot!(decoding("SLO", "sli: {errorRate: {max: 1%}}\nobjective: 99%"), @r"EK-D025 6:14 `objective` beside a limit | This indicator carries its own limit; leave `objective` away.");
    insta::assert_snapshot!(decoding("SLO", "sli: {percentile: {quantile: p100, threshold: 1s}}"), @r"EK-D006 5:32 `p100` is not a percentile | Write one between p0 and p100, such as `p99` or `p99.9`.");
}

#[test]
fn no_document_can_change_the_framing_of_a_request() {
    let spec = r#"
url: http://127.0.0.1:80/path
routes:
  - {path: "/a\r\nX: y"}
  - {path: "/b", method: "GET /x HTTP/1.1\r\n"}
  - {path: "/c", method: post}
  - {path: d}
  - {path: /e, headers: {"a b": x, Host: y, ok: "x\r\nX: y", fine: "${env:TOKEN}", bad: "${TOKEN}"}}
  - {path: "/${env:A B}"}
"#;
    insta::assert_snapshot!(decoding("LoadTest", spec), @r"
    EK-D027 6:8 `/path` is a path, and only the base is wanted here | Write `http://127.0.0.1:80`, and the paths in `routes`.
    EK-D022 8:14 the path `/a\r\nX: y` has characters that a path cannot have | Write blanks and other letters as %20 and the like, and leave `#` away.
    EK-D022 9:28 `GET /x HTTP/1.1\r\n` is not a method we can send | Use one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS.
    EK-D022 10:28 `post` is not a method we can send | Write `POST`.
    EK-D022 11:14 the path `d` does not begin with `/` | Write it from the root of the service on, such as `/products`.
    EK-D022 12:28 `a b` is not the name of a header | Use letters, digits and `-`, such as `content-type`.
    EK-D022 12:38 the header `Host` is ours to send | Leave it away: it follows from the address and the body.
    EK-D022 12:51 the value of the header has a line break or another control character | Write it on one line.
    EK-D023 12:91 `${TOKEN}` is no placeholder | Write `${env:NAME}`, `${file:PATH}`, `${data:FEEDER.COLUMN}`, `${var:NAME}`, `${run:user}`, `${run:iteration}`, `${run:time}`, `${random:uuid}` or `${random:1-100}`.
    ");
}

#[test]
fn the_parts_of_a_document_can_be_told_apart() {
    insta::assert_snapshot!(decoding("LoadTest", "routes:\n  - {path: /a}\n  - {path: /a}"), @r"EK-D026 7:7 two routes are called `GET /a` | Give each a `name` of its own, so that reports can tell them apart.");
    let spec = "service: a\nload: b\nphases:\n  - {name: x, shape: {constant: {rate: 1/s, duration: 1s}}}\n  - {name: x, shape: {constant: {rate: 1/s, duration: 1s}}}";
    insta::assert_snapshot!(decoding("Drill", spec), @r"EK-D026 9:14 two phases are called `x` | Give each a name of its own, so that reports can tell them apart.");
}

#[test]
fn two_documents_of_one_name_are_shown_with_the_first() {
    let one = document("Service", "url: http://a");
    insta::assert_snapshot!(findings(&format!("{one}---\n{one}")), @r"EK-D011 9:18 a second Service called `it` | The first is at it.yaml:3; rename one of them.");
}

#[test]
fn bare_scalars_are_taken_where_they_can_only_mean_themselves() {
    let spec = "url: http://a\nroutes:\n  - {path: /, body: 12, headers: {x: true}, checks: {status: 200, body: 1.10}}\n  - {path: /b, checks: {status: [2xx, 404, 500-502]}}";
    let (library, found) = check(&document("LoadTest", spec));
    assert!(found.is_empty(), "{}", render(&found, false));
    let route = &library.load_test("it").unwrap().routes[0];
    assert_eq!(route.checks.contains, ["1.10"]);
    let Call::Http { body: Some(body), .. } = &route.call else { panic!("{:?}", route.call) };
    assert_eq!(body.to_string(), "12");
    assert_eq!(library.load_test("it").unwrap().routes[1].checks.status.len(), 3);
    insta::assert_snapshot!(decoding("Service", "description: ~\nstart: {command: [], ready: http://a}"), @r"
    EK-D005 5:16 expected a text, found nothing
    EK-D005 6:11 the list is empty | Give at least one.
    ");
}

#[test]
fn what_is_left_away_gets_its_default() {
    let (library, _) = check(&document("LoadTest", "url: http://a\nroutes: [{path: /}]"));
    let load = library.load_test("it").unwrap();
    insta::assert_snapshot!(serde_json::to_string(load).unwrap(), @r#"{"name":"it","description":null,"service":null,"url":"http://a:80","shape":null,"routes":[{"name":"GET /","weight":1,"call":{"http":{"method":"GET","path":"/","headers":[],"body":null}},"checks":{"status":[{"from":200,"to":399}],"contains":[],"lacks":[],"matches":[],"json":[],"headers":[]},"extract":[]}],"scenarios":[],"transactions":[],"feeders":[],"timeout_seconds":10.0,"connections":64,"sending":{"threads":1,"streams":100,"http2":false,"connection":"shared","pace":"precise","tls":{"ca":null,"certificate":null,"key":null,"server_name":null,"insecure":false,"resume":true},"grpc":{"files":[],"include":[]},"websocket":{"path":null,"headers":[],"protocols":[]},"sasl":null},"watch":[],"success":[]}"#);
}

#[test]
fn a_document_with_a_mistake_is_not_called_missing_as_well() {
    let service = document("Service", "url: ftp://a");
    let slo = document("SLO", "service: it\nsli: availability\nobjective: 99%");
    insta::assert_snapshot!(findings(&format!("{service}---\n{slo}")), @r"EK-D027 5:8 `ftp://a` is not a URL we can call | Begin with one of http, https, grpc, grpcs, ws, wss, tcp, tls, udp, kafka, kafkas, dns, and `://`.");
}

#[test]
fn a_secret_stays_a_reference_everywhere() {
    let spec = "url: http://a\nroutes:\n  - {path: /, headers: {authorization: \"Bearer ${env:CARGO_MANIFEST_DIR}\"}}";
    let (library, found) = check(&document("LoadTest", spec));
    assert!(found.is_empty(), "{}", render(&found, false));
    let shown = format!("{:?}", library.load_test("it").unwrap());
    assert!(shown.contains("CARGO_MANIFEST_DIR"), "{shown}");
    assert!(!shown.contains(env!("CARGO_MANIFEST_DIR")), "{shown}");
}

#[test]
fn a_database_is_named_by_a_url_without_its_password() {
    let spec = r#"method:
  - terminateBackends: {share: 0%, target: {postgres: "postgres://app:secret@db/shop"}}
  - takeConnections: {free: -1, target: {postgres: "mysql://db/shop"}, duration: 5s}
  - lockTable: {table: " orders", mode: shared, target: {postgres: "postgres://app:${env:PW@db"}, duration: 5s}
  - lockTable: {table: orders, target: {postgres: "postgres://app:${env:PW}@db/shop", port: 5432}, duration: 5s}
safety: {abort: ["error_rate > 50% for 5s"]}
"#;
    insta::assert_snapshot!(decoding("ChaosExperiment", spec), @r"
    EK-D007 6:34 `0%` is none at all | Give a share above 0%.
    EK-D023 6:57 a password stands in the document | Write `${env:NAME}` or `${file:PATH}` in its place: documents and reports are shown around.
    EK-D007 7:31 `-1` is not a whole number between 0 and 262143 | Give the number of connections.
    EK-D027 7:54 this is no URL of such a database | Write it such as `postgres://app@10.0.0.7/orders`.
    EK-D010 8:26 ` orders` is not the name of a table | Use 1 to 255 printable characters, without blanks at the ends.
    EK-D013 8:43 `shared` is not `accessExclusive` or `exclusive` | Use one of accessExclusive, exclusive.
    EK-D023 8:70 `${` is not closed | Write `${env:NAME}` or `${file:PATH}`.
    EK-D025 9:89 `port` beside `postgres` | Give exactly one of `instances`, `container`, `pods`, `dependency`, `traffic`, `postgres`, `redis`, `pid`, `executable`, `port`, `commandLine`, `cgroup`, `unit`.
    ");
    let spec = r#"method:
  - killClients: {share: 50%, type: master, target: {redis: "redis://:secret@db"}}
  - pauseClients: {mode: read, target: {redis: "rediss://db", postgres: "postgres://db/shop"}, duration: 5s}
safety: {abort: ["error_rate > 50% for 5s"]}
"#;
    insta::assert_snapshot!(decoding("ChaosExperiment", spec), @r"
    EK-D013 6:39 `master` is not `normal`, `pubsub` or `replica` | Use one of normal, pubsub, replica.
    EK-D023 6:63 a password stands in the document | Write `${env:NAME}` or `${file:PATH}` in its place: documents and reports are shown around.
    EK-D013 7:28 `read` is not `all` or `write` | Use one of all, write.
    EK-D027 7:50 this is no URL of such a database | Write it such as `redis://10.0.0.7:6379`.
    EK-D025 7:65 `postgres` beside `redis` | Give exactly one of `instances`, `container`, `pods`, `dependency`, `traffic`, `postgres`, `redis`, `pid`, `executable`, `port`, `commandLine`, `cgroup`, `unit`.
    ");
    let misaimed = "method:\n  - lockTable: {table: orders, target: {port: 5432}, duration: 5s}\n\
                    safety: {abort: [\"error_rate > 50% for 5s\"]}";
    let found = findings(&document("ChaosExperiment", misaimed));
    assert!(found.contains("`lockTable` acts on a PostgreSQL, and its target is none"), "{found}");
    assert!(found.contains("Aim it at a database, such as"), "{found}");
}

#[test]
fn every_finding_can_be_explained() {
    let (_, found) =
        Library::check([("a".to_owned(), b"a: [".to_vec()), ("b".to_owned(), b"b: 1".to_vec())]);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|it| explain(&it.code).is_some()));
}

#[test]
fn a_windows_file_with_a_byte_order_mark_reads_the_same() {
    let text = document("Service", "url: http://a\nbanana: 1");
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(findings(&windows), findings(&text));
}

#[test]
fn credentials_do_not_belong_into_an_address_and_are_not_repeated() {
    for url in ["http://me:pw@a:80", "https://me:pw@a:80/x", "me:pw@a:80"] {
        let found = decoding("Service", &format!("url: {url}"));
        assert!(!found.contains("pw"), "{found}");
        assert_eq!(
            found,
            "EK-D027 5:8 the URL has credentials, and documents are no place for those | Write `http://a:80`, and send them in a header, such as `authorization: \"Basic ${env:TOKEN}\"`."
        );
    }
}

#[test]
fn a_condition_is_refused_for_what_is_wrong_with_it() {
    let spec = "url: http://a\nroutes: [{path: /}]\nsuccess: {error_rate: '>> 3', eror: '< 3%', p95: '== 1s', availability: 99%}";
    insta::assert_snapshot!(decoding("LoadTest", spec), @r#"
    EK-D024 7:25 `>>` is not a comparison we know | Use one of < <= > >=, such as `p95 < 500ms`.
    EK-D024 7:33 `eror` is not a figure of a run | Did you mean `error_rate`?
    EK-D024 7:52 `==` is not a comparison we know | Use one of < <= > >=, such as `p95 < 500ms`.
    EK-D024 7:75 `99%` is not a condition | Write a comparison and a limit in quotes, such as `"< 1%"`.
    "#);
}
