//! `load` against a real nginx: the contract for scripts, documents, imports, the search for the limit.

use serde_json::Value;

use crate::drill::Nginx;
use crate::world::{World, said};

/// What `load run … --output json` prints, and its exit code.
fn run(world: &World, arguments: &[&str]) -> (Value, Option<i32>) {
    let all = [&["load", "run"], arguments, &["--output", "json", "--quiet"]].concat();
    let output = world.run(&all);
    let value = serde_json::from_slice(&output.stdout);
    (value.unwrap_or_else(|it| panic!("{it}: {}", said(&output))), output.status.code())
}

fn count(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("no {name} in {value:#}"))
}

/// That every request is accounted for.
fn balances(it: &Value) {
    let [planned, sent, answered, failed, missed, in_flight] =
        ["planned", "sent", "answered", "failed", "missed", "in_flight_at_end"]
            .map(|name| count(it, name));
    assert_eq!(planned, sent + missed, "{it:#}");
    assert_eq!(sent, answered + failed + in_flight, "{it:#}");
    let errors: u64 = it["errors"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(errors, failed, "{it:#}");
}

#[test]
fn a_url_needs_no_document_and_leaves_nothing_behind() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let before = std::fs::read_dir(world.folder()).unwrap().count();
    let url = format!("http://127.0.0.1:{}/index.html", world.port());
    let (it, exit) = run(&world, &[&url, "--rate", "100/s", "--duration", "2s"]);
    assert_eq!(
        (exit, count(&it, "planned"), count(&it, "answered")),
        (Some(0), 200, 200),
        "{it:#}"
    );
    balances(&it);
    for times in ["response_time_seconds", "service_time_seconds", "send_lag_seconds"] {
        for figure in ["p50", "p90", "p95", "p99", "p999", "max", "mean"] {
            assert!(it[times][figure].is_number(), "{times}.{figure} in {it:#}");
        }
    }
    assert!(it["generator_cpu_seconds"].as_f64().unwrap() > 0.0, "{it:#}");
    assert!(count(&it, "bytes_received") > 200 * 100, "{it:#}");
    let after = std::fs::read_dir(world.folder()).unwrap().count();
    assert_eq!(before + usize::from(world.folder().join("state").exists()), after);
    world.is_empty_within_a_second();
}

#[test]
fn the_flags_of_other_tools_are_understood() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let url = format!("http://127.0.0.1:{}/", world.port());
    let (it, exit) =
        run(&world, &[&url, "-t", "2", "-c", "4", "-R", "100", "-d", "500ms", "-H", "a: b"]);
    assert_eq!(exit, Some(0), "{it:#}");
    assert!((1..=4).contains(&count(&it, "connections")), "{it:#}");
    balances(&it);
    let (it, _) = run(&world, &[&url, "-n", "50", "-u", "5", "-m", "HEAD"]);
    assert_eq!(count(&it, "answered"), 50, "{it:#}");
    let (it, _) = run(&world, &[&url, "-R", "50", "-z", "1s"]);
    assert_eq!(count(&it, "planned"), 50, "{it:#}");
}

#[test]
fn failures_are_counted_by_class_and_fail_the_run() {
    let world = World::new();
    let nobody = format!("http://127.0.0.1:{}/", world.port() + 1);
    let (it, exit) = run(&world, &[&nobody, "--rate", "50/s", "--duration", "1s"]);
    assert_eq!((exit, it["errors"]["connect"].as_u64()), (Some(1), Some(50)), "{it:#}");
    balances(&it);
    let (it, _) = run(&world, &["http://nobody.invalid/", "--rate", "20/s", "--duration", "1s"]);
    assert_eq!(it["errors"]["dns"].as_u64(), Some(20), "{it:#}");

    // Whose load has a runtime of its own.
    let brokers = nobody.replace("http:", "kafka:") + "orders";
    let (it, exit) = run(&world, &[&brokers, "--rate", "20/s", "--duration", "1s"]);
    assert_eq!((exit, it["errors"]["connect"].as_u64()), (Some(1), Some(20)), "{it:#}");

    let _nginx = Nginx::start(&world, world.port());
    let missing = format!("http://127.0.0.1:{}/missing", world.port());
    let limits = ["--rate", "50/s", "--duration", "1s", "--success", "error_rate < 1%"];
    let (it, exit) = run(&world, &[&[missing.as_str()], &limits[..]].concat());
    assert_eq!((exit, it["errors"]["status"].as_u64()), (Some(1), Some(50)), "{it:#}");
}

#[test]
fn what_k6s_variable_asks_for_and_is_not_done_is_said() {
    let world = World::new();
    let nobody = format!("http://127.0.0.1:{}/", world.port() + 1);
    let mut command = world.evenkeel(&["load", "run", &nobody, "-n", "1", "-c", "1", "--quiet"]);
    let output = command.env("K6_OUT", "json=a.json").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("K6_OUT asks for `json`, which is not done"), "{}", said(&output));
}

