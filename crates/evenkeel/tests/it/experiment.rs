//! `chaos run`: an experiment by itself, against processes that know nothing of it.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::drill::{Nginx, folder_of, state_of};
use crate::host::Victim;
use crate::server::Prometheus;
use crate::world::{World, said, wait_until};

/// A process is stopped for a second; a look at it is the only probe.
fn stranger(pid: u32) -> String {
    format!(
        "apiVersion: evenkeel.dev/v1
kind: ChaosExperiment
metadata: {{name: stranger}}
spec:
  hypothesis: nobody minds
  steadyState: [{{process: {{pid: {pid}, every: 100ms}}}}]
  target: {{pid: {pid}}}
  method:
    - pause: {{at: 500ms, duration: 1s}}
  safety: {{maxDuration: 30s, abort: [\"error_rate > 99% for 20s\"]}}
  observe: 1s
"
    )
}

/// An nginx is stopped for a second and a half; a page of it is asked for ten times a second.
fn page(port: u16, pid: u32) -> String {
    format!(
        "apiVersion: evenkeel.dev/v1
kind: ChaosExperiment
metadata: {{name: page}}
spec:
  title: The server stands still
  steadyState: [{{http: {{url: \"http://127.0.0.1:{port}/\", within: 300ms, every: 100ms}}}}]
  target: {{pid: {pid}}}
  method:
    - pause: {{at: 1s, duration: 1500ms}}
  safety: {{abort: [\"error_rate > 99% for 20s\"]}}
  success: {{recovery_time: \"< 5s\", availability: \"> 10%\"}}
  observe: 3s
"
    )
}

fn run(world: &World, text: &str, more: &[&str]) -> Output {
    world.write("experiment.yaml", text);
    world.run(&[&["chaos", "run", "experiment.yaml"], more].concat())
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|it| panic!("{it}: {}", said(output)))
}

/// The report of a run whose result was printed as JSON.
fn report(world: &World, output: &Output) -> Value {
    let file = world.folder().join(folder_of(output)).join("report.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[test]
fn a_process_is_paused_without_a_service_and_without_load() {
    let (world, victim) = (World::new(), Victim::start());
    let output = run(&world, &stranger(victim.id()), &["--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(json(&output)["verdict"]["result"], "pass");
    let report = report(&world, &output);
    assert_eq!(
        (&report["plan"]["load"], &report["plan"]["service"]["name"]),
        (&Value::Null, &"stranger".into())
    );
    let fault = &report["faults"][0];
    assert_eq!(
        (&fault["evidence"]["acted"], &fault["release"]),
        (&true.into(), &"guardian".into()),
        "{fault:#}"
    );
    let probe = &report["steady_state"][0];
    let count = |key: &str| probe[key].as_u64().unwrap();
    assert!(0 < count("during_held") && count("during_held") < count("during_asked"), "{probe:#}");
    assert_eq!((&probe["before"], &probe["after"]), (&true.into(), &true.into()));
    let kinds: Vec<_> = report["checks"].as_array().unwrap().iter().map(|it| &it["kind"]).collect();
    assert_eq!(kinds, ["steady_state", "evidence", "undo"], "{:#}", report["checks"]);
    assert_ne!(state_of(victim.id()), 'T');
    world.is_empty_within_a_second();
}

#[test]
fn probes_tell_when_a_server_stood_still_and_when_it_was_well_again() {
    let world = World::new();
    let nginx = Nginx::start(&world, world.port());
    let output = run(&world, &page(world.port(), nginx.id()), &["--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let it = report(&world, &output);
    let fault = &it["faults"][0];
    let [detected, recovered] = ["detected_after_seconds", "recovered_after_seconds"]
        .map(|key| fault[key].as_f64().unwrap_or_else(|| panic!("{fault:#}")));
    assert!((0.1..2.5).contains(&detected) && recovered < 3.0, "{fault:#}");
    assert!(it["totals"]["errors"]["timeout"].as_u64().unwrap() > 3, "{:#}", it["totals"]);

    let folder = folder_of(&output);
    let again = world.run(&["report", folder.to_str().unwrap(), "--as", "json"]);
    assert_eq!(json(&again), it, "a journal gives the same report again");
    let page = std::fs::read_to_string(world.folder().join(folder).join("report.html")).unwrap();
    assert!(page.contains("Answers of the probes") && !page.contains("Throughput and errors"));
}

#[test]
fn who_does_not_come_back_has_failed() {
    let (world, victim) = (World::new(), Victim::start());
    let text =
        stranger(victim.id()).replace("pause: {at: 500ms, duration: 1s}", "kill: {at: 500ms}");
    let output = run(&world, &text, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("Hypothesis disproved: 1 of 3 checks failed"),
        "{}",
        said(&output)
    );
}

#[test]
fn who_has_spent_the_error_budget_breaks_nothing() {
    let (world, victim) = (World::new(), Victim::start());
    let _prometheus = Prometheus::start(world.port());
    let with = |left: &str| {
        let url = format!("http://127.0.0.1:{}", world.port());
        let budget = format!("errorBudget: {{url: \"{url}\", query: vector({left}), min: 25%}}");
        let probe =
            format!("{{promql: {{url: \"{url}\", query: \"1 + 1\", value: \">= 2\"}}}}, {{process");
        let text = stranger(victim.id()).replace("safety: {", &format!("safety: {{{budget}, "));
        run(&world, &text.replace("{process", &probe), &["--output", "json"])
    };
    let refused = with("-0.5");
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    let why = "No steady state before the experiment: at least 25% of the error budget is left: -50.00% is left";
    assert!(said(&refused).contains(why), "{}", said(&refused));
    let allowed = with("0.25");
    assert_eq!(allowed.status.code(), Some(0), "{}", said(&allowed));
    let probes = &report(&world, &allowed)["steady_state"];
    let [metric, budget] = [&probes[0], &probes[2]];
    assert_eq!((&metric["before"], &metric["after"]), (&true.into(), &true.into()), "{metric:#}");
    assert_eq!(
        (&budget["before"], &budget["during_asked"], &budget["after"]),
        (&true.into(), &0.into(), &Value::Null),
        "{budget:#}"
    );
}

#[test]
fn a_dry_run_says_everything_and_changes_nothing() {
    let (world, victim) = (World::new(), Victim::start());
    let pid = victim.id();
    let output = run(&world, &stranger(pid), &["--dry-run", "--seed", "7"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for wanted in [
        format!("apply   stop sleep (pid {pid})"),
        format!("undo    continue sleep (pid {pid})"),
        "release C (undone by the guardian)".to_owned(),
        "aborts when error_rate > 99% for 20s".to_owned(),
        format!("asks every 100ms: pid {pid} runs"),
    ] {
        assert!(said(&output).contains(&wanted), "{wanted}: {}", said(&output));
    }
    let of = |seed: &str| {
        json(&run(&world, &stranger(pid), &["--dry-run", "--output", "json", "--seed", seed]))
    };
    let (one, other) = (of("7"), of("8"));
    let fault = &one["faults"][0];
    assert_eq!((&fault["kind"], &fault["release"]), (&"pause".into(), &"C".into()), "{fault:#}");
    assert_eq!(fault["targets"], serde_json::json!([format!("sleep (pid {pid})")]));
    assert_eq!(fault["steps"][0]["by_hand"], format!("kill -CONT {pid}"));
    assert_eq!((one["hash"].as_str().unwrap().len(), &one["hash"]), (64, &other["hash"]));
    assert_ne!(one["plan"]["seed"], other["plan"]["seed"]);
    let left: Vec<_> =
        std::fs::read_dir(world.folder()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["experiment.yaml"]);
    assert_ne!(state_of(pid), 'T');
}

#[test]
fn what_a_rule_refuses_is_refused_dry_and_for_real() {
    let (world, victim) = (World::new(), Victim::start());
    let text =
        stranger(victim.id()).replace("safety: {", "safety: {blastRadius: {minHealthy: 1}, ");
    for more in [&["--dry-run"][..], &[]] {
        let output = run(&world, &text, more);
        assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    }
    let halt = world.run(&["chaos", "halt", "--why", "an incident"]);
    assert_eq!(halt.status.code(), Some(0), "{}", said(&halt));
    for more in [&["--dry-run"][..], &[]] {
        let output = run(&world, &stranger(victim.id()), more);
        assert_eq!(output.status.code(), Some(5), "{}", said(&output));
        assert!(said(&output).contains("an incident"), "{}", said(&output));
    }
}

#[test]
fn an_abort_condition_ends_the_fault_long_before_its_time() {
    let (world, victim) = (World::new(), Victim::start());
    let text = stranger(victim.id())
        .replace("duration: 1s", "duration: 25s")
        .replace("error_rate > 99% for 20s", "error_rate > 10%");
    let output = run(&world, &text, &["--output", "json"]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let report = report(&world, &output);
    let stopped = report["faults"][0]["evidence"]["counters"]["stopped_seconds"].as_f64().unwrap();
    assert!(stopped < 5.0, "stopped for {stopped} s");
    assert_eq!(report["guards"][0]["condition"], "error_rate > 10%");
    assert!(report["guards"][0]["tripped_at_seconds"].is_number(), "{:#}", report["guards"]);
    world.is_empty_within_a_second();
}

#[test]
fn where_nobody_asks_that_is_said_and_evidence_is_judged() {
    let (world, victim) = (World::new(), Victim::start());
    let probe = format!("  steadyState: [{{process: {{pid: {}, every: 100ms}}}}]\n", victim.id());
    let text = stranger(victim.id()).replace(&probe, "");
    let output = run(&world, &text, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for wanted in ["no probe is asked", "1 fault acted; how the service took it nobody asked."] {
        assert!(said(&output).contains(wanted), "{wanted}: {}", said(&output));
    }
}

#[test]
fn a_service_that_is_not_well_is_left_alone() {
    let (world, victim) = (World::new(), Victim::start());
    let text = page(world.port(), victim.id());
    let output = run(&world, &text, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("No steady state before the experiment"), "{}", said(&output));
    world.is_empty_within_a_second();
}

#[test]
fn a_signal_in_the_middle_leaves_nothing_behind() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (world, victim) = (World::new(), Victim::start());
        let text = stranger(victim.id()).replace("duration: 1s", "duration: 25s");
        world.write("experiment.yaml", &text);
        let child = world
            .evenkeel(&["chaos", "run", "experiment.yaml", "--output", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let paused = wait_until(Duration::from_secs(20), || state_of(victim.id()) == 'T');
        kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(paused, "nobody was paused: {}", said(&output));
        assert_eq!(output.status.code(), Some(130), "{signal:?}: {}", said(&output));
        assert_ne!(state_of(victim.id()), 'T', "{signal:?}");
        assert!(world.folder().join(folder_of(&output)).join("report.html").is_file());
        world.is_empty_within_a_second();
    }
}

#[test]
fn an_abort_waits_for_no_fault_that_takes_long_to_begin() {
    let world = World::new();
    let nginx = Nginx::start(&world, world.port());
    let text = page(world.port(), nginx.id())
        .replace("{at: 1s, duration: 1500ms}", "{at: 200ms, duration: 30s}")
        .replace("  safety:", "    - command: {at: 300ms, duration: 30s, run: [sleep, \"25\"], undo: [\"true\"]}\n  safety:")
        .replace("error_rate > 99% for 20s", "error_rate > 50% for 500ms");
    let output = run(&world, &text, &["--output", "json"]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let it = report(&world, &output);
    let stopped = it["faults"][0]["to_seconds"].as_f64();
    assert!(stopped.is_some_and(|it| it < 10.0), "{:#}", it["faults"]);
    assert!(it["faults"][1]["error"].as_str().unwrap().contains("given up"), "{:#}", it["faults"]);
    world.is_empty_within_a_second();
}

#[test]
fn of_several_experiments_one_is_named() {
    let (world, victim) = (World::new(), Victim::start());
    let one = stranger(victim.id());
    let two = format!("{one}---\n{}", one.replace("name: stranger", "name: other"));
    let output = run(&world, &two, &["--dry-run"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("name one with `--name`: stranger, other"), "{}", said(&output));
    let named = run(&world, &two, &["--dry-run", "--name", "other"]);
    assert_eq!(named.status.code(), Some(0), "{}", said(&named));
    assert!(said(&named).contains("other  seed"), "{}", said(&named));
    let nobody = run(&world, &two, &["--dry-run", "--name", "nobody"]);
    assert_eq!(nobody.status.code(), Some(2), "{}", said(&nobody));
    let none = run(
        &world,
        "apiVersion: evenkeel.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: {}\n",
        &[],
    );
    assert_eq!(none.status.code(), Some(2), "{}", said(&none));
}

/// What nobody in particular may do on this host.
fn as_nobody(world: &World, arguments: &[&str]) -> Output {
    // Whoever runs it has to reach the program, its documents, and a place for what it keeps.
    let binary = world.folder().join("evenkeel");
    std::fs::copy(env!("CARGO_BIN_EXE_evenkeel"), &binary).unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(world.folder(), open).unwrap();
    Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"])
        .arg(binary)
        .args(arguments)
        .current_dir(world.folder())
        .env("EVENKEEL_STATE_DIR", world.folder().join("state-of-nobody"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn without_a_right_it_says_which_and_does_nothing() {
    let world = World::new();
    let loss = "apiVersion: evenkeel.dev/v1
kind: ChaosExperiment
metadata: {name: loss}
spec:
  steadyState: [{tcp: {address: \"127.0.0.1:9\"}}]
  method:
    - loss: {share: 20%, target: {traffic: {port: 9}}, duration: 1s}
    - partition: {nodes: [10.0.0.1, 10.0.0.2], at: 2s, duration: 1s}
  safety: {abort: [\"error_rate > 99% for 20s\"]}
";
    world.write("loss.yaml", loss);
    for more in [&["--dry-run"][..], &[]] {
        let output = as_nobody(&world, &[&["chaos", "run", "loss.yaml"], more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert_eq!(
            said(&output).matches("this needs CAP_NET_ADMIN").count(),
            2,
            "{}",
            said(&output)
        );
    }
    assert!(!world.folder().join("evenkeel-runs").exists());
}

#[test]
fn without_any_right_what_can_work_works() {
    let (world, victim) = (World::new(), Victim::start());
    let fill = format!(
        "apiVersion: evenkeel.dev/v1
kind: ChaosExperiment
metadata: {{name: little}}
spec:
  steadyState: [{{process: {{pid: {}, every: 100ms}}}}]
  method:
    - memory: {{amount: 32MiB, duration: 300ms}}
    - pids: {{count: 20, duration: 300ms}}
  safety: {{abort: [\"error_rate > 99% for 20s\"]}}
  observe: 100ms
",
        victim.id()
    );
    world.write("little.yaml", &fill);
    let output = as_nobody(&world, &["chaos", "run", "little.yaml", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_plan_that_needs_approval_is_run_only_as_somebody_else_approved_it() {
    let (world, victim) = (World::new(), Victim::start());
    let text = stranger(victim.id()).replace("safety: {", "safety: {approvals: 1, ");
    let approve = |who: &str| world.run(&["chaos", "approve", "experiment.yaml", "--as", who]);
    let as_ann = &["--as", "ann", "--output", "json"];
    let output = run(&world, &text, as_ann);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert!(said(&output).contains("needs 1 approval by others than ann, and has 0"));
    assert!(approve("ann").status.success());
    assert_eq!(run(&world, &text, as_ann).status.code(), Some(5));
    assert!(approve("bob").status.success());
    let dry = run(&world, &text, &["--dry-run", "--as", "ann"]);
    assert_eq!(dry.status.code(), Some(0), "{}", said(&dry));
    // What was approved is this plan, and not another one of the same name.
    let other = text.replace("duration: 1s", "duration: 2s");
    assert_eq!(run(&world, &other, as_ann).status.code(), Some(5));
    let output = run(&world, &text, as_ann);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}
