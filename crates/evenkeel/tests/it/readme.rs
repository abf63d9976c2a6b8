//! Every command of the README, run as a reader would, in its order, in one folder.

use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::drill::Nginx;
use crate::world::{World, said, wait_until};

/// Where the README's own nginx listens.
const README_PORT: &str = "127.0.0.1:8080";
/// Where its shop does.
const SHOP_PORT: &str = "127.0.0.1:7400";
/// Where its server of metrics does.
const SERVER_PORT: &str = "127.0.0.1:9090";

/// Every command of the README, in its order.
const COMMANDS: [&str; 19] = [
    "cargo run --release --locked -- demo",
    "cargo xtask test",
    "export PATH=$PWD/target/release:$PATH",
    "evenkeel plan evenkeel-demo/drill.yaml",
    "evenkeel drill run evenkeel-demo/drill.yaml",
    "evenkeel init http://127.0.0.1:8080/",
    "evenkeel check drill.yaml",
    "evenkeel drill run drill.yaml",
    "evenkeel drill list",
    "evenkeel drill show last",
    "evenkeel report last --as markdown",
    "evenkeel load run http://127.0.0.1:8080/ --rate 200/s --duration 3s",
    "evenkeel chaos run experiment.yaml --dry-run",
    "evenkeel chaos run experiment.yaml",
    "evenkeel chaos recover",
    "evenkeel slo init http://127.0.0.1:7400/metrics --name shop",
    "evenkeel metrics serve slo.yaml --config prometheus.yml",
    "evenkeel slo report slo.yaml --source http://127.0.0.1:9090",
    "evenkeel probe http://127.0.0.1:8080/ tcp://127.0.0.1:8080",
];

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap()
}

/// The experiment that a reader copies from it.
fn experiment() -> String {
    let text = readme();
    let (_, rest) = text.split_once("```yaml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// The commands as the README has them.
fn of_readme() -> Vec<String> {
    let text = readme();
    text.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    assert_eq!(of_readme(), COMMANDS, "the README and this list are the same");
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let port = world.port().to_string();
    world.write("experiment.yaml", &experiment().replace("8080", &port));
    // What stays until it is stopped is in a world of its own.
    let lasting = World::new();
    let (shop, server) = (lasting.port(), lasting.port() + 10);
    let mut stays = vec![staying(&lasting, &["shop", "--port", &shop.to_string()], shop)];
    for command in COMMANDS {
        let here = [(README_PORT, world.port()), (SHOP_PORT, shop), (SERVER_PORT, server)]
            .iter()
            .fold(command.to_owned(), |it, (of, to)| it.replace(of, &format!("127.0.0.1:{to}")));
        let words: Vec<&str> = here.split_whitespace().collect();
        if let ["evenkeel", "metrics", "serve", rest @ ..] = words.as_slice() {
            for file in ["slo.yaml", "prometheus.yml"] {
                std::fs::copy(world.folder().join(file), lasting.folder().join(file)).unwrap();
            }
            let listen = format!("127.0.0.1:{server}");
            let all = [&["metrics", "serve", "--listen", &listen], rest].concat();
            stays.push(staying(&lasting, &all, server));
            continue;
        }
        let output = match words.as_slice() {
            ["cargo", "run", "--release", "--locked", "--", rest @ ..]
            | ["evenkeel", rest @ ..] => world.run(rest),
            // The one runs this very test; the other is for the reader's shell.
            ["cargo", "xtask", "test"] | ["export", ..] => continue,
            other => panic!("the README has a command that no test runs: {other:?}"),
        };
        assert_eq!(output.status.code(), Some(0), "{command}\n{}", said(&output));
        world.is_empty_within_a_second();
    }
    for file in ["evenkeel-demo/drill.yaml", "drill.yaml", "slo-report.html"] {
        assert!(world.folder().join(file).is_file(), "{file}");
    }
    for mut it in stays.into_iter().rev() {
        kill_process(Pid::from_child(&it), Signal::INT).unwrap();
        it.wait().unwrap();
    }
    lasting.is_empty_within_a_second();
}

/// A command that stays, once it answers at a port.
fn staying(world: &World, arguments: &[&str], port: u16) -> Child {
    let mut command = world.evenkeel(arguments);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let answers = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    assert!(wait_until(Duration::from_secs(20), answers), "{arguments:?} does not come up");
    child
}

#[test]
fn the_shop_starts_alone_and_ends_with_its_terminal() {
    let world = World::new();
    let mut shop = staying(&world, &["shop", "--port", &world.port().to_string()], world.port());
    kill_process(Pid::from_child(&shop), Signal::INT).unwrap();
    shop.wait().unwrap();
    world.is_empty_within_a_second();
}
