//! Agents that call their coordinator, as they do where it cannot reach them.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use super::lost::a_is_killed;
use super::{Agent, PATIENCE, Sink, TOKEN, begin, document, json, judged, routes};
use crate::world::{World, said, wait_until};

/// Where a coordinator will wait.
fn address(world: &World) -> String {
    let free = (world.port()..world.port() + 20).map(|it| format!("127.0.0.1:{it}"));
    free.into_iter().find(|it| TcpListener::bind(it).is_ok()).unwrap()
}

fn calling(world: &World, address: &str, name: &str) -> Command {
    world.evenkeel(&["agent", "--connect", address, "--name", name, "--once"])
}

/// A load of two agents that call.
fn load(world: &World, address: &str, file: &str) -> Command {
    let waits = ["load", "run", file, "--listen-agents", address, "--expect", "2"];
    let mut command = world.evenkeel(&waits);
    command.args(["--seed", "7", "--output", "json"]).env("EVENKEEL_AGENT_TOKEN", TOKEN);
    command
}

fn ended(agent: &mut Agent) -> Option<i32> {
    let process = std::cell::RefCell::new(&mut agent.process);
    assert!(wait_until(PATIENCE, || process.borrow_mut().try_wait().unwrap().is_some()));
    agent.process.wait().unwrap().code()
}

#[test]
fn agents_that_call_send_what_one_machine_would_have_sent() {
    let (world, elsewhere) = (World::new(), World::new());
    let (sink, address) = (Sink::start("127.0.0.1:0"), address(&world));
    let file = document(&world, sink.address, 2);
    let mut agents = ["a", "b"].map(|it| Agent::of(calling(&elsewhere, &address, it)));
    // Nobody is there yet, and they go on calling.
    assert!(agents.iter().all(|it| it.has_said("tries again every second")));
    let fleet = load(&world, &address, &file).output().unwrap();
    judged(&fleet, 0);
    let of_fleet = routes(sink.take());
    let mut one = world.evenkeel(&["load", "run", &file, "--seed", "7", "--output", "json"]);
    let one = one.output().unwrap();
    assert_eq!(of_fleet, routes(sink.take()));
    for key in ["planned", "sent", "answered", "failed", "missed", "in_flight_at_end"] {
        assert_eq!(json(&fleet)[key], json(&one)[key], "{key}");
    }
    // They were to work once.
    assert_eq!(agents.each_mut().map(ended), [Some(0); 2]);
}

#[test]
fn an_agent_that_called_and_is_killed_is_named() {
    let world = World::new();
    let (sink, address) = (Sink::start("127.0.0.1:0"), address(&world));
    let file = document(&world, sink.address, 5);
    let [mut gone, mut other] = ["a", "b"].map(|it| Agent::of(calling(&world, &address, it)));
    let load = begin(&mut load(&world, &address, &file));
    a_is_killed(&sink, load, &mut gone);
    assert_eq!(ended(&mut other), Some(0));
}

#[test]
fn whoever_calls_without_the_token_is_turned_away_and_not_counted() {
    let world = World::new();
    let (sink, address) = (Sink::start("127.0.0.1:0"), address(&world));
    let file = document(&world, sink.address, 1);
    let load = begin(&mut load(&world, &address, &file));
    let mut stranger = calling(&world, &address, "stranger");
    stranger.env("EVENKEEL_AGENT_TOKEN", "another token of 16").stderr(Stdio::piped());
    let stranger = Agent::of_stranger(stranger);
    assert!(stranger.has_said("its token is another one"));
    let agents = ["a", "b"].map(|it| Agent::of(calling(&world, &address, it)));
    let fleet = load.wait_with_output().unwrap();
    judged(&fleet, 0);
    assert_eq!(sink.count(), 400, "{}", said(&fleet));
    assert_eq!(json(&fleet)["agents"].as_array().unwrap().len(), 2, "{}", said(&fleet));
    assert!(agents.iter().all(|it| it.has_said("done")));
}

#[test]
fn an_agent_is_there_once_and_one_that_goes_before_the_start_makes_room() {
    let world = World::new();
    let (sink, address) = (Sink::start("127.0.0.1:0"), address(&world));
    let file = document(&world, sink.address, 1);
    let load = begin(&mut load(&world, &address, &file));
    let first = Agent::of(calling(&world, &address, "a"));
    assert!(first.has_said("works for this coordinator"));
    let again = Agent::of(calling(&world, &address, "a"));
    assert!(again.has_said("an agent called `a` is here already: give each its own `--name`"));
    drop(first);
    // Now it may.
    assert!(again.has_said("works for this coordinator"));
    let _other = Agent::of(calling(&world, &address, "b"));
    let fleet = load.wait_with_output().unwrap();
    judged(&fleet, 0);
    assert_eq!(sink.count(), 400, "{}", said(&fleet));
    let agents = json(&fleet)["agents"].clone();
    assert_eq!((&agents[0]["agent"], &agents[1]["agent"]), (&"a".into(), &"b".into()));
}

#[test]
fn agents_that_come_are_counted_and_those_that_are_named_are_not() {
    let world = World::new();
    for (arguments, words) in [
        (&["--listen-agents", "127.0.0.1:7071"][..], "--expect"),
        (&["--agents", "postgres://db/it"], "give `--expect N`"),
        (&["--agents", "127.0.0.1:7070", "--expect", "2"], "leave out `--expect`"),
        (&["--agents", "127.0.0.1:7070,127.0.0.1:7070"], "`127.0.0.1:7070` is named twice"),
        (&["--listen-agents", "7071", "--expect", "2"], "`7071` is not HOST:PORT"),
    ] {
        let mut load = world.evenkeel(&["load", "run", "http://127.0.0.1:1/", "--users", "2"]);
        let output = load.args(arguments).env("EVENKEEL_AGENT_TOKEN", TOKEN).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}
