//! A drill for tests, and a world without time to run it in.

use std::collections::VecDeque;
use std::time::Duration;

use evenkeel_model::document::{
    AllowFaults, Call, Checks, Criterion, Fault, Indicator, LoadTest, Parts, Probe, ProbeKind,
    RegressionLimits, Role, Route, Safety, Selector, Service, Shape, Slo, Target, Template,
};
use evenkeel_model::event::Evidence;
use evenkeel_model::plan::{PlannedFault, PlannedPhase, RunHead};
use evenkeel_model::{Entry, Event, Frame, Outcome, Plan};
use evenkeel_units::{Moment, Rate, Ratio, Seed};

use crate::conductor::{Command, Conductor};
use crate::frames::Frames;
use crate::judge::judge;
use crate::run::Run;
use crate::tally::tests::frame;
use evenkeel_model::document::{Finder, Release, Watch, WatchSource, When};

pub(crate) fn at(seconds: u64) -> Moment {
    Moment::at(Duration::from_secs(seconds))
}

/// Ten seconds of baseline, twenty under load with two faults, ten of recovery.
pub(crate) fn plan() -> Plan {
    let phase = |name: &str, role, from, to| PlannedPhase {
        name: name.to_owned(),
        role,
        shape: Some(Shape::Constant {
            rate: Rate::per_second(100.0).unwrap(),
            duration: Duration::from_secs(to - from),
        }),
        from: at(from),
        to: at(to),
    };
    let fault = |label: &str, fault, target: &str, from, to| PlannedFault {
        label: label.to_owned(),
        experiment: "slow".to_owned(),
        fault,
        target: Some(Target {
            select: Selector::Dependency(Parts::named(target)),
            mode: evenkeel_model::document::Mode::All,
        }),
        from: at(from),
        to: at(to),
    };
    let delay = Duration::from_millis(800);
    Plan {
        drill: "checkout".to_owned(),
        description: None,
        hypothesis: Some("nobody waits".to_owned()),
        service: Service {
            name: "shop".to_owned(),
            description: None,
            url: Some("http://127.0.0.1:1".to_owned()),
            start: None,
            instances: Vec::new(),
            dependencies: Vec::new(),
            allow_faults: AllowFaults::All,
            min_release: None,
        },
        objectives: vec![Slo::of(
            "fast",
            Indicator::Latency { threshold: Duration::from_millis(300) },
            Some(Ratio::percent(95)),
        )],
        load: Some(LoadTest {
            routes: vec![Route {
                name: "list".to_owned(),
                weight: 1,
                call: Call::Http {
                    method: "GET".to_owned(),
                    path: Template::parse("/").unwrap(),
                    headers: Vec::new(),
                    body: None,
                },
                checks: Checks::default(),
                extract: Vec::new(),
            }],
            timeout: Duration::from_secs(5),
            ..LoadTest::new("shoppers")
        }),
        phases: vec![
            phase("baseline", Role::Baseline, 0, 10),
            phase("faults", Role::Load, 10, 30),
            phase("recovery", Role::Recovery, 30, 40),
        ],
        faults: vec![
            fault(
                "latency +800ms · payment",
                Fault::Latency { delay, jitter: Duration::ZERO },
                "payment",
                12,
                20,
            ),
            fault("refused · inventory", Fault::Refuse, "inventory", 24, 28),
        ],
        steady_state: vec![Probe {
            kind: ProbeKind::Tcp {
                address: "127.0.0.1:1".to_owned(),
                within: Duration::from_secs(1),
            },
            every: Duration::from_secs(5),
            when: When::everywhere(),
        }],
        safety: Safety {
            abort: vec![Criterion::parse("error_rate > 50% for 3s").unwrap()],
            ..Safety::default()
        },
        success: vec![Criterion::parse("recovery_time < 10s").unwrap().into()],
        regression: RegressionLimits::default(),
        seed: Seed(7),
        schedule: None,
        monkey: None,
    }
}

/// A load without faults, in one phase.
pub(crate) fn load_plan(shape: Shape) -> Plan {
    let whole = plan();
    let end = Moment::at(shape.length());
    let phase = PlannedPhase {
        name: "load".to_owned(),
        role: Role::Load,
        from: at(0),
        to: end,
        shape: Some(shape),
    };
    Plan {
        phases: vec![phase],
        faults: Vec::new(),
        objectives: Vec::new(),
        steady_state: Vec::new(),
        success: Vec::new(),
        hypothesis: None,
        safety: Safety::default(),
        ..whole
    }
}

/// A load whose parts are phases.
pub(crate) fn split(shape: Shape, names: &[&str]) -> Plan {
    let mut from = at(0);
    let part = |(n, it): (usize, evenkeel_model::document::Segment)| {
        let evenkeel_model::document::Offered::Rate(rate, _) = it.offered else { panic!("a rate") };
        let to = from + it.length;
        let shape = Shape::Constant { rate: Rate::per_second(rate).unwrap(), duration: it.length };
        let name = names.get(n).map_or_else(|| format!("step {}", n + 1), |it| (*it).to_owned());
        let from = std::mem::replace(&mut from, to);
        PlannedPhase { name, role: Role::Load, shape: Some(shape), from, to }
    };
    let phases = shape.segments().into_iter().enumerate().map(part).collect();
    let mut plan = load_plan(shape.clone());
    plan.load.as_mut().unwrap().shape = Some(shape);
    Plan { phases, ..plan }
}

