//! Every way in which a run can be ended from outside, for every fault that lasts: nothing of it is left, and the host
//! is as before.
//!
//! In an ordinary run of the tests each fault meets one ending, by the seed; `EVENKEEL_ENDINGS=all` asks for all of
//! them, which takes some minutes.

use std::cell::RefCell;
use std::process::{Child, Stdio};
use std::time::Duration;

use evenkeel_fault::{Status, status};
use evenkeel_model::document::Fault;
use evenkeel_units::Seed;
use rand::RngExt;
use rustix::process::{Pid, Signal, kill_process};

use crate::drill::state_of;
use crate::kill::{Victim, alone, host};
use crate::server::{Postgres, Redis};
use crate::world::{World, wait_until};

/// What lasts, with parameters. Words in capitals stand for what the stage has.
const FAULTS: &[(&str, &str)] = &[
    ("latency", "delay: 50ms, target: {dependency: payment}"),
    ("latency", "delay: 50ms, target: {traffic: {port: 9}}"),
    ("bandwidth", "rate: 64KiB/s, target: {traffic: {port: 9}}"),
    ("blackHole", "target: {traffic: {port: 9}}"),
    ("refuse", "target: {dependency: payment}"),
    ("reset", "target: {traffic: {port: 9}}"),
    ("httpErrors", "share: 50%, target: {traffic: {port: 9}}"),
    ("loss", "share: 20%, target: {traffic: {port: 9}}"),
    ("corrupt", "share: 20%, target: {traffic: {port: 9}}"),
    ("reorder", "share: 20%, target: {traffic: {port: 9}}"),
    ("partition", "nodes: [127.0.1.1, 127.0.1.2]"),
    ("dns", "names: [\"*\"], answer: servfail"),
    ("pause", "target: {pid: PID}"),
    ("pause", "by: trace, target: {pid: PID}"),
    ("fileDescriptors", "limit: 9, target: {pid: PID}"),
    ("cpu", "load: 5%, cores: 1"),
    ("memory", "amount: 16MiB"),
    ("diskFill", "path: FOLDER, amount: 16MiB"),
    ("ioErrors", "path: FOLDER/data"),
    ("ioLatency", "path: FOLDER/data, delay: 5ms"),
    ("pids", "count: 50"),
    ("command", "run: [touch, FOLDER/flag], undo: [rm, -f, FOLDER/flag]"),
    ("takeConnections", "free: 4, target: {postgres: \"POSTGRES\"}"),
    ("lockTable", "table: orders, target: {postgres: \"POSTGRES\"}"),
    ("pauseClients", "target: {redis: \"REDIS\"}"),
];

/// Faults that are not in the table, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("kill", "it leaves nothing to undo"),
    ("restart", "it is over before anybody can end it; the fault crate ends it amid the act"),
    ("httpAbort", "it is laid as `httpErrors` is"),
    ("httpDelay", "it is laid as `httpErrors` is"),
    ("httpChange", "it is laid as `httpErrors` is"),
    ("tls", "it is laid as `httpErrors` is"),
    ("terminateBackends", "it leaves nothing to undo"),
    ("killClients", "it leaves nothing to undo"),
    ("stop", "it needs an engine of containers; the fault crate starts one"),
    ("ioThrottle", "it needs a control group of the victim's own; the fault crate makes one"),
    ("podDelete", "it leaves nothing to undo"),
    ("podEvict", "it leaves nothing to undo"),
    ("scale", "it needs a cluster; the fault crate has a stand-in for it"),
    ("cordon", "it needs a cluster; the fault crate has a stand-in for it"),
    ("stopUnit", "it needs systemd; the fault crate has a stand-in for it"),
    ("duplicate", "it needs netem, which not every kernel has"),
    ("inodes", "it would take all that the file system has; the fault crate has one of its own"),
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

