//! Faults of the host live in a child of ours, do what was asked, and end with their pipe.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use evenkeel_model::document::{Amount, Fault};
use evenkeel_units::{Bytes, Ratio};

use crate::stage::{fault, open, service, state_dir};

#[tokio::test]
async fn memory_is_really_held_and_given_back() {
    let state = state_dir();
    let mut faults = open(&service(None, &[]), state.path()).await;
    let amount = Bytes(48 * 1024 * 1024);
    faults.begin(0, &fault(Fault::Memory { amount: Amount::Bytes(amount) }, None)).await.unwrap();
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    let ratio = evidence.counters["resident_bytes"] / amount.0 as f64;
    assert!(evidence.acted && (0.98..1.02).contains(&ratio), "{evidence:?}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn more_memory_than_there_is_is_refused_before_anything_is_taken() {
    let state = state_dir();
    let mut faults = open(&service(None, &[]), state.path()).await;
    let error = faults
        .begin(0, &fault(Fault::Memory { amount: Amount::Bytes(Bytes(1 << 50)) }, None))
        .await;
    let cause = std::error::Error::source(&error.unwrap_err()).unwrap().to_string();
    assert!(cause.contains("is too much memory"), "{cause}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn cpu_is_burnt_and_not_more_of_it_than_was_asked() {
    let state = state_dir();
    let mut faults = open(&service(None, &[]), state.path()).await;
    let load = Ratio::percent(20);
    faults.begin(0, &fault(Fault::Cpu { load, cores: 1 }, None)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    // A busy host may give less than is fair, which is then told; more would be a burner out of control.
    let got = evidence.counters["load_ratio"];
    assert!((0.01..0.25).contains(&got) && evidence.acted == (got >= 0.1), "{evidence:?}");
    faults.close().await.unwrap();
}

/// A file system of the test's own, of 8 MiB and 64 inodes, in a mount namespace that ends with the test.
fn small_disk(test: &str, body: impl AsyncFnOnce(PathBuf)) {
    const INSIDE: &str = "EVENKEEL_TEST_DISK";
    if let Some(place) = std::env::var_os(INSIDE) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap().block_on(body(place.into()));
    }
    let place = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=8m,nr_inodes=64 none \"$0\" && exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", mount])
        .arg(place.path())
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, place.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_full_disk_takes_nothing_more_until_it_is_emptied() {
    small_disk("host::a_full_disk_takes_nothing_more_until_it_is_emptied", async |path| {
        let state = state_dir();
        let mut faults = open(&service(None, &[]), state.path()).await;
        let full = Amount::Share(Ratio::ONE);
        let file = path.join("log");
        std::fs::write(&file, vec![1; 1 << 20]).unwrap();
        faults
            .begin(0, &fault(Fault::DiskFill { path: path.clone(), amount: full }, None))
            .await
            .unwrap();
        let write = || std::fs::write(path.join("more"), b"x");
        assert_eq!(write().unwrap_err().kind(), ErrorKind::StorageFull);
        let (evidence, error) = faults.end(0).await;
        assert_eq!(error, None);
        let [free, held] = ["free_bytes", "held_bytes"].map(|it| evidence.counters[it] as u64);
        assert_eq!((free, held), (0, 7 << 20));
        write().unwrap();
        let part = Amount::Bytes(Bytes(2 << 20));
        faults
            .begin(1, &fault(Fault::DiskFill { path: path.clone(), amount: part }, None))
            .await
            .unwrap();
        write().unwrap();
        faults.close().await.unwrap();
    });
}

#[test]
fn without_inodes_no_file_can_be_made() {
    small_disk("host::without_inodes_no_file_can_be_made", async |path| {
        let state = state_dir();
        let mut faults = open(&service(None, &[]), state.path()).await;
        faults.begin(0, &fault(Fault::Inodes { path: path.clone(), free: 1 }, None)).await.unwrap();
        let write = |name: &str| std::fs::write(path.join(name), b"");
        write("the-last-one").unwrap();
        assert_eq!(write("one-too-many").unwrap_err().kind(), ErrorKind::StorageFull);
        let (evidence, error) = faults.end(0).await;
        assert_eq!(error, None);
        assert!(evidence.acted && evidence.counters["inodes_held"] > 50.0, "{evidence:?}");
        write("one-too-many").unwrap();
        faults.close().await.unwrap();
    });
}

#[tokio::test]
async fn process_numbers_are_taken_and_given_back() {
    let all = || std::fs::read_to_string("/proc/loadavg").unwrap();
    let threads = || all().split(['/', ' ']).nth(4).unwrap().parse::<i64>().unwrap();
    let state = state_dir();
    let mut faults = open(&service(None, &[]), state.path()).await;
    let before = threads();
    faults.begin(0, &fault(Fault::Pids { count: 2_000 }, None)).await.unwrap();
    // Others come and go meanwhile.
    assert!(threads() > before + 1_000, "{}", all());
    let (evidence, error) = faults.end(0).await;
    assert_eq!((error, evidence.counters["pids_held"] as u32), (None, 2_000));
    assert!(threads() < before + 1_000, "{}", all());
    let error = faults.begin(1, &fault(Fault::Pids { count: 4_000_000 }, None)).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("is too many"), "{cause}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_command_is_run_and_taken_back() {
    let state = state_dir();
    let flag = state.path().join("flag").display().to_string();
    let words = |program: &str| vec![program.to_owned(), flag.clone()];
    let command = Fault::Command { run: words("touch"), undo: words("rm") };
    let mut faults = open(&service(None, &[]), state.path()).await;
    faults.begin(0, &fault(command, None)).await.unwrap();
    assert!(std::fs::exists(&flag).unwrap());
    let (evidence, error) = faults.end(0).await;
    assert_eq!((evidence.acted, error), (true, None));
    assert!(!std::fs::exists(&flag).unwrap());
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_command_that_fails_is_taken_back_at_once() {
    let state = state_dir();
    let flag = state.path().join("flag").display().to_string();
    let words = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let command = Fault::Command { run: words(&["false"]), undo: words(&["touch", &flag]) };
    let mut faults = open(&service(None, &[]), state.path()).await;
    let error = faults.begin(0, &fault(command, None)).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("ended with exit status: 1"), "{cause}");
    assert!(std::fs::exists(&flag).unwrap());
    faults.close().await.unwrap();
}
