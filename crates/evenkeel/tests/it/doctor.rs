//! `doctor`: what works on this host, with and without the right to it.

use serde_json::Value;

use crate::world::{World, said};

fn means<'a>(said: &'a Value, name: &str) -> &'a Value {
    said["means"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap()
}

#[test]
fn it_says_what_works_and_how_to_get_the_rest_and_ends_well_in_any_case() {
    let world = World::new();
    let output = world.run(&["doctor"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("Linux ") && text.contains("works    links"), "{text}");
    let output = world.run(&["doctor", "--output", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(means(&json, "links")["works"], true, "{json:#}");
    for it in json["means"].as_array().unwrap() {
        let lacks = it["missing"].as_array().unwrap();
        assert_eq!(it["works"], lacks.is_empty(), "{it:#}");
        assert!(lacks.iter().all(|it| it["help"].as_str().is_some_and(|it| !it.is_empty())));
    }
}

#[test]
fn to_somebody_without_rights_it_names_the_capability() {
    if !rustix::process::geteuid().is_root() {
        // Then the test above was the one.
        return;
    }
    let world = World::new();
    let evenkeel = world.evenkeel(&["doctor", "--output", "json"]);
    let mut command = world.command("setpriv");
    // Still root, so that it finds its own binary, but with nothing that root may do.
    let nothing = ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"];
    command.args(nothing).arg(evenkeel.get_program()).args(evenkeel.get_args());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let queue = means(&json, "queue");
    assert_eq!(
        (&queue["works"], &queue["missing"][0]["what"]),
        (&false.into(), &"CAP_NET_ADMIN".into())
    );
}