/// The document of the page that moves tests over, at a port of the test's own.
fn of_the_manual(port: u16) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/load.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("```yaml\n").unwrap();
    let (yaml, _) = rest.split_once("```").unwrap();
    yaml.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"))
}

#[test]
fn the_document_of_the_manual_runs_passes_and_is_compared() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    world.write("browse.yaml", &of_the_manual(world.port()));
    let faster =
        ["browse.yaml", "--rate", "40/s", "--duration", "2s", "--csv", "a.csv", "--hlog", "a.hlog"];
    let (first, exit) = run(&world, &faster);
    assert_eq!(exit, Some(0), "{first:#}");
    // Each arrival is an iteration of two requests.
    assert_eq!(count(&first, "answered"), count(&first, "sent"), "{first:#}");
    assert!(count(&first, "answered") > 80, "{first:#}");
    let csv = std::fs::read_to_string(world.folder().join("a.csv")).unwrap();
    assert!(csv.lines().any(|it| it.contains(",route,list,")), "{csv}");
    assert!(world.folder().join("a.hlog").is_file());
    let (second, exit) = run(&world, &faster);
    assert_eq!(exit, Some(0), "{second:#}");
    let runs =
        ["run", "run"].iter().zip([&first, &second]).map(|(it, run)| run[*it].as_str().unwrap());
    let runs: Vec<_> = runs.collect();
    let output = world.run(&["load", "compare", runs[0], runs[1]]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    world.is_empty_within_a_second();
}

#[test]
fn files_of_a_document_lie_beside_it_wherever_the_command_is_run() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    std::fs::create_dir_all(world.folder().join("tests/load")).unwrap();
    let text = |url: &str, file: &str| {
        format!(
            "apiVersion: evenkeel.dev/v1\nkind: LoadTest\nmetadata: {{name: it}}\nspec:\n  url: {url}\n  \
             shape: {{constant: {{rate: 20/s, duration: 500ms}}}}\n  {file}\n"
        )
    };
    let data = |file: &str| {
        let routes =
            "routes: [{path: \"/${data:pages.name}?${file:../word}\", checks: {body: [hello]}}]";
        let url = format!("http://127.0.0.1:{}", world.port());
        text(&url, &format!("data: {{pages: {{csv: {file}}}}}\n  {routes}"))
    };
    world.write("tests/load/shop.yaml", &data("rows.csv"));
    world.write("tests/load/rows.csv", "name\nindex.html\n");
    world.write("tests/word", "a=b\n");
    let (it, exit) = run(&world, &["tests/load/shop.yaml"]);
    assert_eq!((exit, count(&it, "answered")), (Some(0), 10), "{it:#}");

    world.write("tests/load/lost.yaml", &data("lost.csv"));
    let output = world.run(&["load", "run", "tests/load/lost.yaml", "--quiet"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let place = "cannot read `lost.csv` (named at tests/load/lost.yaml:7:23): No such file";
    assert!(said(&output).contains(place), "{}", said(&output));

    // Nobody listens there: what is asked is whether calls can be written.
    let calls = "grpc: {proto: [sink.proto]}\n  routes: [{grpc: {method: it.Sink/Call}}]";
    let nobody = format!("grpc://127.0.0.1:{}", world.port() + 1);
    world.write("tests/load/calls.yaml", &text(&nobody, calls));
    let proto = "syntax = \"proto3\"; package it; message Note {} \
                 service Sink { rpc Call(Note) returns (Note); }";
    world.write("tests/load/sink.proto", proto);
    let (it, _) = run(&world, &["tests/load/calls.yaml"]);
    assert_eq!(it["errors"]["connect"].as_u64(), Some(10), "{it:#}");
}

#[test]
fn what_curl_sends_is_imported_and_sent() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let line =
        format!("curl -s http://127.0.0.1:{}/index.html -H 'accept: text/html'\n", world.port());
    world.write("calls.sh", &line);
    let output = world.run(&["load", "import", "calls.sh", "--format", "curl", "-o", "calls.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let (it, exit) = run(&world, &["calls.yaml", "--rate", "50/s", "--duration", "1s"]);
    assert_eq!((exit, count(&it, "answered")), (Some(0), 50), "{it:#}");
}

#[test]
fn the_highest_rate_is_searched_for() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let url = format!("http://127.0.0.1:{}/", world.port());
    let search = ["--max", "20/s..40/s", "--duration", "1s", "--success", "error_rate < 1%"];
    let (it, exit) = run(&world, &[&[url.as_str()], &search[..]].concat());
    assert_eq!((exit, it["highest_rate_per_second"].as_f64()), (Some(0), Some(40.0)), "{it:#}");
    assert_eq!(it["tried"].as_array().unwrap().len(), 2, "{it:#}");
}
