//! Game days: what they are made of, and what is wrong with one.

use evenkeel_model::document::{GameDayScenario, Prerequisite};
use evenkeel_units::Seed;

use super::{check, findings};

const DAY: &str = r#"apiVersion: evenkeel.dev/v1
kind: GameDay
metadata: {name: failover}
spec:
  objective: the worker may stand still
  participants: [SRE team, {name: Ann, role: observer}]
  prerequisites:
    - the dashboards work
    - tcp: {address: "127.0.0.1:7400"}
  scenario:
    steps: [Stop the worker, Watch]
    experiment:
      method: [{pause: {target: {executable: worker}, duration: 3s}}]
      safety: {abort: ["error_rate > 50%"]}
  success: [no order is lost]
  timeline:
    - {at: "09:45", what: Team assembles}
    - {at: "10:00", until: "10:05", what: Watch}
  timeZone: Europe/Paris
"#;

#[test]
fn an_experiment_may_stand_inline() {
    let (library, found) = check(DAY);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(library.game_days(), ["failover"]);
    let day = library.game_day("failover").unwrap();
    let GameDayScenario::Experiment(name) = &day.runs else { panic!("{:?}", day.runs) };
    assert_eq!(name, "failover/experiment");
    assert_eq!(library.plan_experiment(name, Seed(7)).unwrap().faults.len(), 1);
    assert!(matches!(day.prerequisites[..], [Prerequisite::Text(_), Prerequisite::Probe(_)]));
    let shown: Vec<_> = day.timeline.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["09:45 Team assembles", "10:00-10:05 Watch"]);
    assert_eq!(day.participants[1].to_string(), "Ann (observer)");
}

#[test]
fn every_mistake_of_a_game_day_is_found_in_one_run() {
    let wrong = DAY
        .replace("until: \"10:05\"", "until: \"09:55\"")
        .replace("{at: \"09:45\"", "{at: \"10:45\"")
        .replace("Europe/Paris", "Europe/Pariss")
        .replace("    steps: [Stop the worker, Watch]\n", "    drill: checkout\n")
        .replace("role: observer", "rolle: observer")
        .replace("- tcp: {address: \"127.0.0.1:7400\"}", "- load: error_rate < 1%");
    insta::assert_snapshot!(findings(&wrong), @r"
    EK-D003 6:40 unknown field `rolle` | Did you mean `role`?
    EK-D013 9:7 `load` is not a probe | Use one of http, tcp, process, promql.
    EK-L001 11:12 there is no Drill called `checkout` | There is no Drill in the files given; add the file that has it.
    EK-D025 12:5 `experiment` beside `drill` | Give exactly one of `experiment`, `drill`.
    EK-L028 18:12 10:00 stands behind 10:45 | Write what is planned in the order of its times.
    EK-L028 18:28 it would end at 09:55, before it begins | Write the later time behind `until`.
    EK-L014 19:13 `Europe/Pariss` is not a time zone | Write a name of the IANA data base, such as `Europe/Paris` or `UTC`.
    ");
}

#[test]
fn what_it_runs_has_to_be_there() {
    let (head, rest) = DAY.split_once("    experiment:\n").unwrap();
    let (_, tail) = rest.split_once("  success:").unwrap();
    let named = format!("{head}    drill: checkout\n  success:{tail}");
    insta::assert_snapshot!(findings(&named), @"EK-L001 12:12 there is no Drill called `checkout` | There is no Drill in the files given; add the file that has it.");
}
