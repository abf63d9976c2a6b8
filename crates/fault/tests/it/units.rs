//! A unit is stopped and started again, unless somebody else has done so.

use std::path::Path;
use std::process::Command;

use evenkeel_fault::recover;
use evenkeel_model::document::Fault;

use crate::stage::{fault, open, service, state_dir};
use crate::systemd::{ASKED, LINK, play, runs};

/// On a host where systemd seems to run, with a unit of nginx.
fn with_systemd(test: &str, body: impl AsyncFnOnce()) {
    const INSIDE: &str = "EVENKEEL_TEST_SYSTEMD";
    if std::env::var_os(INSIDE).is_some() {
        play();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap().block_on(body());
    }
    let output = Command::new("unshare")
        .arg("--mount")
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn nginx() -> Fault {
    Fault::StopUnit { unit: "nginx.service".to_owned() }
}

fn asked() -> String {
    std::fs::read_to_string(ASKED).unwrap()
}

#[test]
fn a_unit_is_stopped_and_started_again() {
    with_systemd("units::a_unit_is_stopped_and_started_again", async || {
        let state = state_dir();
        let mut faults = open(&service(None, &[]), state.path()).await;
        faults.begin(0, &fault(nginx(), None)).await.unwrap();
        assert!(!runs());
        let (evidence, error) = faults.end(0).await;
        assert_eq!((evidence.acted, error), (true, None), "{evidence:?}");
        assert!(runs());
        let stop = "/usr/local/sbin/systemctl stop -- nginx.service\n";
        assert_eq!(asked(), format!("{stop}{}", stop.replace("stop", "start")));
        faults.close().await.unwrap();
        assert_eq!(asked().lines().count(), 2, "nothing is left to be undone");
    });
}

#[test]
fn a_unit_that_others_have_started_is_left_alone() {
    with_systemd("units::a_unit_that_others_have_started_is_left_alone", async || {
        let state = state_dir();
        let mut faults = open(&service(None, &[]), state.path()).await;
        faults.begin(0, &fault(nginx(), None)).await.unwrap();
        std::os::unix::fs::symlink("somebody-else's", LINK).unwrap();
        let (evidence, error) = faults.end(0).await;
        assert_eq!((evidence.acted, error), (false, None), "{evidence:?}");
        assert_eq!(asked().lines().count(), 1, "{}", asked());
        faults.close().await.unwrap();
    });
}

#[test]
fn a_unit_that_was_left_stopped_is_started_by_recover() {
    with_systemd("units::a_unit_that_was_left_stopped_is_started_by_recover", async || {
        let state = state_dir();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let head = serde_json::json!({"head": {"run": "left", "boot": boot.trim(), "tool": null}});
        let systemctl = "/usr/local/sbin/systemctl";
        let unit = serde_json::json!({"systemctl": systemctl, "name": "nginx.service", "invocation": "first"});
        let undo =
            serde_json::json!({"undo": {"id": 0, "fault": "x", "undo": {"start_unit": unit}}});
        std::fs::write(state.path().join("left.undo.jsonl"), format!("{head}\n{undo}\n")).unwrap();
        std::fs::remove_file(LINK).unwrap();
        let recovered = recover(state.path()).await.unwrap();
        let started = format!("run {systemctl} start -- nginx.service, unless it runs");
        assert_eq!((recovered[0].undone.clone(), runs()), (vec![started], true));
    });
}

#[test]
fn a_unit_that_does_not_run_is_not_ours_to_start() {
    with_systemd("units::a_unit_that_does_not_run_is_not_ours_to_start", async || {
        std::fs::remove_file(LINK).unwrap();
        let state = state_dir();
        let mut faults = open(&service(None, &[]), state.path()).await;
        let error = faults.begin(0, &fault(nginx(), None)).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "the unit nginx.service does not run");
        faults.close().await.unwrap();
        assert!(!Path::new(ASKED).exists());
    });
}
