//! Nothing stays broken: not when the tool is killed, not when its guardian is, too.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evenkeel_fault::halt::{Halt, halt, lift};
use evenkeel_fault::process::State;
use evenkeel_fault::{MARK, Process, find, recover, status};
use evenkeel_model::document::{Fault, Finder, Labels, PauseBy};
use evenkeel_units::{Clock, Ratio, SystemClock};

use crate::stage::{
    PAUSE, Victim, connect, echo, fault, on_workers, open, service, signal, state_dir, until,
};

/// Kills in one test; a long run of it is for the slow suite.
const ROUNDS: u64 = 16;

/// A tool in a process of its own: this very test binary, running only [`the_tool_of_another_test`].
pub(crate) struct Tool {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Tool {
    fn breaks(victim: &Victim, state: &Path) -> Self {
        Self::with_link(victim, state).0
    }

    /// One that has broken everything, and where its link listens.
    fn with_link(victim: &Victim, state: &Path) -> (Self, SocketAddr) {
        let mut tool = Self::start(victim, state);
        let address = tool.until_broken();
        (tool, address)
    }

    /// Waits until it has broken everything. Returns where its link listens.
    pub(crate) fn until_broken(&mut self) -> SocketAddr {
        let mut line = String::new();
        while !line.contains("broken") {
            line.clear();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "the tool ended early");
        }
        line.trim().rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    fn start(victim: &Victim, state: &Path) -> Self {
        Self::with("pause", victim, state)
    }

    pub(crate) fn with(deed: &str, victim: &Victim, state: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "aftermath::the_tool_of_another_test", "--nocapture"])
            .env("VICTIM", victim.0.id().to_string())
            .env("DEED", deed)
            .env("EVENKEEL_STATE_DIR", state)
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "how it tells the other test that it is done")]
async fn the_tool_of_another_test() {
    // Among the other tests it has nothing to do; they run it in a process that they kill.
    let Ok(victim) = std::env::var("VICTIM") else { return };
    let mut service = service(Some(echo()), &[]);
    service.instances.push(evenkeel_model::document::Instance {
        name: "worker-0".to_owned(),
        find: Finder::Pid(victim.parse().unwrap()),
        labels: Labels::new(),
    });
    let mut faults = open(&service, &evenkeel_fault::state_dir()).await;
    let (mark, run) = faults.mark();
    let mut stray = Command::new("setsid");
    let mut stray =
        stray.args(["sleep", "302"]).env(mark, run).stdout(Stdio::null()).spawn().unwrap();
    // It runs until it is killed, as does this test.
    std::thread::spawn(move || stray.wait());
    let deed = match std::env::var("DEED").as_deref() {
        Ok("restart") => Fault::Restart { every: None },
        Ok("trace") => Fault::Pause { by: PauseBy::Trace },
        Ok("throttle") => crate::throttle::SLOW,
        Ok("clock") => crate::clocks::late(),
        _ => PAUSE,
    };
    faults.begin(0, &on_workers(deed)).await.unwrap();
    let burn = Fault::Cpu { load: Ratio::percent(5), cores: 1 };
    faults.begin(1, &fault(burn, None)).await.unwrap();
    println!("broken {}", faults.address("payment").unwrap());
    std::future::pending::<()>().await;
}

/// Living processes that were started under the mark of the run in this directory, and its guardian.
pub(crate) fn left_by(state: &Path) -> Vec<u32> {
    let run = state.file_name().unwrap().to_str().unwrap().trim_start_matches('.');
    let mark = format!("{MARK}={run}");
    let carries = |pid: &u32| {
        let of = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let text = String::from_utf8_lossy(&of("environ")).into_owned();
        let called = String::from_utf8_lossy(&of("cmdline")).into_owned();
        text.contains(&mark) || called.contains(state.to_str().unwrap())
    };
    let all = std::fs::read_dir("/proc").unwrap();
    let pids = all.filter_map(|it| it.unwrap().file_name().to_str()?.parse().ok());
    let found: Vec<u32> = pids.filter(carries).collect();
    found.into_iter().filter(|it| Process::of(*it).is_some_and(|it| it.is_alive())).collect()
}

pub(crate) fn guardian_in(state: &Path) -> Process {
    let called = |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let all = std::fs::read_dir("/proc").unwrap();
    let mut pids = all.filter_map(|it| it.unwrap().file_name().to_str()?.parse().ok());
    let is = |it: &u32| {
        let text = String::from_utf8_lossy(&called(it)).into_owned();
        text.contains("\0guardian\0") && text.contains(state.to_str().unwrap())
    };
    Process::of(pids.find(is).expect("a guardian")).unwrap()
}

pub(crate) fn journals(state: &Path) -> usize {
    std::fs::read_dir(state).unwrap().count()
}

