//! Containers of a real engine: what is done to them, and that nothing of it stays.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evenkeel_fault::{preview, recover};
use evenkeel_model::document::{
    BlastRadius, Containers, Direction, Fault, Mode, Protocol, Selector, Target, Traffic,
};
use evenkeel_model::event::Evidence;
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::{Clock, SystemClock};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::json;

use crate::aftermath::{guardian_in, left_by};
use crate::alone::ruleset;
use crate::dockerd::{Victim, engine};
use crate::stage::{PAUSE, connect, echo, fault, open, service, signal, state_dir, until};

fn on(it: Fault, name: &str, socket: &Path) -> PlannedFault {
    let select = Containers {
        name: Some(name.to_owned()),
        engine: Some(socket.to_owned()),
        ..Containers::default()
    };
    fault(it, Some(Selector::Container(select)))
}

/// Breaks a container, sees what is so meanwhile, and mends.
async fn during(it: Fault, victim: &Victim, see: impl AsyncFnOnce()) -> Evidence {
    let state = state_dir();
    let mut faults = open(&service(None, &[]), state.path()).await;
    faults.begin(0, &on(it, &victim.name, &engine().await)).await.unwrap();
    see().await;
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    faults.close().await.unwrap();
    evidence
}

#[tokio::test]
async fn a_paused_container_stands_still_and_goes_on_at_the_end() {
    let victim = Victim::start("paused-1").await;
    let evidence = during(PAUSE, &victim, async || {
        assert_eq!(victim.status(), "paused");
        let before = victim.count();
        // Two more requests to the engine take longer than it needs to count.
        assert_eq!((victim.status().as_str(), victim.count()), ("paused", before));
    })
    .await;
    victim.goes_on().await;
    assert!(evidence.acted && evidence.summary.starts_with("1 container paused for "));
    assert!(evidence.counters["containers_down_to_the_end"] >= 1.0);
}

#[tokio::test]
async fn a_stopped_container_is_started_again_at_the_end_as_the_dry_run_said() {
    let victim = Victim::start("stopped-1").await;
    let plan = evenkeel_model::Plan {
        service: service(None, &[]),
        faults: vec![on(Fault::Stop, "stopped-*", &engine().await)],
        ..crate::processes::empty_plan()
    };
    let text = preview(&plan).unwrap()[0].to_string();
    let id = text.split_once("(container ").unwrap().1.get(..12).unwrap().to_owned();
    insta::assert_snapshot!(text.replace(&id, "ID"), @r"
    stop: stopped-1 (1 of 1)
    release C (undone by the guardian)
    apply   stop stopped-1 (container ID)
    undo    start stopped-1 (container ID), unless it runs
    ");
    let evidence = during(Fault::Stop, &victim, async || {
        assert_eq!(victim.status(), "exited");
    })
    .await;
    victim.goes_on().await;
    assert!(evidence.acted && evidence.summary.starts_with("1 container stopped for "));
}

#[tokio::test]
async fn a_killed_container_comes_back_by_its_restart_policy_and_that_is_timed() {
    let policy = json!({"RestartPolicy": {"Name": "always"}});
    let victim = Victim::with("killed-1", policy).await;
    let before = victim.started_at();
    let evidence = during(Fault::Kill { every: None }, &victim, async || {
        until(|| victim.status() == "running" && victim.started_at() != before).await;
    })
    .await;
    assert!(evidence.acted, "{evidence:?}");
    assert!(evidence.counters["targets_killed"] >= 1.0);
    assert!(evidence.counters["targets_back"] >= 1.0);
    let away = evidence.counters["slowest_return_seconds"];
    assert!(away > 0.05 && away < 10.0, "its engine waits for a tenth of a second: {away}");
}

#[tokio::test]
async fn a_restarted_container_runs_anew() {
    let victim = Victim::start("restarted-1").await;
    let before = victim.started_at();
    let evidence = during(Fault::Restart { every: None }, &victim, async || ()).await;
    assert_ne!(victim.started_at(), before);
    victim.goes_on().await;
    assert!(evidence.acted && evidence.summary.starts_with("1 container restarted, away for "));
}

#[tokio::test]
async fn a_run_that_others_have_started_is_left_to_them() {
    let victim = Victim::start("taken-1").await;
    let evidence = during(PAUSE, &victim, async || {
        victim.post("unpause");
        victim.post("restart");
        victim.post("pause");
    })
    .await;
    assert_eq!(victim.status(), "paused", "it is theirs");
    assert!(!evidence.acted && evidence.summary.ends_with(", not all of them to the end"));
}

#[tokio::test]
async fn what_others_have_paused_is_refused() {
    let victim = Victim::start("theirs-1").await;
    victim.post("pause");
    let state = state_dir();
    let mut faults = open(&service(None, &[]), state.path()).await;
    let planned = on(PAUSE, "theirs-*", &engine().await);
    let error = faults.begin(0, &planned).await.unwrap_err();
    let error = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        error.starts_with("theirs-1 (container ") && error.ends_with("and not by us"),
        "{error}"
    );
    faults.close().await.unwrap();
    assert_eq!(victim.status(), "paused");
}

