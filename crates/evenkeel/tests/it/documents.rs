//! `check`, `schema`, `explain` and `plan`: documents, right and wrong.

use std::io::Write;

use crate::world::{World, said};

const WRONG: &str = "\
apiVersion: evenkeel.dev/v1
kind: LoadTest
metadata: {name: visitors}
spec:
  url: http://127.0.0.1:1
  timeot: 5s
  shape: {constant: {rate: 100, duration: 10s}}
  routes:
    - {path: /}
";

#[test]
fn check_prints_every_error_with_its_place_and_fix_for_programs() {
    let world = World::new();
    world.write("wrong.yaml", WRONG);
    let output = world.run(&["check", "wrong.yaml", "--output", "json"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!((&found[0]["line"], &found[0]["column"]), (&6.into(), &3.into()));
    assert!(found[0]["help"].as_str().unwrap().contains("timeout"), "{found:#?}");
    assert!(found[1]["help"].as_str().unwrap().contains("100/s"), "{found:#?}");
    for key in ["file", "line", "column", "code", "message", "help"] {
        assert!(found[0].get(key).is_some(), "{key}");
    }
}

#[test]
fn check_shows_people_the_line_and_the_fix() {
    let world = World::new();
    world.write("wrong.yaml", WRONG);
    let output = world.run(&["check", "wrong.yaml"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("wrong.yaml:6:3")
            && text.contains("timeot: 5s")
            && text.contains("Did you mean"),
        "{text}"
    );
}

#[test]
fn a_query_that_says_something_else_than_was_meant_is_told_at_its_place() {
    let world = World::new();
    let text = "\
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: errors}
spec:
  sli:
    raw: {errorRatio: 'rate(x{code=\"500\"}[$window]) / rate(x[$window])'}
  objective: 99.9%
";
    world.write("slo.yaml", text);
    let output = world.run(&["check", "slo.yaml", "--output", "json"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let [one] = found.as_array().unwrap().as_slice() else { panic!("{found:#?}") };
    assert_eq!((&one["code"], &one["line"]), (&"EK-L033".into(), &6.into()));
    let message = one["message"].as_str().unwrap();
    assert!(message.starts_with("at 1:25 of the query, each series is divided"), "{message}");
}

#[test]
fn hostile_documents_end_with_an_error_and_not_with_the_machine() {
    let world = World::new();
    let deep = "[".repeat(20_000);
    world.write("deep.yaml", &deep);
    std::fs::write(world.folder().join("binary.yaml"), b"kind: \xff\xfe").unwrap();
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            vec![format!("*a{}", level - 1); 10].join(", ")
        ));
    }
    world.write("bomb.yaml", &bomb);
    let mut huge = std::fs::File::create(world.folder().join("huge.yaml")).unwrap();
    huge.write_all(b"kind: x\n").unwrap();
    huge.set_len(200 << 20).unwrap();
    for name in ["deep.yaml", "binary.yaml", "bomb.yaml", "huge.yaml"] {
        // Half a gigabyte of address space is what such a document may cost at most.
        let mut command = std::process::Command::new("prlimit");
        command
            .arg(format!("--as={}", 512 << 20))
            .arg(env!("CARGO_BIN_EXE_evenkeel"))
            .args(["check", name]);
        let output = command.current_dir(world.folder()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {}", said(&output));
    }
}

#[test]
fn the_schema_is_a_schema_and_an_unknown_kind_is_an_error() {
    let world = World::new();
    let about_objectives = ["SLO", "AlertPolicy", "ErrorBudgetPolicy", "SLA"];
    let others =
        ["Service", "LoadTest", "ChaosExperiment", "Drill", "GameDay", "Resilience", "Report"];
    for kind in others.into_iter().chain(about_objectives) {
        let output = world.run(&["schema", kind]);
        let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(schema.get("$schema").is_some(), "{kind}");
    }
    assert_eq!(world.run(&["schema", "Slow"]).status.code(), Some(2));
}

#[test]
fn a_file_that_is_not_there_is_a_usage_error_that_names_it() {
    let world = World::new();
    let output = world.run(&["check", "nowhere.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("nowhere.yaml"), "{}", said(&output));
}

#[test]
fn what_cannot_be_read_hides_no_other_finding() {
    let world = World::new();
    world.write("wrong.yaml", WRONG);
    std::os::unix::fs::symlink("nowhere", world.folder().join("dangling.yaml")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(world.folder().join("pipe.yaml"))
        .status()
        .unwrap();
    assert!(made.success());
    let output = world.run(&["check", ".", "--output", "json"]);
    let found: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let of =
        |name: &str| found.iter().filter(|it| it["file"].as_str().unwrap().ends_with(name)).count();
    assert_eq!([of("wrong.yaml"), of("dangling.yaml"), of("pipe.yaml")], [2, 1, 1], "{found:#?}");
}

/// The probes of a manifest as most write them.
const MANIFEST: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      containers:
        - name: shop
          ports: [{name: web, containerPort: 8080}]
          readinessProbe:
            httpGet: {path: /health/ready, port: http}
          livenessProbe:
            httpGet: {path: /health/ready, port: web}
            sucessThreshold: 1
";

#[test]
fn the_probes_of_a_manifest_are_told_at_their_places() {
    let world = World::new();
    std::fs::create_dir(world.folder().join("k8s")).unwrap();
    world.write("k8s/shop.yaml", MANIFEST);
    let output = world.run(&["check", "k8s", "--output", "json"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let place = |it: &serde_json::Value| {
        format!("{} {}:{}", it["code"].as_str().unwrap(), it["line"], it["column"])
    };
    let places: Vec<_> = found.as_array().unwrap().iter().map(place).collect();
    let wanted = ["EK-W012 14:11", "EK-L035 15:50", "EK-L037 17:29", "EK-D003 18:13"];
    assert_eq!(places, wanted);
    for code in ["EK-W012", "EK-L035", "EK-L037"] {
        assert!(world.run(&["explain", code]).status.success(), "{code}");
    }
}

#[test]
fn the_manifest_that_is_written_has_nothing_wrong_with_it() {
    let world = World::new();
    let output = world.run(&["health", "manifest", "shop", "--grpc", "--longest-request", "1m"]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("terminationGracePeriodSeconds: 77"), "{text}");
    world.write("shop.yaml", &text);
    let checked = world.run(&["check", "shop.yaml"]);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    assert!(said(&checked).contains("1 document in 1 file: no errors"), "{}", said(&checked));
    let json = world.run(&["health", "manifest", "shop", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["kind"], "Deployment");
    let refused = world.run(&["health", "manifest", "shop", "--out-within", "1m"]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
}
