//! `kill -9` at any moment of a drill or an experiment: what was broken is mended, and the host is as before.
//!
//! Eight random moments in an ordinary run of the tests; `EVENKEEL_KILLS=100` asks for more.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evenkeel_units::Seed;
use rand::RngExt;
use rustix::process::{Pid, Signal, kill_process};

use crate::drill::state_of;
use crate::world::{World, said, wait_until};

/// A drill that starts a shop, slows a link, pauses a stranger and burns CPU, all in four seconds.
pub(crate) fn document(port: u16, victim: u32) -> String {
    format!(
        "apiVersion: evenkeel.dev/v1
kind: Drill
metadata: {{name: kill}}
spec:
  service:
    url: http://127.0.0.1:{port}
    start:
      command: [evenkeel, shop, --port={port}, \"--via=payment=127.0.0.1:{link}\"]
      ready: http://127.0.0.1:{port}/health/ready
    instances: {{stranger: {{pid: {victim}}}}}
    dependencies: {{payment: {{listen: \"127.0.0.1:{link}\", upstream: \"127.0.0.1:{payment}\"}}}}
    allowFaults: [latency, pause, cpu]
  objectives:
    - {{sli: {{availability: {{}}}}, objective: 90%}}
  load:
    routes: [{{name: list, path: /products}}]
  phases:
    - {{name: baseline, role: baseline, shape: {{constant: {{rate: 30/s, duration: 500ms}}}}}}
    - name: faults
      shape: {{constant: {{rate: 30/s, duration: 3s}}}}
      chaos:
        - method:
            - pause: {{target: {{instances: stranger, mode: all}}, at: 200ms, duration: 2500ms}}
            - latency: {{target: {{dependency: payment}}, delay: 50ms, at: 100ms, duration: 2500ms}}
            - cpu: {{load: 5%, cores: 1, at: 300ms, duration: 2s}}
          safety: {{abort: [\"error_rate > 90% for 10s\"]}}
",
        link = port + 10,
        payment = port + 5,
    )
}

/// A process that waits to be broken, until the test is over.
pub(crate) struct Victim(Child);

impl Victim {
    pub(crate) fn start() -> Self {
        let mut command = Command::new("sleep");
        Self(command.arg("600").stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Kills a run after some time; how it had ended, when it had ended by itself. Then there is nothing to kill, and still
/// nothing may be left.
fn cut_off(world: &World, run: &[&str], after: Duration) -> Option<i32> {
    let mut command = world.evenkeel(run);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(after, || false);
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap_or_default();
    child.wait().unwrap().code()
}

#[test]
fn whenever_it_is_killed_nothing_is_left_within_a_second() {
    let kills: u32 =
        std::env::var("EVENKEEL_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(8);
    let seed = Seed(u64::from(std::process::id()));
    let mut chance = seed.stream("kill");
    for kill in 0..kills {
        let after = Duration::from_millis(chance.random_range(0..6_000));
        let world = World::new();
        let victim = Victim::start();
        let file = world.write("drill.yaml", &document(world.port(), victim.id()));
        let run = ["drill", "run", file.to_str().unwrap(), "--yes"];
        let ended = cut_off(&world, &run, after);
        assert!(matches!(ended, None | Some(0 | 1 | 6)), "it did not begin: {ended:?}");
        let mended = wait_until(Duration::from_secs(1), || {
            world.left().is_empty() && state_of(victim.id()) != 'T'
        });
        let (left, state) = (world.left(), state_of(victim.id()));
        assert!(
            mended,
            "kill {kill} of seed {seed} after {after:?}: stranger {state}, left {left:#?}"
        );
    }
}

/// Faults of every class at a time, on a host of the test's own: packets, names, numbers, memory, a limit, a pause, and
/// a command that leaves a file behind until it is undone.
fn everything(victim: u32, flag: &str) -> String {
    format!(
        "apiVersion: evenkeel.dev/v1
kind: ChaosExperiment
metadata: {{name: everything}}
spec:
  steadyState: [{{process: {{pid: {victim}, every: 100ms}}}}]
  method:
    - loss: {{share: 20%, target: {{traffic: {{port: 7}}}}, at: 0s, duration: 1800ms}}
    - latency: {{delay: 50ms, target: {{traffic: {{port: 9}}}}, at: 100ms, duration: 1700ms}}
    - partition: {{nodes: [127.0.1.1, 127.0.1.2], at: 200ms, duration: 1600ms}}
    - dns: {{names: [\"*\"], answer: servfail, at: 300ms, duration: 1500ms}}
    - pids: {{count: 50, at: 100ms, duration: 1700ms}}
    - memory: {{amount: 16MiB, at: 100ms, duration: 1700ms}}
    - pause: {{target: {{pid: {victim}}}, at: 500ms, duration: 1s}}
    - fileDescriptors: {{limit: 9, target: {{pid: {victim}}}, at: 500ms, duration: 1s}}
    - command: {{run: [touch, {flag}], undo: [rm, -f, {flag}], at: 400ms, duration: 1s}}
  safety: {{abort: [\"error_rate > 99% for 20s\"]}}
  observe: 300ms
"
    )
}

/// How a host is, as far as these faults could have changed it.
pub(crate) fn host() -> Vec<String> {
    let listed = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    // Its comments have the time, and its chains what they have counted.
    let iptables = listed("iptables-save", &[]);
    let rules = iptables.lines().filter(|it| !it.starts_with('#'));
    let rules: Vec<&str> = rules.map(|it| it.split(" [").next().unwrap_or(it)).collect();
    vec![
        listed("nft", &["--stateless", "list", "ruleset"]),
        rules.join("\n"),
        listed("tc", &["qdisc", "show"]),
        std::fs::read_to_string("/proc/self/mounts").unwrap(),
    ]
}

/// Runs the body in a network of its own, with mounts of its own: the test runs itself again, alone. `test`: path of the test itself.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    const INSIDE: &str = "EVENKEEL_TEST_ALONE";
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let before = host();
    let output = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    // What others mount meanwhile is theirs.
    assert_eq!(host()[..3], before[..3]);
}

#[test]
fn whenever_it_is_killed_the_host_is_as_before() {
    let test = "kill::whenever_it_is_killed_the_host_is_as_before";
    alone(test, kills_at_random_moments);
}

fn kills_at_random_moments() {
    let kills: u32 =
        std::env::var("EVENKEEL_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(5);
    let seed = Seed(u64::from(std::process::id()));
    let mut chance = seed.stream("kill");
    for kill in 0..kills {
        let after = Duration::from_millis(chance.random_range(0..3_500));
        let (world, victim) = (World::new(), Victim::start());
        let limits = || std::fs::read_to_string(format!("/proc/{}/limits", victim.id())).unwrap();
        let before = (host(), limits());
        let flag = world.folder().join("flag");
        world.write("everything.yaml", &everything(victim.id(), flag.to_str().unwrap()));
        let run = ["chaos", "run", "everything.yaml", "--yes"];
        let ended = cut_off(&world, &run, after);
        // Nobody asks for names or sends to these ports, so that a run to its end has no evidence of those.
        assert!(matches!(ended, None | Some(6)), "it did not begin: {ended:?}");
        let is_mended = || {
            world.left().is_empty()
                && state_of(victim.id()) != 'T'
                && !flag.exists()
                && (host(), limits()) == before
        };
        let mended = wait_until(Duration::from_secs(3), is_mended);
        let left = (world.left(), state_of(victim.id()), flag.exists(), host(), limits());
        assert!(mended, "kill {kill} of seed {seed} after {after:?}: {left:#?}");
    }
}