#[tokio::test]
async fn the_blast_radius_counts_containers_that_are_well() {
    let victims = [Victim::start("floor-1").await, Victim::start("floor-2").await];
    let select = Containers {
        label: Some("group=floor".to_owned()),
        image: Some("shop/*".to_owned()),
        engine: Some(engine().await),
        name: None,
    };
    let select = Selector::Container(select);
    let planned =
        PlannedFault { target: Some(Target { select, mode: Mode::One }), ..fault(PAUSE, None) };
    let state = state_dir();
    let radius = BlastRadius { min_healthy: Some(1), ..BlastRadius::default() };
    let mut faults = open(&service(None, &[]), state.path()).await.within(radius);
    let lease = faults.begin(0, &planned).await.unwrap();
    let (hit, spared): (Vec<_>, Vec<_>) =
        victims.iter().partition(|it| lease.targets.iter().any(|hit| hit.starts_with(&it.name)));
    assert_eq!((hit[0].status(), spared[0].status()), ("paused".to_owned(), "running".to_owned()));
    faults.end(0).await;
    spared[0].post("pause");
    let error = faults.begin(0, &planned).await.unwrap_err().to_string();
    assert!(error.contains("would leave 0 of 2 well"), "{error}");
    assert_eq!(hit[0].status(), "running");
    faults.close().await.unwrap();
}

