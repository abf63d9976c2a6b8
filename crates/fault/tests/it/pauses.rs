//! Processes that are stopped by tracing: every thread of them, and only as long as a child of ours traces them.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use evenkeel_fault::process::State;
use evenkeel_fault::{MARK, Process, preview};
use evenkeel_model::document::{Fault, PauseBy};

use crate::stage::{Victim, on_workers, open, service, signal, state_dir, until};

const TRACE: Fault = Fault::Pause { by: PauseBy::Trace };

/// How each thread of a process is.
fn threads(process: &Process) -> Vec<char> {
    let all = std::fs::read_dir(format!("/proc/{}/task", process.pid)).unwrap();
    let state = |it: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(it.unwrap().path().join("stat")).unwrap();
        text.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    };
    all.map(state).collect()
}

/// A victim with threads that count in a file: this very test binary.
fn with_threads(file: &Path) -> Victim {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "pauses::the_victim_of_another_test"]).env("COUNT_IN", file);
    Victim::of(&mut command)
}

#[test]
fn the_victim_of_another_test() {
    let Some(file) = std::env::var_os("COUNT_IN") else { return };
    let count = |thread: usize| {
        let file = std::fs::File::create(format!("{}.{thread}", file.display())).unwrap();
        for number in 0_u64.. {
            // In place: a file that is emptied first is empty for most of the time.
            file.write_all_at(format!("{number:020}").as_bytes(), 0).unwrap();
        }
    };
    std::thread::scope(|it| {
        for thread in 0..4 {
            it.spawn(move || count(thread));
        }
    });
}

#[tokio::test]
async fn every_thread_of_a_traced_process_stands_still_and_goes_on_at_the_end() {
    let (state, files) = (state_dir(), tempfile::tempdir().unwrap());
    let file = files.path().join("count");
    let victim = with_threads(&file);
    let number = |thread: usize| {
        let text = std::fs::read_to_string(format!("{}.{thread}", file.display())).ok()?;
        text.parse::<u64>().ok()
    };
    until(|| (0..4).all(|it| number(it) > Some(0))).await;
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    faults.begin(0, &on_workers(TRACE)).await.unwrap();
    let states = threads(&victim.process());
    assert!(states.len() > 4 && states.iter().all(|it| *it == 't'), "{states:?}");
    // Whoever tries to let it go on has no effect.
    signal("CONT", victim.0.id());
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    let stopped =
        ["threads_stopped", "threads_stopped_to_the_end"].map(|it| evidence.counters[it] as usize);
    assert_eq!(stopped, [states.len(); 2], "{evidence:?}");
    assert!(evidence.acted && evidence.summary.contains("stopped by tracing for"), "{evidence:?}");
    let before = [0, 1, 2, 3].map(number);
    until(|| (0..4).all(|it| number(it) > before[it])).await;
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_traced_process_goes_on_when_its_tracer_is_killed_and_nobody_mends() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    faults.begin(0, &on_workers(TRACE)).await.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", victim.0.id())).unwrap();
    let tracer = status.lines().find_map(|it| it.strip_prefix("TracerPid:")).unwrap().trim();
    let tracer = Process::of(tracer.parse().unwrap()).unwrap();
    let environment = std::fs::read(format!("/proc/{}/environ", tracer.pid)).unwrap();
    assert!(String::from_utf8_lossy(&environment).contains(MARK), "it carries our mark");
    signal("KILL", tracer.pid);
    until(|| victim.process().state() == State::Running).await;
    let (evidence, _) = faults.end(0).await;
    assert!(!evidence.acted, "{evidence:?}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn the_parent_of_a_traced_process_that_is_killed_hears_of_it_at_once() {
    let (mut victim, state) = (Victim::sleep(), state_dir());
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    faults.begin(0, &on_workers(TRACE)).await.unwrap();
    signal("KILL", victim.0.id());
    until(|| victim.0.try_wait().unwrap().is_some()).await;
    let (evidence, error) = faults.end(0).await;
    assert_eq!((evidence.acted, error), (false, None));
    assert!(evidence.summary.ends_with("not all of them to the end"), "{evidence:?}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn the_dry_run_says_that_the_kernel_ends_it() {
    let victim = Victim::sleep();
    let plan = evenkeel_model::Plan {
        service: service(None, &[&victim]),
        faults: vec![on_workers(TRACE)],
        ..crate::processes::empty_plan()
    };
    let text = preview(&plan).unwrap()[0].to_string();
    let pid = victim.0.id();
    assert!(text.contains("release A (ends with this process)"), "{text}");
    assert!(
        text.contains(&format!("apply   stop sleep (pid {pid}) by tracing, at most")),
        "{text}"
    );
    assert_eq!(victim.process().state(), State::Running);
}
