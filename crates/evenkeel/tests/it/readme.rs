//! Every command of the README, run as a reader would, in its order, in one folder.

use std::process::Stdio;

use crate::drill::Nginx;
use crate::world::{World, said};

/// Where the README's own nginx listens.
const README_PORT: &str = "127.0.0.1:8080";

/// Every command of the README, in its order.
const COMMANDS: [&str; 15] = [
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
    for command in COMMANDS {
        let here = command.replace(README_PORT, &format!("127.0.0.1:{}", world.port()));
        let words: Vec<&str> = here.split_whitespace().collect();
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
    for file in ["evenkeel-demo/drill.yaml", "drill.yaml"] {
        assert!(world.folder().join(file).is_file(), "{file}");
    }
}

#[test]
fn the_shop_starts_alone_and_ends_with_its_terminal() {
    let world = World::new();
    let port = world.port().to_string();
    let mut shop = world.evenkeel(&["shop", "--port", &port]);
    let mut shop = shop.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let up = crate::world::wait_until(std::time::Duration::from_secs(20), || {
        std::net::TcpStream::connect(("127.0.0.1", world.port())).is_ok()
    });
    assert!(up, "the shop does not come up");
    let pid = rustix::process::Pid::from_raw(shop.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    shop.wait().unwrap();
    world.is_empty_within_a_second();
}