/// Does something in the network of a container.
fn inside<T: Send + 'static>(victim: &Victim, work: impl FnOnce() -> T + Send + 'static) -> T {
    let door = File::open(format!("/proc/{}/ns/net", victim.pid())).unwrap();
    let there = move || {
        move_into_link_name_space(door.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        work()
    };
    std::thread::spawn(there).join().unwrap()
}

/// How long a byte is on its way there and back.
fn round_trip(victim: &Victim, address: SocketAddr) -> Duration {
    inside(victim, move || {
        let mut stream = connect(address);
        let clock = SystemClock::start();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        clock.now().elapsed()
    })
}

#[tokio::test]
async fn packets_in_the_network_of_a_container_are_hit_and_those_of_the_host_are_not() {
    let victim = Victim::start("network-1").await;
    let address = inside(&victim, echo);
    let traffic = Traffic {
        host: None,
        port: Some(address.port()),
        protocol: Protocol::Tcp,
        direction: Direction::Both,
    };
    let Some(Target { select: Selector::Container(containers), .. }) =
        on(PAUSE, "network-*", &engine().await).target
    else {
        unreachable!("it is aimed at containers")
    };
    let there = |it| {
        fault(
            it,
            Some(Selector::Inside { containers: containers.clone(), traffic: traffic.clone() }),
        )
    };
    let (state, before) = (state_dir(), ruleset());
    let mut faults = open(&service(None, &[]), state.path()).await;
    let delay = Duration::from_millis(100);
    let late = Fault::Latency { delay, jitter: Duration::ZERO };
    faults.begin(0, &there(late)).await.unwrap();
    assert!(round_trip(&victim, address) >= delay);
    assert_eq!(ruleset(), before, "the host was touched");
    let (evidence, error) = faults.end(0).await;
    assert!(evidence.acted && error.is_none(), "{evidence:?} {error:?}");
    faults.begin(1, &there(Fault::Refuse)).await.unwrap();
    let refused = inside(&victim, move || TcpStream::connect(address).unwrap_err().kind());
    assert_eq!((refused, ruleset()), (ErrorKind::ConnectionRefused, before));
    let (evidence, error) = faults.end(1).await;
    assert!(evidence.acted && error.is_none(), "{evidence:?} {error:?}");
    round_trip(&victim, address);
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_container_in_the_network_of_the_host_is_refused() {
    let victim = Victim::with("host-1", json!({"NetworkMode": "host"})).await;
    let Some(Target { select: Selector::Container(containers), .. }) =
        on(PAUSE, &victim.name, &engine().await).target
    else {
        unreachable!("it is aimed at containers")
    };
    let port = Some(9);
    let (protocol, direction) = (Protocol::Any, Direction::Both);
    let traffic = Traffic { host: None, port, protocol, direction };
    let plan = evenkeel_model::Plan {
        service: service(None, &[]),
        faults: vec![fault(Fault::BlackHole, Some(Selector::Inside { containers, traffic }))],
        ..crate::processes::empty_plan()
    };
    let error = preview(&plan).unwrap_err();
    let error = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.contains("has no network of its own but that of this host"), "{error}");
}

/// A tool in a process of its own that has broken two containers.
struct Tool(Child);

impl Tool {
    fn breaks(names: &str, socket: &Path, state: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "containers::the_tool_of_another_test", "--nocapture"])
            .env("CONTAINERS", names)
            .env("ENGINE", socket)
            .env("EVENKEEL_STATE_DIR", state)
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("broken") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the tool ended early");
        }
        Self(child)
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "how it tells the other test that it is done")]
async fn the_tool_of_another_test() {
    let Ok(name) = std::env::var("CONTAINERS") else { return };
    let socket = std::env::var("ENGINE").unwrap();
    let mut faults = open(&service(None, &[]), &evenkeel_fault::state_dir()).await;
    for (index, it) in [PAUSE, Fault::Stop].into_iter().enumerate() {
        let planned = on(it, &format!("{name}-{index}"), Path::new(&socket));
        faults.begin(index, &planned).await.unwrap();
    }
    println!("broken");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn when_the_tool_is_killed_the_guardian_unpauses_and_starts() {
    let victims = [Victim::start("left-0").await, Victim::start("left-1").await];
    let state = state_dir();
    let tool = Tool::breaks("left", &engine().await, state.path());
    assert_eq!(victims.each_ref().map(Victim::status), ["paused", "exited"]);
    drop(tool);
    until(|| victims.iter().all(|it| it.status() == "running")).await;
    until(|| left_by(state.path()).is_empty()).await;
}

#[tokio::test]
async fn when_both_are_killed_recover_unpauses_and_starts() {
    let victims = [Victim::start("lost-0").await, Victim::start("lost-1").await];
    let state = state_dir();
    let tool = Tool::breaks("lost", &engine().await, state.path());
    let guardian = guardian_in(state.path());
    signal("KILL", guardian.pid);
    until(|| !guardian.is_alive()).await;
    drop(tool);
    assert_eq!(victims.each_ref().map(Victim::status), ["paused", "exited"]);
    let recovered = recover(state.path()).await.unwrap();
    assert!(recovered[0].failed.is_empty(), "{recovered:?}");
    assert_eq!(victims.each_ref().map(Victim::status), ["running", "running"]);
}
