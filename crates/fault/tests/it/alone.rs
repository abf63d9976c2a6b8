//! Tests in a network of their own: the test runs itself again under `unshare --net`, so that no rule of nft and no
//! queue is ever laid on the host.

use std::process::{Command, Stdio};

const INSIDE: &str = "EVENKEEL_TEST_ALONE";

/// Runs the body where nobody else is. `test`: path of the test itself.
pub(crate) fn alone(test: &str, body: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap().block_on(body);
    }
    let before = ruleset();
    let again = std::env::current_exe().unwrap();
    let up = "ip link set lo up && exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", up, "sh"])
        .arg(again)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(ruleset(), before, "the host was touched");
}

/// Every rule of nft, byte for byte, without what it has counted.
pub(crate) fn ruleset() -> String {
    let listed = Command::new("nft").args(["--stateless", "list", "ruleset"]).output().unwrap();
    assert!(listed.status.success());
    String::from_utf8(listed.stdout).unwrap()
}
