//! What the conductor promises, played without time.

use super::*;
use crate::sample::{at, fragile, plan, play};
use evenkeel_model::Entry;
use evenkeel_model::event::Evidence;
use evenkeel_model::plan::RunHead;
use proptest::prelude::*;

/// Feeds a journal to a conductor and collects what it says.
fn commands(journal: &[Entry]) -> Vec<Command> {
    let mut conductor = Conductor::default();
    journal.iter().flat_map(|it| conductor.on(it.at, &it.event)).collect()
}

#[test]
fn a_whole_drill_goes_from_preflight_to_the_steady_state_after() {
    let said = commands(&play(plan(), &fragile, |_| None));
    let without_questions: Vec<_> =
        said.iter().filter(|it| !matches!(it, Command::Ask(_))).collect();
    let expected = [
        Command::Prepare,
        Command::StartLoad,
        Command::BeginFault(0),
        Command::EndFault(0),
        Command::BeginFault(1),
        Command::EndFault(1),
        Command::Finish(Finish::Completed),
    ];
    assert_eq!(without_questions, expected.iter().collect::<Vec<_>>());
    assert!(matches!(said[said.len() - 2], Command::Ask(0)), "asked again at the end");
}

#[test]
fn a_signal_mends_before_it_stops_the_load() {
    let signal = |second| (second == 14).then(|| Event::Interrupted { signal: "SIGINT".into() });
    let said = commands(&play(plan(), &fragile, signal));
    let end = Command::Finish(Finish::Interrupted("SIGINT".into()));
    assert_eq!(said[said.len() - 3..], [Command::EndFault(0), Command::StopLoad, end]);
}

#[test]
fn without_steady_state_nothing_is_loaded_or_broken() {
    let mut conductor = Conductor::default();
    let run = RunHead { id: String::new(), started: String::new(), version: String::new() };
    conductor.on(at(0), &Event::Started { run, plan: Box::new(plan()) });
    let mut said = conductor.on(at(0), &Event::Ready);
    for _ in 0..3 {
        let no = Event::Probed { probe: 0, held: false, detail: "connection refused".into() };
        said.extend(conductor.on(at(1), &no));
        said.extend(
            conductor.next_wake().map(|at| conductor.on(at, &Event::Tick)).unwrap_or_default(),
        );
    }
    let Some(Command::Finish(Finish::CouldNotRun(reason))) = said.last() else {
        panic!("{said:?}")
    };
    assert!(reason.ends_with("connection refused"), "{reason}");
    assert_eq!(said.len(), 4, "three questions and the end: {said:?}");
}

#[test]
fn a_guard_stops_the_run_within_its_time() {
    let mut plan = plan();
    plan.safety.abort =
        vec![evenkeel_model::document::Criterion::parse("response_time > 500ms for 3s").unwrap()];
    let said = commands(&play(plan, &fragile, |_| None));
    assert_eq!(said.last(), Some(&Command::Finish(Finish::Guard(Trip::Condition { guard: 0 }))));
    assert!(!said.contains(&Command::BeginFault(1)), "nothing is broken after the guard spoke");
}

#[test]
fn load_figures_that_are_bad_before_the_first_fault_stop_the_run() {
    let mut plan = plan();
    let criterion = evenkeel_model::document::Criterion::parse("p95 < 5ms").unwrap();
    plan.steady_state[0].kind = ProbeKind::Load { criterion };
    let said = commands(&play(plan, &fragile, |_| None));
    assert!(matches!(said.last(), Some(Command::Finish(Finish::CouldNotRun(_)))), "{said:?}");
    assert!(!said.iter().any(|it| matches!(it, Command::BeginFault(_))));
}

/// Any event at any time, sensible or not.
fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Ready),
        Just(Event::Tick),
        Just(Event::LoadStarted),
        Just(Event::LoadEnded { error: None }),
        Just(Event::GuardianLost),
        Just(Event::Interrupted { signal: "SIGTERM".into() }),
        any::<bool>().prop_map(|held| Event::Probed { probe: 0, held, detail: String::new() }),
        (0usize..3).prop_map(|fault| Event::FaultBegan { fault, targets: Vec::new() }),
        (0usize..3).prop_map(|fault| Event::FaultFailed { fault, error: String::new() }),
        (0usize..3).prop_map(|fault| Event::FaultEnded {
            fault,
            evidence: Evidence::default(),
            error: None
        }),
        (0u64..40).prop_map(|second| Event::Second { frame: fragile(second, &[false, true]) }),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_nothing_is_broken_after_the_end_began(
        script in prop::collection::vec((0u64..4, events()), 0..80)
    ) {
        let mut conductor = Conductor::default();
        let run = RunHead { id: String::new(), started: String::new(), version: String::new() };
        conductor.on(at(0), &Event::Started { run, plan: Box::new(plan()) });
        let (mut now, mut finished, mut stopping) = (0, 0, false);
        for (later, event) in script {
            now += later;
            for command in conductor.on(at(now), &event) {
                prop_assert!(!(stopping && matches!(command, Command::BeginFault(_))), "broken while stopping");
                finished += u32::from(matches!(command, Command::Finish(_)));
            }
            stopping |= conductor.stopping().is_some();
        }
        prop_assert!(finished <= 1, "finished {finished} times");
    }

    #[test]
    fn a_signal_at_any_second_leaves_nothing_broken(second in 0u64..45) {
        let signal = |now| (now == second).then(|| Event::Interrupted { signal: "SIGTERM".into() });
        // The world of the test fails by itself when a fault is left behind or the run comes to no end.
        let said = commands(&play(plan(), &fragile, signal));
        let begun = said.iter().filter(|it| matches!(it, Command::BeginFault(_))).count();
        let ended = said.iter().filter(|it| matches!(it, Command::EndFault(_))).count();
        prop_assert_eq!(begun, ended);
    }
}
