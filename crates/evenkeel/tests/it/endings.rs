//! Every way in which a run can be ended from outside, for every fault that lasts: nothing of it is left, and the host
//! is as before.
//!
//! In an ordinary run of the tests each fault meets one ending, by the seed; `EVENKEEL_ENDINGS=all` asks for all of
//! them, and for containers, too, which takes some minutes.

use std::cell::RefCell;
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evenkeel_fault::{Status, status};
use evenkeel_model::document::Fault;
use evenkeel_units::Seed;
use rand::RngExt;
use rustix::process::{Pid, Signal, kill_process};

use crate::drill::state_of;
use crate::host::{Victim, alone};
use crate::stage::Stage;
use crate::world::{World, wait_until};

/// What lasts, with parameters. Words in capitals stand for what the stage has.
const FAULTS: &[(&str, &str)] = &[
    ("latency", "delay: 50ms, target: {dependency: payment}"),
    ("latency", "delay: 50ms, target: {traffic: {port: 9}}"),
    ("bandwidth", "rate: 64KiB/s, target: {traffic: {port: 9}}"),
    ("bandwidth", "rate: 64KiB/s, by: htb, target: {traffic: {host: 127.0.0.1, port: 9}}"),
    ("blackHole", "target: {traffic: {port: 9}}"),
    ("refuse", "target: {dependency: payment}"),
    ("reset", "target: {traffic: {port: 9}}"),
    ("httpErrors", "share: 50%, target: {traffic: {port: 9}}"),
    ("httpAbort", "target: {traffic: {port: 9}}"),
    ("httpDelay", "delay: 50ms, target: {dependency: payment}"),
    ("httpChange", "response: {status: 404}, target: {traffic: {port: 9}}"),
    ("tls", "certificate: expired, target: {traffic: {port: 9}}"),
    ("loss", "share: 20%, target: {traffic: {port: 9}}"),
    ("corrupt", "share: 20%, target: {traffic: {port: 9}}"),
    ("reorder", "share: 20%, target: {traffic: {port: 9}}"),
    ("partition", "nodes: [127.0.1.1, 127.0.1.2]"),
    ("dns", "names: [\"*\"], answer: servfail"),
    ("pause", "target: {pid: PID}"),
    ("pause", "by: trace, target: {pid: PID}"),
    ("stopUnit", "unit: nginx.service"),
    ("ioThrottle", "writeRate: 2MiB/s, target: {cgroup: GROUP}"),
    ("fileDescriptors", "limit: 9, target: {pid: PID}"),
    ("clockSkew", "offset: -10m, target: {port: 6379}"),
    ("cpu", "load: 5%, cores: 1"),
    ("memory", "amount: 16MiB"),
    ("diskFill", "path: FOLDER, amount: 16MiB"),
    ("inodes", "path: SMALL, free: 0"),
    ("ioErrors", "path: FOLDER/data"),
    ("ioLatency", "path: FOLDER/data, delay: 5ms"),
    ("pids", "count: 50"),
    ("command", "run: [sh, -c, 'sleep 0.3; touch FOLDER/flag'], undo: [rm, -f, FOLDER/flag]"),
    ("command", "run: [touch, FOLDER/flag], undo: [rm, -f, FOLDER/flag]"),
    ("takeConnections", "free: 4, target: {postgres: \"POSTGRES\"}"),
    ("lockTable", "table: orders, target: {postgres: \"POSTGRES\"}"),
    ("pauseClients", "target: {redis: \"REDIS\"}"),
    // These would go on.
    ("kill", "every: 1s, target: {commandLine: sleep 601}"),
    ("restart", "every: 1s, target: {commandLine: sleep 601}"),
    (
        "podDelete",
        "every: 1s, target: {pods: {namespace: shop, labels: {app: api}, kubeconfig: CONFIG}}",
    ),
    ("scale", "deployment: api, namespace: shop, replicas: 1, kubeconfig: CONFIG"),
    ("cordon", "node: worker-1, kubeconfig: CONFIG"),
];