/// Whether the table can be had, and so a connection; it does not wait for either.
const LOOK: &str = "begin; lock table orders in access exclusive mode nowait; rollback";
/// A fault is over within a second; a host that does much else may take longer to show it.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_fault_is_in_the_table_or_has_a_reason() {
    for kind in Fault::KINDS {
        let here = FAULTS.iter().any(|(it, _)| *it == kind);
        let elsewhere = ELSEWHERE.iter().any(|(it, _)| *it == kind);
        assert!(here != elsewhere, "{kind}: in the table {here}, elsewhere {elsewhere}");
    }
}

#[test]
fn however_it_ends_the_host_is_as_before() {
    alone("endings::however_it_ends_the_host_is_as_before", || {
        let stage = Stage { postgres: Postgres::start(), redis: Redis::start(6379) };
        assert!(stage.postgres.psql("create table orders (id int)").status.success());
        let seed = Seed(u64::from(std::process::id()));
        let mut chance = seed.stream("endings");
        let all = std::env::var("EVENKEEL_ENDINGS").is_ok_and(|it| it == "all");
        for (kind, parameters) in FAULTS {
            let one = chance.random_range(0..ENDINGS.len());
            let chosen = if all { &ENDINGS[..] } else { &ENDINGS[one..=one] };
            for (who, signal) in chosen {
                let what =
                    format!("{kind}: {{{parameters}}}, {who:?} gets {signal:?}, seed {seed}");
                stage.ends(kind, parameters, *who, *signal, &what);
            }
        }
    });
}

/// Servers that are broken again and again.
struct Stage {
    postgres: Postgres,
    redis: Redis,
}

impl Stage {
    fn ends(&self, kind: &str, parameters: &str, who: Who, signal: Signal, what: &str) {
        let (world, victim) = (World::new(), Victim::start());
        std::fs::create_dir(world.folder().join("data")).unwrap();
        let limits = || std::fs::read_to_string(format!("/proc/{}/limits", victim.id())).unwrap();
        let before = (host(), limits());
        let parameters = parameters
            .replace("PID", &victim.id().to_string())
            .replace("FOLDER", world.folder().to_str().unwrap())
            .replace("POSTGRES", &self.postgres.url())
            .replace("REDIS", &self.redis.url());
        world.write("experiment.yaml", &document(world.port(), victim.id(), kind, &parameters));
        let run = Run::start(&world, what);
        let acting = run.acting();
        let [tool, guardian] = [&acting.tool, &acting.guardian]
            .map(|it| Pid::from_raw(it.as_ref().unwrap().0.pid.cast_signed()).unwrap());
        let is_whole = || {
            state_of(victim.id()) != 'T'
                && !world.folder().join("flag").exists()
                && (host(), limits()) == before
                && self.postgres.psql(LOOK).status.success()
                && self.redis.answers()
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
        assert!(mended, "{what}: {:#?}", (run.status(), host(), limits(), before));
        // Whoever was stopped finds that all is over.
        for it in [tool, guardian] {
            kill_process(it, Signal::CONT).unwrap_or_default();
        }
        assert!(wait_until(PATIENCE, || run.has_ended()), "{what}: the tool does not end");
        let is_empty = || world.left().is_empty() && status(&world.state()).unwrap().is_empty();
        assert!(wait_until(PATIENCE, is_empty), "{what}: {:#?}", world.left());
        assert!(is_whole(), "{what}: broken again");
    }
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
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { world, child: RefCell::new(child), what }
    }

    fn status(&self) -> Option<Status> {
        status(&self.world.state()).unwrap().pop()
    }

    /// Waits until its fault acts.
    fn acting(&self) -> Status {
        let acts = || self.status().is_some_and(|it| !it.leases.is_empty());
        assert!(wait_until(PATIENCE, acts), "{}: it never acts: {:#?}", self.what, self.status());
        self.status().unwrap()
    }

    fn has_ended(&self) -> bool {
        self.child.borrow_mut().try_wait().unwrap().is_some()
    }
}
