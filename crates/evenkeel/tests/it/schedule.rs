//! Experiments at their times, and those that are left to chance.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::drill::state_of;
use crate::host::Victim;
use crate::world::{World, said, wait_until};

/// A process is stopped for a moment; `more` is the rest of the spec.
fn brief(pid: u32, more: &str) -> String {
    format!(
        "apiVersion: evenkeel.dev/v1
kind: ChaosExperiment
metadata: {{name: brief}}
spec:
  steadyState: [{{process: {{pid: {pid}, every: 100ms}}}}]
  target: {{pid: {pid}}}
  method:
    - pause: {{duration: 200ms}}
  safety: {{abort: [\"error_rate > 99% for 20s\"], timeZone: Europe/Paris}}
  observe: 900ms
{more}"
    )
}

#[test]
fn each_time_is_run_in_its_turn_until_somebody_ends_it() {
    let (world, victim) = (World::new(), Victim::start());
    world.write("brief.yaml", &brief(victim.id(), "  schedule: \"@every 1s\"\n"));
    let child = world
        .evenkeel(&["chaos", "schedule", "brief.yaml", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let runs = world.folder().join("evenkeel-runs");
    let is_written = || {
        let folders = std::fs::read_dir(&runs).into_iter().flatten().flatten();
        folders.into_iter().any(|it| it.path().join("report.md").is_file())
    };
    let was_run = wait_until(Duration::from_secs(20), is_written);
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(was_run, "{}", said(&output));
    // On a slow host the next run may have begun meanwhile; it is ended like any other.
    let waited = said(&output).contains("SIGTERM: nothing runs");
    let code = if waited { 0 } else { 130 };
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    let mut told = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let run = told.next().unwrap().unwrap();
    assert_eq!(run["verdict"]["result"], "pass", "{run:#}");
    for wanted in ["brief  @every 1s: ", "waiting for brief at "] {
        assert!(said(&output).contains(wanted), "{wanted}: {}", said(&output));
    }
    // It takes longer than the second between two of its times.
    assert!(said(&output).contains("another run was on"), "{}", said(&output));
    assert_ne!(state_of(victim.id()), 'T');
    world.is_empty_within_a_second();
}

#[test]
fn times_are_shown_where_an_experiment_is_looked_at() {
    let world = World::new();
    let text = brief(std::process::id(), "  schedule: \"0 14 * * Mon-Fri\"\n");
    world.write("brief.yaml", &text);
    let check = world.run(&["check", "brief.yaml"]);
    let wanted = "brief runs at 0 14 * * Mon-Fri Europe/Paris, next ";
    assert!(said(&check).contains(wanted), "{}", said(&check));
    world.write("brief.yaml", &text.replace("0 14 * * Mon-Fri", "0 25 * * *"));
    let wrong = world.run(&["check", "brief.yaml"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
    assert!(
        said(&wrong).contains("brief.yaml:11:13") && said(&wrong).contains("range 0..=23"),
        "{}",
        said(&wrong)
    );
    world.write("brief.yaml", &brief(std::process::id(), ""));
    let none = world.run(&["chaos", "schedule", "brief.yaml"]);
    assert_eq!(none.status.code(), Some(2), "{}", said(&none));
    assert!(said(&none).contains("has a `schedule`"), "{}", said(&none));
}

#[test]
fn what_chance_spares_has_neither_held_nor_failed() {
    let (world, victim) = (World::new(), Victim::start());
    let run = |monkey: &str, more: &[&str]| {
        world.write("brief.yaml", &brief(victim.id(), &format!("  monkey: {{{monkey}}}\n")));
        world.run(&[&["chaos", "run", "brief.yaml", "--output", "json"], more].concat())
    };
    let rare = run("probability: 0.0001%", &[]);
    assert_eq!(rare.status.code(), Some(0), "{}", said(&rare));
    let told: Value = serde_json::from_slice(&rare.stdout).unwrap();
    assert_eq!((&told["verdict"]["result"], &told["run"]), (&"not_drawn".into(), &Value::Null));
    assert!(!world.folder().join("evenkeel-runs").exists());

    let dry = run("probability: 100%, optOut: [database]", &["--dry-run"]);
    let told: Value = serde_json::from_slice(&dry.stdout).unwrap();
    assert_eq!((dry.status.code(), &told["is_drawn"]), (Some(0), &true.into()), "{}", said(&dry));
    let spared = run(&format!("probability: 100%, optOut: [\"pid {}\"]", victim.id()), &[]);
    assert_eq!(spared.status.code(), Some(2), "{}", said(&spared));
    assert!(said(&spared).contains("could hit nobody"), "{}", said(&spared));
}