fn kill(pid: u32) {
    signal("KILL", pid);
}

fn stop(pid: u32) {
    signal("STOP", pid);
}

#[tokio::test]
async fn when_the_tool_is_killed_the_guardian_mends_everything_and_leaves() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let mut tool = Tool::breaks(&victim, state.path());
    assert_eq!(victim.process().state(), State::Stopped);
    assert!(left_by(state.path()).len() >= 3, "guardian, holder and stray");
    tool.kill();
    until(|| victim.process().state() == State::Running).await;
    until(|| left_by(state.path()).is_empty() && journals(state.path()) == 0).await;
}

#[tokio::test]
async fn killed_at_any_moment_it_leaves_nothing_behind() {
    let victim = Victim::sleep();
    let mut slowest = Duration::ZERO;
    for round in 0..ROUNDS {
        let state = state_dir();
        let mut tool = Tool::start(&victim, state.path());
        // From before there is a guardian until long after everything is broken.
        tokio::time::sleep(Duration::from_millis(round * 160 / ROUNDS)).await;
        tool.kill();
        let clock = SystemClock::start();
        until(|| left_by(state.path()).is_empty()).await;
        slowest = slowest.max(clock.now().elapsed());
        assert_eq!(victim.process().state(), State::Running, "round {round}");
        // A guardian that was just being started still has to find out that it is alone.
        while journals(state.path()) > 0 {
            for it in recover(state.path()).await.unwrap() {
                assert!(it.undone.is_empty() && it.failed.is_empty(), "{it:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    // Promised is a second; the rest is for hosts whose every core is busy.
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
}

#[tokio::test]
async fn when_the_tool_is_killed_amid_a_restart_the_guardian_starts_the_process_again() {
    let state = state_dir();
    let mut command = Command::new("sleep");
    let mut victim = Victim::of(command.arg("304").env("SECRET", "of-the-victim"));
    let mut tool = Tool::with("restart", &victim, state.path());
    // Told to end; the tool now waits whether others start it again.
    victim.0.wait().unwrap();
    tool.kill();
    let again = || {
        let found = find(&Finder::Executable("sleep".to_owned())).unwrap();
        let is = |it: &Process| {
            let read = |file| std::fs::read(format!("/proc/{}/{file}", it.pid)).unwrap_or_default();
            let secret = b"SECRET=of-the-victim";
            read("cmdline") == b"sleep\x00304\x00"
                && read("environ").windows(secret.len()).any(|it| it == secret)
        };
        found.into_iter().find(is)
    };
    until(|| again().is_some()).await;
    until(|| left_by(state.path()).is_empty() && journals(state.path()) == 0).await;
    kill(again().unwrap().pid);
}

#[tokio::test]
async fn a_traced_process_goes_on_when_tool_and_guardian_are_both_killed() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let mut tool = Tool::with("trace", &victim, state.path());
    tool.until_broken();
    assert_eq!(victim.process().state(), State::Stopped);
    let guardian = guardian_in(state.path());
    kill(guardian.pid);
    tool.kill();
    until(|| victim.process().state() == State::Running).await;
    recover(state.path()).await.unwrap();
}

#[tokio::test]
async fn a_traced_process_goes_on_when_the_tool_hangs() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let mut tool = Tool::with("trace", &victim, state.path());
    tool.until_broken();
    stop(tool.child.id());
    until(|| victim.process().state() == State::Running).await;
}

#[tokio::test]
async fn when_the_tool_hangs_the_guardian_mends() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let tool = Tool::breaks(&victim, state.path());
    stop(tool.child.id());
    until(|| victim.process().state() == State::Running).await;
}

#[tokio::test]
async fn nothing_hangs_on_the_links_of_a_tool_that_was_stopped() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let (tool, link) = Tool::with_link(&victim, state.path());
    let mut stream = connect(link);
    stop(tool.child.id());
    let tool = Process::of(tool.child.id()).unwrap();
    // It ends instead, and the connection with it.
    let read = tokio::task::spawn_blocking(move || stream.read(&mut [0])).await.unwrap();
    assert!(!read.is_err_and(|it| it.kind() == ErrorKind::WouldBlock));
    until(|| !tool.is_alive()).await;
    until(|| left_by(state.path()).is_empty() && journals(state.path()) == 0).await;
    assert_eq!(victim.process().state(), State::Running);
}

