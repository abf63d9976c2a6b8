//! Compat: rules that say what those of Sloth say, over every one of its examples.
//!
//! Here is what can be played in a few seconds; `cargo xtask oracle sloth` plays everything.

use std::path::Path;
use std::time::Duration;

use evenkeel_slo::burn::{Rule, catalogue};

use crate::scenario::{Scenario, clauses, month, quirks};
use crate::sloth;

/// The windows of Sloth.
fn windows() -> Vec<Rule> {
    catalogue::sloth(Duration::from_hours(720))
}

/// The examples, which are no part of the project.
fn examples() -> Option<Vec<sloth::Example>> {
    let beside = "../../../shared/oracles/sloth/examples";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(beside);
    if !folder.is_dir() {
        let on_ci = std::env::var("CI").is_ok_and(|it| it == "true");
        assert!(!on_ci, "{} is missing: put the oracles there", folder.display());
        eprintln!("skipped: {} is missing", folder.display());
        return None;
    }
    Some(sloth::examples(&folder).unwrap())
}

#[test]
fn every_example_of_sloth_is_written_and_means_the_same() {
    let Some(examples) = examples() else { return };
    assert_eq!(examples.len(), 18);
    let mut wrong = Vec::new();
    for (number, example) in examples.iter().enumerate() {
        // One of all for each example; all of them are played for one.
        let quirk = quirks().into_iter().cycle().nth(number);
        let clause = clauses(&windows()).into_iter().cycle().nth(2 + 5 * number);
        let played = quirk.into_iter().chain(clause);
        let mut found: Vec<_> = example.written().into_iter().collect();
        for scenario in played {
            found.extend(example.played(&scenario).unwrap().err());
        }
        wrong.extend(found.into_iter().map(|it| format!("{}: {it}", example.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn getting_started(examples: &[sloth::Example]) -> &sloth::Example {
    examples.iter().find(|it| it.name == "getting-started.yml").expect("it is an example")
}

#[test]
fn every_clause_of_every_alert_fires_just_above_its_factor_and_not_below() {
    let Some(examples) = examples() else { return };
    let example = getting_started(&examples);
    for scenario in clauses(&windows()) {
        let same = example.played(&scenario).unwrap().unwrap();
        let fires = !scenario.name.contains(": 98 %");
        // Three steps before the end the burst ends, and is just so.
        let decisive = scenario.moments.until - 3 * scenario.moments.step;
        assert_eq!(same.firing.contains(&decisive), fires, "{}", scenario.name);
    }
    for scenario in quirks().into_iter().chain([month()]) {
        example.played(&scenario).unwrap().unwrap();
    }
}

#[test]
fn every_wrong_number_and_every_wrong_window_is_found() {
    let Some(examples) = examples() else { return };
    let example = getting_started(&examples);
    let scenarios: Vec<Scenario> =
        clauses(&windows()).into_iter().chain(quirks()).chain([month()]).collect();
    let (all, survivors) = example.survivors(&scenarios).unwrap();
    assert!(all > 90, "{all}");
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}
