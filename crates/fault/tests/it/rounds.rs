//! Faults that act again and again: each round on targets of its own, within the blast radius, and no longer than asked.

use std::process::Command;
use std::time::Duration;

use evenkeel_fault::{Faults, find, preview};
use evenkeel_model::document::{BlastRadius, Fault, Finder, Instance, Labels, Mode, Selector};
use evenkeel_units::Ratio;

use crate::stage::{PATIENCE, Victim, fault, on_workers, open, service, signal, state_dir};

const KILL: Fault = Fault::Kill { every: Some(Duration::from_millis(40)) };

async fn next_round(faults: &mut Faults) {
    tokio::time::timeout(PATIENCE, faults.due()).await.expect("a round is due");
    faults.act_again().await;
}

#[tokio::test]
async fn every_round_kills_another_until_nobody_more_may_be_hit() {
    let (victims, state) = ([Victim::sleep(), Victim::sleep(), Victim::sleep()], state_dir());
    let alive = || victims.iter().filter(|it| it.process().is_alive()).count();
    let limit = BlastRadius { max_instances: Some(Ratio::percent(70)), ..BlastRadius::default() };
    let service = service(None, &[&victims[0], &victims[1], &victims[2]]);
    let mut faults = open(&service, state.path()).await.within(limit);
    let mut one = on_workers(KILL);
    one.target.as_mut().unwrap().mode = Mode::One;
    faults.begin(0, &one).await.unwrap();
    assert_eq!(alive(), 2);
    // Sooner or later the seed picks one that is still there.
    while alive() == 2 {
        next_round(&mut faults).await;
    }
    for _ in 0..3 {
        next_round(&mut faults).await;
        assert_eq!(alive(), 1, "two of three are 70 %, rounded down");
    }
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    let counted = ["rounds", "targets_killed"].map(|it| evidence.counters[it] as u64);
    assert_eq!((evidence.acted, counted), (true, [2, 2]), "{evidence:?}");
    assert!(evidence.counters["rounds_left_out"] >= 3.0, "{evidence:?}");
    // What is over is not due again.
    assert!(tokio::time::timeout(Duration::from_millis(80), faults.due()).await.is_err());
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_process_is_restarted_again_and_again_and_runs_in_the_end() {
    let state = state_dir();
    // A name of its own, by which its successors are found, too.
    let program = state.path().join("napper");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let victim = Victim::of(Command::new(&program).arg("300"));
    let finder = Finder::Executable(program.display().to_string());
    let runs = || find(&finder).unwrap();
    let mut service = service(None, &[]);
    service.instances =
        vec![Instance { name: "worker-0".to_owned(), find: finder.clone(), labels: Labels::new() }];
    let journals = state_dir();
    let mut faults = open(&service, journals.path()).await;
    let restart = Fault::Restart { every: Some(Duration::from_millis(40)) };
    let first = victim.process();
    faults.begin(0, &on_workers(restart)).await.unwrap();
    let mut seen = vec![first.pid];
    while seen.len() < 3 {
        next_round(&mut faults).await;
        seen.extend(runs().first().map(|it| it.pid));
        seen.dedup();
    }
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert!(evidence.acted && evidence.counters["targets_restarted"] >= 2.0, "{evidence:?}");
    faults.close().await.unwrap();
    let left = runs();
    assert_eq!(left.len(), 1, "{left:?}");
    signal("KILL", left[0].pid);
}

#[tokio::test]
async fn the_dry_run_says_that_targets_are_picked_anew() {
    let victim = Victim::sleep();
    let select = Selector::Process(Finder::Pid(victim.0.id()));
    let plan = evenkeel_model::Plan {
        service: service(None, &[&victim]),
        faults: vec![fault(Fault::Kill { every: Some(Duration::from_secs(10)) }, Some(select))],
        ..crate::processes::empty_plan()
    };
    let text = preview(&plan).unwrap()[0].to_string();
    assert!(text.starts_with("kill every 10s: "), "{text}");
    assert!(text.ends_with("again   every 10s, on targets that are picked anew\n"), "{text}");
    assert!(victim.process().is_alive());
}
