//! `chaos import`: experiments of other tools, and what `check` and `plan` make of them.

use crate::world::{World, said};

const MESH: &str = "\
apiVersion: chaos-mesh.org/v1alpha1
kind: NetworkChaos
metadata: {name: payment-slow}
spec:
  action: delay
  mode: all
  selector: {labelSelectors: {app: shop}}
  delay: {latency: 200ms, correlation: \"25\"}
  target: {mode: all, selector: {labelSelectors: {app: payment}}}
  duration: 20s
";

/// What the notes of the import ask for, and a drill that uses the experiment.
const REST: &str = "\
apiVersion: evenkeel.dev/v1
kind: Service
metadata: {name: shop}
spec:
  url: http://127.0.0.1:1
  dependencies: {payment: {listen: \"127.0.0.1:2\", upstream: \"127.0.0.1:3\"}}
  allowFaults: [latency]
---
apiVersion: evenkeel.dev/v1
kind: LoadTest
metadata: {name: shoppers}
spec: {service: shop, routes: [{path: /}]}
---
apiVersion: evenkeel.dev/v1
kind: Drill
metadata: {name: slow}
spec:
  service: shop
  load: shoppers
  duration: 1m
  phases: [{name: slow, shape: {constant: {rate: 10/s, duration: 30s}}, chaos: [payment-slow]}]
  success: {error_rate: \"< 5%\"}
";

#[test]
fn what_is_imported_can_be_checked_and_planned() {
    let world = World::new();
    world.write("mesh.yaml", MESH);
    let output = world.run(&["chaos", "import", "mesh.yaml", "-o", "experiments.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = said(&output);
    assert!(text.contains("left out: `correlation: 25` (mesh.yaml:8:27): each piece"), "{text}");
    assert!(text.contains("wrote experiments.yaml: payment-slow"), "{text}");

    let output = world.run(&["check", "experiments.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));

    world.write("rest.yaml", REST);
    let output = world.run(&["plan", "rest.yaml", "experiments.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("latency +200ms"), "{}", said(&output));
}

#[test]
fn programs_read_the_experiments_and_what_is_left_out() {
    let world = World::new();
    world.write("mesh.yaml", MESH);
    let output = world.run(&["chaos", "import", "mesh.yaml", "--output", "json"]);
    let it: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(it["experiments"], serde_json::json!(["payment-slow"]), "{it:#}");
    let places: Vec<_> = it["left_out"].as_array().unwrap().iter().map(|it| &it["place"]).collect();
    assert_eq!(
        places,
        ["mesh.yaml:1:1", "mesh.yaml:8:27", "mesh.yaml:9:3", "mesh.yaml:9:12"],
        "{it:#}"
    );
    assert!(it["document"].as_str().unwrap().contains("kind: ChaosExperiment"), "{it:#}");
}

#[test]
fn mistakes_and_files_of_which_nothing_carries_over_are_refused() {
    let world = World::new();
    world.write("wrong.yaml", &MESH.replace("200ms", "soon").replace("20s", "ever"));
    let output = world.run(&["chaos", "import", "wrong.yaml"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    for place in ["wrong.yaml:8:20", "wrong.yaml:10:13", "2 errors"] {
        assert!(said(&output).contains(place), "{}", said(&output));
    }

    world.write(
        "pods.yaml",
        &MESH.replace("action: delay", "action: container-kill").replace("Network", "Pod"),
    );
    let output = world.run(&["chaos", "import", "pods.yaml"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    for words in ["containers are told by what their engine says", "nothing of it carries over"] {
        assert!(said(&output).contains(words), "{}", said(&output));
    }

    let output = world.run(&["chaos", "import", "pods.yaml", "--output", "json"]);
    let it: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), it["left_out"].as_array().unwrap().len()),
        (Some(2), 1),
        "{it:#}"
    );

    world.write("other.yaml", "a: 1\n");
    let output = world.run(&["chaos", "import", "other.yaml"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("`--as`"), "{}", said(&output));
}
