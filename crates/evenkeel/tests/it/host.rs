//! A host of a test's own: its network and mounts, how they are listed, and a process to be broken there.

use std::fs::{read_dir, read_to_string};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::world::said;

/// A process that waits to be broken, until the test is over.
pub(crate) struct Victim(Child);

impl Victim {
    pub(crate) fn start() -> Self {
        let mut command = Command::new("sleep");
        Self(command.arg("600").stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its limits, as the kernel tells them.
    pub(crate) fn limits(&self) -> String {
        read_to_string(format!("/proc/{}/limits", self.id())).unwrap()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// How a host is, as far as faults could change it: rules of packets, queueing disciplines and interfaces.
fn network() -> [String; 4] {
    let listed = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    // Its comments have the time, and its chains what they have counted.
    let iptables = listed("iptables-save", &[]);
    let rules = iptables.lines().filter(|it| !it.starts_with('#'));
    let rules: Vec<&str> = rules.map(|it| it.split(" [").next().unwrap_or(it)).collect();
    [
        listed("nft", &["--stateless", "list", "ruleset"]),
        rules.join("\n"),
        listed("tc", &["qdisc", "show"]),
        listed("ip", &["-brief", "link"]),
    ]
}

/// The same, with its mounts.
pub(crate) fn host() -> ([String; 4], String) {
    (network(), read_to_string("/proc/self/mounts").unwrap())
}

/// Everything that is set in a control group and below it, and who is there. What is counted nobody may write.
pub(crate) fn settings(folder: &Path) -> String {
    let mut paths: Vec<PathBuf> = read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    let mut lines = String::new();
    for path in paths {
        // What has ended meanwhile is listed by nobody.
        let Ok(about) = path.metadata() else { continue };
        let is_setting = about.permissions().mode() & 0o200 != 0;
        if about.is_dir() {
            lines += &settings(&path);
        } else if is_setting && path.extension().is_none_or(|it| it != "pressure") {
            let set = read_to_string(&path).unwrap_or_default();
            lines += &format!("{}: {}\n", path.display(), set.replace('\n', " "));
        }
    }
    lines
}

/// Runs the body in a network of its own, with mounts of its own: the test runs itself again, alone. `test`: path of the test itself.
#[expect(clippy::print_stdout, reason = "what the test has said there is said here")]
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    const INSIDE: &str = "EVENKEEL_TEST_ALONE";
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    // What others mount meanwhile is theirs.
    let before = network();
    let output = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(network(), before);
}
