//! Agents each in a network of its own.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::lost::{HANDED_ON, one_is_killed};
use super::{Agent, PATIENCE, Sink, TOKEN, begin, command, document, judged, routes};
use crate::world::{World, said, wait_until};

/// Networks, of which the first is joined to all others. They are gone when this is.
struct Networks(Vec<String>);

impl Networks {
    const HUB: usize = 0;

    /// Networks are root's to make: without root, a build server fails, and a person is told.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn new() -> Option<Self> {
        static MADE: AtomicU16 = AtomicU16::new(0);
        if !rustix::process::geteuid().is_root() {
            let on_ci = std::env::var("CI").is_ok_and(|it| it == "true");
            assert!(!on_ci, "networks are root's to make: run this test as root");
            eprintln!("skipped: networks are root's to make; run this test as root");
            return None;
        }
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let of_test = format!("evenkeel-{}-{number}", std::process::id());
        let names = ["hub", "a", "b", "c"].map(|it| format!("{of_test}-{it}"));
        let mut networks = Self(Vec::new());
        for name in names {
            ip(&["netns", "add", &name]);
            ip(&["-n", &name, "link", "set", "lo", "up"]);
            networks.0.push(name);
        }
        let hub = &networks.0[Self::HUB];
        for (number, leaf) in networks.0.iter().enumerate().skip(1) {
            let (link, address) = (format!("to-{number}"), |it| format!("10.77.{number}.{it}/24"));
            let pair = ["-n", hub, "link", "add", &link, "type", "veth", "peer", "name", "home"];
            ip(&[&pair[..], &["netns", leaf]].concat());
            for (network, link, it) in [(hub, &*link, 1), (leaf, "home", 2)] {
                ip(&["-n", network, "address", "add", &address(it), "dev", link]);
                ip(&["-n", network, "link", "set", link, "up"]);
            }
            let way = ["-n", leaf, "route", "add", "default", "via"];
            ip(&[&way[..], &[&format!("10.77.{number}.1")]].concat());
        }
        Some(networks)
    }

    /// The same command, in one of them.
    fn inside(&self, network: usize, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.0[network]]).arg(command.get_program());
        inside.args(command.get_args()).current_dir(command.get_current_dir().unwrap());
        inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inside.stdin(Stdio::null());
        inside
    }

    /// A server in the hub.
    fn sink(&self) -> Sink {
        let network = File::open(format!("/run/netns/{}", self.0[Self::HUB])).unwrap();
        // Only the thread goes there, and those that it starts.
        let start = move || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(network.as_fd(), kind).unwrap();
            Sink::start("10.77.1.1:0")
        };
        std::thread::spawn(start).join().unwrap()
    }

    fn agent(&self, world: &World, network: usize) -> Agent {
        let command = world.evenkeel(&["agent", "--listen", "0.0.0.0:7070"]);
        let mut agent = Agent::of(self.inside(network, &command));
        agent.address = format!("10.77.{network}.2:7070");
        agent
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        self.0.iter().for_each(|it| ip(&["netns", "delete", it]));
    }
}

fn ip(words: &[&str]) {
    let output = Command::new("ip").args(words).output().unwrap();
    assert!(output.status.success(), "ip {}: {}", words.join(" "), said(&output));
}

#[test]
fn an_agent_whose_network_is_cut_is_lost_and_stops_by_itself() {
    let Some(networks) = Networks::new() else { return };
    let world = World::new();
    let sink = networks.sink();
    let agents = [1, 2].map(|it| networks.agent(&world, it));
    let both = agents.each_ref();
    let file = document(&world, sink.address, 2);
    let load = networks.inside(Networks::HUB, &command(&world, &both, &[&file])).output().unwrap();
    judged(&load, 0);
    assert_eq!(sink.count(), 800, "{}", said(&load));
    sink.take();

    // Long enough for a busy host to cut it in the middle.
    let file = document(&world, sink.address, 12);
    let load = begin(&mut networks.inside(Networks::HUB, &command(&world, &both, &[&file])));
    assert!(wait_until(PATIENCE, || sink.count() > 100));
    ip(&["-n", &networks.0[Networks::HUB], "link", "set", "to-1", "down"]);
    let output = load.wait_with_output().unwrap();
    let text = said(&output);
    judged(&output, 1);
    assert!(text.contains("An agent was lost: 10.77.1.2:7070 after "), "{text}");
    assert!(text.contains("it said nothing for 5 s"), "{text}");
    assert!(agents[0].has_said("the coordinator is gone"));
    assert!(agents[1].has_said("done; waits for the next coordinator"));
    // The other one has sent all of its half.
    let sent = routes(sink.take());
    assert!((2_450..4_790).contains(&(sent.0 + sent.1)), "{sent:?}");
}

#[test]
fn in_networks_of_their_own_one_is_killed_and_the_others_send_its_share() {
    let Some(networks) = Networks::new() else { return };
    let world = World::new();
    let sink = networks.sink();
    let mut agents = [1, 2, 3].map(|it| networks.agent(&world, it));
    let file = document(&world, sink.address, 9);
    let mut load = command(&world, &agents.each_ref(), &[&file]);
    let load = begin(&mut networks.inside(Networks::HUB, load.args(HANDED_ON)));
    one_is_killed(&sink, load, &mut agents[2], "10.77.1.2:7070, 10.77.2.2:7070");
}

#[test]
fn of_agents_that_call_out_of_their_networks_one_is_killed_and_the_others_send_its_share() {
    let Some(networks) = Networks::new() else { return };
    let world = World::new();
    let sink = networks.sink();
    let file = document(&world, sink.address, 9);
    let mut load = world.evenkeel(&["load", "run", &file, "--expect", "3"]);
    load.args(["--listen-agents", "0.0.0.0:7071"]).args(HANDED_ON);
    load.env("EVENKEEL_AGENT_TOKEN", TOKEN);
    let load = begin(&mut networks.inside(Networks::HUB, &load));
    let mut agents = [(1, "a"), (2, "b"), (3, "c")].map(|(network, name)| {
        let hub = format!("10.77.{network}.1:7071");
        let command = world.evenkeel(&["agent", "--connect", &hub, "--name", name]);
        let mut agent = Agent::of(networks.inside(network, &command));
        agent.address = name.to_owned();
        // One after the other, so that each has the share of its place.
        assert!(agent.has_said("works for this coordinator"));
        agent
    });
    one_is_killed(&sink, load, &mut agents[2], "a, b");
}
