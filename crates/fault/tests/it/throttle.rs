//! Processes of a control group read and write as slowly as they are told, and as fast as before afterwards.

use std::fs::write;
use std::process::Command;
use std::time::Duration;

use evenkeel_model::document::{Fault, Finder, IoLimits, Selector};
use evenkeel_units::{Bytes, Clock, SystemClock};

use crate::aftermath::{Tool, left_by};
use crate::group::Group;
use crate::stage::{Victim, fault, on_workers, open, service, state_dir, told, until};

pub(crate) const SLOW: Fault = Fault::IoThrottle(IoLimits {
    read_rate: None,
    write_rate: Some(Bytes(2 << 20)),
    read_operations: None,
    write_operations: None,
});

/// Writes 2 MiB past the cache as soon as it may, and says when it is done.
const WRITES: &str = "until [ -e $1/go ]; do sleep 0.01; done; \
    dd if=/dev/zero of=$1/file bs=64k count=32 oflag=direct 2> /dev/null && touch $1/done; exec sleep 300";

#[tokio::test]
async fn processes_of_a_group_write_no_faster_than_they_may() {
    let group = Group::new("writes");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let victim = Victim::of(Command::new("sh").args(["-c", WRITES, "sh"]).arg(folder.path()));
    group.add(victim.0.id());
    let (before, state) = (group.limits(), state_dir());
    let mut faults = open(&service(None, &[]), state.path()).await;
    let slow = fault(SLOW, Some(Selector::Process(Finder::Cgroup(group.path.clone()))));
    faults.begin(0, &slow).await.unwrap();
    assert!(group.limits().contains("2097152"), "{}", group.limits());
    let clock = SystemClock::start();
    write(folder.path().join("go"), "").unwrap();
    until(|| folder.path().join("done").exists()).await;
    // A second at 2 MiB/s; what fits into its first tenth may be had at once.
    let took = clock.now();
    assert!(took.elapsed() > Duration::from_millis(600), "{took:?}");
    let (evidence, error) = faults.end(0).await;
    assert_eq!((evidence.acted, error), (true, None), "{evidence:?}");
    assert!(evidence.counters["bytes_through"] >= f64::from(2 << 20), "{evidence:?}");
    assert_eq!(group.limits(), before);
    // Nobody writes: it acted on nobody.
    faults.begin(1, &slow).await.unwrap();
    let (evidence, error) = faults.end(1).await;
    assert_eq!((evidence.acted, error), (false, None), "{evidence:?}");
    faults.close().await.unwrap();
    assert_eq!(group.limits(), before);
}

#[tokio::test]
async fn nobody_is_slowed_down_who_was_not_named_and_nobody_twice() {
    let (group, state) = (Group::new("others"), state_dir());
    let (victim, other) = (Victim::sleep(), Victim::sleep());
    group.add(victim.0.id());
    let before = group.limits();
    let mut faults = open(&service(None, &[&victim]), state.path()).await;
    group.add(other.0.id());
    let said = told(&faults.begin(0, &on_workers(SLOW)).await.unwrap_err());
    assert!(said.contains("is in the control group") && said.contains("`mode: all`"), "{said}");
    drop(other);
    faults.begin(1, &on_workers(SLOW)).await.unwrap();
    let slower = IoLimits { write_rate: Some(Bytes(1 << 20)), ..IoLimits::default() };
    let said = told(&faults.begin(2, &on_workers(Fault::IoThrottle(slower))).await.unwrap_err());
    assert!(said.contains("has changed and is to put back"), "{said}");
    assert!(group.limits().contains("2097152"), "{}", group.limits());
    // Whoever sets another limit meanwhile keeps it.
    let line = group.limits().replace("2097152", "3145728");
    let file = ["blkio.throttle.write_bps_device", "io.max"].map(|it| group.folder.join(it));
    write(file.iter().find(|it| it.exists()).unwrap(), line.lines().next().unwrap()).unwrap();
    let (evidence, _) = faults.end(1).await;
    assert!(!evidence.acted && group.limits().contains("3145728"), "{evidence:?}");
    assert_ne!(group.limits(), before);
    faults.close().await.unwrap();
}

#[tokio::test]
async fn when_the_tool_is_killed_the_guardian_writes_the_limits_back() {
    let (group, state, victim) = (Group::new("killed"), state_dir(), Victim::sleep());
    group.add(victim.0.id());
    let before = group.limits();
    let mut tool = Tool::with("throttle", &victim, state.path());
    tool.until_broken();
    assert!(group.limits().contains("2097152"), "{}", group.limits());
    tool.kill();
    until(|| group.limits() == before && left_by(state.path()).is_empty()).await;
}
