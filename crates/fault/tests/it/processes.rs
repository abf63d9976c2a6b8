//! Processes are stopped, killed and restarted, what became of them is told, and nobody else is touched.

use std::process::Command;

use evenkeel_fault::process::State;
use evenkeel_fault::{Process, find, preview};
use evenkeel_model::document::{
    BlastRadius, Fault, FileName, Finder, Labels, Mode, Parts, Selector,
};
use evenkeel_units::Seed;

use crate::stage::{PAUSE, Victim, on_workers, open, service, signal, state_dir, until};

#[tokio::test]
async fn a_paused_process_goes_on_at_the_end() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    let names = faults.begin(0, &on_workers(PAUSE)).await.unwrap().targets;
    assert_eq!(names, [format!("worker-0 (pid {})", victim.0.id())]);
    assert_eq!(victim.process().state(), State::Stopped);
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert!(
        evidence.acted && evidence.summary.starts_with("1 process stopped for"),
        "{evidence:?}"
    );
    assert_eq!(victim.process().state(), State::Running);
    faults.close().await.unwrap();
    assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0, "the journal is removed");
}

#[tokio::test]
async fn ending_twice_is_harmless_and_a_pause_that_others_ended_is_told() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    faults.begin(0, &on_workers(PAUSE)).await.unwrap();
    signal("CONT", victim.0.id());
    until(|| victim.process().state() == State::Running).await;
    let (evidence, error) = faults.end(0).await;
    assert_eq!((evidence.acted, error), (false, None));
    assert!(evidence.summary.ends_with("not all of them to the end"), "{evidence:?}");
    assert_eq!(faults.end(0).await.1, None);
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_process_that_others_have_stopped_is_not_ours_to_pause() {
    let (victim, state) = (Victim::sleep(), state_dir());
    signal("STOP", victim.0.id());
    until(|| victim.process().state() == State::Stopped).await;
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    let error = faults.begin(0, &on_workers(PAUSE)).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.ends_with("is already stopped, and not by us"), "{cause}");
    faults.close().await.unwrap();
    // Nor may the refusal, the close or the guardian have continued it.
    assert_eq!(victim.process().state(), State::Stopped);
}

