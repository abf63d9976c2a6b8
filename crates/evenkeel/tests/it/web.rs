//! A load in a browser while it goes on: real load, a real server, a real browser.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::chromium::{self, Chromium};
use crate::drill::Nginx;
use crate::world::{World, said};

#[test]
fn a_load_is_followed_in_a_browser_until_its_report_is_there() {
    let Some(program) = chromium::installed() else { return };
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let mut browser = Chromium::start(&program);
    browser.look(390, "dark");
    let target = format!("http://127.0.0.1:{}/", world.port());
    let arguments = ["load", "run", &target, "--rate", "50/s", "--duration", "6s", "--web"];
    let mut load =
        world.evenkeel(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(load.stderr.take().unwrap()).lines().map_while(Result::ok);
    let url = lines.find_map(|it| Some(it.split_once("goes on: ")?.1.to_owned())).unwrap();

    browser.open(&url);
    let title = |how: &str| json!(format!("127.0.0.1:{} · {how} · Evenkeel", world.port()));
    assert_eq!(browser.run("document.title"), title("under way"));
    // What the reader has opened stays open.
    let charts = "new Promise(done => { const look = () => {
      const it = document.querySelector('#load details');
      it ? done(it.open = true) : setTimeout(look, 50);
    }; look(); })";
    browser.run(charts);
    let over = "new Promise(done => { const look = () => document.documentElement.dataset.number === undefined
      ? done(document.title) : setTimeout(look, 50); look(); })";
    assert_eq!(browser.run(over), title("pass"));
    let verdict = browser.run("document.querySelector('#verdict').innerText");
    assert!(verdict.as_str().unwrap().contains("Passed"), "{verdict}");
    assert_eq!(browser.run("document.querySelector('#load details').open"), json!(true));
    let wider = browser.run("document.documentElement.scrollWidth - innerWidth");
    assert!(wider.as_i64().is_some_and(|it| it <= 0), "wider than the screen by {wider}");

    for event in &browser.events {
        let about = ["Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"];
        assert!(!about.iter().any(|it| event["method"] == *it), "{event}");
        if event["method"] == "Network.requestWillBeSent" {
            let asked = event["params"]["request"]["url"].as_str().unwrap();
            assert!(asked.starts_with(&url) || asked.starts_with("data:"), "{asked}");
        }
    }
    assert_eq!(load.wait().unwrap().code(), Some(0));
    world.is_empty_within_a_second();
}

#[test]
fn other_machines_are_not_let_in() {
    let world = World::new();
    let output = world.run(&["load", "run", "http://127.0.0.1:1/", "--web=0.0.0.0:8089"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let text = said(&output);
    assert!(text.contains("can be reached from other machines"), "{text}");
    assert!(text.contains("ssh -L 8089:127.0.0.1:8089"), "{text}");
}
