//! `kill -9` at any moment of a drill or an experiment: what was broken is mended, and the host is as before.
//!
//! Some random moments in an ordinary run of the tests; `EVENKEEL_KILLS=500` asks for more.

use std::cell::Cell;
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use evenkeel_fault::status;
use evenkeel_units::{Clock, Seed, SystemClock};
use rand::RngExt;
use rustix::process::{Pid, Signal, kill_process};

use crate::drill::state_of;
use crate::group::Group;
use crate::host::{Victim, alone, host, settings};
use crate::server::Redis;
use crate::world::{World, wait_until};

/// Longest that a fault lives when nobody renews it, and half a second.
const LEASE: Duration = Duration::from_millis(1_500);
/// A host that does much else may take longer to show it.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many faults are in [`everything`].
const FAULTS: usize = 13;

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

/// Kills a run when it is due. One that had ended by itself has begun and ended as it may; then there is nothing to kill, and
/// still nothing may be left.
fn cut_off(world: &World, run: &[&str], may_end_with: &[i32], until_due: impl FnOnce()) {
    let said = world.folder().join("said");
    let mut command = world.evenkeel(run);
    command.stdout(Stdio::null()).stderr(File::create(&said).unwrap());
    let mut child = command.spawn().unwrap();
    until_due();
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap_or_default();
    if let Some(code) = child.wait().unwrap().code() {
        let said = std::fs::read_to_string(said).unwrap();
        assert!(may_end_with.contains(&code), "it did not begin, and ended with {code}: {said}");
    }
}

/// Lets time pass.
fn pass(time: Duration) {
    wait_until(time, || false);
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
        cut_off(&world, &run, &[0, 1, 6], || pass(after));
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

/// Faults of every class at a time, on a host of the test's own: packets, names, numbers, memory, a disk, files that fail,
/// a limit, a pause, a group that is slow, a server that waits, and a command that leaves a file behind until it is undone.
fn everything(victim: u32, redis: &str, folder: &str) -> String {
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
    - diskFill: {{path: {folder}, amount: 16MiB, at: 200ms, duration: 1500ms}}
    - ioErrors: {{path: {folder}/data, at: 200ms, duration: 1500ms}}
    - pauseClients: {{target: {{redis: \"{redis}\"}}, at: 300ms, duration: 1500ms}}
    - pause: {{target: {{pid: {victim}}}, at: 500ms, duration: 1s}}
    - fileDescriptors: {{limit: 9, target: {{pid: {victim}}}, at: 500ms, duration: 1s}}
    - ioThrottle: {{writeRate: 2MiB/s, target: {{pid: {victim}}}, at: 300ms, duration: 1s}}
    - command: {{run: [touch, {folder}/flag], undo: [rm, -f, {folder}/flag], at: 400ms, duration: 1s}}
  safety: {{abort: [\"error_rate > 99% for 20s\"]}}
  observe: 300ms
"
    )
}

#[test]
fn whenever_it_is_killed_the_host_is_as_before() {
    let test = "kill::whenever_it_is_killed_the_host_is_as_before";
    alone(test, kills_at_random_moments);
}

/// How many faults act.
fn acting(world: &World) -> usize {
    status(&world.state()).unwrap_or_default().iter().map(|it| it.leases.len()).sum()
}

#[expect(clippy::print_stdout, reason = "whoever asks for many kills wants to know")]
fn kills_at_random_moments() {
    let kills: u32 =
        std::env::var("EVENKEEL_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(5);
    let seed = Seed(u64::from(std::process::id()));
    let mut chance = seed.stream("kill");
    let redis = Redis::start(6379);
    let (mut hit, mut times) = (0, Vec::new());
    for kill in 0..kills {
        // Counted in faults as well, so that a slow host is hit amid them, too.
        let begun = chance.random_range(0..=FAULTS);
        let more = Duration::from_millis(chance.random_range(0..2_000));
        let (world, group, victim) = (World::new(), Group::new("kill"), Victim::start());
        group.add(victim.id());
        std::fs::create_dir(world.folder().join("data")).unwrap();
        let host = || (host(), settings(&group.folder), victim.limits());
        let before = host();
        let folder = world.folder().to_str().unwrap();
        world.write("everything.yaml", &everything(victim.id(), &redis.url(), folder));
        let run = ["chaos", "run", "everything.yaml", "--yes"];
        // Nobody asks for names or sends to these ports, so that a run to its end has no evidence of those.
        cut_off(&world, &run, &[6], || {
            wait_until(Duration::from_secs(4), || acting(&world) >= begun);
            pass(more);
            hit += acting(&world);
        });
        let clock = SystemClock::start();
        let looked = Cell::new(Duration::ZERO);
        let is_mended = || {
            looked.set(clock.now().elapsed());
            world.left().is_empty()
                && state_of(victim.id()) != 'T'
                && !world.folder().join("flag").exists()
                && redis.answers()
                && host() == before
        };
        let mended = wait_until(PATIENCE, is_mended);
        let left = (world.left(), state_of(victim.id()), redis.answers(), host(), before);
        assert!(mended, "kill {kill} of seed {seed}, {begun} begun and {more:?}: {left:#?}");
        times.push(looked.get());
    }
    let late = times.iter().filter(|it| **it > LEASE).count();
    let slowest = times.iter().max();
    println!(
        "{kills} kills while {hit} faults acted; whole after {slowest:?}, {late} after {LEASE:?}"
    );
}