#[tokio::test]
async fn a_killed_process_is_gone_and_did_not_come_back() {
    let (mut victim, state) = (Victim::sleep(), state_dir());
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    faults.begin(0, &on_workers(Fault::Kill { every: None })).await.unwrap();
    assert!(!victim.0.wait().unwrap().success());
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert!(evidence.acted, "{evidence:?}");
    assert_eq!(evidence.summary, "1 target killed, none came back");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_process_that_is_restarted_runs_again_with_its_arguments_and_environment() {
    let state = state_dir();
    let mut command = Command::new("sleep");
    let mut victim = Victim::of(command.arg("301").env("SECRET", "of-the-victim"));
    let old = victim.process();
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    faults.begin(0, &on_workers(Fault::Restart { every: None })).await.unwrap();
    for entry in std::fs::read_dir(state.path()).unwrap() {
        let journal = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(journal.contains("start_again") && !journal.contains("of-the-victim"), "{journal}");
    }
    victim.0.wait().unwrap();
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert!(evidence.acted && evidence.counters["targets_started_by_us"] >= 1.0, "{evidence:?}");
    let found = find(&Finder::Executable("sleep".to_owned())).unwrap();
    let arguments = |it: &Process| std::fs::read(format!("/proc/{}/cmdline", it.pid));
    let again = found.iter().find(|it| arguments(it).is_ok_and(|it| it == b"sleep\x00301\x00"));
    let again = again.expect("it runs again");
    assert_ne!((again.pid, again.start_time), (old.pid, old.start_time));
    let environment = std::fs::read(format!("/proc/{}/environ", again.pid)).unwrap();
    assert!(String::from_utf8(environment).unwrap().contains("SECRET=of-the-victim"));
    faults.close().await.unwrap();
    assert!(again.is_alive(), "it was somebody's before us, and stays");
    signal("KILL", again.pid);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let victim = Victim::sleep();
    let pid = victim.0.id();
    let plan = evenkeel_model::Plan {
        service: service(None, &[&victim]),
        faults: vec![on_workers(PAUSE)],
        ..empty_plan()
    };
    let text = preview(&plan).unwrap()[0].to_string();
    assert_eq!(
        text,
        format!(
            "pause: worker-0 (1 of 1)\n\
             release C (undone by the guardian)\n\
             apply   stop sleep (pid {pid})\n\
             undo    continue sleep (pid {pid})\n"
        )
    );
    assert_eq!(victim.process().state(), State::Running);
}

#[tokio::test]
async fn a_dry_run_of_a_service_that_the_drill_starts_names_who_will_be_hit() {
    let mut service = service(None, &[]);
    service.instances = vec![evenkeel_model::document::Instance {
        name: "gateway-1".to_owned(),
        find: Finder::Executable("no-such-program".to_owned()),
        labels: Labels::new(),
    }];
    let select = Selector::Instances(Parts::named("gateway-*"));
    let faults = vec![crate::stage::fault(Fault::Kill { every: None }, Some(select))];
    let mut plan = evenkeel_model::Plan { service, faults, ..empty_plan() };
    let error = preview(&plan).unwrap_err().to_string();
    assert_eq!(error, "`kill`: gateway-1 is not running");
    plan.service.start = Some(evenkeel_model::document::Start {
        command: vec!["no-such-program".to_owned()],
        folder: FileName::new("."),
        ready: "http://127.0.0.1:1/".to_owned(),
        timeout: std::time::Duration::from_secs(1),
    });
    let previews = preview(&plan).unwrap();
    assert_eq!(previews[0].pending, ["gateway-1"]);
    assert_eq!(previews[0].resolved.hits, [0]);
}

#[tokio::test]
async fn who_ended_since_the_plan_was_permitted_is_not_counted_as_healthy() {
    let (victims, state) = ([Victim::sleep(), Victim::sleep()], state_dir());
    let radius = BlastRadius { min_healthy: Some(1), ..BlastRadius::default() };
    let service = service(None, &[&victims[0], &victims[1]]);
    let mut faults = open(&service, state.path()).await.within(radius);
    let mut one = on_workers(PAUSE);
    one.target.as_mut().unwrap().mode = Mode::One;
    let names = faults.begin(0, &one).await.unwrap().targets;
    faults.end(0).await;
    let spared = &victims[usize::from(names[0].starts_with("worker-0"))];
    signal("STOP", spared.0.id());
    until(|| spared.process().state() == State::Stopped).await;
    let error = faults.begin(1, &one).await.unwrap_err().to_string();
    assert_eq!(error, "`pause` would leave 0 of 2 well, and minHealthy is 1");
    signal("CONT", spared.0.id());
    until(|| spared.process().state() == State::Running).await;
    faults.begin(2, &one).await.unwrap();
    faults.close().await.unwrap();
}

/// A process that holds a socket which listens on this port.
fn listener_on(port: u16) -> Victim {
    let socket = std::net::TcpListener::bind(("0.0.0.0", port)).unwrap();
    // The victim inherits it; ours closes.
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).unwrap();
    Victim::sleep()
}

