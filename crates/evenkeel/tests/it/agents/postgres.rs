//! Agents and their coordinator meet in a PostgreSQL of the test's own.

use std::path::Path;
use std::process::Command;

use super::lost::{HANDED_ON, a_is_killed, one_is_killed};
use super::{Agent, PATIENCE, Sink, TOKEN, begin, document, json, judged, routes};
use crate::server::Postgres;
use crate::world::{World, said, wait_until};

/// How agents and loads meet in it.
impl Postgres {
    fn looking(&self, world: &World, name: &str) -> Command {
        world.evenkeel(&["agent", "--postgres", &self.url(), "--name", name])
    }

    fn agent(&self, world: &World, name: &str) -> Agent {
        Agent::of(self.looking(world, name))
    }

    fn load(&self, world: &World, file: &str, agents: &str) -> Command {
        let fleet = ["--agents", &self.url(), "--expect", agents];
        let mut load = world.evenkeel(&["load", "run", file, "--seed", "7"]);
        load.args(fleet).env("EVENKEEL_AGENT_TOKEN", TOKEN);
        load
    }
}

#[test]
fn agents_that_meet_in_a_database_send_what_one_machine_would_have_sent() {
    let (world, elsewhere, postgres) = (World::new(), World::new(), Postgres::start());
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 2);
    // One more than is needed, which has nothing to do.
    let agents = ["a", "b", "c"].map(|it| postgres.agent(&elsewhere, it));
    let run = |command: &mut Command| -> serde_json::Value {
        let output = command.args(["--output", "json"]).output().unwrap();
        judged(&output, 0);
        json(&output)
    };
    let fleet = run(&mut postgres.load(&world, &file, "2"));
    let of_fleet = routes(sink.take());
    let one = run(&mut world.evenkeel(&["load", "run", &file, "--seed", "7"]));
    assert_eq!(of_fleet, routes(sink.take()));
    for key in ["planned", "sent", "answered", "failed", "missed", "in_flight_at_end"] {
        assert_eq!(fleet[key], one[key], "{key}");
    }
    assert_eq!(fleet["agents"].as_array().unwrap().len(), 2);
    // They are there for the next, all of them.
    run(&mut postgres.load(&world, &file, "3"));
    assert!(agents.iter().all(|it| it.has_said("done; waits for the next coordinator")));
    let left = "select (select count(*) from evenkeel_fleet.slots)
                     + (select count(*) from evenkeel_fleet.pieces)";
    let is_empty = || postgres.psql(left).stdout == b"0\n";
    assert!(wait_until(PATIENCE, is_empty), "{}", said(&postgres.psql(left)));
}

#[test]
fn an_agent_of_a_database_that_is_killed_is_named() {
    let (world, postgres) = (World::new(), Postgres::start());
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 8);
    let [mut gone, _other] = ["a", "b"].map(|it| postgres.agent(&world, it));
    let load = begin(postgres.load(&world, &file, "2").args(["--output", "json"]));
    let cause = a_is_killed(&sink, load, &mut gone);
    assert!(cause.contains("it said nothing for 5 s"), "{cause}");
}

#[test]
fn the_share_of_an_agent_of_a_database_is_sent_by_the_others() {
    let (world, postgres) = (World::new(), Postgres::start());
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 9);
    let load = begin(postgres.load(&world, &file, "3").args(HANDED_ON));
    let mut agents = ["a", "b", "c"].map(|it| {
        let mut agent = postgres.agent(&world, it);
        agent.address = it.to_owned();
        // One after the other, so that each has the share of its place.
        assert!(agent.has_said("works for this coordinator"));
        agent
    });
    one_is_killed(&sink, load, &mut agents[1], "a, c");
}

#[test]
fn whoever_may_use_the_database_but_does_not_know_the_token_orders_and_sends_nothing() {
    let (world, postgres) = (World::new(), Postgres::start());
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 1);
    let load = begin(&mut postgres.load(&world, &file, "1"));
    let mut stranger = postgres.looking(&world, "stranger");
    stranger.env("EVENKEEL_AGENT_TOKEN", "another token of 16");
    let stranger = Agent::of_stranger(stranger);
    assert!(stranger.has_said("its token is another one"));
    assert_eq!(sink.count(), 0);
    let agent = postgres.agent(&world, "a");
    let output = load.wait_with_output().unwrap();
    judged(&output, 0);
    assert_eq!(sink.count(), 400, "{}", said(&output));
    assert!(agent.has_said("done"));
}

#[test]
fn without_its_database_nothing_is_sent_and_everybody_says_why() {
    let (world, postgres) = (World::new(), Postgres::start());
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 60);
    let agent = postgres.agent(&world, "a");
    let load = begin(&mut postgres.load(&world, &file, "1"));
    assert!(wait_until(PATIENCE, || sink.count() > 100));
    let mut again = postgres.load(&world, &file, "1");
    drop(postgres);
    let output = load.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let text = said(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("the database cannot be used"), "{text}");
    assert!(agent.has_said("the coordinator is gone"));
    assert!(agent.has_said("no coordinator yet: the database cannot be used"));
    let output = again.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(
        said(&output).contains("Cannot meet agents: the database cannot be used"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_database_is_used_only_if_it_shows_the_certificate_that_was_asked_for() {
    let (world, another) = (World::new(), rcgen::generate_simple_self_signed(Vec::new()).unwrap());
    let (port, postgres) = (world.port(), Postgres::with_tls(world.port()));
    let another = world.write("another.crt", &another.cert.pem());
    let right = postgres.certificate();
    let agent = |host: &str, root: &Path| {
        let url = format!("postgres://evenkeel@{host}:{port}/postgres?sslmode=verify-full");
        let url = format!("{url}&sslrootcert={}", root.display());
        Agent::of(world.evenkeel(&["agent", "--postgres", &url]))
    };
    for (host, root, words) in [
        ("localhost", &another, "invalid peer certificate"),
        ("127.0.0.1", &right, "certificate not valid for name \"127.0.0.1\""),
    ] {
        let agent = agent(host, root);
        assert!(agent.has_said(words), "{host} {:?}", agent.said.lock().unwrap());
    }
    let _trusts = agent("localhost", &right);
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 1);
    judged(&postgres.load(&world, &file, "1").output().unwrap(), 0);
    assert_eq!(sink.count(), 400);
}

#[test]
fn a_url_of_no_database_or_with_a_password_is_refused() {
    let world = World::new();
    for (url, words) in [
        ("postgres://me:secret@localhost/it", "PGPASSWORD"),
        ("mysql://localhost/it", "it does not begin with `postgres://`"),
        ("postgres://localhost:port/it", "invalid port number"),
    ] {
        let mut agent = world.evenkeel(&["agent", "--postgres", url]);
        let output = agent.env("EVENKEEL_AGENT_TOKEN", TOKEN).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}