/// How a staircase is planned.
pub(crate) enum Stairs {
    Phases,
    OnePhase,
}

/// Four steps of ten seconds, from 100/s to 400/s.
pub(crate) fn stairs(how: Stairs, until: &str) -> Plan {
    let shape = Shape::Step {
        start: Rate::per_second(100.0).unwrap(),
        step: Rate::per_second(100.0).unwrap(),
        steps: 4,
        hold: Duration::from_secs(10),
        until: vec![Criterion::parse(until).unwrap()],
    };
    match how {
        Stairs::Phases => split(shape, &[]),
        Stairs::OnePhase => load_plan(shape),
    }
}

/// Ten seconds, five of the spike, fifteen.
pub(crate) fn spike() -> Shape {
    let rate = Rate::per_second(100.0).unwrap();
    let [lead, hold, tail] = [10, 5, 15].map(Duration::from_secs);
    Shape::Spike { base: rate, peak: rate, lead, hold, tail }
}

/// A second in which `good` requests took as long as said, and `failed` others did not.
pub(crate) fn frame_at(second: u64, millis: u64, good: usize, failed: u64) -> Frame {
    frame(second, &vec![millis; good], failed)
}

/// Something watched, with limits.
pub(crate) fn watching(name: &str, limits: &[(&str, f64)]) -> Watch {
    Watch {
        name: name.to_owned(),
        source: WatchSource::Process(Finder::Port(80)),
        every: Duration::from_secs(1),
        limits: limits.iter().map(|(name, limit)| ((*name).to_owned(), *limit)).collect(),
    }
}

/// What happens to the load in a second, given which faults act.
pub(crate) type World<'a> = &'a dyn Fn(u64, &[bool]) -> Frame;

/// A service that waits for its neighbours, and answers errors when they are gone.
pub(crate) fn fragile(second: u64, acting: &[bool]) -> Frame {
    match acting {
        [true, _] => frame(second, &[820; 100], 0),
        [_, true] => frame(second, &[12; 60], 40),
        _ => frame(second, &[12; 100], 0),
    }
}

/// The run of a journal.
pub(crate) fn run_of(journal: &[Entry]) -> Run {
    let Event::Started { run, plan } = &journal[0].event else { panic!("no start") };
    let mut run = Run::new(run.clone(), plan.as_ref().clone(), Frames::default());
    journal.iter().for_each(|it| drop(run.on(it)));
    run
}

/// What the judge says of a journal.
pub(crate) fn judged(journal: &[Entry]) -> Outcome {
    judge(&run_of(journal), None).unwrap()
}

/// Plays a plan in a world; `interfere` may slip in an event at each second. Returns the journal.
pub(crate) fn play(
    plan: Plan,
    world: World<'_>,
    interfere: impl Fn(u64) -> Option<Event>,
) -> Vec<Entry> {
    let mut conductor = Conductor::default();
    let mut journal = Vec::new();
    let mut acting = vec![false; plan.faults.len()];
    let length = plan.length().as_secs();
    let run = RunHead {
        id: "checkout-1".into(),
        started: "2026-11-21T14:02:00Z".into(),
        version: "0.1.0".into(),
    };
    let mut due = VecDeque::from([Event::Started { run, plan: Box::new(plan) }]);
    let (mut now, mut end_of_second) = (Moment::START, 1);
    let (mut second, mut loading) = (0, false);
    for _ in 0..10_000 {
        let event = match due.pop_front() {
            Some(event) => event,
            None if conductor.finished().is_some() => break,
            None => {
                // Nothing is under way: the next thing is a wake-up or the end of a second.
                match conductor.next_wake() {
                    Some(wake) if wake < at(end_of_second) => {
                        now = now.max(wake);
                        Event::Tick
                    }
                    _ => {
                        now = at(end_of_second);
                        end_of_second += 1;
                        if loading {
                            let frame = world(second, &acting);
                            second += 1;
                            if second == length {
                                loading = false;
                                due.push_back(Event::LoadEnded { error: None });
                            }
                            due.extend(interfere(second));
                            Event::Second { frame }
                        } else {
                            interfere(u64::MAX).unwrap_or(Event::Tick)
                        }
                    }
                }
            }
        };
        let entry = Entry { at: now, event };
        for command in conductor.on(now, &entry.event) {
            match command {
                Command::Prepare => due.push_back(Event::Ready),
                Command::Ask(probe) => {
                    due.push_back(Event::Probed {
                        probe,
                        held: true,
                        detail: "ok".into(),
                        took_seconds: 0.001,
                    });
                }
                Command::StartLoad => {
                    loading = true;
                    due.push_back(Event::LoadStarted);
                }
                Command::BeginFault(fault) => {
                    acting[fault] = true;
                    let (release, targets) = (Release::Lifetime, vec!["payment".into()]);
                    due.push_back(Event::FaultBegan { fault, release, targets });
                }
                Command::EndFault(fault) => {
                    acting[fault] = false;
                    let evidence =
                        Evidence { acted: true, summary: "seen".into(), ..Evidence::default() };
                    due.push_back(Event::FaultEnded { fault, evidence, error: None });
                }
                Command::StopLoad => {
                    loading = false;
                    due.push_back(Event::LoadEnded { error: None });
                }
                Command::Finish(_) => {}
            }
        }
        journal.push(entry);
    }
    assert!(conductor.finished().is_some(), "the run came to no end");
    assert!(!acting.contains(&true), "a fault was left behind");
    journal
}