#[test]
fn whoever_lets_people_in_is_never_found() {
    if std::env::var_os("INSIDE").is_none() {
        // Port 22 of this host may be taken, and is not ours to take.
        let inside = Command::new("unshare")
            .args(["--net", "--map-root-user"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "processes::whoever_lets_people_in_is_never_found"])
            .env("INSIDE", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&inside.stdout).into_owned();
        assert!(inside.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let (way_in, other) = (listener_on(22), listener_on(2222));
    let by_port = |port| find(&Finder::Port(port)).unwrap();
    assert_eq!((by_port(22), by_port(2222)), (vec![], vec![other.process()]));
    let by_pid = |it: &Victim| find(&Finder::Pid(it.0.id())).unwrap();
    assert_eq!((by_pid(&way_in), by_pid(&other)), (vec![], vec![other.process()]));
}

pub(crate) fn empty_plan() -> evenkeel_model::Plan {
    evenkeel_model::Plan {
        drill: String::new(),
        description: None,
        hypothesis: None,
        service: service(None, &[]),
        objectives: Vec::new(),
        load: Some(evenkeel_model::document::LoadTest::new("")),
        phases: Vec::new(),
        faults: Vec::new(),
        steady_state: Vec::new(),
        safety: evenkeel_model::document::Safety::default(),
        success: Vec::new(),
        regression: evenkeel_model::document::RegressionLimits::default(),
        seed: Seed(1),
        schedule: None,
        monkey: None,
    }
}

#[tokio::test]
async fn a_process_may_open_no_more_files_than_its_limit() {
    let victim =
        Victim::of(Command::new("sh").args(["-c", "while :; do sleep 0.01; ulimit -n; done"]));
    let limit = || {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", victim.0.id())).unwrap();
        let line = limits.lines().find(|it| it.starts_with("Max open files")).unwrap().to_owned();
        line.split_ascii_whitespace().nth(3).unwrap().to_owned()
    };
    let before = limit();
    let state = state_dir();
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    faults.begin(0, &on_workers(Fault::FileDescriptors { limit: 7 })).await.unwrap();
    assert_eq!(limit(), "7");
    let (evidence, error) = faults.end(0).await;
    assert_eq!((evidence.acted, error), (true, None), "{evidence:?}");
    assert_eq!(limit(), before);
    // Of two at once, the one that ends last would put back what the other had set.
    faults.begin(0, &on_workers(Fault::FileDescriptors { limit: 70 })).await.unwrap();
    let twice = faults.begin(1, &on_workers(Fault::FileDescriptors { limit: 7 })).await;
    assert!(twice.unwrap_err().to_string().contains("has changed and is to put back"));
    assert_eq!(limit(), "70");
    faults.end(0).await;
    assert_eq!(limit(), before);
    // Whoever is given another limit meanwhile keeps it.
    faults.begin(1, &on_workers(Fault::FileDescriptors { limit: 7 })).await.unwrap();
    let pid = victim.0.id().to_string();
    assert!(
        Command::new("prlimit").args(["--pid", &pid, "--nofile=9:"]).status().unwrap().success()
    );
    let (evidence, _) = faults.end(1).await;
    assert_eq!((evidence.acted, limit().as_str()), (false, "9"), "{evidence:?}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_process_is_found_by_its_command_line_its_cgroup_and_its_unit() {
    let by_line = |it: &str| find(&Finder::CommandLine(it.to_owned())).unwrap();
    let victim = Victim::of(Command::new("sleep").args(["307", "0.1234567"]));
    until(|| by_line("sleep 307 0.1234567").len() == 1).await;
    let found = vec![victim.process()];
    assert_eq!((by_line("*307*12345*"), by_line("sleep 307")), (found.clone(), vec![]));
    // A group of ours below that in which the tests run.
    let group = group("evenkeel-test.service").expect("control groups that can be written");
    let (group, path) = group;
    assert!(find(&Finder::Unit("evenkeel-test.service".to_owned())).unwrap().is_empty());
    std::fs::write(group.join("cgroup.procs"), victim.0.id().to_string()).unwrap();
    let by = [Finder::Unit("evenkeel-test.service".to_owned()), Finder::Cgroup(path)];
    for finder in by {
        assert_eq!(find(&finder).unwrap(), found, "{finder}");
    }
    drop(victim);
    until(|| std::fs::remove_dir(&group).is_ok()).await;
}

/// Makes a control group in a hierarchy that can be written: its folder, and its path there.
fn group(name: &str) -> Option<(std::path::PathBuf, String)> {
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    for (mount, prefix) in [("pids", ":pids:"), ("unified", "0::"), ("", "0::")] {
        let Some(own) = text.lines().find_map(|it| it.split_once(prefix)) else { continue };
        let path = format!("{}/{name}", own.1.trim_end_matches('/'));
        let folder =
            std::path::Path::new("/sys/fs/cgroup").join(mount).join(path.trim_start_matches('/'));
        if std::fs::create_dir(&folder).is_ok() && folder.join("cgroup.procs").is_file() {
            return Some((folder, path));
        }
    }
    None
}