/// The same for containers.
const OF_CONTAINERS: &[(&str, &str)] = &[
    ("pause", "target: {container: {name: ending-1, engine: ENGINE}}"),
    ("stop", "target: {container: {name: ending-1, engine: ENGINE}}"),
    (
        "loss",
        "share: 20%, target: {traffic: {port: 9, container: {name: ending-1, engine: ENGINE}}}",
    ),
    ("refuse", "target: {traffic: {port: 9, container: {name: ending-1, engine: ENGINE}}}"),
    (
        "latency",
        "delay: 50ms, target: {traffic: {port: 9, container: {name: ending-1, engine: ENGINE}}}",
    ),
];

/// The same where the kernel has an emulator of networks.
const OF_NETEM: &[(&str, &str)] =
    &[("duplicate", "share: 20%, target: {traffic: {host: 127.0.0.1, port: 9}}")];

/// Faults that are not in a table, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("terminateBackends", "it leaves nothing to undo"),
    ("killClients", "it leaves nothing to undo"),
    ("podEvict", "it leaves nothing to undo"),
];

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Who {
    Tool,
    Guardian,
    /// Nobody is left to mend; the next one does, who recovers.
    Both,
}

const ENDINGS: [(Who, Signal); 11] = [
    (Who::Tool, Signal::TERM),
    (Who::Tool, Signal::INT),
    (Who::Tool, Signal::HUP),
    (Who::Tool, Signal::STOP),
    (Who::Tool, Signal::KILL),
    (Who::Guardian, Signal::TERM),
    (Who::Guardian, Signal::INT),
    (Who::Guardian, Signal::HUP),
    (Who::Guardian, Signal::STOP),
    (Who::Guardian, Signal::KILL),
    (Who::Both, Signal::KILL),
];

/// A fault is over within a second; a host that does much else may take longer to show it.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_fault_is_in_a_table_or_has_a_reason() {
    for kind in Fault::KINDS {
        let tables = [FAULTS, OF_CONTAINERS, OF_NETEM].concat();
        let here = tables.iter().any(|(it, _)| *it == kind);
        let elsewhere = ELSEWHERE.iter().any(|(it, _)| *it == kind);
        assert!(here != elsewhere, "{kind}: in a table {here}, elsewhere {elsewhere}");
    }
}

#[test]
fn however_it_ends_the_host_is_as_before() {
    alone("endings::however_it_ends_the_host_is_as_before", || {
        let stage = Stage::with_servers(all());
        let of_containers = if all() { OF_CONTAINERS } else { &[] };
        end(&stage, &[FAULTS, of_containers].concat());
    });
}

#[test]
#[expect(clippy::print_stdout, reason = "who reads it has to know that nothing was looked at")]
fn however_it_ends_no_emulator_is_left() {
    alone("endings::however_it_ends_no_emulator_is_left", || {
        let tc = |verb: &str| {
            let mut tc = Command::new("tc");
            tc.args(["qdisc", verb, "dev", "lo", "root", "netem", "duplicate", "1%"]);
            tc.stderr(Stdio::null()).status().unwrap().success()
        };
        match tc("add") && tc("del") {
            true => end(&Stage::bare(), OF_NETEM),
            false => println!("skipped: this kernel has no netem"),
        }
    });
}

fn all() -> bool {
    std::env::var("EVENKEEL_ENDINGS").is_ok_and(|it| it == "all")
}

/// Every fault of a table meets one ending, or all.
#[expect(clippy::print_stdout, reason = "whoever asks for all of them wants to know")]
fn end(stage: &Stage, table: &[(&str, &str)]) {
    let seed = Seed(u64::from(std::process::id()));
    let mut chance = seed.stream("endings");
    let mut ended = 0;
    for (kind, parameters) in table {
        let one = chance.random_range(0..ENDINGS.len());
        let chosen = if all() { &ENDINGS[..] } else { &ENDINGS[one..=one] };
        for (who, signal) in chosen {
            let what = format!("{kind}: {{{parameters}}}, {who:?} gets {signal:?}, seed {seed}");
            ends(stage, kind, parameters, *who, *signal, &what);
            ended += 1;
        }
    }
    println!("{ended} endings, of which nothing was left");
}

