//! A game day: what has to be so is confirmed, the experiment is run, and the record says what really happened.

use serde_json::Value;

use crate::drill::folder_of;
use crate::host::Victim;
use crate::world::{World, said};

/// A worker stands still for a moment, and people watch.
fn day(pid: u32, prerequisites: &str) -> String {
    format!(
        "apiVersion: evenkeel.dev/v1
kind: ChaosExperiment
metadata: {{name: worker-hangs}}
spec:
  steadyState: [{{process: {{pid: {pid}, every: 100ms}}}}]
  target: {{pid: {pid}}}
  method: [{{pause: {{at: 200ms, duration: 500ms}}}}]
  safety: {{abort: [\"error_rate > 99% for 20s\"]}}
  success: {{availability: \"> 1%\"}}
  observe: 500ms
---
apiVersion: evenkeel.dev/v1
kind: GameDay
metadata: {{name: worker-day}}
spec:
  title: Worker <hangs>
  objective: the queue drains without one worker
  participants: [SRE team, {{name: Ann, role: observer}}]
  prerequisites: {prerequisites}
  scenario: {{steps: [Stop the worker, Watch the queue], experiment: worker-hangs}}
  success: [No order is lost]
  timeline: [{{at: \"09:45\", what: Team assembles}}, {{at: \"10:00\", until: \"10:05\", what: Watch}}]
  timeZone: Europe/Paris
"
    )
}

#[test]
fn it_does_not_begin_before_everything_is_confirmed() {
    let (world, victim) = (World::new(), Victim::start());
    let port = world.port();
    let text = day(
        victim.id(),
        &format!("[The dashboards work, {{tcp: {{address: \"127.0.0.1:{port}\"}}}}]"),
    );
    world.write("day.yaml", &text);
    let run = |more: &[&str]| world.run(&[&["gameday", "run", "day.yaml"], more].concat());
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    for wanted in [
        "The dashboards work: nobody has confirmed it".to_owned(),
        format!("127.0.0.1:{port} accepts connections: connection refused"),
    ] {
        assert!(said(&output).contains(&wanted), "{wanted}: {}", said(&output));
    }
    // Nobody can confirm what a probe sees otherwise.
    let output = run(&["--confirmed"]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert!(!said(&output).contains("dashboards"), "{}", said(&output));
    let dry = run(&["--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}", said(&dry));
    for wanted in ["takes part: Ann (observer)", "10:00-10:05 Watch", "apply   stop sleep"] {
        assert!(said(&dry).contains(wanted), "{wanted}: {}", said(&dry));
    }
    assert!(!world.folder().join("evenkeel-runs").exists());
}

#[test]
fn its_record_is_filled_by_what_happened() {
    let (world, victim) = (World::new(), Victim::start());
    let pid = victim.id();
    world.write(
        "day.yaml",
        &day(pid, &format!("[The dashboards work, {{process: {{pid: {pid}}}}}]")),
    );
    let arguments =
        ["gameday", "run", "day.yaml", "--confirmed", "--as", "ann", "--output", "json"];
    let output = world.run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let folder = world.folder().join(folder_of(&output));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let text = read("gameday.md");
    for wanted in [
        "# GameDay: Worker &lt;hangs&gt;\n",
        "- Ann (observer)\n",
        "- [x] The dashboards work (confirmed by ann)\n",
        "1. Stop the worker\n",
        "- [x] availability &gt; 1%: pass",
        "- [ ] No order is lost (people judge)\n",
        "- 09:45 Team assembles\n",
        "## Timeline (Europe/Paris)\n",
        &format!("broken: pause · pid {pid} (sleep (pid {pid}))\n"),
        &format!("no longer so: pid {pid} runs"),
        &format!("so again: pid {pid} runs\n"),
        &format!("over: pause · pid {pid}\n"),
        &format!("- pause · pid {pid}: acted"),
        "## Learnings\n",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    let record: Value = serde_json::from_str(&read("gameday.json")).unwrap();
    let happened = record["happened"].as_array().unwrap();
    let after = |it: &Value| it["after_seconds"].as_f64().unwrap();
    assert!(happened.is_sorted_by(|a, b| after(a) <= after(b)), "{happened:#?}");
    assert_eq!(
        (&record["verdict"]["result"], &record["learnings"]),
        (&"pass".into(), &Value::Array(Vec::new()))
    );
    let page = read("gameday.html");
    assert!(page.contains("Worker &lt;hangs&gt;") && !page.contains("<script"), "{page}");
    assert!(folder.join("report.html").is_file());
    world.is_empty_within_a_second();
}