#[tokio::test]
async fn when_both_are_killed_recover_mends_and_a_second_time_finds_nothing() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let mut tool = Tool::breaks(&victim, state.path());
    let alive = recover(state.path()).await.unwrap();
    assert!(alive.len() == 1 && alive[0].is_alive, "{alive:?}");
    assert_eq!(victim.process().state(), State::Stopped, "a live run is left alone");
    let guardian = guardian_in(state.path());
    // The guardian first: it would mend in the moment between.
    kill(guardian.pid);
    tool.kill();
    until(|| !guardian.is_alive()).await;
    assert_eq!(victim.process().state(), State::Stopped);
    let recovered = recover(state.path()).await.unwrap();
    assert_eq!(recovered.len(), 1);
    assert!(recovered[0].failed.is_empty() && !recovered[0].is_alive, "{recovered:?}");
    let went_on = format!("continue {}", victim.process());
    assert!(recovered[0].undone.contains(&went_on), "{recovered:?}");
    assert_eq!(victim.process().state(), State::Running);
    until(|| left_by(state.path()).is_empty()).await;
    assert_eq!(recover(state.path()).await.unwrap(), []);
}

#[tokio::test]
async fn a_torn_journal_is_mended_as_far_as_it_was_written() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let process = victim.process();
    stop(process.pid);
    until(|| process.state() == State::Stopped).await;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let undo = format!(
        r#"{{"head":{{"run":"torn","boot":"{}","tool":null}}}}
{{"undo":{{"id":0,"fault":"pause","undo":{{"continue":{{"process":{{"pid":{},"start_time":{},"name":"sleep"}}}}}}}}}}
{{"undo":{{"id":1,"fault":"pause","undo":{{"contin"#,
        boot.trim(),
        process.pid,
        process.start_time
    );
    std::fs::write(state.path().join("torn.undo.jsonl"), undo).unwrap();
    let recovered = recover(state.path()).await.unwrap();
    assert_eq!(recovered[0].undone, [format!("continue {process}")]);
    assert_eq!((process.state(), journals(state.path())), (State::Running, 0));
}

#[tokio::test]
async fn a_tool_that_loses_its_guardian_is_told_and_breaks_nothing_more() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    faults.begin(0, &on_workers(PAUSE)).await.unwrap();
    let lost = faults.guardian_lost();
    kill(guardian_in(state.path()).pid);
    tokio::time::timeout(crate::stage::PATIENCE, lost).await.expect("it is told");
    let error = faults.begin(1, &on_workers(Fault::Kill { every: None })).await.unwrap_err();
    assert!(error.to_string().contains("the guardian is gone"), "{error}");
    assert_eq!(faults.end_all().await.len(), 1);
    assert_eq!(victim.process().state(), State::Running);
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_service_that_the_run_started_ends_with_it() {
    let state = state_dir();
    let mut faults = open(&service(None, &[]), state.path()).await;
    let (mark, run) = faults.mark();
    let mut service =
        Command::new("sleep").arg("303").env(mark, run).process_group(0).spawn().unwrap();
    faults.adopt(service.id()).unwrap();
    assert!(faults.adopt(std::process::id()).is_err(), "our own group is not to be killed");
    faults.close().await.unwrap();
    assert!(!service.wait().unwrap().success());
}

#[tokio::test]
async fn a_journal_that_is_not_understood_is_mended_as_far_as_it_is_and_stays() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let process = victim.process();
    stop(process.pid);
    until(|| process.state() == State::Stopped).await;
    let known = serde_json::json!({"continue": {"process": &process}});
    let later = serde_json::json!({"of_a_later_version": {}});
    let undos = [known, later].into_iter().enumerate();
    let lines = undos
        .map(|(id, undo)| serde_json::json!({"undo": {"id": id, "fault": "x", "undo": undo}}))
        .map(|it| it.to_string());
    let journal = state.path().join("later.undo.jsonl");
    std::fs::write(&journal, lines.collect::<Vec<_>>().join("\n")).unwrap();
    for undone in [1, 0] {
        let recovered = recover(state.path()).await.unwrap();
        assert_eq!((recovered[0].undone.len(), recovered[0].failed.len()), (undone, 1));
        let what = format!("line 2 of {}", journal.display());
        assert_eq!(recovered[0].failed[0].what, what);
        assert_eq!((process.state(), journals(state.path())), (State::Running, 1));
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_keeps_nobody_from_the_next() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let process = victim.process();
    stop(process.pid);
    until(|| process.state() == State::Stopped).await;
    std::fs::create_dir(state.path().join("first.undo.jsonl")).unwrap();
    let undo = serde_json::json!({"continue": {"process": &process}});
    let line = serde_json::json!({"undo": {"id": 0, "fault": "x", "undo": undo}});
    std::fs::write(state.path().join("second.undo.jsonl"), line.to_string()).unwrap();
    let recovered = recover(state.path()).await.unwrap();
    let [first, second] = &recovered[..] else { panic!("{recovered:?}") };
    assert!(first.failed[0].error.contains("directory"), "{first:?}");
    assert_eq!(second.undone, [format!("continue {process}")]);
    assert_eq!(process.state(), State::Running);
}

#[tokio::test]
async fn what_was_done_in_other_namespaces_is_left_and_said() {
    let state = state_dir();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let own = std::fs::read_link("/proc/self/ns/mnt").unwrap();
    let undo = serde_json::json!({"unmount": {"path": state.path(), "source": "evenkeel-nowhere"}});
    let undo = serde_json::json!({"undo": {"id": 0, "fault": "x", "undo": undo}});
    for (mount, is_here) in [("mnt:[1]", false), (own.to_str().unwrap(), true)] {
        let place = serde_json::json!({"mount": mount, "network": "net:[1]"});
        let head =
            serde_json::json!({"run": "far", "boot": boot.trim(), "tool": null, "place": place});
        let head = serde_json::json!({"head": head});
        std::fs::write(state.path().join("far.undo.jsonl"), format!("{head}\n{undo}\n")).unwrap();
        let recovered = recover(state.path()).await.unwrap();
        let [it] = &recovered[..] else { panic!("{recovered:?}") };
        let expected = if is_here { (1, 0) } else { (0, 1) };
        assert_eq!((it.was_fine.len(), it.failed.len()), expected, "{it:?}");
        assert_eq!(journals(state.path()), usize::from(!is_here));
        assert!(is_here || it.failed[0].error.contains("other namespaces"), "{it:?}");
    }
}

#[tokio::test]
async fn a_guardian_that_was_stopped_is_roused_once_its_tool_is_gone() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let mut tool = Tool::breaks(&victim, state.path());
    let guardian = guardian_in(state.path());
    stop(guardian.pid);
    until(|| guardian.state() == State::Stopped).await;
    tool.kill();
    assert_eq!(victim.process().state(), State::Stopped, "nobody mends");
    let recovered = recover(state.path()).await.unwrap();
    assert!(recovered[0].undone.contains(&format!("continue {}", victim.process())));
    assert_eq!((victim.process().state(), journals(state.path())), (State::Running, 0));
    until(|| left_by(state.path()).is_empty()).await;
}

#[tokio::test]
async fn a_tool_whose_guardian_was_stopped_is_told_and_mends() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    faults.begin(0, &on_workers(PAUSE)).await.unwrap();
    let guardian = guardian_in(state.path());
    stop(guardian.pid);
    until(|| guardian.state() == State::Stopped).await;
    let told = tokio::time::timeout(crate::stage::PATIENCE, faults.guardian_lost()).await;
    told.expect("it is told");
    faults.close().await.unwrap();
    assert_eq!((victim.process().state(), journals(state.path())), (State::Running, 0));
    until(|| left_by(state.path()).is_empty()).await;
}

#[tokio::test]
async fn a_halt_ends_every_run_and_nothing_begins_until_it_is_lifted() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let _tool = Tool::breaks(&victim, state.path());
    let before = status(state.path()).unwrap();
    assert!(
        before[0].is_alive() && before[0].open.contains(&format!("continue {}", victim.process()))
    );
    let acts: Vec<_> = before[0].leases.iter().map(|it| it.fault.as_str()).collect();
    assert_eq!(acts, ["pause", "CPU 5% of 1 cores"]);
    assert!(before[0].leases.iter().all(|it| it.left() > Duration::from_secs(30)));
    let why = Halt { why: "an incident".to_owned(), since: jiff::Timestamp::UNIX_EPOCH };
    let ended = halt(state.path(), &why).await.unwrap();
    assert_eq!((ended.len(), ended[0].failed.len()), (1, 0));
    assert_eq!(victim.process().state(), State::Running);
    until(|| left_by(state.path()).is_empty()).await;
    assert_eq!(status(state.path()).unwrap(), []);
    let faults = open(&service(None, &[]), state.path()).await;
    let refused = faults.may_act().unwrap_err().to_string();
    assert!(refused.contains("halted at 1970-01-01T00:00:00Z (an incident)"), "{refused}");
    assert!(lift(state.path()).unwrap() && !lift(state.path()).unwrap());
    faults.may_act().unwrap();
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_fault_that_was_planned_before_a_halt_does_not_begin_after_it() {
    let (victim, state) = (Victim::sleep(), state_dir());
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    let halt = Halt { why: "an incident".to_owned(), since: jiff::Timestamp::UNIX_EPOCH };
    std::fs::write(state.path().join("halt.json"), serde_json::to_vec(&halt).unwrap()).unwrap();
    let error = faults.begin(0, &on_workers(PAUSE)).await.unwrap_err().to_string();
    assert!(error.contains("an incident"), "{error}");
    std::fs::write(state.path().join("halt.json"), "half of i").unwrap();
    let error = faults.begin(0, &on_workers(PAUSE)).await.unwrap_err().to_string();
    assert!(error.contains("halted"), "what cannot be read forbids: {error}");
    faults.close().await.unwrap();
}
