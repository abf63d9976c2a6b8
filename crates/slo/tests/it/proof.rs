//! Proof: the tests that rules are written with, by promtool: right rules pass them, and wrong ones do not.

use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use evenkeel_slo::burn::{Rule, catalogue};
use evenkeel_slo::rules::{Resource, Subject, compat, exact, file, proof, resource, symptom};

use crate::{rulefile, shop};

/// 99.9 % with the usual windows, of which the second waits for two minutes.
fn subject() -> Subject {
    let patient = |it: Rule| match it.name.as_str() {
        "page 6h" => Rule { pending: Duration::from_mins(2), ..it },
        _ => it,
    };
    let burn = catalogue::workbook(Duration::from_hours(720)).into_iter().map(patient).collect();
    Subject { objective: "99.9%".parse().unwrap(), ..shop::subject(burn) }
}

/// What promtool says of rules and their tests.
fn promtool(rules: &str, tests: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    fs::write(folder.path().join("it.test.yaml"), tests).unwrap();
    Command::new("promtool")
        .args(["test", "rules", "it.test.yaml"])
        .current_dir(folder.path())
        .output()
        .expect("promtool is installed by `cargo xtask test`")
}

/// Right rules pass; each of `wrong`, which is what stands there and what is written in its place, does not.
fn check(rules: &str, tests: &str, wrong: &[(&str, &str)]) {
    let right = promtool(rules, tests);
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));
    for (was, is) in wrong {
        assert!(rules.contains(was), "{was} is not in\n{rules}");
        let output = promtool(&rules.replacen(was, is, 1), tests);
        assert!(!output.status.success(), "{was} may be {is}");
    }
}

#[test]
fn exact_rules_pass_their_tests_and_wrong_ones_do_not() {
    let subject = subject();
    let wrong = [
        ("(14.4 * 0.001)", "(14 * 0.001)"),
        ("[6h:5m]", "[5h:5m]"),
        ("[3d:5m]", "[4d:5m]"),
        ("> 2.5", "> 3.5"),
        ("for: 2m", "for: 0s"),
    ];
    check(&file(&exact::rules(&subject)), &proof::exact(&subject, "rules.yaml"), &wrong);
    // Fewer events than a hundred decide by one, and no step too many may be counted.
    let short = Subject { objective: "98%".parse().unwrap(), ..subject };
    check(&file(&exact::rules(&short)), &proof::exact(&short, "rules.yaml"), &[]);
}

#[test]
fn rules_of_usual_windows_that_are_stretched_pass_their_tests() {
    // Their windows are no multiples of five minutes, or not of the shortest.
    for days in [7, 28] {
        let window = Duration::from_hours(days * 24);
        let subject = Subject { window, burn: catalogue::workbook(window), ..subject() };
        check(&file(&exact::rules(&subject)), &proof::exact(&subject, "rules.yaml"), &[]);
    }
}

#[test]
fn rules_of_sloth_pass_their_tests_and_wrong_ones_do_not() {
    let subject = subject();
    let wrong = [
        ("(14.4 * 0.001)", "(14 * 0.001)"),
        ("max(slo:sli_error:ratio_rate1h", "max(slo:sli_error:ratio_rate6h"),
    ];
    check(&file(&compat::rules(&subject)), &proof::compat(&subject, "rules.yaml"), &wrong);
}

#[test]
fn alerts_on_symptoms_pass_their_tests_and_wrong_ones_do_not() {
    let watches = symptom::usual("shop");
    let rules = file(&[symptom::group("shop", &watches)]);
    let wrong = [("> 0.5", "> 0.8"), ("> 0.8", "> 0.7"), ("sum by (le)", "sum")];
    check(&rules, &symptom::proof(&watches, "rules.yaml"), &wrong);
}

#[test]
fn a_resource_holds_the_rules_of_the_file() {
    let groups = [exact::rules(&subject()), compat::rules(&subject())].concat();
    let of = Resource { name: "objectives".to_owned(), ..Resource::default() };
    for text in [file(&groups), resource(&of, &groups)] {
        assert_eq!(rulefile::read("rules.yaml", &text).unwrap(), groups);
    }
}
