//! A load on a terminal of its own (a pseudo-terminal that `script` makes): what it draws, how it is stopped by a
//! key, and that the terminal is as it was afterwards.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use crate::drill::Nginx;
use crate::world::World;

/// The other screen of a terminal, taken and given back.
const TAKEN: &str = "\u{1b}[?1049h";
const GIVEN_BACK: &str = "\u{1b}[?1049l";

#[test]
fn q_stops_a_load_and_the_terminal_is_as_it_was() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let binary = env!("CARGO_BIN_EXE_evenkeel");
    let load = format!(
        "stty cols 100 rows 30; stty -g; \
         {binary} load run http://127.0.0.1:{}/ --rate 50/s --duration 10m --success 'p99 < 10s'; \
         echo \"exit $?\"; stty -g",
        world.port()
    );
    let mut script = world
        .command("script")
        .args(["--quiet", "--flush", "--command", &load, "/dev/null"])
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
    let (mut seen, mut bytes) = (String::new(), [0; 4096]);
    loop {
        let count = screen.read(&mut bytes).unwrap();
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        assert!(count > 0, "it ended by itself: {seen}");
        if seen.contains("holds") {
            break;
        }
    }
    keys.write_all(b"q").unwrap();
    screen.read_to_string(&mut seen).unwrap();
    script.wait().unwrap();

    let (before, rest) = seen.split_once(TAKEN).unwrap();
    let (picture, after) = rest.split_once(GIVEN_BACK).unwrap();
    // Blanks are not drawn where there were some already, so words are looked for one by one.
    for part in ["stops", "50/s", "limits", "latency", "holds"] {
        assert!(picture.contains(part), "{part} in {picture:?}");
    }
    for part in ["SIGINT: mending everything, then stopping", "INTERRUPTED", "exit 130"] {
        assert!(after.contains(part), "{part} in {after}");
    }
    assert!(!after.contains(TAKEN), "{after}");
    // `stty -g` says all modes of a terminal in one line.
    let modes = |text: &str| {
        let found = text.lines().map(str::trim).find(|it| it.matches(':').count() > 20);
        found.unwrap_or_else(|| panic!("no modes in {text}")).to_owned()
    };
    assert_eq!(modes(before), modes(after));
}
