//! What acts is seen from outside, ended from outside, and does not begin again before that is lifted.

use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::drill::state_of;
use crate::host::Victim;
use crate::kill::document;
use crate::world::{World, said, wait_until};

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|it| panic!("{it}: {}", said(output)))
}

#[test]
fn a_drill_is_seen_and_halted_from_outside() {
    let world = World::new();
    let chaos = |arguments: &[&str]| {
        let output = world.run(&[&["chaos"], arguments, &["--output", "json"]].concat());
        (output.status.code(), json(&output))
    };
    let victim = Victim::start();
    let file = world.write("drill.yaml", &document(world.port(), victim.id()));
    let drill = || {
        let mut command = world.evenkeel(&["drill", "run", file.to_str().unwrap(), "--yes"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut running = drill().spawn().unwrap();
    let is_paused = || state_of(victim.id()) == 'T';
    if !wait_until(Duration::from_secs(30), is_paused) {
        running.kill().unwrap();
        panic!("nobody was paused: {}", said(&running.wait_with_output().unwrap()));
    }

    let (code, status) = chaos(&["status"]);
    let run = &status["runs"][0];
    assert_eq!(
        (code, &run["is_alive"], &run["guardian"]["state"]),
        (Some(0), &true.into(), &"runs".into())
    );
    let pause = run["faults"].as_array().unwrap().iter().find(|it| it["release"] == "C").unwrap();
    let left = pause["seconds_left"].as_f64().unwrap();
    assert!((0.0..2.5).contains(&left), "{pause}");
    assert_eq!(pause["targets"][0], format!("stranger (pid {})", victim.id()));
    let (code, recovered) = chaos(&["recover"]);
    assert_eq!((code, &recovered[0]["is_alive"]), (Some(5), &true.into()));

    let (code, halted) = chaos(&["halt", "--why", "an incident"]);
    assert_eq!((code, &halted["runs"][0]["failed"]), (Some(0), &Value::Array(Vec::new())));
    assert_ne!(state_of(victim.id()), 'T');
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    world.is_empty_within_a_second();

    let refused = drill().output().unwrap();
    assert_eq!(refused.status.code(), Some(5), "{}", said(&refused));
    assert!(said(&refused).contains("(an incident)"), "{}", said(&refused));
    assert_eq!(chaos(&["status"]).1["halted"]["why"], "an incident");
    assert_eq!(chaos(&["halt", "--lift"]), (Some(0), serde_json::json!({"was_halted": true})));
    assert_eq!(chaos(&["status"]).1, serde_json::json!({"halted": null, "runs": []}));
}