/// Begins a fault, ends it so, and looks whether anything is left.
fn ends(stage: &Stage, kind: &str, parameters: &str, who: Who, signal: Signal, what: &str) {
    let (world, victim) = (World::new(), Victim::start());
    std::fs::create_dir(world.folder().join("data")).unwrap();
    let parameters = stage.fill(parameters, &world, &victim);
    let before = stage.listing(&victim);
    world.write("experiment.yaml", &document(world.port(), victim.id(), kind, &parameters));
    let run = Run::start(&world, what);
    let acting = run.acting();
    let [tool, guardian] = [&acting.tool, &acting.guardian]
        .map(|it| Pid::from_raw(it.as_ref().unwrap().0.pid.cast_signed()).unwrap());
    let is_whole = || {
        state_of(victim.id()) != 'T'
            && !world.folder().join("flag").exists()
            && stage.listing(&victim) == before
            && stage.is_well()
    };
    match who {
        Who::Tool => kill_process(tool, signal).unwrap(),
        Who::Guardian => kill_process(guardian, signal).unwrap(),
        Who::Both => {
            // One could mend before the other is hit.
            kill_process(guardian, Signal::STOP).unwrap();
            kill_process(tool, signal).unwrap();
            kill_process(guardian, signal).unwrap();
            assert!(wait_until(PATIENCE, || run.has_ended()), "{what}: the tool is there");
            // The kernel may still be about the guardian's end.
            let recovers = || world.run(&["chaos", "recover"]).status.success();
            assert!(wait_until(PATIENCE, recovers), "{what}: it cannot be recovered");
        }
    }
    if who == Who::Guardian && [Signal::TERM, Signal::INT, Signal::HUP].contains(&signal) {
        // It stays on its post.
        assert!(run.status().is_some_and(|it| it.leases.len() == 1), "{what}");
        kill_process(tool, Signal::TERM).unwrap();
    }
    let is_mended = || run.status().is_none_or(|it| it.open.is_empty()) && is_whole();
    let mended = wait_until(PATIENCE, is_mended);
    assert!(mended, "{what}: {:#?}", (run.status(), stage.listing(&victim), before));
    // Whoever was stopped finds that all is over.
    for it in [tool, guardian] {
        kill_process(it, Signal::CONT).unwrap_or_default();
    }
    assert!(wait_until(PATIENCE, || run.has_ended()), "{what}: the tool does not end");
    let is_empty = || world.left().is_empty() && status(&world.state()).unwrap().is_empty();
    assert!(wait_until(PATIENCE, is_empty), "{what}: {:#?}", world.left());
    assert!(is_whole(), "{what}: broken again");
}

fn document(port: u16, victim: u32, kind: &str, parameters: &str) -> String {
    format!(
        "apiVersion: evenkeel.dev/v1
kind: Service
metadata: {{name: shop}}
spec:
  dependencies: {{payment: {{listen: \"127.0.0.1:{port}\", upstream: \"127.0.0.1:9\"}}}}
  allowFaults: all
---
apiVersion: evenkeel.dev/v1
kind: ChaosExperiment
metadata: {{name: ending}}
spec:
  steadyState: [{{process: {{pid: {victim}, every: 1s}}}}]
  method:
    - {kind}: {{{parameters}, duration: 2m}}
  safety: {{abort: [\"error_rate > 99% for 60s\"]}}
"
    )
}

/// A run that goes on.
struct Run<'a> {
    world: &'a World,
    child: RefCell<Child>,
    what: &'a str,
}

impl<'a> Run<'a> {
    fn start(world: &'a World, what: &'a str) -> Self {
        let mut command = world.evenkeel(&["chaos", "run", "experiment.yaml", "--yes"]);
        let said = File::create(world.folder().join("said")).unwrap();
        let child = command.stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
        Self { world, child: RefCell::new(child), what }
    }

    fn status(&self) -> Option<Status> {
        status(&self.world.state()).unwrap().pop()
    }

    /// Waits until its fault acts.
    fn acting(&self) -> Status {
        let acts = || self.status().is_some_and(|it| !it.leases.is_empty());
        let said = || std::fs::read_to_string(self.world.folder().join("said")).unwrap();
        assert!(wait_until(PATIENCE, acts), "{}: it never acts: {}", self.what, said());
        self.status().unwrap()
    }

    fn has_ended(&self) -> bool {
        self.child.borrow_mut().try_wait().unwrap().is_some()
    }
}
